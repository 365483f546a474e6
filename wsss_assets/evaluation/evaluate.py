"""Score label maps against ground truth: whole folders, or one batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import DataError, ImageFormatError, MissingFileError, UsageError, about
from wsss_assets.evaluation.confusion import (
    as_label,
    confusion_matrix,
    empty_confusion,
    label_digest,
)
from wsss_assets.evaluation.dialects import Dialect, Policy, get_dialect
from wsss_assets.evaluation.image_lists import unique_ids, unpredicted
from wsss_assets.evaluation.scores import Scores, check_policy, score
from wsss_assets.evaluation.seen import SeenImages, ids_of_batch
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import LabelFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsss_assets.evaluation.confusion import Int64, UInt8
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["Evaluator", "evaluate"]

Labels: TypeAlias = "Path | str | Mapping[str, Any] | Iterable[Any]"
"""A folder, arrays by image id, or arrays in order."""


class Evaluator:
    """Adds up predictions as they come, for loops of other projects.

    Args:
        benchmark: name, or a `Benchmark` with class names of your own.
        ignored: what a predicted 255 counts as: `miss`, `background` or `drop`; None: the
            dialect's policy, and without one a predicted 255 is an error in `compute`.
        dialect: conventions of an evaluator by name, see `wsss_assets.evaluation.dialects`.

    Raises:
        UnknownNameError: no such benchmark, policy or dialect.

    Example:
        >>> from wsss_assets import Evaluator
        >>> evaluator = Evaluator("voc2012")
        >>> evaluator.update([[0, 1, 1]], [[0, 1, 255]])
        >>> evaluator.compute().miou
        1.0
    """

    def __init__(
        self,
        benchmark: Benchmark | str = "voc2012",
        *,
        ignored: Policy | str | None = None,
        dialect: Dialect | str = "wsss-assets",
    ) -> None:
        self.benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self.ignored = None if ignored is None else check_policy(ignored)
        self.dialect = get_dialect(dialect) if isinstance(dialect, str) else dialect
        self.confusion = empty_confusion(len(self.benchmark.classes))
        self._seen = SeenImages()

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
        """Count one image, or a batch of equal size.

        Args:
            prediction: integers (H, W) or (N, H, W): NumPy, torch on any device, or nested
                sequences; 0 background, 1..C classes, 255 ignored.
            ground_truth: the same shape; pixels of 255 are not counted.
            image_id: id of the image, or one for each of a batch; without it the result has
                no digest of the ground truth.

        Raises:
            SizeMismatchError: the shapes differ.
            ImageFormatError: not integers, a value is no class, or another number of axes.
            UsageError: another number of ids than of images. Nothing was counted.
        """
        guess = as_label(prediction, "the prediction")
        truth = as_label(ground_truth, "the ground truth")
        if truth.ndim not in {2, 3}:
            raise ImageFormatError(
                "the ground truth is neither an image nor a batch of images",
                expected="(H, W) or (N, H, W)",
                found=f"{truth.ndim} axes",
            )
        batch = [truth] if truth.ndim == 2 else list(truth)
        ids = ids_of_batch(image_id, len(batch))
        self.confusion += confusion_matrix(guess, truth, len(self.benchmark.classes))
        digest = None if ids is None else sum(map(label_digest, ids, batch))
        self._seen.add(digest, len(batch))

    def merge(self, other: Evaluator) -> None:
        """Add what another evaluator counted.

        Raises:
            UsageError: it counts another benchmark's classes.
        """
        if other.benchmark != self.benchmark:
            raise UsageError(
                "two evaluators count different benchmarks",
                expected=self.benchmark.name,
                found=other.benchmark.name,
            )
        self.confusion += other.confusion
        self._seen.merge(other._seen)

    def add_counts(self, confusion: Int64, images: int, digest: int) -> None:
        """Add images that were counted elsewhere.

        Args:
            confusion: int64 (C + 1, C + 2), see `wsss_assets.evaluation.confusion`.
            images: how many it counts.
            digest: sum of their `label_digest`.
        """
        self.confusion += confusion
        self._seen.add(digest, images)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then.

        Args:
            ranks: which process this is.
        """
        ranks.add_up(self.confusion)
        self._seen.add_up(ranks)

    def compute(self, *, split: str | None = None, missing: tuple[str, ...] = ()) -> Scores:
        """Scores of all that was counted.

        Args:
            split: name of the split, to be said with the numbers.
            missing: ids that were passed over, to be said with the numbers.

        Raises:
            DataError: nothing was counted.
            IgnoredPixelsError: 255 was predicted and there is no policy.
        """
        if self.images == 0:
            raise DataError("no image was counted, so there is no score")
        return score(
            self.confusion,
            self.benchmark.label_names,
            ignored=self.ignored,
            dialect=self.dialect,
            images=self.images,
            missing=missing,
            benchmark=self.benchmark.name,
            split=split,
            ground_truth_digest=self._seen.digest,
            synthetic=self.benchmark.synthetic,
        )


