"""Commands that write reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import (
    FILE,
    FOLDER,
    announce,
    json_option,
    label_options,
    print_table,
    progress_bar,
    recipe_options,
    several_map_options,
    shared_by_ranks,
    workers_option,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.report.explorer.report import Report

__all__ = ["COMMANDS"]


@click.command()
@shared_by_ranks
@recipe_options
@label_options
@several_map_options
@click.option("--ground-truth", type=FOLDER, required=True, help="Folder of masks <image id>.png.")
@click.option("--images", type=FOLDER, help="Folder of photos <image id>.jpg, to be shown.")
@click.option(
    "--ignored",
    type=click.Choice(["miss", "background", "drop"]),
    help="What a predicted 255 counts as: a miss, class 0, or nothing at all.",
)
@click.option(
    "--out",
    type=click.Path(),
    required=True,
    help="A folder for the page and its data, or one file ….html that holds everything.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="How many images to show: the worst, the best, and between.",
)
@click.option("--latex", type=FILE, help="Write the summary there as a LaTeX table (booktabs).")
@workers_option
@json_option
def report(
    recipe: Recipe,
    labels: ImageLabels,
    benchmark: Benchmark,
    split: str | None,
    saliency: dict[str, Any],
    activation: dict[str, Any],
    ground_truth: Path,
    images: Path | None,
    ignored: str | None,
    out: str,
    samples: int,
    latex: Path | None,
    workers: int | None,
    json_target: Path | None,
    ranks: Ranks,
) -> None:
    """Write a page that shows every threshold of every pairing of maps, live.

    Scores each combination of --saliency and --activation at every saliency threshold and tau,
    and embeds a sample of the images with their maps: sliders in the page re-make the labels,
    bit-equal to pseudo-label. The page needs no server and asks for nothing; open index.html.

    Recipes that cannot be swept (oaa, mcis, drs) are refused.

    \b
    Example:
      wsss-assets report --labels train_cls.txt --saliency maps/vst_duts --activation maps/cam \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass --method cam --ignored miss \\
        --images VOCdevkit/VOC2012/JPEGImages --out report
    """
    from wsss_assets.errors import UsageError
    from wsss_assets.evaluation.sweep import require_policy
    from wsss_assets.report.explorer.report import write_report
    from wsss_assets.report.explorer.tables import rule_tables
    from wsss_assets.report.latex import latex_table

    dashes = [str(target) for target in (latex, json_target)].count("-")
    if dashes > 1:
        raise UsageError("--latex and --json cannot both go to standard output")
    require_policy(ignored, recipe.ignore)
    rule_tables(recipe)
    announce(recipe, labels, ", ".join(saliency) or None, ranks)
    made = write_report(
        labels,
        activation,
        ground_truth,
        out,
        saliency=saliency,
        images=images,
        recipe=recipe,
        benchmark=benchmark,
        split=split,
        ignored=ignored,
        samples=samples,
        workers=workers,
        progress=progress_bar("images", ranks),
        ranks=ranks,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    if latex is not None:
        write_text(latex, latex_table(made))
    if json_target is not None:
        write_json(json_target, made.to_dict())
    if not dashes:
        _print(made, out)


COMMANDS = (report,)


def _print(made: Report, out: str) -> None:
    from wsss_assets.evaluation.sweep import TAUS

    rows = []
    for one in made.pairings:
        scores = [f"{100 * (one.at(setting) or 0):.2f}" for setting in (one.own, one.best_tau)]
        cells = [_cut(one.name), scores[0], scores[1], f"{TAUS[one.best_tau[1]]:.3f}"]
        if made.has_rows:
            row, tau = one.best
            where = f"{TAUS[row]:.3f}, {TAUS[tau]:.3f}" if row else f"soft, {TAUS[tau]:.3f}"
            cells += [f"{100 * (one.at(one.best) or 0):.2f}", where]
        rows.append((*cells, f"{100 * one.loss:.2f}"))
    both = ("best of both", "at") if made.has_rows else ()
    print_table(("maps", "recipe", "best tau", "at", *both, "loss"), rows)
    job = made.job
    click.echo(
        f"\n{made.benchmark.name} {job.split or '(split not named)'}, {len(job.labels)} images, "
        f"ground truth {made.ground_truth_digest[:16]}"
        + (f", 255 counted as: {job.policy}" if job.policy else "")
        + (", SYNTHETIC: drawn by a program" if made.benchmark.synthetic else "")
    )
    page = out if out.lower().endswith((".html", ".htm")) else f"{out}/index.html"
    click.echo(f"open {page}")


def _cut(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
