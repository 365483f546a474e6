"""Commands about saliency quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.map_options import (
    how_opened,
    means_folder,
    named_places,
    open_each,
    stream_option,
)
from wsss_assets.cli.options import (
    json_option,
    list_options,
    shared_by_ranks,
    target_option,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import (
    WIDTH,
    number,
    print_table,
    print_words,
    progress_bar,
    takes_standard_output,
    write_json,
    write_text,
)
from wsss_assets.errors import UsageError
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.saliency.measures import ImageSaliency
    from wsss_assets.evaluation.saliency.scores import SaliencyScores
    from wsss_assets.ranks import Ranks

__all__ = ["COMMANDS"]

_SHOWN = {
    "mae": "MAE",
    "max_f": "max F",
    "mean_f": "mean F",
    "adaptive_f": "adp F",
    "weighted_f": "wgt F",
    "s_measure": "S",
    "max_e": "max E",
    "mean_e": "mean E",
    "adaptive_e": "adp E",
}
"""Columns of the tables, by measure."""


@click.command("evaluate-saliency")
@shared_by_ranks
@click.option(
    "--predictions",
    metavar="[NAME=]DIR|SET",
    multiple=True,
    required=True,
    help="Folder of <image id>.png, or a map set; may be repeated.",
)
@stream_option
@truth_option
@click.option(
    "--ground-truth-kind",
    type=click.Choice(["auto", "binary", "classes"]),
    default="auto",
    show_default=True,
    help="binary: object above 128. classes: 1..C object, 255 void. auto: as the masks show.",
)
@click.option(
    "--void",
    type=click.Choice(["background", "foreground", "drop"]),
    default="background",
    show_default=True,
    help="What 255 in masks of classes counts as; drop: nothing, and no S and weighted F.",
)
@click.option(
    "--normalisation",
    type=click.Choice(["min-max", "raw"]),
    default="min-max",
    show_default=True,
    help="Each map's own range becomes 0..1, as other evaluators do it, or maps stay as they are.",
)
@click.option(
    "--no-weighted-f", is_flag=True, help="Leave the weighted F-measure out; it needs SciPy."
)
@list_options
@click.option("--skip-missing", is_flag=True, help="Pass over images that a set has no map of.")
@target_option("--per-image", words="Write the measures of each image there, as CSV.")
@target_option("--plot", words="Draw the F-measure over the threshold there, as SVG.")
@workers_option
@json_option
@click.pass_context
def evaluate_saliency(
    ctx: click.Context,
    /,
    predictions: Sequence[str],
    ground_truth: Path,
    wanted: Collection[str] | None,
    split: str | None,
    benchmark: Benchmark,
    stream: bool,
    no_weighted_f: bool,
    per_image: Path | None,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (kind, void, normalisation, skip_missing, workers: handed on)
) -> None:
    """Score saliency maps against masks.

    Gives MAE, F, weighted F, S and E.

    The ground truth is binary masks, or masks of classes such as VOC's SegmentationClass, where
    every class is foreground. Of several sets, each with its row, the best of a column is
    marked.

    Measures are taken of each image and averaged over the images, as PySODMetrics does; curves
    are averaged before their maximum is taken. Without --ids, --labels or --split every mask
    of the ground truth counts. Exit status 1 where images were passed over.

    \b
    Example:
      wsss-assets evaluate-saliency --predictions maps/vst_duts --predictions dss=maps/dss \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --ids val.txt
    """
    from wsss_assets.evaluation.saliency.evaluate import compare_saliency

    quiet = takes_standard_output(per_image=per_image, plot=plot, json=json_target)
    places = _places(predictions, wanted)
    how = how_opened(places.values(), wanted or (), ranks, stream=stream)
    rows = _Rows()
    scores = compare_saliency(
        open_each(places, "saliency", benchmark, split, **how),
        ground_truth,
        ids=wanted,
        benchmark=benchmark,
        split=split,
        weighted_f=not no_weighted_f,
        progress=progress_bar("images", ranks),
        each=None if per_image is None else rows.add,
        ranks=ranks,
        **options,
    )
    gathered = ranks.gathered(rows.lines)
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        write_json(json_target, {"sets": {name: one.to_dict() for name, one in scores.items()}})
    if not quiet:
        _print_scores(scores)
    if per_image is not None:
        write_text(
            per_image, "".join([_Rows.header(), *(line for some in gathered for line in some)])
        )
    if plot is not None:  # last: there may be nothing to draw
        write_text(plot, _svg(scores))
    missing = next(iter(scores.values())).missing
    if missing:
        click.echo(f"passed over without a map: {len(missing)} ({some_of(missing)})", err=True)
        ctx.exit(1)


COMMANDS: tuple[click.Command, ...] = (evaluate_saliency,)


class _Rows:
    """Lines of CSV, one for each map."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @staticmethod
    def header() -> str:
        return _csv_line(["set", "image_id", *_SHOWN])

    def add(self, name: str, image_id: str, measures: ImageSaliency) -> None:
        from wsss_assets.evaluation.saliency.scores import image_row

        numbers = image_row(measures).values()
        self.lines.append(
            _csv_line([name, image_id, *("" if one is None else repr(one) for one in numbers)])
        )


