"""How well a threshold can cut a class out of its activation map, and where it would have to lie.

For an image and a class that is there, *inside* are the bytes of the class's activation map at
the pixels of the class, *outside* those at all other pixels whose ground truth is not 255. All
measures follow from the two histograms. They are this project's own definitions, inspired by
"Threshold Matters in WSSS" (AMN, arXiv 2203.16045), which asks for an even activation inside and a
gap to the outside; its own formulas are not known to us.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.scores import mean_iou, plain
from wsss_assets.evaluation.sums import FractionSums
from wsss_assets.evaluation.tau_counts import suffix_sums

if TYPE_CHECKING:
    from wsss_assets.ranks import Ranks

__all__ = [
    "MEASURES",
    "OwnThreshold",
    "PairStatistics",
    "PairTally",
    "macro_mean",
    "measure_pair",
    "middle_of_best",
    "quantile",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

MEASURES = (
    "imbalance_cv",
    "imbalance_q",
    "gini",
    "gap_mean",
    "gap_q",
    "separable",
    "auc",
    "iou_own",
)
"""What is measured of each pair of an image and a class."""

IOU, RECALL, PRECISION = range(3)

_BYTES = np.arange(256)


@dataclass(frozen=True)
class OwnThreshold:
    """What is measured of one image and class.

    Attributes:
        measures: float64, by `MEASURES`; NaN where one does not exist.
        curves: float64 (257, 3): IoU, recall and precision of the pixels with at least this byte;
            NaN: the precision of nothing.
        best: the byte with the best IoU, the middle of the lowest run of such bytes.
    """

    measures: Float64
    curves: Float64
    best: int


def measure_pair(inside: Int64, outside: Int64) -> OwnThreshold:
    """Measure one activation map.

    Args:
        inside: int64 (256,), pixels of the class by activation byte; at least one.
        outside: int64 (256,), the other counted pixels by activation byte.
    """
    curves = _curves(inside, outside)
    best = middle_of_best(curves[:256, IOU])
    gap_q = _gap_q(inside, outside)
    values = {
        "imbalance_cv": _coefficient_of_variation(inside),
        "imbalance_q": (quantile(inside, 9, 10) - quantile(inside, 1, 10)) / 255,
        "gini": _gini(inside),
        "gap_mean": _mean(inside) - _mean(outside),
        "gap_q": gap_q,
        "separable": gap_q if np.isnan(gap_q) else float(gap_q > 0),
        "auc": _auc(inside, outside),
        "iou_own": curves[best, IOU],
    }
    return OwnThreshold(np.array([values[name] for name in MEASURES]), curves, best)


def quantile(histogram: Int64, numerator: int, denominator: int) -> int:
    """The smallest byte with at least this share of the pixels at or below it.

    Exact, without interpolation: NumPy's method `inverted_cdf`.

    Args:
        histogram: int64 (256,), not empty.
        numerator: of the share.
        denominator: of the share.
    """
    below = histogram.cumsum()
    return int(np.argmax(below * denominator >= below[-1] * numerator))


def middle_of_best(values: NDArray[Any]) -> int:
    """The middle of the lowest run of the highest value, the lower of two middles.

    Args:
        values: (N,), without NaN.
    """
    best = values == values.max()
    first = int(np.argmax(best))
    after = int(np.argmin(best[first:])) or len(best) - first
    return first + (after - 1) // 2


@dataclass(frozen=True)
class PairStatistics:
    """Means over pairs of an image and a class; NaN where there is nothing to average.

    Attributes:
        n: pairs; of a mean over classes: classes.
        imbalance_cv: standard deviation of the activation inside over its mean.
        imbalance_q: 90 % quantile less 10 % quantile inside, 0..1.
        gini: Gini coefficient of the activation inside, 0..1.
        gap_mean: mean inside less mean outside, -1..1.
        gap_q: 10 % quantile inside less 90 % quantile outside, -1..1.
        separable: share of pairs whose `gap_q` is above 0.
        auc: chance that a pixel inside is above one outside; ties count one half.
        best_tau_median: median of the pairs' best own thresholds.
        best_tau_std: their standard deviation.
        distance: mean distance of the best own threshold from the global one.
        iou_own: IoU of each map at its own best threshold.
        iou_global: IoU of each map at the global threshold.
        recall_global: recall of each map at the global threshold.
        precision_global: precision there, of the maps that claim a pixel.
    """

    n: int
    imbalance_cv: float
    imbalance_q: float
    gini: float
    gap_mean: float
    gap_q: float
    separable: float
    auc: float
    best_tau_median: float
    best_tau_std: float
    distance: float
    iou_own: float
    iou_global: float
    recall_global: float
    precision_global: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, named as the attributes; documented in docs/thresholds.md."""
        values = asdict(self)
        return {"n": values.pop("n")} | {name: plain(value) for name, value in values.items()}


