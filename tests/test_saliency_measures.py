"""Measures of one saliency map, against plain implementations pixel by pixel, and known figures."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.plain import byte_maps
from wsss_assets.errors import SizeMismatchError
from wsss_assets.evaluation import shapes
from wsss_assets.evaluation.saliency.measures import ImageSaliency, Normalisation, Truth, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bool = NDArray[np.bool_]
    UInt8 = NDArray[np.uint8]
    Grid = list[list[Fraction]]

FIGURES = json.loads((Path(__file__).parent / "saliency_figures.json").read_text("utf-8"))
NUMBERS = ("mae", "adaptive_f", "adaptive_e", "s_measure", "weighted_f")
CURVES = ("precision", "recall", "f_measure", "e_measure")
NORMALISATIONS: tuple[Normalisation, ...] = ("min-max", "raw")


def close(ours: object, theirs: object) -> bool:
    return bool(np.allclose(cast("Any", ours), cast("Any", theirs), rtol=0, atol=1e-9))


# Plain implementations: fractions, one pixel after the other


def plain_values(saliency: UInt8, normalisation: Normalisation) -> Grid:
    """Exact values 0..1."""
    bytes_ = [[int(byte) for byte in row] for row in saliency]
    low, high = min(map(min, bytes_)), max(map(max, bytes_))
    if normalisation == "raw" or low == high:
        low, high = 0, 255
    return [[Fraction(byte - low, high - low) for byte in row] for row in bytes_]


def plain_mae(values: Grid, truth: Bool) -> float:
    errors = [
        abs(value - int(is_true))
        for row, of_truth in zip(values, truth, strict=True)
        for value, is_true in zip(row, of_truth, strict=True)
    ]
    return float(sum(errors) / len(errors))


def plain_f(salient: Bool, truth: Bool) -> tuple[float, float, float]:
    hits = int((salient & truth).sum())
    precision = hits / salient.sum() if salient.any() else 0.0
    recall = hits / truth.sum() if truth.any() else 0.0
    if hits == 0:
        return float(precision), float(recall), 0.0
    return (
        float(precision),
        float(recall),
        float(1.3 * precision * recall / (0.3 * precision + recall)),
    )


def plain_e(salient: Bool, truth: Bool) -> float:
    """By the alignment of each pixel, as the paper has it."""
    if not truth.any():
        enhanced = 1.0 - salient
    elif truth.all():
        enhanced = salient.astype(float)
    else:
        guess, true = salient - salient.mean(), truth - truth.mean()
        enhanced = (1 + 2 * guess * true / (guess**2 + true**2)) ** 2 / 4
    return float(enhanced.sum() / (truth.size - 1))


def plain_adaptive(values: Grid) -> Bool:
    flat = [value for row in values for value in row]
    threshold = min(2 * sum(flat) / len(flat), Fraction(1))
    return np.array([[value >= threshold for value in row] for row in values])


def plain_s(values: Grid, truth: Bool) -> float:
    flat = [value for row in values for value in row]
    share = Fraction(int(truth.sum()), truth.size)
    if share in {0, 1}:
        mean = sum(flat) / len(flat)
        return float(mean if share else 1 - mean)
    of_true = [value for value, one in zip(flat, truth.ravel(), strict=True) if one]
    of_others = [1 - value for value, one in zip(flat, truth.ravel(), strict=True) if not one]
    of_object = share * plain_object(of_true) + (1 - share) * plain_object(of_others)
    rows, columns = np.nonzero(truth)
    row = round(Fraction(int(rows.sum()), rows.size)) + 1
    column = round(Fraction(int(columns.sum()), columns.size)) + 1
    of_region = 0.0
    for some_rows in (range(row), range(row, truth.shape[0])):
        for some_columns in (range(column), range(column, truth.shape[1])):
            places = [(y, x) for y in some_rows for x in some_columns]
            if places:
                pairs = [(values[y][x], int(truth[y, x])) for y, x in places]
                of_region += len(places) / truth.size * plain_region(pairs)
    return max(0.0, float(of_object) / 2 + of_region / 2)


def plain_object(values: list[Fraction]) -> float:
    count = len(values)
    mean = sum(values) / count
    squares = sum((value - mean) ** 2 for value in values)
    deviation = math.sqrt(squares / (count - 1)) if count > 1 else 0.0
    return float(2 * mean) / (float(mean**2) + 1 + deviation)


def plain_region(pairs: list[tuple[Fraction, int]]) -> float:
    count = len(pairs)
    mean = sum(value for value, _ in pairs) / count
    true = Fraction(sum(one for _, one in pairs), count)
    freedom = max(count - 1, 1)
    spread = sum((value - mean) ** 2 for value, _ in pairs) / freedom
    true_spread = sum((one - true) ** 2 for _, one in pairs) / freedom
    common = sum((value - mean) * (one - true) for value, one in pairs) / freedom
    above = 4 * mean * true * common
    below = (mean**2 + true**2) * (spread + true_spread)
    if above:
        return float(above / below)
    return 0.0 if below else 1.0


def plain_weighted_f(values: Grid, truth: Bool) -> float:
    if not truth.any():
        return 0.0
    height, width = truth.shape
    error = np.array([[abs(float(v) - int(t)) for v, t in zip(*rows, strict=True)]
                      for rows in zip(values, truth, strict=True)])  # fmt: skip
    distances, near_rows, near_columns = shapes.nearest(truth)
    carried = error[near_rows, near_columns]
    weights = {(y, x): math.exp(-(y * y + x * x) / 50) for y in range(-3, 4) for x in range(-3, 4)}
    whole = sum(weights.values())
    weighted = np.zeros(truth.shape)
    for y in range(height):
        for x in range(width):
            smooth = sum(
                weight / whole * carried[y + down, x + right]
                for (down, right), weight in weights.items()
                if 0 <= y + down < height and 0 <= x + right < width
            )
            least = min(
                (y - row) ** 2 + (x - column) ** 2
                for row, column in zip(*np.nonzero(truth), strict=True)
            )
            assert math.isclose(distances[y, x], math.sqrt(least), abs_tol=1e-9)
            if truth[y, x]:
                weighted[y, x] = min(error[y, x], smooth)
            else:
                weighted[y, x] = error[y, x] * (2 - 0.5 ** (math.sqrt(least) / 5))
    hits = truth.sum() - weighted[truth].sum()
    precision = hits / (hits + weighted[~truth].sum()) if hits else 0.0
    recall = 1 - weighted[truth].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


# Drawing


@st.composite
def images(draw: st.DrawFn) -> tuple[UInt8, Bool]:
    """A map, now and then of few values, and what is foreground."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(2, 7)))
    saliency = draw(
        st.one_of(
            byte_maps(shape),
            hnp.arrays(np.uint8, shape, elements=st.sampled_from([3, 90]), fill=st.nothing()),
        )
    )
    box = np.zeros(shape, np.bool_)
    top, left = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    box[top : draw(st.integers(0, shape[0])), left : draw(st.integers(0, shape[1]))] = True
    scattered = hnp.arrays(np.bool_, shape, elements=st.booleans(), fill=st.nothing())
    return saliency, draw(st.one_of(st.just(box), scattered))


