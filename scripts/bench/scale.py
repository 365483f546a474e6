"""Cost per image and peak memory from a hundred images to a hundred thousand, 1 to 4 processes."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import common
import numpy as np
from PIL import Image

from wsss_assets.storage.shards import Row, write_shards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TASKS = ("evaluate", "sweep", "sweep_shards", "pseudo_label", "evaluate_saliency")
KINDS = ("ground_truth", "saliency", "activation")
DISTINCT = 100
MIB = 1 << 20


class Drawn:
    """A hundred drawn images, of VOC's size or every n-th pixel of that."""

    def __init__(self, data: common.Data, every: int) -> None:
        self.labels = list(data.labels.items())[:DISTINCT]
        self.files = {
            name: [_smaller(path, every) for path in data.files(name)] for name, _ in self.labels
        }

    def images(self, count: int) -> Iterator[tuple[str, tuple[int, ...], list[bytes]]]:
        """Id, classes and files of so many images, again and again the same under new names."""
        for number, (name, classes) in zip(
            range(count), itertools.cycle(self.labels), strict=False
        ):
            yield f"image_{number:08d}", classes, self.files[name]


def _smaller(path: Path, every: int) -> bytes:
    """A picture with every n-th pixel of each n-th row."""
    if every == 1:
        return path.read_bytes()
    with Image.open(path) as picture:
        small = Image.fromarray(np.asarray(picture)[::every, ::every])
        if picture.mode == "P":
            small.putpalette(picture.getpalette() or [])
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()


def make(drawn: Drawn, folder: Path, count: int) -> None:
    """A label list, folders of links, and shards of so many images."""
    if (folder / "labels.txt").exists():
        return
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    sources: dict[tuple[str, int], Path] = {}
    lines = []
    for number, (image_id, classes, files) in enumerate(drawn.images(count)):
        lines.append(" ".join((image_id, *map(str, classes))))
        names = [f"ground_truth/{image_id}", f"saliency/{image_id}"]
        names += [f"activation/{image_id}_{index}" for index in classes]
        for place, (name, data) in enumerate(zip(names, files, strict=True)):
            path = folder / f"{name}.png"
            first = sources.setdefault((str(number % DISTINCT), place), path)
            if first == path:
                path.write_bytes(data)
            else:
                os.link(first, path)
    rows = (Row(name, {None: files[1]}) for name, _, files in drawn.images(count))
    write_shards(rows, folder / "saliency_shards", "train", "saliency")
    pairs = (
        Row(name, dict(zip(classes, files[2:], strict=True)))
        for name, classes, files in drawn.images(count)
    )
    write_shards(pairs, folder / "activation_shards", "train", "activation")
    (folder / "labels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def measure(task: str, folder: Path, processes: int) -> dict[str, Any]:
    """What `scale_point.py` says of one run."""
    script = Path(__file__).with_name("scale_point.py")
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(script), task, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    said: dict[str, Any] = json.loads(done.stdout)
    shutil.rmtree(said.pop("scratch"), ignore_errors=True)
    return said


@click.command()
@common.data_option
@click.option(
    "--images", type=click.IntRange(min=1), multiple=True, default=(100, 1000, 10_000, 100_000),
    show_default=True, help="Sizes to compare; may be repeated.",
)  # fmt: skip
@click.option("--processes", type=click.IntRange(min=1), multiple=True, default=(1, 2, 4))
@click.option("--task", "tasks", type=click.Choice(TASKS), multiple=True, default=TASKS)
@click.option("--every", type=click.IntRange(min=1), default=6, help="Every n-th pixel of VOC's.")
@common.rounds_option(3)
@common.json_option
def main(
    data: Path | None,
    images: tuple[int, ...],
    processes: tuple[int, ...],
    tasks: tuple[str, ...],
    every: int,
    rounds: int,
    json_target: Path | None,
) -> None:
    """Cost per image and peak memory from a hundred images to a hundred thousand."""
    report = common.Report("scale")
    found: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    with common.mini_data(data and data / "drawn", DISTINCT) as (pictures, scratch):
        root = (data or scratch) / f"every_{every}"
        drawn = Drawn(pictures, every)
        for count in images:
            make(drawn, root / str(count), count)
        for number, task, several, count in itertools.product(
            range(rounds), tasks, processes, images
        ):
            said = measure(task, root / str(count), several)
            found.setdefault((task, several, count), []).append(said)
            each = 1e3 * said["cpu"] / count
            mib = max(said["bytes"]) / MIB
            click.echo(
                f"round {number + 1}: {task}, {several} process(es), {count} images: "
                f"{each:.3f} ms of a core per image, "
                f"{said['seconds']:.1f} s, {mib:.0f} MiB",
                err=True,
            )
    _show(found, images, rounds)
    report.add({"title": "scale", "every": every, "points": _points(found)})
    report.write(json_target)


def _show(
    found: dict[tuple[str, int, int], list[dict[str, Any]]], images: Sequence[int], rounds: int
) -> None:
    def median(task: str, several: int, count: int, what: str) -> float:
        runs = found[task, several, count]
        if what == "ms":
            return float(statistics.median(1e3 * run["cpu"] / count for run in runs))
        return float(statistics.median(max(run["bytes"]) / MIB for run in runs))

    for what, title, digits in (
        ("ms", "Milliseconds of a core per image", 3),
        ("mib", "Peak MiB of the largest process over the import baseline", 1),
    ):
        rows = []
        for task, several in dict.fromkeys((task, several) for task, several, _ in found):
            values = [median(task, several, count, what) for count in images]
            last = values[-1] / values[0] if what == "ms" else values[-1] - values[0]
            cells = [f"{value:.{digits}f}" for value in (*values, last)]
            rows.append((f"{task}, {several} process(es)", *cells))
        common.show(f"\n{title}, median of {rounds}")
        compared = "last : first" if what == "ms" else "last - first"
        common.print_table(("images", *map(str, images), compared), rows)


def _points(found: dict[tuple[str, int, int], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {"task": task, "processes": several, "images": count, "runs": runs}
        for (task, several, count), runs in found.items()
    ]


if __name__ == "__main__":
    main()
