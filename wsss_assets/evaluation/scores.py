"""From a confusion matrix to scores, under a named policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import IgnoredPixelsError, UnknownNameError, UsageError
from wsss_assets.evaluation.dialects import DIALECTS, POLICIES, Dialect, Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ClassScores",
    "Scores",
    "apply_policy",
    "check_policy",
    "classes_in_mean",
    "iou",
    "mean_iou",
    "plain",
    "ratio",
    "score",
]

Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]

SEAM_EPSILON = 1e-10


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class; fractions are 0..1, or None where their denominator is 0.

    Attributes:
        iou: true positives / union, union being all pixels that are or are called this class.
        precision: true positives / predicted.
        recall: true positives / true.
        fp_rate: false positives / union (as SEAM and IRN define it).
        fn_rate: false negatives / union; IoU, FP rate and FN rate add up to 1.
        true_positives: pixels.
        predicted: pixels called this class.
        true: pixels that are this class.
    """

    iou: float | None
    precision: float | None
    recall: float | None
    fp_rate: float | None
    fn_rate: float | None
    true_positives: int
    predicted: int
    true: int


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation.

    Attributes:
        miou: mean IoU over `classes_in_mean` classes, background included; pixels of the whole
            set are counted together. None where no class occurs.
        classes_in_mean: how many classes the mean is over; a class that occurs neither in the
            ground truth nor in the predictions is left out (or counted as 0 by some dialects).
        pixel_accuracy: share of the counted pixels that are right.
        precision: mean over the classes that are predicted somewhere.
        recall: mean over the classes that are true somewhere.
        fp_rate: mean of the classes' FP rates (see `dialect` for which classes).
        fn_rate: mean of the classes' FN rates.
        per_class: scores by class name, background first.
        images: how many images were counted.
        missing: ids without a prediction that were passed over on request.
        ignored: policy for a predicted 255; None where none was needed.
        ignored_pixels: how many pixels were predicted 255 where the ground truth is not.
        dialect: the evaluator whose conventions were used.
        benchmark: its name.
        split: its name, or None where unknown.
        ground_truth_digest: 64 hex digits, or None where the images had no ids.
        synthetic: whether the images were drawn by a program.
    """

    miou: float | None
    classes_in_mean: int
    pixel_accuracy: float | None
    precision: float | None
    recall: float | None
    fp_rate: float | None
    fn_rate: float | None
    per_class: dict[str, ClassScores]
    images: int
    missing: tuple[str, ...]
    ignored: Policy | None
    ignored_pixels: int
    dialect: str
    benchmark: str
    split: str | None
    ground_truth_digest: str | None
    synthetic: bool

    def provenance(self) -> dict[str, Any]:
        """What the numbers mean nothing without, JSON-ready."""
        names = "benchmark", "synthetic", "split", "images", "ground_truth_digest", "ignored"
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, named as the attributes; documented in docs/evaluation.md."""
        values = dict(vars(self))
        values["per_class"] = {name: vars(scores) for name, scores in self.per_class.items()}
        values["missing"] = list(self.missing)
        return values


def score(
    confusion: Int64,
    names: Sequence[str],
    *,
    ignored: Policy | None = None,
    dialect: Dialect = DIALECTS["wsss-assets"],
    images: int,
    missing: tuple[str, ...] = (),
    benchmark: str = "",
    split: str | None = None,
    ground_truth_digest: str | None = None,
    synthetic: bool = False,
) -> Scores:
    """Scores of a confusion matrix.

    Args:
        confusion: int64 (C + 1, C + 2), see `wsss_assets.evaluation.confusion`.
        names: C + 1 names, background first.
        ignored: policy for a predicted 255; None: the dialect's.
        dialect: conventions for the rest.
        images: how many images were counted.
        missing: see `Scores`; so for the other arguments.
        benchmark: its name.
        split: its name.
        ground_truth_digest: see `wsss_assets.evaluation.confusion.label_digest`.
        synthetic: whether the images were drawn by a program.

    Raises:
        IgnoredPixelsError: 255 was predicted and there is no policy.
        UsageError: the policy is not the dialect's.
    """
    policy = ignored or dialect.ignored
    if dialect.ignored not in {None, policy}:
        raise UsageError(
            f"as {dialect.name} a predicted 255 is {dialect.ignored}, not {policy}",
            hint="leave out one of the two (--as or --ignored)",
        )
    ignored_pixels = int(confusion[:, -1].sum())
    if policy is None and ignored_pixels:
        raise _ambiguous(confusion, ignored_pixels)
    hit, predicted, true = apply_policy(confusion, policy or "miss")
    union = true + predicted - hit
    ious = _of_union(hit, union, dialect)
    fp_rates = _of_union(predicted - hit, union, dialect)
    fn_rates = _of_union(true - hit, union, dialect)
    precision, recall = ratio(hit, predicted), ratio(hit, true)
    first = 0 if dialect.rates_of_background else 1
    return Scores(
        miou=_mean(ious),
        classes_in_mean=int(classes_in_mean(ious)),
        pixel_accuracy=float(hit.sum() / true.sum()) if true.any() else None,
        precision=_mean(precision),
        recall=_mean(recall),
        fp_rate=_mean(fp_rates[first:]),
        fn_rate=_mean(fn_rates[first:]),
        per_class={
            name: ClassScores(
                iou=plain(ious[index]),
                precision=plain(precision[index]),
                recall=plain(recall[index]),
                fp_rate=plain(fp_rates[index]),
                fn_rate=plain(fn_rates[index]),
                true_positives=int(hit[index]),
                predicted=int(predicted[index]),
                true=int(true[index]),
            )
            for index, name in enumerate(names)
        },
        images=images,
        missing=missing,
        ignored=policy,
        ignored_pixels=ignored_pixels,
        dialect=dialect.name,
        benchmark=benchmark,
        split=split,
        ground_truth_digest=ground_truth_digest,
        synthetic=synthetic,
    )