CORNER = np.zeros((3, 4), np.bool_)
CORNER[2, 3] = True
RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * np.uint8(20)


@settings(deadline=None, max_examples=150)
@example((RAMP, CORNER), "raw")
@example((RAMP, ~CORNER), "min-max")
@example((RAMP, np.ones((3, 4), np.bool_)), "min-max")
@example((np.full((3, 4), 90, np.uint8), CORNER), "min-max")
@given(images(), st.sampled_from(NORMALISATIONS))
def test_all_but_the_weighted_f(image: tuple[UInt8, Bool], normalisation: Normalisation) -> None:
    saliency, truth = image
    ours = measure(saliency, Truth(truth), normalisation, weighted_f=False)
    values = plain_values(saliency, normalisation)
    adaptive = plain_adaptive(values)
    assert close(ours.mae, plain_mae(values, truth))
    assert close(ours.s_measure, plain_s(values, truth))
    assert close(ours.adaptive_f, plain_f(adaptive, truth)[2])
    assert close(ours.adaptive_e, plain_e(adaptive, truth))
    assert math.isnan(ours.weighted_f)


def levels(saliency: UInt8, normalisation: Normalisation) -> NDArray[np.intp]:
    """Values are cut off to 256 levels in floating point, as the field's evaluators do it."""
    values = saliency / 255
    if normalisation == "min-max" and values.max() > values.min():
        values = (values - values.min()) / (values.max() - values.min())
    result: NDArray[np.intp] = np.floor(values * 255).astype(np.intp)
    return result


