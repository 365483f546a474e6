"""What all benchmark scripts share: data, interleaved timing, tables and JSON."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
import PIL

from wsss_assets.mini.folder import write_mini

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "Contender",
    "Data",
    "Ratio",
    "Report",
    "data_option",
    "images_option",
    "interleave",
    "json_option",
    "mini_data",
    "print_table",
    "rounds_option",
    "show",
]

Command = TypeVar("Command", bound="Callable[..., object]")

SALIENCY, ACTIVATION = "sharp", "simulated_cam"


def data_option(command: Command) -> Command:
    """`--data DIR`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the drawn images; what is there is used again.  [default: temporary]",
    )(command)


def images_option(command: Command) -> Command:
    """`--images N`."""
    return click.option(
        "--images", type=click.IntRange(min=1), default=300, show_default=True, help="How many."
    )(command)


def rounds_option(default: int) -> Callable[[Command], Command]:
    """`--rounds N`."""
    return click.option(
        "--rounds",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="How often everything is measured, in turns.",
    )


def json_option(command: Command) -> Command:
    """`--json FILE`."""
    return click.option(
        "--json",
        "json_target",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write all figures there.",
    )(command)


@dataclass(frozen=True)
class Data:
    """Drawn images of VOC's size with one saliency and one activation map set.

    Attributes:
        saliency: folder of `<image id>.png`.
        activation: folder of `<image id>_<class>.png`.
        ground_truth: folder of `<image id>.png`.
        labels: 0-based classes by image id.
    """

    saliency: Path
    activation: Path
    ground_truth: Path
    labels: dict[str, tuple[int, ...]]

    def files(self, image_id: str) -> list[Path]:
        """Ground truth, saliency map and activation maps of one image."""
        return [
            self.ground_truth / f"{image_id}.png",
            self.saliency / f"{image_id}.png",
            *(self.activation_file(image_id, index) for index in self.labels[image_id]),
        ]

    def activation_file(self, image_id: str, index: int) -> Path:
        """The activation map of one class."""
        return self.activation / f"{image_id}_{index}.png"

    def first(self, images: int) -> Data:
        """The same folders, fewer images."""
        labels = dict(list(self.labels.items())[:images])
        return Data(self.saliency, self.activation, self.ground_truth, labels)


@contextlib.contextmanager
def mini_data(folder: Path | None, images: int) -> Iterator[tuple[Data, Path]]:
    """Draw what is missing of the images; gives the data and a temporary folder to write to."""
    with tempfile.TemporaryDirectory(prefix="wsss-assets-bench-") as name:
        scratch = Path(name)
        root = scratch / "data" if folder is None else folder
        click.echo(f"Drawing what is missing of {images} images …", err=True)
        drawn = write_mini(root, images, saliency=[SALIENCY], methods=[ACTIVATION])
        data = Data(
            root / "saliency" / SALIENCY,
            root / "activation" / ACTIVATION,
            root / "SegmentationClass",
            dict(drawn),
        )
        yield data, scratch


def _nothing() -> None:
    """Nothing to prepare."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes:
        name: what tables call it.
        run: what is timed.
        images: how many images a run handles; times are given for one.
        prepare: called before each run, outside the time.
    """

    name: str
    run: Callable[[], object]
    images: int = 1
    prepare: Callable[[], object] = _nothing


def interleave(
    contenders: Sequence[Contender], rounds: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds per image of each contender in each round: A, B, C, then C, B, A, and so on.

    Other programs on the machine then slow down all contenders alike, and the ratio within a
    round says more than any of its two times. One round before is not counted, unless `warm_up`
    is False, for runs that take minutes.
    """
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for round_number in range(0 if warm_up else 1, rounds + 1):
        for contender in contenders if round_number % 2 else reversed(contenders):
            contender.prepare()
            start = time.perf_counter()
            contender.run()
            elapsed = time.perf_counter() - start
            if round_number:
                times[contender.name].append(elapsed / contender.images)
        click.echo(f"round {round_number} of {rounds}", err=True)
    return times


@dataclass(frozen=True)
class Ratio:
    """How often the time of one contender holds that of another, and what is aimed at.

    Attributes:
        numerator: a contender.
        denominator: another one.
        at_least: the ratio aimed at, where more is better.
        at_most: the ratio aimed at, where less is better.
    """

    numerator: str
    denominator: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The aim in words."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    def met(self, value: float) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most


class Report:
    """Prints sections as they come, and keeps them for JSON."""

    def __init__(self, name: str) -> None:
        self._content: dict[str, Any] = {
            "script": name,
            "environment": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "pillow": PIL.__version__,
                "machine": platform.machine(),
                "cores": os.cpu_count(),
            },
            "sections": [],
        }

    def timed(self, title: str, times: Mapping[str, list[float]], ratios: Sequence[Ratio]) -> None:
        """A section of times and their ratios; a ratio is taken within each round."""
        click.echo(f"\n{title}")
        print_table(
            ("", "median ms", "lowest", "highest"),
            [
                (name, *(f"{1e3 * value:.3f}" for value in _spread(seconds)))
                for name, seconds in times.items()
            ],
        )
        compared = [self._compare(ratio, times) for ratio in ratios]
        lines = [
            (
                f"{entry['numerator']} : {entry['denominator']}",
                *(f"{entry[key]:.3g}" for key in ("median", "lowest", "highest")),
                ratio.target,
                {True: "met", False: "MISSED", None: ""}[entry["met"]],
            )
            for entry, ratio in zip(compared, ratios, strict=True)
        ]
        if lines:
            print_table(("ratio", "median", "lowest", "highest", "target", ""), lines)
        self.add({"title": title, "seconds": dict(times), "ratios": compared})

    def add(self, section: Mapping[str, Any]) -> None:
        """A section that was printed otherwise."""
        self._content["sections"].append(dict(section))

    def write(self, target: Path | None) -> None:
        """Write the JSON, where it is wanted."""
        if target is not None:
            text = json.dumps(self._content, indent=2, ensure_ascii=False)
            target.write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def _compare(ratio: Ratio, times: Mapping[str, list[float]]) -> dict[str, Any]:
        pairs = zip(times[ratio.numerator], times[ratio.denominator], strict=True)
        median, lowest, highest = _spread([above / below for above, below in pairs])
        return {
            **asdict(ratio),
            "median": median,
            "lowest": lowest,
            "highest": highest,
            "met": ratio.met(median),
        }


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def show(fact: str) -> None:
    """Print one line between tables."""
    click.echo(fact)


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)
