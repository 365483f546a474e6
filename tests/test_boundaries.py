from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from tests.plain import THREE, UInt8
from wsss_assets.errors import IgnoredPixelsError, ImageFormatError, UsageError
from wsss_assets.evaluation.anatomy.boundaries import WIDTHS, BoundaryBands, boundary_distance
from wsss_assets.evaluation.dialects import POLICIES, Policy

SOME = settings(max_examples=40, deadline=None)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(plain.label_maps(shape), plain.label_maps(shape)))
KNOWN = SHAPES.flatmap(plain.label_maps).map(lambda label: np.where(label == 255, 0, label))


def plain_distance(truth: UInt8) -> list[list[float]]:
    """1 beside another class, more elsewhere; by asking every pixel. Without 255."""
    height, width = truth.shape
    at_boundary = [
        (row, column)
        for row, column in np.ndindex(height, width)
        if any(
            0 <= row + y < height
            and 0 <= column + x < width
            and truth[row + y, column + x] != truth[row, column]
            for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0))
        )
    ]
    return [
        [
            1 + min((math.hypot(row - y, column - x) for y, x in at_boundary), default=math.inf)
            for column in range(width)
        ]
        for row in range(height)
    ]


@SOME
@given(KNOWN)
def test_distances_from_boundaries(truth: UInt8) -> None:
    found = boundary_distance(truth.astype(np.uint8))
    for ours, expected in zip(found.tolist(), plain_distance(truth), strict=True):
        assert ours == pytest.approx(expected, rel=1e-12)


def test_a_rim_of_255_has_the_boundary_in_its_middle() -> None:
    truth = np.array([[0, 0, 0, 255, 255, 255, 255, 1, 1]], np.uint8)
    assert boundary_distance(truth).tolist() == [[5, 4, 3, 2, 1, 1, 2, 3, 4]]
    bands = BoundaryBands(THREE)
    bands.update(truth, truth)
    assert bands.compute(ignored="miss").pixels == (0, 0, 4, 5, 5, 5, 5)


def test_the_frame_of_an_unlabelled_region_is_no_boundary() -> None:
    truth = np.zeros((5, 5), np.uint8)
    truth[1:4, 1:4] = 255
    assert np.isinf(boundary_distance(truth)).all()
    assert np.isinf(boundary_distance(np.full((5, 5), 255, np.uint8))).all()


@SOME
@given(PAIRS, st.sampled_from(POLICIES))
def test_bands_score_the_pixels_near_boundaries(pair: tuple[UInt8, UInt8], policy: Policy) -> None:
    label, truth = pair
    bands = BoundaryBands(THREE)
    bands.update(label, truth)
    found = bands.compute(ignored=policy)
    distance = boundary_distance(truth)
    for width, pixels, miou, ious in zip(
        found.widths, found.pixels, found.miou, found.per_class, strict=True
    ):
        cut = truth.copy()
        cut[distance > (math.inf if width is None else width)] = 255
        counts = plain.tally([(label, cut)], 3, policy)
        expected = plain.ious(counts)
        assert pixels == sum(true for _, _, true in counts)
        assert [None if math.isnan(one) else one for one in ious] == expected
        assert (None if math.isnan(miou) else miou) == plain.mean(expected)
    assert found.widths == (*WIDTHS, None)


@given(PAIRS, PAIRS)
@settings(max_examples=10, deadline=None)
def test_bands_add_up(first: tuple[UInt8, UInt8], second: tuple[UInt8, UInt8]) -> None:
    whole, one, other = (BoundaryBands(THREE, (1, 3)) for _ in range(3))
    for pair in (first, second):
        whole.update(*pair)
    one.update(*first)
    other.update(*second)
    one.merge(other)
    assert one.rings.tolist() == whole.rings.tolist()
    expected = plain.confusion(*first, 3) + plain.confusion(*second, 3)
    assert whole.rings.sum(axis=0).tolist() == expected.tolist()


def test_what_a_band_without_pixels_says() -> None:
    bands = BoundaryBands(THREE, (2,))
    bands.update(np.ones((3, 3), np.uint8), np.ones((3, 3), np.uint8))
    first, last = bands.compute().to_dict()
    assert (first["width"], first["pixels"], first["miou"]) == (2, 0, None)
    assert set(first["per_class"].values()) == {None}
    assert (last["width"], last["pixels"], last["miou"]) == (None, 9, 1.0)
    assert last["per_class"] == {"background": None, "cat": 1.0, "cow": None, "dog": None}


def test_predicted_255_needs_a_policy() -> None:
    bands = BoundaryBands(THREE)
    bands.update(np.full((1, 2), 255, np.uint8), np.array([[0, 1]], np.uint8))
    with pytest.raises(IgnoredPixelsError, match="2 predicted pixels are 255"):
        bands.compute()


def test_what_makes_no_sense_is_refused() -> None:
    for widths in ((), (0, 1), (4, 2), (2, 2)):
        with pytest.raises(UsageError, match="widths of boundary bands"):
            BoundaryBands(THREE, widths)
    with pytest.raises(UsageError, match="differ in benchmark or widths"):
        BoundaryBands(THREE).merge(BoundaryBands(THREE, (1,)))
    bands = BoundaryBands(THREE)
    with pytest.raises(ImageFormatError, match="no class"):
        bands.update(np.full((1, 1), 4, np.uint8), np.zeros((1, 1), np.uint8))
    assert not bands.rings.any()
