"""A labelled grid of scores as an SVG that stands alone, and all files of a grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.evaluation.grid.cells import NOTICE
from wsss_assets.report.contact_sheet import heat_colours
from wsss_assets.report.grid_tables import (
    grid_csv,
    grid_markdown,
    grid_tex,
    provenance,
)
from wsss_assets.report.svg import cut, document, text
from wsss_assets.storage.files import write_atomically
from wsss_assets.words import counted

if TYPE_CHECKING:
    from wsss_assets.evaluation.grid.cells import Cell
    from wsss_assets.evaluation.grid.scores import Grid
    from wsss_assets.labels.recipes import Recipe

__all__ = ["earlier_policy", "grid_svg", "write_grid"]

LETTER, WIDE_LETTER = 9.2, 15.0
"""How wide a bold letter is at most, and one of those that are wider, in usual fonts."""

MARGIN, TOP, ROW, BELOW = 24, 168, 48, 74
LEAST_COLUMN, LONGEST_NAME, LONGEST_ROW_NAME = 86, 24, 40
LEAST_SPAN = 0.05
"""Of the colours, in mIoU."""
LEAST_WIDTH = 960
"""What has to be said in a line of its own fits in."""

_STYLE = """
.quiet { fill: #626a75; font-size: 12px }
.notice { font-weight: 600 }
.name { font-weight: 600 }
.value { font-size: 15px; font-variant-numeric: tabular-nums }
.best { font-weight: 700 }
.small { font-size: 11px; font-variant-numeric: tabular-nums }
.on-dark { fill: #ffffff }
.on-light { fill: #14171c }
.frame { fill: none; stroke: #007a5a; stroke-width: 3 }
.nothing { fill: none; stroke: #b4bac3; stroke-dasharray: 3 3 }
"""
_DARK_STYLE = """
.quiet { fill: #9aa3af }
.on-dark { fill: #ffffff } .on-light { fill: #14171c } .frame { stroke: #2bc49a }
"""


def write_grid(grid: Grid, out: Path | str) -> None:
    """Write `table.md`, `table.csv`, `table.tex`, `grid.svg` and `grid.json`.

    The same grid gives the same bytes.

    Args:
        grid: the scores.
        out: folder to write to.
    """
    texts = {
        "table.md": grid_markdown(grid),
        "table.csv": grid_csv(grid),
        "table.tex": grid_tex(grid),
        "grid.svg": grid_svg(grid),
        "grid.json": json.dumps(grid.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        + "\n",
    }
    for name, written in texts.items():
        write_atomically(Path(out) / name, written)


def earlier_policy(out: Path | str) -> str | None:
    """What the tables in a folder counted 255 as; None where there are none, or none is written."""
    try:
        found = json.loads((Path(out) / "grid.json").read_text("utf-8"))["ignored"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return None if found is None else str(found)


def grid_svg(grid: Grid) -> str:
    """Draw a grid: rows are saliency sets, columns methods, colours and numbers the mIoU.

    The large number is the mIoU at the recipe's thresholds, which the colour follows; the small one
    below is the best that any threshold tried gives. A frame marks the best saliency of a column.
    The last row and column are means, where there are several rows and columns. The colours span
    five points at least, so that small differences look small.
    """
    left = MARGIN + 12 + max(_width(cut(name, LONGEST_ROW_NAME)) for name in (*grid.rows, "mean"))
    column = max(LEAST_COLUMN, *(_width(cut(name, LONGEST_NAME)) + 16 for name in grid.columns))
    width = max(LEAST_WIDTH, left + column * (len(grid.columns) + 1) + MARGIN + 12)
    lines = len(grid.rows) + (len(grid.rows) > 1)
    height = TOP + ROW * lines + 12 + BELOW
    scale = _scale(grid)
    parts = [
        text(MARGIN, 36, f"{grid.benchmark.title}: pseudo-labels by method and saliency", "title"),
        text(MARGIN, 60, f"{NOTICE}.", "notice"),
        text(
            MARGIN, 82, "large: mIoU (%) at the recipe's thresholds, which colours follow", "quiet"
        ),
        text(
            MARGIN,
            99,
            f"small: at the best {'pair of thresholds' if grid.surface else 'tau'}, chosen on "
            f"these masks{_framed(grid)}",
            "quiet",
        ),
    ]
    for index, (name, recipe) in enumerate(grid.columns.items()):
        middle = left + column * (index + 0.5)
        parts.append(text(middle, TOP - 30, cut(name, LONGEST_NAME), "name", "middle"))
        parts.append(text(middle, TOP - 12, _settings(recipe), "small quiet", "middle"))
    if len(grid.columns) > 1:
        across = left + column * (len(grid.columns) + 0.5) + 12
        parts.append(text(across, TOP - 30, "mean", "name", "middle"))
    best = grid.best_rows()
    for row, name in enumerate(grid.rows):
        y = TOP + ROW * row
        parts.append(text(left - 12, y + ROW / 2 + 4, cut(name, LONGEST_ROW_NAME), "name", "end"))
        for index, method in enumerate(grid.columns):
            cell = grid.cells.get((name, method))
            parts += _cell(cell, left + column * index, y, column, scale, best[index] == row)
    parts += _means(grid, left, column)
    parts += [
        text(MARGIN, height - 38, _key(scale), "quiet"),
        text(MARGIN, height - 18, provenance(grid), "quiet"),
    ]
    return document(
        parts,
        width=width,
        height=height,
        title=f"{grid.benchmark.title}: pseudo-labels",
        description=_described(grid),
        style=_STYLE,
        dark_style=_DARK_STYLE,
    )


def _cell(
    cell: Cell | None,
    x: float,
    y: float,
    width: float,
    scale: tuple[float, float],
    is_best: bool,
) -> list[str]:
    box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{width - 2:.1f}" height="{ROW - 2}"'
    middle = x + width / 2
    if cell is None or cell.miou is None:
        return [
            f'<rect class="nothing" {box}/>',
            text(middle, y + ROW / 2 + 4, "–", "quiet", "middle"),
        ]
    low, high = scale
    level = min(255, max(0, round(255 * (cell.miou - low) / (high - low))))
    red, green, blue = (int(value) for value in heat_colours()[level])
    # Relative luminance (ITU-R BT.709), near enough without undoing the gamma.
    is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128
    ink = "on-dark" if is_dark else "on-light"
    parts = [
        f'<rect {box} fill="#{red:02x}{green:02x}{blue:02x}"/>',
        text(
            middle,
            y + 22,
            f"{100 * cell.miou:.2f}",
            f"value {ink}{' best' if is_best else ''}",
            "middle",
        ),
    ]
    if cell.best is not None:
        parts.append(text(middle, y + 39, f"{100 * cell.best:.2f}", f"small {ink}", "middle"))
    if is_best:
        inner = f'x="{x + 2.5:.1f}" y="{y + 2.5:.1f}" width="{width - 5:.1f}" height="{ROW - 5}"'
        parts.append(f'<rect class="frame" {inner}/>')
    return parts


def _means(grid: Grid, left: float, column: float) -> list[str]:
    """The last row and the last column, where there is something to take a mean of."""
    across = left + column * (len(grid.columns) + 0.5) + 12
    bottom = TOP + ROW * len(grid.rows) + 12
    parts = [
        text(across, TOP + ROW * (row + 0.5) + 4, _percent(mean), "value", "middle")
        for row, mean in enumerate(grid.row_means() if len(grid.columns) > 1 else ())
    ]
    if len(grid.rows) == 1:
        return parts
    parts.append(text(left - 12, bottom + 24, "mean", "name", "end"))
    parts += [
        text(left + column * (index + 0.5), bottom + 24, _percent(mean), "value", "middle")
        for index, mean in enumerate(grid.column_means())
    ]
    return parts


def _described(grid: Grid) -> str:
    """The picture in sentences."""
    best = (
        f"{column}: best with {grid.rows[row]}"
        for column, row in zip(grid.columns, grid.best_rows(), strict=True)
        if row is not None
    )
    size = (
        f"{counted(len(grid.rows), 'saliency set')}, {counted(len(grid.columns), 'activation set')}"
    )
    return " ".join(f"{one}." for one in (NOTICE, size, "; ".join(best)) if one)


def _width(name: str) -> float:
    """How much room a name in bold takes, about, and rather more than less."""
    wide = sum(letter in "MWmw@%" or letter > "\u2e7f" for letter in name)
    return LETTER * (len(name) - wide) + WIDE_LETTER * wide


def _scale(grid: Grid) -> tuple[float, float]:
    """The mIoU of the darkest and of the lightest colour."""
    known = [cell.miou for cell in grid.cells.values() if cell.miou is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if high - low < LEAST_SPAN:
        low = min(max(0.0, (low + high - LEAST_SPAN) / 2), 1 - LEAST_SPAN)
        high = low + LEAST_SPAN
    return low, high


def _framed(grid: Grid) -> str:
    """What a frame means, where there is one."""
    has_one = any(row is not None for row in grid.best_rows())
    return ". Framed: the best saliency of a column" if has_one else ""


def _settings(recipe: Recipe) -> str:
    """What a column's recipe is, in few letters."""
    if not recipe.uses_saliency:
        return f"no saliency, τ {recipe.tau:.3g}"
    return f"τ {recipe.tau:.3g}{', ignore' if recipe.ignore else ''}"


def _key(scale: tuple[float, float]) -> str:
    return f"dark to light: {_percent(scale[0])} to {_percent(scale[1])} %"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"
