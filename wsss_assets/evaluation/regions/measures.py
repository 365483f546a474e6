"""What discriminative and non-discriminative regions are measured by: pure functions of counts.

The definitions are this project's own, inspired by "Beyond Discriminative Regions"
(arXiv 2308.11052), whose formulas they are not. All are written out in docs/regions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.regions.counts import OF_CLASS, OTHER
from wsss_assets.evaluation.scores import ratio

if TYPE_CHECKING:
    from wsss_assets.evaluation.regions.counts import Regions

__all__ = [
    "AT_THRESHOLD",
    "WITHOUT_THRESHOLD",
    "area_under_curve",
    "at_equal_area",
    "at_threshold",
    "average_precision",
    "curve",
    "without_threshold",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

AT_THRESHOLD = (
    "dr_recall",
    "ndr_recall",
    "ndr_fpr",
    "fp_retention",
    "ndr_precision",
    "ndr_iou",
    "dr_iou",
    "recall",
)
"""Measures of a map at a threshold, and of a mask."""

WITHOUT_THRESHOLD = ("gain", "net_gain", "matched_area", "auc", "average_precision")
"""Measures that choose their own threshold, or go over all of them."""


def at_threshold(
    inside: Int64, outside: Int64, all_inside: Int64, all_outside: Int64
) -> dict[str, Float64]:
    """The measures `AT_THRESHOLD` of some predicted pixels; NaN where a denominator is 0.

    Args:
        inside: int64 (..., 2): predicted pixels within C, `OF_CLASS` and `OTHER`.
        outside: the same outside C.
        all_inside: int64 (..., 2): all valid pixels within C.
        all_outside: the same outside C.

    Returns:
        float64 (...) by name.
    """
    found, kept = inside[..., OF_CLASS], inside[..., OTHER]
    new, spilled = outside[..., OF_CLASS], outside[..., OTHER]
    discriminative, false_positives = all_inside[..., OF_CLASS], all_inside[..., OTHER]
    rest, background = all_outside[..., OF_CLASS], all_outside[..., OTHER]
    return {
        "dr_recall": ratio(found, discriminative),
        "ndr_recall": ratio(new, rest),
        "ndr_fpr": ratio(spilled, background),
        "fp_retention": ratio(kept, false_positives),
        "ndr_precision": ratio(new, new + spilled),
        "ndr_iou": ratio(new, spilled + rest),
        "dr_iou": ratio(found, kept + discriminative),
        "recall": ratio(found + new, discriminative + rest),
    }


def without_threshold(regions: Regions) -> dict[str, Float64]:
    """The measures `WITHOUT_THRESHOLD` of each class, float64 (C,) by name."""
    return {
        **at_equal_area(regions),
        "auc": area_under_curve(regions),
        "average_precision": average_precision(regions),
    }


def at_equal_area(regions: Regions) -> dict[str, Float64]:
    """What a map finds with as many pixels as the reference has, class by class.

    The threshold of a class is the one at which its predicted pixels, of all images together, are
    as nearly as possible as many as those of C: of two that are as near, the one with fewer.

    Returns:
        `gain`, `net_gain` and `matched_area`, float64 (C,); see docs/regions.md.
    """
    areas = regions.inside.sum(axis=1) + regions.outside.sum(axis=1)
    budget = regions.inside[:, :, 0].sum(axis=1)
    excess = areas - budget[:, None]
    chosen = np.argmin(2 * np.abs(excess) + (excess > 0), axis=1)
    each = np.arange(len(chosen))
    new = regions.outside[each, OF_CLASS, chosen]
    lost = regions.inside[:, OF_CLASS, 0] - regions.inside[each, OF_CLASS, chosen]
    true = regions.inside[:, OF_CLASS, 0] + regions.outside[:, OF_CLASS, 0]
    return {
        "gain": ratio(new, regions.outside[:, OF_CLASS, 0]),  # the reference itself finds none
        "net_gain": ratio(new - lost, true),
        "matched_area": ratio(areas[each, chosen], budget),
    }


def curve(regions: Regions) -> tuple[Float64, Float64]:
    """NDR-FPR and NDR-recall of each class at every threshold, float64 (C, 256); may be NaN."""
    new, spilled = regions.outside[:, OF_CLASS], regions.outside[:, OTHER]
    return ratio(spilled, _all(spilled)), ratio(new, _all(new))


def area_under_curve(regions: Regions) -> Float64:
    """Area under NDR-recall over NDR-FPR, float64 (C,), by trapezia from (0, 0) to (1, 1).

    It is the chance that a pixel of the non-discriminative region has a higher score than one of
    the clean background; equal scores count as half. NaN where either is empty.
    """
    rate, recall = (np.pad(one, ((0, 0), (0, 1))) for one in curve(regions))
    widths = rate[:, :-1] - rate[:, 1:]
    heights = (recall[:, :-1] + recall[:, 1:]) / 2
    areas: Float64 = (widths * heights).sum(axis=1)
    missing = np.isnan(rate[:, 0]) | np.isnan(recall[:, 0])
    return np.where(missing, np.nan, areas)


def average_precision(regions: Regions) -> Float64:
    """Average precision outside C, float64 (C,): NDR-precision weighted by steps of NDR-recall.

    NaN where the non-discriminative region is empty.
    """
    new, spilled = regions.outside[:, OF_CLASS], regions.outside[:, OTHER]
    recall = np.pad(ratio(new, _all(new)), ((0, 0), (0, 1)))
    steps = recall[:, :-1] - recall[:, 1:]
    precision = np.nan_to_num(ratio(new, new + spilled))  # nothing predicted: no step either
    result: Float64 = (steps * precision).sum(axis=1)
    return result


def _all(reached: Int64) -> Int64:
    """Pixels at threshold 0, for every threshold: (C, 256)."""
    return np.broadcast_to(reached[:, :1], reached.shape)
