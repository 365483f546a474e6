"""Scores in bands along the true boundaries between classes.

As in Kohli et al. (IJCV 2009) and Krähenbühl & Koltun (NIPS 2011): only pixels count that are no
farther than some pixels from a boundary. A pixel lies at a boundary, at distance 1, where one of
its four side neighbours is of another class; elsewhere its distance is 1 more than the Euclidean
distance to the nearest such pixel. The edge of the image is no boundary.

A ground truth of 255 is no class. Before distances are taken such pixels get the class that is
nearest to them, so a rim of 255 between object and background, as VOC has, puts the boundary in
its middle, and the frame of an unlabelled region is none. They are still not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import UsageError
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.evaluation.scores import (
    apply_policy,
    check_policy,
    iou,
    mean_iou,
    plain,
    score,
)
from wsss_assets.evaluation.shapes import distance_to, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.ranks import Ranks

__all__ = ["WIDTHS", "BandScores", "BoundaryBands", "boundary_distance"]

Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]

WIDTHS = (1, 2, 4, 8, 16, 32)
"""How far from a boundary the bands reach, in pixels."""

_IGNORE = 255


def boundary_distance(truth: UInt8) -> Float64:
    """How far each pixel is from a boundary between two classes, see the module.

    Args:
        truth: uint8 (H, W); 255 takes the class of the nearest other pixel first.

    Returns:
        float64 (H, W), 1 or more; inf where there is only one class.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    known = truth != _IGNORE
    if not known.all() and known.any():
        _, rows, columns = nearest(known)
        truth = truth[rows, columns]
    edge = np.zeros(truth.shape, np.bool_)
    for one, other in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differs = truth[one] != truth[other]
        edge[one] |= differs
        edge[other] |= differs
    distance: Float64 = distance_to(edge) + 1
    return distance


@dataclass(frozen=True)
class BandScores:
    """Scores by how far from a boundary pixels may be, each band in the next.

    Attributes:
        widths: how far, in pixels; the last one, None, is the whole image.
        pixels: how many are counted in each.
        miou: float64 (bands,), 0..1; NaN where no class occurs.
        per_class: float64 (bands, C + 1) IoU, background first; NaN where a class occurs neither
            in the ground truth nor in the labels of the band.
        names: by label value.
    """

    widths: tuple[int | None, ...]
    pixels: tuple[int, ...]
    miou: Float64
    per_class: Float64
    names: tuple[str, ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON-ready, a band each; documented in docs/errors.md."""
        return [
            {
                "width": width,
                "pixels": pixels,
                "miou": plain(miou),
                "per_class": {
                    name: plain(value) for name, value in zip(self.names, ious, strict=True)
                },
            }
            for width, pixels, miou, ious in zip(
                self.widths, self.pixels, self.miou, self.per_class, strict=True
            )
        ]


class BoundaryBands:
    """Adds up, along the boundaries of the ground truth, what is called what.

    Args:
        benchmark: name, or a `Benchmark` with class names of your own.
        widths: how far from a boundary the bands reach, in pixels, ascending.

    Attributes:
        rings: int64 (widths + 1, C + 1, C + 2): confusion matrices of the pixels that each band
            has and the one before has not; the last of those beyond all bands.

    Raises:
        UsageError: the widths do not ascend, or there are none.
    """

    def __init__(
        self, benchmark: Benchmark | str = "voc2012", widths: Sequence[int] = WIDTHS
    ) -> None:
        self.benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self.widths = tuple(widths)
        if not widths or min(widths) < 1 or list(widths) != sorted(set(widths)):
            raise UsageError(
                "widths of boundary bands do not ascend",
                expected=f"pixels, 1 or more, such as {', '.join(map(str, WIDTHS))}",
                found=", ".join(map(str, widths)) or "none",
            )
        classes = len(self.benchmark.classes)
        self.rings: Int64 = np.zeros((len(self.widths) + 1, classes + 1, classes + 2), np.int64)

    def update(self, label: UInt8, truth: UInt8) -> None:
        """Count one image.

        Args:
            label: uint8 (H, W): 0 background, 1..C classes, 255 ignored.
            truth: the same; pixels of 255 are not counted.

        Raises:
            SizeMismatchError: the shapes differ.
            ImageFormatError: a value is no class. Nothing was counted.
            MissingDependencyError: SciPy is not installed.
        """
        self.add(self.count(label, truth))

    def count(self, label: UInt8, truth: UInt8) -> Int64:
        """What one image adds to `rings`; changes nothing, so that threads may share it."""
        classes = len(self.benchmark.classes)
        beyond = confusion_matrix(label, truth, classes)
        rings = np.zeros_like(self.rings)
        ring = np.searchsorted(self.widths, boundary_distance(truth), side="left")
        for index in range(len(self.widths)):
            mask = ring == index
            rings[index] = confusion_matrix(label[mask], truth[mask], classes)
        rings[-1] = beyond - rings[:-1].sum(axis=0)
        return rings

    def add(self, rings: Int64) -> None:
        """Add one image that `count` counted."""
        self.rings += rings

    def merge(self, other: BoundaryBands) -> None:
        """Add what another one counted.

        Raises:
            UsageError: it has other classes or widths.
        """
        if (self.benchmark, self.widths) != (other.benchmark, other.widths):
            raise UsageError("two sets of boundary bands differ in benchmark or widths")
        self.rings += other.rings

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then."""
        ranks.add_up(self.rings)

    def compute(self, *, ignored: Policy | str | None = None) -> BandScores:
        """Scores of each band and, last, of the whole images.

        Args:
            ignored: what a predicted 255 counts as: `miss`, `background` or `drop`; needed where
                there is one.

        Raises:
            IgnoredPixelsError: 255 was predicted and there is no policy.
            UnknownNameError: no such policy.
        """
        confusions = self.rings.cumsum(axis=0)
        policy = None if ignored is None else check_policy(ignored)
        whole = score(confusions[-1], self.benchmark.label_names, ignored=policy, images=0)
        hit, predicted, true = apply_policy(confusions, whole.ignored or "miss")
        ious = iou(hit, predicted, true)
        return BandScores(
            widths=(*self.widths, None),
            pixels=tuple(true.sum(axis=-1).tolist()),
            miou=mean_iou(ious),
            per_class=ious,
            names=self.benchmark.label_names,
        )
