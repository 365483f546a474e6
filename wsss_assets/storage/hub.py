"""Files of a dataset repository on the Hugging Face Hub, at a commit, checked to the byte.

`huggingface_hub` checks sizes and nothing else, gives up on some failures that pass, and hands
out a cached file that was damaged since. Here every file is held to the digest that its record
names, before it is used; one that is wrong is fetched once more. What is cached costs no request.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wsss_assets import __version__
from wsss_assets.errors import ChecksumError, FetchError, MissingDependencyError
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.hub_faults import HubAttempts, is_final, reason_of, troubles
from wsss_assets.storage.steady import SteadyFile
from wsss_assets.storage.verified import is_whole
from wsss_assets.storage.web import is_offline

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "cached_hub_file",
    "drop_hub_file",
    "fetch_hub_file",
    "hub_cache",
    "hub_repository_folder",
    "open_hub_file",
    "resolve_commit",
]

_LIBRARY = {"library_name": "wsss-assets", "library_version": __version__}
_COMMIT = re.compile(r"[0-9a-f]{40}")


def resolve_commit(
    repo_id: str, revision: str | None, *, sleep: Callable[[float], None] = time.sleep
) -> str:
    """The commit that a branch or tag stands for; a whole commit costs no request.

    Without a network, it is what the name stood for when it was last asked.

    Args:
        repo_id: `org/name` of a dataset repository.
        revision: branch, tag or 40-hex commit; None: the default branch.
        sleep: what waits between tries.

    Raises:
        FetchError: no such repository or revision, no permission, or no network and no answer of
            before.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    hub = _hub()
    attempts = HubAttempts(f"{repo_id} at {revision or 'its default branch'}", sleep)
    while True:
        try:
            if is_offline():
                return _remembered_commit(repo_id, revision)
            commit = hub.HfApi(**_LIBRARY).dataset_info(repo_id, revision=revision).sha
        except troubles() as error:
            try:
                attempts.failed(error)
            except FetchError:
                if is_final(error):
                    raise
                with contextlib.suppress(FetchError):
                    return _remembered_commit(repo_id, revision)
                raise
        else:
            _remember_commit(repo_id, revision, commit)
            return str(commit)


def hub_cache() -> Path:
    """The folder that the Hub's library keeps its files in."""
    return Path(_hub().constants.HF_HUB_CACHE)


def hub_repository_folder(repo_id: str) -> Path:
    """The folder of a dataset repository in it."""
    return hub_cache() / f"datasets--{repo_id.replace('/', '--')}"


def cached_hub_file(repo_id: str, revision: str, path: str) -> Path | None:
    """Where the Hub's cache holds a file of a commit, unchecked; None where it does not."""
    found = _hub().try_to_load_from_cache(repo_id, path, revision=revision, repo_type="dataset")
    return Path(found) if isinstance(found, str) else None


def drop_hub_file(path: Path) -> None:
    """Remove a file from the Hub's cache, its content included."""
    content = path.resolve()
    path.unlink(missing_ok=True)
    content.unlink(missing_ok=True)


def fetch_hub_file(
    repo_id: str,
    revision: str,
    path: str,
    *,
    size: int | None = None,
    sha256: str | None = None,
    advance: Callable[[int], object] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    cache: Path | None = None,
) -> Path:
    """A file of a commit in the Hub's cache, fetched if need be and held to its digest.

    Args:
        repo_id: `org/name` of a dataset repository.
        revision: 40-hex commit.
        path: the file, below the repository's root.
        size: bytes it must have.
        sha256: digest it must have; None: the file vouches for itself.
        advance: told of bytes as they come; of fewer than none when they have to come again.
        sleep: what waits between tries.
        cache: another cache than the user's.

    Raises:
        FetchError: no such file, no permission, no network, or still failing after six tries.
        ChecksumError: the file is not what the record says, and was not when fetched again.
    """
    attempts = HubAttempts(f"{path} of {repo_id} at {revision[:12]}", sleep, expires=True)
    counter = _counter(advance)
    damaged = False
    while True:
        try:
            found = _download(repo_id, revision, path, again=damaged, counter=counter, cache=cache)
        except troubles() as error:
            counter.rewind()
            attempts.failed(error)
            continue
        if size is None or sha256 is None or is_whole(found, size, sha256):
            return found
        counter.rewind()
        if is_offline():
            raise ChecksumError(
                f"{found} is damaged",
                expected=f"{size} bytes of sha256 {sha256}",
                done="it is not used",
                hint="it heals by itself when HF_HUB_OFFLINE is not set",
            )
        drop_hub_file(found)  # a cache without links would keep it beside what is fetched again
        if damaged:
            raise ChecksumError(
                f"{attempts.what} is not the file it should be",
                expected=f"{size} bytes of sha256 {sha256}",
                done="fetched again and still wrong; nothing was kept",
                hint="a mirror or proxy may answer in the Hub's place: see HF_ENDPOINT",
            )
        damaged = True


