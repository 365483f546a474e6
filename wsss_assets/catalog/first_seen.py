"""Digests that nobody published: recorded when a file is first seen, and held to ever after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import Archive, canonical_json, parse_record
from wsss_assets.storage.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FirstSeen"]


@dataclass(frozen=True)
class FirstSeen:
    """What a file's digest must be.

    Attributes:
        archive: its address, and its size and digest where these are recorded.
        note: where the digest of the first time is kept.
    """

    archive: Archive
    note: Path

    def digest(self) -> str | None:
        """The hex sha256, as recorded or as it was the first time; None: not known yet."""
        return self.recorded().sha256

    def recorded(self) -> Archive:
        """Address, size and digest, as recorded or as they were the first time."""
        if self.archive.sha256 is not None or not self.note.is_file():
            return self.archive
        return parse_record(Archive, self.note.read_bytes(), str(self.note))

    def remember(self, path: Path, sha256: str) -> None:
        """Note the digest of the file at `path`, unless one is known."""
        if self.digest() is None:
            size = path.stat().st_size
            seen = self.archive.model_copy(update={"size": size, "sha256": sha256})
            write_atomically(self.note, canonical_json(seen))

    @property
    def if_replaced(self) -> str:
        """What to do where the file has become another one for good."""
        return f"if its authors have replaced it, remove {self.note} first"
