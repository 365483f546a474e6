"""Commands about what the activation threshold does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import (
    FILE,
    FOLDER,
    announce,
    json_option,
    label_options,
    map_options,
    open_maps,
    print_table,
    progress_bar,
    recipe_options,
    shared_by_ranks,
    workers_option,
    write_json,
    write_text,
)
from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.evaluation.thresholds.analyse import ThresholdAnalysis
    from wsss_assets.evaluation.thresholds.choices import Choice
    from wsss_assets.evaluation.thresholds.own import PairStatistics
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = ["COMMANDS"]


@click.command("evaluate-thresholds")
@shared_by_ranks
@recipe_options
@label_options
@map_options
@click.option(
    "--ground-truth", type=FOLDER, required=True, help="Folder of masks, one for each image id."
)
@click.option(
    "--ignored", metavar="POLICY", help="What a label of 255 counts as: miss, background or drop."
)
@click.option("--plot", type=FILE, help="Draw best own thresholds and classes there, as SVG.")
@workers_option
@json_option
def evaluate_thresholds(
    recipe: Recipe,
    labels: ImageLabels,
    activation: Path | ActivationSource,
    ground_truth: Path,
    ignored: str | None,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (saliency, benchmark, split, workers: handed on)
) -> None:
    """Measure what the activation threshold does, and what chooses it well.

    Of each image and class: how uneven the activation is on the class, its gap to the rest, and
    how far its best own threshold lies from one for all. Of the labels: what the best tau of each
    image, class or both would gain. And the tau that rules without ground truth choose, with what
    each loses against the best. One pass, by definitions of this project (docs/thresholds.md).

    \b
    Example:
      wsss-assets evaluate-thresholds --labels train_cls.txt --saliency maps/vst_duts \\
        --activation maps/cam --ground-truth VOCdevkit/VOC2012/SegmentationClass --method cam \\
        --ignored miss --plot thresholds.svg
    """
    from wsss_assets.evaluation.sweep import require_policy
    from wsss_assets.evaluation.thresholds.analyse import analyse_thresholds
    from wsss_assets.report.own_thresholds import own_thresholds_svg
    from wsss_assets.report.thresholds import provenance

    dashes = [str(target) for target in (plot, json_target)].count("-")
    if dashes > 1:
        raise UsageError("--plot and --json cannot both go to standard output")
    require_policy(ignored, needed=recipe.ignore)
    options["saliency"] = _saliency(recipe, ranks, **options)
    announce(recipe, labels, options["saliency"] if recipe.uses_saliency else None, ranks)
    analysis = analyse_thresholds(
        labels,
        activation,
        ground_truth,
        recipe=recipe,
        ignored=ignored,
        progress=progress_bar("images", ranks),
        ranks=ranks,
        **options,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    if plot is not None:
        write_text(plot, own_thresholds_svg(analysis))
    if json_target is not None:
        write_json(json_target, analysis.to_dict())
    if not dashes:
        _print_pairs(analysis)
        _print_summary(analysis)
        _print_choices(analysis)
        click.echo(provenance(analysis.swept, analysis.curve.ignored))


COMMANDS = (evaluate_thresholds,)


def _saliency(recipe: Recipe, ranks: Ranks, **options: Any) -> Any:  # noqa: ANN401
    """The saliency maps: also of a recipe without them, for the rules that choose by them."""
    given = options["saliency"]
    if given is None or recipe.uses_saliency:
        return given
    if ranks.is_first:
        click.echo("this recipe uses no saliency: it only chooses thresholds", err=True)
    return open_maps(str(given), "saliency", options["benchmark"], options["split"])


def _print_pairs(analysis: ThresholdAnalysis) -> None:
    header = ("class", "n", "imbalance", "gap", "apart", "AUC", "best tau", "spread")
    rows = [_row(name, one) for name, one in analysis.per_class.items() if one.n]
    rows.append(_row("mean of classes", analysis.macro))
    rows.append(_row("mean of pairs", analysis.pairs))
    print_table((*header, "IoU own", "global", "recall", "prec."), rows)


def _row(name: str, one: PairStatistics) -> tuple[str, ...]:
    plain = (one.imbalance_cv, one.gap_mean)
    places = (one.best_tau_median, one.best_tau_std)
    scores = (one.iou_own, one.iou_global, one.recall_global, one.precision_global)
    return (
        name,
        str(one.n),
        *(_number(value) for value in plain),
        _percent(one.separable, 0),
        _number(one.auc, 3),
        *(_number(value) for value in places),
        *(_percent(value) for value in scores),
    )


def _print_summary(analysis: ThresholdAnalysis) -> None:
    curve, best, pairs, plateau = (
        analysis.curve,
        analysis.best_miou,
        analysis.pairs,
        analysis.plateau,
    )
    gains = ", ".join(
        f"of each {name} {_percent(value, 2)} ({100 * (value - best):+.2f})"
        for name, value in analysis.oracles.items()
    )
    common, iou = analysis.common
    click.echo(
        f"\nlabels: best mIoU {_percent(best, 2)} at tau {curve.taus[curve.best]:.3f} for all; "
        f"the recipe's {analysis.swept.recipe.tau:g} loses {100 * curve.loss:.2f} points\n"
        f"  with the best tau {gains}\n"
        f"  within 5 % of the best: {plateau.share_within_5_percent:.0%} of all tau; within 1 "
        f"point: {plateau.share_within_1_point:.0%}; mean from 0.05 to 0.95: "
        f"{_percent(plateau.mean, 2)}"
    )
    if pairs.n:
        click.echo(
            f"single maps: IoU {_percent(pairs.iou_own)} each at its own threshold, "
            f"{_percent(iou)} at the best common one ({common / 255:.3f}), "
            f"{_percent(pairs.iou_global)} at the labels' tau\n"
            f"  best own thresholds spread by {pairs.best_tau_std:.3f} and lie "
            f"{pairs.distance:.3f} from the labels' tau on average"
        )
    if analysis.without_pixels:
        click.echo(f"  listed classes without a pixel, in no mean: {analysis.without_pixels}")


def _print_choices(analysis: ThresholdAnalysis) -> None:
    click.echo("\ntau chosen without ground truth")
    remarks = [_remark(one) for one in analysis.choices]
    width = max(map(len, remarks))  # the table has its columns to the right, words go to the left
    print_table(
        ("chosen by", "one for each", "tau", "mIoU", "regret", ""),
        [
            (
                one.selector,
                one.level,
                "–" if one.tau is None else f"{one.tau:.3f}",
                _percent(one.miou, 2),
                _number(100 * one.regret),
                remark.ljust(width),
            )
            for one, remark in zip(analysis.choices, remarks, strict=True)
        ],
    )
    click.echo()


def _remark(choice: Choice) -> str:
    kept = f"{choice.undefined} undefined" if choice.undefined and choice.chosen else ""
    return "; ".join(words for words in (choice.verdict, kept) if words)


def _number(value: float, digits: int = 2) -> str:
    return "–" if value != value else f"{value:.{digits}f}"


def _percent(value: float, digits: int = 1) -> str:
    return _number(100 * value, digits)
