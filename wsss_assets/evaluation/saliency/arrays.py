"""Arrays of other projects as the bytes that saliency is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.errors import ImageFormatError
from wsss_assets.evaluation.confusion import as_array

if TYPE_CHECKING:
    from wsss_assets.storage.images import UInt8

__all__ = ["as_bytes", "is_bool"]


def is_bool(values: Any) -> bool:  # noqa: ANN401 (anything array-like)
    """Whether an array-like is of True and False."""
    return as_array(values).dtype == np.bool_


def as_bytes(values: Any, name: str) -> UInt8:  # noqa: ANN401
    """An array-like as uint8; True is 255.

    Raises:
        ImageFormatError: not integers, or outside 0..255.
    """
    array = as_array(values)
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        white: UInt8 = array.astype(np.uint8) * np.uint8(255)
        return white
    if array.dtype.kind not in "iu":
        raise ImageFormatError(
            f"{name} is not of 8-bit values",
            expected="integers 0..255",
            found=str(array.dtype),
            hint="make bytes of it as it would be stored: np.rint(255 * map).astype(np.uint8)",
        )
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ImageFormatError(
            f"{name} is not of 8-bit values",
            expected="0..255",
            found=f"{array.min()}..{array.max()}",
        )
    as_bytes: UInt8 = array.astype(np.uint8)
    return as_bytes
