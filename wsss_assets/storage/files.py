"""Files that are either whole or not there: atomic writes, digests, folder listings."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import os
import shutil
import socket
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.errors import DataError, MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ListedFiles",
    "by_stem",
    "check_folder",
    "check_free_space",
    "has_digest",
    "is_leftover",
    "list_files",
    "list_leftovers",
    "looks_like_a_page",
    "refuse_disk_trouble",
    "remove_leftovers",
    "replaced",
    "sha256_file",
    "temporary_folder",
    "write_atomically",
]

_TEMPORARY = ".tmp"
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and move it there at the end.

    A reader sees the old file or the new one, never a part; after an exception the old one
    stays and the temporary file is gone. The parent folder is made if need be.
    """
    if path.exists() and not path.is_file():
        yield path  # a device or pipe, such as /dev/stdout: written to, never replaced
        return
    path = path.resolve() if path.is_symlink() else path
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file; `str` is stored as UTF-8, line ends as they are."""
    with replaced(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder beside a path, named as leftovers are; what is left of it goes at the end."""
    folder = _temporary(beside)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_leftover(path: Path) -> bool:
    """Whether `path` is named as the temporary files of `replaced` are."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def remove_leftovers(folder: Path) -> None:
    """Remove, at any depth, temporary files of processes of this machine that were killed."""
    for path in list_leftovers(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def list_leftovers(folder: Path) -> list[Path]:
    """Temporary files and folders, at any depth, of processes of this machine that were killed."""
    found = []
    # `walk` passes over folders that other processes remove meanwhile; `rglob` fails at them.
    for parent, folders, files in os.walk(folder):
        for name in fnmatch.filter([*folders, *files], f".*.{_host()}.*{_TEMPORARY}"):
            pid = name.removesuffix(_TEMPORARY).rpartition(".")[2]
            if pid.isdecimal() and not _is_running(int(pid)):
                found.append(Path(parent) / name)
    return found


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def has_digest(path: Path, size: int, sha256: str) -> bool:
    """Whether a file that is there has this size and this hex digest."""
    return path.stat().st_size == size and sha256_file(path) == sha256


class ListedFiles(Mapping[str, "Path"]):
    """Paths of a folder's files by name without suffix, made as they are asked for.

    A hundred thousand paths take ten times the memory that their names do.

    Args:
        folder: where they lie.
        names: their names by name without suffix.
    """

    def __init__(self, folder: Path, names: Mapping[str, str]) -> None:
        self._folder = folder
        self._suffixes = {stem: sys.intern(names[stem][len(stem) :]) for stem in sorted(names)}

    def __getitem__(self, stem: str) -> Path:
        return self._folder / f"{stem}{self._suffixes[stem]}"

    def __contains__(self, stem: object) -> bool:
        return stem in self._suffixes

    def __iter__(self) -> Iterator[str]:
        return iter(self._suffixes)

    def __len__(self) -> int:
        return len(self._suffixes)


def check_folder(folder: Path) -> None:
    """Refuse what is no folder.

    Raises:
        MissingFileError: so it is.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"no folder {folder}", found="a file" if folder.exists() else "nothing there"
        )


def list_files(folder: Path, suffixes: tuple[str, ...]) -> ListedFiles:
    """Files right in `folder` by name without suffix.

    Args:
        folder: the folder; it must exist and hold at least one such file.
        suffixes: lower-case endings such as `.png`, the preferred one first: where a stem
            occurs with two of them, the earlier ending wins. Hidden files are passed over.

    Raises:
        MissingFileError: no such folder, or it holds none.
    """
    check_folder(folder)
    with os.scandir(folder) as entries:
        found = by_stem((entry.name for entry in entries), suffixes)
    if not found:
        raise MissingFileError(
            f"{folder} holds no {' or '.join(suffixes)} file",
            hint="name the folder that holds the maps themselves, not one above it",
        )
    return ListedFiles(folder, found)


def by_stem(names: Iterable[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    """File names by name without suffix, as `list_files` chooses among them."""
    rank = {suffix: position for position, suffix in enumerate(suffixes)}
    found: dict[str, str] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (Path is slow here)
        position = rank.get(suffix.lower())
        if position is None or name.startswith("."):
            continue
        if stem not in found or position < rank[found[stem][len(stem) :].lower()]:
            found[stem] = name
    return found


def looks_like_a_page(start: bytes) -> bool:
    """Whether a file that begins so is a web page, such as logins and mirrors send instead."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def refuse_disk_trouble(cause: BaseException, doing: str) -> None:
    """Raise an error of the disk again, saying what was being done; pass over all others.

    Args:
        cause: what was raised while something was fetched.
        doing: what, e.g. `fetching https://…`.

    Raises:
        OSError: the disk is full, may not be written, or a path on it is at fault.
    """
    if not isinstance(cause, OSError) or not (cause.filename or cause.errno in _DISK_TROUBLE):
        return
    text = f"{cause.strerror or cause} while {doing}"
    raise OSError(cause.errno, text, cause.filename) from cause


def check_free_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: where it would be written; need not be there yet.
        needed: bytes.

    Raises:
        DataError: fewer bytes are free there.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DataError(
            f"the disk of {folder} is too full",
            expected=f"{needed:,} bytes free",
            found=f"{free:,}",
            done="nothing was written",
            hint="make room there, or name a folder elsewhere: WSSS_ASSETS_CACHE, or HF_HOME for "
            "files of the Hub",
        )


@lru_cache
def _host() -> str:
    """This machine's name; folders may be shared with others, whose pids mean nothing here."""
    return "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())


def _temporary(beside: Path) -> Path:
    """A path of this thread alone; the process stands last, for `list_leftovers`."""
    thread = threading.get_ident()
    return beside.with_name(f".{beside.name}.{_host()}.{thread}.{os.getpid()}{_TEMPORARY}")


def _is_running(pid: int) -> bool:
    if os.name != "posix":
        return True  # os.kill would end the process there; its leftovers stay
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
