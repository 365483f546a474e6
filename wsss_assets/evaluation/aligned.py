"""The maps and the ground truth of one image, read together and checked to fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import NotSweepableError, SizeMismatchError, UsageError
from wsss_assets.evaluation.confusion import check_counts, count_runs, label_digest, run_ends
from wsss_assets.evaluation.image_lists import check_all_there, lack, lack_of_classes
from wsss_assets.labels.folder import open_saliency_for
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import (
    ActivationFolder,
    LabelFolder,
    SaliencyFolder,
    open_activations,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wsss_assets.evaluation.image_lists import Lack
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["AlignedImage", "AlignedImages", "check_size", "check_sweepable"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class AlignedImage:
    """One image's maps and ground truth, all of one size.

    Attributes:
        image_id: its id.
        saliency: uint8 (H, W); None where the recipe uses none.
        activations: uint8 (H, W) by 0-based class, in ascending order of class.
        truth: uint8 (H, W) class indices, checked.
    """

    image_id: str
    saliency: UInt8 | None
    activations: dict[int, UInt8]
    truth: UInt8

    @property
    def digest(self) -> int:
        """The number that stands for its ground truth."""
        return label_digest(self.image_id, self.truth, self._runs)

    @property
    def true_values(self) -> NDArray[np.int64]:
        """How many pixels have each true value: int64 (256,)."""
        return count_runs(self.truth.ravel(), self._runs, 256)

    @cached_property
    def _runs(self) -> NDArray[np.intp]:
        return run_ends(self.truth.ravel())


class AlignedImages:
    """Reads this process's share of the images of a list, on several threads, in order.

    Args:
        labels: 0-based classes by image id.
        saliency: folder or source; None where the recipe uses none.
        activation: folder or source.
        ground_truth: folder of label maps.
        recipe: decides whether saliency is read.
        benchmark: name or `Benchmark`.
        ranks: which process this is.

    Raises:
        UsageError: the list is empty, or the recipe needs saliency maps.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty, or has nothing for some images; the error
            counts and names them, before any is read. Of sources this is not known beforehand.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[int]],
        saliency: Path | str | SaliencySource | None,
        activation: Path | str | ActivationSource,
        ground_truth: Path | str,
        recipe: Recipe,
        benchmark: Benchmark | str,
        ranks: Ranks = ALONE,
    ) -> None:
        if not labels:
            raise UsageError("the label list is empty, so there is nothing to score")
        self.labels = labels
        self.ranks = ranks
        self.benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self.benchmark.check_classes(labels)
        self._saliency = open_saliency_for(recipe, saliency)
        self._activations = open_activations(activation)
        self._truth = LabelFolder(Path(ground_truth))
        check_all_there(len(labels), self._lacks(saliency, activation))

    def _lacks(self, saliency: object, activation: object) -> Iterable[Lack]:
        """What the folders that were named lack; who hands on a source looks for itself."""
        if isinstance(saliency, str | Path) and isinstance(self._saliency, SaliencyFolder):
            yield lack("saliency map", self.labels, self._saliency)
        if isinstance(activation, str | Path) and isinstance(self._activations, ActivationFolder):
            yield lack_of_classes("activation map", self.labels, self._activations)
        yield lack("ground truth", self.labels, self._truth)

    def read(self, image_id: str) -> AlignedImage:
        """One image.

        Raises:
            DataError: a map is missing, unusable, or of another size; the error names it.
        """
        truth = self._truth.read(image_id)
        saliency = None if self._saliency is None else self._saliency.read(image_id)
        maps = self._activations.read(image_id, sorted(self.labels[image_id]))
        named = {f"activation map of class {index}": values for index, values in maps.items()}
        if saliency is not None:
            named["saliency map"] = saliency
        for name, values in named.items():
            check_size(values, truth, image_id, name)
        image = AlignedImage(image_id, saliency, maps, truth)
        check_counts(image.true_values, len(self.benchmark.classes), f"ground truth of {image_id}")
        return image

    def map(
        self,
        function: Callable[[AlignedImage], Result],
        workers: int | None,
        progress: Progress | None,
    ) -> Iterable[Result]:
        """`function` of each image of this process's share, in the order of the list."""

        def work(image_id: str) -> Result:
            return function(self.read(image_id))

        mine = self.ranks.stretch(list(self.labels))
        return map_with_progress(work, mine, workers, progress)


def check_size(values: UInt8, truth: UInt8, image_id: str, name: str) -> None:
    """Refuse a map that is not of the size of the ground truth.

    Args:
        values: uint8 (H, W), the map.
        truth: uint8 (H, W), the ground truth.
        image_id: whose.
        name: what the map is called in the error.

    Raises:
        SizeMismatchError: it is not.
    """
    if values.shape != truth.shape:
        raise SizeMismatchError(
            f"{image_id}: the {name} does not fit the ground truth",
            expected=f"{truth.shape} (height, width)",
            found=f"{values.shape}",
            hint="resize it yourself: how maps are resized changes the score",
        )


def check_sweepable(recipe: Recipe) -> None:
    """Refuse a recipe whose label does not follow from strongest byte and saliency alone.

    Raises:
        NotSweepableError: with the reasons.
    """
    reasons = [
        reason
        for holds, reason in (
            (recipe.normalize, "it stretches each activation map by its own range"),
            (recipe.cut_background, "tau also cuts its background score"),
            (recipe.conflict_above is not None, "several strong scores make a conflict"),
            (recipe.minimum_foreground > 0, "images with little foreground are ignored whole"),
            (recipe.ignore_activation is not None, "activation decides what is ignored"),
        )
        if holds
    ]
    if reasons:
        raise NotSweepableError(
            f"recipe {recipe.name} cannot be swept in one pass: " + "; ".join(reasons),
            hint="make and score its labels for each tau with pseudo-label and evaluate, or "
            "sweep the recipe wsss-bed",
        )
