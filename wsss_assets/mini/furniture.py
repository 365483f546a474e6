"""Silhouettes of what stands about in rooms in the mini benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.mini.shapes import Box, Ellipse, Limb, Polygon
from wsss_assets.mini.silhouettes import DARK, GLASS, LIGHT, MAIN, SECOND, Silhouette

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FURNITURE"]

FURNITURE: Mapping[str, Silhouette] = {
    "bottle": Silhouette(
        parts=(
            (Box(-0.3, -0.25, 0.3, 1.0, 0.1), MAIN),
            (Polygon(((-0.12, -0.52), (0.12, -0.52), (0.3, -0.16), (-0.3, -0.16))), MAIN),
            (Box(-0.12, -0.95, 0.12, -0.45, 0.03), MAIN),
            (Box(-0.14, -1.0, 0.14, -0.84, 0.03), SECOND),
            (Box(-0.3, 0.1, 0.3, 0.62), LIGHT),
            (Box(-0.2, 0.2, 0.2, 0.3), SECOND),
        ),
        colours=(
            ((34, 92, 52), (170, 40, 44)),
            ((120, 70, 30), (226, 190, 60)),
            ((60, 110, 150), (30, 40, 90)),
        ),
        setting="room",
        focus=(0.0, 0.2, 0.55),
        size=0.85,
        companions=("diningtable", "chair", "tvmonitor"),
    ),
    "chair": Silhouette(
        parts=(
            (Limb((-0.42, 0.2), (-0.5, 1.0), 0.07), SECOND),
            (Limb((0.42, 0.2), (0.5, 1.0), 0.07), SECOND),
            (Limb((-0.2, 0.2), (-0.24, 0.86), 0.06), SECOND),
            (Limb((0.22, 0.2), (0.26, 0.86), 0.06), SECOND),
            (Box(-0.42, -1.0, 0.42, -0.1, 0.1), MAIN),
            (Box(-0.26, -0.82, 0.26, -0.5, 0.06), SECOND),
            (Polygon(((-0.44, 0.0), (0.44, 0.0), (0.58, 0.28), (-0.58, 0.28))), MAIN),
        ),
        colours=(
            ((150, 96, 52), (96, 58, 30)),
            ((70, 90, 110), (40, 50, 64)),
            ((176, 50, 46), (70, 60, 56)),
        ),
        setting="room",
        focus=(0.0, -0.45, 0.55),
        size=0.95,
        companions=("diningtable", "tvmonitor", "pottedplant"),
    ),
    "diningtable": Silhouette(
        parts=(
            (Limb((-0.95, 0.0), (-0.98, 0.82), 0.08), SECOND),
            (Limb((0.95, 0.0), (0.98, 0.82), 0.08), SECOND),
            (Limb((-0.6, 0.0), (-0.62, 0.55), 0.06), SECOND),
            (Limb((0.6, 0.0), (0.62, 0.55), 0.06), SECOND),
            (Polygon(((-0.85, -0.35), (0.85, -0.35), (1.25, 0.12), (-1.25, 0.12))), MAIN),
            (Box(-1.25, 0.1, 1.25, 0.24), SECOND),
            (Ellipse(-0.35, -0.1, 0.3, 0.1), LIGHT),
            (Ellipse(0.45, -0.14, 0.26, 0.08), LIGHT),
        ),
        colours=(
            ((172, 116, 62), (112, 70, 36)),
            ((214, 196, 170), (120, 96, 70)),
            ((96, 60, 44), (60, 38, 30)),
        ),
        setting="room",
        focus=(0.0, -0.08, 0.7),
        size=1.2,
        companions=("chair", "bottle", "pottedplant"),
    ),
    "sofa": Silhouette(
        parts=(
            (Box(-1.1, 0.4, -0.92, 0.64), DARK),
            (Box(0.92, 0.4, 1.1, 0.64), DARK),
            (Box(-1.05, -0.6, 1.05, 0.3, 0.16), MAIN),
            (Box(-0.95, -0.05, 0.0, 0.3, 0.08), SECOND),
            (Box(0.0, -0.05, 0.95, 0.3, 0.08), SECOND),
            (Box(-1.1, 0.22, 1.1, 0.5, 0.06), MAIN),
            (Box(-1.28, -0.22, -0.95, 0.5, 0.14), MAIN),
            (Box(0.95, -0.22, 1.28, 0.5, 0.14), MAIN),
            (Box(-0.75, -0.36, -0.35, 0.0, 0.08), LIGHT),
        ),
        colours=(
            ((140, 52, 50), (166, 74, 70)),
            ((86, 110, 124), (110, 136, 150)),
            ((176, 150, 112), (198, 176, 140)),
        ),
        setting="room",
        focus=(-0.4, 0.0, 0.7),
        size=1.25,
        companions=("cat", "pottedplant", "tvmonitor"),
    ),
    "tvmonitor": Silhouette(
        parts=(
            (Box(-0.12, 0.5, 0.12, 0.82), SECOND),
            (Limb((-0.42, 0.84), (0.42, 0.84), 0.08), SECOND),
            (Box(-1.0, -0.72, 1.0, 0.56, 0.06), DARK),
            (Box(-0.9, -0.62, 0.9, 0.44), GLASS),
            (Polygon(((-0.9, 0.1), (-0.2, -0.25), (0.5, 0.44), (-0.9, 0.44))), MAIN),
            (Ellipse(0.5, -0.3, 0.16, 0.16), LIGHT),
        ),
        colours=(
            ((60, 120, 190), (58, 60, 64)),
            ((90, 150, 90), (150, 152, 156)),
            ((180, 100, 60), (40, 42, 46)),
        ),
        setting="room",
        focus=(0.0, -0.1, 0.65),
        size=0.95,
        companions=("chair", "sofa", "bottle"),
    ),
}
