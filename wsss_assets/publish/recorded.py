"""Maps that `regenerate` made, held to the record that lies beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeFrom, MadeMaps, parse_record
from wsss_assets.devkit.image_labels import format_label_list
from wsss_assets.errors import ChecksumError, DataError, MissingFileError
from wsss_assets.map_sets.wanted import sorted_out
from wsss_assets.storage.stored_maps import StoredMaps
from wsss_assets.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from wsss_assets.catalog.records import MapSet
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["RecordedMaps", "made_from", "read_made", "tell_of_record"]

_AS_MADE = "run the same 'wsss-assets regenerate' again, which makes what is not as it was"
_AS_ONE_S_OWN = f"remove {MADE_MAPS_NAME}, and say what made the maps with --made-by"


def read_made(maps: str | Path) -> MadeMaps | None:
    """The record that `regenerate` left in a folder; None: there is none, as of other places.

    Raises:
        RecordError: it is damaged.
    """
    if "://" in str(maps):
        return None  # an address may be longer than any path
    path = Path(maps) / MADE_MAPS_NAME
    return parse_record(MadeMaps, path.read_bytes(), str(path)) if path.is_file() else None


def made_from(made: MadeMaps) -> MadeFrom:
    """What a record says of all its maps, to go with them."""
    return MadeFrom(**{name: getattr(made, name) for name in MadeFrom.model_fields})


class RecordedMaps(StoredMaps):
    """Maps of which a record has the digests: others are refused.

    Args:
        source: where the maps are.
        made: the record.
        record: what they are to be packed as.
        labels: the images that will be packed; maps of others are not looked at.

    Raises:
        DataError: the record is of other maps than these are to be, or does not know one of them.
        MissingFileError: one that it knows is not there.
    """

    def __init__(
        self, source: StoredMaps, made: MadeMaps, record: MapSet, labels: ImageLabels
    ) -> None:
        _refuse_others(source, made, record)
        there, known = (
            {*found.listed, *found.unlisted}
            for found in (
                sorted_out(names, labels, record.kind) for names in (source.stems(), made.maps)
            )
        )
        _refuse_unknown(source, sorted(there - known))
        _refuse_missing(source, sorted(known - there))
        self._source = source
        self._maps = made.maps
        self.threads = source.threads

    def __str__(self) -> str:
        return str(self._source)

    def stems(self) -> Collection[str]:
        """See `StoredMaps`."""
        return self._source.stems()

    def read(self, stem: str) -> bytes:
        """See `StoredMaps`.

        Raises:
            ChecksumError: it is another file than the record names.
        """
        data = self._source.read(stem)
        found = hashlib.sha256(data).hexdigest()
        if found != self._maps[stem]:
            raise ChecksumError(
                f"{stem} in {self._source} is not the map that was made",
                expected=f"sha256 {self._maps[stem]}",
                found=f"sha256 {found}",
                done="nothing was packed",
                hint=f"{_AS_MADE}; or {_AS_ONE_S_OWN}",
            )
        return data

    def fingerprint(self) -> str:
        """See `StoredMaps`."""
        return self._source.fingerprint()


def tell_of_record(made: MadeMaps, labels: ImageLabels, feedback: Feedback) -> None:
    """Say what of a record explains holes, or maps of unlisted classes."""
    failed = [image_id for image_id in made.failed if image_id in labels]
    if failed:
        why = " ".join(made.failed[failed[0]].split())
        feedback.say(
            f"of {counted(len(failed), 'image')} no map could be made, e.g. {failed[0]}: {why}"
        )
    text = format_label_list(labels).encode("utf-8", "surrogateescape")
    if made.labels is not None and made.labels.sha256 != hashlib.sha256(text).hexdigest():
        feedback.say(
            f"these maps were made by another list of classes: {made.labels.source}, "
            f"{counted(made.labels.images, 'image')}"
        )


def _refuse_others(source: StoredMaps, made: MadeMaps, record: MapSet) -> None:
    if made.kind != record.kind:
        raise DataError(
            f"{source} holds {made.kind} maps, says the record beside them",
            expected=f"{record.kind} maps for {record.id}",
            done="nothing was packed",
            hint="choose an id of the other kind",
        )
    if made.benchmark not in {None, record.benchmark}:
        raise DataError(
            f"{source} holds maps of {made.benchmark}, says the record beside them",
            expected=f"maps of {record.benchmark} for {record.id}",
            done="nothing was packed",
            hint="choose an id of that benchmark",
        )


def _refuse_unknown(source: StoredMaps, stems: list[str]) -> None:
    if stems:
        raise DataError(
            f"the record beside the maps in {source} does not know {stems[0]}",
            found=f"{counted(len(stems), 'map')} of these images that it does not name",
            done="nothing was packed",
            hint=f"was a run stopped? {_AS_MADE}; or {_AS_ONE_S_OWN}",
        )


def _refuse_missing(source: StoredMaps, stems: list[str]) -> None:
    if stems:
        raise MissingFileError(
            f"no map {stems[0]} in {source}, which the record beside the maps names",
            found=f"{counted(len(stems), 'map')} of these images gone",
            done="nothing was packed",
            hint=f"{_AS_MADE}; or {_AS_ONE_S_OWN}",
        )
