"""Peak memory over what the imports take: flat in the number of images."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import common

TASKS = ("pseudo_label", "evaluate", "evaluate_saliency", "sweep", "sweep_surface")
MIB = 1 << 20


def linked(data: common.Data, folder: Path, images: int) -> dict[str, list[int]]:
    """A folder with exactly so many images, as links to drawn ones, again and again."""
    parts = {name: folder / name for name in ("ground_truth", "saliency", "activation")}
    for part in parts.values():
        part.mkdir(parents=True)
    labels = {}
    sources = itertools.cycle(data.labels.items())
    for number, (source, classes) in zip(range(images), sources, strict=False):
        image_id = f"image_{number:06d}"
        labels[image_id] = list(classes)
        truth, saliency, *activations = data.files(source)
        (parts["ground_truth"] / f"{image_id}.png").symlink_to(truth.resolve())
        (parts["saliency"] / f"{image_id}.png").symlink_to(saliency.resolve())
        for index, path in zip(classes, activations, strict=True):
            link = parts["activation"] / f"{image_id}_{index}.png"
            link.symlink_to(path.resolve())
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    return labels


def peak(task: str, folder: Path, workers: int) -> float:
    """MiB over the import baseline, in a process of its own."""
    script = Path(__file__).with_name("memory_point.py")
    arguments = [task, str(folder), str(workers)]
    done = subprocess.run(
        [sys.executable, str(script), *arguments], check=True, stdout=subprocess.PIPE
    )
    return float(done.stdout) / MIB


@click.command()
@common.data_option
@click.option(
    "--images", type=click.IntRange(min=1), multiple=True, default=(50, 100, 300, 1000),
    show_default=True, help="Sizes to compare; may be repeated.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), multiple=True, default=(1, 4))
@common.rounds_option(3)
@common.json_option
def main(
    data: Path | None,
    images: tuple[int, ...],
    workers: tuple[int, ...],
    rounds: int,
    json_target: Path | None,
) -> None:
    """Peak memory over what the imports take: flat in the number of images."""
    report = common.Report("memory")
    peaks: dict[tuple[str, int, int], list[float]] = {}
    with common.mini_data(data, min(max(images), 300)) as (drawn, scratch):
        for count in images:
            linked(drawn, scratch / str(count), count)
        for number, threads, task, count in itertools.product(
            range(rounds), workers, TASKS, images
        ):
            value = peak(task, scratch / str(count), threads)
            peaks.setdefault((task, threads, count), []).append(value)
            click.echo(f"round {number + 1}: {task}, {count} images: {value:.0f} MiB", err=True)
    rows, points = [], []
    for threads, task in itertools.product(workers, TASKS):
        medians = [statistics.median(peaks[task, threads, count]) for count in images]
        rows.append((f"{task}, {threads} worker(s)", *(f"{median:.1f}" for median in medians)))
        points += [_point(task, threads, count, peaks) for count in images]
    common.show(f"\nPeak MiB over the import baseline, median of {rounds}")
    common.print_table(("images", *map(str, images)), rows)
    report.add({"title": "peak memory", "points": points})
    report.write(json_target)


def _point(
    task: str, threads: int, count: int, peaks: dict[tuple[str, int, int], list[float]]
) -> dict[str, Any]:
    values = peaks[task, threads, count]
    return {"task": task, "workers": threads, "images": count, "mib": values}


if __name__ == "__main__":
    main()
