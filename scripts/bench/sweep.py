"""All thresholds in one pass, against decoding the files and against a loop over thresholds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import click
import common
import numpy as np
import plain
from numpy.typing import NDArray

from wsss_assets import get_recipe, sweep
from wsss_assets.evaluation.scores import apply_policy
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets import Recipe
    from wsss_assets.evaluation.surface import SurfaceSweep
    from wsss_assets.evaluation.sweep import TauSweep

Int64: TypeAlias = NDArray[np.int64]

LOOPED = range(0, 240, 4)
"""The 60 thresholds, of the 256 k/255, that the loop tries."""

DECODE = "decoding the files (Pillow)"
LOOP = "loop over 60 thresholds (SEAM's form)"
CURVE, CURVE_IGNORE = "256 tau", "256 tau, ignore"
NO_SALIENCY = "256 tau, no saliency"
SURFACE, SURFACE_IGNORE = "256 × 256 surface", "256 × 256 surface, ignore"

RECIPE = get_recipe(method="cam")


def swept(data: common.Data, recipe: Recipe) -> TauSweep:
    """Every tau."""
    return sweep(
        data.labels,
        data.activation,
        data.ground_truth,
        saliency=data.saliency if recipe.uses_saliency else None,
        recipe=recipe,
        benchmark="mini",
        workers=1,
    )


def surface(data: common.Data, recipe: Recipe) -> SurfaceSweep:
    """Every saliency threshold and tau."""
    return sweep_surface(
        data.labels,
        data.activation,
        data.ground_truth,
        saliency=data.saliency,
        recipe=recipe,
        benchmark="mini",
        workers=1,
    )


def loop(data: common.Data, *, saliency: bool) -> Int64:
    """Hit, predicted and true pixels for 60 thresholds, (60, 3, 21), each from the scores again.

    The files are read once, which is less than such loops usually do.
    """
    sums = np.zeros((len(LOOPED), 3, plain.CLASSES + 1), np.int64)
    for image_id, classes in data.labels.items():
        truth = read_label(data.ground_truth / f"{image_id}.png")
        scores = {
            index: plain.read_floats(data.activation_file(image_id, index)) for index in classes
        }
        salient = None
        if saliency:
            salient = plain.binarised(plain.read_floats(data.saliency / f"{image_id}.png"))
        for position, byte in enumerate(LOOPED):
            label = plain.float_label(salient, scores, TAUS[byte], ignore=False)
            sums[position] += plain.class_sums(label, truth)
    return sums


def check(data: common.Data, recipe: Recipe) -> None:
    """The sweep gives the loop's integers."""
    confusions = swept(data, recipe).confusions[list(LOOPED)]
    ours = np.stack(apply_policy(confusions, "miss"), axis=1)
    if not np.array_equal(ours, loop(data, saliency=recipe.uses_saliency)):
        raise click.ClickException("the sweep and the loop differ")


def against_decoding(data: common.Data, rounds: int, report: common.Report) -> None:
    """The whole sweep next to what reading its files costs."""
    recipes = {
        CURVE: RECIPE.changed(ignore=False),
        CURVE_IGNORE: RECIPE,
        SURFACE: RECIPE.changed(ignore=False),
        SURFACE_IGNORE: RECIPE,
    }
    images = len(data.labels)
    ways = [
        common.Contender(DECODE, partial(plain.decode, data), images),
        *(
            common.Contender(
                name, partial(surface if "surface" in name else swept, data, recipe), images
            )
            for name, recipe in recipes.items()
        ),
    ]
    report.timed(
        f"One pass over files, per image of {images}",
        common.interleave(ways, rounds),
        [common.Ratio(name, DECODE, at_most=1.6 if "surface" in name else 1.3) for name in recipes],
    )


def against_loop(data: common.Data, rounds: int, report: common.Report) -> None:
    """The sweep next to a loop over thresholds, on few images."""
    recipes = {CURVE: RECIPE.changed(ignore=False), NO_SALIENCY: RECIPE.changed(saliency=False)}
    images = len(data.labels)
    for name, recipe in recipes.items():
        check(data, recipe)
        run = partial(loop, data, saliency=recipe.uses_saliency)
        ways = [
            common.Contender(LOOP, run, images),
            common.Contender(name, partial(swept, data, recipe), images),
        ]
        report.timed(
            f"{name} in one pass or in a loop, per image of {images}; equal counts",
            common.interleave(ways, rounds),
            [common.Ratio(LOOP, name, at_least=150)],
        )


def finishing(data: common.Data, rounds: int, report: common.Report) -> None:
    """What is left to do once, whatever the number of images."""
    curve, plane = swept(data, RECIPE), surface(data, RECIPE)
    ways = [
        common.Contender("scores of 256 tau", partial(curve.curve, "miss")),
        common.Contender("scores of 256 × 256 settings", partial(plane.surface, "miss")),
    ]
    report.timed("Once at the end, in all", common.interleave(ways, rounds), [])


@click.command()
@common.data_option
@common.images_option
@common.rounds_option(7)
@click.option(
    "--loop-images",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many images the loop over thresholds is run on.",
)
@common.json_option
def main(
    data: Path | None, images: int, rounds: int, loop_images: int, json_target: Path | None
) -> None:
    """All thresholds in one pass, against decoding the files and against a loop over thresholds."""
    report = common.Report("sweep")
    with common.mini_data(data, images) as (drawn, _):
        few = drawn.first(loop_images)
        against_decoding(drawn, rounds, report)
        finishing(few, rounds, report)
        against_loop(few, min(rounds, 5), report)
    report.write(json_target)


if __name__ == "__main__":
    main()
