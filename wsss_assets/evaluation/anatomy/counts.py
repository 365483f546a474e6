"""Anatomy of errors: which kinds there are, per class and per size of the object.

An object is an 8-connected part of one class in the ground truth. What the kinds are, and what
each costs, is in `wsss_assets.evaluation.anatomy.kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import DataError, UsageError
from wsss_assets.evaluation.anatomy.kinds import (
    CONFUSED,
    IGNORED,
    KINDS,
    MISSED_OBJECT,
    MISSED_PART,
    OF_OBJECTS,
    RIGHT,
    AnatomyCounts,
    AnatomyResult,
)
from wsss_assets.evaluation.confusion import confusion_matrix, label_digest
from wsss_assets.evaluation.scores import check_policy, score
from wsss_assets.evaluation.seen import SeenImages
from wsss_assets.evaluation.shapes import components

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.ranks import Ranks

__all__ = ["FOUND_FROM", "KINDS", "SIZES", "AnatomyCounts", "AnatomyResult", "ErrorAnatomy"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]

SIZES: dict[str, int] = {"tiny": 0, "small": 16**2, "medium": 32**2, "large": 96**2}
"""From how many pixels on an object has a size: COCO's limits, and its small cut in two.

Rims of 255 and things in front cut slivers off objects, which are tiny objects here.
"""

FOUND_FROM = 0.1
"""The share of an object that must be hit for it to be found."""


class ErrorAnatomy:
    """Adds up the kinds of errors of label maps as they come.

    Args:
        benchmark: name, or a `Benchmark` with class names of your own.
        sizes: from how many pixels on an object has a size, by name, the smallest first and
            from 0 on; see `SIZES`.
        found_from: the share of an object that must be hit for it to be found, 0..1.

    Raises:
        UnknownNameError: no such benchmark.
        UsageError: sizes do not ascend from 0, or the share is none.

    Example:
        >>> import numpy as np
        >>> from wsss_assets import ErrorAnatomy
        >>> anatomy = ErrorAnatomy("voc2012")
        >>> truth = np.array([[1, 1, 0, 0, 0]], np.uint8)
        >>> label = np.array([[0, 1, 1, 0, 1]], np.uint8)
        >>> anatomy.update(label, truth)
        >>> result = anatomy.compute()
        >>> result.pixels["missed_part"], result.pixels["spill"], result.pixels["phantom"]
        (1, 1, 1)
    """

    def __init__(
        self,
        benchmark: Benchmark | str = "voc2012",
        *,
        sizes: Mapping[str, int] | None = None,
        found_from: float = FOUND_FROM,
    ) -> None:
        self.benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self.sizes = dict(SIZES if sizes is None else sizes)
        self.found_from = found_from
        limits = list(self.sizes.values())
        if not limits or limits[0] != 0 or limits != sorted(set(limits)):
            raise UsageError(
                "sizes of objects do not ascend from 0", found=str(limits), expected=str(SIZES)
            )
        if not 0 <= found_from <= 1:
            raise UsageError(f"an object is found from {found_from} on", expected="a share, 0 to 1")
        self.counts = AnatomyCounts.zeros(len(self.benchmark.classes), len(limits))
        self._seen = SeenImages()

    @property
    def images(self) -> int:
        """How many were counted."""
        return self._seen.count

    def update(self, label: UInt8, truth: UInt8, image_id: str | None = None) -> None:
        """Count one image.

        Args:
            label: uint8 (H, W): 0 background, 1..C classes, 255 ignored.
            truth: the same; pixels of 255 are not counted.
            image_id: its id; without it the result has no digest of the ground truth.

        Raises:
            SizeMismatchError: the shapes differ.
            ImageFormatError: a value is no class. Nothing was counted.
        """
        digest = None if image_id is None else label_digest(image_id, truth)
        self.add(self.count(label, truth), digest)

    def count(self, label: UInt8, truth: UInt8) -> AnatomyCounts:
        """What one image adds; changes nothing, so that threads may share it."""
        classes = len(self.benchmark.classes)
        confusion = confusion_matrix(label, truth, classes)
        counts = AnatomyCounts.zeros(classes, len(self.sizes))
        counts.confusion[...] = confusion
        for index in np.flatnonzero(confusion[1:].any(axis=1)):
            self._count_objects(counts, int(index), label, truth)
        for index in np.flatnonzero(confusion[0, 1:-1]):
            spill = _attached(label, truth, int(index) + 1)
            counts.strays[index] = spill, confusion[0, index + 1] - spill
        return counts

    def add(self, counts: AnatomyCounts, digest: int | None = None) -> None:
        """Add one image that `count` counted.

        Args:
            counts: of it.
            digest: its `label_digest`; None where it has no id.
        """
        self.counts.add(counts)
        self._seen.add(digest)

    def merge(self, other: ErrorAnatomy) -> None:
        """Add what another one counted.

        Raises:
            UsageError: it counts other classes, sizes or another share.
        """
        mine, its = (
            (one.benchmark, list(one.sizes.items()), one.found_from) for one in (self, other)
        )
        if mine != its:
            raise UsageError("two anatomies count different benchmarks, sizes or shares")
        self.counts.add(other.counts)
        self._seen.merge(other._seen)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then."""
        ranks.add_up(*self.counts.arrays)
        self._seen.add_up(ranks)

    def compute(
        self, *, ignored: Policy | str | None = None, split: str | None = None
    ) -> AnatomyResult:
        """The anatomy of all that was counted.

        Args:
            ignored: what a predicted 255 counts as in IoU: `miss`, `background` or `drop`; needed
                where there is one.
            split: name of the split, to be said with the numbers.

        Raises:
            DataError: nothing was counted.
            IgnoredPixelsError: 255 was predicted and there is no policy.
            UnknownNameError: no such policy.
        """
        if self.images == 0:
            raise DataError("no image was counted, so there are no errors to take apart")
        scores = score(
            self.counts.confusion,
            self.benchmark.label_names,
            ignored=None if ignored is None else check_policy(ignored),
            images=self.images,
            benchmark=self.benchmark.name,
            split=split,
            ground_truth_digest=self._seen.digest,
            synthetic=self.benchmark.synthetic,
        )
        return AnatomyResult(self.counts, self.sizes, self.found_from, scores)

    def _count_objects(self, counts: AnatomyCounts, index: int, label: UInt8, truth: UInt8) -> None:
        """Add the objects of a class, 0-based, to the counts."""
        parts, number = components(truth == index + 1)
        inside = np.flatnonzero(parts)
        part, called = parts.ravel()[inside] - 1, label.ravel()[inside]

        def among(mask: NDArray[np.bool_]) -> Int64:
            return np.bincount(part[mask], minlength=number)

        area = np.bincount(part, minlength=number)
        hit, empty, ignored = (among(called == value) for value in (index + 1, 0, 255))
        missed = hit / area < self.found_from
        outcome = np.zeros((number, len(OF_OBJECTS)), np.int64)
        outcome[:, RIGHT] = hit
        outcome[:, MISSED_OBJECT] = empty * missed
        outcome[:, MISSED_PART] = empty * ~missed
        outcome[:, IGNORED] = ignored
        outcome[:, CONFUSED] = area - hit - empty - ignored
        size = np.searchsorted(list(self.sizes.values()), area, side="right") - 1
        np.add.at(counts.pixels[index], size, outcome)
        np.add.at(counts.objects[index], (size, (~missed).astype(np.intp)), 1)


def _attached(label: UInt8, truth: UInt8, value: int) -> int:
    """Background pixels called a class, in parts of it that have a pixel of that class."""
    parts, number = components(label == value)
    reaches = np.zeros(number + 1, np.bool_)
    reaches[parts[truth == value]] = True
    reaches[0] = False  # no part
    return int(np.count_nonzero(reaches[parts[truth == 0]]))
