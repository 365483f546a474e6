"""What several networks do with what left the device; no torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.errors import DataError
from wsss_assets.models import resizing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["finite", "rounded", "truncated", "truncated_bilinear"]


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same values.

    Raises:
        DataError: one is no finite number; as a byte it would look like any other.
    """
    faulty = int(np.count_nonzero(~np.isfinite(values)))
    if faulty:
        raise DataError(
            "the network gave values that are no finite numbers",
            expected="probabilities",
            found=f"{faulty:,} such of {values.size:,}",
            hint="half precision can overflow: try --precision fp32",
        )
    return values


def rounded(values: NDArray[np.float32]) -> UInt8:
    """Probabilities as bytes: 255 times each, to the nearest, halves to even.

    Raises:
        DataError: see `finite`.
    """
    nearest: UInt8 = np.rint(np.clip(finite(values), 0, 1) * 255).astype(np.uint8)
    return nearest


def truncated(values: NDArray[np.float32]) -> UInt8:
    """Probabilities as bytes: 255 times each, rounded down.

    Raises:
        DataError: see `finite`.
    """
    floor: UInt8 = (np.clip(finite(values), 0, 1) * np.float32(255)).astype(np.uint8)
    return floor


def truncated_bilinear(
    values: NDArray[np.float32], size: tuple[int, int], *, own_frame: bool = False
) -> UInt8:
    """Bytes by truncation, then enlarged as bytes by Pillow's bilinear filter: a `Finish`.

    Args:
        values: float32 (h, w) in 0..1.
        size: (H, W) of the photo.
        own_frame: leave the map at (h, w).

    Returns:
        uint8 (H, W) or (h, w).
    """
    small = truncated(values)
    return small if own_frame else resizing.pillow(small, size, "bilinear")
