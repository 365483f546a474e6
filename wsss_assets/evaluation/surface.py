"""Every saliency threshold and every tau at once: the 256 × 256 surface.

For each class four planes `[saliency byte, activation byte]` are enough, counted where the
class is the strongest one: the ground truth agrees, is background, or is another class; and,
by the true class, the pixels where another class is the strongest. Suffix sums along both
axes give true positives, predicted and true pixels of every setting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import NotSweepableError, UsageError
from wsss_assets.evaluation.aligned import AlignedImage, AlignedImages, check_sweepable
from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.scores import classes_in_mean, iou, mean_iou, plain
from wsss_assets.evaluation.sweep import TAUS, provenance, require_policy
from wsss_assets.evaluation.tau_counts import suffix_sums
from wsss_assets.labels.make import byte_rule, lowest_winners, strongest
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = [
    "Surface",
    "SurfaceCells",
    "SurfaceLocator",
    "SurfaceSweep",
    "SurfaceTally",
    "check_surface",
    "surface_of",
    "sweep_surface",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

AGREES, BACKGROUND, OTHER, MISSED = range(4)
"""Planes by what the ground truth is where a class is strongest; see the module."""


@dataclass(frozen=True)
class Surface:
    """mIoU over saliency threshold and tau under one policy.

    Attributes:
        saliency_thresholds: 256 values j/255; 0 keeps the saliency soft, as in `Recipe`.
        taus: 256 values k/255.
        miou: float64 (256, 256), `miou[j, k]`, 0..1.
        classes_in_mean: over how many classes each mIoU is, int64 (256, 256).
        best: (j, k) of the best mIoU, the lowest on a tie.
        ignored: the policy; None where the recipe writes no 255.
    """

    saliency_thresholds: tuple[float, ...]
    taus: tuple[float, ...]
    miou: Float64
    classes_in_mean: Int64
    best: tuple[int, int]
    ignored: Policy | None


class SurfaceSweep:
    """Counts of all settings, from which IoU is computed class by class.

    Attributes:
        recipe: whose saliency threshold and tau were swept.
        benchmark: class names.
        images: how many were counted.
        split: name of the split; None where unknown.
        ground_truth_digest: 64 hex digits.
    """

    def __init__(
        self,
        planes: Int64,
        true_values: Int64,
        recipe: Recipe,
        benchmark: Benchmark,
        images: int,
        split: str | None,
        ground_truth_digest: str,
    ) -> None:
        """Turn planes into suffix sums, in place.

        Args:
            planes: int64 (C, 4, 256, 256): class, plane, saliency byte, activation byte;
                pixels without saliency may be missing.
            true_values: all pixels by true value, int64 (256,).
            recipe: see the attributes; so for the other arguments.
            benchmark: class names.
            images: how many were counted.
            split: name of the split.
            ground_truth_digest: 64 hex digits.
        """
        self.recipe = recipe
        self.benchmark = benchmark
        self.images = images
        self.split = split
        self.ground_truth_digest = ground_truth_digest
        soft = replace(recipe, saliency_threshold=0.0, tau=0.0)
        self._cuts = lowest_winners(soft, TAUS)
        floor = byte_rule(soft).floor
        self._soft = suffix_sums(np.stack([_soft_row(plane, floor) for plane in planes]))
        reversed_ = planes[..., ::-1, ::-1]
        np.cumsum(reversed_, axis=-1, out=reversed_)
        np.cumsum(reversed_, axis=-2, out=reversed_)
        # Without saliency no class ever wins: such a pixel counts by its true value alone.
        corner = planes[:, :, 0, 0]
        corner[0, BACKGROUND] += true_values[0] - corner[:, BACKGROUND].sum()
        known = corner[:, [AGREES, MISSED]].sum(axis=1)
        corner[:, AGREES] += true_values[1 : len(planes) + 1] - known
        self._sums = planes

    def iou(self, label: int, ignored: Policy | str | None = None) -> Float64:
        """IoU of one label value (0 background) for every setting.

        Args:
            label: 0..C.
            ignored: what a label of 255 counts as; needed where the recipe writes it.

        Returns:
            float64 (256, 256), `[j, k]` for saliency threshold j/255 and tau k/255; NaN where
            the class occurs neither in the ground truth nor in the labels.

        Raises:
            IgnoredPixelsError: the recipe writes 255 and there is no policy.
        """
        policy = require_policy(ignored, self.recipe.ignore)
        return iou(*(self._background(policy) if label == 0 else self._class(label - 1, policy)))

    def surface(self, ignored: Policy | str | None = None) -> Surface:
        """Scores of every setting.

        Raises:
            IgnoredPixelsError: the recipe writes 255 and there is no policy.
        """
        policy = require_policy(ignored, self.recipe.ignore)
        labels = range(len(self.benchmark.label_names))
        ious = np.stack([self.iou(label, policy) for label in labels], axis=-1)
        miou, counted = mean_iou(ious), classes_in_mean(ious)
        best = np.unravel_index(int(np.argmax(np.nan_to_num(miou, nan=-1))), miou.shape)
        return Surface(TAUS, TAUS, miou, counted, (int(best[0]), int(best[1])), policy)

    def to_dict(self, ignored: Policy | str | None = None) -> dict[str, Any]:
        """JSON-ready surface; the fields are documented in docs/evaluation.md."""
        surface = self.surface(ignored)
        row, column = surface.best
        return {
            **provenance(self, surface.ignored),
            "best": {
                "saliency_threshold": surface.saliency_thresholds[row],
                "tau": surface.taus[column],
                "miou": plain(surface.miou[row, column]),
                "classes_in_mean": int(surface.classes_in_mean[row, column]),
            },
            "saliency_thresholds": list(surface.saliency_thresholds),
            "taus": list(surface.taus),
            "miou": [[plain(value) for value in line] for line in surface.miou],
        }

    def _won(self, plane: int, index: int | slice = slice(None)) -> Int64:
        """Pixels where the strongest class wins, (256, 256), summed over the classes chosen."""
        sums, soft = self._sums[index, plane], self._soft[index, plane]
        if isinstance(index, slice):
            sums, soft = sums.sum(axis=0), soft.sum(axis=0)
        result = np.zeros((256, 257), np.int64)
        result[:255, :256] = sums[1:]  # saliency above j means a byte of j + 1 or more
        result[0] = soft
        return result[:, self._cuts]

    def _salient(self, plane: int, index: int | slice = slice(None)) -> Int64:
        """Pixels that are salient, (256, 1), summed over the classes chosen."""
        sums = self._sums[index, plane, :, 0]
        if isinstance(index, slice):
            sums = sums.sum(axis=0)
        return np.append(sums[1:], 0)[:, None]

    def _class(self, index: int, policy: Policy | None) -> tuple[Int64, Int64, Int64]:
        hit = self._won(AGREES, index)
        won = hit + self._won(MISSED, index)  # of this class, whoever wins
        true = np.full_like(hit, self._sums[index, [AGREES, MISSED], 0, 0].sum())
        if policy == "drop":
            true -= self._salient(AGREES, index) + self._salient(MISSED, index) - won
        predicted = hit + self._won(BACKGROUND, index) + self._won(OTHER, index)
        return hit, predicted, true

    def _background(self, policy: Policy | None) -> tuple[Int64, Int64, Int64]:
        """Counts of label 0; policy None: the recipe writes no 255."""
        spilled = self._won(BACKGROUND)
        won = spilled + self._won(AGREES) + self._won(OTHER)
        true = np.full_like(won, self._sums[:, BACKGROUND, 0, 0].sum())
        pixels = true + self._sums[:, [AGREES, OTHER], 0, 0].sum()
        hit, predicted = true - spilled, pixels - won
        if policy in {"miss", "drop"}:
            unclaimed = self._salient(BACKGROUND) - spilled
            hit = hit - unclaimed
            predicted = predicted - (
                self._salient(BACKGROUND) + self._salient(AGREES) + self._salient(OTHER) - won
            )
            if policy == "drop":
                true = true - unclaimed
        return hit, predicted, true


def sweep_surface(
    labels: Mapping[str, Sequence[int]],
    activation: Path | str | ActivationSource,
    ground_truth: Path | str,
    *,
    saliency: Path | str | SaliencySource,
    recipe: Recipe | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> SurfaceSweep:
    """Score a recipe for every saliency threshold j/255 and tau k/255 in one pass.

    Needs 42 MB of memory for the counts of VOC and 168 MB for COCO, whatever the number of
    images.

    Args:
        labels: 0-based classes by image id.
        activation: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        ground_truth: folder of label maps.
        saliency: folder of `<image id>.png`, or a source.
        recipe: the rule; None: `wsss-bed`.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        NotSweepableError: the recipe's structure does not allow it, or it uses no saliency.
        UsageError: the list is empty.
        DataError: a map is missing, unusable, or of another size; the error names it.
    """
    recipe = get_recipe() if recipe is None else recipe
    check_surface(recipe)
    images = AlignedImages(labels, saliency, activation, ground_truth, recipe, benchmark, ranks)
    classes = len(images.benchmark.classes)
    tally = SurfaceTally(classes)
    for cells in images.map(SurfaceLocator(classes), workers, progress):
        tally.add(cells)
    return surface_of(tally, recipe, images, split)


def surface_of(
    tally: SurfaceTally, recipe: Recipe, images: AlignedImages, split: str | None
) -> SurfaceSweep:
    """The sweep, when all images of this process were added; every process gets the same."""
    digest = tally.finish(images.ranks)
    return SurfaceSweep(
        tally.planes,
        tally.true_values,
        recipe,
        images.benchmark,
        len(images.labels),
        split,
        digest,
    )


def check_surface(recipe: Recipe) -> None:
    """Refuse a recipe whose saliency threshold and tau cannot be swept together.

    Raises:
        NotSweepableError: with the reason.
    """
    check_sweepable(recipe)
    if not recipe.uses_saliency:
        raise NotSweepableError(
            f"recipe {recipe.name} has no surface: it uses no saliency", hint="sweep its tau alone"
        )
    if (recipe.override_above, recipe.ignore_saliency) != (None, None):
        raise NotSweepableError(
            f"recipe {recipe.name} has no surface: its saliency threshold does not decide alone "
            "what may be foreground or ignored",
            hint="sweep its tau alone",
        )


class SurfaceTally:
    """Adds up what images add to a surface.

    Args:
        classes: how many the benchmark has.

    Attributes:
        planes: int64 (C, 4, 256, 256), whole once `finish` was called; see `SurfaceSweep`.
        true_values: all pixels by true value, int64 (256,), likewise.
    """

    def __init__(self, classes: int) -> None:
        self.planes = np.zeros((classes, 4, 256, 256), np.int64)
        self.true_values = np.zeros(256, np.int64)
        self._digest = 0

    def add(self, cells: SurfaceCells) -> None:
        """Add an image."""
        flat = self.planes.reshape(-1)
        np.add.at(flat, cells.strongest, 1)
        np.add.at(flat, cells.missed, 1)
        self.true_values += cells.true_values
        self._digest += cells.digest

    def finish(self, ranks: Ranks) -> str:
        """Add what all processes counted, and give the digest of the ground truth; once."""
        ranks.add_up(self.planes, self.true_values)
        return digest_text(ranks.everyone(self._digest))


@dataclass(frozen=True)
class SurfaceCells:
    """What one image adds to the planes (C, 4, 256, 256).

    Attributes:
        strongest: flat indices, one for each pixel with saliency, by the strongest class.
        missed: flat indices of those pixels where another class is the strongest, by the true one.
        true_values: pixels by true value, those without saliency included, int64 (256,).
        digest: of the ground truth.
    """

    strongest: NDArray[np.intp]
    missed: NDArray[np.intp]
    true_values: Int64
    digest: int


@dataclass(frozen=True)
class SurfaceLocator:
    """Finds the cells that one image adds to."""

    classes: int

    def __call__(self, image: AlignedImage) -> SurfaceCells:
        """Find those of an image."""
        if image.saliency is None:
            raise UsageError("a surface needs saliency maps")
        truth = image.truth
        alive = (image.saliency > 0) & (truth != 255)
        labels = [index + 1 for index in image.activations] or [1]
        maps = [*image.activations.values()] or [np.zeros_like(truth)]
        winner, byte = strongest(maps, labels)
        agrees, background = truth == winner, truth == 0
        # Plane of a pixel, OTHER unless it agrees or is background.
        plane = (winner - np.uint8(1)).astype(np.min_scalar_type(4 * self.classes))
        plane *= 4
        plane += np.uint8(OTHER) - np.uint8(OTHER) * agrees - background
        cell = image.saliency.astype(np.uint16)
        cell <<= 8
        cell |= byte
        located = plane[alive].astype(np.intp)
        located <<= 16
        located |= cell[alive]
        missed = np.empty(0, np.intp)
        if image.true_values[1:255].sum() > image.true_values[labels[0]] or len(labels) > 1:
            other = np.flatnonzero(~(agrees | background) & alive)
            missed = (4 * truth.ravel()[other].astype(np.intp) - 4 + MISSED) << 16
            missed |= cell.ravel()[other]
        return SurfaceCells(located, missed, image.true_values, image.digest)


def _soft_row(planes: Int64, floor: NDArray[np.uint8]) -> Int64:
    """Counts by activation byte of the pixels where soft saliency lets the class win, (4, 256)."""
    wins = np.arange(256)[None, :] > floor[:, None]
    result: Int64 = np.einsum("psm,sm->pm", planes, wins)
    return result
