"""Counts of a reference map beside another one: every eta and every threshold in one pass.

At a pixel only four things matter: the class whose maps these are, whether the pixel is of that
class, the byte of the reference and the byte of the map under test. So a histogram `[class, of the
class or not, reference byte, tested byte]` holds all that `wsss_assets.evaluation.regions.analyse`
measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError, UsageError
from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.scores import iou, mean_iou
from wsss_assets.evaluation.tau_counts import suffix_sums

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.regions.images import ClassPixels, RegionImages
    from wsss_assets.parallel import Progress

__all__ = [
    "OF_CLASS",
    "OTHER",
    "RegionCounts",
    "Regions",
    "count_regions",
    "first_byte",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

OF_CLASS, OTHER = range(2)
"""What a valid pixel is to a class: G and B of docs/regions.md."""


@dataclass(frozen=True)
class Regions:
    """The regions of one eta, and what of them the map under test reaches at every threshold.

    Attributes:
        inside: int64 (C, 2, 256): pixels of C, where the reference is at least eta, by class, by
            `OF_CLASS` or `OTHER`, whose tested byte is k or more. At 0 these are the
            discriminative region and the reference's false positives.
        outside: the same of the other valid pixels. At 0 these are the non-discriminative region
            and the clean background.
    """

    inside: Int64
    outside: Int64


@dataclass(frozen=True)
class RegionCounts:
    """What one pass over the images counts.

    Attributes:
        joint: int64 (C, 2, 256, 256): class, `OF_CLASS` or `OTHER`, reference byte, tested byte;
            pixels, of the images that have the class in the list.
        benchmark: class names.
        images: how many were counted.
        pairs: how many pairs of an image and one of its classes.
        split: name of the split; None where unknown.
        ground_truth_digest: 64 hex digits.
    """

    joint: Int64
    benchmark: Benchmark
    images: int
    pairs: int
    split: str | None
    ground_truth_digest: str

    def reference_iou(self) -> Float64:
        """Mean IoU of {reference ≥ k/255} over the classes, float64 (256,)."""
        return _mean_foreground_iou(self.joint.sum(axis=3))

    def tested_iou(self) -> Float64:
        """Mean IoU of {map under test ≥ k/255} over the classes, float64 (256,)."""
        return _mean_foreground_iou(self.joint.sum(axis=2))

    def regions(self, eta: int) -> Regions:
        """The regions of a reference byte.

        Args:
            eta: 0..255; see `first_byte`.
        """
        whole = self.joint.sum(axis=2)
        inside = self.joint[:, :, eta:].sum(axis=2)
        return Regions(suffix_sums(inside)[..., :256], suffix_sums(whole - inside)[..., :256])


def count_regions(
    images: RegionImages,
    *,
    split: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RegionCounts:
    """Count the images of a list.

    Needs 21 MB of memory for the counts of VOC and 84 MB for COCO, whatever the number of images.

    Args:
        images: reads them; where several processes share the list, all get the same result.
        split: its name, to be said with the numbers.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.

    Raises:
        DataError: a map is missing, unusable, or of another size; the error names it. Or no image
            has a pixel of one of its classes.
    """
    joint = np.zeros((len(images.benchmark.classes), 2, 256, 256), np.int64)
    flat, digest = joint.reshape(len(joint), -1), 0
    for image_digest, found in images.map(_occupied, workers, progress):
        digest += image_digest
        for index, (cells, counts) in found.items():
            flat[index, cells] += counts
    images.ranks.add_up(joint)
    if not joint[:, OF_CLASS].any():
        raise DataError(
            "there is nothing to score: no image has a pixel of one of its classes",
            expected="masks that hold class c of the list as the value c + 1",
            found=f"{int(joint.sum())} valid pixels (255 is not valid), all of other values",
            hint="is this the right list, benchmark and ground truth?",
        )
    return RegionCounts(
        joint=joint,
        benchmark=images.benchmark,
        images=len(images.labels),
        pairs=sum(len(set(classes)) for classes in images.labels.values()),
        split=split,
        ground_truth_digest=digest_text(images.ranks.everyone(digest)),
    )


def first_byte(threshold: float, name: str = "threshold") -> int:
    """The lowest byte that reaches a threshold: float32(byte) / 255 ≥ float32(threshold).

    Args:
        threshold: 0..1.
        name: what to call it in the error.

    Raises:
        UsageError: it is outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"{name} {threshold:g} is no threshold", expected="a number from 0 to 1")
    scores = np.arange(256, dtype=np.float32) / np.float32(255)
    return int(np.searchsorted(scores, np.float32(threshold)))


def _occupied(pixels: ClassPixels) -> tuple[NDArray[np.intp], Int64]:
    """Flat indices into (2, 256, 256) and how many pixels are there; few of them are occupied."""
    cell = (~pixels.of_class).astype(np.uint32)
    cell <<= 8
    cell |= pixels.reference
    cell <<= 8
    cell |= pixels.tested
    counts = np.bincount(cell, minlength=2 << 16)
    occupied = np.flatnonzero(counts)
    return occupied, counts[occupied]


def _mean_foreground_iou(histograms: Int64) -> Float64:
    """float64 (256,) from (C, 2, 256); the mean is over the classes that have a union."""
    reached = suffix_sums(histograms)[..., :256]
    hit = reached[:, OF_CLASS]
    return mean_iou(iou(hit, reached.sum(axis=1), hit[:, :1]).T)
