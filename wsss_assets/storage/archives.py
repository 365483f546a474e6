"""Maps inside a zip archive, read without unpacking it.

An archive comes from elsewhere, so what it says about itself is doubted before the first map is
read: names that would leave a folder, links, passwords, sizes that no map has, entries that share
bytes. Its index is read by `zipfile`; maps are inflated here, by all threads at once and never
beyond the size they announce. Nothing is written.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from wsss_assets.errors import ArchiveError, MissingFileError
from wsss_assets.storage.files import looks_like_a_page
from wsss_assets.storage.images import MAP_SUFFIXES
from wsss_assets.storage.stored_maps import StoredMaps, fingerprint_of, refuse_dictionaries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from zipfile import ZipInfo

__all__ = ["ZipMaps"]

_LARGEST_MAP = 64 << 20
_LARGEST_TOTAL = 256 << 30
_MOST_MEMBERS = 10_000_000
_LONGEST_INDEX = 1 << 27  # takes some 900 MB of memory; a million maps have 100 MB
_STEEPEST, _TINY = 200, 1 << 20
"""How often smaller than its content a member may be, and from which size on it matters."""

_END = struct.Struct("<4s4H2IH")
_LOCAL = struct.Struct("<4s22x2H")
_USUAL_NAMES = 256  # bytes of name and extra field that are read along with a member
_ENCRYPTED = 0x1
_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
_FAULTS = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
    ValueError, OverflowError, IndexError,
)  # fmt: skip
"""What comes up in archives that are none, were damaged, or made to do harm."""


class _Member(NamedTuple):
    """Where a map lies in the archive."""

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int


class ZipMaps(StoredMaps):
    """The maps of a zip archive by name without suffix, wherever in it they lie.

    Hidden files, what macOS and Windows leave behind, and files that are no pictures are passed
    over. Several threads may read.

    Args:
        archive: the path, or a file that is open for reading; either is closed in the end.
        name: what to call it in errors; None: its path.
        folder: only what lies below this folder of the archive; empty: everything.

    Raises:
        MissingFileError: no such file, or no map in it.
        ArchiveError: no zip archive, cut short, or it does what no archive of maps should.
    """

    def __init__(self, archive: Path | BinaryIO, name: str | None = None, folder: str = "") -> None:
        self._name = str(archive) if name is None else name
        self._file = _opened(archive)
        self._read_at = _reader(self._file, isinstance(archive, Path))
        try:
            self._members = self._index(folder)
        except ArchiveError as error:
            self._file.close()
            summary = f"{self._name}: {error.summary}"
            raise ArchiveError(summary, found=error.found, hint=error.hint) from error
        except BaseException:
            self._file.close()
            raise

    def __str__(self) -> str:
        return self._name

    def stems(self) -> Collection[str]:
        """See `StoredMaps`."""
        return self._members.keys()

    def read(self, stem: str) -> bytes:
        """The bytes of a map.

        Raises:
            MissingFileError: there is none of that name.
            ArchiveError: it is damaged.
        """
        member = self._members.get(stem)
        if member is None:
            raise MissingFileError(f"no map {stem} in {self._name}")
        with self._faults(f"{member.name} in the archive is damaged"):
            return _unpacked(member, self._stored(member))

    def fingerprint(self) -> str:
        """See `StoredMaps`: of names, sizes and CRCs."""
        return fingerprint_of((one.name, one.size, one.crc) for one in self._members.values())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _index(self, folder: str) -> dict[str, _Member]:
        with self._faults("this archive cannot be used"):
            _check_ends(self._file)
            with zipfile.ZipFile(cast("BinaryIO", _IndexFile(self._file))) as archive:
                entries, end = archive.infolist(), archive.start_dir
            _check_entries(entries, end)
            members = _by_stem(_maps_below(entries, folder.strip("/")))
        if not members:
            refuse_dictionaries(self._name, (entry.filename for entry in entries))
            raise MissingFileError(
                f"{self._name} holds no {' or '.join(MAP_SUFFIXES)} file",
                found=f"{len(entries)} entries, e.g. {entries[0].filename!a}" if entries else None,
            )
        return members

    def _stored(self, member: _Member) -> bytes:
        """The bytes of a member as they lie in the file."""
        block = self._read_at(member.offset, _LOCAL.size + _USUAL_NAMES + member.packed)
        signature, name_length, extra_length = _LOCAL.unpack_from(block)
        if signature != b"PK\3\4":
            raise zipfile.BadZipFile("no entry where the index says")
        start = _LOCAL.size + name_length + extra_length
        if start + member.packed > len(block):
            block = self._read_at(member.offset, start + member.packed)
        return block[start : start + member.packed]

    @contextlib.contextmanager
    def _faults(self, summary: str) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            raise ArchiveError(summary, found=str(error) or type(error).__name__) from error


def _opened(archive: Path | BinaryIO) -> BinaryIO:
    if not isinstance(archive, Path):
        return archive
    try:
        return archive.open("rb")
    except (FileNotFoundError, IsADirectoryError):
        found = "a folder" if archive.is_dir() else None
        raise MissingFileError(f"no file {archive}", found=found) from None


def _reader(file: BinaryIO, on_disk: bool) -> Callable[[int, int], bytes]:
    """A function of offset and length that several threads may call."""
    if on_disk and hasattr(os, "pread"):
        descriptor = file.fileno()
        return lambda offset, length: os.pread(descriptor, length, offset)
    lock = threading.Lock()

    def read(offset: int, length: int) -> bytes:
        with lock:
            file.seek(offset)
            return file.read(length)

    return read


def _unpacked(member: _Member, stored: bytes) -> bytes:
    """The content of a member, whose size and CRC must be those of the index."""
    if member.method == zipfile.ZIP_DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflater.decompress(stored, member.size + 1)
    elif member.method == zipfile.ZIP_STORED:
        content = stored
    else:
        raise zipfile.BadZipFile(f"compression method {member.method}; only 0 and 8 are read")
    if len(content) > member.size:
        raise zipfile.BadZipFile(f"more than the {member.size} bytes that the index announces")
    if len(content) < member.size:
        raise zipfile.BadZipFile(f"{len(content)} of {member.size} bytes")
    if zlib.crc32(content) != member.crc:
        raise zipfile.BadZipFile("its CRC is wrong")
    return content


def _check_ends(file: BinaryIO) -> None:
    """See by both ends of the file whether it is a whole zip, before its index is read."""
    file.seek(0)
    start = file.read(256)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - 0xFFFF))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or end + _END.size > len(tail):
        raise _no_index(start, size)


class _IndexFile:
    """What `zipfile` reads an index from: all at once, so a length that no index has is refused.

    An archive may say in several places how long its index is, and which one counts is for
    `zipfile` to know.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_INDEX:
            raise ArchiveError("the index of the archive is too long", found=f"{size:,} bytes")
        return self._file.read(size)


