"""Stacked bars as an SVG that stands alone: what a whole is made of, one bar for each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.report.svg import cut, document, heading, safe, text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bar", "bars_svg"]

WIDTH, LEFT, RIGHT = 960, 168, 872
ROW, BAR_HEIGHT, KEY_ROW = 24, 16, 22
_CHARACTER = 7.2
_TOLERANCE = 1e-9

# Told apart by colour-blind readers, neighbours by lightness, too; (on light paper, on dark paper).
_COLOURS = (
    ("#c9ced6", "#4c545f"),
    ("#0072b2", "#4c9be8"),
    ("#7cc4ee", "#b5e3ff"),
    ("#8a3f74", "#b0478a"),
    ("#e3a5cd", "#e592c4"),
    ("#f0e442", "#e6c84a"),
    ("#d55e00", "#ff8a3d"),
    ("#f7b267", "#ffd0a1"),
    ("#007a5a", "#2bc49a"),
)

_STYLE = """
.quiet, .tick, .note { fill: #626a75; font-size: 12px }
.tick { font-variant-numeric: tabular-nums }
.grid { stroke: #e6e9ee }
.part { stroke: #ffffff; stroke-width: 1 }
"""
_DARK_STYLE = """
.quiet, .tick, .note { fill: #9aa3af }
.grid { stroke: #272c34 }
.part { stroke: #14171c }
"""


@dataclass(frozen=True)
class Bar:
    """One row.

    Attributes:
        name: what stands to its left.
        shares: how much each part has, 0..1, together 1 or less.
        note: what stands to its right.
    """

    name: str
    shares: Sequence[float]
    note: str = ""


def bars_svg(
    bars: Sequence[Bar], parts: Sequence[str], *, title: str, subtitle: str = "", footer: str = ""
) -> str:
    """Draw rows of stacked parts, from 0 to 100 %, with a key above.

    Each part says what it is and how large when a reader points at it. The same input gives the
    same bytes; colours follow the reader's scheme.

    Args:
        bars: rows, any number.
        parts: what the parts are, at most nine.
        title: the headline, also read out by screen readers.
        subtitle: a line below it.
        footer: a line at the bottom.

    Raises:
        UsageError: too many parts, or the shares of a bar do not fit them.
    """
    if len(parts) > len(_COLOURS):
        raise UsageError(f"{len(parts)} parts cannot be drawn", expected=f"up to {len(_COLOURS)}")
    for bar in bars:
        _check(bar, len(parts))
    key, key_bottom = _key(parts)
    top = key_bottom + 34
    bottom = top + ROW * max(len(bars), 1)
    height = bottom + (64 if footer else 44)
    lines = [
        *heading(title, subtitle, width=WIDTH),
        *key,
        *_grid(top, bottom),
    ]
    for index, bar in enumerate(bars):
        lines += _row(bar, parts, top + ROW * index)
    if not bars:
        lines.append(text(LEFT, top + 16, "nothing to draw", "quiet"))
    if footer:
        lines.append(text(24, height - 14, cut(footer, 140), "note"))
    return document(
        lines,
        width=WIDTH,
        height=height,
        title=title,
        description=_described(bars, parts),
        style=_STYLE + _colours(len(parts), 0),
        dark_style=_DARK_STYLE + _colours(len(parts), 1),
    )


def _check(bar: Bar, parts: int) -> None:
    whole = sum(bar.shares)
    if (
        len(bar.shares) != parts
        or not all(share >= 0 for share in bar.shares)
        or whole > 1 + _TOLERANCE
    ):
        raise UsageError(
            f"the bar {bar.name!r} cannot be drawn",
            expected=f"{parts} shares, together 1 or less",
            found=f"{len(bar.shares)} shares, together {whole:.3g}",
        )


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _key(parts: Sequence[str]) -> tuple[list[str], float]:
    """Squares with their names, in as many rows as they need; and where the last row ends."""
    marks, x, y = [], 24.0, 84.0
    for index, part in enumerate(parts):
        width = 34 + _CHARACTER * len(part)
        if x + width > WIDTH - 24:
            x, y = 24.0, y + KEY_ROW
        marks.append(f'<rect class="fill{index}" x="{x:.1f}" y="{y - 11}" width="12" height="12"/>')
        marks.append(text(x + 18, y, part))
        x += width
    return marks, y


def _grid(top: float, bottom: float) -> list[str]:
    marks = []
    for percent in range(0, 101, 20):
        x = _x(percent / 100)
        marks.append(f'<path class="grid" d="M{x:.1f} {top - 6}V{bottom}"/>')
        marks.append(text(x, bottom + 18, f"{percent} %", "tick", "middle"))
    return marks


def _row(bar: Bar, parts: Sequence[str], top: float) -> list[str]:
    base = top + BAR_HEIGHT - 4
    marks = [text(LEFT - 10, base, cut(bar.name, 22), anchor="end")]
    start = 0.0
    for index, (part, share) in enumerate(zip(parts, bar.shares, strict=True)):
        if share > 0:
            words = safe(f"{bar.name}: {part} {share:.1%}")
            marks.append(
                f'<rect class="part fill{index}" x="{_x(start):.2f}" y="{top}" '
                f'width="{share * (RIGHT - LEFT):.2f}" height="{BAR_HEIGHT}">'
                f"<title>{words}</title></rect>"
            )
        start += share
    if bar.note:
        marks.append(text(RIGHT + 10, base, bar.note, "tick"))
    return marks


def _described(bars: Sequence[Bar], parts: Sequence[str]) -> str:
    """The picture in sentences."""
    sentences = []
    for bar in bars:
        shares = zip(parts, bar.shares, strict=True)
        listed = ", ".join(f"{part} {share:.1%}" for part, share in shares if share > 0)
        sentences.append(f"{bar.name}: {listed or 'nothing'}.")
    return " ".join(sentences) or "No bars."


def _colours(count: int, scheme: int) -> str:
    return "".join(
        f".fill{index} {{ fill: {_COLOURS[index][scheme]} }}\n" for index in range(count)
    )
