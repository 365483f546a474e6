"""How good one saliency map is: error, precision and recall, F, S and E from one histogram.

At a pixel only its byte, whether it is foreground, and in which of four quadrants it lies matter to
all measures but one. So an image is a histogram `[quadrant, foreground, byte]` of integers, and
each measure is a sum over its 2048 cells. The weighted F-measure depends on distances and is
taken from the pixels.

Constants and conventions are those of PySODMetrics (Pang, 2020), the evaluator in common use, and
of the MATLAB code of the measures' authors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import SizeMismatchError
from wsss_assets.evaluation.saliency.structure import s_measure
from wsss_assets.evaluation.saliency.weighted import weighted_f_measure

if TYPE_CHECKING:
    from wsss_assets.storage.images import UInt8

__all__ = ["BETA_SQUARED", "LEVELS", "ImageSaliency", "Normalisation", "Truth", "measure"]

Bool: TypeAlias = NDArray[np.bool_]
Float64: TypeAlias = NDArray[np.float64]
Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

Normalisation: TypeAlias = Literal["min-max", "raw"]
"""What a map goes through first: its own range becomes 0..1, or nothing."""

BETA_SQUARED = 0.3
"""Weight of precision against recall in the F-measure (Achanta et al., CVPR 2009)."""

LEVELS = 256
"""Thresholds of the curves: k / 255."""

_EPSILON = float(np.finfo(np.float64).eps)
_QUADRANTS = 4


@dataclass(frozen=True)
class ImageSaliency:
    """The measures of one image; NaN where one does not exist.

    Attributes:
        mae: mean absolute error, 0..1.
        adaptive_f: F-measure at twice the mean of the map.
        adaptive_e: E-measure at that threshold.
        s_measure: structure measure.
        weighted_f: weighted F-measure.
        precision: float64 (256,) by threshold k / 255.
        recall: likewise.
        f_measure: likewise.
        e_measure: likewise.
    """

    mae: float
    adaptive_f: float
    adaptive_e: float
    s_measure: float
    weighted_f: float
    precision: Float64
    recall: Float64
    f_measure: Float64
    e_measure: Float64


@dataclass(frozen=True)
class Truth:
    """What is foreground in an image, and what follows from it for any map.

    Attributes:
        foreground: bool (H, W).
        counted: bool (H, W), False where a pixel is left out, if only in other images; None: all
            count.
    """

    foreground: Bool
    counted: Bool | None = None

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """Where each pixel's histogram begins, intp (H, W).

        They lie by quadrant and foreground; that of pixels that are left out lies behind all.
        """
        row, column = self._split
        cells = self.foreground.astype(np.intp)
        cells[row:] += 4
        cells[:, column:] += 2
        if self.counted is not None:
            cells[~self.counted] = 2 * _QUADRANTS
        cells *= LEVELS
        return cells

    @cached_property
    def nearest(self) -> tuple[Float64, Int32, Int32]:
        """Distance of every pixel to the nearest foreground pixel, and its row and column."""
        from wsss_assets.evaluation import shapes

        return shapes.nearest(self.foreground)

    @property
    def _split(self) -> tuple[int, int]:
        """First row and column behind the centroid, which itself lies before them."""
        rows, columns = (np.count_nonzero(self.foreground, axis=axis) for axis in (1, 0))
        pixels = int(rows.sum())
        if pixels == 0:
            return 0, 0
        # Halves go to the even neighbour.
        row, column = (
            round(int(counts @ np.arange(counts.size)) / pixels) for counts in (rows, columns)
        )
        return row + 1, column + 1


def measure(
    saliency: UInt8, truth: Truth, normalisation: Normalisation, *, weighted_f: bool = True
) -> ImageSaliency:
    """All measures of one map.

    Args:
        saliency: uint8 (H, W).
        truth: of the same size.
        normalisation: `min-max`: the lowest byte of the map becomes 0 and the highest 1 (a
            constant map stays byte / 255); `raw`: byte / 255.
        weighted_f: whether to take the weighted F-measure, which needs SciPy; else it is NaN,
            as it and the S-measure are where pixels may be left out.

    Raises:
        SizeMismatchError: the sizes differ.
        MissingDependencyError: SciPy is needed and not there.
    """
    if saliency.shape != truth.foreground.shape:
        raise SizeMismatchError(
            "saliency map and ground truth differ in size",
            expected=f"{truth.foreground.shape} (height, width), as the ground truth",
            found=f"{saliency.shape}",
            hint="resize it yourself: how maps are resized changes the score",
        )
    size = (2 * _QUADRANTS + 1) * LEVELS
    cells = np.bincount((truth.cells + saliency).ravel(), minlength=size).reshape(-1, LEVELS)
    counts = cells[:-1].reshape(_QUADRANTS, 2, LEVELS)
    everywhere = cells.sum(axis=0)
    values = _values(everywhere, normalisation)
    background, foreground = counts.sum(axis=0)
    whole = truth.counted is None
    # Levels are cut off, not rounded. Suffix sums: pixels at or above each of them.
    levels = (values * (LEVELS - 1)).astype(np.intp)
    hits, alarms = (_at_or_above(levels, part) for part in (foreground, background))
    chosen = _adaptive(everywhere, normalisation)
    hit, alarm = (part[chosen].sum(keepdims=True) for part in (foreground, background))
    totals = int(foreground.sum()), int(background.sum())
    precision, recall, f_measure = f_curves(hits, alarms, totals)
    return ImageSaliency(
        mae=_mae(foreground, background, values),
        adaptive_f=f_curves(hit, alarm, totals)[2].item(),
        adaptive_e=e_curve(hit, alarm, totals).item(),
        s_measure=s_measure(counts, values) if whole else np.nan,
        weighted_f=weighted_f_measure(values[saliency], truth) if whole and weighted_f else np.nan,
        precision=precision,
        recall=recall,
        f_measure=f_measure,
        e_measure=e_curve(hits, alarms, totals),
    )


def f_curves(
    hits: Int64, alarms: Int64, totals: tuple[int, int]
) -> tuple[Float64, Float64, Float64]:
    """Precision, recall and F-measure (Achanta et al., CVPR 2009) of several binary maps.

    Without a salient pixel precision is 0, without a foreground pixel recall is 0, and without
    a hit F is 0.

    Args:
        hits: salient foreground pixels, (N,).
        alarms: salient background pixels, (N,).
        totals: foreground and background pixels; with neither all are NaN.
    """
    if sum(totals) == 0:
        nothing = np.full(hits.shape, np.nan)
        return nothing, nothing, nothing
    precision = hits / np.maximum(hits + alarms, 1)
    recall = hits / max(totals[0], 1)
    above = (1 + BETA_SQUARED) * precision * recall
    below = BETA_SQUARED * precision + recall
    return precision, recall, above / np.where(above == 0, 1, below)


def e_curve(hits: Int64, alarms: Int64, totals: tuple[int, int]) -> Float64:
    """E-measure (Fan et al., IJCAI 2018) of several binary maps, from four counts each.

    Enhanced alignment depends on a pixel only by whether it is salient and whether it is
    foreground, so no pixel has to be visited. As in the authors' code the sum is divided by
    one pixel less than there are, so a perfect map may have slightly more than 1.

    Args:
        hits: salient foreground pixels, (N,).
        alarms: salient background pixels, (N,).
        totals: foreground and background pixels; with a single one, or none, all are NaN.
    """
    foreground, background = totals
    pixels = foreground + background
    if pixels < 2:
        return np.full(hits.shape, np.nan)
    salient = hits + alarms
    if foreground == 0:
        return (pixels - salient) / (pixels - 1)
    if background == 0:
        return salient / (pixels - 1)
    share, true_share = salient / pixels, foreground / pixels
    total = np.zeros(hits.shape)
    for number, is_salient, is_true in (
        (hits, 1, 1),
        (alarms, 1, 0),
        (foreground - hits, 0, 1),
        (background - alarms, 0, 0),
    ):
        guess, truth = is_salient - share, is_true - true_share
        aligned = 2 * guess * truth / (guess * guess + truth * truth + _EPSILON)
        total += number * (aligned + 1) ** 2 / 4
    return total / (pixels - 1)


def _values(counts: Int64, normalisation: Normalisation) -> Float64:
    """The value 0..1 of each byte; bytes that do not occur are cut to it."""
    values = np.arange(LEVELS) / (LEVELS - 1)
    low, high = _range(counts, normalisation)
    unit: Float64 = np.clip((values - values[low]) / (values[high] - values[low]), 0, 1)
    return unit


def _range(counts: Int64, normalisation: Normalisation) -> tuple[int, int]:
    """The bytes that become 0 and 1."""
    there = np.flatnonzero(counts)
    if normalisation == "raw" or there.size < 2:
        return 0, LEVELS - 1
    return int(there[0]), int(there[-1])


def _adaptive(counts: Int64, normalisation: Normalisation) -> Bool:
    """Which bytes reach twice the mean, or 1 if that is less; compared in integers."""
    low, high = _range(counts, normalisation)
    above = np.arange(LEVELS) - low
    return (above * int(counts.sum()) >= 2 * int(counts @ above)) | (above >= high - low)


def _at_or_above(levels: NDArray[np.intp], counts: Int64) -> Int64:
    """How many pixels have each level or a higher one: int64 (256,)."""
    # Weights are float64: exact, an image having fewer than 2**53 pixels.
    histogram = np.bincount(levels, weights=counts, minlength=LEVELS).astype(np.int64)
    sums: Int64 = histogram[::-1].cumsum()[::-1]
    return sums


def _mae(foreground: Int64, background: Int64, values: Float64) -> float:
    """Mean absolute error (Perazzi et al., CVPR 2012)."""
    pixels = int(foreground.sum() + background.sum())
    if pixels == 0:
        return np.nan
    return float((foreground @ (1 - values) + background @ values) / pixels)
