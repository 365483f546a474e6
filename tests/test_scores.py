from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from wsss_assets.errors import IgnoredPixelsError, UnknownNameError, UsageError
from wsss_assets.evaluation.confusion import confusion_matrix, empty_confusion
from wsss_assets.evaluation.dialects import DIALECTS, POLICIES, Policy, get_dialect
from wsss_assets.evaluation.scores import ClassScores, Scores, apply_policy, check_policy, score

if TYPE_CHECKING:
    from tests.plain import Pair

QUICK = settings(max_examples=50, deadline=None)
NAMES = ("background", "cat", "dog", "cow")
CLASSES = 3
CLOSE = 1e-9
"""SEAM's 1e-10 in each denominator is smaller, a wrong pixel in these sets is larger."""


@st.composite
def sets(draw: st.DrawFn, *, with_255: bool = True) -> list[Pair]:
    """A few predictions with their ground truths; now and then a class occurs nowhere."""
    values = draw(st.lists(st.sampled_from([0, 1, 2, 3]), unique=True, min_size=1))
    guesses = st.sampled_from([*values, 255] if with_255 else values)
    truths = st.sampled_from([*values, 255])
    images = []
    for _ in range(draw(st.integers(1, 3))):
        height, width = draw(plain.SHAPES)
        size = height * width
        guess, truth = (
            np.array(draw(st.lists(kind, min_size=size, max_size=size)), np.uint8)
            for kind in (guesses, truths)
        )
        images.append((guess.reshape(height, width), truth.reshape(height, width)))
    return images


def scored(images: list[Pair], **options: Any) -> Scores:  # noqa: ANN401
    counts = empty_confusion(CLASSES)
    for pair in images:
        counts += confusion_matrix(*pair, CLASSES)
    return score(counts, NAMES, images=len(images), **options)


def ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def same(found: float | None, wanted: float | None) -> None:
    if wanted is None:
        assert found is None
    else:
        assert found == pytest.approx(wanted, abs=CLOSE)


# Policies


@pytest.mark.parametrize("policy", POLICIES)
@QUICK
@given(images=sets())
def test_policies_are_edits_of_the_label_maps(policy: Policy, images: list[Pair]) -> None:
    scores = scored(images, ignored=policy)
    counts = plain.tally(images, CLASSES, policy)
    assert list(scores.per_class) == list(NAMES)
    for found, (hit, predicted, true) in zip(scores.per_class.values(), counts, strict=True):
        assert (found.true_positives, found.predicted, found.true) == (hit, predicted, true)
        union = true + predicted - hit
        same(found.iou, ratio(hit, union))
        same(found.precision, ratio(hit, predicted))
        same(found.recall, ratio(hit, true))
        same(found.fp_rate, ratio(predicted - hit, union))
        same(found.fn_rate, ratio(true - hit, union))
    present = [line for line in counts if any(line)]
    same(scores.miou, plain.mean(plain.ious(counts)))
    assert scores.classes_in_mean == len(present)
    same(scores.precision, plain.mean(ratio(hit, predicted) for hit, predicted, _ in counts))
    same(scores.recall, plain.mean(ratio(hit, true) for hit, _, true in counts))
    same(scores.fp_rate, plain.mean(ratio(p - h, t + p - h) for h, p, t in counts))
    same(scores.fn_rate, plain.mean(ratio(t - h, t + p - h) for h, p, t in counts))
    same(
        scores.pixel_accuracy,
        ratio(sum(hit for hit, _, _ in counts), sum(true for _, _, true in counts)),
    )
    assert scores.ignored == policy
    assert scores.ignored_pixels == sum(
        int(((guess == 255) & (truth != 255)).sum()) for guess, truth in images
    )


@QUICK
@given(sets(with_255=False))
def test_policies_agree_where_nothing_is_ignored(images: list[Pair]) -> None:
    without = scored(images)
    assert without.ignored is None
    assert without.ignored_pixels == 0
    for policy in POLICIES:
        assert dataclasses.replace(scored(images, ignored=policy), ignored=None) == without


