"""Commands about discriminative and non-discriminative regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.map_options import (
    how_opened,
    named_places,
    open_each,
    open_maps,
    stream_option,
)
from wsss_assets.cli.options import (
    json_option,
    label_options,
    shared_by_ranks,
    target_option,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import (
    WIDTH,
    percent,
    print_table,
    print_words,
    progress_bar,
    takes_standard_output,
    write_json,
    write_text,
)
from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.evaluation.regions.analyse import RegionScores
    from wsss_assets.ranks import Ranks

__all__ = ["COMMANDS"]

_SHOWN = {
    "dr_recall": "DR-recall",
    "ndr_recall": "NDR-recall",
    "ndr_fpr": "NDR-FPR",
    "fp_retention": "FP kept",
    "ndr_iou": "NDR-IoU",
    "gain": "gain",
    "net_gain": "net",
    "auc": "AUC",
}
"""Columns of the tables, by measure."""

_AREA_TOLERANCE = 0.05
"""From which share on it is said that the areas compared are not equal."""


@click.command("evaluate-regions")
@shared_by_ranks
@label_options
@click.option(
    "--reference",
    metavar="DIR|SET",
    required=True,
    help="The reference CAM: a folder of <image id>_<class>.png (0-based) or <image id>.npy, "
    "or a map set.",
)
@click.option(
    "--activation",
    metavar="[NAME=]DIR|SET",
    multiple=True,
    help="Maps to compare with it, in the same form; may be repeated.",
)
@click.option(
    "--predictions",
    metavar="[NAME=]DIR",
    multiple=True,
    help="Pseudo-labels to compare with it, <image id>.png; may be repeated.",
)
@stream_option
@truth_option
@click.option(
    "--eta",
    type=float,
    help="Threshold of the reference, 0 to 1.  [default: where its mean IoU is best]",
)
@click.option(
    "--threshold",
    type=float,
    help="Threshold of every --activation, 0 to 1.  [default: where its own mean IoU is best]",
)
@click.option("--per-class", is_flag=True, help="A table for each set, class by class.")
@click.option(
    "--per-image-means", is_flag=True, help="Means over images, too: reads all maps again."
)
@target_option("--plot", words="Draw NDR-recall over NDR-FPR there, as SVG.")
@workers_option
@json_option
def evaluate_regions(
    labels: ImageLabels,
    benchmark: Benchmark,
    split: str | None,
    reference: str,
    activation: Sequence[str],
    predictions: Sequence[str],
    stream: bool,
    per_class: bool,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (ground_truth, eta, threshold, per_image_means, workers)
) -> None:
    """Measure what maps add to a reference CAM, or lose.

    The reference covers a part of each object, its discriminative region (DR), where it is at
    least eta; the rest of the object is the non-discriminative region (NDR). The table says how
    much of both each set finds, how much of the background it takes where the reference does
    not (NDR-FPR), how many of the reference's false positives it keeps, and what it would find
    in the NDR with just as many pixels as the reference (gain; net of what it then loses in the
    DR). AUC is that of NDR-recall over NDR-FPR, 50 being chance. All in percent, means over
    classes.

    These definitions are this package's own, inspired by "Beyond Discriminative Regions"
    (arXiv 2308.11052), whose formulas they are not; see docs/regions.md.

    \b
    Example:
      wsss-assets evaluate-regions --labels train_cls.txt --reference maps/cam \\
        --activation maps/oaa --activation maps/eps \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass
    """
    from wsss_assets.evaluation.regions.images import LabelMasks, RegionImages

    quiet = takes_standard_output(plot=plot, json=json_target)
    maps, masks = _places(activation, predictions)
    how = how_opened([reference, *maps.values()], labels, ranks, stream=stream)
    tested: dict[str, Any] = {
        **open_each(maps, "activation", benchmark, split, **how),
        **{name: LabelMasks(Path(at), benchmark) for name, at in masks.items()},
    }
    source = open_maps(reference, "activation", benchmark, split, **how)
    for one in tested.values():  # what a later one lacks is said before the first is read
        RegionImages(labels, source, one, options["ground_truth"], benchmark, ranks)
    analysed = {
        name: _analyse(labels, source, maps, name, benchmark, split, ranks, **options)
        for name, maps in tested.items()
    }
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        sets = {name: scores.to_dict() for name, scores in analysed.items()}
        write_json(json_target, {"reference": str(source), "sets": sets})
    if not quiet:
        _print_summary(analysed)
        if options["per_image_means"]:
            _print_image_means(analysed)
        for name, scores in analysed.items() if per_class else ():
            _print_classes(name, scores)
        click.echo()
        _print_footer(next(iter(analysed.values())))
    if plot is not None:  # last: there may be nothing to draw
        write_text(plot, _svg(analysed, reference))


COMMANDS: tuple[click.Command, ...] = (evaluate_regions,)


def _places(
    activation: Sequence[str], predictions: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Maps and pseudo-labels that are compared with the reference, by name.

    Raises:
        UsageError: there are none, or two have one name.
    """
    maps = named_places(activation, "activation")
    masks = named_places(predictions, "predictions")
    if not maps and not masks:
        raise UsageError(
            "there is nothing to compare with the reference",
            expected="--activation or --predictions, at least once",
        )
    if twice := sorted(maps.keys() & masks.keys()):
        name = twice[0]
        raise UsageError(
            f"{name} names both maps and predictions",
            hint=f"give one another name: --predictions NAME={masks[name]}",
        )
    return maps, masks


