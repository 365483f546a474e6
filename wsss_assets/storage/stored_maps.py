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

__all__ = ["FolderMaps", "StoredMaps", "fingerprint_of"]

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
        self._files = list_files(folder, MAP_SUFFIXES)

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


def fingerprint_of(files: Iterable[tuple[object, ...]]) -> str:
    """Digest of what is known of each file."""
    text = "".join("\t".join(map(str, file)) + "\n" for file in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
