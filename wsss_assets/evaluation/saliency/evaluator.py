"""Add up the measures of saliency maps, one image at a time, and what comes of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import DataError, MissingDependencyError, SizeMismatchError, UsageError
from wsss_assets.evaluation.saliency.arrays import as_bytes, is_bool
from wsss_assets.evaluation.saliency.conventions import check_kind, check_normalisation, check_void
from wsss_assets.evaluation.saliency.measures import LEVELS, measure
from wsss_assets.evaluation.saliency.scores import CURVES, NUMBERS, THRESHOLDS, SaliencyScores
from wsss_assets.evaluation.saliency.truth import masked
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.seen import SeenImages, ids_of_batch
from wsss_assets.evaluation.sums import FractionSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wsss_assets.evaluation.saliency.measures import (
        Float64,
        ImageSaliency,
        Normalisation,
        Truth,
    )
    from wsss_assets.evaluation.saliency.truth import Kind, Void
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8

__all__ = ["SaliencyEvaluator", "naming_the_way_out"]


class SaliencyEvaluator:
    """Adds up saliency maps as they come, for loops of other projects.

    Args:
        ground_truth_kind: what a ground truth of integers holds: `binary` (object above 128) or
            `classes` (1..C object, 255 void). None: only bool arrays are taken, True where the
            object is.
        normalisation: `min-max` (of each map, as the field's evaluators do) or `raw` (byte / 255).
        void: what 255 counts as in masks of classes: `background`, `foreground`, or `drop`: it
            is left out, and there is neither S-measure nor weighted F-measure.
        weighted_f: whether to take the weighted F-measure, which needs SciPy.
        benchmark: name, or a `Benchmark`: which values are classes.

    Raises:
        UnknownNameError: no kind, normalisation, policy or benchmark of that name.

    Example:
        >>> from wsss_assets import SaliencyEvaluator
        >>> evaluator = SaliencyEvaluator("binary", weighted_f=False)
        >>> evaluator.update([[0, 51, 255]], [[0, 0, 255]])
        >>> round(evaluator.compute().mae, 4)
        0.0667
    """

    def __init__(
        self,
        ground_truth_kind: Kind | str | None = None,
        *,
        normalisation: Normalisation | str = "min-max",
        void: Void | str = "background",
        weighted_f: bool = True,
        benchmark: Benchmark | str = "voc2012",
    ) -> None:
        self.kind = None if ground_truth_kind is None else check_kind(ground_truth_kind)
        self.normalisation = check_normalisation(normalisation)
        self.void = check_void(void)
        self.weighted_f = weighted_f
        self.benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self._seen = SeenImages()
        self._numbers = FractionSums((len(NUMBERS),))
        self._curves = FractionSums((len(CURVES), LEVELS))
        # Pixels: of objects, void; images that count.
        self._counts = np.zeros(3, np.int64)

    @property
    def images(self) -> int:
        """How many were counted."""
        return self._seen.count

    def update(
        self,
        prediction: Any,  # noqa: ANN401 (array, tensor or nested sequence)
        ground_truth: Any,  # noqa: ANN401
        image_id: str | Sequence[str] | None = None,
    ) -> None:
        """Score one map, or a batch of equal size.

        Args:
            prediction: integers 0..255, (H, W) or (N, H, W): NumPy, torch on any device, or
                nested sequences. Floats are refused: how they become bytes changes the
                numbers.
            ground_truth: the same shape; bool, or integers of the kind that was named.
            image_id: id of the image, or one for each of a batch; without it the result has
                no digest of the ground truth.

        Raises:
            SizeMismatchError: the shapes differ.
            ImageFormatError: not integers, a value is no class, or another number of axes.
            UsageError: the ground truth is of integers and no kind was named, or another number
                of ids than of images. Nothing was counted.
            MissingDependencyError: SciPy is needed and not there.
        """
        guess = as_bytes(prediction, "the saliency map")
        truth = as_bytes(ground_truth, "the ground truth")
        if guess.shape != truth.shape or truth.ndim not in {2, 3}:
            raise SizeMismatchError(
                "saliency map and ground truth do not fit",
                expected="one shape, (H, W) or (N, H, W)",
                found=f"{guess.shape} and {truth.shape}",
            )
        kind = "binary" if is_bool(ground_truth) else self.kind
        if kind is None:
            raise UsageError(
                "255 is object in a binary mask and void in a mask of classes, and this ground "
                "truth may be either",
                expected="a kind of ground truth, or a bool array",
                hint="SaliencyEvaluator('binary') or SaliencyEvaluator('classes')",
            )
        batch = [(guess, truth)] if truth.ndim == 2 else list(zip(guess, truth, strict=True))
        ids = ids_of_batch(image_id, len(batch))
        classes = len(self.benchmark.classes)
        results = []
        for saliency, values in batch:
            mask = masked(values, kind, self.void, classes, "ground truth")
            results.append((self.measure(saliency, mask.truth), mask))
        for number, (measures, mask) in enumerate(results):
            self.add(measures, mask.counts, None if ids is None else mask.digest(ids[number]))

    def measure(self, saliency: UInt8, truth: Truth) -> ImageSaliency:
        """The measures of one map, without counting it."""
        with naming_the_way_out():
            return measure(saliency, truth, self.normalisation, weighted_f=self.weighted_f)

    def add(self, measures: ImageSaliency, counts: NDArray[np.int64], digest: int | None) -> None:
        """Count an image that was measured elsewhere.

        Args:
            measures: of its map.
            counts: its pixels of objects and void, and 1 if any pixel counts: int64 (3,).
            digest: its `label_digest`; None: it has no id.
        """
        self._numbers.add([getattr(measures, name) for name in NUMBERS])
        self._curves.add([getattr(measures, name) for name in CURVES])
        self._counts += counts
        self._seen.add(digest)

    def merge(self, other: SaliencyEvaluator) -> None:
        """Add what another evaluator counted.

        Raises:
            UsageError: it counts by other conventions.
        """
        if other._conventions != self._conventions:
            raise UsageError(
                "two evaluators count by different conventions",
                expected=", ".join(map(str, self._conventions)),
                found=", ".join(map(str, other._conventions)),
            )
        self._numbers.merge(other._numbers)
        self._curves.merge(other._curves)
        self._counts += other._counts
        self._seen.merge(other._seen)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then.

        Args:
            ranks: which process this is.
        """
        self._numbers.add_up(ranks)
        self._curves.add_up(ranks)
        ranks.add_up(self._counts)
        self._seen.add_up(ranks)

    @property
    def _conventions(self) -> tuple[object, ...]:
        kind = self.kind or "binary"
        return kind, self.normalisation, self.void, self.weighted_f, self.benchmark.name

    def compute(self, *, split: str | None = None, missing: tuple[str, ...] = ()) -> SaliencyScores:
        """Scores of all that was counted.

        Args:
            split: name of the split, to be said with the numbers.
            missing: ids that were passed over, to be said with the numbers.

        Raises:
            DataError: nothing was counted, or a ground truth of classes has void pixels and no
                class: binary masks would look like that.
        """
        if self.images == 0:
            raise DataError("no image was counted, so there is no score")
        kind = self.kind or "binary"
        objects, void_pixels, counted = (int(number) for number in self._counts)
        if void_pixels and not objects:
            raise DataError(
                "no ground truth holds a class, only 0 and 255",
                done="no score was given",
                hint="binary masks are read with --ground-truth-kind binary "
                "(in Python: ground_truth_kind='binary')",
            )
        numbers: dict[str, Any] = dict(zip(NUMBERS, map(plain, self._numbers.means()), strict=True))
        curves: dict[str, Any] = dict(zip(CURVES, self._curves.means(), strict=True))
        f_best, e_best = _highest(curves["f_measure"]), _highest(curves["e_measure"])
        named = kind == "classes" or split is not None
        return SaliencyScores(
            **numbers,
            **curves,
            max_f=f_best[0],
            max_f_threshold=f_best[1],
            mean_f=plain(float(curves["f_measure"].mean())),
            max_e=e_best[0],
            max_e_threshold=e_best[1],
            mean_e=plain(float(curves["e_measure"].mean())),
            images=self.images,
            empty=self.images - counted,
            missing=missing,
            normalisation=self.normalisation,
            ground_truth_kind=kind,
            void=self.void if kind == "classes" else None,
            void_pixels=void_pixels,
            benchmark=self.benchmark.name if named else None,
            split=split,
            ground_truth_digest=self._seen.digest,
            synthetic=named and self.benchmark.synthetic,
        )


@contextmanager
def naming_the_way_out() -> Iterator[None]:
    """Say of a missing SciPy that all measures but one do without it."""
    try:
        yield
    except MissingDependencyError as error:
        error.hint = (
            f"{error.hint}, or leave the weighted F-measure out with --no-weighted-f "
            "(in Python: weighted_f=False)"
        )
        raise


def _highest(curve: Float64) -> tuple[float | None, float | None]:
    """The highest value of a curve, and the lowest threshold that has it."""
    if np.isnan(curve).any():
        return None, None
    best = int(np.argmax(curve))
    return float(curve[best]), THRESHOLDS[best]