def _analyse(
    labels: ImageLabels,
    reference: Any,  # noqa: ANN401 (a folder, or a source of maps)
    tested: Any,  # noqa: ANN401
    name: str,
    benchmark: Benchmark,
    split: str | None,
    ranks: Ranks,
    *,
    ground_truth: Path,
    threshold: float | None,
    **options: Any,  # noqa: ANN401
) -> RegionScores:
    from wsss_assets.evaluation.regions.analyse import analyse_regions
    from wsss_assets.evaluation.regions.images import LabelMasks

    return analyse_regions(
        labels,
        reference,
        tested,
        ground_truth,
        benchmark=benchmark,
        split=split,
        threshold=None if isinstance(tested, LabelMasks) else threshold,
        progress=progress_bar(name, ranks),
        ranks=ranks,
        **options,
    )


def _print_summary(analysed: dict[str, RegionScores]) -> None:
    from wsss_assets.words import counted

    first = next(iter(analysed.values()))
    count = first.means["dr_recall"].count
    classes = "1 class" if count == 1 else f"{count} classes"
    click.echo(f"%, means over {classes}; t: threshold, 0 to 1")
    print_table(
        ("set", "t", *_SHOWN.values()),
        [
            (
                name,
                "–" if scores.threshold is None else f"{scores.threshold:.3f}",
                *(percent(scores.means[measure].mean) for measure in _SHOWN),
            )
            for name, scores in analysed.items()
        ],
        WIDTH,
    )
    click.echo()
    print_words(
        f"the reference: mean IoU {percent(first.reference_iou)} at eta "
        f"{first.eta:.3f}, without background; {counted(first.pairs, 'pair')} of an image and "
        "a class"
    )
    for name, scores in analysed.items():
        area = scores.means["matched_area"].mean
        if area is not None and abs(area - 1) > _AREA_TOLERANCE:
            print_words(
                f"{name}: its gain is at {area:.2f} times the reference's pixels; "
                "no threshold comes nearer"
            )


def _print_footer(first: RegionScores) -> None:
    from wsss_assets.report.provenance import provenance_line

    print_words(
        provenance_line(
            first.benchmark,
            first.split,
            first.images,
            first.ground_truth_digest,
            synthetic=first.synthetic,
        )
    )


def _print_image_means(analysed: dict[str, RegionScores]) -> None:
    shown = [name for name in _SHOWN if name not in {"gain", "net_gain", "auc"}]
    click.echo("\n%, means over pairs of an image and a class")
    print_table(
        ("set", *(_SHOWN[name] for name in shown)),
        [
            (name, *(percent((scores.image_means or {})[one].mean) for one in shown))
            for name, scores in analysed.items()
        ],
        WIDTH,
    )


def _print_classes(name: str, scores: RegionScores) -> None:
    click.echo()
    print_words(f"{name}, %")
    rows = []
    for label, measures in scores.per_class.items():
        pixels = scores.pixels[label]
        if not any(pixels.values()):
            continue
        found, missed = pixels["discriminative"], pixels["non_discriminative"]
        share = found / (found + missed) if found + missed else None
        rows.append((label, percent(share), *(percent(measures[one]) for one in _SHOWN)))
    print_table(("class", "DR share", *_SHOWN.values()), rows, WIDTH)


def _svg(analysed: dict[str, RegionScores], reference: str) -> str:
    from wsss_assets.report.region_curve import regions_svg

    return regions_svg(analysed, reference=Path(reference).name)
