"""The record of maps that were made here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveInt

from wsss_assets.catalog.records.base import Record, parse_record
from wsss_assets.catalog.records.fields import Kind, Line, Name, Sha256
from wsss_assets.storage.stamps import MADE_MAPS_NAME

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MADE_MAPS_NAME", "LabelsUsed", "LoadedWeights", "MadeFrom", "MadeMaps"]


class LoadedWeights(Record):
    """A file of weights that maps were made with.

    Attributes:
        file: its name.
        sha256: its digest.
        record: id of the record of published weights that it is; None: of none.
    """

    file: Line
    sha256: Sha256
    record: Name | None = None


class LabelsUsed(Record):
    """Which classes images were said to show when their activation maps were made.

    Attributes:
        source: where that knowledge comes from, in words.
        sha256: of its lines `id c c …` in their order.
        images: how many.
    """

    source: Line
    sha256: Sha256
    images: Annotated[int, Field(ge=0)]


class MadeFrom(Record):
    """How the maps of a packed split were made: what `MadeMaps` says of them all.

    Attributes:
        model: name of the network.
        unknown: what is not known of it, or was chosen here; None: nothing.
        made_by: model, weights and program in a sentence.
        weights: the files that were loaded, in order.
        settings: all else that decides the maps, versions of programs among it.
        python: version of the interpreter.
        devices: how many of the maps of the run were made on what.
        smallest_batch: to what size batches were halved; None: they were not.
        labels: by which activation maps were made; None: these are none.
    """

    model: Line
    unknown: Line | None
    made_by: Line
    weights: tuple[LoadedWeights, ...]
    settings: dict[str, Any]
    python: Line
    devices: dict[str, PositiveInt]
    smallest_batch: PositiveInt | None
    labels: LabelsUsed | None


class MadeMaps(Record):
    """How the maps of a folder were made from weights: `wsss-assets.map-set.json` beside them.

    Attributes:
        format: version of this record.
        kind: `saliency` or `activation`.
        model: name of the network.
        unknown: what is not known of it, or was chosen here; None: nothing.
        made_by: model, weights and program in a sentence.
        weights: the files that were loaded, in order.
        settings: all else that decides the maps, versions of programs among it; the folder's
            stamp.
        python: version of the interpreter of the last run that changed this record.
        devices: how many of the maps were made on what, by what people call it.
        smallest_batch: to what size batches were halved, for want of memory, for any of the
            maps; None: they were not.
        command: the arguments of the last run that changed this record.
        benchmark: of which benchmark the images are; None: of none, or not of one alone.
        split: of which split.
        labels: by which activation maps were made; None: these are none.
        ids_sha256: digest of the image ids, sorted, each with a line feed.
        images: how many images were wanted, by all runs with these settings.
        maps: sha256 of each map's file that a run with these settings made, by its name without
            suffix.
        failed: why an image has no map, by image id.
    """

    format: Literal[1] = 1
    kind: Kind = "saliency"
    model: Line
    unknown: Line | None = None
    made_by: Line
    weights: tuple[LoadedWeights, ...]
    settings: dict[str, Any]
    python: Line
    devices: dict[str, PositiveInt]
    smallest_batch: PositiveInt | None
    command: tuple[str, ...]
    benchmark: Name | None
    split: Name | None
    labels: LabelsUsed | None = None
    ids_sha256: Sha256
    images: PositiveInt
    maps: dict[str, Sha256]
    failed: dict[str, str]

    @classmethod
    def beside(cls, folder: Path) -> MadeMaps | None:
        """The record in a folder of maps; None: there is none.

        Raises:
            RecordError: it is damaged.
        """
        path = folder / MADE_MAPS_NAME
        return parse_record(cls, path.read_bytes(), str(path)) if path.is_file() else None
