"""Threshold curves as an SVG that stands alone: no script, no font, no library."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.report.svg import cut, dashes, document, heading, line_colours, text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Curve", "curve_svg"]

WIDTH, HEIGHT = 960, 500
LEFT, RIGHT, TOP, BOTTOM = 64, 652, 106, 438
NAME_HEIGHT = 49

_STYLE = """
.quiet, .tick { fill: #626a75 }
.tick { font-size: 12px; font-variant-numeric: tabular-nums }
.name { font-weight: 600 }
.note { font-size: 12px; fill: #626a75 }
.key { font-size: 12px; fill: #626a75 }
.keymark { fill: #626a75; stroke: #626a75 }
.band { stroke: none; opacity: 0.55 }
.grid { stroke: #e6e9ee }
.axis { stroke: #8a929d }
.lead { fill: none; stroke: #b4bac3 }
.curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round }
.halo { stroke: #ffffff; stroke-width: 2 }
.plateau { opacity: 0.13 }
.stripe { opacity: 0.7 }
.ring { fill: #ffffff; stroke-width: 2 }
.recommended { stroke-width: 1.5; stroke-dasharray: 5 4 }
"""
_DARK_STYLE = """
.quiet, .tick, .note, .key { fill: #9aa3af }
.keymark { fill: #9aa3af; stroke: #9aa3af }
.ring { fill: #14171c }
.grid { stroke: #272c34 }
.axis { stroke: #6b7480 }
.lead { stroke: #4c545f }
.halo { stroke: #14171c }
.plateau { opacity: 0.2 }
"""


@dataclass(frozen=True)
class Curve:
    """One line of the picture.

    Attributes:
        name: what the line stands for.
        taus: thresholds, ascending, 0..1.
        values: mIoU at each, 0..1.
        best: index of the best threshold.
        plateau: first and last index of those within a point of the best.
        recommended: the threshold that a recipe names, or None.
    """

    name: str
    taus: Sequence[float]
    values: Sequence[float]
    best: int
    plateau: tuple[int, int]
    recommended: float | None = None


@dataclass(frozen=True)
class _Scale:
    """From data to the picture; `floor` is the row of the lowest value."""

    low: float
    high: float
    floor: float = BOTTOM

    def x(self, tau: float) -> float:
        return LEFT + tau * (RIGHT - LEFT)

    def y(self, percent: float) -> float:
        return self.floor - (percent - self.low) / (self.high - self.low) * (self.floor - TOP)


def curve_svg(
    curves: Sequence[Curve],
    *,
    title: str,
    subtitle: str = "",
    x_label: str = "activation threshold tau",
    y_label: str = "mIoU (%)",
    footer: str = "",
) -> str:
    """Draw mIoU over the threshold, with best point, plateau and recommended threshold.

    A dot marks the best threshold; a band the thresholds within a point of it (with several
    lines: a stripe on the axis for each); a ring on a dashed line the recommended threshold.
    Each line is named beside its end, with what the recommendation loses. The same input gives
    the same bytes; colours follow the reader's scheme.

    Args:
        curves: lines, any number; without one the axes are drawn and say so.
        title: the headline, also read out by screen readers.
        subtitle: a line below it.
        x_label: what the thresholds are.
        y_label: what the values are.
        footer: a line at the bottom, e.g. that all this is synthetic.

    Raises:
        UsageError: a curve is empty, or its numbers do not fit together.
    """
    for curve in curves:
        _check(curve)
    scale = _scale(curves)
    body = max(HEIGHT, TOP + NAME_HEIGHT * len(curves) + 20)
    height = body + (24 if footer else 0)
    parts = [
        *heading(title, subtitle, width=WIDTH),
        *_axes(scale, x_label, y_label),
        *_key(curves),
    ]
    if not curves:
        middle = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
        parts.append(text(*middle, "nothing to draw", "quiet", "middle"))
    parts += _plateaus(curves, scale)
    parts += _recommendations(curves, scale)
    parts += [_line(index, curve, scale) for index, curve in enumerate(curves)]
    parts += [_marks(index, curve, scale) for index, curve in enumerate(curves)]
    parts += _names(curves, scale, body)
    if footer:
        parts.append(text(24, height - 16, cut(footer, 130), "note"))
    return document(
        parts,
        width=WIDTH,
        height=height,
        title=title,
        description=_describe(curves),
        style=_STYLE + line_colours(len(curves), dark=False),
        dark_style=_DARK_STYLE + line_colours(len(curves), dark=True),
    )


def _check(curve: Curve) -> None:
    count = len(curve.taus)
    first, last = curve.plateau
    thresholds = [*curve.taus, *([] if curve.recommended is None else [curve.recommended])]
    problem = None
    if not count or count != len(curve.values):
        problem = f"{count} thresholds and {len(curve.values)} values"
    elif not all(0 <= number <= 1 for number in [*thresholds, *curve.values]):
        problem = "a threshold or value outside 0..1"
    elif not 0 <= first <= curve.best <= last < count:
        problem = f"best {curve.best} and plateau {curve.plateau} of {count} thresholds"
    elif any(later <= earlier for earlier, later in pairwise(curve.taus)):
        problem = "thresholds that do not ascend"
    if problem:
        raise UsageError(f"the curve {curve.name!r} cannot be drawn", found=problem)


def _scale(curves: Sequence[Curve]) -> _Scale:
    """Whole steps around the data, above the stripes that several lines need."""
    percents = [100 * value for curve in curves for value in curve.values]
    lowest, highest = min(percents, default=0.0), max(percents, default=100.0)
    if highest - lowest < 4:
        middle = min(max((lowest + highest) / 2, 2), 98)
        lowest, highest = middle - 2, middle + 2
    step = _step(highest - lowest)
    low = max(0.0, floor(lowest / step) * step)
    high = min(100.0, ceil((highest + 0.2 * step) / step) * step)
    stripes = len(curves) * _stripe(len(curves)) + 6 if len(curves) > 1 else 0
    return _Scale(low, high, BOTTOM - stripes)


def _stripe(count: int) -> float:
    """Rows from one stripe to the next."""
    return min(6.0, 72 / count)


def _step(span: float) -> float:
    return next((step for step in (1.0, 2.0, 5.0, 10.0) if span / step <= 7), 20.0)


def _axes(scale: _Scale, x_label: str, y_label: str) -> list[str]:
    parts = []
    step = _step(scale.high - scale.low)
    for number in range(round((scale.high - scale.low) / step) + 1):
        percent = scale.low + number * step
        y = scale.y(percent)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(text(LEFT - 10, y + 4, f"{percent:.0f}", "tick", "end"))
    for tenth in range(0, 11, 2):
        x = scale.x(tenth / 10)
        parts.append(f'<path class="axis" d="M{x:.1f} {BOTTOM}v5"/>')
        parts.append(text(x, BOTTOM + 20, f"{tenth / 10:.1f}", "tick", "middle"))
    parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>')
    parts.append(text(RIGHT, BOTTOM + 42, cut(x_label, 40), "quiet", "end"))
    parts.append(text(24, TOP - 16, cut(y_label, 40), "quiet"))
    return parts


def _plateaus(curves: Sequence[Curve], scale: _Scale) -> list[str]:
    """A band over the whole height for one line, a stripe above the axis for each of several."""
    parts = []
    pitch = _stripe(max(len(curves), 1))
    for index, curve in enumerate(curves):
        first, last = (scale.x(curve.taus[each]) for each in curve.plateau)
        if len(curves) == 1:
            kind, top, height = "plateau", float(TOP), float(BOTTOM - TOP)
        else:
            kind, top, height = "stripe", BOTTOM - pitch * (len(curves) - index), pitch - 2
        parts.append(
            f'<rect class="{kind} fill{index}" x="{first:.2f}" y="{top:.1f}" '
            f'width="{max(last - first, 2):.2f}" height="{height:.1f}"/>'
        )
    return parts


def _recommendations(curves: Sequence[Curve], scale: _Scale) -> list[str]:
    """A dashed line, over the whole height for one line, below its line for each of several."""
    parts = []
    for index, curve in enumerate(curves):
        if curve.recommended is not None:
            value = 100 * _value_at(curve, curve.recommended)
            x = scale.x(curve.recommended)
            top = TOP if len(curves) == 1 else scale.y(value)
            parts.append(
                f'<path class="recommended stroke{index}" d="M{x:.2f} {top:.2f}V{BOTTOM}"/>'
            )
    return parts


def _line(index: int, curve: Curve, scale: _Scale) -> str:
    points = " ".join(
        f"{scale.x(tau):.2f},{scale.y(100 * value):.2f}"
        for tau, value in zip(curve.taus, curve.values, strict=True)
    )
    return f'<polyline class="curve stroke{index}"{dashes(index)} points="{points}"/>'


def _marks(index: int, curve: Curve, scale: _Scale) -> str:
    """A ring at the recommended threshold and a dot at the best."""
    marks = ""
    if curve.recommended is not None:
        x = scale.x(curve.recommended)
        y = scale.y(100 * _value_at(curve, curve.recommended))
        marks = f'<circle class="ring stroke{index}" cx="{x:.2f}" cy="{y:.2f}" r="4"/>'
    x, y = scale.x(curve.taus[curve.best]), scale.y(100 * curve.values[curve.best])
    return f'{marks}<circle class="best halo fill{index}" cx="{x:.2f}" cy="{y:.2f}" r="5"/>'


def _key(curves: Sequence[Curve]) -> list[str]:
    """What the marks mean, below the axis."""
    y = BOTTOM + 42
    dot = f'<circle class="keymark" cx="{LEFT + 6}" cy="{y - 4}" r="4.5" stroke="none"/>'
    band = f'<rect class="keymark band" x="{LEFT + 70}" y="{y - 7}" width="12" height="5"/>'
    ring = f'<circle class="keymark ring" cx="{LEFT + 282}" cy="{y - 4}" r="4"/>'
    entries = [(dot, LEFT + 18, "best"), (band, LEFT + 88, "within 1 point of the best")]
    if any(curve.recommended is not None for curve in curves):
        entries.append((ring, LEFT + 294, "recommended"))
    return [mark + text(x, y, words, "key") for mark, x, words in entries if curves]


def _names(curves: Sequence[Curve], scale: _Scale, height: int) -> list[str]:
    """Name each line beside its end, moved apart where ends are close."""
    ends = [scale.y(100 * curve.values[-1]) for curve in curves]
    places = _spaced(ends, NAME_HEIGHT, TOP, height - NAME_HEIGHT)
    left = RIGHT + 41
    parts = []
    for index, (curve, end, place) in enumerate(zip(curves, ends, places, strict=True)):
        start = scale.x(curve.taus[-1])
        parts.append(
            f'<path class="lead" d="M{start + 4:.1f} {end:.1f}L{RIGHT + 18} {place:.1f}h6"/>'
            f'<circle class="fill{index}" cx="{RIGHT + 30}" cy="{place:.1f}" r="4.5"/>'
            + text(left, place + 4, cut(curve.name, 30), "name")
        )
        for line, words in enumerate(_summary(curve)):
            parts.append(text(left, place + 20 + 14 * line, words, "note"))
    return parts


def _spaced(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Places in the order wanted, at least `gap` apart, each near its wish.

    Neighbours that would overlap become a block, centred on what its members want.
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    blocks: list[tuple[float, int]] = []  # (place of the first, members)
    for index in order:
        first, members = min(max(wanted[index], top), bottom), 1
        while blocks and blocks[-1][0] + blocks[-1][1] * gap > first:
            before, count = blocks.pop()
            total = before * count + (first - count * gap) * members
            members += count
            first = total / members
            first = max(min(first, bottom - (members - 1) * gap), top)
        blocks.append((first, members))
    ordered = [first + step * gap for first, members in blocks for step in range(members)]
    places = [0.0] * len(wanted)
    for index, place in zip(order, ordered, strict=True):
        places[index] = place
    return places


def _summary(curve: Curve) -> list[str]:
    """The best threshold and what the recommended one loses against it."""
    best = 100 * curve.values[curve.best]
    lines = [f"best {best:.1f} at {curve.taus[curve.best]:.2f}"]
    if curve.recommended is not None:
        lost = best - 100 * _value_at(curve, curve.recommended)
        words = f"{lost:.1f} points lower" if lost >= 0.05 else "as good"
        lines.append(f"recommended {curve.recommended:.2f}: {words}")
    return lines


def _value_at(curve: Curve, tau: float) -> float:
    """The value on the drawn line; that of the nearest end outside it."""
    pairs = list(zip(curve.taus, curve.values, strict=True))
    if tau <= pairs[0][0]:
        return pairs[0][1]
    for (left, low), (right, high) in pairwise(pairs):
        if tau <= right:
            return low + (high - low) * (tau - left) / (right - left)
    return pairs[-1][1]


def _describe(curves: Sequence[Curve]) -> str:
    """The picture in sentences."""
    sentences = []
    for curve in curves:
        first, last = (curve.taus[each] for each in curve.plateau)
        plateau = f"within one point of it from {first:.2f} to {last:.2f}"
        sentences.append(f"{curve.name}: {'; '.join([*_summary(curve), plateau])}.")
    return " ".join(sentences) or "No curves."
