"""Pictures of sweeps: the curve over tau, the surface over saliency threshold and tau."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.report.curve import Curve, curve_svg
from wsss_assets.report.heat_map import HeatMap, heat_map_svg
from wsss_assets.report.provenance import provenance_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.evaluation.surface import Surface, SurfaceSweep
    from wsss_assets.evaluation.sweep import TauCurve, TauSweep

__all__ = ["curves_svg", "provenance", "surface_svg", "sweep_svg"]


def sweep_svg(swept: TauSweep, curve: TauCurve) -> str:
    """The curve of one sweep as SVG."""
    return curves_svg(
        {swept.recipe.name: (swept, curve)},
        title=f"{swept.benchmark.title}: mIoU over the activation threshold",
    )


def curves_svg(swept: Mapping[str, tuple[TauSweep, TauCurve]], *, title: str) -> str:
    """The curves of several sweeps of the same images in one SVG.

    Args:
        swept: sweep and curve by the name of the line; at least one.
        title: the headline.
    """
    first, curve = next(iter(swept.values()))
    return curve_svg(
        [
            Curve(
                name,
                one.taus,
                one.miou.tolist(),
                one.best,
                one.plateau,
                one.taus[one.recommended],
            )
            for name, (_, one) in swept.items()
        ],
        title=title,
        subtitle=first.recipe.describe() if len(swept) == 1 else "each with its own recipe",
        footer=provenance(first, curve.ignored),
    )


def surface_svg(swept: SurfaceSweep, surface: Surface) -> str:
    """The surface of a sweep as SVG; the bottom row is soft saliency."""
    recipe = swept.recipe
    row, column = surface.best
    return heat_map_svg(
        HeatMap(surface.miou, surface.best, (max(recipe.saliency_threshold, 0.0), recipe.tau)),
        title=f"{swept.benchmark.title}: mIoU over both thresholds",
        subtitle=f"best {surface.miou[row, column]:.2%} (ring); {recipe.describe()} (cross)",
        x_label="activation threshold tau",
        y_label="saliency threshold",
        footer=provenance(swept, surface.ignored),
    )


def provenance(swept: TauSweep | SurfaceSweep, ignored: str | None) -> str:
    """What a number means nothing without, in one line."""
    return provenance_line(
        swept.benchmark.name,
        swept.split,
        swept.images,
        swept.ground_truth_digest,
        ignored=ignored,
        synthetic=swept.benchmark.synthetic,
    )
