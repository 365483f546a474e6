"""Commands about benchmarks: what there is, whether a devkit is whole, labels, ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from wsss_assets.cli.options import (
    FILE,
    FOLDER,
    TARGET,
    benchmark_option,
    json_option,
    workers_option,
)
from wsss_assets.cli.output import print_table, progress_bar, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.devkit.findings import Finding

__all__ = ["COMMANDS"]

_ANOTHER_SOURCE = "make the list of a devkit with --root DIR, or of COCO's with --instances FILE"


@click.command()
@json_option
def benchmarks(json_target: Path | None) -> None:
    """List the benchmarks with their classes and splits.

    \b
    Example:
      wsss-assets benchmarks
    """
    from wsss_assets.benchmarks import get_benchmark, list_benchmarks

    known = [get_benchmark(name) for name in list_benchmarks()]
    if json_target is not None:
        write_json(
            json_target,
            [
                {
                    "name": one.name,
                    "title": one.title,
                    "classes": list(one.classes),
                    "splits": {split.name: split.images for split in one.splits.values()},
                    "synthetic": one.synthetic,
                    "note": one.note,
                }
                for one in known
            ],
        )
        return
    rows = [
        (
            f"{one.name} {split.name}",
            str(len(one.classes)),
            "any" if split.images is None else f"{split.images:,}",
        )
        for one in known
        for split in one.splits.values()
    ]
    print_table(("benchmark, split", "classes", "images"), rows)
    for one in known:
        click.echo(f"\n{one.name}: {one.title}. {one.note}".rstrip())


@click.command()
@benchmark_option
@click.option("--root", type=FOLDER, required=True, help="The devkit, e.g. VOCdevkit/VOC2012.")
@click.option("--quick", is_flag=True, help="Read only headers of masks and no instances file.")
@workers_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    benchmark: str,
    root: Path,
    quick: bool,
    workers: int | None,
    json_target: Path | None,
) -> None:
    """Look over a devkit before it makes wrong numbers.

    Says what is there, what is missing and where to get it, and which masks cannot be used.
    Exit status 1 where there are problems, 0 where there are none or warnings only.

    \b
    Example:
      wsss-assets doctor --benchmark voc2012 --root VOCdevkit/VOC2012
    """
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.doctor import examine

    checkup = examine(
        root,
        get_benchmark(benchmark),
        quick=quick,
        workers=workers,
        progress=progress_bar("masks"),
    )
    if json_target is not None:
        write_json(json_target, checkup.as_dict())
    if str(json_target) != "-":
        for finding in checkup.findings:
            _print_finding(finding)
        counts = {level: checkup.count(level) for level in ("problem", "warning")}
        click.echo(
            ", ".join(
                f"{number} {level}{'' if number == 1 else 's'}" for level, number in counts.items()
            )
        )
    if checkup.count("problem"):
        ctx.exit(1)


@click.command()
@benchmark_option
@click.option("--split", metavar="NAME", help="train, train_aug or val.")
@click.option("--labels", "list_path", type=FILE, help="A label list; - for standard input.")
@click.option("--root", type=FOLDER, help="A devkit, e.g. VOCdevkit/VOC2012.")
@click.option(
    "--source",
    type=click.Choice(["masks", "xml"]),
    default="masks",
    show_default=True,
    help="What of the devkit to read.",
)
@click.option("--masks", type=FOLDER, help="Masks elsewhere than in the devkit.")
@click.option("--instances", type=FILE, help="A COCO instances file.")
@click.option("--out", type=TARGET, default="-", help="Where to write.  [default: standard output]")
@workers_option
def labels(
    benchmark: str,
    split: str | None,
    list_path: Path | None,
    root: Path | None,
    source: Literal["masks", "xml"],
    masks: Path | None,
    instances: Path | None,
    out: Path,
    workers: int | None,
) -> None:
    """Make a label list of a split.

    A line `id c c …` per image, classes 0-based.

    From --labels, --root or --instances; from none of them, it is the list that WSSS-BED
    publishes, downloaded at a fixed commit and checked.

    Masks and XML annotations disagree: on voc2012 train_aug in 818 of 10,582 images. WSSS-BED's
    lists agree with the masks.

    \b
    Examples:
      wsss-assets labels --split train_aug --out train_aug_cls.txt
      wsss-assets labels --split val --root VOCdevkit/VOC2012 --source xml
    """
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.image_labels import format_label_list, write_label_list
    from wsss_assets.devkit.label_sources import resolve_labels

    found = resolve_labels(
        get_benchmark(benchmark),
        split,
        labels=list_path,
        root=root,
        source=source,
        masks=masks,
        instances=instances,
        instead=_ANOTHER_SOURCE,
        workers=workers,
        progress=progress_bar("images"),
    )
    if str(out) == "-":
        click.echo(format_label_list(found), nl=False)
    else:
        write_label_list(out, found)
    from wsss_assets.words import counted

    click.echo(f"{counted(len(found), 'image')}, from: {found.source}", err=True)


@click.command("ground-truth")
@click.option("--instances", type=FILE, required=True, help="E.g. instances_train2014.json.")
@click.option(
    "--rule",
    default="canonical",
    show_default=True,
    metavar="NAME",
    help="Who wins where objects overlap: canonical, coco2voc or recam.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder for the label maps.")
@click.option("--ids", type=FILE, help="Only these images: a list; - for standard input.")
@click.option("--all-images", is_flag=True, help="Also images in which nothing is annotated.")
@workers_option
def ground_truth(
    instances: Path,
    rule: str,
    out: Path,
    ids: Path | None,
    all_images: bool,
    workers: int | None,
) -> None:
    """Draw COCO's instances as label maps, by a named rule.

    \b
    canonical  the object of fewer pixels wins; pixels of crowds alone are 255
    coco2voc   the smaller annotated area wins, crowds are objects
    recam      later annotations cover earlier ones, crowds are background

    Maps that are there already are kept; stopped, the same command goes on.

    \b
    Example:
      wsss-assets ground-truth --instances annotations/instances_val2014.json \\
        --out SegmentationClass/val2014
    """
    from wsss_assets.devkit.ground_truth import write_ground_truth
    from wsss_assets.storage.image_ids import read_ids

    summary = write_ground_truth(
        instances,
        out,
        rule,
        ids=None if ids is None else read_ids(ids),
        include_empty=all_images,
        workers=workers,
        progress=progress_bar("images"),
    )
    from wsss_assets.words import counted

    bare = counted(summary.without_annotation, "image")
    click.echo(
        f"{counted(summary.written, 'label map')} written to {out} by the rule {summary.rule}, "
        f"{summary.kept:,} {'was' if summary.kept == 1 else 'were'} there, "
        f"{bare} {'has' if summary.without_annotation == 1 else 'have'} no annotation"
    )


COMMANDS = (benchmarks, doctor, labels, ground_truth)

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def _print_finding(finding: Finding) -> None:
    click.echo(click.style(f"{finding.level:8}", fg=_COLOURS[finding.level]) + finding.what)
    if finding.todo:
        click.echo(f"{'':8}→ {finding.todo}")
