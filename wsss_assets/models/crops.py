"""Random windows of photos, for attributions that are merged over crops; no torch here.

Windows are drawn from the image's id and from nothing else: they are the same for every class,
attribution and classifier, so that what is compared differs in nothing else. That the paper
(arXiv:2308.11052) merges over random crops is known; areas, aspects and numbers are this project's
own definition.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wsss_assets.models.preparing import channels_first, stretched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["Window", "cropped", "prepared", "seed_of", "windows"]

_LEAST_AREA = 0.25
_WIDEST = 4 / 3


class Window(NamedTuple):
    """A rectangle of a photo, in pixels."""

    top: int
    left: int
    height: int
    width: int


def seed_of(image_id: str) -> int:
    """What all that is random about an image is drawn from: the CRC-32 of its id."""
    return zlib.crc32(image_id.encode())


def windows(height: int, width: int, image_id: str, count: int) -> tuple[Window, ...]:
    """Windows of a photo, the whole of it first.

    The others have a uniform share of the area, from a quarter to all, an aspect (width by height)
    between 3/4 and 4/3, uniform in its logarithm, and a uniform position. A side that would be
    longer than the photo's is the photo's. Fewer windows are the first of more.

    Args:
        height: of the photo.
        width: of the photo.
        image_id: what they are drawn from.
        count: how many; 0 is taken for 1.
    """
    whole = Window(0, 0, height, width)
    random = np.random.default_rng(seed_of(image_id))
    draws = random.random((max(count, 1) - 1, 4)).tolist()
    return (whole, *(_window(height, width, *draw) for draw in draws))


def cropped(photo: UInt8, drawn: tuple[Window, ...], size: int | None) -> UInt8:
    """Windows of a photo as a classifier is shown them, not yet normalised.

    Args:
        photo: uint8 RGB (H, W, 3).
        drawn: by `windows`.
        size: side of the square that each is made, by Pillow's bicubic filter; None: they stay as
            they are, and must be of one size.

    Returns:
        uint8 (windows, 3, size, size), or (windows, 3, h, w).
    """
    parts = (
        photo[one.top : one.top + one.height, one.left : one.left + one.width] for one in drawn
    )
    if size is None:
        return np.stack([channels_first(part) for part in parts])
    return np.stack([stretched(part, (size, size), "bicubic") for part in parts])


def prepared(
    photo: UInt8, image_id: str, crops: int, size: int | None
) -> tuple[UInt8, NDArray[np.int64], NDArray[np.int64]]:
    """What is known of a photo before a network is run.

    Args:
        photo: uint8 RGB (H, W, 3).
        image_id: what windows and noise are drawn from.
        crops: as in `AttributionSettings`.
        size: likewise.

    Returns:
        The windows as the classifier is shown them, uint8 (K, 3, h, w); the windows themselves,
        int64 (K, 4), as in `Window`, the whole photo first; the seed of the noise, int64 (1,).
    """
    drawn = windows(photo.shape[0], photo.shape[1], image_id, crops)
    seed = np.array([seed_of(image_id)], np.int64)
    return cropped(photo, drawn, size), np.array(drawn, np.int64), seed


def _window(
    height: int, width: int, area: float, aspect: float, down: float, right: float
) -> Window:
    """A window by four numbers in 0..1, 1 not among them."""
    pixels = height * width * (_LEAST_AREA + area * (1 - _LEAST_AREA))
    shape = _WIDEST ** (2 * aspect - 1)
    h = min(height, max(1, round(math.sqrt(pixels / shape))))
    w = min(width, max(1, round(math.sqrt(pixels * shape))))
    return Window(int(down * (height - h + 1)), int(right * (width - w + 1)), h, w)
