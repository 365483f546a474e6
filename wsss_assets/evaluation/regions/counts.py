"""Counts of a reference map beside another one: every eta and every threshold in one pass.

At a pixel only four things matter: the class whose maps these are, whether the pixel is of that
class, the byte of the reference and the byte of the map under test. So a histogram `[class, of the
class or not, reference byte, tested byte]` holds all that `wsss_assets.evaluation.regions.analyse`
measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.errors import DataError, SizeMismatchError, UsageError
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.confusion import check_counts, digest_text
from wsss_assets.evaluation.scores import iou, mean_iou
from wsss_assets.evaluation.sweep import suffix_sums
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import LabelFolder, open_activations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = [
    "OF_CLASS",
    "OTHER",
    "ClassPixels",
    "LabelMasks",
    "RegionCounts",
    "RegionImages",
    "Regions",
    "count_regions",
    "first_byte",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
UInt8: TypeAlias = NDArray[np.uint8]
Result = TypeVar("Result")

OF_CLASS, OTHER = range(2)
"""What a valid pixel is to a class: G and B of docs/regions.md."""


class LabelMasks:
    """Pseudo-labels in place of activation maps: 255 where a pixel has the class's label, else 0.

    Args:
        folder: label maps `<image id>.png` or `.npy`; a label of 255 is of no class.
        benchmark: name or `Benchmark`: which values are labels.
    """

    def __init__(self, folder: Path | str, benchmark: Benchmark | str = "voc2012") -> None:
        self._labels = LabelFolder(Path(folder))
        known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self._classes = len(known.classes)

    def __str__(self) -> str:
        return str(self._labels.folder)

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) of 0 and 255 by class; see `ActivationSource`.

        Raises:
            DataError: there is no label map of that name, or it holds what is no label.
        """
        label = self._labels.read(image_id)
        values = np.bincount(label.ravel(), minlength=256)
        check_counts(values, self._classes, f"prediction of {image_id}")
        return {index: (label == index + 1) * np.uint8(255) for index in classes}

    def version(self, image_id: str, classes: Sequence[int]) -> str:  # noqa: ARG002
        """See `ActivationSource`; nothing is known."""
        return ""


@dataclass(frozen=True)
class ClassPixels:
    """The valid pixels of an image, for one of its classes.

    Attributes:
        index: the 0-based class.
        reference: uint8 (N,) bytes of the reference map.
        tested: uint8 (N,) bytes of the map under test.
        of_class: bool (N,): the ground truth is the class.
    """

    index: int
    reference: UInt8
    tested: UInt8
    of_class: NDArray[np.bool_]


class RegionImages:
    """Reads reference, map under test and ground truth of the images of a list.

    Args:
        labels: 0-based classes by image id.
        reference: folder or source of the reference maps.
        tested: folder or source of the maps under test.
        ground_truth: folder of label maps.
        benchmark: name or `Benchmark`.
        ranks: which process this is.

    Raises:
        UsageError: the list is empty.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[int]],
        reference: Path | str | ActivationSource,
        tested: Path | str | ActivationSource,
        ground_truth: Path | str,
        benchmark: Benchmark | str,
        ranks: Ranks = ALONE,
    ) -> None:
        unused = get_recipe().changed(saliency=False)
        self._images = AlignedImages(labels, None, tested, ground_truth, unused, benchmark, ranks)
        self._reference = open_activations(reference)
        self.benchmark = self._images.benchmark

    def map(
        self,
        function: Callable[[ClassPixels], Result],
        workers: int | None,
        progress: Progress | None,
    ) -> Iterable[tuple[int, dict[int, Result]]]:
        """Digest of the ground truth and `function` of each class, image by image, in order.

        Raises:
            DataError: a map is missing, unusable, or of another size; the error names it.
        """

        def work(image: AlignedImage) -> tuple[int, dict[int, Result]]:
            return image.digest, {one.index: function(one) for one in self._classes(image)}

        return self._images.map(work, workers, progress)

    def _classes(self, image: AlignedImage) -> Iterable[ClassPixels]:
        references = self._reference.read(image.image_id, [*image.activations])
        valid = image.truth != 255
        truth = image.truth[valid]
        for index, tested in image.activations.items():
            reference = references[index]
            if reference.shape != image.truth.shape:
                raise SizeMismatchError(
                    f"{image.image_id}: the reference map of class {index} does not fit the "
                    "ground truth",
                    expected=f"{image.truth.shape} (height, width)",
                    found=f"{reference.shape}",
                    hint="resize it yourself: how maps are resized changes the score",
                )
            yield ClassPixels(index, reference[valid], tested[valid], truth == index + 1)


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
    labels: Mapping[str, Sequence[int]],
    images: RegionImages,
    *,
    split: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> RegionCounts:
    """Count the images of a list.

    Needs 21 MB of memory for the counts of VOC and 84 MB for COCO, whatever the number of images.

    Args:
        labels: 0-based classes by image id, those of `images`.
        images: reads them.
        split: its name, to be said with the numbers.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

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
    ranks.add_up(joint)
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
        images=len(labels),
        pairs=sum(len(set(classes)) for classes in labels.values()),
        split=split,
        ground_truth_digest=digest_text(ranks.everyone(digest)),
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
