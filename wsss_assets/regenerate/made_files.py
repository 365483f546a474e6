"""The files of a folder of maps, held to the digests that the record beside them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.parallel import default_workers, ordered_map
from wsss_assets.storage.files import sha256_file
from wsss_assets.words import counted, some_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["FilesFound", "find_files"]


@dataclass(frozen=True)
class FilesFound:
    """What became of the files that a record names.

    Attributes:
        recorded: how many it names.
        changed: names, without suffix, of those that are not the files that were made.
        missing: of those that are not there.
        unknown: of those that are there, and that the record does not name.
    """

    recorded: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def shortcomings(self) -> list[str]:
        """In what these are not the files of the record, in words."""
        said = [
            (self.changed, "is not the file that was made", "are not the files that were made"),
            (self.missing, "that was made is gone", "that were made are gone"),
            (self.unknown, "is not in the record", "are not in the record"),
        ]
        return [
            f"{counted(len(names), 'map')} {one if len(names) == 1 else several}: {some_of(names)}"
            for names, one, several in said
            if names
        ]

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "recorded": self.recorded,
            "changed": list(self.changed),
            "missing": list(self.missing),
            "unknown": list(self.unknown),
        }


def find_files(
    recorded: Mapping[str, str], files: Mapping[str, Path], feedback: Feedback
) -> FilesFound:
    """Take the digest of every file of a folder.

    Args:
        recorded: sha256 by name without suffix.
        files: those that are there, likewise.
        feedback: who waits.
    """
    there = [name for name in recorded if name in files]
    digests = ordered_map(lambda name: sha256_file(files[name]), there, default_workers())
    found = zip(there, feedback.items(digests, len(there)), strict=True)
    return FilesFound(
        len(recorded),
        tuple(name for name, digest in found if digest != recorded[name]),
        tuple(name for name in recorded if name not in files),
        tuple(name for name in files if name not in recorded),
    )
