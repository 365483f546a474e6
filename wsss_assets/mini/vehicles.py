"""Silhouettes of what carries people in the mini benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.mini.shapes import Box, Ellipse, Limb, Polygon, Ring
from wsss_assets.mini.silhouettes import DARK, GLASS, LIGHT, MAIN, SECOND, Silhouette

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VEHICLES"]

VEHICLES: Mapping[str, Silhouette] = {
    "aeroplane": Silhouette(
        parts=(
            (Polygon(((0.85, -0.62), (1.12, -0.62), (1.2, 0.0), (0.62, -0.05))), SECOND),
            (Polygon(((0.15, -0.1), (0.55, -0.48), (0.68, -0.48), (0.5, -0.08))), LIGHT),
            (Ellipse(0.0, 0.0, 1.3, 0.22), MAIN),
            (Box(-0.8, -0.07, 0.8, -0.01), GLASS),
            (Ellipse(-1.07, -0.06, 0.1, 0.06), GLASS),
            (Polygon(((-0.3, 0.06), (0.22, 0.06), (0.78, 0.5), (0.55, 0.52))), LIGHT),
            (Limb((-0.02, 0.3), (0.2, 0.3), 0.09), DARK),
        ),
        colours=(
            ((226, 230, 236), (38, 84, 160)),
            ((240, 240, 238), (190, 44, 50)),
            ((200, 206, 214), (30, 120, 100)),
        ),
        setting="sky",
        focus=(0.6, -0.2, 0.65),
        size=1.15,
        companions=("car", "bus"),
        flies=True,
    ),
    "bicycle": Silhouette(
        parts=(
            (Ring(-0.68, 0.4, 0.42, 0.13), DARK),
            (Ring(0.68, 0.4, 0.42, 0.13), DARK),
            (Limb((-0.68, 0.4), (-0.48, -0.4), 0.055), MAIN),
            (Limb((-0.5, -0.2), (0.12, 0.42), 0.055), MAIN),
            (Limb((-0.5, -0.2), (0.25, -0.22), 0.055), MAIN),
            (Limb((0.12, 0.42), (0.28, -0.42), 0.055), MAIN),
            (Limb((0.12, 0.42), (0.68, 0.4), 0.055), MAIN),
            (Limb((0.25, -0.22), (0.68, 0.4), 0.05), MAIN),
            (Limb((0.16, -0.46), (0.42, -0.46), 0.075), DARK),
            (Limb((-0.48, -0.44), (-0.72, -0.5), 0.06), SECOND),
        ),
        colours=(
            ((200, 40, 44), (60, 60, 66)),
            ((36, 96, 180), (70, 70, 70)),
            ((240, 180, 40), (50, 50, 50)),
        ),
        setting="road",
        focus=(-0.62, 0.3, 0.55),
        companions=("person", "car"),
    ),
    "boat": Silhouette(
        parts=(
            (Limb((0.05, -1.05), (0.05, 0.35), 0.045), DARK),
            (Polygon(((0.0, -1.0), (0.0, 0.2), (-0.78, 0.2))), LIGHT),
            (Polygon(((0.12, -0.85), (0.74, 0.2), (0.12, 0.2))), SECOND),
            (Polygon(((-1.1, 0.3), (1.0, 0.3), (0.75, 0.68), (-0.8, 0.68))), MAIN),
            (Box(-1.0, 0.34, 0.95, 0.4), LIGHT),
        ),
        colours=(
            ((150, 44, 40), (236, 196, 120)),
            ((40, 70, 120), (220, 90, 60)),
            ((110, 74, 46), (214, 220, 228)),
        ),
        setting="sea",
        focus=(-0.15, -0.2, 0.6),
        companions=("bird", "aeroplane"),
    ),
    "bus": Silhouette(
        parts=(
            (Box(-1.25, -0.72, 1.25, 0.55, 0.12), MAIN),
            (Box(-1.25, 0.22, 1.25, 0.34), SECOND),
            (Box(-1.17, -0.52, -0.9, 0.12), GLASS),
            (Box(-0.8, -0.52, -0.38, 0.02), GLASS),
            (Box(-0.3, -0.52, 0.12, 0.02), GLASS),
            (Box(0.2, -0.52, 0.62, 0.02), GLASS),
            (Box(0.7, -0.52, 1.15, 0.02), GLASS),
            (Ellipse(-0.75, 0.55, 0.22, 0.22), DARK),
            (Ellipse(0.75, 0.55, 0.22, 0.22), DARK),
        ),
        colours=(
            ((200, 44, 40), (240, 220, 200)),
            ((240, 190, 40), (40, 60, 60)),
            ((60, 120, 170), (236, 236, 240)),
        ),
        setting="road",
        focus=(-0.8, 0.0, 0.7),
        size=1.25,
        companions=("car", "train"),
    ),
    "car": Silhouette(
        parts=(
            (Polygon(((-0.5, -0.42), (0.4, -0.42), (0.78, 0.02), (-0.8, 0.02))), MAIN),
            (Box(-1.2, -0.06, 1.18, 0.36, 0.12), MAIN),
            (Polygon(((-0.44, -0.34), (-0.08, -0.34), (-0.08, -0.04), (-0.66, -0.04))), GLASS),
            (Polygon(((0.0, -0.34), (0.34, -0.34), (0.6, -0.04), (0.0, -0.04))), GLASS),
            (Box(-1.18, 0.04, -1.02, 0.16, 0.05), LIGHT),
            (Box(1.05, 0.04, 1.18, 0.16, 0.04), SECOND),
            (Ellipse(-0.7, 0.36, 0.24, 0.24), DARK),
            (Ellipse(0.68, 0.36, 0.24, 0.24), DARK),
            (Ellipse(-0.7, 0.36, 0.11, 0.11), LIGHT),
            (Ellipse(0.68, 0.36, 0.11, 0.11), LIGHT),
        ),
        colours=(
            ((178, 30, 36), (240, 90, 60)),
            ((44, 90, 160), (200, 60, 50)),
            ((214, 216, 220), (190, 40, 40)),
            ((60, 64, 70), (200, 50, 50)),
        ),
        setting="road",
        focus=(-0.75, 0.15, 0.6),
        size=1.05,
        companions=("bus", "motorbike", "train"),
    ),
    "motorbike": Silhouette(
        parts=(
            (Ellipse(-0.75, 0.38, 0.4, 0.4), DARK),
            (Ellipse(0.72, 0.38, 0.4, 0.4), DARK),
            (Ellipse(-0.75, 0.38, 0.2, 0.2), LIGHT),
            (Ellipse(0.72, 0.38, 0.2, 0.2), LIGHT),
            (Limb((-0.75, 0.38), (-0.46, -0.42), 0.07), LIGHT),
            (Limb((-0.3, 0.2), (0.5, 0.25), 0.24, 0.2), DARK),
            (Ellipse(-0.18, -0.12, 0.36, 0.22), MAIN),
            (Polygon(((0.08, -0.14), (0.9, -0.28), (0.96, -0.1), (0.3, 0.12))), SECOND),
            (Limb((0.3, 0.42), (1.0, 0.46), 0.08), LIGHT),
            (Limb((-0.46, -0.42), (-0.2, -0.52), 0.06), DARK),
            (Ellipse(-0.58, -0.28, 0.14, 0.15), LIGHT),
        ),
        colours=(
            ((196, 34, 38), (44, 40, 42)),
            ((40, 60, 120), (50, 50, 54)),
            ((240, 170, 30), (60, 56, 52)),
        ),
        setting="road",
        focus=(-0.5, 0.15, 0.6),
        companions=("person", "car", "bicycle"),
    ),
    "train": Silhouette(
        parts=(
            (Box(-1.4, 0.56, 1.6, 0.66), DARK),
            (Limb((0.3, -0.6), (0.1, -0.85), 0.05), DARK),
            (Limb((0.1, -0.85), (0.42, -0.85), 0.05), DARK),
            (Polygon(((-0.85, -0.6), (1.6, -0.6), (1.6, 0.45), (-1.5, 0.45), (-1.5, 0.15))), MAIN),
            (Polygon(((-0.98, -0.42), (-0.7, -0.42), (-0.7, -0.02), (-1.24, -0.02))), GLASS),
            (Polygon(((-1.5, 0.16), (1.6, 0.16), (1.6, 0.3), (-1.5, 0.3))), SECOND),
            (Box(-0.5, -0.4, 0.1, -0.02, 0.05), GLASS),
            (Box(0.25, -0.4, 0.85, -0.02, 0.05), GLASS),
            (Box(1.0, -0.4, 1.52, -0.02, 0.05), GLASS),
            (Ellipse(-0.9, 0.48, 0.17, 0.14), DARK),
            (Ellipse(-0.4, 0.48, 0.17, 0.14), DARK),
            (Ellipse(0.7, 0.48, 0.17, 0.14), DARK),
            (Ellipse(1.2, 0.48, 0.17, 0.14), DARK),
        ),
        colours=(
            ((214, 218, 222), (196, 40, 44)),
            ((44, 92, 80), (236, 206, 90)),
            ((50, 74, 140), (230, 230, 236)),
        ),
        setting="road",
        focus=(-0.9, 0.0, 0.65),
        size=1.35,
        companions=("person", "bus"),
    ),
}
