"""Shapes in masks: how far each pixel is from one, and which pixels hang together.

The one module that needs SciPy, which is imported when a function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["components", "distance_to", "is_there", "nearest"]

Bool: TypeAlias = NDArray[np.bool_]
Float64: TypeAlias = NDArray[np.float64]
Int32: TypeAlias = NDArray[np.int32]

_DISTANCES = "the weighted F-measure or a band around boundaries"
"""What distances are needed for, to be said where there is no SciPy."""

_EIGHT = np.ones((3, 3), np.bool_)
"""Pixels that touch by a side or a corner hang together."""


def is_there() -> bool:
    """Whether SciPy, which every function here needs for all but empty masks, can be imported."""
    try:
        components(np.ones((1, 1), np.bool_))  # of an empty mask it would not be asked
    except MissingDependencyError:
        return False
    return True


def distance_to(mask: Bool) -> Float64:
    """Euclidean distance of each pixel to the nearest True pixel, in pixels.

    Distances are exact, between centres of pixels: 0 on True pixels, 1 beside one, sqrt(2) at its
    corner. The edge of the image is no True pixel.

    Args:
        mask: bool (H, W); H or W may be 0.

    Returns:
        float64 (H, W); inf everywhere where no pixel is True.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    if not mask.any():
        return np.full(mask.shape, np.inf)
    distance: Float64 = _ndimage(_DISTANCES).distance_transform_edt(~mask)
    return distance


def nearest(mask: Bool) -> tuple[Float64, Int32, Int32]:
    """Distance, row and column of the True pixel nearest to each pixel.

    Where several are equally near, which of them is named is settled, but by no simple rule.

    Args:
        mask: bool (H, W); H or W may be 0.

    Returns:
        float64 (H, W) as of `distance_to`, int32 (H, W) rows and int32 (H, W) columns; inf, -1 and
        -1 everywhere where no pixel is True.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    if not mask.any():
        nowhere = np.full(mask.shape, -1, np.int32)
        return np.full(mask.shape, np.inf), nowhere, nowhere.copy()
    distance, (rows, columns) = _ndimage(_DISTANCES).distance_transform_edt(
        ~mask, return_indices=True
    )
    return distance, rows, columns


def components(mask: Bool) -> tuple[Int32, int]:
    """The 8-connected parts of a mask, numbered in the order of their first pixels.

    Args:
        mask: bool (H, W); H or W may be 0.

    Returns:
        int32 (H, W), 0 where the mask is False, else 1..count; and count, 0 where no pixel is True.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32), 0
    labels, count = _ndimage("taking errors apart").label(mask, structure=_EIGHT)
    return labels.astype(np.int32, copy=False), int(count)


def _ndimage(purpose: str) -> ModuleType:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise MissingDependencyError("scipy", "analysis", purpose) from error
    module: Any = ndimage
    return module  # type: ignore[no-any-return]
