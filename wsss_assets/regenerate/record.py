"""The record that lies beside maps made from weights: how exactly they were made.

It speaks of all maps of the folder that were made with its settings, by however many runs; what
may differ from map to map is taken from their receipts.
"""

from __future__ import annotations

import contextlib
import platform
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets import __version__
from wsss_assets.catalog.records import (
    MADE_MAPS_NAME,
    LoadedWeights,
    MadeMaps,
    canonical_json,
)
from wsss_assets.errors import RecordError
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.shards import ids_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.regenerate.job import Job
    from wsss_assets.regenerate.weights_cache import WeightsFile
    from wsss_assets.storage.receipts import Receipt

__all__ = ["Origin", "loaded_weights", "write_record"]


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        benchmark: of which benchmark the images are; None: of none.
        split: of which split.
        command: the arguments of the command; bytes that are no UTF-8 are spelt out.
    """

    benchmark: str | None = None
    split: str | None = None
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", tuple(map(_spelt, self.command)))


def loaded_weights(files: Sequence[WeightsFile]) -> tuple[LoadedWeights, ...]:
    """What a record says of files of weights: their names and digests, and no path."""
    return tuple(
        LoadedWeights(file=_spelt(file.path.name), sha256=file.sha256, record=file.record_id)
        for file in files
    )


def write_record(
    folder: Path,
    job: Job,
    origin: Origin,
    *,
    wanted: Collection[str],
    made: Mapping[str, Receipt],
    failed: Mapping[str, str],
    anew: bool,
) -> None:
    """Write the record of a folder, whole or not at all; the same run gives the same bytes.

    A run that made nothing and learned nothing leaves it as it is.

    Args:
        folder: where the maps lie.
        job: what made them.
        origin: where the run came from.
        wanted: ids of the images that this run was to make maps of.
        made: receipts of all maps made with these settings, by name without suffix.
        failed: why an image of this run has no map, by image id.
        anew: whether this run wrote a map.
    """
    settings = job.settings()
    before = _before(folder, settings)
    maps = {stem: receipt for stem, receipt in made.items() if _image(stem, receipt) not in failed}
    images = {_image(stem, receipt) for stem, receipt in maps.items()}
    told = {} if before is None else before.failed
    earlier = {one: why for one, why in told.items() if one not in images and one not in wanted}
    known = sorted({*wanted, *images, *earlier})
    benchmark, split = origin.benchmark, origin.split
    if len(known) > len(wanted) or (before is not None and not anew):
        benchmark, split = _shared(before, origin, len(known))
    last = before if not anew else None
    record = MadeMaps(
        **job.work.said(),
        model=settings["work"]["model"],
        made_by=_sentence(job.work.title, job.weights),
        weights=job.weights,
        settings=settings,
        python=platform.python_version() if last is None else last.python,
        devices=_devices(maps.values()),
        smallest_batch=_smallest_batch(maps.values()),
        command=origin.command if last is None else last.command,
        benchmark=benchmark,
        split=split,
        ids_sha256=ids_digest(known),
        images=len(known),
        maps={stem: receipt.sha256 or "" for stem, receipt in maps.items()},
        failed={one: _spelt(why) for one, why in {**earlier, **failed}.items()},
    )
    if record != before:
        write_atomically(folder / MADE_MAPS_NAME, canonical_json(record))


def _before(folder: Path, settings: Mapping[str, object]) -> MadeMaps | None:
    """The record that is there, if it speaks of such maps."""
    with contextlib.suppress(RecordError):
        record = MadeMaps.beside(folder)
        return record if record is not None and record.settings == settings else None
    return None


def _shared(before: MadeMaps | None, origin: Origin, images: int) -> tuple[str | None, str | None]:
    """Benchmark and split of images that several runs were asked for, where they have them."""
    if before is None:
        return None, None  # the run that made the others left no record
    if before.images == images:
        return before.benchmark, before.split
    benchmark = origin.benchmark if origin.benchmark == before.benchmark else None
    return benchmark, origin.split if benchmark and origin.split == before.split else None


def _image(stem: str, receipt: Receipt) -> str:
    """Of which image a map is."""
    return str(receipt.how.get("image", stem))


def _devices(receipts: Iterable[Receipt]) -> dict[str, int]:
    """How many maps were made on what."""
    found = Counter(str(receipt.how.get("on", "not recorded")) for receipt in receipts)
    return dict(sorted(found.items()))


def _smallest_batch(receipts: Iterable[Receipt]) -> int | None:
    halved = (receipt.how.get("halved_to") for receipt in receipts)
    return min((size for size in halved if isinstance(size, int)), default=None)


def _sentence(title: str, weights: Sequence[LoadedWeights]) -> str:
    """Model, weights and program in a sentence; it says whose the weights are."""
    loaded = " and ".join(map(_named, weights)) or "weights of its own"
    return f"{_spelt(title)} with {loaded}, run by wsss-assets {__version__}"


def _named(weights: LoadedWeights) -> str:
    whose = "weights of the user's own," if weights.record is None else "the published weights"
    return f"{whose} {weights.file} (sha256 {weights.sha256})"


def _spelt(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a path that are none are spelt `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()