def _csv_line(cells: Sequence[str]) -> str:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _places(given: Sequence[str], wanted: Collection[str] | None) -> dict[str, str]:
    """Folders and map sets by name.

    Raises:
        UsageError: a map set is named and no list of images.
    """
    places = named_places(given, "predictions")
    sets = [place for place in places.values() if not means_folder(place)]
    if sets and wanted is None:
        raise UsageError(
            f"{sets[0]} is no folder, and which images of a map set are to be scored is not said",
            expected="a folder of maps, or --ids, --labels or --split beside a map set",
        )
    return places


def _print_scores(scores: Mapping[str, SaliencyScores]) -> None:
    if len(scores) == 1:
        _print_one(*scores.values())
    else:
        _print_several(scores)
    one = next(iter(scores.values()))
    if one.weighted_f is None and one.void == "drop":
        click.echo("void pixels are left out, so there is no S-measure and no weighted F-measure")
    digest = one.ground_truth_digest
    print_words(", ".join(_of_what(one)))
    click.echo(
        f"ground truth {digest[:16] if digest else 'unknown'}"
        + (", SYNTHETIC: drawn by a program" if one.synthetic else "")
    )


def _of_what(one: SaliencyScores) -> list[str]:
    """What the numbers mean nothing without."""
    from wsss_assets.words import counted

    masks = "binary masks" if one.void is None else f"classes, void pixels: {one.void}"
    where = [" ".join(filter(None, (one.benchmark, one.split)))] if one.benchmark else []
    empty = f" ({one.empty} of them void throughout)" if one.empty else ""
    return [
        *where,
        f"{counted(one.images, 'image')}{empty}",
        f"{one.normalisation} normalisation",
        masks,
    ]


def _print_one(one: SaliencyScores) -> None:
    notes = {"max_f": one.max_f_threshold, "max_e": one.max_e_threshold}
    print_table(
        ("measure", "value", "at threshold"),
        [
            (
                title,
                number(getattr(one, name), 4),
                f"{notes[name]:.3f}" if notes.get(name) is not None else "",
            )
            for name, title in _SHOWN.items()
        ],
    )
    click.echo()


def _print_several(scores: Mapping[str, SaliencyScores]) -> None:
    """A row for each set, the best of each column marked."""
    best = {name: _best(scores.values(), name) for name in _SHOWN}
    print_table(
        ("set", *(f"{title} " for title in _SHOWN.values())),
        [
            (
                name,
                *(
                    number(getattr(one, measure), 4)
                    + ("*" if getattr(one, measure) == best[measure] is not None else " ")
                    for measure in _SHOWN
                ),
            )
            for name, one in scores.items()
        ],
        WIDTH,
    )
    click.echo("\n* best of the column; MAE: less is better\n")


def _best(scores: Collection[SaliencyScores], measure: str) -> float | None:
    from wsss_assets.evaluation.saliency.scores import MEASURES

    values = [getattr(one, measure) for one in scores]
    known = [value for value in values if value is not None]
    return (max if MEASURES[measure] else min)(known, default=None)


def _svg(scores: Mapping[str, SaliencyScores]) -> str:
    from wsss_assets.evaluation.saliency.scores import THRESHOLDS
    from wsss_assets.evaluation.sweep import plateau_around
    from wsss_assets.report.curve import Curve, curve_svg

    curves = []
    for name, one in scores.items():
        if one.max_f_threshold is None:
            raise UsageError("there is no pixel that counts, so there is no curve to draw")
        best = THRESHOLDS.index(one.max_f_threshold)
        plateau = plateau_around(one.f_measure, best)
        curves.append(Curve(name, THRESHOLDS, one.f_measure.tolist(), best, plateau))
    first = next(iter(scores.values()))
    return curve_svg(
        curves,
        title="F-measure of saliency maps over the threshold",
        subtitle=", ".join(_of_what(first)),
        x_label="threshold",
        y_label="F-measure (beta² = 0.3, %)",
        footer="SYNTHETIC: drawn by a program" if first.synthetic else "",
    )