@settings(deadline=None, max_examples=40)
@example((RAMP, CORNER), "min-max")
@given(images(), st.sampled_from(NORMALISATIONS))
def test_curves(image: tuple[UInt8, Bool], normalisation: Normalisation) -> None:
    saliency, truth = image
    ours = measure(saliency, Truth(truth), normalisation, weighted_f=False)
    cut = levels(saliency, normalisation)
    for threshold in range(256):
        salient = cut >= threshold
        expected = (*plain_f(salient, truth), plain_e(salient, truth))
        assert close([getattr(ours, name)[threshold] for name in CURVES], expected), threshold


def test_bytes_are_their_own_levels_without_normalisation() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(levels(every, "raw"), every)
    ours = measure(every, Truth(every > 99), "raw", weighted_f=False)
    assert int(ours.f_measure.argmax()) == 100
    assert ours.f_measure[100] == 1


@settings(deadline=None, max_examples=60)
@example((RAMP, CORNER), "raw")
@given(images(), st.sampled_from(NORMALISATIONS))
def test_the_weighted_f(image: tuple[UInt8, Bool], normalisation: Normalisation) -> None:
    saliency, truth = image
    ours = measure(saliency, Truth(truth), normalisation)
    assert close(ours.weighted_f, plain_weighted_f(plain_values(saliency, normalisation), truth))


# Figures of PySODMetrics


@pytest.mark.parametrize(
    "case", FIGURES["cases"], ids=lambda case: f"{case['name']}, {case['normalisation']}"
)
def test_figures_of_the_evaluator_in_common_use(case: dict[str, Any]) -> None:
    (height, width), (low, high) = case["size"], case["range"]
    top, bottom, left, right = case["box"]
    row, column = np.mgrid[:height, :width]
    pattern = low + (row * 37 + column * 91 + row * column * 13) % (high - low + 1)
    truth = np.zeros((height, width), np.bool_)
    truth[top:bottom, left:right] = True
    ours = measure(pattern.astype(np.uint8), Truth(truth), case["normalisation"])
    for name in NUMBERS:
        if case[name] is None:  # it divides by the size of a quadrant that is empty
            assert name == "s_measure"
            assert 0 < ours.s_measure < 1
        else:
            assert close(getattr(ours, name), case[name]), name
    for name in CURVES:
        assert close(getattr(ours, name)[FIGURES["thresholds"]], case[name]), name
    assert close(ours.f_measure.max(), case["max_f"])
    assert close(ours.f_measure.mean(), case["mean_f"])


def test_the_figures_have_cases_of_every_kind() -> None:
    cases = FIGURES["cases"]
    assert len(cases) > 20
    assert sum(case["s_measure"] is None for case in cases) == 2


# Single properties


def test_a_quadrant_of_one_value_agrees_with_a_mask_without_foreground_there() -> None:
    """Also where the mean of equal numbers is another number in floating point."""
    pixels, byte = next(
        (pixels, byte)
        for pixels in range(3, 40)
        for byte in range(1, 255)
        if pixels * (byte / 255) / pixels != byte / 255
    )
    saliency = np.full((2, pixels + 1), byte, np.uint8)
    saliency[0, 0] = 200
    truth = Truth(saliency == 200)  # the last quadrant: so many pixels of that byte
    ours = measure(saliency, truth, "raw", weighted_f=False)
    assert close(ours.s_measure, plain_s(plain_values(saliency, "raw"), truth.foreground))


def test_adaptive_thresholds_are_exact_where_bytes_lie_on_them() -> None:
    # (b - 1) / 200 reaches twice the mean exactly where b = 101, in integers and not in floats.
    saliency = np.array([[1, 1, 1, 101, 101, 201, 1, 1]], np.uint8)
    values = plain_values(saliency, "min-max")
    assert 2 * sum(values[0]) / 8 == values[0][3]
    truth = saliency == 101
    ours = measure(saliency, Truth(truth), "min-max", weighted_f=False)
    assert close(ours.adaptive_f, plain_f(saliency >= 101, truth)[2])


