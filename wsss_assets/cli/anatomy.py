"""Commands about the errors of label maps: which kinds there are, and what better maps could do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli import anatomy_tables as tables
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
    progress_bar,
    takes_standard_output,
    write_json,
    write_text,
)
from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = ["COMMANDS"]


@click.command("evaluate-errors")
@shared_by_ranks
@predictions_option
@truth_option
@list_options
@ignored_option
@click.option(
    "--found-from",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="The share of an object that must be hit for it to be found.",
)
@skip_missing_option
@target_option("--plot", words="Draw what each class's union is made of there, as SVG.")
@workers_option
@json_option
@click.pass_context
def evaluate_errors(
    ctx: click.Context,
    /,
    predictions: Path,
    ground_truth: Path,
    wanted: Collection[str] | None,
    split: str | None,
    benchmark: Benchmark,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401
) -> None:
    """Take the errors of label maps apart.

    Every pixel is of one kind: right, of a missed object, a missed part of an object, confused
    with another class, ignored (255), spilt around an object, or a phantom where there is none.
    Gives, per class, what of its union each kind takes; what mIoU would be if a kind were
    repaired; the objects found by size; and mIoU near the true boundaries.

    Needs SciPy (extra `analysis`). Exit status 1 where images were passed over.

    \b
    Example:
      wsss-assets evaluate-errors --predictions labels/cam --labels train_cls.txt \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --ignored miss --plot errors.svg
    """
    from wsss_assets.evaluation.anatomy.analyse import analyse_errors

    quiet = takes_standard_output(plot=plot, json=json_target)
    analysis = analyse_errors(
        predictions,
        ground_truth,
        ids=wanted,
        benchmark=benchmark,
        split=split,
        progress=progress_bar("images", ranks),
        ranks=ranks,
        **options,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        write_json(json_target, analysis.to_dict())
    if not quiet:
        tables.print_analysis(analysis)
    if plot is not None:  # last: whatever becomes of it, the numbers are there
        write_text(plot, tables.unions_svg(analysis.anatomy, benchmark))
    if analysis.missing:
        ctx.exit(1)


@click.command()
@shared_by_ranks
@recipe_options
@label_options
@map_options
@truth_option
@ignored_option
@click.option("--no-best", is_flag=True, help="Only the recipe's own thresholds: one pass.")
@click.option("--errors", is_flag=True, help="Take the errors of the labels apart; needs SciPy.")
@target_option("--plot", words="Draw the mIoU of all four, own and best, there, as SVG.")
@workers_option
@json_option
def ceilings(
    labels: ImageLabels,
    activation: Path | ActivationSource,
    ground_truth: Path,
    recipe: Recipe,
    benchmark: Benchmark,
    no_best: bool,
    errors: bool,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401
) -> None:
    """Score a recipe with perfect saliency or activation.

    And with both. Perfect maps are made of the ground truth. What perfect activation scores is the
    ceiling that this saliency sets, and the other way round; what both score is the ceiling of the
    image-level labels and the recipe. At the recipe's own thresholds and at the best ones of each,
    where the recipe can be swept.

    \b
    Example:
      wsss-assets ceilings --labels train_cls.txt --saliency maps/vst_duts --activation maps/cam \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --method cam --ignored miss \\
        --plot ceilings.svg
    """
    from wsss_assets.evaluation.ceilings import ceilings as measure

    quiet = takes_standard_output(plot=plot, json=json_target)
    if options["saliency"] is None:
        raise UsageError(
            "ceilings need saliency maps", hint="name their folder with --saliency DIR"
        )
    announce(recipe, labels, options["saliency"], ranks)
    result = measure(
        labels,
        activation,
        ground_truth,
        recipe=recipe,
        benchmark=benchmark,
        best=not no_best,
        errors=errors,
        progress=progress_bar("images", ranks),
        ranks=ranks,
        **options,
    )
    if not ranks.is_first:
        return
    if json_target is not None:
        write_json(json_target, result.to_dict())
    if not quiet:
        tables.print_ceilings(result)
    if plot is not None:
        write_text(plot, tables.ceilings_svg(result, benchmark))


COMMANDS = (evaluate_errors, ceilings)
