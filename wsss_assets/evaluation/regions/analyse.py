"""What a map adds to a reference CAM: discriminative and non-discriminative regions.

A reference map calls pixels a class where it is at least eta: C. The pixels of the class within C
are its discriminative region, those outside its non-discriminative region (NDR). A map under test
is measured in each of the two, and in what C takes wrongly and what it leaves out rightly.

These definitions are this project's own, inspired by "Beyond Discriminative Regions: Saliency Maps
as Alternatives to CAMs for Weakly Supervised Semantic Segmentation" (arXiv 2308.11052), whose
formulas they are not. They are written out in docs/regions.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.regions.counts import count_regions, first_byte
from wsss_assets.evaluation.regions.images import LabelMasks, RegionImages
from wsss_assets.evaluation.regions.measures import (
    AT_THRESHOLD,
    WITHOUT_THRESHOLD,
    at_threshold,
    curve,
    without_threshold,
)
from wsss_assets.evaluation.scores import mean_iou, plain
from wsss_assets.evaluation.sums import FractionSums
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.regions.counts import RegionCounts, Regions
    from wsss_assets.evaluation.regions.images import ClassPixels
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = ["DEFINITION", "ETAS", "RegionMean", "RegionScores", "analyse_regions"]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

ETAS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Where it is looked how much the choice of eta matters."""

DEFINITION = (
    "wsss-assets' own definitions, inspired by arXiv 2308.11052, whose formulas they are not"
)

PIXELS = ("discriminative", "non_discriminative", "false_positives", "background")
"""The four regions of a class."""


@dataclass(frozen=True)
class RegionMean:
    """A mean over what has the measure.

    Attributes:
        mean: None where nothing has it.
        count: over how many classes, or pairs of an image and a class, the mean is.
    """

    mean: float | None
    count: int


