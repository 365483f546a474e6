"""load_dataset from a warm cache, against `datasets` alone and against decoding from memory."""

from __future__ import annotations

import io
import itertools
import os
import random
import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import common
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PARQUET, LOAD, JOINED = "Dataset.from_parquet", "load_dataset", "load_dataset, two sets"
MEMORY, RANDOM = "random rows, from memory", "random rows, load_dataset"
IN_ORDER, EPOCH = "rows in order, from memory", "rows in order, load_dataset"
SALIENCY, ACTIVATION = "vst_duts", "cam"
ALLOWED_SECONDS = 0.1


def link_maps(drawn: common.Data, folder: Path, images: int) -> dict[str, tuple[int, ...]]:
    """So many images with maps, which are the drawn ones again and again; their labels."""
    labels = {}
    (folder / SALIENCY).mkdir(parents=True)
    (folder / ACTIVATION).mkdir()
    sources = itertools.cycle(drawn.labels)
    for image_id, source in zip((f"image_{n:06d}" for n in range(images)), sources, strict=False):
        labels[image_id] = drawn.labels[source]
        os.link(drawn.saliency / f"{source}.png", folder / SALIENCY / f"{image_id}.png")
        for index in labels[image_id]:
            made = folder / ACTIVATION / f"{image_id}_{index}.png"
            os.link(drawn.activation_file(source, index), made)
    return labels


def stage(folder: Path, labels: dict[str, tuple[int, ...]], staging: Path) -> None:
    """A local copy of a repository that holds both sets."""
    from wsss_assets.catalog.catalog import get_map_set
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.publish.pack import pack

    listed = ImageLabels(labels, "drawn")
    for name in (SALIENCY, ACTIVATION):
        maps, record = folder / name, get_map_set(name)
        pack(maps, record, staging, split="train_aug", labels=listed, recode=False)


def decode_all(stored: Iterable[bytes]) -> None:
    """The pixels of PNGs."""
    for data in stored:
        Image.open(io.BytesIO(data)).load()


def read_rows(data: Any, rows: Sequence[int]) -> None:  # noqa: ANN401 (a data set)
    """The pixels of saliency maps, row by row."""
    for row in rows:
        data[row]["saliency"].load()


def read_in_order(data: Any) -> None:  # noqa: ANN401 (a data set)
    """The pixels of all saliency maps."""
    for row in data:
        row["saliency"].load()


@click.command()
@common.data_option
@click.option("--images", type=click.IntRange(min=1), default=10_582, show_default=True)
@click.option("--rows", type=click.IntRange(min=1), default=500, show_default=True)
@common.rounds_option(5)
@common.json_option
def main(data: Path | None, images: int, rows: int, rounds: int, json_target: Path | None) -> None:
    """load_dataset from a warm cache, against `datasets` alone and decoding from memory."""
    report = common.Report("loading")
    with common.mini_data(data, min(images, 300)) as (drawn, scratch):
        os.environ |= {"HF_HOME": str(scratch / "hf"), "WSSS_ASSETS_CACHE": str(scratch / "own")}
        import datasets

        from wsss_assets import load_dataset
        from wsss_assets.map_sets.feedback import SILENT

        datasets.disable_progress_bars()
        labels = link_maps(drawn, scratch / "maps", images)
        staging = scratch / "staging"
        stage(scratch / "maps", labels, staging)
        load = partial(load_dataset, saliency=SALIENCY, source=str(staging), feedback=SILENT)
        loaded: Any = load()
        shards = sorted(map(str, (scratch / "own").rglob(f"{SALIENCY}/**/*.parquet")))
        opening = common.interleave(
            [
                common.Contender(PARQUET, partial(datasets.Dataset.from_parquet, shards)),
                common.Contender(LOAD, load),
                common.Contender(JOINED, partial(load, activation=ACTIVATION)),
            ],
            rounds,
        )
        stored = [
            loaded.with_format("arrow")[n]["saliency"][0]["bytes"].as_py() for n in range(rows)
        ]
        shuffled = random.Random(0).sample(range(rows), rows)
        some = loaded.select(range(rows))
        reading = common.interleave(
            [
                common.Contender(MEMORY, partial(decode_all, [stored[n] for n in shuffled]), rows),
                common.Contender(RANDOM, partial(read_rows, loaded, shuffled), rows),
                common.Contender(IN_ORDER, partial(decode_all, stored), rows),
                common.Contender(EPOCH, partial(read_in_order, some), rows),
            ],
            rounds,
        )
    report.timed(
        f"Opening {images:,} images that are here, in all",
        opening,
        [common.Ratio(LOAD, PARQUET), common.Ratio(JOINED, LOAD)],
    )
    show_limits(opening)
    report.timed(
        f"Reading {rows} maps, per map",
        reading,
        [
            common.Ratio(RANDOM, MEMORY, at_most=1.3),
            common.Ratio(EPOCH, IN_ORDER, at_most=1.1),
        ],
    )
    report.write(json_target)


def show_limits(opening: dict[str, list[float]]) -> None:
    """Say whether opening and joining keep within what is allowed."""
    parquet, load, joined = (statistics.median(opening[one]) for one in (PARQUET, LOAD, JOINED))
    allowed = 1.2 * parquet + ALLOWED_SECONDS
    common.show(
        f"load_dataset {load:.3f} s, allowed 1.2 × from_parquet + 0.1 s = {allowed:.3f} s: "
        + ("met" if load <= allowed else "MISSED")
    )
    join = joined - load
    common.show(
        f"opening and joining the second set {1e3 * join:.0f} ms, allowed 50 ms: "
        + ("met" if join <= 0.05 else "MISSED")
    )


if __name__ == "__main__":
    main()
