"""The pixels of one COCO outline: polygons or a run-length code.

pycocotools rasterises polygons, so that every pixel is as COCO's own code draws it; it trusts
what it is given, so all is checked before. Run-length codes are read here: its decoder
allows no check and warns with NumPy 2.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wsss_assets.errors import MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask: TypeAlias = NDArray[np.bool_]

__all__ = ["OutlineError", "draw_outline", "require_pycocotools"]

_FARTHEST_POINT = 1e5


class OutlineError(Exception):
    """What is wrong with an outline."""


def require_pycocotools() -> Any:  # noqa: ANN401 (pycocotools has no types)
    """The module `pycocotools.mask`.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError:
        raise MissingDependencyError("pycocotools", "coco", "reading COCO outlines") from None
    return mask


def draw_outline(outline: Any, height: int, width: int) -> Mask:  # noqa: ANN401 (raw JSON)
    """An outline's pixels as bool (height, width), stored by column.

    Args:
        outline: a list of polygons `[x, y, x, y, …]`, or a dict with `size` and `counts`, the
            latter a list of runs or COCO's compressed text.
        height: of the image.
        width: of the image.

    Raises:
        OutlineError: it is malformed or of another size; a `KeyError` or `TypeError` means that
            it is neither of the two.
        MissingDependencyError: pycocotools is not installed and polygons are to be drawn.
    """
    if isinstance(outline, list):
        return _drawn(outline, height, width)
    return _expanded(outline["size"], outline["counts"], height, width)


def _drawn(polygons: list[Any], height: int, width: int) -> Mask:
    """Pixels in any of the polygons, as COCO's own code rasterises them."""
    if not polygons:
        raise OutlineError("no polygon")
    for polygon in polygons:  # pycocotools trusts what it is given
        if problem := _polygon_problem(polygon):
            raise OutlineError(problem)
    codes = require_pycocotools().frPyObjects(polygons, height, width)
    parts = (_expanded(code["size"], code["counts"], height, width) for code in codes)
    return functools.reduce(np.logical_or, parts)


def _expanded(size: object, counts: object, height: int, width: int) -> Mask:
    """Pixels of a run-length code: runs of 0s and 1s in turn, down the columns."""
    if size != [height, width]:
        raise OutlineError(f"a run-length code of size {size} in an image of {[height, width]}")
    if isinstance(counts, (str, bytes)):
        counts = _parse_counts(counts.encode() if isinstance(counts, str) else counts)
    if not isinstance(counts, list) or not all(isinstance(n, int) and n >= 0 for n in counts):
        raise OutlineError("runs that are no whole numbers")
    if sum(counts) != height * width:
        raise OutlineError(f"runs of {sum(counts)} pixels in an image of {height * width}")
    columns = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    pixels: Mask = columns.reshape(width, height).T
    return pixels


def _polygon_problem(polygon: object) -> str | None:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        return "a polygon that is no list of three or more x, y pairs"
    for value in polygon:
        # The limit also rules out NaN, and sizes that would exhaust the memory.
        if not isinstance(value, (int, float)) or not abs(value) <= _FARTHEST_POINT:
            return f"the coordinate {value!r}"
    return None


def _parse_counts(text: bytes) -> list[int]:
    """Run lengths of COCO's compressed form.

    Each number is written in groups of five bits, lowest first, as characters from `0` on; the
    bit of value 32 says that a group follows, the last group carries the sign. From the fourth
    on, a number is the difference to the one two before it.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = character - 48
        if not 0 <= group < 64 or shift > 60:
            raise OutlineError("a run-length code that cannot be read")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise OutlineError("a run-length code that is cut short")
    return runs
