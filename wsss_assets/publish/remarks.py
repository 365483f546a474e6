"""What is said of maps that are packed, and is no error: it may be meant."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wsss_assets.devkit.image_labels import format_label_list
from wsss_assets.map_sets.wanted import sorted_out
from wsss_assets.words import counted

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.publish.recorded import RecordedMaps
    from wsss_assets.storage.stored_maps import StoredMaps

__all__ = ["tell_of_count", "tell_of_record", "tell_of_strangers"]


def tell_of_count(
    benchmark: Benchmark, split: str, labels: ImageLabels, feedback: Feedback
) -> None:
    """Say so where a list has another number of images than the split it is called."""
    known = benchmark.splits.get(split)
    if known is not None and known.images not in {None, len(labels)}:
        feedback.say(
            f"{split} of {benchmark.title} has {known.images:,} images and this list "
            f"{len(labels):,}: maps of a part, or of another list, are better packed under a name "
            "of their own, e.g. --split mine"
        )


def tell_of_strangers(
    source: StoredMaps, labels: ImageLabels, record: MapSet, feedback: Feedback
) -> None:
    """Say which maps the label list does not name."""
    found = sorted_out(source.stems(), labels, record.kind)
    for stems, what in (
        (found.unlisted, "of a class that the list does not name: packed like the others"),
        (found.others, "of none of these images: left out"),
    ):
        if stems:
            feedback.say(f"{counted(len(stems), 'map')} {what}, e.g. {', '.join(stems[:3])}")


def tell_of_record(maps: RecordedMaps, labels: ImageLabels, feedback: Feedback) -> None:
    """Say what of a record explains holes, bytes, or maps of unlisted classes."""
    made, restored = maps.made, sorted(maps.restored)
    failed = [image_id for image_id in made.failed if image_id in labels]
    if failed:
        why = " ".join(made.failed[failed[0]].split())
        feedback.say(
            f"of {counted(len(failed), 'image')} no map could be made, e.g. {failed[0]}: {why}"
        )
    if restored:
        feedback.say(
            f"{counted(len(restored), 'map')} with the pixels that were made, but other bytes: "
            f"packed as they were made, e.g. {', '.join(restored[:3])}"
        )
    text = format_label_list(labels).encode("utf-8", "surrogateescape")
    if made.labels is not None and made.labels.sha256 != hashlib.sha256(text).hexdigest():
        feedback.say(
            f"these maps were made by another list of classes: {made.labels.source}, "
            f"{counted(made.labels.images, 'image')}"
        )
