"""Score saliency maps against ground truth: a folder, or several of the same images at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wsss_assets.errors import MissingFileError, UsageError, about
from wsss_assets.evaluation import shapes
from wsss_assets.evaluation.image_lists import unique_ids
from wsss_assets.evaluation.saliency.conventions import check_kind
from wsss_assets.evaluation.saliency.evaluator import SaliencyEvaluator, naming_the_way_out
from wsss_assets.evaluation.saliency.truth import Masks, masked
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import SaliencyFolder, open_saliency
from wsss_assets.words import first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.saliency.measures import ImageSaliency, Normalisation
    from wsss_assets.evaluation.saliency.scores import SaliencyScores
    from wsss_assets.evaluation.saliency.truth import Kind, Void
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import SaliencySource

__all__ = ["Each", "compare_saliency", "evaluate_saliency"]

Maps: TypeAlias = "Path | str | SaliencySource"
"""A folder of maps, or a source."""

Each: TypeAlias = "Callable[[str, str, ImageSaliency], None]"
"""Takes the name of the set, the image id and the measures of each image, in the list's order."""


def evaluate_saliency(
    predictions: Maps,
    ground_truth: Path | str,
    *,
    ids: Iterable[str] | None = None,
    ground_truth_kind: Kind | str = "auto",
    normalisation: Normalisation | str = "min-max",
    void: Void | str = "background",
    weighted_f: bool = True,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    skip_missing: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    each: Each | None = None,
    ranks: Ranks = ALONE,
) -> SaliencyScores:
    """Score saliency maps: MAE, F, weighted F, S and E, each averaged over the images.

    Args:
        predictions: folder of `<image id>.png`, or a source of maps.
        ground_truth: folder of masks `<image id>.png`: binary, or of classes.
        ids: which images; None: all of the ground truth.
        ground_truth_kind: `binary` (object above 128), `classes` (1..C object, 255 void), or
            `auto`: by the masks themselves, where that is plain, and an error where it is not.
        normalisation: `min-max` (of each map, as the field's evaluators do) or `raw` (byte / 255).
        void: what 255 counts as in masks of classes: `background`, `foreground`, or `drop`: it
            is left out, and there is neither S-measure nor weighted F-measure.
        weighted_f: whether to take the weighted F-measure, which needs SciPy.
        benchmark: name, or a `Benchmark`: which values are classes.
        split: its name, to be said with the numbers.
        skip_missing: pass over images without a map, and list them in the result.
        workers: threads; None: one per core. The numbers have the same bits for any number.
        progress: wraps an iterable of known length to show a bar.
        each: is given the measures of each image that this process reads.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        MissingFileError: a map or ground truth is missing.
        SizeMismatchError: map and ground truth of an image differ in size.
        ImageFormatError: a file is no map or no mask, or it is not plain of which kind masks are.
        MissingDependencyError: the weighted F-measure needs SciPy, and it is not installed.
        UsageError: the list is empty, or names an image twice.
    """
    options: dict[str, Any] = {
        "ids": ids,
        "ground_truth_kind": ground_truth_kind,
        "normalisation": normalisation,
        "void": void,
        "weighted_f": weighted_f,
        "benchmark": benchmark,
        "split": split,
        "skip_missing": skip_missing,
        "workers": workers,
        "progress": progress,
        "each": each,
        "ranks": ranks,
    }
    return compare_saliency({"predictions": predictions}, ground_truth, **options)["predictions"]


