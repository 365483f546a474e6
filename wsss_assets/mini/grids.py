"""Small smooth grids and how they become full-size maps.

Only +, −, ×, ÷ and comparisons, one element at a time: the same bits on every machine, which
matrix products do not promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.mini.shapes import Float32

__all__ = ["block_mean", "enlarge", "grid_shape", "smooth", "soften", "spread", "value_noise"]


def grid_shape(shape: tuple[int, int], stride: int) -> tuple[int, int]:
    """(rows, columns) of the grid with one cell per `stride` × `stride` pixels."""
    return -(-shape[0] // stride), -(-shape[1] // stride)


def block_mean(values: NDArray[np.bool_], stride: int) -> Float32:
    """Share of true pixels in each cell of a grid of stride 16 at most; the rim repeats itself."""
    rows, columns = grid_shape((values.shape[0], values.shape[1]), stride)
    height, width = values.shape
    padding = ((0, rows * stride - height), (0, columns * stride - width))
    padded = np.pad(values, padding, mode="edge").view(np.uint8)
    down = padded[0::stride].copy()
    for offset in range(1, stride):
        down += padded[offset::stride]
    counts = down[:, 0::stride].astype(np.uint16)
    for offset in range(1, stride):
        counts += down[:, offset::stride]
    shares: Float32 = counts.astype(np.float32) / np.float32(stride * stride)
    return shares


def soften(values: Float32, axis: int) -> Float32:
    """One pass of the weights ¼ ½ ¼ along an axis; the rim repeats itself."""
    if values.shape[axis] < 2:
        return values
    first: list[slice] = [slice(None)] * values.ndim
    last = list(first)
    first[axis], last[axis] = slice(None, -1), slice(1, None)
    step = (values[tuple(last)] - values[tuple(first)]) * np.float32(0.25)
    blurred: Float32 = values.copy()
    blurred[tuple(first)] += step
    blurred[tuple(last)] -= step
    return blurred


def smooth(grid: Float32, passes: int) -> Float32:
    """Blur over both axes; `passes` of them have a standard deviation of √(passes/2) cells."""
    for _ in range(passes):
        grid = soften(soften(grid, 0), 1)
    return grid


def spread(grid: Float32, reach: int) -> Float32:
    """Blur with a standard deviation of about `reach` cells, worked out on a coarser grid."""
    factor = max(1, reach // 2)
    coarse = smooth(grid, factor)[factor // 2 :: factor, factor // 2 :: factor]
    coarse = smooth(coarse, round(2 * (reach / factor) ** 2))
    return enlarge(coarse, (grid.shape[0], grid.shape[1]), factor)


def enlarge(grid: Float32, shape: tuple[int, int], stride: float) -> Float32:
    """Bilinear interpolation of a grid of cell centres to float32 (H, W)."""
    if grid.shape[0] < 2 or grid.shape[1] < 2:
        grid = np.pad(grid, [(0, 2 - min(length, 2)) for length in grid.shape], mode="edge")
    low, share = _positions(shape[1], grid.shape[1], stride)
    wide = grid[:, low] + (grid[:, low + 1] - grid[:, low]) * share
    low, share = _positions(shape[0], grid.shape[0], stride)
    steps = wide[1:] - wide[:-1]
    full: Float32 = wide[low] + steps[low] * share[:, None]
    return full


def value_noise(random: np.random.Generator, shape: tuple[int, int], stride: int) -> Float32:
    """Smooth noise of −1..1 with bumps of about `stride` pixels, float32 (H, W)."""
    rows, columns = grid_shape(shape, stride)
    grid = random.random((rows + 1, columns + 1), dtype=np.float32) * 2 - 1
    return enlarge(grid, shape, stride)


def _positions(length: int, cells: int, stride: float) -> tuple[NDArray[np.intp], Float32]:
    """The cell before each pixel and how far the pixel lies towards the next, 0..1."""
    centres = (np.arange(length, dtype=np.float64) + 0.5) / stride - 0.5
    centres = np.clip(centres, 0, cells - 1)
    low = np.minimum(centres.astype(np.intp), cells - 2)
    return low, (centres - low).astype(np.float32)
