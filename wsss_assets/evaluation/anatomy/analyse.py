"""Errors of label maps, in folders or made by a recipe: anatomy and boundary bands at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wsss_assets.errors import UsageError, about
from wsss_assets.evaluation.anatomy.boundaries import WIDTHS, BandScores, BoundaryBands
from wsss_assets.evaluation.anatomy.counts import (
    FOUND_FROM,
    AnatomyCounts,
    AnatomyResult,
    ErrorAnatomy,
)
from wsss_assets.evaluation.confusion import label_digest
from wsss_assets.evaluation.image_lists import unique_ids, unpredicted
from wsss_assets.labels.folder import open_saliency_for
from wsss_assets.labels.make import make_label
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import LabelFolder, open_activations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.anatomy.counts import Int64, UInt8
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["ErrorAnalysis", "LabelSource", "RecipeLabels", "analyse_errors"]


class LabelSource(Protocol):
    """Gives the label map of an image."""

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); a `DataError` where it is missing or unusable."""

    def __contains__(self, image_id: object) -> bool:
        """Whether there is one."""


class RecipeLabels:
    """Pseudo-labels, made when they are asked for and not written.

    Args:
        labels: 0-based classes by image id.
        activation: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        saliency: folder of `<image id>.png`, or a source; None for recipes without saliency.
        recipe: the rule; None: `wsss-bed` with its defaults.

    Raises:
        UsageError: the recipe needs saliency maps.
        MissingFileError: a folder is missing or empty.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[int]],
        activation: Path | str | ActivationSource,
        *,
        saliency: Path | str | SaliencySource | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self.labels = labels
        self.recipe = get_recipe() if recipe is None else recipe
        self._saliency = open_saliency_for(self.recipe, saliency)
        self._activation = open_activations(activation)

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); see `LabelSource`."""
        saliency = None if self._saliency is None else self._saliency.read(image_id)
        maps = self._activation.read(image_id, sorted(self.labels[image_id]))
        return make_label(saliency, maps, self.recipe)

    def __contains__(self, image_id: object) -> bool:
        """Whether the list has the image."""
        return image_id in self.labels


@dataclass(frozen=True)
class ErrorAnalysis:
    """Which errors label maps have, and where.

    Attributes:
        anatomy: by kind, class and size of the object.
        bands: scores along the boundaries.
        missing: ids without a prediction that were passed over on request.
    """

    anatomy: AnatomyResult
    bands: BandScores
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/errors.md."""
        return {
            **self.anatomy.to_dict(),
            "missing": list(self.missing),
            "bands": self.bands.to_dict(),
        }


def analyse_errors(
    predictions: Path | str | LabelSource,
    ground_truth: Path | str,
    *,
    ids: Iterable[str] | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    ignored: Policy | str | None = None,
    sizes: Mapping[str, int] | None = None,
    found_from: float = FOUND_FROM,
    widths: Sequence[int] = WIDTHS,
    skip_missing: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> ErrorAnalysis:
    """Take the errors of label maps apart, in one pass.

    Args:
        predictions: folder of `<image id>.png` or `.npy` label maps, or a source of them, such as
            `RecipeLabels`.
        ground_truth: folder of label maps; pixels of 255 are not counted.
        ids: which images; None: all of the ground truth.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        ignored: what a predicted 255 counts as in scores: `miss`, `background` or `drop`; needed
            where there is one.
        sizes: from how many pixels on an object has a size, by name; None: `SIZES`.
        found_from: the share of an object that must be hit for it to be found, 0..1.
        widths: how far from a boundary the bands reach, in pixels, ascending.
        skip_missing: pass over images without a prediction, and list them in the result.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        MissingFileError: a prediction or ground truth is missing.
        SizeMismatchError: two maps of an image differ in size.
        ImageFormatError: a file is no label map of this benchmark.
        IgnoredPixelsError: 255 was predicted and there is no policy.
        MissingDependencyError: SciPy is not installed.
        UsageError: there are no images, or an id is listed twice.
    """
    truths = LabelFolder(Path(ground_truth))
    anatomy = ErrorAnatomy(benchmark, sizes=sizes, found_from=found_from)
    guesses = _Folder(predictions) if isinstance(predictions, str | Path) else predictions
    counter = _Counter(guesses, truths, anatomy, BoundaryBands(anatomy.benchmark, widths))
    wanted = unique_ids(truths.files if ids is None else ids)
    if not wanted:
        raise UsageError("the list of images is empty, so there are no errors to take apart")
    missing = unpredicted(
        wanted, guesses, skip_missing, "nothing was counted", "take those there are"
    )
    present = ranks.stretch([image_id for image_id in wanted if image_id in guesses])
    for counts, rings, digest in map_with_progress(counter, present, workers, progress):
        anatomy.add(counts, digest)
        counter.bands.add(rings)
    anatomy.add_up(ranks)
    counter.bands.add_up(ranks)
    return ErrorAnalysis(
        anatomy.compute(ignored=ignored, split=split),
        counter.bands.compute(ignored=ignored),
        missing,
    )


class _Folder(LabelFolder):
    """A folder of label maps as a `LabelSource`."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(Path(folder))

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.files


@dataclass(frozen=True)
class _Counter:
    """Counts one image."""

    guesses: LabelSource
    truths: LabelFolder
    anatomy: ErrorAnatomy
    bands: BoundaryBands

    def __call__(self, image_id: str) -> tuple[AnatomyCounts, Int64, int]:
        truth, guess = self.truths.read(image_id), self.guesses.read(image_id)
        with about(image_id):
            counts = self.anatomy.count(guess, truth)
        return counts, self.bands.count(guess, truth), label_digest(image_id, truth)
