"""Photos made ready for networks; no torch here, so processes that only prepare start quickly.

Every function takes a photo, uint8 RGB (H, W, 3), and gives its channels first: what
`Architecture.prepare` is to give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from wsss_assets.models import resizing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = [
    "bounded",
    "bounded_size",
    "channels_first",
    "one_size",
    "padded_shorter_side_size",
    "padded_square",
    "shorter_side",
    "shorter_side_size",
    "square_padding",
    "stretched",
    "stretched_by_maximum",
]


def channels_first(photo: UInt8) -> UInt8:
    """(H, W, 3) → (3, H, W), contiguous."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1))


def stretched(photo: UInt8, size: tuple[int, int], rule: Literal["bilinear", "bicubic"]) -> UInt8:
    """The photo at a given size, its proportions not kept, by one of Pillow's filters.

    Args:
        photo: uint8 RGB (H, W, 3).
        size: (h, w).
        rule: Pillow's filter.

    Returns:
        uint8 (3, h, w).
    """
    return channels_first(resizing.pillow(photo, size, rule))


def stretched_by_maximum(photo: UInt8, size: tuple[int, int]) -> NDArray[np.float32]:
    """The photo at a given size by scikit-image's rule, its brightest value made 1.

    A photo that is black all over stays so.

    Args:
        photo: uint8 RGB (H, W, 3).
        size: (h, w).

    Returns:
        float32 (3, h, w) in 0..1.
    """
    resized = resizing.skimage(photo, size)
    brightest = resized.max()
    if brightest > 0:
        resized /= brightest
    return np.ascontiguousarray(resized.transpose(2, 0, 1), dtype=np.float32)


def one_size(_height: int, _width: int, size: tuple[int, int]) -> tuple[int, int]:
    """`prepared_size` of networks that are shown every photo at the same size."""
    return size


def bounded(photo: UInt8, least: int, most: int) -> UInt8:
    """The photo as it is, unless a side is shorter or longer than a network takes.

    A photo that is too large or too small is resized once, by Pillow's bilinear filter, to what
    `bounded_size` says.

    Args:
        photo: uint8 RGB (H, W, 3).
        least: the shortest that a side may be.
        most: the longest that a side may be.

    Returns:
        uint8 (3, h, w).
    """
    return channels_first(_bounded(photo, least, most))


def bounded_size(height: int, width: int, least: int, most: int) -> tuple[int, int]:
    """(H, W) → (h, w): scaled down until no side exceeds `most`, then sides grow to `least`.

    Proportions are kept when a photo is too large; a side that is too short grows alone.
    """
    longer = max(height, width)
    if longer > most:
        # To the nearest, in integers, so that no platform rounds otherwise.
        height, width = ((2 * side * most + longer) // (2 * longer) for side in (height, width))
    return max(height, least), max(width, least)


def padded_square(photo: UInt8, side: int, most: int) -> UInt8:
    """The photo between black margins that make it a square, resized as OpenCV's `INTER_AREA` does.

    Args:
        photo: uint8 RGB (H, W, 3).
        side: of the result, in pixels.
        most: the longest that a side may be; longer ones are scaled down first, as `bounded` does.

    Returns:
        uint8 (3, side, side).
    """
    photo = _bounded(photo, 1, most)
    rows, columns = square_padding(photo.shape[0], photo.shape[1])
    padded = np.pad(photo, ((rows, rows), (columns, columns), (0, 0)))
    return channels_first(resizing.opencv_area(padded, (side, side)))


def square_padding(height: int, width: int) -> tuple[int, int]:
    """Rows above and below, and columns left and right, that make a photo a square.

    Both margins of an axis are equal: where an odd number is missing, the side stays one pixel
    short.
    """
    longer = max(height, width)
    return (longer - height) // 2, (longer - width) // 2


def shorter_side(photo: UInt8, side: int, multiple: int, most: int) -> UInt8:
    """The photo at a given shorter side, by Pillow's bicubic filter, with reflections as margins.

    The margins are on the right and below, on bytes; normalising before or after makes no
    difference.

    Args:
        photo: uint8 RGB (H, W, 3).
        side: of the shorter side, in pixels.
        multiple: what both sides are made multiples of.
        most: the longest that a side may be before the margins.

    Returns:
        uint8 (3, h, w).
    """
    size = shorter_side_size(photo.shape[0], photo.shape[1], side, most, multiple)
    below, right = (-length % multiple for length in size)
    resized = resizing.pillow(photo, size, "bicubic")
    return channels_first(np.pad(resized, ((0, below), (0, right), (0, 0)), "reflect"))


def shorter_side_size(height: int, width: int, side: int, most: int, least: int) -> tuple[int, int]:
    """(H, W) → (h, w) without margins, proportions kept, rounded down.

    A longer side that would exceed `most` is `most`; the shorter one follows, to `least`.
    """
    shorter, longer = min(height, width), max(height, width)
    long, short = side * longer // shorter, side
    if long > most:
        long, short = most, max(most * shorter // longer, least)
    return (short, long) if height <= width else (long, short)


def padded_shorter_side_size(
    height: int, width: int, side: int, multiple: int, most: int
) -> tuple[int, int]:
    """(H, W) → (h, w) of `shorter_side`, margins included."""
    h, w = shorter_side_size(height, width, side, most, multiple)
    return h + -h % multiple, w + -w % multiple


def _bounded(photo: UInt8, least: int, most: int) -> UInt8:
    size = bounded_size(photo.shape[0], photo.shape[1], least, most)
    return photo if size == photo.shape[:2] else resizing.pillow(photo, size, "bilinear")
