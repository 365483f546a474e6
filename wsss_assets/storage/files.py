"""Files that are either whole or not there: atomic writes, digests, folder listings."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.errors import MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "is_leftover",
    "list_files",
    "remove_leftovers",
    "replaced",
    "sha256_file",
    "write_atomically",
]

_TEMPORARY = ".tmp"


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
    temporary = path.with_name(f".{path.name}.{_host()}.{os.getpid()}{_TEMPORARY}")
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


def is_leftover(path: Path) -> bool:
    """Whether `path` is named as the temporary files of `replaced` are."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def remove_leftovers(folder: Path) -> None:
    """Remove, at any depth, temporary files of processes of this machine that were killed."""
    for path in folder.rglob(f".*.{_host()}.*{_TEMPORARY}"):
        pid = path.name.removesuffix(_TEMPORARY).rpartition(".")[2]
        if pid.isdecimal() and not _is_running(int(pid)):
            path.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files right in `folder` by name without suffix.

    Args:
        folder: the folder; it must exist and hold at least one such file.
        suffixes: lower-case endings such as `.png`, the preferred one first: where a stem
            occurs with two of them, the earlier ending wins. Hidden files are passed over.

    Raises:
        MissingFileError: no such folder, or it holds none.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"no folder {folder}", found="a file" if folder.exists() else "nothing there"
        )
    rank = {suffix: position for position, suffix in enumerate(suffixes)}
    found: dict[str, tuple[int, Path]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (Path is slow here)
            position = rank.get(suffix.lower())
            if position is None or entry.name.startswith("."):
                continue
            if stem not in found or position < found[stem][0]:
                found[stem] = (position, Path(entry.path))
    if not found:
        raise MissingFileError(
            f"{folder} holds no {' or '.join(suffixes)} file",
            hint="name the folder that holds the maps themselves, not one above it",
        )
    return {stem: path for stem, (_, path) in sorted(found.items())}


@lru_cache
def _host() -> str:
    """This machine's name; folders may be shared with others, whose pids mean nothing here."""
    return "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())


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
