"""A labelled grid of scores as an SVG that stands alone, and all files of a grid."""

from __future__ import annotations

import json
from html import escape
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
from wsss_assets.storage.files import write_atomically

if TYPE_CHECKING:
    from wsss_assets.evaluation.grid.cells import Cell
    from wsss_assets.evaluation.grid.run import Grid
    from wsss_assets.labels.recipes import Recipe

__all__ = ["grid_svg", "write_grid"]

LETTER = 7.2
"""How wide a letter is, about."""

MARGIN, TOP, ROW, BELOW = 24, 168, 48, 74
LEAST_COLUMN, LONGEST_NAME = 86, 24
LEAST_WIDTH = 700

_STYLE = """
svg {
  background: #ffffff;
  max-width: 100%;
  height: auto;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
}
text { fill: #1c2026 }
.title { font-size: 18px; font-weight: 600 }
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
@media (prefers-color-scheme: dark) {
  svg { background: #14171c } text { fill: #e8eaee } .quiet { fill: #9aa3af }
  .on-dark { fill: #ffffff } .on-light { fill: #14171c } .frame { stroke: #2bc49a }
}
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
    for name, text in texts.items():
        write_atomically(Path(out) / name, text)


def grid_svg(grid: Grid) -> str:
    """Draw a grid: rows are saliency sets, columns methods, colours and numbers the mIoU.

    The large number is the mIoU at the recipe's thresholds, which the colour follows; the small one
    below is the best that any threshold tried gives. A frame marks the best saliency of a column.
    The last row and column are means.
    """
    left = MARGIN + 12 + LETTER * max(len(_cut(name)) for name in (*grid.rows, "saliency"))
    column = max(LEAST_COLUMN, *(LETTER * len(_cut(name)) + 24 for name in grid.columns))
    width = max(LEAST_WIDTH, left + column * (len(grid.columns) + 1) + MARGIN + 12)
    height = TOP + ROW * (len(grid.rows) + 1) + 12 + BELOW
    known = [cell.miou for cell in grid.cells.values() if cell.miou is not None]
    scale = (min(known, default=0.0), max(known, default=1.0))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img" aria-labelledby="title description">',
        f'<title id="title">{_safe(grid.benchmark.title)}: pseudo-labels</title>',
        f'<desc id="description">{_safe(_described(grid))}</desc>',
        f"<style>{_STYLE}</style>",
        _text(MARGIN, 36, f"{grid.benchmark.title}: pseudo-labels by method and saliency", "title"),
        _text(MARGIN, 60, f"{NOTICE}.", "notice"),
        _text(
            MARGIN, 82, "large: mIoU (%) at the recipe's thresholds, which colours follow", "quiet"
        ),
        _text(
            MARGIN,
            99,
            f"small: at the best {'pair of thresholds' if grid.surface else 'tau'}, chosen on "
            "these masks. Framed: the best saliency of a column",
            "quiet",
        ),
    ]
    for index, (name, recipe) in enumerate(grid.columns.items()):
        middle = left + column * (index + 0.5)
        parts.append(_text(middle, TOP - 30, _cut(name), "name", "middle"))
        parts.append(_text(middle, TOP - 12, _settings(recipe), "small quiet", "middle"))
    parts.append(
        _text(left + column * (len(grid.columns) + 0.5) + 12, TOP - 30, "mean", "name", "middle")
    )
    best = grid.best_rows()
    for row, name in enumerate(grid.rows):
        y = TOP + ROW * row
        parts.append(_text(left - 12, y + ROW / 2 + 4, _cut(name), "name", "end"))
        for index, method in enumerate(grid.columns):
            cell = grid.cells.get((name, method))
            parts += _cell(cell, left + column * index, y, column, scale, best[index] == row)
    parts += _means(grid, left, column)
    parts += [
        _text(MARGIN, height - 38, _key(scale), "quiet"),
        _text(MARGIN, height - 18, provenance(grid), "quiet"),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


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
            _text(middle, y + ROW / 2 + 4, "–", "quiet", "middle"),
        ]
    low, high = scale
    level = round(255 * (cell.miou - low) / ((high - low) or 1.0))
    red, green, blue = (int(value) for value in heat_colours()[level])
    # Relative luminance (ITU-R BT.709), near enough without undoing the gamma.
    is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128
    ink = "on-dark" if is_dark else "on-light"
    parts = [
        f'<rect {box} fill="#{red:02x}{green:02x}{blue:02x}"/>',
        _text(
            middle,
            y + 22,
            f"{100 * cell.miou:.1f}",
            f"value {ink}{' best' if is_best else ''}",
            "middle",
        ),
    ]
    if cell.best is not None:
        parts.append(_text(middle, y + 39, f"{100 * cell.best:.1f}", f"small {ink}", "middle"))
    if is_best:
        inner = f'x="{x + 2.5:.1f}" y="{y + 2.5:.1f}" width="{width - 5:.1f}" height="{ROW - 5}"'
        parts.append(f'<rect class="frame" {inner}/>')
    return parts


def _means(grid: Grid, left: float, column: float) -> list[str]:
    """The last row and the last column."""
    across = left + column * (len(grid.columns) + 0.5) + 12
    bottom = TOP + ROW * len(grid.rows) + 12
    parts = [
        _text(across, TOP + ROW * (row + 0.5) + 4, _percent(mean), "value", "middle")
        for row, mean in enumerate(grid.row_means())
    ]
    parts.append(_text(left - 12, bottom + 24, "mean", "name", "end"))
    parts += [
        _text(left + column * (index + 0.5), bottom + 24, _percent(mean), "value", "middle")
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
    size = f"{len(grid.rows)} saliency sets, {len(grid.columns)} activation sets"
    return f"{NOTICE}. {size}. {'; '.join(best)}."


def _settings(recipe: Recipe) -> str:
    """What a column's recipe is, in few letters."""
    if not recipe.uses_saliency:
        return f"no saliency, τ {recipe.tau:.3g}"
    return f"τ {recipe.tau:.3g}{', ignore' if recipe.ignore else ''}"


def _key(scale: tuple[float, float]) -> str:
    return f"dark to light: {_percent(scale[0])} to {_percent(scale[1])} %"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{where}>{_safe(words)}</text>'


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _safe(text: str) -> str:
    """Text for XML: escaped, and without the control characters that XML cannot hold."""
    return escape("".join(each if each.isprintable() else " " for each in text))
