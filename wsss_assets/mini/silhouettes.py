"""What a silhouette of the mini benchmark is.

Each silhouette is a list of shapes, painted in order, each in one of six tones. The front
of what has a front looks left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from wsss_assets.mini.shapes import joint_bounds

if TYPE_CHECKING:
    from wsss_assets.mini.shapes import Bounds, Shape

__all__ = ["DARK", "GLASS", "LIGHT", "MAIN", "SECOND", "SKIN", "Colour", "Silhouette"]

Colour: TypeAlias = tuple[int, int, int]

MAIN, SECOND, DARK, LIGHT, GLASS, SKIN = range(6)


@dataclass(frozen=True)
class Silhouette:
    """One class's outline and where it is found.

    Attributes:
        parts: (shape, tone) in painting order.
        colours: pairs of colours for the tones MAIN and SECOND, one of which is drawn.
        setting: the background it stands before.
        focus: (u, v, radius) of the part by which a classifier knows it, e.g. the head.
        size: height or width, whichever is larger, next to that of the other classes.
        companions: classes that share its images.
        flies: True where it has no ground under it.
    """

    parts: tuple[tuple[Shape, int], ...]
    colours: tuple[tuple[Colour, Colour], ...]
    setting: str
    focus: tuple[float, float, float]
    size: float = 1.0
    companions: tuple[str, ...] = ()
    flies: bool = False

    @cached_property
    def bounds(self) -> Bounds:
        """(left, top, right, bottom) in the plane of the shapes."""
        return joint_bounds(shape for shape, _ in self.parts)
