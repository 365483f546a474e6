from __future__ import annotations

import builtins
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from wsss_assets.errors import MissingDependencyError
from wsss_assets.evaluation.shapes import components, distance_to, nearest

Mask = NDArray[np.bool_]
SHAPES = st.tuples(st.integers(0, 7), st.integers(0, 7))
MASKS = hnp.arrays(np.bool_, SHAPES, elements=st.booleans(), fill=st.nothing())
OFTEN = settings(max_examples=60, deadline=None)


def plain_distance(mask: Mask, row: int, column: int) -> float:
    """Distance to the nearest True pixel, by asking all of them."""
    return min(
        (math.hypot(row - y, column - x) for y, x in np.argwhere(mask).tolist()), default=math.inf
    )


@OFTEN
@given(MASKS)
def test_distances_are_those_to_the_nearest_pixel(mask: Mask) -> None:
    distance = distance_to(mask)
    assert distance.dtype == np.float64
    assert distance.shape == mask.shape
    for row, column in np.ndindex(*mask.shape):
        assert distance[row, column] == pytest.approx(plain_distance(mask, row, column), rel=1e-12)


@OFTEN
@given(MASKS)
def test_the_nearest_pixel_is_one_and_that_far(mask: Mask) -> None:
    distance, rows, columns = nearest(mask)
    assert distance.tolist() == distance_to(mask).tolist()
    assert {rows.dtype, columns.dtype} == {np.dtype(np.int32)}
    for row, column in np.ndindex(*mask.shape):
        y, x = rows[row, column], columns[row, column]
        if mask.any():
            assert mask[y, x]
            assert math.hypot(row - y, column - x) == pytest.approx(distance[row, column])
        else:
            assert (y, x, distance[row, column]) == (-1, -1, math.inf)


def plain_components(mask: Mask) -> list[list[int]]:
    """Numbers from 1, in the order of first pixels, by walking from pixel to pixel."""
    labels = np.zeros(mask.shape, np.int64)
    count = 0
    for first, start in np.argwhere(mask).tolist():
        if labels[first, start]:
            continue
        count += 1
        waiting = [(first, start)]
        while waiting:
            row, column = waiting.pop()
            inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
            if inside and mask[row, column] and not labels[row, column]:
                labels[row, column] = count
                waiting += [(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return [[int(label) for label in row] for row in labels]


@OFTEN
@given(MASKS)
def test_components_hang_together_by_sides_and_corners(mask: Mask) -> None:
    labels, count = components(mask)
    assert labels.dtype == np.int32
    assert labels.shape == mask.shape
    assert labels.tolist() == plain_components(mask)
    assert count == labels.max(initial=0)


def test_a_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:  # noqa: ANN401
        if name.partition(".")[0] == "scipy":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for function in (distance_to, nearest, components):
        with pytest.raises(MissingDependencyError, match=r"wsss-assets\[analysis\]"):
            function(np.ones((1, 1), np.bool_))


def test_scipy_waits_until_it_is_needed() -> None:
    program = """
import sys
import wsss_assets.evaluation.anatomy.analyse
assert "scipy" not in sys.modules
import numpy
anatomy = wsss_assets.evaluation.anatomy.analyse.ErrorAnatomy("mini")
anatomy.count(*numpy.ones((2, 3, 3), numpy.uint8))
assert "scipy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
