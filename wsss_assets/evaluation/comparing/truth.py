"""Two sets of label maps against the ground truth: which is nearer to it, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import about
from wsss_assets.evaluation.comparing.bootstrap import PairedBootstrap, interval
from wsss_assets.evaluation.comparing.pairing import Worst
from wsss_assets.evaluation.confusion import confusion_matrix, empty_confusion, label_digest
from wsss_assets.evaluation.scores import apply_policy, iou, mean_iou, score
from wsss_assets.evaluation.seen import SeenImages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.scores import Scores
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import LabelFolder

__all__ = [
    "FEW_IMAGES",
    "LEAST_IMAGES",
    "ScoreChange",
    "TruthComparison",
    "TruthCounter",
    "TruthCounts",
    "TruthSums",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
UInt8: TypeAlias = NDArray[np.uint8]

LEAST_IMAGES = 2
"""Of fewer there is no interval: a bootstrap over images knows nothing of one."""

FEW_IMAGES = 30
"""Of fewer the intervals are too narrow to be relied on."""


@dataclass(frozen=True)
class ScoreChange:
    """The mIoU of one image by itself, 0..1: over the classes that are or are predicted in it."""

    image_id: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """Second less first."""
        return self.second - self.first


@dataclass(frozen=True)
class TruthComparison:
    """Both sets against the ground truth; differences are those of the second less the first.

    Attributes:
        first: scores of the first set.
        second: scores of the second set.
        difference: of the mIoU, 0..1; None where one has none.
        interval: ends of the bootstrap's percentile interval of it; None where it has none.
        first_interval: of the first set's mIoU.
        second_interval: of the second set's mIoU.
        second_higher: share of the replicates in which the second set's mIoU is the higher one;
            None, as all intervals, of one image alone: every replicate would say the same.
        per_class: by name: in how many images the class is, IoU of both, difference and its
            interval; None where there is none, as of a class that is in one image alone.
        confidence: of all intervals, 0..1.
        replicates: how many were drawn.
        complete: in how many of them every class of the ground truth has an image; where these
            are few, there are too few images for an interval.
        seed: of the drawing.
        risen: images whose own mIoU rose most.
        fallen: images whose own mIoU fell most.
    """

    first: Scores
    second: Scores
    difference: float | None
    interval: tuple[float, float] | None
    first_interval: tuple[float, float] | None
    second_interval: tuple[float, float] | None
    second_higher: float | None
    per_class: dict[str, dict[str, Any]]
    confidence: float
    replicates: int
    complete: int
    seed: int
    risen: tuple[ScoreChange, ...]
    fallen: tuple[ScoreChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/comparing.md."""
        return {
            **vars(self),
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "risen": [vars(one) for one in self.risen],
            "fallen": [vars(one) for one in self.fallen],
        }


@dataclass(frozen=True)
class TruthCounts:
    """What one image adds.

    Attributes:
        image_id: its id.
        confusions: of both sets, int64 (2, C + 1, C + 2).
        counts: hit, predicted and true pixels of both sets, int64 (2, C + 1, 3).
        weights: how often it counts in each replicate.
        digest: of its ground truth.
    """

    image_id: str
    confusions: Int64
    counts: Int64
    weights: Int64
    digest: int


@dataclass(frozen=True)
class TruthCounter:
    """Counts the two labels of an image against its ground truth.

    Attributes:
        truth: the ground truth.
        bootstrap: gives an image its weights.
        policy: for a predicted 255.
    """

    truth: LabelFolder
    bootstrap: PairedBootstrap
    policy: Policy

    def __call__(self, image_id: str, labels: Sequence[UInt8]) -> TruthCounts:
        """What an image adds.

        Raises:
            DataError: the ground truth is missing, unusable, or of another size.
        """
        truth = self.truth.read(image_id)
        classes = self.bootstrap.state.shape[1] - 1
        with about(image_id):
            confusions = np.stack([confusion_matrix(label, truth, classes) for label in labels])
        return TruthCounts(
            image_id,
            confusions,
            np.stack(apply_policy(confusions, self.policy), axis=-1),
            self.bootstrap.weights(image_id),
            label_digest(image_id, truth),
        )


