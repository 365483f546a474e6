"""Thresholds chosen without ground truth, from histograms of the maps alone.

A selector sees how many pixels have which activation byte, in the salient region and outside of
it, and gives the lowest byte that is foreground. Where several bytes are equally good, it is the
middle of the lowest run of them (`triangle`: the lowest). Pixels that the ground truth leaves out
are not left out here: a selector does not see the ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.tau_counts import suffix_sums
from wsss_assets.evaluation.thresholds.own import middle_of_best

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SELECTORS",
    "Selector",
    "kapur",
    "otsu",
    "saliency_agreement",
    "saliency_area",
    "triangle",
]

Int64: TypeAlias = NDArray[np.int64]

REST, SALIENT = range(2)


@dataclass(frozen=True)
class Selector:
    """A rule that chooses a threshold.

    Attributes:
        name: what it is called.
        source: who published it, or that it is defined here.
        choose: the lowest foreground byte, 1..255, of histograms int64 (2, 256): by activation
            byte the pixels that are not salient, and those that are; None where the rule says
            nothing: all pixels have one byte, or it needs salient pixels and there are none.
        needs_saliency: whether it does.
    """

    name: str
    source: str
    choose: Callable[[Int64], int | None]
    needs_saliency: bool = False


def otsu(histograms: Int64) -> int | None:
    """The byte that separates two groups whose means lie furthest apart (Otsu 1979).

    Maximises the variance between the groups. See `Selector.choose`.

    Example:
        >>> histograms = np.zeros((2, 256), np.int64)
        >>> histograms[0, [10, 200]] = 5
        >>> otsu(histograms)
        105
    """
    counts = histograms.sum(axis=0)
    if _one_valued(counts):
        return None
    above = suffix_sums(counts)[1:256].astype(np.float64)
    mass_above = suffix_sums(counts * np.arange(256))[1:256].astype(np.float64)
    pixels, mass = float(counts.sum()), float(counts @ np.arange(256))
    both = above * (pixels - above)
    between = np.zeros(255)
    np.divide((mass * above - mass_above * pixels) ** 2, both, out=between, where=both > 0)
    return 1 + middle_of_best(between)


def kapur(histograms: Int64) -> int | None:
    """The byte that leaves most entropy in both groups together (Kapur, Sahoo, Wong 1985).

    See `Selector.choose`.
    """
    counts = histograms.sum(axis=0)
    if _one_valued(counts):
        return None
    # Entropy of a group with counts c and sum s: log s - sum(c log c) / s.
    weighted = counts * np.log(np.maximum(counts, 1))
    groups = (
        (counts.cumsum()[:255], weighted.cumsum()[:255]),
        (counts[::-1].cumsum()[254::-1], weighted[::-1].cumsum()[254::-1]),
    )
    both = (groups[0][0] > 0) & (groups[1][0] > 0)
    entropy = np.where(both, 0.0, -np.inf)
    for size, mass in groups:
        entropy[both] += np.log(size[both]) - mass[both] / size[both]
    return 1 + middle_of_best(entropy)


def triangle(histograms: Int64) -> int | None:
    """The byte where the histogram sags most below the line from its peak to its far end.

    The far end is the last byte that occurs on the longer side of the peak, the upper one if both
    are equal; the peak is the lowest of the highest (Zack, Rogers, Latt 1977, without their
    offset). Bytes above the one found are foreground. See `Selector.choose`.
    """
    counts = histograms.sum(axis=0)
    if _one_valued(counts):
        return None
    first, last = np.flatnonzero(counts)[[0, -1]]
    peak = int(np.argmax(counts))
    end = int(last if last - peak >= peak - first else first)
    between = np.arange(min(peak, end), max(peak, end) + 1)
    # Twice the area of the triangle that a point makes with the line; all in integers.
    sag = abs(end - peak) * (counts[peak] - counts[between]) - np.abs(between - peak) * (
        counts[peak] - counts[end]
    )
    return int(between[np.argmax(sag)]) + 1  # both ends lie on the line, so it is below 255


def saliency_agreement(histograms: Int64) -> int | None:
    """The byte at which foreground and salient region overlap best, by IoU.

    This project's own. See `Selector.choose`.
    """
    if _one_valued(histograms.sum(axis=0)) or not histograms[SALIENT].any():
        return None
    claimed = suffix_sums(histograms)[:, 1:256]
    overlap = claimed[SALIENT] / (histograms[SALIENT].sum() + claimed[REST])
    return 1 + middle_of_best(overlap)


def saliency_area(histograms: Int64) -> int | None:
    """The byte at which the foreground is nearest to the salient region in size.

    This project's own. See `Selector.choose`.
    """
    if _one_valued(histograms.sum(axis=0)) or not histograms[SALIENT].any():
        return None
    claimed = suffix_sums(histograms.sum(axis=0))[1:256]
    return 1 + middle_of_best(-np.abs(claimed - histograms[SALIENT].sum()))


SELECTORS = (
    Selector("otsu", "Otsu 1979", otsu),
    Selector("kapur", "Kapur, Sahoo, Wong 1985", kapur),
    Selector("triangle", "Zack, Rogers, Latt 1977", triangle),
    Selector("saliency_agreement", "wsss-assets", saliency_agreement, needs_saliency=True),
    Selector("saliency_area", "wsss-assets", saliency_area, needs_saliency=True),
)
"""All rules, in the order of the documentation."""


def _one_valued(counts: Int64) -> bool:
    return int(np.count_nonzero(counts)) < 2
