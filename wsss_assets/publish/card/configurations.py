"""Configurations: the map sets of a repository, as the Hub and `datasets` name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.benchmarks import get_benchmark, list_benchmarks
from wsss_assets.catalog.catalog import get_maker, list_makers, list_map_sets
from wsss_assets.publish.card.markdown import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Maker, Manifest, MapSet, SplitShards

__all__ = [
    "Configuration",
    "benchmark_of",
    "benchmark_title",
    "default_of",
    "maker_of",
    "packed_configurations",
    "planned_configurations",
]

_USUAL_BENCHMARK = "voc2012"
_USUAL_DEFAULT = "voc2012-saliency-vst_duts"


@dataclass(frozen=True)
class Configuration:
    """A map set in a repository.

    Attributes:
        record: what it is.
        splits: what is there of it, by split; None where it is not packed yet.
    """

    record: MapSet
    splits: Mapping[str, SplitShards | None]

    @property
    def name(self) -> str:
        """How `datasets.load_dataset` names it."""
        return self.record.id.replace("/", "-")

    @property
    def prefix(self) -> str:
        """The name without its last part."""
        return self.name.removesuffix(self.record.name)

    @property
    def is_packed(self) -> bool:
        """Whether its maps were counted."""
        return None not in self.splits.values()

    @property
    def parts(self) -> dict[str, SplitShards]:
        """What is packed of it, by split."""
        return {split: part for split, part in self.splits.items() if part is not None}

    def rows(self, split: str) -> int | None:
        """Images of a split; None: not known."""
        part = self.splits[split]
        return self.record.splits.get(split) if part is None else part.rows


def packed_configurations(manifest: Manifest) -> tuple[Configuration, ...]:
    """Those of a repository with that manifest."""
    return _ordered(Configuration(one.record, one.splits) for one in manifest.sets)


def planned_configurations() -> tuple[Configuration, ...]:
    """Those of a repository that holds the whole catalogue."""
    return _ordered(Configuration(one, dict.fromkeys(one.splits)) for one in list_map_sets())


def default_of(configurations: Sequence[Configuration]) -> Configuration:
    """What somebody gets who names none."""
    named = {one.name: one for one in configurations}
    return named.get(_USUAL_DEFAULT, configurations[0])


def maker_of(record: MapSet) -> Maker | None:
    """What made a set, if the catalogue knows it; somebody's own set names its maker in words."""
    if record.maker not in list_makers() or get_maker(record.maker).kind != record.kind:
        return None
    return get_maker(record.maker)


def benchmark_of(record: MapSet) -> Benchmark | None:
    """The benchmark of a set, if it is one of ours."""
    return get_benchmark(record.benchmark) if record.benchmark in list_benchmarks() else None


def benchmark_title(record: MapSet) -> str:
    """What people call the benchmark of a set, in Markdown."""
    benchmark = benchmark_of(record)
    return plain(record.benchmark if benchmark is None else benchmark.title)


def _ordered(configurations: Iterable[Configuration]) -> tuple[Configuration, ...]:
    """As a reader looks for them: VOC first, saliency before activation, then by name."""
    return tuple(sorted(configurations, key=_rank))


def _rank(one: Configuration) -> tuple[bool, str, bool, str]:
    record = one.record
    return (
        record.benchmark != _USUAL_BENCHMARK,
        record.benchmark,
        record.kind != "saliency",
        record.name,
    )
