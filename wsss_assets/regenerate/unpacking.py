"""One file out of a zip archive of weights: whole, checked, or not there."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wsss_assets.errors import ArchiveError, ChecksumError
from wsss_assets.storage.files import check_free_space, replaced, sha256_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["take_member"]

_FAULTS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
"""What `zipfile` raises at archives that are none, are damaged, or want a password."""


def take_member(archive: Path, member: str, path: Path, sha256: str | None) -> str:
    """Write a member of a zip archive to `path`, and return its hex sha256.

    Nothing else is unpacked, and no name in the archive becomes a path.

    Args:
        archive: the zip archive; it stays.
        member: the last part of the member's name; only one has it.
        path: where the file belongs; it appears there only when it is whole.
        sha256: digest it must have; None: not known.

    Raises:
        ArchiveError: it is no such archive, is damaged, or has not one such member.
        ChecksumError: the member is another file.
        DataError: the disk has no room for it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entry = _only(opened, member, archive)
            check_free_space(path.parent, entry.file_size)
            with replaced(path) as temporary:
                with opened.open(entry) as packed, temporary.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
                found = sha256_file(temporary)
                if sha256 not in {None, found}:
                    raise ChecksumError(
                        f"{member} in {archive} is not the file it should be",
                        expected=f"sha256 {sha256}",
                        found=f"sha256 {found}",
                        done="nothing was unpacked",
                    )
    except _FAULTS as error:
        raise ArchiveError(
            f"{archive} cannot be read as a zip archive",
            found=f"{type(error).__name__}: {error}",
            done="nothing was unpacked",
        ) from error
    return found


def _only(opened: zipfile.ZipFile, member: str, archive: Path) -> zipfile.ZipInfo:
    named = [
        one
        for one in opened.infolist()
        if not one.is_dir() and PurePosixPath(one.filename).name == member
    ]
    if len(named) != 1:
        raise ArchiveError(
            f"{archive} is not the archive it should be",
            expected=f"one {member} in it",
            found=f"{len(named)} among {len(opened.infolist())} entries",
            done="nothing was unpacked",
        )
    return named[0]
