"""Commands about pseudo-labels: make them, and see what the recipes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsss_assets.cli.map_options import map_options, recipe_options
from wsss_assets.cli.options import (
    FOLDER,
    json_option,
    label_options,
    shared_by_ranks,
    workers_option,
)
from wsss_assets.cli.output import announce, print_failures, print_table, progress_bar, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["COMMANDS"]


@click.command("pseudo-label")
@shared_by_ranks
@recipe_options
@label_options
@map_options
@click.option("--out", type=FOLDER, required=True, help="Folder for the labels.")
@workers_option
@json_option
@click.pass_context
def pseudo_label(
    ctx: click.Context,
    recipe: Recipe,
    labels: ImageLabels,
    benchmark: Benchmark,
    split: str | None,
    saliency: Path | SaliencySource | None,
    activation: Path | ActivationSource,
    out: Path,
    workers: int | None,
    json_target: Path | None,
    ranks: Ranks,
) -> None:
    """Turn saliency and activation maps into pseudo-labels.

    Writes one palette PNG per image. Labels that are newer than their maps are kept: stopped,
    the same command goes on. Images whose maps are missing or unusable are listed at the end,
    and the exit status is 1.

    \b
    Examples:
      wsss-assets pseudo-label --labels train_aug_cls.txt --saliency maps/vst_duts \\
        --activation maps/cam --method cam --out labels/cam
      wsss-assets pseudo-label --labels train_aug_cls.txt --activation maps/eps \\
        --method eps --out labels/eps
    """
    del split  # it only said which list to fetch
    from wsss_assets.labels import folder

    announce(recipe, labels, saliency, ranks)
    summary = folder.pseudo_label(
        labels,
        activation,
        out,
        saliency=saliency,
        recipe=recipe,
        benchmark=benchmark,
        workers=workers,
        progress=progress_bar("labels", ranks),
        ranks=ranks,
    )
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        write_json(json_target, {**vars(summary), "recipe": recipe.settings(), "out": str(out)})
    if str(json_target) != "-":
        from wsss_assets.words import counted

        there = "was" if summary.kept == 1 else "were"
        written = counted(summary.written, "label")
        click.echo(f"{written} written to {out}, {summary.kept:,} {there} there")
        print_failures(summary.failed, "label")
    if summary.failed:
        ctx.exit(1)


@click.group()
def recipes() -> None:
    """See the published rules that turn maps into labels."""


@recipes.command("list")
@json_option
def list_(json_target: Path | None) -> None:
    """List the recipes, and WSSS-BED's settings per method.

    \b
    Example:
      wsss-assets recipes list
    """
    from wsss_assets.labels.recipes import METHODS, RECIPES

    if json_target is not None:
        write_json(
            json_target,
            {
                "recipes": {name: one.settings() for name, one in RECIPES.items()},
                "methods": {name: one.settings() for name, one in METHODS.items()},
            },
        )
        return
    for one in RECIPES.values():
        click.echo(f"{one.describe()}  ({one.paper})")
    click.echo("\nRecipe wsss-bed with --method, as WSSS-BED uses it:")
    for name, one in METHODS.items():
        click.echo(f"{name:6}{one.describe().partition(': ')[2]}")


@recipes.command()
@click.argument("name")
def show(name: str) -> None:
    """Show all settings of a recipe.

    \b
    Example:
      wsss-assets recipes show oaa
    """
    from wsss_assets.labels.recipes import get_recipe

    one = get_recipe(name)
    rows = [(key, "–" if value is None else str(value)) for key, value in one.settings().items()]
    print_table(("setting", "value"), rows)
    click.echo(f"\n{one.paper}" + (f". {one.note}" if one.note else ""))


@recipes.command()
@click.argument("first")
@click.argument("second")
def diff(first: str, second: str) -> None:
    """Say in words where two recipes differ.

    \b
    Example:
      wsss-assets recipes diff drs oaa
    """
    from wsss_assets.labels.differences import differences
    from wsss_assets.labels.recipes import get_recipe

    sentences = differences(get_recipe(first), get_recipe(second))
    for sentence in sentences or [f"{first} and {second} are the same rule"]:
        click.echo(sentence)


COMMANDS = (pseudo_label, recipes)
