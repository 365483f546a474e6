"""The weighted F-measure: errors count by where they lie (Margolin et al., CVPR 2014).

The one measure that a histogram does not give: it depends on distances, and is taken from pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wsss_assets.evaluation.saliency.measures import Truth

__all__ = ["weighted_f_measure"]

Float64: TypeAlias = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
_REACH, _SIGMA = 3, 5.0
_HALF_LIFE = 5.0


def weighted_f_measure(values: Float64, truth: Truth) -> float:
    """Weighted F-measure (Margolin et al., CVPR 2014) with beta = 1.

    Errors in the foreground become those that a 7 × 7 Gaussian of sigma 5 makes of them, where
    these are smaller; errors in the background weigh the more the farther they lie from the
    foreground. Without foreground it is 0.

    Args:
        values: float64 (H, W), 0..1.
        truth: what is foreground.
    """
    inside = truth.foreground
    if not inside.any():
        return 0.0
    error = np.minimum(1 - values[inside], _smoothed_errors(values, truth))
    outside = ~inside
    weights = 2 - np.exp(np.log(0.5) / _HALF_LIFE * truth.nearest[0][outside])
    hits = inside.sum() - error.sum()
    alarms = (values[outside] * weights).sum()
    recall = 1 - error.mean()
    precision = hits / (hits + alarms + _EPSILON)
    return float(2 * recall * precision / (recall + precision + _EPSILON))


def _smoothed_errors(values: Float64, truth: Truth) -> Float64:
    """Gaussian means of the errors around each foreground pixel; beyond the image they are 0.

    Outside the foreground, the error is that of the nearest foreground pixel. Only what lies around
    the foreground is looked at, first along columns and then along rows.
    """
    inside = truth.foreground
    steps = np.arange(-_REACH, _REACH + 1)
    kernel = np.exp(-(steps**2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    there = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
    ends = [(int(one[0]), int(one[-1]) + 1) for one in there]
    box = tuple(slice(first, last) for first, last in ends)
    # As much around the box as the image has, and zeros for the rest.
    around = [
        (min(_REACH, first), min(_REACH, size - last))
        for (first, last), size in zip(ends, inside.shape, strict=True)
    ]
    window = tuple(
        slice(first - before, last + behind)
        for (first, last), (before, behind) in zip(ends, around, strict=True)
    )
    _, rows, columns = (one[window] for one in truth.nearest)
    zeros = [(_REACH - before, _REACH - behind) for before, behind in around]
    padded = np.pad(1 - values[rows, columns], zeros)
    height, width = inside[box].shape
    smooth = sum(weight * padded[at : at + height] for at, weight in enumerate(kernel))
    smooth = sum(weight * smooth[:, at : at + width] for at, weight in enumerate(kernel))
    result: Float64 = smooth[inside[box]]
    return result
