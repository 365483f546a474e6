"""Commands that need no data of yours: the demo, and the mini benchmark by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsss_assets.cli.options import FOLDER, workers_option
from wsss_assets.cli.output import print_table, progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.demo import DemoResult

__all__ = ["COMMANDS"]

_seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the drawing."
)


@click.command()
@click.option("--out", type=FOLDER, default="demo", show_default=True, help="Folder for it all.")
@click.option(
    "--images", type=click.IntRange(min=1), default=24, show_default=True, help="Scenes to draw."
)
@_seed_option
@workers_option
def demo(out: Path, images: int, seed: int, workers: int | None) -> None:
    """See the main job end to end, on synthetic data.

    Draws a small benchmark, turns its maps into pseudo-labels with each method's recipe, scores
    them, sweeps all thresholds, and shows it: a table, a curve, a contact sheet. The maps are
    drawn by a program: the numbers say nothing about the methods they are named after.

    \b
    Example:
      wsss-assets demo --out demo
    """
    from wsss_assets.demo import run_demo

    result = run_demo(out, images=images, seed=seed, workers=workers, progress=progress_bar("demo"))
    _print_demo(result)


@click.command()
@click.option("--out", type=FOLDER, required=True, help="Folder for the benchmark.")
@click.option("--images", type=click.IntRange(min=1), required=True, help="Scenes to draw.")
@_seed_option
@workers_option
def mini(out: Path, images: int, seed: int, workers: int | None) -> None:
    """Draw the synthetic benchmark as a devkit folder.

    Photos, masks and lists as in a VOC devkit, with three saliency and seven activation map sets
    beside it, to try commands and other people's code on. Stopped, the same command goes on.

    \b
    Example:
      wsss-assets mini --out mini --images 300
    """
    from wsss_assets.mini.folder import write_mini

    drawn = write_mini(out, images, seed, workers=workers, progress=progress_bar("scenes"))
    click.echo(f"{len(drawn)} synthetic images in {out}")


COMMANDS = (demo, mini)


def _print_demo(result: DemoResult) -> None:
    rows = [
        (
            row.method,
            row.saliency or "–",
            f"{row.miou * 100:.1f}",
            f"{row.best_miou * 100:.1f}",
            f"{row.best_tau:.2f}",
            f"{row.plateau[0]:.2f}–{row.plateau[1]:.2f}",
            f"{(row.best_miou - row.miou) * 100:.1f}",
        )
        for row in result.rows
    ]
    print_table(("maps", "saliency", "mIoU", "best", "at tau", "plateau", "loss"), rows)
    click.echo(f"\n{result.provenance}")
    click.echo("mIoU: at the recipe's tau; loss: points below the best tau")
    for name, path in (
        ("contact sheet", result.contact_sheet),
        ("curve", result.curve),
        ("scores", result.json),
        ("maps and masks", result.data),
        ("pseudo-labels", result.labels),
    ):
        click.echo(f"{name:15}{path}")
