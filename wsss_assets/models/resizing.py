"""Resize rules, by the library whose rule it is; none of them needs torch.

A resize rule is part of a method: the same photo at the same size differs by several grey levels
between libraries. All rules here but Pillow's own are weighted sums, of columns first and then of
rows, with weights that depend on the two lengths of an axis alone. "uint8 (H, W[, 3])" is an array
with or without channels; the result has them if the values do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = [
    "PillowRule",
    "align_corners",
    "opencv_area",
    "opencv_bilinear",
    "opencv_cubic",
    "pillow",
    "skimage",
]

PillowRule: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
"""Filters of Pillow that methods use."""

_PILLOW: dict[PillowRule, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_FIXED_POINT_ONE = 2048
"""What OpenCV's bilinear weights of bytes add up to."""

_SHARPNESS = -0.75
"""The slope of OpenCV's cubic one pixel from its centre; Pillow's is -0.5."""

_TRUNCATE = 4.0
"""Where scikit-image's Gaussian ends, in standard deviations."""

_SLIVER = 1e-3
"""Parts of a pixel that OpenCV's `INTER_AREA` leaves out when they are smaller."""

_KEPT = 256
"""Weights of that many pairs of lengths are remembered; photos of a data set have few."""


@dataclass(frozen=True)
class _Taps:
    """How an axis is resized: output i is the sum over k of weights[k, i] * input[indices[k, i]].

    Attributes:
        indices: intp (taps, length of the output).
        weights: the same shape; their dtype is that of the sums.
    """

    indices: NDArray[np.intp]
    weights: NDArray[Any]


def pillow(values: UInt8, size: tuple[int, int], rule: PillowRule) -> UInt8:
    """Pillow's resize of 8-bit values, which smooths when it makes smaller.

    Args:
        values: uint8 (H, W) or (H, W, 3).
        size: (h, w).
        rule: its filter.

    Returns:
        uint8 (h, w) or (h, w, 3).
    """
    height, width = size
    return np.array(Image.fromarray(values).resize((width, height), _PILLOW[rule]))


def opencv_area(values: UInt8, size: tuple[int, int]) -> UInt8:
    """OpenCV's `INTER_AREA`: uint8 (H, W[, 3]), a size (h, w) → uint8 (h, w[, 3]).

    Where no side grows, pixels are averages of what they cover; otherwise it is bilinear on both
    axes, with positions of its own.
    """
    height, width = values.shape[:2]
    if size == (height, width):
        return np.array(values)
    if size[0] > height or size[1] > width:
        columns, rows = _fixed_point_by_area(width, size[1]), _fixed_point_by_area(height, size[0])
        return _fixed_point(values, columns, rows)
    if height % size[0] == 0 and width % size[1] == 0:
        return _block_means(values, size)
    return _rounded(_resized(values, _area(width, size[1]), _area(height, size[0])))


def opencv_bilinear(values: UInt8, size: tuple[int, int]) -> UInt8:
    """OpenCV's `INTER_LINEAR`: uint8 (H, W[, 3]), a size (h, w) → uint8 (h, w[, 3]).

    In its fixed-point arithmetic; it does not smooth.
    """
    height, width = values.shape[:2]
    if size == (height, width):
        return np.array(values)
    columns, rows = _fixed_point_bilinear(width, size[1]), _fixed_point_bilinear(height, size[0])
    return _fixed_point(values, columns, rows)


def opencv_cubic(values: UInt8, size: tuple[int, int]) -> UInt8:
    """OpenCV's `INTER_CUBIC` of 8-bit values, without the rounding of its intermediate steps.

    It does not smooth; what overshoots is clipped. OpenCV has two results of its own, by what it
    was built with, which differ by one grey level here and there: this is the one with weights in
    floating point (its builds with Intel's IPP).

    Args:
        values: uint8 (H, W) or (H, W, 3).
        size: (h, w).

    Returns:
        uint8 (h, w) or (h, w, 3).
    """
    height, width = values.shape[:2]
    if size == (height, width):
        return np.array(values)
    resized = _resized(values, _cubic(width, size[1]), _cubic(height, size[0]))
    return _rounded(np.clip(resized, 0, 255, out=resized))


