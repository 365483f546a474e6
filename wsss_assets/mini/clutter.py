"""What stands in the background of the mini benchmark, by setting, and is no object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.mini.shapes import Box, Ellipse, Polygon
from wsss_assets.mini.silhouettes import MAIN, SECOND, Silhouette

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLUTTER"]

CLUTTER: Mapping[str, tuple[Silhouette, ...]] = {
    "sky": (
        Silhouette(
            parts=(
                (Ellipse(0, 0, 0.9, 0.26), MAIN),
                (Ellipse(-0.3, -0.2, 0.42, 0.3), MAIN),
                (Ellipse(0.3, -0.14, 0.36, 0.26), SECOND),
            ),
            colours=(((236, 240, 246), (226, 232, 240)),),
            setting="sky",
            focus=(0, 0, 0.5),
            flies=True,
        ),
    ),
    "meadow": (
        Silhouette(
            parts=((Box(-0.09, 0.1, 0.09, 1.0), SECOND), (Ellipse(0, -0.3, 0.6, 0.7), MAIN)),
            colours=(((58, 96, 50), (86, 66, 46)), ((84, 112, 56), (90, 70, 50))),
            setting="meadow",
            focus=(0, -0.3, 0.5),
        ),
        Silhouette(
            parts=((Ellipse(0, 0.1, 1.0, 0.4), MAIN), (Ellipse(0.5, 0.0, 0.5, 0.45), SECOND)),
            colours=(((74, 104, 54), (60, 90, 48)), ((126, 122, 116), (106, 102, 98))),
            setting="meadow",
            focus=(0, 0, 0.5),
        ),
    ),
    "sea": (
        Silhouette(
            parts=((Polygon(((-1.0, 0.25), (-0.3, -0.3), (0.3, -0.2), (1.0, 0.25))), MAIN),),
            colours=(((96, 108, 104), (0, 0, 0)), ((120, 116, 104), (0, 0, 0))),
            setting="sea",
            focus=(0, 0, 0.5),
        ),
    ),
    "road": (
        Silhouette(
            parts=(
                (Box(-0.6, -1.0, 0.6, 1.0), MAIN),
                (Box(-0.42, -0.8, -0.08, -0.4), SECOND),
                (Box(0.08, -0.8, 0.42, -0.4), SECOND),
                (Box(-0.42, -0.2, -0.08, 0.2), SECOND),
                (Box(0.08, -0.2, 0.42, 0.2), SECOND),
            ),
            colours=(((156, 132, 114), (84, 92, 104)), ((150, 152, 156), (90, 100, 116))),
            setting="road",
            focus=(0, -0.3, 0.5),
        ),
        Silhouette(
            parts=((Box(-0.05, -0.6, 0.05, 1.0), SECOND), (Ellipse(0, -0.7, 0.28, 0.28), MAIN)),
            colours=(((188, 60, 54), (120, 122, 126)), ((70, 104, 62), (92, 76, 60))),
            setting="road",
            focus=(0, -0.7, 0.3),
        ),
    ),
    "room": (
        Silhouette(
            parts=((Box(-0.7, -0.5, 0.7, 0.5), SECOND), (Box(-0.6, -0.4, 0.6, 0.4), MAIN)),
            colours=(((150, 172, 182), (110, 84, 60)), ((186, 160, 120), (60, 54, 50))),
            setting="room",
            focus=(0, 0, 0.5),
        ),
        Silhouette(
            parts=(
                (Box(-0.05, -0.4, 0.05, 1.0), SECOND),
                (Polygon(((-0.2, -0.9), (0.2, -0.9), (0.4, -0.3), (-0.4, -0.3))), MAIN),
            ),
            colours=(((240, 222, 170), (70, 62, 56)), ((200, 120, 90), (90, 84, 80))),
            setting="room",
            focus=(0, -0.6, 0.4),
        ),
    ),
}
