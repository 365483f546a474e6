"""What this machine holds of map sets, and the notes that say so.

`<cache>/sets/<benchmark>/<kind>/<name>/<split>/<key>/` holds a `holding.json`; for sets that were
imported, the shards lie beside it; for sets from the Hub, they lie in the Hub's own cache. Such a
folder is made under another name and moved, so one that is there is whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import Holding, canonical_json, parse_record
from wsss_assets.errors import DataError, MissingDependencyError
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import temporary_folder
from wsss_assets.storage.hub import cached_hub_file, fetch_hub_file
from wsss_assets.storage.verified import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import FileLock

    from wsss_assets.catalog.records import RepoFile

__all__ = [
    "HOLDING_NAME",
    "HeldSet",
    "holding_key",
    "is_locked",
    "keep",
    "list_held",
    "local_name",
    "locked",
    "new_folder",
    "note",
    "sets_folder",
    "staging_lock",
]

HOLDING_NAME = "holding.json"


@dataclass(frozen=True)
class HeldSet:
    """A split of a map set that this machine holds, or held.

    Attributes:
        folder: where its note lies.
        holding: what the note says.
    """

    folder: Path
    holding: Holding

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the shards are, or would be."""
        return tuple(self.path(file) for file in self.holding.content.files)

    @property
    def vouched(self) -> tuple[RepoFile, ...]:
        """Shards and, where there is one, label list, as the note vouches for them."""
        labels = self.holding.labels
        return (*self.holding.content.files, *(() if labels is None else (labels,)))

    def files(self) -> tuple[Path, ...]:
        """Where shards and label list are, or would be."""
        return tuple(map(self.path, self.vouched))

    def path(self, file: RepoFile) -> Path:
        """Where a shard or list is, or would be."""
        holding = self.holding
        if holding.origin != "hub":
            return self.folder / local_name(file)
        found = cached_hub_file(holding.source, str(holding.revision), file.path)
        return found if found is not None else self.folder / "not in the Hub's cache"

    def addresses(self) -> tuple[str, ...]:
        """Where the shards of a published set lie on the Hub, for reading without a copy."""
        holding = self.holding
        root = f"hf://datasets/{holding.source}@{holding.revision}"
        return tuple(f"{root}/{file.path}" for file in holding.content.files)

    def label_list(self) -> Path:
        """The label list of a published set, fetched if need be."""
        file = self.holding.labels
        assert file is not None  # noqa: S101 (for the type checker: the caller has seen to it)
        if self.holding.origin != "hub":
            return self.path(file)
        return fetch_hub_file(
            self.holding.source,
            str(self.holding.revision),
            file.path,
            size=file.size,
            sha256=file.sha256,
        )

    def damaged(self, *, again: bool = False) -> tuple[RepoFile, ...]:
        """The files that are missing or not what they were.

        Args:
            again: take every digest, even of files that seem untouched since the last time.
        """
        return tuple(
            file
            for file in self.vouched
            if not is_whole(self.path(file), file.size, file.sha256, again=again)
        )


def local_name(file: RepoFile) -> str:
    """What a file is called in the folder of a set that was imported."""
    return file.path.rpartition("/")[2]


def sets_folder() -> Path:
    """The folder of all notes."""
    return cache_folder() / "sets"


def holding_key(*what: str | None) -> str:
    """A folder name for where a set came from."""
    return hashlib.sha256("\n".join(str(one) for one in what).encode()).hexdigest()[:16]


def list_held(set_id: str | None = None, split: str | None = None) -> tuple[HeldSet, ...]:
    """What is held, by id, split and time; a note that cannot be read is passed over."""
    pattern = f"{set_id or '*/*/*'}/{split or '*'}/*/{HOLDING_NAME}"
    found = []
    for path in sorted(sets_folder().glob(pattern)):
        if path.parent.name.startswith("."):
            continue  # being made, or left by a process that was killed
        with contextlib.suppress(DataError, OSError):
            found.append(HeldSet(path.parent, parse_record(Holding, path.read_bytes(), str(path))))
    return tuple(found)


@contextlib.contextmanager
def new_folder(set_id: str, split: str, key: str) -> Iterator[Path]:
    """A temporary folder that becomes the set's folder when the block ends well."""
    place = sets_folder() / set_id / split / key
    with temporary_folder(place) as folder:
        yield folder
        if place.exists():  # damaged, or it would have been used
            shutil.rmtree(place)
        folder.rename(place)


def keep(folder: Path, holding: Holding) -> None:
    """Write the note."""
    (folder / HOLDING_NAME).write_text(canonical_json(holding), "utf-8")


def note(held: HeldSet) -> None:
    """Note a set whose files lie elsewhere, unless that was done or cannot be."""
    if (held.folder / HOLDING_NAME).exists():
        return
    holding = held.holding
    with contextlib.suppress(OSError), locked(holding.record.id):
        if not (held.folder / HOLDING_NAME).exists():
            with new_folder(holding.record.id, holding.split, held.folder.name) as folder:
                keep(folder, holding)


@contextlib.contextmanager
def locked(set_id: str) -> Iterator[None]:
    """Let one process at a time fetch a set; one that cannot write does not wait."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock(set_id))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
        yield


def is_locked(set_id: str) -> bool:
    """Whether a process is fetching a set just now."""
    from filelock import Timeout

    try:
        with _lock(set_id).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # where nothing can be written, nothing is fetched
        return False


def _lock(set_id: str) -> FileLock:
    return _lock_file(set_id.replace("/", "--"))


def staging_lock(folder: Path) -> FileLock:
    """A lock on a folder that is written to, held while it is used as a context manager."""
    return _lock_file(f"staging-{holding_key(str(folder.resolve()))}")


def _lock_file(name: str) -> FileLock:
    try:
        from filelock import FileLock
    except ImportError as error:
        raise MissingDependencyError("filelock", "hub", "fetching and packing map sets") from error
    path = cache_folder() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)