def open_hub_file(address: str, *, sleep: Callable[[float], None] = time.sleep) -> SteadyFile:
    """A file of a repository, read by ranges as it is needed; nothing is stored.

    Args:
        address: `hf://datasets/<repo id>@<commit>/<path>`.
        sleep: what waits between tries.

    Raises:
        FetchError: it is not there, or cannot be reached; later, what is read.
    """
    attempts = HubAttempts(address, sleep, expires=True)
    while True:
        try:
            # Without a cache of its own, no more is asked for than is read.
            file = _hub().HfFileSystem().open(address, "rb", cache_type="none")
            return SteadyFile(_Translated(file), address, sleep)
        except troubles() as error:
            attempts.failed(error)


class _Translated:
    """A file whose faults are those that every file system has."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 (a file of fsspec's)
        self._file = file
        self.close = file.close
        self.seek = file.seek

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._file.read(size))
        except troubles() as error:
            raise OSError(reason_of(error)) from error


def _hub() -> Any:  # noqa: ANN401 (a module)
    try:
        import huggingface_hub.constants
    except ImportError as error:
        raise MissingDependencyError("huggingface_hub", "hub", "the Hugging Face Hub") from error
    return huggingface_hub


def _download(
    repo_id: str,
    revision: str,
    path: str,
    *,
    again: bool,
    counter: type[_Counter],
    cache: Path | None,
) -> Path:
    return Path(
        _hub().hf_hub_download(
            repo_id,
            path,
            repo_type="dataset",
            revision=revision,
            force_download=again,
            cache_dir=cache,
            tqdm_class=counter,
            **_LIBRARY,
        )
    )


def _remembered_commit(repo_id: str, revision: str | None) -> str:
    """What a name stood for when this package, or else the Hub's own library, last asked."""
    name = revision or _hub().constants.DEFAULT_REVISION
    for place in (_reference(repo_id, name), hub_repository_folder(repo_id) / "refs" / name):
        with contextlib.suppress(OSError, ValueError):  # not there, or damaged
            commit = place.read_text("utf-8").strip()
            if _COMMIT.fullmatch(commit):
                return commit
    raise FetchError(
        f"{repo_id} at {name} cannot be looked up without a network",
        found="HF_HUB_OFFLINE is set" if is_offline() else "no answer",
        hint="name a 40-hex commit with --revision, or ask once with a network",
    )


def _remember_commit(repo_id: str, revision: str | None, commit: str) -> None:
    with contextlib.suppress(OSError):
        place = _reference(repo_id, revision or _hub().constants.DEFAULT_REVISION)
        write_atomically(place, commit)


def _reference(repo_id: str, name: str) -> Path:
    return cache_folder() / "references" / repo_id / quote(name, safe="")


class _Counter:
    """As much of a tqdm bar as `huggingface_hub` asks for; it draws nothing and hands on bytes."""

    advance: Callable[[int], object] | None = None
    counted = 0

    def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
        self.update(initial)

    def __enter__(self) -> _Counter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Nothing is drawn, so nothing is closed."""

    @classmethod
    def update(cls, bytes_: int | float | None = 1) -> None:
        """So many bytes came, or have to come again."""
        number = int(bytes_ or 0)
        cls.counted += number
        if cls.advance is not None:
            cls.advance(number)

    @classmethod
    def rewind(cls) -> None:
        """The file has to come again from its beginning."""
        cls.update(-cls.counted)


def _counter(advance: Callable[[int], object] | None) -> type[_Counter]:
    """A class of its own for one file, for it is a class that the Hub's library wants."""
    hand_on = None if advance is None else staticmethod(advance)
    return type("_FileCounter", (_Counter,), {"advance": hand_on, "counted": 0})
