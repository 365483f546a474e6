"""NDR-recall over NDR-FPR as an SVG that stands alone: no script, no font, no library."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.regions.counts import first_byte

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.evaluation.regions.analyse import RegionScores

__all__ = ["RegionLine", "region_curve_svg", "regions_svg"]

WIDTH, LEFT, TOP, SIDE = 800, 64, 100, 400
ROW = 40

# Okabe and Ito's colours, told apart by colour-blind readers; (on light paper, on dark paper).
_COLOURS = (
    ("#0072b2", "#4c9be8"),
    ("#d55e00", "#ff8a3d"),
    ("#007a5a", "#2bc49a"),
    ("#b0478a", "#e592c4"),
    ("#8a6d00", "#e6c84a"),
    ("#45a5e6", "#b5e3ff"),
    ("#4a4a4a", "#d0d0d0"),
)
_DASHES = ("", "8 3", "2 3")

_STYLE = """
svg { background: #ffffff; max-width: 100%; height: auto;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif }
text { fill: #1c2026 }
.title { font-size: 18px; font-weight: 600 }
.quiet, .tick, .note { fill: #626a75 }
.tick, .note { font-size: 12px }
.name { font-weight: 600 }
.grid { stroke: #e6e9ee }
.chance { stroke: #8a929d; stroke-dasharray: 4 4 }
.curve { fill: none; stroke-width: 2.25; stroke-linejoin: round }
.halo { stroke: #ffffff; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
svg { background: #14171c }
text { fill: #e8eaee }
.quiet, .tick, .note { fill: #9aa3af }
.grid { stroke: #272c34 }
.chance { stroke: #6b7480 }
.halo { stroke: #14171c }
}
"""


@dataclass(frozen=True)
class RegionLine:
    """One map of the picture; all numbers are 0..1.

    Attributes:
        name: what it stands for.
        ndr_fpr: to the right, one for each threshold; for masks a single one.
        ndr_recall: upwards, as many.
        chosen: index of the threshold that was measured, where a dot stands.
        area: area under the curve; None where there is none.
    """

    name: str
    ndr_fpr: Sequence[float]
    ndr_recall: Sequence[float]
    chosen: int
    area: float | None = None


def region_curve_svg(
    lines: Sequence[RegionLine], *, title: str, subtitle: str = "", footer: str = ""
) -> str:
    """Draw NDR-recall over NDR-FPR: what a map finds of what the reference misses, at what price.

    A dot marks the measured threshold, a dashed line what chance gives. A line of a single point
    is a dot alone. The same input gives the same bytes; colours follow the reader's scheme.

    Args:
        lines: any number; they are named beside the picture in this order.
        title: the headline, also read out by screen readers.
        subtitle: a line below it.
        footer: a line at the bottom.

    Raises:
        UsageError: a line is empty, or its numbers do not fit together.
    """
    for line in lines:
        _check(line)
    height = TOP + max(SIDE + 80, ROW * len(lines) + 40)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title description">',
        f'<title id="title">{_safe(title)}</title>',
        f'<desc id="description">{_safe(" ".join(map(_sentence, lines)) or "No curves.")}</desc>',
        f"<style>{_STYLE}{_colour_rules(len(lines), 0)}"
        f"@media (prefers-color-scheme: dark) {{\n{_colour_rules(len(lines), 1)}}}\n</style>",
        f'<text class="title" x="24" y="32">{_safe(title)}</text>',
        f'<text class="quiet" x="24" y="54">{_safe(subtitle)}</text>',
        *_axes(),
    ]
    for index, line in enumerate(lines):
        parts += _drawn(index, line)
    for index, line in enumerate(lines):
        parts += _named(index, line)
    parts.append(f'<text class="note" x="24" y="{height - 14}">{_safe(footer)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def regions_svg(analysed: Mapping[str, RegionScores], *, reference: str) -> str:
    """The curves of several maps that were compared with one reference.

    Args:
        analysed: scores by the name of the line; at least one.
        reference: name of the reference.

    Raises:
        UsageError: no class has both a non-discriminative region and clean background.
    """
    first = next(iter(analysed.values()))
    counted = [
        f"{first.benchmark} {first.split or '(split not named)'}",
        f"{first.images} images",
        f"ground truth {first.ground_truth_digest[:16]}",
        *(["SYNTHETIC: drawn by a program"] if first.synthetic else []),
    ]
    return region_curve_svg(
        [_line(name, scores) for name, scores in analysed.items()],
        title=f"What {reference} misses, and what finds it",
        subtitle=f"outside {reference} ≥ {first.eta:.3f}; means over classes; own definitions",
        footer=", ".join(counted),
    )


def _line(name: str, scores: RegionScores) -> RegionLine:
    """The line of a map, or the point of a mask."""
    rate, recall = ([*scores.curve[one]] for one in ("ndr_fpr", "ndr_recall"))
    if None in {*rate, *recall}:
        raise UsageError(
            f"the line {name!r} cannot be drawn: the reference leaves out no pixel of any class",
            found=f"eta {scores.eta:g}",
            hint="choose a higher --eta",
        )
    rates, recalls = ([one for one in values if one is not None] for values in (rate, recall))
    if scores.threshold is None:
        return RegionLine(name, rates[255:], recalls[255:], 0)
    chosen = first_byte(scores.threshold)
    return RegionLine(name, rates, recalls, chosen, scores.means["auc"].mean)


def _check(line: RegionLine) -> None:
    count = len(line.ndr_fpr)
    problem = None
    if not count or count != len(line.ndr_recall):
        problem = f"{count} rates and {len(line.ndr_recall)} recalls"
    elif not all(0 <= number <= 1 for number in [*line.ndr_fpr, *line.ndr_recall]):
        problem = "a number outside 0..1"
    elif not 0 <= line.chosen < count:
        problem = f"number {line.chosen} chosen of {count} thresholds"
    if problem:
        raise UsageError(f"the line {line.name!r} cannot be drawn", found=problem)


def _x(rate: float) -> float:
    return LEFT + rate * SIDE


def _y(recall: float) -> float:
    return TOP + (1 - recall) * SIDE


def _axes() -> list[str]:
    parts = []
    for tenth in range(0, 11, 2):
        share = tenth / 10
        x, y = _x(share), _y(share)
        parts += [
            f'<path class="grid" d="M{LEFT} {y:.1f}h{SIDE}M{x:.1f} {TOP}v{SIDE}"/>',
            f'<text class="tick" x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">'
            f"{10 * tenth}</text>",
            f'<text class="tick" x="{x:.1f}" y="{TOP + SIDE + 18}" text-anchor="middle">'
            f"{10 * tenth}</text>",
        ]
    return [
        *parts,
        f'<path class="chance" d="M{LEFT} {TOP + SIDE}L{LEFT + SIDE} {TOP}"/>',
        f'<text class="quiet" x="24" y="{TOP - 12}">NDR-recall (%)</text>',
        f'<text class="quiet" x="{LEFT + SIDE}" y="{TOP + SIDE + 38}" text-anchor="end">'
        "NDR-FPR (%)</text>",
    ]


def _drawn(index: int, line: RegionLine) -> list[str]:
    points = [
        f"{_x(rate):.2f},{_y(recall):.2f}"
        for rate, recall in zip(line.ndr_fpr, line.ndr_recall, strict=True)
    ]
    x, _, y = points[line.chosen].partition(",")
    dot = f'<circle class="chosen halo fill{index}" cx="{x}" cy="{y}" r="5"/>'
    if len(points) == 1:
        return [dot]
    dash = _DASHES[index // len(_COLOURS) % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    points.append(f"{_x(0):.2f},{_y(0):.2f}")  # above every threshold nothing is predicted
    return [
        f'<polyline class="curve stroke{index}"{dashed} points="{" ".join(points)}"/>',
        dot,
    ]


def _named(index: int, line: RegionLine) -> list[str]:
    left, y = LEFT + SIDE + 40, TOP + 12 + ROW * index
    return [
        f'<circle class="fill{index}" cx="{left}" cy="{y - 4}" r="4.5"/>',
        f'<text class="name" x="{left + 12}" y="{y}">{_safe(line.name)}</text>',
        f'<text class="note" x="{left + 12}" y="{y + 16}">{_safe(_summary(line))}</text>',
    ]


def _summary(line: RegionLine) -> str:
    rate, recall = line.ndr_fpr[line.chosen], line.ndr_recall[line.chosen]
    area = "" if line.area is None else f"AUC {100 * line.area:.1f}; "
    return f"{area}dot: recall {100 * recall:.1f}, FPR {100 * rate:.1f}"


def _sentence(line: RegionLine) -> str:
    return f"{line.name}: {_summary(line)}."


def _colour_rules(count: int, scheme: int) -> str:
    rules = []
    for index in range(count):
        colour = _COLOURS[index % len(_COLOURS)][scheme]
        rules.append(f".stroke{index} {{ stroke: {colour} }} .fill{index} {{ fill: {colour} }}\n")
    return "".join(rules)


def _safe(text: str) -> str:
    """Text for XML: escaped, and without the control characters that XML cannot hold."""
    return escape("".join(each if each.isprintable() else " " for each in text))
