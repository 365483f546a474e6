"""Silhouettes of what lives: people, animals and plants of the mini benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.mini.shapes import Box, Ellipse, Limb, Polygon
from wsss_assets.mini.silhouettes import DARK, LIGHT, MAIN, SECOND, SKIN, Silhouette

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.mini.shapes import Shape

__all__ = ["LIVING"]


def _legs(
    feet: tuple[tuple[float, float], ...], hip: float, ground: float, radius: float
) -> tuple[tuple[Shape, int], ...]:
    return tuple(
        (Limb((top, hip), (foot, ground), radius * 1.25, radius), MAIN) for top, foot in feet
    )


LIVING: Mapping[str, Silhouette] = {
    "bird": Silhouette(
        parts=(
            (Limb((0.05, 0.3), (0.0, 0.72), 0.05), DARK),
            (Limb((0.22, 0.3), (0.2, 0.72), 0.05), DARK),
            (Polygon(((0.4, -0.12), (1.15, 0.2), (1.05, 0.36), (0.35, 0.22))), SECOND),
            (Ellipse(0.1, 0.05, 0.58, 0.36), MAIN),
            (Ellipse(-0.4, -0.32, 0.27, 0.26), MAIN),
            (Polygon(((-0.98, -0.24), (-0.6, -0.4), (-0.6, -0.2))), DARK),
            (Ellipse(0.25, 0.02, 0.42, 0.2), SECOND),
            (Ellipse(-0.48, -0.38, 0.05, 0.05), DARK),
        ),
        colours=(
            ((236, 236, 230), (120, 128, 140)),
            ((60, 96, 150), (30, 46, 80)),
            ((196, 110, 50), (96, 60, 40)),
        ),
        setting="sea",
        focus=(-0.42, -0.28, 0.42),
        size=0.75,
        companions=("boat",),
    ),
    "cat": Silhouette(
        parts=(
            (Limb((0.4, 0.8), (0.85, 0.45), 0.1, 0.09), MAIN),
            (Limb((0.85, 0.45), (0.8, 0.05), 0.09, 0.07), SECOND),
            (Ellipse(0.08, 0.42, 0.5, 0.58), MAIN),
            (Polygon(((-0.45, -0.92), (-0.1, -0.62), (-0.42, -0.42))), MAIN),
            (Polygon(((0.28, -0.92), (0.3, -0.42), (-0.05, -0.62))), MAIN),
            (Ellipse(-0.08, -0.38, 0.4, 0.34), MAIN),
            (Ellipse(-0.14, 0.35, 0.2, 0.36), SECOND),
            (Limb((-0.2, 0.5), (-0.22, 0.94), 0.1), SECOND),
            (Ellipse(-0.22, -0.42, 0.06, 0.07), DARK),
            (Ellipse(0.08, -0.42, 0.06, 0.07), DARK),
            (Ellipse(-0.07, -0.26, 0.05, 0.04), LIGHT),
        ),
        colours=(
            ((205, 130, 62), (236, 206, 160)),
            ((110, 106, 104), (200, 196, 190)),
            ((52, 48, 50), (120, 116, 116)),
        ),
        setting="room",
        focus=(-0.08, -0.42, 0.48),
        size=0.9,
        companions=("sofa", "pottedplant", "tvmonitor"),
    ),
    "cow": Silhouette(
        parts=(
            *_legs(((-0.5, -0.52), (-0.28, -0.26), (0.5, 0.52), (0.72, 0.74)), 0.2, 0.82, 0.08),
            (Limb((0.82, -0.25), (0.98, 0.35), 0.05, 0.07), SECOND),
            (Box(-0.68, -0.38, 0.86, 0.32, 0.24), MAIN),
            (Limb((-0.58, -0.2), (-0.86, -0.42), 0.24, 0.2), MAIN),
            (Limb((-0.9, -0.5), (-1.16, -0.26), 0.19, 0.14), MAIN),
            (Limb((-0.82, -0.62), (-0.72, -0.84), 0.06, 0.05), LIGHT),
            (Ellipse(-0.15, -0.1, 0.3, 0.2), SECOND),
            (Ellipse(0.45, 0.02, 0.26, 0.22), SECOND),
            (Ellipse(-1.16, -0.24, 0.13, 0.11), LIGHT),
            (Ellipse(0.4, 0.34, 0.16, 0.1), LIGHT),
        ),
        colours=(
            ((232, 228, 220), (52, 46, 44)),
            ((134, 82, 48), (226, 212, 192)),
            ((70, 58, 52), (210, 200, 190)),
        ),
        setting="meadow",
        focus=(-0.9, -0.45, 0.5),
        companions=("sheep", "horse"),
    ),
    "dog": Silhouette(
        parts=(
            (Limb((0.62, -0.1), (0.98, -0.5), 0.09, 0.06), MAIN),
            *_legs(((-0.42, -0.46), (-0.2, -0.2), (0.4, 0.44), (0.6, 0.66)), 0.2, 0.84, 0.08),
            (Limb((-0.36, 0.05), (0.52, 0.05), 0.28, 0.25), MAIN),
            (Limb((-0.4, -0.05), (-0.62, -0.4), 0.22, 0.2), MAIN),
            (Ellipse(-0.68, -0.5, 0.29, 0.26), MAIN),
            (Limb((-0.8, -0.44), (-1.06, -0.38), 0.15, 0.11), SECOND),
            (Ellipse(-0.5, -0.42, 0.12, 0.27), SECOND),
            (Ellipse(-1.12, -0.42, 0.06, 0.06), DARK),
            (Ellipse(-0.8, -0.57, 0.05, 0.05), DARK),
            (Ellipse(-0.3, 0.2, 0.16, 0.12), LIGHT),
        ),
        colours=(
            ((176, 122, 68), (108, 68, 38)),
            ((60, 54, 52), (150, 100, 60)),
            ((224, 214, 198), (150, 110, 76)),
        ),
        setting="meadow",
        focus=(-0.75, -0.45, 0.48),
        size=0.85,
        companions=("person", "sheep", "horse"),
    ),
    "horse": Silhouette(
        parts=(
            (Limb((0.72, -0.25), (0.98, 0.4), 0.09, 0.07), SECOND),
            *_legs(((-0.42, -0.5), (-0.22, -0.16), (0.46, 0.4), (0.64, 0.72)), 0.12, 1.0, 0.075),
            (Limb((-0.35, -0.1), (0.5, -0.08), 0.3, 0.28), MAIN),
            (Limb((-0.25, -0.62), (-0.5, -1.02), 0.15, 0.1), SECOND),
            (Limb((-0.42, -0.2), (-0.68, -0.85), 0.25, 0.16), MAIN),
            (Limb((-0.68, -0.92), (-1.02, -0.62), 0.16, 0.1), MAIN),
            (Polygon(((-0.62, -1.2), (-0.54, -0.95), (-0.7, -0.98))), MAIN),
            (Ellipse(-0.78, -0.88, 0.04, 0.04), DARK),
        ),
        colours=(
            ((124, 72, 40), (52, 34, 26)),
            ((60, 52, 50), (30, 28, 28)),
            ((206, 196, 184), (150, 140, 132)),
        ),
        setting="meadow",
        focus=(-0.75, -0.75, 0.5),
        companions=("person", "cow"),
    ),
    "person": Silhouette(
        parts=(
            (Limb((-0.13, 0.2), (-0.2, 0.92), 0.15, 0.1), SECOND),
            (Limb((0.13, 0.2), (0.24, 0.92), 0.15, 0.1), SECOND),
            (Limb((-0.29, 0.96), (-0.2, 0.96), 0.08), DARK),
            (Limb((0.15, 0.96), (0.25, 0.96), 0.08), DARK),
            (Limb((-0.28, -0.38), (-0.46, 0.18), 0.11, 0.09), MAIN),
            (Limb((0.28, -0.38), (0.5, 0.1), 0.11, 0.09), MAIN),
            (Ellipse(-0.47, 0.24, 0.09, 0.09), SKIN),
            (Ellipse(0.51, 0.16, 0.09, 0.09), SKIN),
            (Box(-0.3, -0.5, 0.3, 0.28, 0.14), MAIN),
            (Box(-0.09, -0.64, 0.09, -0.44, 0.03), SKIN),
            (Ellipse(0.0, -0.82, 0.22, 0.24), DARK),
            (Ellipse(-0.02, -0.77, 0.18, 0.2), SKIN),
        ),
        colours=(
            ((56, 96, 160), (48, 50, 66)),
            ((190, 54, 56), (60, 70, 96)),
            ((230, 226, 214), (90, 76, 60)),
            ((70, 120, 80), (40, 40, 46)),
        ),
        setting="road",
        focus=(0.0, -0.72, 0.42),
        size=1.1,
        companions=("bicycle", "dog", "horse", "motorbike"),
    ),
    "pottedplant": Silhouette(
        parts=(
            (Limb((0.0, 0.2), (-0.55, -0.55), 0.07, 0.2), MAIN),
            (Limb((0.0, 0.2), (0.5, -0.6), 0.07, 0.19), MAIN),
            (Limb((0.0, 0.2), (-0.02, -0.78), 0.08, 0.2), SECOND),
            (Limb((0.0, 0.25), (-0.75, -0.1), 0.06, 0.15), SECOND),
            (Limb((0.0, 0.25), (0.76, -0.12), 0.06, 0.16), MAIN),
            (Limb((0.0, 0.2), (0.26, -0.35), 0.06, 0.16), SECOND),
            (Polygon(((-0.42, 0.3), (0.42, 0.3), (0.28, 1.0), (-0.28, 1.0))), LIGHT),
            (Box(-0.46, 0.24, 0.46, 0.4), DARK),
        ),
        colours=(
            ((52, 126, 56), (84, 156, 70)),
            ((70, 110, 50), (110, 140, 60)),
            ((40, 100, 74), (200, 70, 110)),
        ),
        setting="room",
        focus=(0.0, -0.3, 0.6),
        size=0.9,
        companions=("sofa", "chair", "cat"),
    ),
    "sheep": Silhouette(
        parts=(
            (Limb((-0.35, 0.3), (-0.36, 0.82), 0.09), DARK),
            (Limb((-0.12, 0.3), (-0.1, 0.82), 0.09), DARK),
            (Limb((0.36, 0.3), (0.38, 0.82), 0.09), DARK),
            (Limb((0.58, 0.3), (0.6, 0.82), 0.09), DARK),
            (Ellipse(0.12, 0.0, 0.66, 0.42), MAIN),
            (Ellipse(-0.35, -0.12, 0.3, 0.3), MAIN),
            (Ellipse(-0.08, -0.3, 0.3, 0.26), MAIN),
            (Ellipse(0.32, -0.3, 0.3, 0.26), MAIN),
            (Ellipse(0.66, -0.08, 0.28, 0.3), MAIN),
            (Ellipse(0.5, 0.24, 0.3, 0.24), SECOND),
            (Ellipse(-0.1, 0.28, 0.34, 0.22), SECOND),
            (Limb((-0.62, -0.28), (-0.82, -0.02), 0.17, 0.12), DARK),
            (Limb((-0.5, -0.38), (-0.34, -0.3), 0.08), DARK),
        ),
        colours=(
            ((232, 226, 212), (206, 198, 182)),
            ((214, 204, 186), (180, 168, 150)),
            ((120, 104, 90), (96, 82, 70)),
        ),
        setting="meadow",
        focus=(-0.6, -0.2, 0.45),
        size=0.85,
        companions=("cow", "dog", "horse"),
    ),
}
