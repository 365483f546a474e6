from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.evaluation.thresholds.selectors import (
    SELECTORS,
    Selector,
    kapur,
    otsu,
    saliency_agreement,
    saliency_area,
    triangle,
)

if TYPE_CHECKING:
    from tests.plain import Int64

BYTES = st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 2, 100, 101, 254, 255]))
PIXELS = st.lists(st.tuples(BYTES, st.booleans()), min_size=1, max_size=30)
FEW = settings(max_examples=40, deadline=None)
Pixels = list[tuple[int, bool]]


def histograms(pixels: Pixels) -> Int64:
    result = np.zeros((2, 256), np.int64)
    for byte, salient in pixels:
        result[int(salient), byte] += 1
    return result


def split(pixels: Pixels, byte: int) -> tuple[list[int], list[int]]:
    """Bytes of the background and of the foreground."""
    values = [value for value, _ in pixels]
    return [v for v in values if v < byte], [v for v in values if v >= byte]


def variance_between(pixels: Pixels, byte: int) -> float:
    groups = split(pixels, byte)
    if not all(groups):
        return 0.0
    mean = np.mean([value for value, _ in pixels])
    return float(sum(len(g) * (np.mean(g) - mean) ** 2 for g in groups) / len(pixels))


def entropy_of(values: list[int]) -> float:
    shares = [count / len(values) for count in Counter(values).values()]
    return -sum(share * math.log(share) for share in shares)


def entropy(pixels: Pixels, byte: int) -> float:
    groups = split(pixels, byte)
    return sum(map(entropy_of, groups)) if all(groups) else -math.inf


def agreement(pixels: Pixels, byte: int) -> float:
    hit = sum(value >= byte and salient for value, salient in pixels)
    union = sum(value >= byte or salient for value, salient in pixels)
    return hit / union


def likeness_of_area(pixels: Pixels, byte: int) -> float:
    return -abs(len(split(pixels, byte)[1]) - sum(salient for _, salient in pixels))


GOALS = {
    "otsu": variance_between,
    "kapur": entropy,
    "saliency_agreement": agreement,
    "saliency_area": likeness_of_area,
}


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda one: one.name)
@FEW
@given(pixels=PIXELS)
def test_the_choice_is_the_best_of_all_bytes(selector: Selector, pixels: Pixels) -> None:
    name = selector.name
    byte = selector.choose(histograms(pixels))
    one_valued = len({value for value, _ in pixels}) == 1
    needs_salient = name.startswith("saliency") and not any(salient for _, salient in pixels)
    assert (byte is None) == (one_valued or needs_salient)
    if byte is None or name == "triangle":
        return
    goal = [GOALS[name](pixels, each) for each in range(1, 256)]
    assert 1 <= byte <= 255
    assert goal[byte - 1] == pytest.approx(max(goal), rel=1e-9, abs=1e-12)
    # Of the bytes that cut alike it is the middle one.
    first = max([0, *(value for value, _ in pixels if value < byte)]) + 1
    last = min([255, *(value for value, _ in pixels if value >= byte)])
    if all(
        goal[each - 1] < goal[byte - 1] - 1e-9 * abs(goal[byte - 1]) - 1e-12
        for each in range(1, 256)
        if not first <= each <= last
    ):
        assert byte == (first + last) // 2


def distance(counts: list[int], peak: int, end: int, byte: int) -> float:
    """Of a bar's top below the line from the peak to the end, at right angles to it."""
    across, fall = end - peak, counts[end] - counts[peak]
    return (fall * (byte - peak) - across * (counts[byte] - counts[peak])) / math.hypot(
        across, fall
    )


@FEW
@given(pixels=PIXELS)
def test_triangle_is_furthest_below_the_line(pixels: Pixels) -> None:
    byte = triangle(histograms(pixels))
    counts = [sum(value == each for value, _ in pixels) for each in range(256)]
    there = [each for each in range(256) if counts[each]]
    if len(there) == 1:
        assert byte is None
        return
    assert byte is not None
    peak = counts.index(max(counts))
    upper = there[-1] - peak >= peak - there[0]
    end = there[-1] if upper else there[0]
    side = 1 if upper else -1
    sags = {
        each: side * distance(counts, peak, end, each)
        for each in range(min(peak, end), max(peak, end) + 1)
    }
    assert 1 <= byte <= 255
    assert sags[byte - 1] == pytest.approx(max(sags.values()), abs=1e-9)


def test_triangle_takes_the_upper_of_two_equal_sides() -> None:
    heap = [(100, False)] * 9
    assert triangle(histograms([*heap, (60, False), (140, False)])) == 102
    assert triangle(histograms([*heap, (50, False), (140, False)])) == 100
    assert triangle(histograms([(254, False)] * 2 + [(255, False)])) == 255


def test_two_heaps_are_cut_in_the_middle_of_the_gap() -> None:
    heaps = histograms([(10, False)] * 3 + [(200, True)] * 2)
    assert otsu(heaps) == kapur(heaps) == saliency_agreement(heaps) == 105
    assert saliency_area(heaps) == 105
    assert triangle(heaps) == 12  # right beside the higher heap


def test_kapur_worked_by_hand() -> None:
    # Below 2: bytes 0 and 1, one bit; from 2 on: bytes 2 to 5, two bits. No other cut has three.
    even = histograms([(byte, False) for byte in range(6)])
    assert kapur(even) == 3  # log 3 + log 3 is more than log 2 + log 4
    assert entropy([(byte, False) for byte in range(6)], 3) == pytest.approx(2 * math.log(3))


def test_saliency_rules_say_nothing_without_salient_pixels() -> None:
    grey = histograms([(10, False), (200, False)])
    assert saliency_agreement(grey) is None
    assert saliency_area(grey) is None
    assert otsu(grey) is not None


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda one: one.name)
def test_maps_of_one_value_or_none_give_no_threshold(selector: Selector) -> None:
    choose = selector.choose
    assert choose(np.zeros((2, 256), np.int64)) is None
    assert choose(histograms([(7, True)] * 4)) is None


def test_a_million_million_pixels_are_counted_alike() -> None:
    few = histograms([(3, False)] * 7 + [(90, True)] * 2 + [(200, True)])
    for selector in SELECTORS:
        assert selector.choose(few * 10**11) == selector.choose(few)


def test_every_selector_says_who_published_it() -> None:
    assert [one.name for one in SELECTORS if one.source != "wsss-assets"] == [
        "otsu",
        "kapur",
        "triangle",
    ]
    assert [one.name for one in SELECTORS if one.needs_saliency] == [
        "saliency_agreement",
        "saliency_area",
    ]
