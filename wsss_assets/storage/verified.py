"""Whether a file still is what it should be, found out once and remembered.

Reading a file of 160 MB to take its digest costs a tenth of a second, which is too much for
every load and nothing once. A note of size and time of change in this package's cache lets later
calls trust a file that was not touched since. A cache that cannot be written costs the digest
every time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import sha256_file, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_whole"]


def is_whole(path: Path, size: int, sha256: str, *, again: bool = False) -> bool:
    """Whether the file is there with that size and digest.

    Args:
        path: the file.
        size: bytes it must have.
        sha256: hex digest it must have.
        again: take the digest even where a note says that the file is unchanged.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    note = f"{sha256} {status.st_size} {status.st_mtime_ns}\n"
    place = _place(path)
    if not again and _read(place) == note:
        return True
    if status.st_size != size or sha256_file(path) != sha256:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
        return False
    with contextlib.suppress(OSError):
        write_atomically(place, note)
    return True


def _place(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    return cache_folder() / "verified" / name[:2] / name


def _read(place: Path) -> str:
    try:
        return place.read_text("utf-8")
    except (OSError, ValueError):  # not there, or damaged
        return ""