def _no_index(start: bytes, size: int) -> ArchiveError:
    if looks_like_a_page(start):
        return ArchiveError(
            "this is no zip archive",
            found="what looks like a web page",
            hint="open the address in a browser: it may want a login, or have moved",
        )
    if start.startswith(b"PK\3\4"):
        return ArchiveError("the archive is cut short", found=f"{size:,} bytes and no index")
    return ArchiveError("this is no zip archive", found=f"{size:,} bytes of something else")


def _check_entries(entries: list[ZipInfo], end: int) -> None:
    """Refuse an archive for any entry that no archive of maps has."""
    if len(entries) > _MOST_MEMBERS:
        raise ArchiveError("too many entries", found=f"{len(entries):,}")
    for entry in entries:
        _check_name(entry.orig_filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ArchiveError(f"the entry {entry.filename!a} is a link")
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"the entry {entry.filename!a} is encrypted")
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    limits = [*(entry.header_offset for entry in in_order[1:]), end]
    for entry, limit in zip(in_order, limits, strict=False):
        if entry.header_offset < 0 or _least_end(entry) > limit:
            raise ArchiveError(f"the entry {entry.filename!a} shares bytes with another")


def _least_end(entry: ZipInfo) -> int:
    return entry.header_offset + _LOCAL.size + entry.compress_size


def _check_name(name: str) -> None:
    unsafe = (
        name.startswith("/")
        or "\\" in name
        or "\0" in name
        or ".." in name.split("/")
        or re.match("[A-Za-z]:", name)
    )
    if unsafe:
        raise ArchiveError(
            f"the entry {name[:300]!a} could be written outside of a folder",
            hint="do not unpack this archive with other tools either",
        )


def _maps_below(entries: Iterable[ZipInfo], folder: str) -> Iterator[_Member]:
    """The maps among the entries; their announced sizes are checked."""
    total = 0
    for entry in entries:
        name = entry.filename.removeprefix("./")
        if not _is_map(name) or (folder and not name.startswith(f"{folder}/")):
            continue
        total += entry.file_size
        if entry.file_size > _LARGEST_MAP:
            raise _bomb(entry, f"{entry.file_size:,} bytes")
        if entry.compress_size > _LARGEST_MAP + _TINY:
            raise _bomb(entry, f"{entry.compress_size:,} bytes in the archive")
        if entry.file_size > max(_TINY, _STEEPEST * entry.compress_size):
            raise _bomb(entry, f"{entry.file_size:,} bytes out of {entry.compress_size:,}")
        if total > _LARGEST_TOTAL:
            raise ArchiveError("the archive is too large", found=f"more than {total:,} bytes")
        yield _Member(
            name,
            entry.header_offset,
            entry.compress_size,
            entry.file_size,
            entry.CRC,
            entry.compress_type,
        )


def _bomb(entry: ZipInfo, found: str) -> ArchiveError:
    return ArchiveError(f"the entry {entry.filename!a} is too large to be a map", found=found)


def _is_map(name: str) -> bool:
    hidden = any(part.startswith(".") or part.lower() in _JUNK for part in name.split("/"))
    return not hidden and name.lower().endswith(MAP_SUFFIXES)


def _by_stem(members: Iterable[_Member]) -> dict[str, _Member]:
    found: dict[str, _Member] = {}
    for member in members:
        stem = member.name.rpartition("/")[2].rpartition(".")[0]
        first = found.setdefault(stem, member)
        if (first.crc, first.size) != (member.crc, member.size):
            raise ArchiveError(
                f"there are two different maps {stem!a}",
                found=f"{first.name!a} and {member.name!a}",
                hint="does the archive hold several map sets? name the folder of one of them, "
                "as in zip://FOLDER::ARCHIVE",
            )
    return dict(sorted(found.items()))