def compare_saliency(
    predictions: Mapping[str, Maps],
    ground_truth: Path | str,
    *,
    ids: Iterable[str] | None = None,
    ground_truth_kind: Kind | str = "auto",
    split: str | None = None,
    skip_missing: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    each: Each | None = None,
    ranks: Ranks = ALONE,
    **conventions: Any,  # noqa: ANN401 (normalisation, void, weighted_f, benchmark)
) -> dict[str, SaliencyScores]:
    """Score several sets of saliency maps of the same images.

    With `skip_missing` an image that any set lacks is passed over for all of them, so that what
    is compared are the same images. All else is as for `evaluate_saliency`.

    Args:
        predictions: folders or sources by name.
        ground_truth: folder of masks.
        ids: which images; None: all of the ground truth.
        ground_truth_kind: as for `evaluate_saliency`.
        split: its name, to be said with the numbers.
        skip_missing: pass over images without a map.
        workers: threads.
        progress: shows a bar.
        each: is given the measures of each image of each set.
        ranks: which process this is.
        conventions: `normalisation`, `void`, `weighted_f` and `benchmark`.

    Returns:
        Scores by the names of the sets, in their order.

    Raises:
        WsssAssetsError: what `evaluate_saliency` raises.
    """
    if not predictions:
        raise UsageError("there are no saliency maps to score")
    kind = None if ground_truth_kind == "auto" else check_kind(ground_truth_kind)
    trial = SaliencyEvaluator(kind, **conventions)  # says what is wrong with the options
    wanted = None if ids is None else unique_ids(ids)
    masks = Masks.open(Path(ground_truth), kind or "auto", len(trial.benchmark.classes), wanted)
    wanted = list(masks.files) if wanted is None else wanted
    if not wanted:
        raise UsageError("the list is empty, so there is nothing to score")
    sources = {name: open_saliency(one) for name, one in predictions.items()}
    if not skip_missing:
        _check_all_there(sources, wanted)
    if trial.weighted_f and (masks.kind, trial.void) != ("classes", "drop"):
        with naming_the_way_out():
            shapes.nearest(np.ones((1, 1), np.bool_))  # before an hour of reading, not after
    evaluators = {name: SaliencyEvaluator(masks.kind, **conventions) for name in sources}
    scorer = _Scorer(sources, masks, trial, skip_missing)
    missing: list[str] = []
    for image in map_with_progress(scorer, ranks.stretch(wanted), workers, progress):
        if image.measures is None:
            missing.append(image.image_id)
            continue
        for name, measures in image.measures.items():
            evaluators[name].add(measures, image.counts, image.digest)
            if each is not None:
                each(name, image.image_id, measures)
    passed_over = tuple(one for some in ranks.everyone(missing) for one in some)
    for evaluator in evaluators.values():
        evaluator.add_up(ranks)
    return {
        name: evaluator.compute(split=split, missing=passed_over)
        for name, evaluator in evaluators.items()
    }


@dataclass(frozen=True)
class _Image:
    """What one image adds; `measures` by set, None where a map is missing."""

    image_id: str
    measures: dict[str, ImageSaliency] | None
    counts: NDArray[np.int64]
    digest: int


@dataclass(frozen=True)
class _Scorer:
    """Measures the maps of one image."""

    sources: Mapping[str, SaliencySource]
    masks: Masks
    evaluator: SaliencyEvaluator
    skip_missing: bool

    def __call__(self, image_id: str) -> _Image:
        one = self.evaluator
        values = self.masks.read(image_id)
        classes = len(one.benchmark.classes)
        name = f"ground truth of {image_id}"
        mask = masked(values, self.masks.kind, one.void, classes, name)
        try:
            maps = {name: source.read(image_id) for name, source in self.sources.items()}
        except MissingFileError as error:
            if not self.skip_missing:
                error.hint = error.hint or _SKIP
                raise
            return _Image(image_id, None, mask.counts, 0)
        with about(image_id):
            measures = {name: one.measure(values, mask.truth) for name, values in maps.items()}
        return _Image(image_id, measures, mask.counts, mask.digest(image_id))


_SKIP = (
    "score the images that have a map with --skip-missing (in Python: skip_missing=True), or "
    "say which images with --ids, --labels or --split"
)


def _check_all_there(sources: Mapping[str, SaliencySource], wanted: Sequence[str]) -> None:
    """Refuse folders that lack maps before any is read."""
    for name, source in sources.items():
        if not isinstance(source, SaliencyFolder):
            continue  # it says so when it is read
        missing = [image_id for image_id in wanted if image_id not in source.files]
        if missing:
            raise MissingFileError(
                f"{len(missing)} of {len(wanted)} images have no map in {source.folder} "
                f"({name}): {first_few(missing)}",
                done="no score was given",
                hint=_SKIP,
            )