def evaluate(
    predictions: Labels,
    ground_truth: Labels,
    *,
    ids: Iterable[str] | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    ignored: Policy | str | None = None,
    dialect: Dialect | str = "wsss-assets",
    skip_missing: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Scores:
    """Score predictions against ground truth.

    Args:
        predictions: folder of `<image id>.png` or `.npy` label maps, arrays by image id, or an
            iterable of arrays in the order of the ground truth.
        ground_truth: the same kinds; pixels of 255 are not counted.
        ids: which images; None: all of the ground truth.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        ignored: what a predicted 255 counts as: `miss`, `background` or `drop`; evaluators
            disagree, so where one occurs a choice must be made here or by the dialect.
        dialect: conventions of an evaluator in circulation, by name.
        skip_missing: pass over images without a prediction, and list them in the result.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the images of two folders or mappings;
            all get the same result.

    Raises:
        MissingFileError: a prediction or ground truth is missing.
        SizeMismatchError: two maps of an image differ in size.
        ImageFormatError: a file is no label map of this benchmark.
        IgnoredPixelsError: 255 was predicted and there is no policy.
        UsageError: two iterables differ in length, or only one side has ids.
    """
    evaluator = Evaluator(benchmark, ignored=ignored, dialect=dialect)
    guesses, truths = _by_id(predictions), _by_id(ground_truth)
    if guesses is None or truths is None:
        if guesses is not truths or ids is not None:
            raise UsageError(
                "images of a folder or mapping cannot be matched with an iterable without ids",
                hint="give both sides as folders or mappings, or both as iterables without ids",
            )
        _update_in_order(evaluator, predictions, ground_truth)
        return evaluator.compute(split=split)
    wanted = unique_ids(truths if ids is None else ids)
    missing = unpredicted(
        wanted, guesses, skip_missing, "no score was given", "score the images there are"
    )
    counter = _Counter(guesses, truths, len(evaluator.benchmark.classes))
    present = ranks.stretch([image_id for image_id in wanted if image_id in guesses])
    for confusion, digest in map_with_progress(counter, present, workers, progress):
        evaluator.add_counts(confusion, 1, digest)
    evaluator.add_up(ranks)
    return evaluator.compute(split=split, missing=missing)


@dataclass(frozen=True)
class _Side:
    """Label maps that can be asked for by image id."""

    names: Mapping[str, Any]
    read: Callable[[str], UInt8]

    def __iter__(self) -> Any:  # noqa: ANN401 (an iterator of ids)
        return iter(self.names)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.names


@dataclass(frozen=True)
class _Counter:
    """Counts one image."""

    guesses: _Side
    truths: _Side
    classes: int

    def __call__(self, image_id: str) -> tuple[Int64, int]:
        truth = self.truths.read(image_id)
        guess = self.guesses.read(image_id)
        with about(image_id):
            return confusion_matrix(guess, truth, self.classes), label_digest(image_id, truth)


def _by_id(labels: Labels) -> _Side | None:
    if isinstance(labels, str | Path):
        folder = LabelFolder(Path(labels))
        return _Side(folder.files, folder.read)
    if isinstance(labels, Mapping):
        return _Side(labels, lambda image_id: as_label(_get(labels, image_id), image_id))
    return None


def _get(labels: Mapping[str, Any], image_id: str) -> Any:  # noqa: ANN401 (any array)
    if image_id not in labels:
        raise MissingFileError(f"no ground truth for {image_id}")
    return labels[image_id]


def _update_in_order(evaluator: Evaluator, predictions: Any, ground_truth: Any) -> None:  # noqa: ANN401
    if hasattr(predictions, "ndim") and predictions.ndim == 2:
        evaluator.update(predictions, ground_truth)
        return
    for prediction, truth in itertools.zip_longest(predictions, ground_truth):
        if prediction is None or truth is None:
            raise UsageError(
                "predictions and ground truth differ in number",
                found=f"{evaluator.images} pairs, then one without a partner",
            )
        evaluator.update(prediction, truth)
