"""A surface over two thresholds as an SVG that stands alone: one embedded picture, axes, a key."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from wsss_assets.errors import UsageError
from wsss_assets.report.contact_sheet import heat_colours
from wsss_assets.report.svg import document, footnote, heading, safe, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HeatMap", "heat_map_svg"]

SIDE, LEFT, TOP = 512, 84, 96
KEY_LEFT, KEY_WIDTH = LEFT + SIDE + 36, 18
WIDTH, HEIGHT = KEY_LEFT + KEY_WIDTH + 90, TOP + SIDE + 96

_STYLE = """
.quiet, .tick { fill: #626a75; font-size: 12px }
.axis { stroke: #8a929d; fill: none }
.mark { fill: none; stroke: #ffffff; stroke-width: 2.5 }
.edge { fill: none; stroke: #000000; stroke-width: 1 }
"""
_DARK_STYLE = """
.quiet, .tick { fill: #9aa3af }
"""


@dataclass(frozen=True)
class HeatMap:
    """What is drawn.

    Attributes:
        values: float64 (N, N), 0..1 or NaN; row = y, column = x, both rising from 0 to 1.
        best: row and column that carry the mark.
        recommended: y and x in 0..1 that carry a cross; None where there are none.
    """

    values: NDArray[np.float64]
    best: tuple[int, int]
    recommended: tuple[float, float] | None = None


def heat_map_svg(
    heat_map: HeatMap, *, title: str, subtitle: str, x_label: str, y_label: str, footer: str
) -> str:
    """Draw a value over two thresholds; a ring marks the best setting, a cross the recommended.

    The same input gives the same bytes.

    Args:
        heat_map: the values and marks.
        title: the headline, also read out by screen readers.
        subtitle: a line below it.
        x_label: what the columns are.
        y_label: what the rows are.
        footer: a line at the bottom.

    Raises:
        UsageError: no value at all, or the mark lies outside.
    """
    known = heat_map.values[~np.isnan(heat_map.values)]
    rows, columns = heat_map.values.shape
    if not known.size or not (heat_map.best[0] < rows and heat_map.best[1] < columns):
        raise UsageError("nothing to draw", found=f"{known.size} values, best {heat_map.best}")
    low, high = float(known.min()), float(known.max())
    best = float(heat_map.values[heat_map.best])
    words = (
        f"{y_label} upwards, {x_label} to the right; values from {low:.1%} to {high:.1%}, "
        f"the best, {best:.2%}, at {y_label} {heat_map.best[0] / max(rows - 1, 1):.3f} and "
        f"{x_label} {heat_map.best[1] / max(columns - 1, 1):.3f}"
    )
    x = LEFT + (heat_map.best[1] + 0.5) / columns * SIDE
    y = TOP + SIDE - (heat_map.best[0] + 0.5) / rows * SIDE
    parts = [
        *heading(title, subtitle, width=WIDTH),
        _picture(_colours(heat_map.values[::-1], low, high), LEFT, TOP, SIDE, SIDE),
        f'<rect class="axis" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>',
        *_ticks(),
        text(LEFT + SIDE / 2, TOP + SIDE + 42, x_label, "quiet", "middle"),
        f'<text class="quiet" transform="translate(28 {TOP + SIDE / 2}) rotate(-90)" '
        f'text-anchor="middle">{safe(y_label)}</text>',
        *_key(low, high),
        f'<circle class="edge" cx="{x:.1f}" cy="{y:.1f}" r="8.5"/>',
        f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="7"/>',
        *_cross(heat_map.recommended),
        *footnote(footer, width=WIDTH, bottom=HEIGHT - 14),
    ]
    return document(
        parts,
        width=WIDTH,
        height=HEIGHT,
        title=title,
        description=words,
        style=_STYLE,
        dark_style=_DARK_STYLE,
    )


def _colours(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """uint8 (rows, columns, 4); transparent where there is no value."""
    levels = np.nan_to_num((values - low) / ((high - low) or 1.0))
    picture = np.zeros((*values.shape, 4), np.uint8)
    picture[..., :3] = heat_colours()[np.rint(255 * levels).astype(np.uint8)]
    picture[..., 3] = np.where(np.isnan(values), 0, 255)
    return picture


def _picture(pixels: NDArray[np.uint8], x: float, y: float, width: float, height: float) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" '
        f'style="image-rendering: pixelated" href="data:image/png;base64,{data}"/>'
    )


def _ticks() -> list[str]:
    marks = []
    for step in range(6):
        share = step / 5
        x, y = LEFT + share * SIDE, TOP + SIDE - share * SIDE
        marks += [
            text(x, TOP + SIDE + 20, f"{share:.1f}", "tick", "middle"),
            text(LEFT - 10, y + 4, f"{share:.1f}", "tick", "end"),
        ]
    return marks


def _key(low: float, high: float) -> list[str]:
    column = np.linspace(1, 0, 256)[:, None]
    marks = [
        _picture(_colours(column, 0, 1), KEY_LEFT, TOP, KEY_WIDTH, SIDE),
        f'<rect class="axis" x="{KEY_LEFT}" y="{TOP}" width="{KEY_WIDTH}" height="{SIDE}"/>',
        text(KEY_LEFT, TOP - 12, "mIoU (%)", "quiet"),
    ]
    for step in range(5):
        value = low + (high - low) * step / 4
        y = TOP + SIDE - step / 4 * SIDE
        marks.append(text(KEY_LEFT + KEY_WIDTH + 8, y + 4, f"{value * 100:.1f}", "tick"))
    return marks


def _cross(recommended: tuple[float, float] | None) -> list[str]:
    if recommended is None:
        return []
    x, y = LEFT + recommended[1] * SIDE, TOP + SIDE - recommended[0] * SIDE
    path = f"M{x - 6:.1f} {y:.1f}h12M{x:.1f} {y - 6:.1f}v12"
    return [
        f'<path d="{path}" style="stroke: #000; stroke-width: 4.5"/>',
        f'<path d="{path}" style="stroke: #fff; stroke-width: 2.5"/>',
    ]
