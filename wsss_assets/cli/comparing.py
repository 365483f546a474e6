"""Commands that compare map sets and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wsss_assets.cli.comparing_tables import print_compared, print_grid
from wsss_assets.cli.map_options import (
    how_opened,
    named_places,
    open_each,
    open_maps,
    recipe_options,
    stream_option,
)
from wsss_assets.cli.options import (
    FILE,
    FOLDER,
    benchmark_option,
    ignored_option,
    json_option,
    label_options,
    shared_by_ranks,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import progress_bar, write_json
from wsss_assets.errors import UsageError
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.evaluation.comparing.labels import LabelComparison
    from wsss_assets.evaluation.comparing.map_comparison import MapComparison
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = ["COMMANDS"]

_RECIPE_OPTIONS = ("recipe", "method", "tau", "saliency_threshold", "ignore", "no_saliency")


@click.command()
@shared_by_ranks
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--kind",
    type=click.Choice(["labels", "saliency", "activation"]),
    help="What A and B are.  [default: as their stamps or files tell]",
)
@click.option("--ground-truth", type=FOLDER, help="Also score both labels: folder of masks.")
@click.option("--ids", type=FILE, help="Which images: a list; - for standard input.")
@click.option("--labels", type=FILE, help="Which images and classes: a label list `id c c …`.")
@click.option("--split", metavar="NAME", help="Which split it is; of map sets, which is read.")
@benchmark_option
@ignored_option
@click.option("--skip-missing", is_flag=True, help="Pass over what only one of the two has.")
@stream_option
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Sets of images that the bootstrap draws.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Chooses that drawing."
)
@click.option(
    "--confidence", type=float, default=0.95, show_default=True, help="Of its intervals, 0 to 1."
)
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many images, and changes of class, are listed.",
)
@workers_option
@json_option
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    first: str,
    second: str,
    kind: Kind | None,
    ids: Path | None,
    labels: Path | None,
    benchmark: str,
    stream: bool,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (handed on)
) -> None:
    """Compare two folders of labels, or two sets of maps.

    Labels: on how many pixels they agree, what became what, which images changed most; with
    --ground-truth the mIoU of both, and how sure their difference is (a bootstrap over images).
    Maps: how many pixels are equal, by how many grey levels they differ, which images changed most.

    A and B are folders or, of maps, names of map sets. The exit status is 0 also where they differ,
    and 1 where images were passed over.

    \b
    Example:
      wsss-assets compare labels/cam labels/eps --ignored miss \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass
      wsss-assets compare maps/vst_duts maps/vst_duts_remade --kind saliency
    """
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.image_labels import read_label_list
    from wsss_assets.evaluation.comparing.kinds import common_kind, refuse_other_kind
    from wsss_assets.evaluation.comparing.labels import compare_labels
    from wsss_assets.evaluation.comparing.maps import compare_maps
    from wsss_assets.storage.image_ids import read_ids

    known = get_benchmark(benchmark)
    if kind is None:
        found = common_kind(first, second, known, scored=options["ground_truth"] is not None)
    else:
        found = kind
        for one in (first, second):
            refuse_other_kind(one, kind, known)
    listed = None if labels is None else ranks.first(lambda: read_label_list(labels, known))
    wanted = None if ids is None else ranks.first(lambda: read_ids(ids))
    shared = {
        "benchmark": known,
        "progress": progress_bar("images", ranks),
        "ranks": ranks,
        **{name: options[name] for name in ("split", "skip_missing", "most", "workers")},
    }
    compared: LabelComparison | MapComparison
    if found == "labels" and stream:
        raise UsageError(
            "--stream reads map sets from the Hub, and labels are in folders",
            hint="leave out --stream: a folder is read where it lies",
        )
    if found == "labels":
        scored = {
            name: options[name]
            for name in ("ground_truth", "ignored", "replicates", "seed", "confidence")
        }
        chosen = list(listed) if wanted is None and listed is not None else wanted
        compared = compare_labels(first, second, ids=chosen, **scored, **shared)
    else:
        if options["ground_truth"] is not None:
            raise UsageError(
                f"{found} maps have no mIoU by themselves",
                hint="leave out --ground-truth, or make labels of them with pseudo-label",
            )
        read = _in_order(found, listed, wanted) if stream else ()
        how = how_opened((first, second), read, ranks, stream=stream)
        sides = [open_maps(one, found, known, options["split"], **how) for one in (first, second)]
        compared = compare_maps(sides[0], sides[1], found, labels=listed, ids=wanted, **shared)
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        write_json(json_target, {"first": first, "second": second, **compared.to_dict()})
    if str(json_target) != "-":
        click.echo(f"A: {first}\nB: {second}")
        print_compared(compared, options["most"])
    if compared.missing_in_first or compared.missing_in_second:
        for name, missing in (("A", compared.missing_in_first), ("B", compared.missing_in_second)):
            if missing:
                click.echo(f"not in {name}: {len(missing)} ({some_of(missing)})", err=True)
        ctx.exit(1)


@click.command()
@shared_by_ranks
@recipe_options
@label_options
@click.option(
    "--saliency",
    metavar="[NAME=]DIR|SET",
    multiple=True,
    help="Folder of <image id>.png, or a map set; may be repeated.",
)
@click.option(
    "--activation",
    metavar="[NAME=]DIR|SET",
    multiple=True,
    help="Folder of <image id>_<class>.png (0-based), or of <image id>.npy dictionaries, or a map "
    "set; may be repeated.",
)
@stream_option
@click.option("--root", type=FOLDER, help="Also all folders DIR/saliency/* and DIR/activation/*.")
@click.option("--cached", is_flag=True, help="Also all map sets that this machine holds.")
@truth_option
@click.option("--out", type=FOLDER, required=True, help="Where to; what is there is kept.")
@ignored_option
@click.option("--surface", is_flag=True, help="Also try every saliency threshold × tau.")
@workers_option
@json_option
@click.pass_context
def benchmark(
    ctx: click.Context,
    /,
    recipe: Recipe,
    labels: ImageLabels,
    benchmark: Benchmark,
    split: str | None,
    saliency: Sequence[str],
    activation: Sequence[str],
    stream: bool,
    root: Path | None,
    cached: bool,
    ground_truth: Path,
    out: Path,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (ignored, surface, workers: handed on)
) -> None:
    """Score the labels of every method with every saliency.

    Each cell of the grid is the mIoU of the pseudo-labels themselves, at the recipe's thresholds
    and at the best ones. WSSS-BED's tables show something else: the mIoU of a network trained on
    them.

    Without an option about the recipe, activation sets that are called as a method of WSSS-BED
    (cam, oaa, mcis, drs, edam, eps, l2g) get its settings for that method.

    Stopped, the same command goes on; another set or --surface adds to the cells in --out, and
    another --ignored writes the tables anew from them. Another recipe, list or ground truth needs
    another folder. A missing map costs its cell: it is listed, and the exit status is 1.

    \b
    Example:
      wsss-assets benchmark --labels train_cls.txt --saliency maps/vst --saliency maps/move \\
        --activation cam=maps/cam --activation oaa=maps/oaa --ignored miss \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --out grid
    """
    from wsss_assets.evaluation.grid.run import benchmark_grid
    from wsss_assets.evaluation.grid.sources import AtHand, folders_below, held_sets
    from wsss_assets.report.grid import earlier_policy, write_grid
    from wsss_assets.words import counted

    rows, columns = named_places(saliency, "saliency"), named_places(activation, "activation")
    places = [*rows.values(), *columns.values(), *([] if root is None else [str(root)])]
    how = how_opened(places, labels, ranks, stream=stream)
    at_hand = [
        AtHand(
            open_each(rows, "saliency", benchmark, split, **how),
            open_each(columns, "activation", benchmark, split, **how),
        )
    ]
    if root is not None:
        at_hand.append(folders_below(root))
    if cached:
        at_hand.append(held_sets(benchmark, split))
        for name in at_hand[-1].damaged if ranks.is_first else ():
            click.echo(f"{name} is damaged here and left out: wsss-assets verify {name}", err=True)

    def notify(cell: str, done: int, count: int) -> None:
        if ranks.is_first:
            click.echo(f"{done} of {counted(count, 'cell')}: {cell}", err=True)

    grid = benchmark_grid(
        labels,
        _together([one.saliency for one in at_hand], "saliency"),
        _together([one.activation for one in at_hand], "activation"),
        ground_truth,
        out,
        recipe=recipe if any(_is_given(ctx, name) for name in _RECIPE_OPTIONS) else None,
        benchmark=benchmark,
        split=split,
        progress=lambda cell: progress_bar(cell, ranks),
        notify=notify,
        ranks=ranks,
        **options,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    earlier = earlier_policy(out)
    write_grid(grid, out)
    if earlier not in (None, grid.ignored):
        now = grid.ignored or "none is written"
        click.echo(f"tables in {out} counted 255 as: {earlier}; now: {now}", err=True)
    if json_target is not None:
        write_json(json_target, grid.to_dict())
    if str(json_target) != "-":
        print_grid(grid, out)
    for (row, column), reason in grid.failed.items():
        click.echo(f"no score for {row} × {column}: {reason}".replace("\n", " "), err=True)
    if grid.failed:
        ctx.exit(1)


COMMANDS = (compare, benchmark)


def _is_given(ctx: click.Context, name: str) -> bool:
    """Whether an option was given, be it as 0 or as --no-ignore."""
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def _in_order(
    kind: Kind | str, labels: ImageLabels | None, ids: Collection[str] | None
) -> Collection[str]:
    """The images of two map sets in the order in which they are compared.

    Raises:
        UsageError: no list says so.
    """
    if labels is not None:
        chosen = labels if ids is None else set(ids)
        return [image_id for image_id in labels if image_id in chosen]
    if kind == "activation" or ids is None:
        option = "--labels" if kind == "activation" else "--ids or --labels"
        raise UsageError(
            "a stream is read in the order of a list, and there is none",
            hint=f"say which images with {option} FILE",
        )
    return ids


def _together(parts: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    """All sets by name.

    Raises:
        UsageError: two have one name.
    """
    found: dict[str, Any] = {}
    for part in parts:
        for name, source in part.items():
            if name in found:
                raise UsageError(
                    f"there are two {kind} sets called {name}",
                    hint=f"give one of them another name: --{kind} NAME=DIR",
                )
            found[name] = source
    return found