def check_policy(name: str) -> Policy:
    """`name` as a policy.

    Raises:
        UnknownNameError: it is none.
    """
    for policy in POLICIES:
        if name == policy:
            return policy
    raise UnknownNameError("policy for predicted 255", name, POLICIES)


def apply_policy(confusion: Int64, policy: Policy) -> tuple[Int64, Int64, Int64]:
    """True positives, predicted and true pixels per class.

    Args:
        confusion: int64 (..., C + 1, C + 2); leading axes are kept.
        policy: what the last column means.

    Returns:
        Three int64 (..., C + 1).
    """
    square = confusion[..., :-1]
    hit = np.diagonal(square, axis1=-2, axis2=-1).copy()
    predicted = square.sum(axis=-2)
    true = square.sum(axis=-1)
    ignored = confusion[..., -1]
    if policy == "miss":
        true += ignored
    elif policy == "background":
        true += ignored
        hit[..., 0] += ignored[..., 0]
        predicted[..., 0] += ignored.sum(axis=-1)
    return hit, predicted, true


def iou(hit: Int64, predicted: Int64, true: Int64) -> Float64:
    """IoU, NaN where a class occurs neither in the ground truth nor in the predictions."""
    return ratio(hit, true + predicted - hit)


def classes_in_mean(per_class: Float64) -> Int64:
    """Over how many classes `mean_iou` is: int64 (...) of IoU (..., C + 1), NaN where none."""
    return np.asarray(np.count_nonzero(~np.isnan(per_class), axis=-1))


def mean_iou(ious: Float64) -> Float64:
    """Mean over the last axis without NaN; NaN where nothing is left.

    Classes are added one after the other, so that one setting and a whole sweep round alike.
    """
    total = np.zeros(ious.shape[:-1])
    present = ~np.isnan(ious)
    for index in range(ious.shape[-1]):
        np.add(total, ious[..., index], out=total, where=present[..., index])
    return ratio(total, present.sum(axis=-1))


def _of_union(pixels: Int64, union: Int64, dialect: Dialect) -> Float64:
    if dialect.absent_is_zero:
        shares: Float64 = pixels / (union + SEAM_EPSILON)
        return shares
    return ratio(pixels, union)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Float64:
    """A fraction, NaN where the denominator is 0."""
    result = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _mean(values: Float64) -> float | None:
    return plain(float(mean_iou(values)))


def plain(value: float) -> float | None:
    """A number as JSON has it: None for NaN."""
    return None if np.isnan(value) else float(value)


def _ambiguous(confusion: Int64, pixels: int) -> IgnoredPixelsError:
    means = {policy: float(mean_iou(iou(*apply_policy(confusion, policy)))) for policy in POLICIES}
    return IgnoredPixelsError(
        f"{pixels} predicted pixels are 255 where the ground truth is not, and evaluators "
        "disagree on what that means",
        expected="one of: "
        f"miss (a miss of the true class; here mIoU {means['miss']:.2%}), "
        f"background (class 0; {means['background']:.2%}), "
        f"drop (the pixel is left out; {means['drop']:.2%})",
        done="no score was given",
        hint="choose with --ignored miss|background|drop (in Python: ignored=…); 'wsss-assets "
        "evaluate' also imitates evaluators by name with --as (in Python: dialect=…)",
    )