def skimage(values: UInt8, size: tuple[int, int]) -> NDArray[np.float64]:
    """`skimage.transform.resize` with order 1, mode `constant` and its default anti-aliasing.

    What lies outside the image counts as black; results are clipped to the range of the values.

    Args:
        values: uint8 (H, W) or (H, W, 3).
        size: (h, w).

    Returns:
        float64 (h, w) or (h, w, 3), in 0..1.
    """
    height, width = values.shape[:2]
    if size == (height, width):
        return values / 255
    resized = _resized(values, _smooth(width, size[1]), _smooth(height, size[0]))
    resized /= 255
    return np.clip(resized, values.min() / 255, values.max() / 255, out=resized)


def align_corners(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear with corners on corners, as torch's `align_corners=True`.

    Args:
        values: float32 (H, W).
        size: (h, w).

    Returns:
        float32 (h, w).
    """
    height, width = values.shape
    return _resized(values, _corners(width, size[1]), _corners(height, size[0]))


def _resized(values: NDArray[Any], columns: _Taps, rows: _Taps) -> NDArray[Any]:
    """(H, W[, C]) → (h, w[, C]), columns first, in the dtype of the weights."""
    return _along_rows(_along_columns(values, columns), rows)


def _along_columns(values: NDArray[Any], taps: _Taps) -> NDArray[Any]:
    """(H, W[, C]) → (H, w[, C]); turned over, because gathering whole rows is much faster."""
    turned = np.ascontiguousarray(values.swapaxes(0, 1))
    return np.ascontiguousarray(_along_rows(turned, taps).swapaxes(0, 1))


def _along_rows(values: NDArray[Any], taps: _Taps) -> NDArray[Any]:
    """(H, W[, C]) → (h, W[, C]); added in the order of the taps."""
    flat = values.reshape(len(values), -1)
    total = flat[taps.indices[0]] * taps.weights[0][:, None]
    for indices, weights in zip(taps.indices[1:], taps.weights[1:], strict=True):
        total += flat[indices] * weights[:, None]
    shaped: NDArray[Any] = total.reshape(-1, *values.shape[1:])
    return shaped


def _fixed_point(values: UInt8, columns: _Taps, rows: _Taps) -> UInt8:
    """Bilinear by integer weights of two taps; low bits are dropped between steps as in OpenCV."""
    across = _along_columns(values, columns).reshape(len(values), -1) >> 4
    upper, lower = (
        (across[indices] * weights[:, None]) >> 16
        for indices, weights in zip(rows.indices, rows.weights, strict=True)
    )
    mixed: UInt8 = ((upper + lower + 2) >> 2).astype(np.uint8)
    return mixed.reshape(-1, columns.indices.shape[1], *values.shape[2:])


def _block_means(values: UInt8, size: tuple[int, int]) -> UInt8:
    """Means of whole blocks; of two by two, halves are rounded up, else to even, as in OpenCV."""
    blocks = values.shape[0] // size[0], values.shape[1] // size[1]
    columns, rows = (
        _Taps(np.arange(side * block).reshape(side, block).T, np.ones((block, side), np.int32))
        for side, block in zip(size[::-1], blocks[::-1], strict=True)
    )
    sums = _resized(values, columns, rows)
    if blocks == (2, 2):
        return _rounded((sums + 2) >> 2)
    share = np.float32(1) / np.float32(blocks[0] * blocks[1])
    return _rounded(sums.astype(np.float32) * share)


def _rounded(values: NDArray[Any]) -> UInt8:
    """The nearest bytes, halves to even."""
    rounded: UInt8 = np.rint(values).astype(np.uint8)
    return rounded


@lru_cache(maxsize=_KEPT)
def _fixed_point_bilinear(length: int, new: int) -> _Taps:
    """OpenCV's bilinear weights, pixels being squares."""
    position = ((np.arange(new) + 0.5) * (1 / (new / length)) - 0.5).astype(np.float32)
    first = np.floor(position)
    return _two_taps(length, first.astype(np.intp), _in_fixed_point(position - first))


@lru_cache(maxsize=_KEPT)
def _fixed_point_by_area(length: int, new: int) -> _Taps:
    """The weights of OpenCV's `INTER_AREA` where a side grows."""
    at = np.arange(new)
    growth = new / length
    first = np.floor(at * (1 / growth)).astype(np.intp)
    part = ((at + 1) - (first + 1) * growth).astype(np.float32)
    part = np.where(part <= 0, np.float32(0), part - np.floor(part))
    return _two_taps(length, first, _in_fixed_point(part))


def _in_fixed_point(part: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n,) → (2, n): weights of the pixel before and of the next."""
    weights: NDArray[np.float32] = np.stack([1 - part, part]) * np.float32(_FIXED_POINT_ONE)
    return np.rint(weights).astype(np.int32)


def _two_taps(length: int, first: NDArray[np.intp], weights: NDArray[Any]) -> _Taps:
    return _Taps(np.clip(np.stack([first, first + 1]), 0, length - 1), weights)


@lru_cache(maxsize=_KEPT)
def _area(length: int, new: int) -> _Taps:
    """What share of each input pixel an output pixel covers, float32; a side that does not grow."""
    scale = 1 / (new / length)
    start = np.arange(new) * scale
    end = start + scale
    cell = np.minimum(scale, length - start)
    last = np.minimum(np.floor(end).astype(np.intp), length - 1)
    first = np.minimum(np.ceil(start).astype(np.intp), last)
    before = np.where(first - start > _SLIVER, (first - start) / cell, 0)
    after = np.where(end - last > _SLIVER, np.minimum(end - last, cell) / cell, 0)
    indices = (first - 1) + np.arange((last - first).max() + 2)[:, None]
    weights = np.where((indices >= first) & (indices < last), 1 / cell, 0)
    weights = np.where(indices == first - 1, before, weights)
    weights = np.where(indices == last, after, weights)
    return _Taps(np.clip(indices, 0, length - 1), weights.astype(np.float32))


@lru_cache(maxsize=_KEPT)
def _cubic(length: int, new: int) -> _Taps:
    """Keys' cubic through the four nearest pixels, the outermost repeated; float64."""
    position = (np.arange(new) + 0.5) * (length / new) - 0.5
    first = np.floor(position).astype(np.intp)
    indices = first + np.arange(-1, 3)[:, None]
    distance = np.abs(position - indices)
    near = ((_SHARPNESS + 2) * distance - (_SHARPNESS + 3)) * distance**2 + 1
    far = _SHARPNESS * (((distance - 5) * distance + 8) * distance - 4)
    return _Taps(np.clip(indices, 0, length - 1), np.where(distance <= 1, near, far))


@lru_cache(maxsize=_KEPT)
def _smooth(length: int, new: int) -> _Taps:
    """scikit-image's Gaussian of a side that shrinks and its bilinear weights, in one; float64."""
    sigma = max(0.0, (length / new - 1) / 2)
    radius = int(_TRUNCATE * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2) if radius else np.ones(1)
    kernel /= kernel.sum()
    position = (np.arange(new) + 0.5) * (length / new) - 0.5
    first = np.floor(position).astype(np.intp)
    part = position - first
    upper, lower = np.pad(kernel, (0, 1))[:, None], np.pad(kernel, (1, 0))[:, None]
    weights = upper * (1 - part) + lower * part
    indices = (first - radius) + np.arange(2 * radius + 2)[:, None]
    inside = (indices >= 0) & (indices < length)
    return _Taps(np.clip(indices, 0, length - 1), np.where(inside, weights, 0))


@lru_cache(maxsize=_KEPT)
def _corners(length: int, new: int) -> _Taps:
    """Weights of torch's `align_corners=True`, float32 throughout."""
    step = np.float32(length - 1) / np.float32(new - 1) if new > 1 else np.float32(0)
    position = np.arange(new, dtype=np.float32) * step
    first = np.minimum(position.astype(np.intp), length - 1)
    part = position - first.astype(np.float32)
    return _two_taps(length, first, np.stack([1 - part, part]))
