"""A picture of where thresholds would have to lie: a histogram with marks, and classes as dots."""

from __future__ import annotations

from math import ceil, floor, isnan, sqrt
from typing import TYPE_CHECKING

from wsss_assets.report.placing import Box, Dot, place_names
from wsss_assets.report.svg import document, heading, minus, safe, text
from wsss_assets.report.thresholds import provenance
from wsss_assets.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.evaluation.thresholds.analyse import ThresholdAnalysis

__all__ = ["own_thresholds_svg"]

WIDTH, HEIGHT = 1080, 620
LEFT, RIGHT, TOP, BOTTOM = 64, 500, 126, 420
SCATTER_LEFT, SCATTER_RIGHT, SCATTER_BOTTOM = 610, 1040, 520
BINS = 32
_PAGE = Box(SCATTER_LEFT + 2, TOP - 8, WIDTH - 6, SCATTER_BOTTOM - 2)
"""Where names of classes may stand."""

_STYLE = """
.head { font-weight: 600 }
.quiet, .tick { fill: #626a75; font-size: 12px }
.name { font-size: 11px }
.grid { stroke: #e6e9ee }
.axis { stroke: #8a929d; fill: none }
.bar { fill: #0072b2; opacity: 0.75 }
.dot { fill: #0072b2; opacity: 0.55 }
.global { stroke: #d55e00; stroke-width: 2 }
.recipe { stroke: #007a5a; stroke-width: 2; stroke-dasharray: 5 4 }
.chosen { fill: #8a6d00 }
"""
_DARK_STYLE = """
.quiet, .tick { fill: #9aa3af }
.grid { stroke: #272c34 } .axis { stroke: #6b7480 } .bar, .dot { fill: #4c9be8 }
.global { stroke: #ff8a3d } .recipe { stroke: #2bc49a } .chosen { fill: #e6c84a }
"""


def own_thresholds_svg(analysis: ThresholdAnalysis) -> str:
    """Draw the best own thresholds of all pairs, and imbalance and gap of all classes.

    Left, the histogram of best own thresholds with the global tau (solid), the recipe's (dashed)
    and below the axis what label-free rules choose for the whole set. Right, a dot for each
    class: the further to the lower right, the harder it is to cut; the larger, the more IoU its
    maps lose at the global tau. The same input gives the same bytes.

    Args:
        analysis: what was measured.
    """
    swept = analysis.swept
    title = f"{swept.benchmark.title}: where thresholds would have to lie"
    parts = [
        *heading(title, swept.recipe.describe(), width=WIDTH),
        *_histogram(analysis),
        *_marks(analysis),
        *_scatter(analysis),
        text(24, HEIGHT - 18, provenance(swept, analysis.curve.ignored), "quiet"),
    ]
    return document(
        parts,
        width=WIDTH,
        height=HEIGHT,
        title=title,
        description=_words(analysis),
        style=_STYLE,
        dark_style=_DARK_STYLE,
    )


def _words(analysis: ThresholdAnalysis) -> str:
    pairs = analysis.pairs
    if not pairs.n:
        return "No pair of an image and a class was measured."
    return (
        f"Best own thresholds of {counted(pairs.n, 'pair')} of an image and a class: median "
        f"{pairs.best_tau_median:.3f}, standard deviation {pairs.best_tau_std:.3f}; the best one "
        f"tau for all is {analysis.curve.taus[analysis.curve.best]:.3f}. At its own threshold a "
        f"map has an IoU of {pairs.iou_own:.1%}, at the global one {pairs.iou_global:.1%}."
    )


def _x(tau: float) -> float:
    return LEFT + tau * (RIGHT - LEFT)


def _histogram(analysis: ThresholdAnalysis) -> list[str]:
    bins = analysis.best_thresholds.sum(axis=0).reshape(BINS, -1).sum(axis=1).tolist()
    step = _step(max(bins))
    high = max(step, step * ceil(max(bins) / step))
    parts = [
        text(LEFT - 40, TOP - 36, "Best own threshold of each image and class", "head"),
        text(LEFT - 40, TOP - 16, "pairs", "quiet"),
    ]
    for value in range(0, high + 1, step):
        y = BOTTOM - value / high * (BOTTOM - TOP)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{value}", "tick", "end"))
    width = (RIGHT - LEFT) / BINS
    for index, count in enumerate(bins):
        height = count / high * (BOTTOM - TOP)
        parts.append(
            f'<rect class="bar" x="{LEFT + index * width + 1:.2f}" y="{BOTTOM - height:.2f}" '
            f'width="{width - 2:.2f}" height="{height:.2f}"/>'
        )
    parts += [
        text(_x(fifth / 5), BOTTOM + 18, f"{fifth / 5:.1f}", "tick", "middle") for fifth in range(6)
    ]
    parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>')
    return parts