@QUICK
@given(sets(), st.sampled_from(POLICIES))
def test_iou_and_the_two_rates_make_a_whole(images: list[Pair], policy: Policy) -> None:
    for found in scored(images, ignored=policy).per_class.values():
        if found.iou is None:
            assert found.fp_rate is None
            assert found.fn_rate is None
        else:
            assert found.fp_rate is not None
            assert found.fn_rate is not None
            assert math.isclose(found.iou + found.fp_rate + found.fn_rate, 1, abs_tol=1e-12)


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_keep_leading_axes(policy: Policy) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (5, 4, 5))
    before = stack.copy()
    together = apply_policy(stack, policy)
    for index, counts in enumerate(stack):
        for found, alone in zip(together, apply_policy(counts, policy), strict=True):
            np.testing.assert_array_equal(found[index], alone)
    np.testing.assert_array_equal(stack, before)


def test_a_thousand_pixels_under_three_policies() -> None:
    truth = np.repeat(np.array([0, 1], np.uint8), [600, 400])[None]
    guess = truth.copy()
    guess[0, 500:600] = 255  # 100 of the background
    guess[0, 900:] = 255  # 100 of the class
    background_hit = 600 / 700
    assert scored([(guess, truth)], ignored="miss").miou == pytest.approx((500 / 600 + 0.75) / 2)
    assert scored([(guess, truth)], ignored="drop").miou == 1.0
    assert scored([(guess, truth)], ignored="background").miou == pytest.approx(
        (background_hit + 0.75) / 2
    )


def test_a_predicted_255_needs_a_policy_and_the_error_shows_all_three() -> None:
    truth = np.array([[0, 0, 0, 1, 1, 255]], np.uint8)
    guess = np.array([[0, 0, 255, 1, 255, 255]], np.uint8)
    with pytest.raises(IgnoredPixelsError) as caught:
        scored([(guess, truth)])
    text = str(caught.value)
    assert "2 predicted pixels" in text
    for policy in POLICIES:
        mean = plain.mean(plain.ious(plain.tally([(guess, truth)], CLASSES, policy)))
        assert mean is not None
        assert policy in text
        assert f"{mean:.2%}" in text
    assert "no score was given" in text
    assert "--ignored" in text
    assert "--as" in text


def test_255_where_the_truth_is_255_needs_none() -> None:
    both = np.array([[0, 1, 255]], np.uint8)
    assert scored([(both, both)]).miou == 1.0


def test_unknown_policies_and_dialects_are_refused() -> None:
    assert [check_policy(name) for name in plain.POLICIES] == list(POLICIES)
    with pytest.raises(UnknownNameError, match="did you mean background"):
        check_policy("backgrund")
    assert get_dialect("seam").name == "seam"
    with pytest.raises(UnknownNameError, match="did you mean mctformer"):
        get_dialect("mctformr")


# A class that occurs nowhere


def test_an_absent_class_has_no_iou_and_is_left_out() -> None:
    both = np.array([[0, 1]], np.uint8)
    scores = scored([(both, both)])
    assert scores.per_class["cow"] == ClassScores(None, None, None, None, None, 0, 0, 0)
    assert (scores.miou, scores.classes_in_mean) == (1.0, 2)
    assert (scores.precision, scores.recall, scores.fp_rate, scores.fn_rate) == (1, 1, 0, 0)


def test_a_class_that_is_only_predicted_or_only_true_counts_as_0() -> None:
    scores = scored([(np.array([[0, 1]], np.uint8), np.array([[0, 2]], np.uint8))])
    assert scores.per_class["cat"] == ClassScores(0.0, 0.0, None, 1.0, 0.0, 0, 1, 0)
    assert scores.per_class["dog"] == ClassScores(0.0, None, 0.0, 0.0, 1.0, 0, 0, 1)
    assert scores.miou == pytest.approx(1 / 3)
    assert scores.classes_in_mean == 3
    assert scores.precision == 0.5  # over background and cat
    assert scores.recall == 0.5  # over background and dog


