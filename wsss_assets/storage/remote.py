"""Maps behind an address: anything that fsspec knows, such as `s3://`, `hf://` or `memory://`."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from wsss_assets.errors import FetchError, MissingDependencyError, MissingFileError
from wsss_assets.storage.archives import ZipMaps
from wsss_assets.storage.files import by_stem
from wsss_assets.storage.images import MAP_SUFFIXES
from wsss_assets.storage.steady import SteadyFile, read_steadily
from wsss_assets.storage.stored_maps import (
    FolderMaps,
    StoredMaps,
    fingerprint_of,
    refuse_dictionaries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import ModuleType

__all__ = ["RemoteMaps", "StoredMaps", "open_stored_maps"]

_BLOCK = 1 << 16  # bytes that are read at once: whole blocks of fsspec's size cost 8 times the zip


def open_stored_maps(
    location: str | Path, *, sleep: Callable[[float], None] = time.sleep
) -> StoredMaps:
    """The maps in a folder, in a zip archive, or behind an address.

    Args:
        location: a path; or an address of a folder, of a `.zip`, or of a folder within one
            (`zip://FOLDER::ADDRESS`).
        sleep: what waits between tries of what lies behind an address.

    Raises:
        MissingFileError: nothing is there, or no map.
        ArchiveError: it is a file and no usable zip archive.
        FetchError: the address cannot be reached.
        MissingDependencyError: fsspec is not installed.
    """
    address = str(location)
    if address.startswith("zip://"):
        folder, _, inner = address.removeprefix("zip://").partition("::")
        if "://" in inner:
            return _remote_zip(inner, folder, sleep)
        return ZipMaps(Path(inner), None, folder)
    if "://" in address:
        is_zip = address.lower().endswith(".zip")
        return _remote_zip(address, "", sleep) if is_zip else RemoteMaps(address, sleep=sleep)
    path = Path(location)
    return ZipMaps(path) if path.is_file() else FolderMaps(path)


class RemoteMaps(StoredMaps):
    """The maps right in a folder behind an address.

    Args:
        url: the folder, in any form that fsspec knows.
        sleep: what waits between tries.

    Raises:
        MissingFileError: no such folder, or it holds no map.
        FetchError: it cannot be reached.
        MissingDependencyError: fsspec is not installed.
    """

    threads = 16

    def __init__(self, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url
        self._sleep = sleep
        with _faults(url):
            self._system, path = _fsspec().url_to_fs(url)
            self._entries = {
                entry["name"].rstrip("/").rpartition("/")[2]: entry
                for entry in self._system.ls(path, detail=True)
                if entry.get("type") == "file"
            }
        self._names = by_stem(sorted(self._entries), MAP_SUFFIXES)
        if not self._names:
            refuse_dictionaries(url, self._entries)
            raise MissingFileError(
                f"{url} holds no {' or '.join(MAP_SUFFIXES)} file",
                found=f"{len(self._entries)} other files",
                hint="name the folder that holds the maps themselves, not one above it",
            )

    def __str__(self) -> str:
        return self._url

    def stems(self) -> Collection[str]:
        """See `StoredMaps`."""
        return self._names.keys()

    def read(self, stem: str) -> bytes:
        """The bytes of a map.

        A file that was listed and then is not there, or has another size, is a fault of the
        way to it and no missing map: some file systems call every refusal "not found".

        Raises:
            MissingFileError: there is none of that name.
            FetchError: it cannot be read, in three tries.
        """
        name = self._names.get(stem)
        if name is None:
            raise MissingFileError(f"no map {stem} in {self._url}")
        entry = self._entries[name]
        return read_steadily(
            lambda: self._system.cat_file(entry["name"]),
            entry.get("size"),
            f"{name}, which is listed in {self._url},",
            self._sleep,
        )

    def fingerprint(self) -> str:
        """See `StoredMaps`: of names, sizes, and what the place says of versions."""
        return fingerprint_of(_known(name, self._entries[name]) for name in self._names.values())


def _remote_zip(url: str, folder: str, sleep: Callable[[float], None]) -> ZipMaps:
    with _faults(url):
        system, path = _fsspec().url_to_fs(url)
        file = system.open(path, "rb", block_size=_BLOCK)
    return ZipMaps(cast("BinaryIO", SteadyFile(file, url, sleep)), url, folder)


def _known(name: str, entry: dict[str, Any]) -> tuple[object, ...]:
    """What a listing says of a file that is different after a change."""
    versions = ("ETag", "etag", "md5", "blob_id", "mtime", "created", "LastModified", "last_commit")
    return (name, entry.get("size"), *(entry.get(version) for version in versions))


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    """Turn what fsspec and its many packages raise into our errors."""
    try:
        yield
    except ImportError as error:
        raise FetchError(
            f"{url} cannot be opened",
            found=str(error),
            hint="install the package that it names",
        ) from error
    except FileNotFoundError as error:
        raise MissingFileError(f"nothing is at {url}", found=str(error)) from error
    except PermissionError as error:
        raise FetchError(
            f"{url} may not be read",
            found=str(error) or None,
            hint="give fsspec the credentials it needs, see the documentation of that file system",
        ) from error
    except (OSError, ValueError) as error:
        raise FetchError(f"{url} cannot be opened", found=str(error)) from error


def _fsspec() -> ModuleType:
    try:
        import fsspec.core
    except ImportError as error:
        raise MissingDependencyError("fsspec", "hub", "reading maps behind an address") from error
    core: ModuleType = fsspec.core
    return core
