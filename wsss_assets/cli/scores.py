"""Commands about scores: one setting, or all thresholds at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.map_options import map_options, recipe_options
from wsss_assets.cli.options import (
    ignored_option,
    json_option,
    label_options,
    list_options,
    predictions_option,
    shared_by_ranks,
    skip_missing_option,
    target_option,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import (
    announce,
    percent,
    print_table,
    print_words,
    progress_bar,
    takes_standard_output,
    write_json,
    write_text,
)
from wsss_assets.words import over_classes, some_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.evaluation.scores import Scores
    from wsss_assets.evaluation.surface import Surface
    from wsss_assets.evaluation.sweep import TauCurve, TauSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = ["COMMANDS"]


@click.command()
@shared_by_ranks
@predictions_option
@truth_option
@list_options
@ignored_option
@click.option(
    "--as",
    "dialect",
    metavar="NAME",
    default="wsss-assets",
    help="Imitate an evaluator: eps, l2g, irn, seam, mctformer, mmseg.",
)
@skip_missing_option
@workers_option
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    predictions: Path,
    ground_truth: Path,
    wanted: Collection[str] | None,
    split: str | None,
    benchmark: Benchmark,
    ignored: str | None,
    dialect: str,
    skip_missing: bool,
    workers: int | None,
    json_target: Path | None,
    ranks: Ranks,
) -> None:
    """Score label maps against ground truth.

    Gives mIoU and, per class, IoU, precision, recall, FP and FN rates.

    Without --ids, --labels or --split every mask of the ground truth counts. Evaluators disagree on
    predictions of 255; where there are some, choose with --ignored or imitate one with --as.
    Exit status 1 where images were passed over.

    \b
    Example:
      wsss-assets evaluate --predictions labels/cam --labels train_cls.txt \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --ignored miss
    """
    from wsss_assets.evaluation import evaluate as scoring

    scores = scoring.evaluate(
        predictions,
        ground_truth,
        ids=wanted,
        benchmark=benchmark,
        split=split,
        ignored=ignored,
        dialect=dialect,
        skip_missing=skip_missing,
        workers=workers,
        progress=progress_bar("images", ranks),
        ranks=ranks,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        write_json(json_target, scores.to_dict())
    if str(json_target) != "-":
        _print_scores(scores)
    if scores.missing:
        ctx.exit(1)


@click.command()
@shared_by_ranks
@recipe_options
@label_options
@map_options
@truth_option
@ignored_option
@click.option("--surface", is_flag=True, help="Every saliency threshold, too: 256 × 256 settings.")
@target_option("--plot", words="Draw the curve (or surface) there, as SVG.")
@workers_option
@json_option
def sweep(
    recipe: Recipe,
    labels: ImageLabels,
    activation: Path | ActivationSource,
    ground_truth: Path,
    ignored: str | None,
    surface: bool,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (saliency, benchmark, split, workers: handed on)
) -> None:
    """Score every threshold in one pass, exactly.

    Prints the best tau, the plateau (all tau within one point of the best) and what the
    recommended tau, the recipe's own, costs against it.

    \b
    Example:
      wsss-assets sweep --labels train_cls.txt --saliency maps/vst_duts --activation maps/cam \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --method cam --ignored miss \\
        --plot curve.svg
    """
    from wsss_assets.evaluation.surface import sweep_surface
    from wsss_assets.evaluation.sweep import require_policy, require_score
    from wsss_assets.evaluation.sweep import sweep as sweep_tau
    from wsss_assets.report import thresholds

    quiet = takes_standard_output(plot=plot, json=json_target)
    require_policy(ignored, needed=recipe.ignore)
    announce(recipe, labels, options["saliency"], ranks)
    options |= {"recipe": recipe, "ranks": ranks, "progress": progress_bar("images", ranks)}
    if surface:
        planes = sweep_surface(labels, activation, ground_truth, **options)
        if not ranks.is_first:
            return  # the first process speaks for all
        best = planes.surface(ignored)
        require_score(best.miou)
        if json_target is not None:
            write_json(json_target, planes.to_dict(ignored))
        if not quiet:
            _print_surface(best, len(planes.benchmark.label_names))
            print_words(thresholds.provenance(planes, best.ignored))
        if plot is not None:  # last: whatever becomes of it, the numbers are there
            write_text(plot, thresholds.surface_svg(planes, best))
        return
    swept = sweep_tau(labels, activation, ground_truth, **options)
    if not ranks.is_first:
        return
    curve = swept.curve(ignored)
    require_score(curve.miou)
    if json_target is not None:
        write_json(json_target, swept.to_dict(ignored))
    if not quiet:
        _print_curve(swept, curve)
        print_words(thresholds.provenance(swept, curve.ignored))
    if plot is not None:
        write_text(plot, thresholds.sweep_svg(swept, curve))


COMMANDS = (evaluate, sweep)


def _print_scores(scores: Scores) -> None:
    from wsss_assets.report.provenance import provenance_line
    from wsss_assets.words import counted

    columns = ("iou", "precision", "recall", "fp_rate", "fn_rate")
    rows = [
        (name, *(percent(getattr(one, column)) for column in columns))
        for name, one in scores.per_class.items()
        if one.iou is not None
    ]
    rows.append(
        ("mean", *(percent(getattr(scores, f"m{c}" if c == "iou" else c)) for c in columns))
    )
    print_table(("class", "IoU", "precision", "recall", "FP", "FN"), rows)
    known = len(scores.per_class)
    click.echo(
        f"\nmIoU {percent(scores.miou)} over {scores.classes_in_mean} of {known} classes, "
        f"pixel accuracy {percent(scores.pixel_accuracy)}"
    )
    absent = [name for name, one in scores.per_class.items() if one.iou is None]
    if absent:
        click.echo(f"occur nowhere: {some_of(absent)}")
    if scores.ignored_pixels:
        pixels = counted(scores.ignored_pixels, "pixel")
        click.echo(f"predicted 255: {pixels}, counted as: {scores.ignored}")
    if scores.dialect != "wsss-assets":
        click.echo(f"as {scores.dialect} counts")
    print_words(
        provenance_line(
            scores.benchmark,
            scores.split,
            scores.images,
            scores.ground_truth_digest,
            synthetic=scores.synthetic,
            whole=_images_of_split(scores),
        )
    )
    if scores.missing:
        count = len(scores.missing)
        click.echo(
            f"passed over without a prediction: {count} ({some_of(scores.missing)})", err=True
        )


def _images_of_split(scores: Scores) -> int | None:
    """How many images the split has where it was not scored whole: such numbers do not compare."""
    from wsss_assets.benchmarks import get_benchmark

    if scores.split is None:
        return None
    whole = get_benchmark(scores.benchmark).split(scores.split).images
    return None if whole == scores.images else whole


def _print_curve(swept: TauSweep, curve: TauCurve) -> None:
    marks = {curve.best: "best", curve.recommended: f"recommended ({swept.recipe.tau:g})"}
    shown = sorted({*range(0, 256, 17), *marks})
    print_table(
        ("tau", "mIoU", ""),
        [(f"{curve.taus[k]:.3f}", percent(curve.miou[k]), marks.get(k, "")) for k in shown],
    )
    first, last = (curve.taus[index] for index in curve.plateau)
    known = len(swept.benchmark.label_names)
    counted = over_classes(int(curve.classes_in_mean[curve.best]), known)
    click.echo(
        f"\nbest mIoU {percent(curve.miou[curve.best])}{counted} at tau "
        f"{curve.taus[curve.best]:.3f}; within one point of it from {first:.3f} to {last:.3f}\n"
        f"the recommended tau {swept.recipe.tau:g} loses {curve.loss * 100:.2f} points"
    )


def _print_surface(surface: Surface, known: int) -> None:
    row, column = surface.best
    threshold = surface.saliency_thresholds[row]
    saliency = f"saliency > {threshold:.3f}" if threshold else "soft saliency"
    best = percent(surface.miou[row, column])
    best += over_classes(int(surface.classes_in_mean[row, column]), known)
    click.echo(f"best mIoU {best} at {saliency}, tau {surface.taus[column]:.3f}")