def test_nothing_counted_gives_no_score() -> None:
    nothing = np.full((2, 2), 255, np.uint8)
    scores = scored([(np.zeros_like(nothing), nothing)])
    assert scores.miou is None
    assert scores.pixel_accuracy is None
    assert scores.classes_in_mean == 0
    json.dumps(scores.to_dict(), allow_nan=False)


# Evaluators in circulation, as their code counts


@dataclasses.dataclass
class Evaluated:
    """What an evaluator prints; NaN for an IoU that has no denominator."""

    miou: float
    ious: list[float]
    fp: float | None = None
    fn: float | None = None


def seam_like(images: list[Pair]) -> tuple[list[float], list[float], list[float]]:
    """IoU, FP and FN by class with 1e-10 in each denominator."""
    lists: tuple[list[float], list[float], list[float]] = ([], [], [])
    for value in range(CLASSES + 1):
        hit = predicted = true = 0
        for guess, truth in images:
            counted = truth < 255
            hit += int(((truth == value) & (guess == truth) & counted).sum())
            predicted += int(((guess == value) & counted).sum())
            true += int(((truth == value) & counted).sum())
        union = true + predicted - hit + 1e-10
        for line, count in zip(lists, (hit, predicted - hit, true - hit), strict=True):
            line.append(count / union)
    return lists


def square(images: list[Pair]) -> Any:  # noqa: ANN401
    """Counts [true, predicted] where both are classes; the rest is thrown away."""
    counts = np.zeros((CLASSES + 1, CLASSES + 1), np.int64)
    for guess, truth in images:
        for value, true in zip(guess.ravel(), truth.ravel(), strict=True):
            if true <= CLASSES and value <= CLASSES:
                counts[true, value] += 1
    return counts


def nan_mean(values: Any) -> float:  # noqa: ANN401
    there = [float(value) for value in values if not np.isnan(value)]
    return sum(there) / len(there) if there else math.nan


def as_seam(images: list[Pair]) -> Evaluated:
    ious, _, _ = seam_like(images)
    return Evaluated(sum(ious) / len(ious), ious)


def as_mctformer(images: list[Pair]) -> Evaluated:
    ious, fps, fns = seam_like(images)
    return Evaluated(sum(ious) / len(ious), ious, sum(fps) / len(fps), sum(fns) / len(fns))


def as_eps(images: list[Pair]) -> Evaluated:
    counts = square(images)
    with np.errstate(invalid="ignore"):
        ious = np.diag(counts) / (counts.sum(1) + counts.sum(0) - np.diag(counts))
    return Evaluated(nan_mean(ious), ious.tolist())


def as_irn(images: list[Pair]) -> Evaluated:
    counts = square([(np.where(guess == 255, 0, guess), truth) for guess, truth in images])
    true, predicted, hit = counts.sum(1), counts.sum(0), np.diag(counts)
    with np.errstate(invalid="ignore"):
        union = true + predicted - hit
        ious, fp, fn = hit / union, 1 - true / union, 1 - predicted / union
    return Evaluated(nan_mean(ious), ious.tolist(), nan_mean(fp[1:]), nan_mean(fn[1:]))


def as_mmseg(images: list[Pair]) -> Evaluated:
    areas = np.zeros((3, CLASSES + 1))
    for guess, truth in images:
        kept = truth != 255
        for value in range(CLASSES + 1):
            areas[0, value] += ((guess == value) & (guess == truth) & kept).sum()
            areas[1, value] += ((guess == value) & kept).sum()
            areas[2, value] += ((truth == value) & kept).sum()
    with np.errstate(invalid="ignore"):
        ious = areas[0] / (areas[1] + areas[2] - areas[0])
    return Evaluated(nan_mean(ious), ious.tolist())


LITERAL = {
    "eps": as_eps,
    "l2g": as_eps,
    "irn": as_irn,
    "seam": as_seam,
    "mctformer": as_mctformer,
    "mmseg": as_mmseg,
}


def test_every_dialect_is_checked_here() -> None:
    assert set(DIALECTS) == {*LITERAL, "wsss-assets"}


def plain_value(value: float) -> float | None:
    return None if math.isnan(value) else value


