from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.evaluation.sums import FractionSums

TERMS = st.lists(
    st.one_of(st.floats(-1024, 1024), st.floats(0, 1), st.just(float("nan"))), max_size=20
)


@given(TERMS, st.randoms(use_true_random=False))
def test_the_mean_is_that_of_rounded_terms_in_any_order(terms: list[float], order: object) -> None:
    sums, shuffled = FractionSums(), FractionSums()
    for term in terms:
        sums.add(term)
    order.shuffle(terms)  # type: ignore[attr-defined]
    half = FractionSums()
    for term in terms:
        (half if term == terms[0] else shuffled).add(term)
    shuffled.merge(half)
    known = [term for term in terms if not math.isnan(term)]
    assert sums.count == shuffled.count == len(known)
    assert np.array_equal(sums.means(), shuffled.means(), equal_nan=True)
    if known:
        exact = sum(map(Fraction, known), Fraction(0)) / len(known)
        assert abs(Fraction(sums.means().item()) - exact) <= abs(exact) * Fraction(
            1, 1 << 52
        ) + Fraction(1, 1 << 60)
    else:
        assert np.isnan(sums.means())


def test_arrays_and_parts_of_them() -> None:
    sums = FractionSums((2, 3))
    sums.add([[1, 2, 3], [4, 5, np.nan]])
    sums.add([10.5, -10.5], (1, [0, 2]))
    assert sums.count.tolist() == [[1, 1, 1], [2, 1, 1]]
    assert sums.means().tolist() == [[1, 2, 3], [7.25, 5, -10.5]]


@pytest.mark.parametrize("count", [1, 7])
def test_one_value_is_its_own_mean(count: int) -> None:
    sums = FractionSums()
    for _ in range(count):
        sums.add(0.123456789)
    assert sums.means() == pytest.approx(0.123456789, abs=2**-60, rel=2**-52)


@pytest.mark.parametrize(("term", "doublings"), [(1024.0, 22), (-1024.0, 23), (1 - 2**-53, 32)])
def test_as_many_terms_fit_as_is_said(term: float, doublings: int) -> None:
    sums = FractionSums()
    sums.add(term)
    for _ in range(doublings):
        sums.merge(sums)
    assert sums.count == 1 << doublings
    assert sums.means() == pytest.approx(term, abs=2**-60, rel=2**-52)