@dataclass(frozen=True)
class RegionScores:
    """How a map compares with a reference; fractions are 0..1, or None where they do not exist.

    The measures are named in `wsss_assets.evaluation.regions.measures` and defined in
    docs/regions.md.

    Attributes:
        eta: threshold of the reference: C is where it is at least that.
        threshold: threshold of the map under test; None for masks.
        reference_iou: mean IoU of C, without background.
        tested_iou: mean IoU of the pixels predicted from the map under test.
        means: mean over the classes, by measure; pixels of a class are counted over all images.
        per_class: the same by class name and measure.
        pixels: pixels of the four regions by class name.
        sensitivity: means by eta, with the same threshold.
        curve: `ndr_fpr` and `ndr_recall` at thresholds k/255, means over the classes that have
            both; 256 numbers each.
        image_means: mean over pairs of an image and a class, by measure; None where not asked for.
        images: how many were counted.
        pairs: how many pairs of an image and one of its classes.
        benchmark: its name.
        split: its name, or None where unknown.
        ground_truth_digest: 64 hex digits.
        synthetic: whether the images were drawn by a program.
    """

    eta: float
    threshold: float | None
    reference_iou: float | None
    tested_iou: float | None
    means: dict[str, RegionMean]
    per_class: dict[str, dict[str, float | None]]
    pixels: dict[str, dict[str, int]]
    sensitivity: dict[float, dict[str, RegionMean]]
    curve: dict[str, tuple[float | None, ...]]
    image_means: dict[str, RegionMean] | None
    images: int
    pairs: int
    benchmark: str
    split: str | None
    ground_truth_digest: str
    synthetic: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, named as the attributes; documented in docs/regions.md."""
        values = asdict(self)
        values["sensitivity"] = [
            {"eta": eta, "means": means} for eta, means in values["sensitivity"].items()
        ]
        return {"definition": DEFINITION, **values}


def analyse_regions(
    labels: Mapping[str, Sequence[int]],
    reference: Path | str | ActivationSource,
    tested: Path | str | ActivationSource,
    ground_truth: Path | str,
    *,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    eta: float | None = None,
    threshold: float | None = None,
    per_image_means: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> RegionScores:
    """Measure what a map adds to a reference CAM, in one pass over the images.

    A class counts in the images that the list says show it; a class in a mask that the list does
    not have is, to the others, one of the pixels that are not of them.

    Args:
        labels: 0-based classes by image id.
        reference: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source: the CAM.
        tested: the same, or `LabelMasks` of a folder of pseudo-labels.
        ground_truth: folder of label maps.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        eta: 0..1; None: the byte threshold at which the reference has the best mean IoU.
        threshold: 0..1; None: the one at which the map under test has the best mean IoU.
        per_image_means: also means over images and classes, which takes a second pass.
        workers: threads; None: one per core. The results are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        UsageError: the list is empty, a threshold is outside 0..1, or masks are given one.
        DataError: a map is missing, unusable, or of another size; the error names it.
    """
    masks = isinstance(tested, LabelMasks)
    if masks and threshold is not None:
        raise UsageError("masks have no threshold", found=f"a threshold of {threshold:g}")
    bytes_given = [
        None if value is None else first_byte(value, name)
        for value, name in ((eta, "eta"), (threshold, "threshold"))
    ]
    images = RegionImages(labels, reference, tested, ground_truth, benchmark, ranks)
    counts = count_regions(images, split=split, workers=workers, progress=progress)
    ious = counts.reference_iou(), counts.tested_iou()
    eta_byte, byte = (
        int(np.argmax(np.nan_to_num(values, nan=-1))) if given is None else given
        for values, given in zip(ious, bytes_given, strict=True)
    )
    byte = 255 if masks else byte
    regions = counts.regions(eta_byte)
    names = counts.benchmark.classes
    measured = _measured(regions, byte, masks)
    return RegionScores(
        eta=TAUS[eta_byte] if eta is None else eta,
        threshold=None if masks else TAUS[byte] if threshold is None else threshold,
        reference_iou=plain(ious[0][eta_byte]),
        tested_iou=plain(ious[1][byte]),
        means=_means(measured),
        per_class={
            name: {measure: plain(values[index]) for measure, values in measured.items()}
            for index, name in enumerate(names)
        },
        pixels=_pixels(regions, names),
        sensitivity={
            one: _means(_measured(counts.regions(first_byte(one)), byte, masks)) for one in ETAS
        },
        curve=_mean_curve(regions),
        image_means=_image_means(images, _PairMeasures(eta_byte, byte), workers, progress)
        if per_image_means
        else None,
        **_provenance(counts),
    )


@dataclass(frozen=True)
class _PairMeasures:
    """The measures of one image and class at given bytes, float64 (8,)."""

    eta: int
    threshold: int

    def __call__(self, pixels: ClassPixels) -> Float64:
        kind = (pixels.reference < self.eta) * np.uint8(4)  # outside C
        kind += ~pixels.of_class * np.uint8(2)
        kind += pixels.tested >= self.threshold
        counts = np.bincount(kind, minlength=8).reshape(2, 2, 2)  # outside, other, predicted
        measures = at_threshold(*counts[..., 1], *counts.sum(axis=-1))
        return np.array([measures[name] for name in AT_THRESHOLD])


def _image_means(
    images: RegionImages,
    measures: _PairMeasures,
    workers: int | None,
    progress: Progress | None,
) -> dict[str, RegionMean]:
    sums = FractionSums((len(AT_THRESHOLD),))
    for _, found in images.map(measures, workers, progress):
        for values in found.values():
            sums.add(values)
    sums.add_up(images.ranks)
    return {
        name: RegionMean(plain(mean), int(count))
        for name, mean, count in zip(AT_THRESHOLD, sums.means(), sums.count, strict=True)
    }


def _measured(regions: Regions, byte: int, masks: bool) -> dict[str, Float64]:
    """All measures, float64 (C,) by name; masks have none of those without a threshold."""
    sides = regions.inside, regions.outside
    found = at_threshold(*(side[..., byte] for side in sides), *(side[..., 0] for side in sides))
    if masks:
        nothing = np.full(len(regions.inside), np.nan)
        return {**found, **dict.fromkeys(WITHOUT_THRESHOLD, nothing)}
    return {**found, **without_threshold(regions)}


def _means(measured: Mapping[str, Float64]) -> dict[str, RegionMean]:
    return {
        name: RegionMean(plain(float(mean_iou(values))), int(np.count_nonzero(~np.isnan(values))))
        for name, values in measured.items()
    }


def _mean_curve(regions: Regions) -> dict[str, tuple[float | None, ...]]:
    rate, recall = curve(regions)
    both = ~np.isnan(rate[:, 0]) & ~np.isnan(recall[:, 0])
    means = mean_iou(rate[both].T), mean_iou(recall[both].T)
    return {
        name: tuple(plain(value) for value in values)
        for name, values in zip(("ndr_fpr", "ndr_recall"), means, strict=True)
    }


def _pixels(regions: Regions, names: Sequence[str]) -> dict[str, dict[str, int]]:
    inside, outside = regions.inside[..., 0], regions.outside[..., 0]
    columns = inside[:, 0], outside[:, 0], inside[:, 1], outside[:, 1]
    return {
        name: dict(zip(PIXELS, map(int, line), strict=True))
        for name, line in zip(names, zip(*columns, strict=True), strict=True)
    }


def _provenance(counts: RegionCounts) -> dict[str, Any]:
    return {
        "images": counts.images,
        "pairs": counts.pairs,
        "benchmark": counts.benchmark.name,
        "split": counts.split,
        "ground_truth_digest": counts.ground_truth_digest,
        "synthetic": counts.benchmark.synthetic,
    }
