"""Maps that `regenerate` made, held to the record that lies beside them."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import MadeFrom, MadeMaps
from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.map_sets.wanted import sorted_out
from wsss_assets.parallel import ordered_map
from wsss_assets.storage.pngs import checked_map, decode_map, encode_map
from wsss_assets.storage.stamps import unfinished_by
from wsss_assets.storage.stored_maps import StoredMaps
from wsss_assets.words import counted, first_few

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wsss_assets.catalog.records import MapSet
    from wsss_assets.devkit.image_labels import ImageLabels

__all__ = ["RecordedMaps", "made_from", "read_made"]

_DAMAGED = "damaged (cannot be read as a map)"
_OTHER = "with other pixels than were made"
_GONE = "gone"
_UNKNOWN = "that the record does not know"
_CHANGED = "changed while they were read"

_MOST_SHOWN = 3


def read_made(maps: str | Path) -> MadeMaps | None:
    """The record that `regenerate` left in a folder; None: there is none, as of other places.

    Raises:
        RecordError: it is damaged.
        DataError: `regenerate` has not finished there, and so has not written it.
    """
    if "://" in str(maps):
        return None  # an address may be longer than any path
    command = unfinished_by(Path(maps))
    if command is not None:
        raise DataError(
            f"{maps} is the folder of a '{command}' that has not finished",
            done="nothing was packed",
            hint="run the same command again",
        )
    return MadeMaps.beside(Path(maps))


def made_from(made: MadeMaps) -> MadeFrom:
    """What a record says of all its maps, to go with them."""
    return MadeFrom(**{name: getattr(made, name) for name in MadeFrom.model_fields})


class RecordedMaps(StoredMaps):
    """Maps of which a record has the digests: others are refused, all of them in one error.

    A map that was stored anew without loss has other bytes, but the pixels that were made: it is
    read as the bytes that `regenerate` wrote, which the record names. That takes the same version
    of zlib; with another, such a map counts as one of other pixels.

    Args:
        source: where the maps are.
        made: the record.
        record: what they are to be packed as.
        labels: the images that will be packed; maps of others are not looked at.

    Attributes:
        made: the record.
        restored: names of the maps that were read and have other bytes.

    Raises:
        DataError: the record is of other maps than these are to be, or the names of the maps are
            not those in it.
    """

    def __init__(
        self, source: StoredMaps, made: MadeMaps, record: MapSet, labels: ImageLabels
    ) -> None:
        _refuse_others(source, made, record)
        self.made = made
        self.restored: list[str] = []
        self.threads = source.threads
        self._source = source
        self._there, self._known = (
            {*found.listed, *found.unlisted}
            for found in (
                sorted_out(names, labels, record.kind) for names in (source.stems(), made.maps)
            )
        )
        if self._there != self._known:
            raise self._not_as_made(self._faults())

    def __str__(self) -> str:
        return str(self._source)

    def stems(self) -> Collection[str]:
        """See `StoredMaps`."""
        return self._source.stems()

    def read(self, stem: str) -> bytes:
        """See `StoredMaps`: the bytes that the record names; to be called within `enforced`."""
        if stem not in self._known:
            return self._source.read(stem)  # which has none of that name either: a hole
        data, fault = self._as_made(stem)
        if fault is not None:
            raise _FaultError(stem)
        return data

    @contextlib.contextmanager
    def enforced(self) -> Iterator[None]:
        """Reading within it ends, at the first map that is not as it was made, with the error.

        Raises:
            DataError: it names the maps of each kind of fault, of all images.
        """
        try:
            yield
        except _FaultError as error:
            found = self._faults() or {_CHANGED: [error.stem]}
            raise self._not_as_made(found) from None

    def fingerprint(self) -> str:
        """See `StoredMaps`."""
        return self._source.fingerprint()

    def _as_made(self, stem: str) -> tuple[bytes, str | None]:
        """The bytes that were made, or what is wrong with those that are there."""
        try:
            data = self._source.read(stem)
        except MissingFileError:
            return b"", _GONE
        if self._is_made(stem, data):
            return data, None
        try:
            pixels = decode_map(checked_map(data, stem), stem)
        except DataError:
            return b"", _DAMAGED
        written = encode_map(pixels)  # as `regenerate` writes it
        if not self._is_made(stem, written):
            return b"", _OTHER
        self.restored.append(stem)
        return written, None

    def _is_made(self, stem: str, data: bytes) -> bool:
        return hashlib.sha256(data).hexdigest() == self.made.maps[stem]

    def _faults(self) -> dict[str, list[str]]:
        """Names of the maps by what is wrong with them."""
        both = sorted(self._known & self._there)
        faults: dict[str, list[str]] = {_DAMAGED: [], _OTHER: []}
        faults[_GONE] = sorted(self._known - self._there)
        faults[_UNKNOWN] = sorted(self._there - self._known)
        found = ordered_map(self._as_made, both, self.threads)
        for stem, (_, fault) in zip(both, found, strict=True):
            if fault is not None:
                faults[fault].append(stem)
        return {fault: stems for fault, stems in faults.items() if stems}

    def _not_as_made(self, faults: dict[str, list[str]]) -> DataError:
        again = "run the same 'wsss-assets regenerate' again, which remakes what is not as it was"
        if _UNKNOWN in faults:
            again += " and records what a stopped run made; move maps away that it does not make"
        return DataError(
            f"the maps in {self} are not those of the record beside them",
            found="; ".join(
                f"{counted(len(stems), 'map')} {fault}: {first_few(stems, _MOST_SHOWN)}"
                for fault, stems in faults.items()
            ),
            done="nothing was packed",
            hint=f"{again}; for maps that were changed on purpose, copy the maps alone to another "
            "folder, and say what made them with --made-by",
        )


class _FaultError(Exception):
    """A map is not as it was made; no `DataError`, which packing takes for a hole."""

    def __init__(self, stem: str) -> None:
        super().__init__(stem)
        self.stem = stem


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
