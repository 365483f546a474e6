"""What one threshold for all costs: labels with a threshold of their own per image, class or both.

An oracle knows the ground truth and takes the best threshold; nobody can do that, but the mIoU of
its labels says what there was to gain. All are counted in the pass over the images that also gives
the curve over tau. Definitions of this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.scores import apply_policy, iou, mean_iou
from wsss_assets.evaluation.tau_counts import confusions_of

if TYPE_CHECKING:
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.sweep import TauCurve
    from wsss_assets.evaluation.tau_counts import TauCounts

__all__ = [
    "HIGHEST",
    "ImageConfusions",
    "Plateau",
    "best_tau_by_class",
    "miou_of",
    "plateau_of",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

HIGHEST = 255
"""Index of the tau that an oracle takes for a class that is not there."""

_FROM, _TO = 13, 242
"""Indices of the first tau from 0.05 on and of the last up to 0.95."""


class ImageConfusions:
    """The confusion matrices of one image, for every tau, over the values that it has.

    Args:
        counts: of the image.
        cuts: int64 (256,), the lowest byte that wins, by index of tau.
        policy: what a label of 255 counts as.

    Attributes:
        values: the m label values that its truth or its labels can have, ascending.
    """

    def __init__(self, counts: TauCounts, cuts: Int64, policy: Policy) -> None:
        there = set(np.flatnonzero(counts.true_values[:255]).tolist())
        self.values = sorted({0, *there, *(index + 1 for index in counts.present)})
        self._columns = [0, *(self.values.index(index + 1) for index in counts.present), -1]
        self._histograms = counts.of_values(self.values)
        self._present, self._cuts = counts.present, cuts
        self.of_tau = self._squared(confusions_of(self._histograms, cuts))
        self._ious = iou(*apply_policy(self.of_tau, policy))
        self._there = np.array([value in there for value in self.values])

    def best_tau(self) -> int:
        """Index of the tau with the best mean IoU over the values in its truth; lowest of equals.

        0 where the truth holds nothing but 255: no pixel counts then.
        """
        return _best(mean_iou(np.where(self._there, self._ious, np.nan)))

    def best_tau_by_class(self) -> list[int]:
        """For each class with a map, the index of the tau with its best IoU; lowest of equals."""
        return [
            _best(self._ious[:, place]) if self._there[place] else HIGHEST
            for place in map(self.values.index, (index + 1 for index in self._present))
        ]

    def of_taus(self, taus: list[int]) -> Int64:
        """The confusion matrix with a tau for each class with a map: int64 (m, m + 1)."""
        cuts = self._cuts[np.array([taus])]
        result: Int64 = self._squared(confusions_of(self._histograms, cuts))[0]
        return result

    def _squared(self, confusions: Int64) -> Int64:
        """Columns for all values, and for 255 the last: int64 (N, m, m + 1)."""
        shape = (*confusions.shape[:2], len(self.values) + 1)
        result = np.zeros(shape, np.int64)
        result[..., self._columns] = confusions
        return result


@dataclass(frozen=True)
class Plateau:
    """How much the choice of one tau matters.

    Attributes:
        share_within_5_percent: share of the 256 tau with at least 0.95 of the best mIoU.
        share_within_1_point: share of those with an mIoU within one point of the best.
        mean: mean mIoU of the tau from 0.05 to 0.95.
    """

    share_within_5_percent: float
    share_within_1_point: float
    mean: float


def plateau_of(curve: TauCurve) -> Plateau:
    """The plateau of a curve that has a best tau."""
    best = curve.miou[curve.best]
    return Plateau(
        share_within_5_percent=float(np.mean(curve.miou >= 0.95 * best)),
        share_within_1_point=float(np.mean(curve.miou >= best - 0.01)),
        mean=float(mean_iou(curve.miou[_FROM : _TO + 1])),
    )


def best_tau_by_class(curve: TauCurve, confusions: Int64) -> list[int]:
    """For each class, the index of the tau with the best IoU of the class; lowest of equals.

    A pixel whose strongest class is c is labelled by the tau of c. With ignored labels counted as
    `miss` or `background`, the IoU of c depends on no other tau, so each is the best there is.

    Args:
        curve: of the whole set.
        confusions: int64 (256, C + 1, C + 2) of the whole set.
    """
    there = confusions[0].sum(axis=-1) > 0
    columns = zip(curve.per_class.T[1:], there[1:], strict=True)
    return [_best(column) if one else HIGHEST for column, one in columns]


def miou_of(confusion: Int64, policy: Policy) -> float:
    """MIoU of one confusion matrix; NaN where no class occurs."""
    return float(mean_iou(iou(*apply_policy(confusion, policy))))


def _best(values: Float64) -> int:
    return int(np.argmax(np.nan_to_num(values, nan=-1)))
