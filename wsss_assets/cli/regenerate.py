"""The command that makes map sets from weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import FILE, FOLDER, json_option
from wsss_assets.cli.output import print_failures, write_json
from wsss_assets.cli.regenerate_activation import activation_options, kind_of
from wsss_assets.cli.regenerate_attribution import attribution_options
from wsss_assets.cli.regenerate_onnx import onnx_options
from wsss_assets.cli.regenerate_settings import naming_options
from wsss_assets.cli.regenerate_verify import verify_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.cli.regenerate_activation import Asked
    from wsss_assets.cli.regenerate_attribution import AskedAttribution
    from wsss_assets.regenerate import Summary

__all__ = ["COMMANDS"]


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """A number from 1; None for `auto`."""
    number: int | None = None if value == "auto" else click.IntRange(min=1)(value, param, ctx)
    return number


def _colour(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, float, float] | None:
    """Three numbers with commas between them."""
    if value is None:
        return None
    try:
        first, second, third = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not three numbers such as 0.485,0.456,0.406", ctx, param
        ) from None
    return first, second, third


@click.command()
@click.option(
    "--model", metavar="NAME", help="A network, e.g. u2netp or cam; onnx, or attribution."
)
@click.option(
    "--weights",
    multiple=True,
    metavar="FILE|ID",
    help="A file, or published weights by name; several times where weights come in parts.  "
    "[default: those published for the model, where there are any]",
)
@click.option("--images", type=FOLDER, required=True, help="Folder of <image id>.jpg or .png.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the maps.")
@click.option(
    "--benchmark", metavar="NAME", help="Whose images these are.  [default: voc2012 with --split]"
)
@click.option("--split", metavar="NAME", help="Make maps of WSSS-BED's list of this split.")
@click.option(
    "--labels",
    type=FILE,
    metavar="FILE|predicted",
    help="Make maps of the images of a label list `id c c …`, - for standard input; for activation "
    "maps, of the classes that it names, or of those that the network itself predicts.",
)
@click.option(
    "--ids", type=FILE, help="Make maps of these images, one id per line; - for standard input."
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:N]",
    help="Where to run; auto: a GPU where there is one.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "tf32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="How exactly to run: all but fp32 give an approximation, see docs/models.md.",
)
@click.option(
    "--batch-size",
    callback=_batch_size,
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="Photos of one prepared size that are run at once; of activation maps, of one size.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Processes that prepare photos; 0: none, threads do.  [default: by device and cores]",
)
@click.option("--compile", "compiled", is_flag=True, help="Let torch compile it first, for a GPU.")
@click.option("--mean", callback=_colour, metavar="A,B,C", help="In place of the model's own mean.")
@click.option("--std", callback=_colour, metavar="A,B,C", help="In place of the model's own std.")
@click.option(
    "--own-frame",
    is_flag=True,
    help="Leave maps at the size at which the authors' script writes them.",
)
@activation_options
@attribution_options
@onnx_options
@verify_options
@json_option
@click.pass_context
def regenerate(
    ctx: click.Context,
    /,
    model: str | None,
    weights: tuple[str, ...],
    images: Path,
    out: Path | None,
    benchmark: str | None,
    split: str | None,
    labels: Path | None,
    ids: Path | None,
    json_target: Path | None,
    asked: Asked,
    attribution: AskedAttribution,
    **options: Any,  # noqa: ANN401 (handed on as they are)
) -> None:
    """Make saliency or activation maps of photos.

    Writes, by the weights of a network, a grey PNG per photo, or one per class that a photo shows,
    and beside them a record of how. Maps that are there already, made from the same photo in the
    same way, are kept: stopped or killed, the same command goes on. Photos that are missing or
    unusable are listed at the end, and the exit status is 1. Without a list of images, all photos
    of the folder are taken; activation maps need labels. With several GPUs: torchrun
    --nproc-per-node N -m wsss_assets regenerate …

    With --verify no maps are kept: a sample of a published set, or of a folder of maps, is remade
    and compared. The exit status says whether it is a reproduction: at least
    --share percent of all pixels, and half of those of each map, differ by at most --levels; no
    image is left out; and all files of a folder with a record are those that were made.

    \b
    Examples:
      wsss-assets regenerate --model u2netp --images my_photos --out maps
      wsss-assets regenerate --model poolnet --weights final.pth \\
        --images VOCdevkit/VOC2012/JPEGImages --benchmark voc2012 --split train_aug --out maps
      wsss-assets regenerate --model cam --images VOCdevkit/VOC2012/JPEGImages \\
        --benchmark voc2012 --split train_aug --out maps/cam
      wsss-assets regenerate --verify voc2012/saliency/vst_duts \\
        --images VOCdevkit/VOC2012/JPEGImages
    """
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.errors import UsageError
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.ranks import Ranks
    from wsss_assets.regenerate import Origin
    from wsss_assets.regenerate import regenerate as make
    from wsss_assets.regenerate.weights import check_files
    from wsss_assets.storage.files import check_folder

    if model is None or out is None:
        raise UsageError(
            f"maps need {'--model NAME' if model is None else '--out DIR'}",
            hint="with --verify of a published set or of a folder with a record neither is needed",
        )
    kind, known = kind_of(model), get_benchmark(_known(benchmark, split) or "voc2012")
    chosen = attribution.model(model, len(known.classes), trained=not weights)
    check_folder(images)
    check_files(chosen if isinstance(chosen, str) else chosen.name, weights)
    if kind == "saliency":
        asked.refuse(model, labels)
        listed = _listed(benchmark, split, labels, ids)
    else:
        listed, options["activation"] = asked.of(known, split, labels, ids)
    with naming_options():
        summary = make(
            chosen,
            images,
            out,
            weights=weights,
            ids=listed,
            origin=Origin(_known(benchmark, split), split, tuple(sys.argv[1:])),
            feedback=Terminal(),
            **options,
        )
    if not Ranks.from_environment().is_first:
        return  # the first process speaks for all
    _report(summary, out, json_target, with_classes=kind == "activation")
    if summary.failed:
        ctx.exit(1)


COMMANDS = (regenerate,)


def _report(summary: Summary, out: Path, json_target: Path | None, *, with_classes: bool) -> None:
    """Say what was done; of activation maps, also how many images have none to be made."""
    from wsss_assets.words import counted

    if summary.rotated:
        carry = "photos carry a rotation (EXIF) that is not applied: their maps lie"
        if summary.rotated == 1:
            carry = "photo carries a rotation (EXIF) that is not applied: its map lies"
        click.echo(f"{summary.rotated:,} {carry} as the pixels are stored", err=True)
    if json_target is not None:
        numbers = vars(summary).copy()
        if not with_classes:
            del numbers["without_classes"]
        write_json(json_target, {**numbers, "out": str(out)})
    if str(json_target) == "-":
        return
    there = f"{summary.kept:,} {'was' if summary.kept == 1 else 'were'} there"
    what = "maps of " + counted(summary.written, "image") if with_classes else None
    click.echo(f"{what or counted(summary.written, 'map')} written to {out}, {there}")
    if summary.without_classes:
        show = (
            "shows no class and has" if summary.without_classes == 1 else "show no class and have"
        )
        click.echo(f"{counted(summary.without_classes, 'image')} {show} no map")
    print_failures(summary.failed, "map")


def _known(benchmark: str | None, split: str | None) -> str | None:
    """The benchmark of the images, if they are of one."""
    return "voc2012" if benchmark is None and split is not None else benchmark


def _listed(
    benchmark: str | None, split: str | None, labels: Path | None, ids: Path | None
) -> Sequence[str] | None:
    """The images wanted; None: all of the folder."""
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.label_sources import resolve_labels
    from wsss_assets.errors import UsageError
    from wsss_assets.storage.image_ids import read_ids

    if labels is not None and ids is not None:
        raise UsageError("the list of images can come from one place only", found="two")
    known = get_benchmark(_known(benchmark, split) or "voc2012")
    if split is not None:
        known.split(split)
    if ids is not None:
        return read_ids(ids)
    if labels is None and benchmark is None and split is None:
        return None
    return tuple(resolve_labels(known, split, labels=labels))
