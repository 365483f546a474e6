"""Commands that write reports."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.map_options import recipe_options, several_map_options
from wsss_assets.cli.options import (
    FOLDER,
    TARGET,
    ignored_option,
    json_option,
    label_options,
    shared_by_ranks,
    target_option,
    truth_option,
    workers_option,
)
from wsss_assets.cli.output import (
    announce,
    cut,
    print_table,
    print_words,
    progress_bar,
    takes_standard_output,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.report.explorer.report import Report

__all__ = ["COMMANDS"]

_PAGES = (".html", ".htm")


def _place(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A folder, which is made, or a page, whose folder must be there."""
    if value.lower().endswith(_PAGES) and not Path(value).is_dir():
        TARGET.convert(value, param, ctx)
    return value


@click.command()
@shared_by_ranks
@recipe_options
@label_options
@several_map_options
@truth_option
@click.option("--images", type=FOLDER, help="Folder of photos <image id>.jpg, to be shown.")
@ignored_option
@click.option(
    "--out",
    type=click.Path(),
    callback=_place,
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
@target_option("--latex", words="Write the summary there as a LaTeX table (booktabs).")
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
    """Write a page to explore every threshold of maps.

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
    from wsss_assets.evaluation.sweep import require_policy
    from wsss_assets.report.explorer.report import write_report
    from wsss_assets.report.explorer.tables import rule_tables
    from wsss_assets.report.latex import latex_table

    quiet = takes_standard_output(latex=latex, json=json_target)
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
    if json_target is not None:
        write_json(json_target, made.to_dict())
    if not quiet:
        _print(made, out)
    if latex is not None:
        write_text(latex, latex_table(made))


COMMANDS = (report,)


def _print(made: Report, out: str) -> None:
    from wsss_assets.evaluation.sweep import TAUS
    from wsss_assets.report.provenance import provenance_line

    rows = []
    for one in made.pairings:
        scores = [f"{100 * (one.at(setting) or 0):.2f}" for setting in (one.own, one.best_tau)]
        cells = [cut(one.name, 40), scores[0], scores[1], f"{TAUS[one.best_tau[1]]:.3f}"]
        if made.has_rows:
            row, tau = one.best
            where = f"{TAUS[row]:.3f}, {TAUS[tau]:.3f}" if row else f"soft, {TAUS[tau]:.3f}"
            cells += [f"{100 * (one.at(one.best) or 0):.2f}", where]
        rows.append((*cells, f"{100 * one.loss:.2f}"))
    both = ("best of both", "saliency >, tau") if made.has_rows else ()
    print_table(("mIoU (%)", "recipe", "best tau", "tau", *both, "loss"), rows)
    if over := made.over_classes():
        click.echo(f"mIoU{over}")
    click.echo("loss: points of mIoU at the recipe's tau less than at the best")
    job = made.job
    line = provenance_line(
        made.benchmark.name,
        job.split,
        len(job.labels),
        made.ground_truth_digest,
        ignored=job.policy,
        synthetic=made.benchmark.synthetic,
    )
    click.echo()
    print_words(line)
    click.echo("digests of the maps, activation and saliency (whole in the page and --json):")
    _print_digests(made)
    page = out if out.lower().endswith(_PAGES) else f"{out}/index.html"
    click.echo(f"open {page} ({_megabytes(out):.1f} MB, {len(made.sample)} images)")


def _print_digests(made: Report) -> None:
    """The first digits of the digest of each set: activation sets, and saliency sets beside."""
    from wsss_assets.report.explorer.digests import SHORT

    columns = [
        [(cut(name, 30), digest[:SHORT]) for name, digest in sets.items()]
        for sets in (made.activation_digests, made.saliency_digests)
    ]
    widths = [max((len(name) for name, _ in column), default=0) for column in columns]
    for line in zip_longest(*columns):
        cells = [
            f"  {one[0]:{width}}  {one[1]}" if one else " " * (width + SHORT + 4)
            for one, width in zip(line, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _megabytes(out: str) -> float:
    files = [Path(out)] if Path(out).is_file() else Path(out).rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
