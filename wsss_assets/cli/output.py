"""What commands write: tables, numbers, JSON, progress bars, and what failed."""

from __future__ import annotations

import json
import sys
from textwrap import wrap
from typing import TYPE_CHECKING, TypeVar

import click

from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = [
    "WIDTH",
    "announce",
    "cut",
    "number",
    "percent",
    "print_failures",
    "print_table",
    "print_words",
    "progress_bar",
    "read_text",
    "signed",
    "takes_standard_output",
    "write_json",
    "write_text",
]

Item = TypeVar("Item")

WIDTH = 100
"""How many columns what evaluations print may take."""

_MOST_SHOWN = 20
_SHORTEST = 8


def announce(recipe: Recipe, labels: ImageLabels, saliency: object, ranks: Ranks) -> None:
    """Say on standard error what will be done with what, in the first process."""
    if not ranks.is_first:
        return
    if saliency is not None and not recipe.uses_saliency:
        click.echo(f"this recipe uses no saliency: {saliency} is not read", err=True)
    from wsss_assets.words import counted

    count = counted(len(labels), "image")
    click.echo(f"{recipe.describe()}; {count}, from: {labels.source}", err=True)


def progress_bar(
    label: str, ranks: Ranks | None = None
) -> Callable[[Iterable[Item], int], Iterator[Item]]:
    """A wrapper for iterables that shows a bar on a terminal's standard error.

    Args:
        label: what stands before it.
        ranks: which process this is; the first one has the bar, of its own share.
    """
    hidden = ranks is not None and not ranks.is_first

    def wrap(items: Iterable[Item], length: int) -> Iterator[Item]:
        if hidden or not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap


def write_json(target: Path, value: object) -> None:
    """Write JSON to a file, or to standard output for `-`, there in letters that it has."""
    encoding = (sys.stdout.encoding or "").lower() if str(target) == "-" else "utf-8"
    plain = "utf" not in encoding
    write_text(target, json.dumps(value, indent=2, ensure_ascii=plain, allow_nan=False) + "\n")


def read_text(source: Path) -> str:
    """Read a text file, or standard input for `-`."""
    return sys.stdin.read() if str(source) == "-" else source.read_text("utf-8")


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all, or standard output for `-`."""
    if str(target) == "-":
        click.echo(text, nl=False)
        return
    from wsss_assets.storage.files import write_atomically

    write_atomically(target, text)


def print_failures(failed: Mapping[str, str], what: str) -> None:
    """List on standard error which images have no label or map, and why."""
    if failed:
        have = "1 image has" if len(failed) == 1 else f"{len(failed)} images have"
        click.echo(f"{have} no {what}:", err=True)
    for image_id, reason in list(failed.items())[:_MOST_SHOWN]:
        click.echo(f"  {image_id}: {reason}".replace("\n", " "), err=True)
    if len(failed) > _MOST_SHOWN:
        rest = len(failed) - _MOST_SHOWN
        click.echo(f"  … and {rest} more (--json FILE lists them all)", err=True)


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None
) -> None:
    """Print aligned columns: the first to the left, the others to the right.

    Args:
        header: of each column.
        rows: cells of each line.
        width: how wide the table may be; what the first column holds is shortened for that.
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    if width is not None:
        rest = sum(widths[1:]) + 2 * (len(widths) - 1)
        widths[0] = max(min(widths[0], width - rest), min(widths[0], _SHORTEST))
        lines = [(cut(first, widths[0]), *others) for first, *others in lines]
    for line in lines:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_words(words: str) -> None:
    """Print lines of text, those that are too long in several, the later ones further in."""
    for line in words.splitlines():
        inside = line[: len(line) - len(line.lstrip())]
        folded = wrap(
            line.strip(),
            WIDTH,
            initial_indent=inside,
            subsequent_indent=f"{inside}  ",
            break_on_hyphens=False,
        )
        click.echo("\n".join(folded))


def takes_standard_output(**targets: Path | None) -> bool:
    """Whether one of a command's files goes to standard output, so that nothing else may.

    Args:
        targets: by the name of the option, `_` for `-`.

    Raises:
        UsageError: two of them do.
    """
    dashes = [str(target) for target in targets.values()].count("-")
    if dashes > 1:
        *others, last = (f"--{name.replace('_', '-')}" for name in targets)
        listed = f"{', '.join(others)} and {last}"
        raise UsageError(
            f"{listed} cannot both go to standard output"
            if len(targets) == 2
            else f"only one of {listed} can go to standard output"
        )
    return dashes > 0


def cut(name: str, length: int) -> str:
    """A name of at most this many letters, the last of them `…` where some are left out."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def number(value: float | None, digits: int) -> str:
    """A number for a table; a dash where there is none (None or NaN)."""
    return "–" if value is None or value != value else _written(f"{value:.{digits}f}")


def signed(value: float, digits: int) -> str:
    """A number with its sign, `+` or the true minus."""
    return _written(f"{value:+.{digits}f}")


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent, without the sign; a dash where there is none (None or NaN)."""
    return "–" if value is None else number(100 * value, digits)


def _written(figures: str) -> str:
    """Figures with the minus sign of print, and with none where they are zero."""
    return figures.replace("-", "−" if float(figures) else "")
