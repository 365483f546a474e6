"""Published weights in words: where they lie, what they were trained on, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_map_set, get_training_set
from wsss_assets.catalog.prose import describe_supervision

if TYPE_CHECKING:
    from wsss_assets.catalog.records import PublishedWeights, WeightsSource

__all__ = ["describe_source", "describe_training", "weights_facts"]

_DOUBTS = {
    True: "that they give the published maps to the byte has not been checked",
    False: "whether these come from them is not stated",
}
"""What must be said beside a map set, by whether its record takes these for its weights."""


def weights_facts(record: PublishedWeights) -> list[tuple[str, str]]:
    """All that is recorded of published weights, as names and values to print."""
    size = "not known" if record.size is None else f"{record.size:,} bytes"
    found = {
        "weights": record.id,
        "what": record.title,
        "network": record.model,
        "classes": record.classes and str(record.classes),
        "to be had": "; or ".join(map(describe_source, record.sources)),
        "file": f"{record.file_name}, size {size}",
        "sha256": record.sha256 or "not published; recorded when the file is first seen",
        "md5": record.md5,
        "licence": record.licence or "not stated by their authors",
        "of the code": record.code_licence or "no licence stated",
        "trained on": describe_training(record),
        "supervision": describe_supervision(record.supervision),
        "saliency": record.saliency,
        "needs": ", ".join(record.needs),
        "may remake": _remade(record),
        "to cite": ", ".join(record.citations),
        "note": record.note,
    }
    return [(name, value) for name, value in found.items() if value]


def describe_source(source: WeightsSource) -> str:
    """A place in words: its address, what it asks for and what to take there."""
    said = [
        "Google Drive" if source.drive is not None else None,
        source.access_code and f"access code {source.access_code}",
        source.member and f"{source.member} in a zip archive",
        source.note,
    ]
    remarks = "; ".join(one for one in said if one)
    return f"{source.address} ({remarks})" if remarks else source.address


def describe_training(record: PublishedWeights) -> str:
    """The annotated training sets."""
    if record.trained_on is None:
        return "not stated by the authors"
    named = ", ".join(f"{get_training_set(key).title} ({key})" for key in record.trained_on)
    if record.supervision == "image_labels":
        return named or "image-level labels alone"
    return named or "no data set with annotations"


def _remade(record: PublishedWeights) -> str:
    """The map sets, with what is not known of that."""
    remade: dict[str, list[str]] = {}
    for set_id in record.regenerates:
        again = get_map_set(set_id).regeneration
        stated = again is not None and again.possible is True
        remade.setdefault(_DOUBTS[stated], []).append(set_id)
    return "; ".join(f"{', '.join(ids)}; {doubt}" for doubt, ids in remade.items())