@pytest.mark.parametrize("name", LITERAL)
@QUICK
@given(images=sets())
def test_dialects_count_as_the_originals(name: str, images: list[Pair]) -> None:
    wanted = LITERAL[name](images)
    scores = scored(images, dialect=get_dialect(name))
    same(scores.miou, plain_value(wanted.miou))
    for found, value in zip(scores.per_class.values(), wanted.ious, strict=True):
        same(found.iou, plain_value(value))
    assert scores.dialect == name
    assert scores.ignored == get_dialect(name).ignored


@pytest.mark.parametrize("name", ["irn", "mctformer"])
@QUICK
@given(images=sets())
def test_error_rates_are_averaged_as_in_the_originals(name: str, images: list[Pair]) -> None:
    wanted = LITERAL[name](images)
    scores = scored(images, dialect=get_dialect(name))
    assert wanted.fp is not None
    assert wanted.fn is not None
    same(scores.fp_rate, plain_value(wanted.fp))
    same(scores.fn_rate, plain_value(wanted.fn))


def test_seam_averages_its_rates_without_the_background() -> None:
    guess = np.array([[0, 1, 2, 3, 3, 0]], np.uint8)
    truth = np.array([[1, 1, 2, 3, 0, 0]], np.uint8)
    _, fps, fns = seam_like([(guess, truth)])
    scores = scored([(guess, truth)], dialect=get_dialect("seam"))
    same(scores.fp_rate, sum(fps[1:]) / 3)
    same(scores.fn_rate, sum(fns[1:]) / 3)


def test_absent_classes_make_the_difference() -> None:
    both = np.array([[0, 1]], np.uint8)
    means = {name: scored([(both, both)], dialect=get_dialect(name)).miou for name in LITERAL}
    assert means.pop("seam") == pytest.approx(0.5)
    assert means.pop("mctformer") == pytest.approx(0.5)
    assert set(means.values()) == {1.0}
    assert scored([(both, both)], dialect=get_dialect("seam")).classes_in_mean == 4


def test_a_policy_that_is_not_the_dialects_is_refused() -> None:
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    guess = np.array([[0, 255, 1, 255]], np.uint8)
    with pytest.raises(UsageError, match="as eps a predicted 255 is drop, not miss"):
        scored([(guess, truth)], dialect=get_dialect("eps"), ignored="miss")
    assert scored([(guess, truth)], dialect=get_dialect("eps"), ignored="drop").miou == 1.0
    assert scored([(guess, truth)], dialect=get_dialect("eps")).miou == 1.0


# The result as data


@QUICK
@given(sets(), st.sampled_from([name for name in DIALECTS if name != "wsss-assets"]))
def test_scores_are_json(images: list[Pair], name: str) -> None:
    scores = scored(images, dialect=get_dialect(name), missing=("a",), split="val")
    values = scores.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert list(values) == [field.name for field in dataclasses.fields(Scores)]
    fields = {field.name for field in dataclasses.fields(ClassScores)}
    for line in values["per_class"].values():
        assert set(line) == fields
    assert values["missing"] == ["a"]
    assert values["split"] == "val"


def test_the_documented_fields_are_there() -> None:
    for kind in (Scores, ClassScores):
        documented = (kind.__doc__ or "").split("Attributes:")[1]
        for field in dataclasses.fields(kind):
            assert f" {field.name}: " in documented


def test_what_is_said_with_the_numbers() -> None:
    both = np.zeros((2, 2), np.uint8)
    scores = scored(
        [(both, both)],
        benchmark="three",
        split="val",
        missing=("x", "y"),
        ground_truth_digest="f" * 64,
        synthetic=True,
    )
    assert (scores.benchmark, scores.split, scores.images) == ("three", "val", 1)
    assert (scores.missing, scores.synthetic) == (("x", "y"), True)
    assert scores.ground_truth_digest == "f" * 64


def test_counts_beyond_32_bits() -> None:
    counts = empty_confusion(CLASSES)
    counts[0, 0], counts[1, 0], counts[1, 1] = 2**40, 2**33, 2**33
    scores = score(counts, NAMES, images=1)
    assert scores.per_class["cat"].iou == 0.5
    assert scores.per_class["background"].true_positives == 2**40