def _marks(analysis: ThresholdAnalysis) -> list[str]:
    """The global and the recipe's tau as lines, and the choices of rules below the axis."""
    curve = analysis.curve
    lines = (
        ("global", curve.taus[curve.best], "best one tau for all", 0),
        ("recipe", analysis.swept.recipe.tau, "recipe", 190),
    )
    parts = []
    for kind, tau, words, shift in lines:
        key = LEFT + 80 + shift
        parts += [
            f'<path class="{kind}" d="M{_x(tau):.1f} {TOP - 6}V{BOTTOM}"/>',
            f'<path class="{kind}" d="M{key} {TOP - 20}h22"/>',
            text(key + 28, TOP - 16, f"{words} {tau:.3f}", "quiet"),
        ]
    rules = [one for one in analysis.choices if one.level == "dataset" and one.selector != "recipe"]
    for row, choice in enumerate(rules):
        y = BOTTOM + 44 + 20 * row
        words = choice.selector.replace("_", " ")
        if choice.tau is None:
            parts.append(text(LEFT, y + 4, f"{words}: undefined", "quiet"))
            continue
        x = _x(choice.tau)
        side, anchor = (10, "start") if choice.tau < 0.5 else (-10, "end")
        parts += [
            f'<circle class="chosen" cx="{x:.1f}" cy="{y}" r="5"/>',
            text(
                x + side,
                y + 4,
                f"{words} {choice.tau:.3f}: {_regret(choice.regret)}",
                "quiet",
                anchor,
            ),
        ]
    return parts


def _regret(regret: float) -> str:
    if isnan(regret):
        return "no score"
    return "as good" if abs(regret) < 0.0005 else minus(f"{-100 * regret:+.1f} points")


def _scatter(analysis: ThresholdAnalysis) -> list[str]:
    shown = {
        name: row
        for name, row in analysis.per_class.items()
        if row.n and not isnan(row.imbalance_cv) and not isnan(row.gap_mean)
    }
    across = _range([row.imbalance_cv for row in shown.values()])
    up = _range([row.gap_mean for row in shown.values()])
    parts = [
        text(SCATTER_LEFT - 40, TOP - 36, "Imbalance and gap by class", "head"),
        text(
            SCATTER_LEFT - 40,
            TOP - 16,
            "gap (mean inside less mean outside); a large dot loses much IoU at the global tau",
            "quiet",
        ),
        text(
            SCATTER_RIGHT,
            SCATTER_BOTTOM + 38,
            "imbalance (deviation inside over mean inside)",
            "quiet",
            "end",
        ),
    ]
    parts += _scatter_axes(across, up)
    dots = {}
    for name, row in shown.items():
        x = _between(row.imbalance_cv, *across, SCATTER_LEFT, SCATTER_RIGHT)
        y = _between(row.gap_mean, *up, SCATTER_BOTTOM, TOP)
        lost = max(row.iou_own - row.iou_global, 0.0)
        dots[name] = Dot(x, y, 3 + 24 * sqrt(lost))
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{dots[name].radius:.1f}">'
            f"<title>{safe(name)}: {100 * lost:.1f} points</title></circle>"
        )
    return parts + _names(dots)


def _scatter_axes(across: tuple[float, float], up: tuple[float, float]) -> list[str]:
    parts = []
    for quarter in range(5):
        x = _between(quarter / 4, 0, 1, SCATTER_LEFT, SCATTER_RIGHT)
        y = _between(quarter / 4, 0, 1, SCATTER_BOTTOM, TOP)
        parts.append(f'<path class="grid" d="M{SCATTER_LEFT} {y:.1f}H{SCATTER_RIGHT}"/>')
        gap = _between(quarter / 4, 0, 1, *up)
        parts.append(text(SCATTER_LEFT - 8, y + 4, minus(f"{gap:.2f}"), "tick", "end"))
        imbalance = _between(quarter / 4, 0, 1, *across)
        parts.append(text(x, SCATTER_BOTTOM + 18, f"{imbalance:.2f}", "tick", "middle"))
    parts.append(f'<path class="axis" d="M{SCATTER_LEFT} {SCATTER_BOTTOM}H{SCATTER_RIGHT}"/>')
    return parts


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Fifths that hold all values."""
    if not values:
        return 0.0, 1.0
    low = floor(min(values) * 5) / 5
    return low, max(ceil(max(values) * 5) / 5, low + 0.2)


def _between(value: float, low: float, high: float, first: float, last: float) -> float:
    return first + (value - low) / (high - low) * (last - first)


def _names(dots: dict[str, Dot]) -> list[str]:
    """All names: beside their dots, or with a line to them."""
    parts = []
    for name, place in place_names(dots, _PAGE).items():
        if place.line is not None:
            x, y, to_x, to_y = place.line
            parts.append(f'<path class="axis" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>')
        box = place.box
        parts.append(text((box.left + box.right) / 2, box.bottom - 2, name, "name", "middle"))
    return parts


def _step(highest: int) -> int:
    """A round step with at most six of them up to the highest count."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size * 6 >= highest:
                return factor * size
        size *= 10
