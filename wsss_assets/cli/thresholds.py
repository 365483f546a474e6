"""Commands about what the activation threshold does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.map_options import all_map_options, recipe_options
from wsss_assets.cli.options import (
    ignored_option,
    json_option,
    label_options,
    shared_by_ranks,
    target_option,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import (
    WIDTH,
    announce,
    number,
    percent,
    print_table,
    print_words,
    progress_bar,
    signed,
    takes_standard_output,
    write_json,
    write_text,
)

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
@all_map_options
@truth_option
@ignored_option
@target_option("--plot", words="Draw best own thresholds and classes there, as SVG.")
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
    """Measure what the activation threshold does.

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

    quiet = takes_standard_output(plot=plot, json=json_target)
    require_policy(ignored, needed=recipe.ignore)
    if options["saliency"] is not None and not recipe.uses_saliency and ranks.is_first:
        click.echo("this recipe uses no saliency: it only chooses thresholds", err=True)
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
    if json_target is not None:
        write_json(json_target, analysis.to_dict())
    if not quiet:
        _print_pairs(analysis)
        _print_summary(analysis)
        _print_choices(analysis)
        print_words(provenance(analysis.swept, analysis.curve.ignored))
    if plot is not None:  # last: whatever becomes of it, the numbers are there
        write_text(plot, own_thresholds_svg(analysis))


COMMANDS = (evaluate_thresholds,)


_LEGEND = """\
n          pairs of an image and the class (of the class mean: classes); all else is of single maps
imbalance  how uneven activation is on the object: deviation over mean; the lower the better
gap        mean activation on the object, less that elsewhere
AUC        chance that a pixel of the object has more activation than one elsewhere
tau        the threshold that is best for a map by itself, the median; spread: its deviation
apart %    maps with thresholds that keep 9/10 of the object and drop 9/10 of all else
own %      IoU of each map at its own best threshold
all %      IoU at the one tau that is best for all labels, with recall and precision there"""


def _print_pairs(analysis: ThresholdAnalysis) -> None:
    header = ("class", "n", "imbalance", "gap", "AUC", "tau", "spread", "apart %")
    rows = [_row(name, one) for name, one in analysis.per_class.items() if one.n]
    rows.append(_row("class mean", analysis.macro))
    rows.append(_row("pair mean", analysis.pairs))
    print_table((*header, "own %", "all %", "rec. %", "prec. %"), rows, WIDTH)
    click.echo(f"\n{_LEGEND}")


def _row(name: str, one: PairStatistics) -> tuple[str, ...]:
    plain = (one.imbalance_cv, one.gap_mean)
    places = (one.best_tau_median, one.best_tau_std)
    scores = (one.iou_own, one.iou_global, one.recall_global, one.precision_global)
    return (
        name,
        str(one.n),
        *(number(value, 2) for value in plain),
        number(one.auc, 3),
        *(number(value, 2) for value in places),
        percent(one.separable, 0),
        *(percent(value, 1) for value in scores),
    )


def _print_summary(analysis: ThresholdAnalysis) -> None:
    curve, best, pairs, plateau = (
        analysis.curve,
        analysis.best_miou,
        analysis.pairs,
        analysis.plateau,
    )
    gains = ", ".join(
        f"{name} {percent(value, 2)} ({signed(100 * (value - best), 2)})"
        for name, value in analysis.oracles.items()
    )
    common, iou = analysis.common
    click.echo()
    print_words(
        f"labels: best mIoU {percent(best, 2)} % at tau {curve.taus[curve.best]:.3f} for all; "
        f"the recipe's {analysis.swept.recipe.tau:g} loses "
        f"{number(100 * curve.loss, 2)} points\n"
        f"  with the best tau of each {gains}\n"
        f"  within 5 % of the best: {percent(plateau.share_within_5_percent, 0)} % of all tau; "
        f"within 1 point: {percent(plateau.share_within_1_point, 0)} %; mean from 0.05 to 0.95: "
        f"{percent(plateau.mean, 2)} %"
    )
    if pairs.n:
        print_words(
            f"single maps: IoU {percent(pairs.iou_own, 1)} % at their own thresholds, "
            f"{percent(iou, 1)} % at one ({common / 255:.3f}), "
            f"{percent(pairs.iou_global, 1)} % at the labels' tau\n"
            f"  best own thresholds spread by {pairs.best_tau_std:.3f} and lie "
            f"{pairs.distance:.3f} from the labels' tau on average"
        )
    if analysis.without_pixels:
        click.echo(f"  listed classes without a pixel, in no mean: {analysis.without_pixels}")


def _print_choices(analysis: ThresholdAnalysis) -> None:
    from wsss_assets.evaluation.thresholds.choices import FAILS

    click.echo("\ntau chosen without ground truth")
    remarks = [_remark(one) for one in analysis.choices]
    width = max(map(len, remarks))  # the table has its columns to the right, words go to the left
    print_table(
        ("chosen by", "one for each", "tau", "mIoU %", "regret", ""),
        [
            (
                one.selector,
                one.level,
                "–" if one.tau is None else f"{one.tau:.3f}",
                percent(one.miou, 2),
                percent(one.regret),
                remark.ljust(width),
            )
            for one, remark in zip(analysis.choices, remarks, strict=True)
        ],
        WIDTH,
    )
    click.echo(
        "\nregret: points of mIoU below the best one tau for all; fails here: more than "
        f"{100 * FAILS:g} points\n"
    )


def _remark(choice: Choice) -> str:
    kept = f"{choice.undefined} undefined" if choice.undefined and choice.chosen else ""
    return "; ".join(words for words in (choice.verdict, kept) if words)
