"""Simple shapes, inside or outside by a formula.

A *shape* lives in its own plane: u to the right, v down, one unit the same length on both
axes. Only +, −, ×, ÷ and comparisons touch pixels, so that a shape covers the same pixels on
every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Bool",
    "Bounds",
    "Box",
    "Ellipse",
    "Float32",
    "Limb",
    "Polygon",
    "Ring",
    "Shape",
    "joint_bounds",
]

Float32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]
Bounds: TypeAlias = tuple[float, float, float, float]


class Shape(Protocol):
    """Something with a rim."""

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom) that hold it."""
        ...

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which of the points lie inside; `u` and `v` broadcast."""
        ...


@dataclass(frozen=True)
class Ellipse:
    """Centre and radii."""

    u: float
    v: float
    across: float
    down: float

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom)."""
        return (
            self.u - self.across,
            self.v - self.down,
            self.u + self.across,
            self.v + self.down,
        )

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which points lie inside."""
        return _squared((u - self.u) / self.across) + _squared((v - self.v) / self.down) <= 1


@dataclass(frozen=True)
class Ring:
    """A circle drawn with a pen of some width."""

    u: float
    v: float
    radius: float
    width: float

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom)."""
        outer = self.radius + self.width / 2
        return (self.u - outer, self.v - outer, self.u + outer, self.v + outer)

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which points lie inside."""
        distance = _squared(u - self.u) + _squared(v - self.v)
        inner, outer = self.radius - self.width / 2, self.radius + self.width / 2
        return (distance >= inner * inner) & (distance <= outer * outer)


@dataclass(frozen=True)
class Box:
    """An upright rectangle with rounded corners."""

    left: float
    top: float
    right: float
    bottom: float
    corner: float = 0.02

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom)."""
        return (self.left, self.top, self.right, self.bottom)

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which points lie inside."""
        across = _outside(u, self.left + self.corner, self.right - self.corner)
        down = _outside(v, self.top + self.corner, self.bottom - self.corner)
        return _squared(across) + _squared(down) <= self.corner * self.corner


@dataclass(frozen=True)
class Limb:
    """A straight line with round ends, drawn with a pen that may grow or shrink."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float
    end_radius: float | None = None

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom)."""
        reach = max(self.radius, self.end_radius or self.radius)
        (u0, v0), (u1, v1) = self.start, self.end
        return (min(u0, u1) - reach, min(v0, v1) - reach, max(u0, u1) + reach, max(v0, v1) + reach)

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which points lie inside."""
        (u0, v0), (u1, v1) = self.start, self.end
        along_u, along_v = u1 - u0, v1 - v0
        length = along_u * along_u + along_v * along_v
        part: Float32 = np.clip(((u - u0) * along_u + (v - v0) * along_v) / length, 0, 1)
        end_radius = self.radius if self.end_radius is None else self.end_radius
        radius: Float32 = self.radius + (end_radius - self.radius) * part
        distance = _squared(u - u0 - along_u * part) + _squared(v - v0 - along_v * part)
        return distance <= _squared(radius)


@dataclass(frozen=True)
class Polygon:
    """A convex polygon, its corners clockwise as seen on the screen."""

    corners: tuple[tuple[float, float], ...]

    @property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom)."""
        across, down = zip(*self.corners, strict=True)
        return (min(across), min(down), max(across), max(down))

    def covers(self, u: Float32, v: Float32) -> Bool:
        """Which points lie inside."""
        inside: Bool = np.ones(np.broadcast_shapes(u.shape, v.shape), dtype=np.bool_)
        following = (*self.corners[1:], self.corners[0])
        for (u0, v0), (u1, v1) in zip(self.corners, following, strict=True):
            inside &= (u1 - u0) * (v - v0) - (v1 - v0) * (u - u0) >= 0
        return inside


def joint_bounds(shapes: Iterable[Shape]) -> Bounds:
    """(left, top, right, bottom) that hold all of the shapes."""
    left, top, right, bottom = zip(*(shape.bounds for shape in shapes), strict=True)
    return (min(left), min(top), max(right), max(bottom))


def _squared(values: Float32) -> Float32:
    return values * values


def _outside(values: Float32, low: float, high: float) -> Float32:
    distance: Float32 = np.maximum(np.maximum(low - values, values - high), 0)
    return distance
