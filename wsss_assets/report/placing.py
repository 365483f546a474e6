"""Where names go beside dots, so that none covers another name or a dot, and none is left out."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Box", "Dot", "Placed", "place_names"]

CHARACTER, LINE = 6.2, 12.0
"""About how wide a letter and how high a line of a name is, in pixels."""

GAP, STEP, RINGS = 3.0, 8.0, 10
"""Between a dot and its name; how much further each ring of places is; how many are tried."""

_TURNS = (0, 8, 12, 4, 14, 10, 2, 6, 15, 9, 13, 11, 1, 7, 3, 5)
"""Right, left, above, below, and between them, in sixteenths of a turn downwards from right."""


class Dot(NamedTuple):
    """A dot by its middle and radius, in pixels."""

    x: float
    y: float
    radius: float


class Box(NamedTuple):
    """A rectangle, in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Its point that is nearest to another."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)

    def covers(self, dot: Dot) -> bool:
        """Whether it shares a pixel with a dot."""
        x, y = self.nearest(dot.x, dot.y)
        return hypot(x - dot.x, y - dot.y) < dot.radius

    def inside(self, other: Box) -> bool:
        """Whether no part of it is outside of another."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Placed:
    """Where a name stands.

    Attributes:
        box: what it takes up.
        line: ends (x, y, x, y) of the line that leads to its dot; None where it is beside it.
    """

    box: Box
    line: tuple[float, float, float, float] | None

    def points(self) -> list[tuple[float, float]]:
        """Points (x, y) of the line, at most three pixels apart; none without one."""
        if self.line is None:
            return []
        x, y, to_x, to_y = self.line
        steps = int(hypot(to_x - x, to_y - y) / 3) + 1
        return [
            (x + (to_x - x) * one / steps, y + (to_y - y) * one / steps) for one in range(steps + 1)
        ]


def place_names(dots: Mapping[str, Dot], page: Box) -> dict[str, Placed]:
    """Find a place for the name of every dot: beside it, or else near by, with a line to it.

    The first free of: right, left, above, below, between them, then the same further away, then
    the nearest free place of the page; near by, one whose line crosses nothing if there is one.
    The same input gives the same places.

    Args:
        dots: by name.
        page: where names may stand.

    Returns:
        A place for each name; only where the page is full do names cover each other.
    """
    placed: dict[str, Placed] = {}
    for name, dot in dots.items():
        width = CHARACTER * len(name)
        others = [*placed.values()]
        near = [one for one in _around(dot, width) if _is_free(one, page, others, dots)]
        places = [Placed(box, _line(dot, box)) for box in near]
        found = next((one for one in places if _is_clear(one, dot, others, dots)), None)
        if found is None and places:
            found = places[0]
        if found is None:
            far = (one for one in _rows(dot, width, page) if _is_free(one, page, others, dots))
            box = next(far, next(_around(dot, width)))
            found = Placed(box, _line(dot, box))
        placed[name] = found
    return placed


def _is_free(box: Box, page: Box, others: Sequence[Placed], dots: Mapping[str, Dot]) -> bool:
    """Whether it covers no name and no dot."""
    return (
        box.inside(page)
        and not any(box.meets(other.box) for other in others)
        and not any(box.covers(dot) for dot in dots.values())
    )


def _is_clear(place: Placed, own: Dot, others: Sequence[Placed], dots: Mapping[str, Dot]) -> bool:
    """Whether no line runs through a name, and its own line through no other dot."""
    points = [Dot(x, y, 0.5) for x, y in place.points()]
    return not any(
        place.box.covers(Dot(x, y, 0.5)) for other in others for x, y in other.points()
    ) and not any(
        any(other.box.covers(point) for other in others)
        or any(
            hypot(point.x - dot.x, point.y - dot.y) < dot.radius
            for dot in dots.values()
            if dot != own
        )
        for point in points
    )


def _around(dot: Dot, width: float) -> Iterator[Box]:
    """Places beside a dot, and then in wider and wider rings around it."""
    for ring in range(RINGS):
        for turn in _TURNS:
            away = dot.radius + GAP + ring * STEP
            across, down = cos(turn * pi / 8), sin(turn * pi / 8)
            x = dot.x + across * (away + width / 2)
            y = dot.y + down * (away + LINE / 2)
            yield Box(x - width / 2, y - LINE / 2, x + width / 2, y + LINE / 2)


def _rows(dot: Dot, width: float, page: Box) -> list[Box]:
    """Places all over the page, the nearest to a dot first."""
    boxes = []
    for row in range(int((page.bottom - page.top) / LINE)):
        top = page.top + row * LINE
        for column in range(int(max(page.right - page.left - width, 0) / STEP) + 1):
            left = page.left + column * STEP
            boxes.append(Box(left, top, left + width, top + LINE))

    def distance(box: Box) -> float:
        x, y = box.nearest(dot.x, dot.y)
        return hypot(x - dot.x, y - dot.y)

    return sorted(boxes, key=distance)


def _line(dot: Dot, box: Box) -> tuple[float, float, float, float] | None:
    """From the rim of a dot to a name that is not beside it."""
    x, y = box.nearest(dot.x, dot.y)
    distance = hypot(x - dot.x, y - dot.y)
    if distance < dot.radius + GAP + STEP / 2:
        return None
    part = dot.radius / distance
    return dot.x + part * (x - dot.x), dot.y + part * (y - dot.y), x, y