class PairTally:
    """Adds up pairs, class by class; the sums do not depend on the order.

    Args:
        classes: how many the benchmark has; row C of all sums is that of all pairs.

    Attributes:
        best: int64 (C + 1, 256), pairs by best own threshold.
    """

    def __init__(self, classes: int) -> None:
        self.best = np.zeros((classes + 1, 256), np.int64)
        self._measures = FractionSums((classes + 1, len(MEASURES)))
        self._curves = FractionSums((classes + 1, 257, 3))

    def add(self, index: int, pair: OwnThreshold) -> None:
        """Add a pair of 0-based class `index`."""
        rows = [index, len(self.best) - 1]
        self.best[rows, pair.best] += 1
        self._measures.add(np.stack([pair.measures] * 2), rows)
        self._curves.add(np.stack([pair.curves] * 2), rows)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes summed."""
        ranks.add_up(self.best)
        self._measures.add_up(ranks)
        self._curves.add_up(ranks)

    def statistics(self, winner: int) -> list[PairStatistics]:
        """By class, and last of all pairs.

        Args:
            winner: the lowest byte of the global threshold that wins, 0..256.
        """
        measures, curves = self._measures.means(), self._mean_curves[:, winner]
        return [
            PairStatistics(
                n=int(best.sum()),
                **dict(zip(MEASURES, map(float, row), strict=True)),
                **_spread(best, winner),
                iou_global=float(curve[IOU]),
                recall_global=float(curve[RECALL]),
                precision_global=float(curve[PRECISION]),
            )
            for row, curve, best in zip(measures, curves, self.best, strict=True)
        ]

    def common(self) -> tuple[int, float]:
        """The byte that cuts all maps best on average, and their mean IoU there; NaN: no pair."""
        mean = self._mean_curves[-1, :256, IOU]
        if np.isnan(mean).any():
            return 0, float("nan")
        byte = middle_of_best(mean)
        return byte, float(mean[byte])

    @cached_property
    def _mean_curves(self) -> Float64:
        """Looked at only when all were added."""
        return self._curves.means()


def macro_mean(rows: list[PairStatistics]) -> PairStatistics:
    """The mean over classes that have pairs, each class counting the same."""
    there = [asdict(row) for row in rows if row.n]
    names = [name for name in asdict(rows[0]) if name != "n"]
    table = np.array([[row[name] for row in there] for name in names]).reshape(len(names), -1)
    return PairStatistics(len(there), **dict(zip(names, map(float, mean_iou(table)), strict=True)))


def _curves(inside: Int64, outside: Int64) -> Float64:
    hit, claimed = suffix_sums(inside), suffix_sums(inside + outside)
    true = hit[0]
    precision = np.full(257, np.nan)
    np.divide(hit, claimed, out=precision, where=claimed > 0)
    return np.stack([hit / (true + claimed - hit), hit / true, precision], axis=-1)


def _mean(histogram: Int64) -> float:
    pixels = int(histogram.sum())
    return int(histogram @ _BYTES) / (255 * pixels) if pixels else float("nan")


def _coefficient_of_variation(histogram: Int64) -> float:
    pixels, total = int(histogram.sum()), int(histogram @ _BYTES)
    squares = int(histogram @ _BYTES**2)  # Python's integers do not overflow below
    return sqrt(pixels * squares - total**2) / total if total else float("nan")


def _gini(histogram: Int64) -> float:
    """Mean difference of two pixels over twice their mean."""
    total, below = int(histogram @ _BYTES), histogram.cumsum()
    between = int((below * (below[-1] - below)).sum())  # the byte lies between two pixels
    return between / (int(below[-1]) * total) if total else float("nan")


def _gap_q(inside: Int64, outside: Int64) -> float:
    if not outside.any():
        return float("nan")
    return (quantile(inside, 1, 10) - quantile(outside, 9, 10)) / 255


def _auc(inside: Int64, outside: Int64) -> float:
    pairs = int(inside.sum()) * int(outside.sum())
    twice_below = 2 * outside.cumsum() - outside
    return int(inside @ twice_below) / (2 * pairs) if pairs else float("nan")


def _spread(best: Int64, winner: int) -> dict[str, float]:
    """Median, spread and distance from the global threshold of best own thresholds."""
    names = ("best_tau_median", "best_tau_std", "distance")
    pairs = int(best.sum())
    if not pairs:
        return dict.fromkeys(names, float("nan"))
    total, squares = int(best @ _BYTES), int(best @ _BYTES**2)
    deviation = sqrt(pairs * squares - total**2) / pairs
    distance = int(best @ np.abs(_BYTES - winner)) / pairs
    values = (quantile(best, 1, 2), deviation, distance)
    return {name: value / 255 for name, value in zip(names, values, strict=True)}
