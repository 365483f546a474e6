"""NDR-recall over NDR-FPR as an SVG that stands alone: no script, no font, no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.regions.counts import first_byte
from wsss_assets.report.provenance import provenance_line
from wsss_assets.report.svg import dashes, document, heading, line_colours, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.evaluation.regions.analyse import RegionScores

__all__ = ["RegionLine", "region_curve_svg", "regions_svg"]

WIDTH, LEFT, TOP, SIDE = 800, 64, 100, 400
ROW = 40

_STYLE = """
.quiet, .tick, .note { fill: #626a75 }
.tick, .note { font-size: 12px }
.name { font-weight: 600 }
.grid { stroke: #e6e9ee }
.chance { stroke: #8a929d; stroke-dasharray: 4 4 }
.curve { fill: none; stroke-width: 2.25; stroke-linejoin: round }
.halo { stroke: #ffffff; stroke-width: 2 }
"""
_DARK_STYLE = """
.quiet, .tick, .note { fill: #9aa3af }
.grid { stroke: #272c34 }
.chance { stroke: #6b7480 }
.halo { stroke: #14171c }
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
        *heading(title, subtitle, width=WIDTH),
        *_axes(),
    ]
    for index, line in enumerate(lines):
        parts += _drawn(index, line)
    for index, line in enumerate(lines):
        parts += _named(index, line)
    parts.append(text(24, height - 14, footer, "note"))
    return document(
        parts,
        width=WIDTH,
        height=height,
        title=title,
        description=" ".join(map(_sentence, lines)) or "No curves.",
        style=_STYLE + line_colours(len(lines), dark=False),
        dark_style=_DARK_STYLE + line_colours(len(lines), dark=True),
    )


def regions_svg(analysed: Mapping[str, RegionScores], *, reference: str) -> str:
    """The curves of several maps that were compared with one reference.

    Args:
        analysed: scores by the name of the line; at least one.
        reference: name of the reference.

    Raises:
        UsageError: no class has both a non-discriminative region and clean background.
    """
    first = next(iter(analysed.values()))
    return region_curve_svg(
        [_line(name, scores) for name, scores in analysed.items()],
        title=f"What {reference} misses, and what finds it",
        subtitle=f"outside {reference} ≥ {first.eta:.3f}; means over classes; own definitions",
        footer=provenance_line(
            first.benchmark,
            first.split,
            first.images,
            first.ground_truth_digest,
            synthetic=first.synthetic,
        ),
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
        x, y = _x(tenth / 10), _y(tenth / 10)
        parts += [
            f'<path class="grid" d="M{LEFT} {y:.1f}h{SIDE}M{x:.1f} {TOP}v{SIDE}"/>',
            text(LEFT - 10, y + 4, f"{10 * tenth}", "tick", "end"),
            text(x, TOP + SIDE + 18, f"{10 * tenth}", "tick", "middle"),
        ]
    return [
        *parts,
        f'<path class="chance" d="M{LEFT} {TOP + SIDE}L{LEFT + SIDE} {TOP}"/>',
        text(24, TOP - 12, "NDR-recall (%)", "quiet"),
        text(LEFT + SIDE, TOP + SIDE + 38, "NDR-FPR (%)", "quiet", "end"),
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
    points.append(f"{_x(0):.2f},{_y(0):.2f}")  # above every threshold nothing is predicted
    return [
        f'<polyline class="curve stroke{index}"{dashes(index)} points="{" ".join(points)}"/>',
        dot,
    ]


def _named(index: int, line: RegionLine) -> list[str]:
    left, y = LEFT + SIDE + 40, TOP + 12 + ROW * index
    return [
        f'<circle class="fill{index}" cx="{left}" cy="{y - 4}" r="4.5"/>',
        text(left + 12, y, line.name, "name"),
        text(left + 12, y + 16, _summary(line), "note"),
    ]


def _summary(line: RegionLine) -> str:
    rate, recall = line.ndr_fpr[line.chosen], line.ndr_recall[line.chosen]
    area = "" if line.area is None else f"AUC {100 * line.area:.1f}; "
    return f"{area}dot: recall {100 * recall:.1f}, FPR {100 * rate:.1f}"


def _sentence(line: RegionLine) -> str:
    return f"{line.name}: {_summary(line)}."
