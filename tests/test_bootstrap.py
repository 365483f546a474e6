from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.comparing.bootstrap import PairedBootstrap, image_weights, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.plain import Int64
    from wsss_assets.evaluation.comparing.bootstrap import Float64

FIRST_WEIGHTS = [2, 2, 2, 1, 0, 0, 2, 1, 1, 0, 1, 1]
"""Of image 2007_000032 with seed 0: published intervals must not change."""


def drawn(count: int, classes: int = 4, seed: int = 0, better: float = 0.02) -> Int64:
    """Plausible counts of some images, int64 (count, 2, classes + 1, 3); the second set is better.

    Each image has the background and one or two classes, and its own difficulty.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros((count, 2, classes + 1, 3), np.int64)
    for one in counts:
        present = [0, *random.choice(np.arange(1, classes + 1), random.integers(1, 3), False)]
        easy = random.beta(6, 3)
        for index in present:
            true = int(random.integers(2_000, 20_000))
            for number in (0, 1):
                share = np.clip(easy + number * better + random.normal(0, 0.03), 0, 1)
                hit = int(true * share)
                one[number, index] = hit, hit + int(random.integers(0, 4_000)), true
    return counts


def plain_miou(counts: Int64) -> float:
    """Mean IoU of summed counts (C + 1, 3), class by class."""
    ious = []
    for hit, predicted, true in counts.tolist():
        if predicted + true - hit:
            ious.append(hit / (predicted + true - hit))
    return sum(ious) / len(ious) if ious else math.nan


def filled(counts: Int64, replicates: int = 1000, seed: int = 0, salt: str = "") -> PairedBootstrap:
    bootstrap = PairedBootstrap(counts.shape[2] - 1, replicates, seed)
    for number, one in enumerate(counts):
        bootstrap.add(one, bootstrap.weights(f"{salt}{number}"))
    return bootstrap


def differences(bootstrap: PairedBootstrap) -> Float64:
    first, second = bootstrap.mious()
    result: Float64 = second - first
    return result


# Weights


def test_weights_are_those_of_the_first_day() -> None:
    assert image_weights("2007_000032", 12, 0).tolist() == FIRST_WEIGHTS


@given(st.text(max_size=12), st.integers(0, 1 << 70))
def test_weights_invert_the_distribution_of_poisson(image_id: str, seed: int) -> None:
    raw = np.random.PCG64(int(hashlib.sha256(f"{seed}\n{image_id}".encode()).hexdigest(), 16))
    # 1/e between two sums of its alternating series, closer than 64 bits can tell.
    inverse = sum((Fraction((-1) ** k, math.factorial(k)) for k in range(31)), Fraction())
    expected = []
    for bits in raw.random_raw(20).tolist():
        share, number = inverse, 0
        while Fraction(bits, 1 << 64) >= share:
            number += 1
            share += inverse / math.factorial(number)
        expected.append(number)
    assert image_weights(image_id, 20, seed).tolist() == expected


def test_weights_are_poisson_and_independent() -> None:
    drawn_weights = np.stack([image_weights(f"image {number}", 1000, 3) for number in range(200)])
    count = drawn_weights.size
    for number in range(6):
        share = math.exp(-1) / math.factorial(number)
        spread = math.sqrt(share * (1 - share) / count)
        assert abs((drawn_weights == number).mean() - share) < 4.5 * spread
    assert abs(drawn_weights.var() - 1) < 0.02
    between = np.asarray(np.corrcoef(drawn_weights))[np.triu_indices(200, 1)]
    assert abs(between.mean()) < 4 / math.sqrt(1000 * between.size)
    assert not np.array_equal(image_weights("a", 50, 0), image_weights("a", 50, 1))
    assert np.array_equal(image_weights("a", 50, 0), image_weights("a", 80, 0)[:50])


# Replicates


@given(st.permutations(range(6)), st.integers(0, 6))
def test_replicates_are_sums_in_any_order_and_of_any_parts(order: list[int], cut: int) -> None:
    counts = drawn(6)
    whole = filled(counts, replicates=7)
    expected = np.zeros((2, 5, 3, 7), np.int64)
    for number, one in enumerate(counts):
        for replicate, weight in enumerate(image_weights(str(number), 7, 0).tolist()):
            expected[..., replicate] += weight * one
    assert np.array_equal(whole.state, expected)
    parts = [PairedBootstrap(4, 7), PairedBootstrap(4, 7)]
    for place, number in enumerate(order):
        part = parts[place >= cut]
        part.add(counts[number], part.weights(str(number)))
    assert np.array_equal(parts[0].state + parts[1].state, whole.state)


def test_scores_of_replicates_are_those_of_their_counts() -> None:
    bootstrap = filled(drawn(5), replicates=40)
    for number, mious in enumerate(bootstrap.mious()):
        expected = [plain_miou(bootstrap.state[number, :, :, k]) for k in range(40)]
        assert mious.tolist() == pytest.approx(expected, abs=1e-15, nan_ok=True)


def test_a_set_with_itself_differs_by_nothing_and_swapping_negates() -> None:
    counts = drawn(30)
    same = filled(counts[:, [0, 0]])
    assert not differences(same).any()
    assert [float(end) for end in interval(differences(same))] == [0.0, 0.0]
    low, high = interval(differences(filled(counts)))
    swapped_low, swapped_high = interval(differences(filled(counts[:, ::-1])))
    assert (swapped_low, swapped_high) == (-high, -low)
    assert low < high


def test_it_agrees_with_the_plain_bootstrap() -> None:
    """Images drawn with replacement, as many as there are, one replicate after the other."""
    counts = drawn(80)
    random = np.random.default_rng(1)
    plain = []
    for _ in range(3000):
        chosen = counts[random.integers(0, len(counts), len(counts))].sum(axis=0)
        plain.append(plain_miou(chosen[1]) - plain_miou(chosen[0]))
    ours = differences(filled(counts, 3000))
    spread = float(np.std(plain))
    assert float(ours.std()) == pytest.approx(spread, rel=0.1)
    assert float(ours.mean()) == pytest.approx(float(np.mean(plain)), abs=0.1 * spread)
    for end, share in zip(interval(ours), (0.025, 0.975), strict=True):
        assert float(end) == pytest.approx(float(np.quantile(plain, share)), abs=0.2 * spread)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    total = drawn(20_000, seed=999).sum(axis=0)
    true = plain_miou(total[1]) - plain_miou(total[0])
    trials, covered = 150, 0
    for trial in range(trials):
        counts = drawn(60, seed=trial)
        low, high = interval(differences(filled(counts, 300, salt=f"{trial} ")), 0.9)
        covered += bool(low <= true <= high)
    # 0.9 within three standard errors (0.024), and a little less, as of any percentile interval.
    assert 0.8 <= covered / trials <= 0.975


def test_replicates_without_a_class_are_told() -> None:
    counts = np.zeros((2, 2, 4, 3), np.int64)
    counts[0, :, 0] = counts[1, :, 1] = 5
    bootstrap = filled(counts, 500)
    weights = np.stack([image_weights(str(number), 500, 0) for number in (0, 1)])
    assert bootstrap.complete() == int((weights > 0).all(axis=0).sum()) < 400


@pytest.mark.parametrize(("replicates", "seed"), [(0, 0), (10, -1)])
def test_what_cannot_be_drawn_is_refused(replicates: int, seed: int) -> None:
    with pytest.raises(UsageError, match="no bootstrap can be drawn"):
        PairedBootstrap(3, replicates, seed)


# Intervals


VALUES = st.lists(st.one_of(st.floats(-1, 1), st.just(math.nan)), min_size=1, max_size=120)


@given(VALUES, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_ends_are_order_statistics(values: Sequence[float], confidence: float) -> None:
    known = sorted(value for value in values if not math.isnan(value))
    tail = (1 - Fraction(str(confidence))) / 2
    place = math.floor((len(known) + 1) * tail)
    low, high = interval(np.array(values), confidence)
    if place == 0:
        assert np.isnan(low)
        assert np.isnan(high)
    else:
        assert [float(low), float(high)] == [known[place - 1], known[-place]]
        negated = interval(-np.array(values), confidence)
        assert (float(negated[0]), float(negated[1])) == (-float(high), -float(low))


def test_a_thousand_replicates_leave_out_24_at_each_end() -> None:
    low, high = interval(np.arange(1000.0), 0.95)
    assert [float(low), float(high)] == [24, 975]
    assert interval(np.arange(999.0), 0.9)[0] == 49  # the 50th


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(UsageError, match=r"expected a number between 0 and 1, e\.g\. 0\.95"):
        interval(np.zeros(3), confidence)
