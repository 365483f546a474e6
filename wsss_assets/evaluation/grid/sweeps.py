"""Many pairs of map sets in one pass over the images, each set read once for all its pairs.

Reading the activation maps of an image takes more than half of a sweep's time, and sets that are
read from afar have to come over the network each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from wsss_assets.errors import DataError
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.sweep import TauSweep, sweep_of
from wsss_assets.evaluation.tau_counts import TauCounter, TauCounts, TauTally
from wsss_assets.parallel import map_with_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Pair", "sweep_pairs"]

Maps = TypeVar("Maps")

Pair: TypeAlias = "tuple[str | None, str]"
"""Names of a saliency and an activation set; None where the recipe uses no saliency."""


def sweep_pairs(
    labels: Mapping[str, Sequence[int]],
    pairs: Sequence[Pair],
    saliency: Mapping[str, SaliencySource],
    activation: Mapping[str, ActivationSource],
    ground_truth: Path,
    recipes: Mapping[str, Recipe],
    benchmark: Benchmark,
    workers: int | None,
    progress: Progress | None,
    ranks: Ranks,
) -> dict[Pair, TauSweep | str]:
    """Sweep every tau with each pair; each result equals that of `sweep`.

    Args:
        labels: 0-based classes by image id.
        pairs: which sets go together.
        saliency: sources by name.
        activation: sources by name.
        ground_truth: folder of label maps.
        recipes: the rule by name of the activation set.
        benchmark: class names.
        workers: threads; None: one per core.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is; all get the same.

    Returns:
        By pair, the sweep, or why there is none: what is wrong with the first unusable image.
    """
    classes = len(benchmark.classes)
    rows = {row: _SharedSaliency(saliency[row]) for row, _ in pairs if row is not None}
    columns = {column: _SharedActivations(activation[column]) for _, column in pairs}
    counters = {column: TauCounter.of(recipes[column], classes) for column in columns}
    images = {
        (row, column): AlignedImages(
            labels,
            None if row is None else rows[row],
            columns[column],
            ground_truth,
            recipes[column],
            benchmark,
            ranks,
        )
        for row, column in pairs
    }
    tallies = {pair: TauTally(classes) for pair in pairs}
    errors: dict[Pair, str] = {}
    counter = _Counter(images, counters, (*rows.values(), *columns.values()), errors)
    mine = ranks.stretch(list(labels))
    for results in map_with_progress(counter, mine, workers, progress):
        for pair, result in results.items():
            if isinstance(result, str):
                errors.setdefault(pair, result)
            elif pair not in errors:
                tallies[pair].add(result)
    # A process whose images are all usable must know of the others' before sums are made.
    everyone = ranks.everyone(dict(errors))
    found: dict[Pair, TauSweep | str] = {}
    for pair, one in images.items():
        first = next((known[pair] for known in everyone if pair in known), None)
        recipe = recipes[pair[1]]
        found[pair] = sweep_of(tallies[pair], recipe, one, None) if first is None else first
    return found


class _Shared(Generic[Maps]):
    """Maps that are kept from the first pair that reads them until all have."""

    def __init__(self) -> None:
        self._kept: dict[str, Maps] = {}

    def forget(self, image_id: str) -> None:
        """Let go of an image's maps."""
        self._kept.pop(image_id, None)

    def _once(self, image_id: str, read: Callable[[], Maps]) -> Maps:
        """What `read` gives, or gave before; an image is read by one thread."""
        if image_id not in self._kept:
            self._kept[image_id] = read()
        return self._kept[image_id]


class _SharedSaliency(_Shared["UInt8"]):
    def __init__(self, source: SaliencySource) -> None:
        super().__init__()
        self._source = source

    def __str__(self) -> str:
        return str(self._source)

    def read(self, image_id: str) -> UInt8:
        """See `storage.maps.SaliencySource`."""
        return self._once(image_id, lambda: self._source.read(image_id))

    def version(self, image_id: str) -> str:
        """See `storage.maps.SaliencySource`."""
        return self._source.version(image_id)


class _SharedActivations(_Shared["dict[int, UInt8]"]):
    def __init__(self, source: ActivationSource) -> None:
        super().__init__()
        self._source = source

    def __str__(self) -> str:
        return str(self._source)

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """See `storage.maps.ActivationSource`."""
        return self._once(image_id, lambda: self._source.read(image_id, classes))

    def version(self, image_id: str, classes: Sequence[int]) -> str:
        """See `storage.maps.ActivationSource`."""
        return self._source.version(image_id, classes)


class _Counter:
    """Counts one image for each pair that has not failed."""

    def __init__(
        self,
        images: Mapping[Pair, AlignedImages],
        counters: Mapping[str, TauCounter],
        shared: Sequence[_SharedSaliency | _SharedActivations],
        failed: Mapping[Pair, str],
    ) -> None:
        self._images = images
        self._counters = counters
        self._shared = shared
        self._failed = failed

    def __call__(self, image_id: str) -> dict[Pair, TauCounts | str]:
        results: dict[Pair, TauCounts | str] = {}
        for pair, images in self._images.items():
            if pair in self._failed:
                continue
            try:
                results[pair] = self._counters[pair[1]](images.read(image_id))
            except DataError as error:
                results[pair] = str(error)
        for one in self._shared:
            one.forget(image_id)
        return results
