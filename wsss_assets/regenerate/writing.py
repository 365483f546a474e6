"""From what left the device to maps in the folder, in threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.errors import DataError
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.work import Arrays, Work
    from wsss_assets.storage.receipts import Receipts

__all__ = ["MapFolder", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of an image: its maps are written (no error), or why not."""

    image_id: str
    error: str | None = None


@dataclass(frozen=True)
class MapFolder:
    """The folder that maps are written to, and what its receipts say.

    Attributes:
        path: the folder.
        work: what is made.
        fingerprint: digest of all that decides a map besides its photo.
        receipts: of the maps, by name without suffix.
    """

    path: Path
    work: Work
    fingerprint: str
    receipts: Receipts

    def holds(self, photo: Photo) -> bool:
        """Whether all maps of a photo are there, made from just this, and still as written."""
        if photo.path is None:
            return False
        try:
            made_from = self.version(photo.image_id, photo.path)
        except (DataError, OSError):
            return False  # the loop will say what is wrong with it
        return all(
            self.receipts.vouches_for(stem, made_from, self._file(stem))
            for stem in self.work.stems(photo.image_id)
        )

    def version(self, image_id: str, path: Path) -> str:
        """What receipts call this photo and what goes with it; taken before it is read.

        Raises:
            DataError: what goes with it is missing.
            OSError: the photo cannot be looked at.
        """
        text = f"{self.fingerprint}\n{files_version([path])}{self.work.version(image_id)}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def write(self, photo: Photo, values: Arrays, size: tuple[int, int], made_from: str) -> Outcome:
        """Make the maps of a photo and write them; the receipt comes last.

        Args:
            photo: which photo.
            values: what left the device.
            size: its (H, W).
            made_from: its `version`.
        """
        try:
            maps = self.work.finish(values, photo.image_id, size)
        except DataError as error:
            return self.failed(photo, str(error))
        for stem, data in maps.items():
            write_atomically(self._file(stem), data)
            self.receipts.add(stem, made_from, hashlib.sha256(data).hexdigest())
        return Outcome(photo.image_id)

    def remove(self, stem: str) -> None:
        """Remove a map."""
        self._file(stem).unlink(missing_ok=True)

    def failed(self, photo: Photo, reason: str) -> Outcome:
        """The outcome of a photo of which no map can be made."""
        old = any(self._file(stem).exists() for stem in self.work.stems(photo.image_id))
        kept = " (an older map stays in place)" if old else ""
        return Outcome(photo.image_id, f"{reason}{kept}")

    def _file(self, stem: str) -> Path:
        return self.path / f"{stem}{self.work.suffix}"
