"""Maps as files somewhere: in a folder, in a zip archive, behind an address.

What is read here are the bytes of whole files, to be checked and packed. For maps that a rule or
an evaluation reads, see `storage.maps`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from wsss_assets.errors import MissingFileError
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["FolderMaps", "StoredMaps", "fingerprint_of", "refuse_dictionaries"]

Self = TypeVar("Self", bound="StoredMaps")


class StoredMaps(Protocol):
    """Files of maps by name without suffix; several threads may read. Its `str` names the place.

    Used as a context manager, it lets go of what it holds open.

    Attributes:
        threads: how many it takes to read it as fast as it goes.
    """

    threads: int = 2

    def stems(self) -> Collection[str]:
        """Names without suffix of all maps there, e.g. `2007_000032_14`."""

    def read(self, stem: str) -> bytes:
        """The bytes of a file.

        Raises:
            MissingFileError: there is none of that name.
            DataError: it is damaged.
            FetchError: it cannot be had just now.
        """

    def fingerprint(self) -> str:
        """A digest that changes when a file is added, removed or replaced, as far as one sees."""

    def close(self) -> None:
        """Let go of what is held open; here, nothing is."""
        return

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FolderMaps(StoredMaps):
    """The maps right in a folder.

    Raises:
        MissingFileError: no such folder, or it holds no map.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._files = list_files(folder, MAP_SUFFIXES)
        except MissingFileError:
            if folder.is_dir():
                refuse_dictionaries(folder, (path.name for path in folder.iterdir()))
            raise

    def __str__(self) -> str:
        return str(self._folder)

    def stems(self) -> Collection[str]:
        """See `StoredMaps`."""
        return self._files.keys()

    def read(self, stem: str) -> bytes:
        """See `StoredMaps`."""
        path = self._files.get(stem)
        if path is None:
            raise MissingFileError(f"no map {stem} in {self._folder}")
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise MissingFileError(f"no map {stem} in {self._folder} any more") from None

    def fingerprint(self) -> str:
        """See `StoredMaps`: of names, sizes and times of change."""
        stats = ((path.name, path.stat()) for path in self._files.values())
        return fingerprint_of((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def refuse_dictionaries(place: object, names: Iterable[str]) -> None:
    """Say what to do with a place that holds maps, but in dictionaries of Python.

    Args:
        place: what holds no map as a picture.
        names: of the files there.

    Raises:
        MissingFileError: there are such dictionaries.
    """
    dictionaries = [name for name in names if name.lower().endswith(".npy")]
    if dictionaries:
        raise MissingFileError(
            f"{place} holds no maps as PNG",
            expected="<image id>.png, or <image id>_<class>.png with 0-based classes",
            found=f"{len(dictionaries):,} .npy, e.g. {min(dictionaries)}",
            hint="make them as PNG: 'wsss-assets regenerate' without --npy, 'wsss-assets export' "
            "without --layout npy; of other code's, save rint(255 x) of each class as a grey PNG",
        )


def fingerprint_of(files: Iterable[tuple[object, ...]]) -> str:
    """Digest of what is known of each file."""
    text = "".join("\t".join(map(str, file)) + "\n" for file in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