class TruthSums:
    """What all images add up to.

    Args:
        bootstrap: replicates of the two sets, empty.
        most: how many images are listed.
    """

    def __init__(self, bootstrap: PairedBootstrap, most: int) -> None:
        self._bootstrap = bootstrap
        self._confusions: Int64 = np.stack([empty_confusion(bootstrap.state.shape[1] - 1)] * 2)
        self._seen = SeenImages()
        self._class_images: Int64 = np.zeros(bootstrap.state.shape[1], np.int64)
        self._risen: Worst[ScoreChange] = Worst(most)
        self._fallen: Worst[ScoreChange] = Worst(most)

    def add(self, one: TruthCounts) -> None:
        """Add one image."""
        self._confusions += one.confusions
        self._bootstrap.add(one.counts, one.weights)
        self._seen.add(one.digest)
        self._class_images += one.confusions[0].sum(axis=-1) > 0
        first, second = mean_iou(iou(*np.moveaxis(one.counts, -1, 0))).tolist()
        change = ScoreChange(one.image_id, first, second)
        if change.difference > 0:
            self._risen.add(change.difference, one.image_id, change)
        elif change.difference < 0:  # NaN, of an image without a score, is neither
            self._fallen.add(-change.difference, one.image_id, change)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then."""
        ranks.add_up(self._confusions, self._class_images)
        self._bootstrap.add_up(ranks)
        self._risen.add_up(ranks)
        self._fallen.add_up(ranks)
        self._seen.add_up(ranks)

    def result(
        self,
        benchmark: Benchmark,
        split: str | None,
        ignored: Policy | None,
        missing: tuple[str, ...],
        confidence: float,
    ) -> TruthComparison:
        """Scores, their difference and how sure it is.

        Raises:
            IgnoredPixelsError: 255 was predicted and there is no policy.
        """
        first, second = (
            score(
                confusion,
                benchmark.label_names,
                ignored=ignored,
                images=self._seen.count,
                missing=missing,
                benchmark=benchmark.name,
                split=split,
                ground_truth_digest=self._seen.digest,
                synthetic=benchmark.synthetic,
            )
            for confusion in self._confusions
        )
        ious = self._bootstrap.ious()
        mious = mean_iou(ious)
        differences = mious[1] - mious[0]
        known = differences[~np.isnan(differences)]
        by_class = interval(np.ascontiguousarray((ious[1] - ious[0]).T), confidence)
        is_sure = self._seen.count >= LEAST_IMAGES

        def ends(values: Float64) -> tuple[float, float] | None:
            return _ends(*interval(values, confidence)) if is_sure else None

        return TruthComparison(
            first=first,
            second=second,
            difference=_difference(first.miou, second.miou),
            interval=ends(differences),
            first_interval=ends(mious[0]),
            second_interval=ends(mious[1]),
            second_higher=float(np.mean(known > 0)) if is_sure and known.size else None,
            per_class=_per_class(
                first, second, self._class_images.tolist(), list(zip(*by_class, strict=True))
            ),
            confidence=confidence,
            replicates=self._bootstrap.replicates,
            complete=self._bootstrap.complete(),
            seed=self._bootstrap.seed,
            risen=tuple(self._risen.ordered()),
            fallen=tuple(self._fallen.ordered()),
        )


def _per_class(
    first: Scores,
    second: Scores,
    images: Sequence[int],
    ends: Sequence[tuple[float, float]],
) -> dict[str, dict[str, Any]]:
    pairs: Mapping[str, tuple[float | None, float | None]] = {
        name: (one.iou, second.per_class[name].iou) for name, one in first.per_class.items()
    }
    result = {}
    for (name, (before, after)), count, (low, high) in zip(
        pairs.items(), images, ends, strict=True
    ):
        difference = _difference(before, after)
        result[name] = {
            "images": count,
            "first": before,
            "second": after,
            "difference": difference,
            "interval": None if difference is None or count < LEAST_IMAGES else _ends(low, high),
        }
    return result


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _ends(low: Any, high: Any) -> tuple[float, float] | None:  # noqa: ANN401 (NumPy's numbers)
    return None if np.isnan(low) else (float(low), float(high))