def test_pixels_that_are_left_out() -> None:
    rng = np.random.default_rng(3)
    saliency = rng.integers(0, 256, (12, 10), np.uint8)
    truth = rng.random((12, 10)) < 0.4
    counted = rng.random((12, 10)) < 0.7
    saliency[0, 0], counted[0, 0] = 255, False
    ours = measure(saliency, Truth(truth & counted, counted), "min-max")
    cut, values = levels(saliency, "min-max"), plain_values(saliency, "min-max")
    for threshold in (0, 1, 100, 255):
        salient = cut >= threshold
        expected = (
            *plain_f(salient[counted], truth[counted]),
            plain_e(salient[counted], truth[counted]),
        )
        assert close([getattr(ours, name)[threshold] for name in CURVES], expected)
    adaptive = plain_adaptive(values)  # of the whole map
    assert close(ours.adaptive_f, plain_f(adaptive[counted], truth[counted])[2])
    errors = [
        abs(float(values[y][x]) - truth[y, x]) for y, x in zip(*np.nonzero(counted), strict=True)
    ]
    assert close(ours.mae, np.mean(errors))
    assert math.isnan(ours.s_measure)
    assert math.isnan(ours.weighted_f)


def test_nothing_counts() -> None:
    nothing = np.zeros((2, 3), np.bool_)
    ours = measure(np.ones((2, 3), np.uint8), Truth(nothing, nothing), "min-max")
    assert all(math.isnan(getattr(ours, name)) for name in NUMBERS)
    assert all(np.isnan(getattr(ours, name)).all() for name in CURVES)


@pytest.mark.parametrize("is_object", [True, False])
def test_one_pixel_has_no_e_measure(is_object: bool) -> None:
    ours = measure(np.full((1, 1), 51, np.uint8), Truth(np.full((1, 1), is_object)), "min-max")
    assert close(ours.mae, 0.8 if is_object else 0.2)
    assert close(ours.s_measure, 0.2 if is_object else 0.8)
    assert math.isnan(ours.adaptive_e)
    assert np.isnan(ours.e_measure).all()


def test_perfect_and_inverted() -> None:
    truth = np.zeros((20, 30), np.bool_)
    truth[5:14, 8:22] = True
    right = measure(np.where(truth, 255, 0).astype(np.uint8), Truth(truth), "min-max")
    wrong = measure(np.where(truth, 0, 255).astype(np.uint8), Truth(truth), "min-max")
    assert (right.mae, wrong.mae) == (0, 1)
    assert close([right.s_measure, right.weighted_f, right.adaptive_f], 1)
    assert close(right.adaptive_e, 600 / 599)
    assert wrong.adaptive_f == 0
    assert wrong.weighted_f < 0.01
    assert wrong.s_measure == 0  # below 0 by the formula


def test_stretching_a_map_changes_nothing_but_raw_figures() -> None:
    rng = np.random.default_rng(5)
    narrow = rng.integers(0, 86, (9, 9), np.uint8)
    narrow[0, :2] = 0, 85
    truth = Truth(rng.random((9, 9)) < 0.5)
    one, other = (measure(each, truth, "min-max") for each in (narrow, narrow * np.uint8(3)))
    assert close(
        [getattr(one, name) for name in NUMBERS], [getattr(other, name) for name in NUMBERS]
    )
    assert one.mae != measure(narrow, truth, "raw").mae


def test_sizes_must_match() -> None:
    with pytest.raises(SizeMismatchError, match=r"expected \(2, 3\) .*found \(3, 2\)"):
        measure(np.zeros((3, 2), np.uint8), Truth(np.zeros((2, 3), np.bool_)), "raw")


def test_a_map_is_measured_alike_in_any_memory_layout() -> None:
    rng = np.random.default_rng(8)
    saliency, truth = rng.integers(0, 256, (8, 11), np.uint8), rng.random((8, 11)) < 0.5
    plain: ImageSaliency = measure(saliency, Truth(truth), "raw")
    turned = measure(np.asfortranarray(saliency), Truth(np.asfortranarray(truth)), "raw")
    assert all(getattr(plain, name) == getattr(turned, name) for name in NUMBERS[:4])
