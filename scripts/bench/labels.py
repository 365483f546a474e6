"""Pseudo-labels, files in and PNG out, against the plain float rule."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

import click
import common
import numpy as np
import plain

from wsss_assets import get_recipe, pseudo_label
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = get_recipe(method="cam")
PLAIN, OURS = "plain float rule", "wsss-assets, 1 worker"


def write_plain(data: common.Data, out: Path) -> None:
    """All labels by the plain rule."""
    for image_id in data.labels:
        plain.write_plain_label(data, out, image_id, RECIPE.tau)


def write_ours(data: common.Data, out: Path, workers: int) -> None:
    """All labels by this package."""
    summary = pseudo_label(
        data.labels,
        data.activation,
        out,
        saliency=data.saliency,
        recipe=RECIPE,
        benchmark="mini",
        workers=workers,
    )
    if summary.written != len(data.labels):
        raise click.ClickException(f"only {summary.written} labels were written")


def emptied(folder: Path) -> None:
    """Make the folder new, so that nothing is kept."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def compare_files(data: common.Data, ours: Path, theirs: Path) -> dict[str, int]:
    """Check that all pixels are equal; sizes in bytes."""
    sizes = {"ours": 0, "plain": 0}
    for image_id in data.labels:
        first, second = ours / f"{image_id}.png", theirs / f"{image_id}.png"
        if not np.array_equal(read_label(first), read_label(second)):
            raise click.ClickException(f"the labels of {image_id} differ")
        sizes["ours"] += first.stat().st_size
        sizes["plain"] += second.stat().st_size
    return sizes


@click.command()
@common.data_option
@common.images_option
@common.rounds_option(7)
@click.option("--most-workers", type=click.IntRange(min=1), default=4, show_default=True)
@common.json_option
def main(
    data: Path | None, images: int, rounds: int, most_workers: int, json_target: Path | None
) -> None:
    """Pseudo-labels, files in and PNG out, against the plain float rule."""
    report = common.Report("labels")
    counts = [workers for workers in (2, 4, 8, 16) if workers <= most_workers]
    with common.mini_data(data, images) as (drawn, scratch):
        ours, theirs, scaled = (scratch / name for name in ("ours", "plain", "scaled"))
        contenders = [
            common.Contender(
                PLAIN, partial(write_plain, drawn, theirs), images, partial(emptied, theirs)
            ),
            common.Contender(
                OURS, partial(write_ours, drawn, ours, 1), images, partial(emptied, ours)
            ),
            *(
                common.Contender(
                    f"wsss-assets, {workers} workers",
                    partial(write_ours, drawn, scaled, workers),
                    images,
                    partial(emptied, scaled),
                )
                for workers in counts
            ),
        ]
        times = common.interleave(contenders, rounds)
        sizes = compare_files(drawn, ours, theirs)
    report.timed(
        f"Pseudo-labels, {RECIPE.describe()}, per image of {images}",
        times,
        [
            common.Ratio(PLAIN, OURS, at_least=4),
            *(common.Ratio(OURS, f"wsss-assets, {workers} workers") for workers in counts),
        ],
    )
    common.show(
        f"All pixels are equal; PNG bytes {sizes['ours']:,} against {sizes['plain']:,} plain."
    )
    report.add({"title": "files", "pixels_equal": True, "bytes": sizes})
    report.write(json_target)


if __name__ == "__main__":
    main()
