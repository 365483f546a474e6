"""One recipe with several sets of saliency maps in one pass over the activation maps.

Reading the activation maps of an image takes more than half of a sweep's time, so they are read
once for all saliency sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.errors import DataError
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.sweep import TauSweep, sweep_of
from wsss_assets.evaluation.tau_counts import TauCounter, TauCounts, TauTally
from wsss_assets.parallel import map_with_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["sweep_rows"]


def sweep_rows(
    labels: Mapping[str, Sequence[int]],
    saliency: Mapping[str, SaliencySource | None],
    activation: ActivationSource,
    ground_truth: Path,
    recipe: Recipe,
    benchmark: Benchmark,
    workers: int | None,
    progress: Progress | None,
    ranks: Ranks,
) -> dict[str, TauSweep | str]:
    """Sweep every tau with each saliency set; each result equals that of `sweep`.

    Args:
        labels: 0-based classes by image id.
        saliency: sources by name; None where the recipe uses none.
        activation: source of the activation maps.
        ground_truth: folder of label maps.
        recipe: the rule.
        benchmark: class names.
        workers: threads; None: one per core.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is; all get the same.

    Returns:
        By name, the sweep, or why there is none: what is wrong with the first unusable image.
    """
    classes = len(benchmark.classes)
    shared = _Shared(activation)
    rows = {
        name: AlignedImages(labels, source, shared, ground_truth, recipe, benchmark, ranks)
        for name, source in saliency.items()
    }
    tallies = {name: TauTally(classes) for name in rows}
    errors: dict[str, str] = {}
    counter = _Counter(rows, shared, TauCounter.of(recipe, classes), errors)
    mine = ranks.stretch(list(labels))
    for results in map_with_progress(counter, mine, workers, progress):
        for name, result in results.items():
            if isinstance(result, str):
                errors.setdefault(name, result)
            elif name not in errors:
                tallies[name].add(result)
    # A process whose images are all usable must know of the others' before sums are made.
    everyone = ranks.everyone(dict(errors))
    found: dict[str, TauSweep | str] = {}
    for name, images in rows.items():
        first = next((one[name] for one in everyone if name in one), None)
        found[name] = sweep_of(tallies[name], recipe, images, None) if first is None else first
    return found


class _Shared:
    """Activation maps that are kept from the first row that reads them until all have."""

    def __init__(self, source: ActivationSource) -> None:
        self._source = source
        self._kept: dict[str, dict[int, UInt8]] = {}

    def __str__(self) -> str:
        return str(self._source)

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """See `storage.maps.ActivationSource`; an image is read by one thread."""
        if image_id not in self._kept:
            self._kept[image_id] = self._source.read(image_id, classes)
        return self._kept[image_id]

    def version(self, image_id: str, classes: Sequence[int]) -> str:
        """See `storage.maps.ActivationSource`."""
        return self._source.version(image_id, classes)

    def forget(self, image_id: str) -> None:
        """Let go of an image's maps."""
        self._kept.pop(image_id, None)


class _Counter:
    """Counts one image for each row that has not failed."""

    def __init__(
        self,
        rows: Mapping[str, AlignedImages],
        shared: _Shared,
        counter: TauCounter,
        failed: Mapping[str, str],
    ) -> None:
        self._rows = rows
        self._shared = shared
        self._counter = counter
        self._failed = failed

    def __call__(self, image_id: str) -> dict[str, TauCounts | str]:
        results: dict[str, TauCounts | str] = {}
        for name, images in self._rows.items():
            if name in self._failed:
                continue
            try:
                results[name] = self._counter(images.read(image_id))
            except DataError as error:
                results[name] = str(error)
        self._shared.forget(image_id)
        return results
