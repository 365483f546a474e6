"""The S-measure: how alike map and ground truth are in structure (Fan et al., ICCV 2017)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["s_measure"]

Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]

_EPSILON = float(np.finfo(np.float64).eps)
_ALPHA = 0.5


def s_measure(counts: Int64, values: Float64) -> float:
    """S-measure (Fan et al., ICCV 2017) with alpha = 0.5.

    A quadrant without pixels, as there is one where the centroid lies in the last row or
    column, has no part in it.

    Args:
        counts: pixels by quadrant, foreground and byte, int64 (4, 2, 256).
        values: the value 0..1 of each byte.
    """
    background, foreground = counts.sum(axis=0)
    pixels, true = int(counts.sum()), int(foreground.sum())
    if true in {0, pixels}:
        mean = (background + foreground) @ values / pixels
        return float(mean if true else 1 - mean)
    share = true / pixels
    of_object = share * _object(foreground, values) + (1 - share) * _object(background, 1 - values)
    of_region = sum(
        int(part.sum()) / pixels * _region(part, values) for part in counts if part.any()
    )
    return max(0.0, float(_ALPHA * of_object + (1 - _ALPHA) * of_region))


def _object(counts: Int64, values: Float64) -> float:
    """How alike and how strong the values of a part are."""
    pixels = int(counts.sum())
    mean, squares = _moments(counts, values)
    deviation = np.sqrt(squares / (pixels - 1)) if pixels > 1 else 0.0
    return float(2 * mean / (mean * mean + 1 + deviation + _EPSILON))


def _region(counts: Int64, values: Float64) -> float:
    """Structural similarity of a quadrant, (2, 256)."""
    background, foreground = counts
    true, pixels = int(foreground.sum()), int(counts.sum())
    share = true / pixels
    freedom = pixels - 1 + _EPSILON
    mean, squares = _moments(background + foreground, values)
    spread = squares / freedom
    true_spread = (true * (1 - share) ** 2 + (pixels - true) * share**2) / freedom
    deviations = values - mean
    common = (foreground @ deviations * (1 - share) - background @ deviations * share) / freedom
    above = 4 * mean * share * common
    below = (mean * mean + share * share) * (spread + true_spread)
    if above:
        return float(above / (below + _EPSILON))
    return 0.0 if below else 1.0


def _moments(counts: Int64, values: Float64) -> tuple[float, float]:
    """Mean, and sum of squared deviations, which is exactly 0 where all values are one."""
    there = np.flatnonzero(counts)
    if there.size == 1:
        return float(values[there[0]]), 0.0
    mean = float(counts @ values / counts.sum())
    return mean, float(counts @ (values - mean) ** 2)
