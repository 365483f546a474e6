"""What comes of scoring saliency maps: measures and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.saliency.measures import LEVELS
from wsss_assets.evaluation.scores import plain

if TYPE_CHECKING:
    from wsss_assets.evaluation.saliency.measures import Float64, ImageSaliency, Normalisation
    from wsss_assets.evaluation.saliency.truth import Kind, Void

__all__ = ["CURVES", "MEASURES", "NUMBERS", "THRESHOLDS", "SaliencyScores", "image_row"]

THRESHOLDS: tuple[float, ...] = tuple(level / (LEVELS - 1) for level in range(LEVELS))
"""A pixel is salient where its value is at least the threshold."""

MEASURES: dict[str, bool] = {
    "mae": False,
    "max_f": True,
    "mean_f": True,
    "adaptive_f": True,
    "weighted_f": True,
    "s_measure": True,
    "max_e": True,
    "mean_e": True,
    "adaptive_e": True,
}
"""Names of all measures, and whether more is better."""

NUMBERS = ("mae", "adaptive_f", "weighted_f", "s_measure", "adaptive_e")
"""Measures that are taken of each image and averaged."""

CURVES = ("precision", "recall", "f_measure", "e_measure")
"""And those that are so threshold by threshold."""


@dataclass(frozen=True)
class SaliencyScores:
    """The measures of a set of saliency maps.

    Every measure is taken of each image and then averaged over the images; curves are averaged
    first, threshold by threshold, and their maximum and mean taken then. Measures are 0..1
    (E: see `wsss_assets.evaluation.saliency.measures`), or None where no image has them.

    Attributes:
        mae: mean absolute error.
        max_f: highest point of `f_measure`.
        max_f_threshold: where it is, the lowest on a tie.
        mean_f: mean of `f_measure`.
        adaptive_f: F-measure at twice the mean of each map.
        weighted_f: weighted F-measure; None also where it was left out.
        s_measure: structure measure.
        max_e: highest point of `e_measure`.
        max_e_threshold: where it is, the lowest on a tie.
        mean_e: mean of `e_measure`.
        adaptive_e: E-measure at twice the mean of each map.
        precision: float64 (256,) by threshold k / 255; NaN where no image counts.
        recall: likewise.
        f_measure: likewise, with beta squared = 0.3.
        e_measure: likewise.
        images: how many were read.
        empty: how many of them have no pixel that counts (policy `drop`), hence no measure.
        missing: ids that were passed over on request, for want of a map.
        normalisation: `min-max` of each map, or `raw`.
        ground_truth_kind: `binary` or `classes`.
        void: what 255 in masks of classes counted as; None for binary masks.
        void_pixels: how many pixels that were.
        benchmark: its name; None where nothing refers to one.
        split: its name, or None where unknown.
        ground_truth_digest: 64 hex digits, or None where images came without ids.
        synthetic: whether a program drew the benchmark.
    """

    mae: float | None
    max_f: float | None
    max_f_threshold: float | None
    mean_f: float | None
    adaptive_f: float | None
    weighted_f: float | None
    s_measure: float | None
    max_e: float | None
    max_e_threshold: float | None
    mean_e: float | None
    adaptive_e: float | None
    precision: Float64
    recall: Float64
    f_measure: Float64
    e_measure: Float64
    images: int
    empty: int
    missing: tuple[str, ...]
    normalisation: Normalisation
    ground_truth_kind: Kind
    void: Void | None
    void_pixels: int
    benchmark: str | None
    split: str | None
    ground_truth_digest: str | None
    synthetic: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the fields are documented in docs/saliency.md."""
        curves = {name: [plain(value) for value in getattr(self, name)] for name in CURVES}
        return {
            **vars(self),
            "missing": list(self.missing),
            "thresholds": list(THRESHOLDS),
            **curves,
        }


def image_row(measures: ImageSaliency) -> dict[str, float | None]:
    """The measures of one image by the names of `MEASURES`; here the curves are its own."""
    numbers: dict[str, float] = {name: getattr(measures, name) for name in NUMBERS}
    for letter, curve in (("f", measures.f_measure), ("e", measures.e_measure)):
        numbers |= {f"max_{letter}": float(curve.max()), f"mean_{letter}": float(curve.mean())}
    return {name: plain(numbers[name]) for name in MEASURES}
