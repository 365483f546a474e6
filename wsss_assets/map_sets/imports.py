"""Maps from outside into shards of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.records import Holding
from wsss_assets.map_sets.lists import list_file
from wsss_assets.map_sets.packing import pack_split
from wsss_assets.map_sets.store import HeldSet, keep, local_name, new_folder, sets_folder

if TYPE_CHECKING:
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.lists import WantedList
    from wsss_assets.storage.stored_maps import StoredMaps

__all__ = ["import_maps"]


def import_maps(
    record: MapSet,
    split: str,
    maps: StoredMaps,
    wanted: WantedList,
    key: str,
    origin: dict[str, str],
    feedback: Feedback,
) -> HeldSet:
    """Pack maps into shards of the store; what was there under the key is replaced.

    Args:
        record: what the maps are.
        split: the split's name.
        maps: where they come from.
        wanted: its images, in the order of the rows, and their classes.
        key: name of the folder, by what they come from.
        origin: the fields of a `Holding` that say so.
        feedback: who waits.

    Raises:
        DataError: there are no maps of these images.
    """
    labels = wanted.labels()
    ids = tuple(labels)
    feedback.say(f"importing {record.id} {split}: {len(ids):,} images")
    with new_folder(record.id, split, key) as folder:
        content = pack_split(
            maps,
            ids,
            kind=record.kind,
            folder=folder,
            split=split,
            prefix=record.id,
            classes=labels if record.kind == "activation" else None,
            most_classes=len(get_benchmark(record.benchmark).classes),
            recode=False,
            progress=feedback.items,
        )
        listed, text = list_file(record.benchmark, split, labels)
        (folder / local_name(listed)).write_bytes(text)
        made = Holding.model_validate(
            {
                **origin,
                "record": record,
                "split": split,
                "content": content,
                "labels": listed,
                "list_sha256": wanted.sha256,
            }
        )
        keep(folder, made)
    if content.holes:
        number, first = len(content.holes), content.holes[0]
        feedback.say(
            f"{number:,} {'map is' if number == 1 else 'maps are'} missing or unusable, e.g. of "
            f"{first.image_id}: {first.reason}"
        )
    return HeldSet(sets_folder() / record.id / split / key, made)
