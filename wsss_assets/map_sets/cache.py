"""What the caches hold of map sets, and how it goes away."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.catalog.names import resolve_name
from wsss_assets.errors import UnknownNameError
from wsss_assets.map_sets.repository import MANIFEST_NAME, wanted_repository
from wsss_assets.map_sets.store import is_locked, list_held, sets_folder
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import list_leftovers
from wsss_assets.storage.hub import hub_cache, hub_repository_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wsss_assets.map_sets.store import HeldSet

__all__ = ["Leftover", "list_garbage", "remove_held", "remove_leftover", "size_of"]

_STILL_WRITTEN = 3600.0
"""Seconds since the last change within which a partial file may belong to a running download."""


@dataclass(frozen=True)
class Leftover:
    """Something that serves no held set.

    Attributes:
        path: file or folder.
        size: bytes.
        what: what it is.
    """

    path: Path
    size: int
    what: str


def size_of(held: HeldSet) -> int:
    """Bytes that a set takes on this disk; files that are gone count for nothing."""
    return sum(path.stat().st_size for path in held.files() if path.is_file())


def list_garbage() -> list[Leftover]:
    """What killed processes and broken downloads left, here and in the Hub's cache.

    `huggingface_hub` neither continues nor removes the partial files of a killed process.
    """
    own = cache_folder()
    found = [(path, "left by a process that was killed") for path in list_leftovers(own)]
    for path in sorted((own / "archives").glob("*.zip*")):
        if not _is_fetched_now(path.name.partition(".")[0]):
            whole = path.suffix == ".zip"
            what = "an archive that was not imported" if whole else "a download that can go on"
            found.append((path, what))
    for path in sorted((own / "weights").glob("*/*.part*")):
        if not is_locked(f"weights/{path.parent.name}"):
            found.append((path, "a download that can go on"))
    found += [(path, "a download that was broken off") for path in _broken_downloads()]
    return [Leftover(path, _bytes(path), what) for path, what in found]


def _is_fetched_now(upstream: str) -> bool:
    try:
        return is_locked(resolve_name(upstream))
    except UnknownNameError:
        return False


def _broken_downloads() -> Iterator[Path]:
    """Partial files, in the Hub's cache, of repositories that hold map sets."""
    before = time.time() - _STILL_WRITTEN
    known = {held.holding.source for held in list_held() if held.holding.origin == "hub"}
    folders = {hub_repository_folder(repo_id) for repo_id in (*known, wanted_repository(None))}
    for folder in sorted(hub_cache().glob("datasets--*")):
        if folder in folders or any(folder.glob(f"snapshots/*/{MANIFEST_NAME}")):
            for path in sorted(folder.glob("blobs/*.incomplete")):
                if path.stat().st_mtime < before:
                    yield path


def remove_held(held: Sequence[HeldSet]) -> None:
    """Remove sets from this machine; the digests of their archives stay on record.

    A file of the Hub's cache stays while another set that is held needs it.
    """
    going = {one.folder for one in held}
    needed = [path for one in list_held() if one.folder not in going for path in one.files()]
    contents = {path.resolve() for path in needed}
    for one in held:
        files = one.files() if one.holding.origin == "hub" else ()
        for path in set(files) - set(needed):
            content = path.resolve()
            path.unlink(missing_ok=True)
            if content not in contents:
                content.unlink(missing_ok=True)
        shutil.rmtree(one.folder)
        folder = one.folder.parent
        while folder != sets_folder():  # empty ones go, too
            with contextlib.suppress(OSError):
                folder.rmdir()
            folder = folder.parent


def remove_leftover(leftover: Leftover) -> None:
    """Remove it."""
    if leftover.path.is_dir():
        shutil.rmtree(leftover.path)
    else:
        leftover.path.unlink(missing_ok=True)


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
