"""From what left the device to maps in the folder, in threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import DataError
from wsss_assets.storage.files import refuse_disk_trouble, write_atomically
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.work import Arrays, Work
    from wsss_assets.storage.receipts import Receipt, Receipts

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
        device: what people call that which makes them, for the receipts.
    """

    path: Path
    work: Work
    fingerprint: str
    receipts: Receipts
    device: str

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
        shown = f"{files_version([path])}{self.work.version(image_id)}"
        digest = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{self.fingerprint} {digest}"

    def made(self) -> dict[str, Receipt]:
        """Receipts of all maps that are there and were made with these settings, by name."""
        there = {path.name for path in self.path.iterdir()}
        return {
            stem: receipt
            for stem, receipt in self.receipts.all().items()
            if receipt.made_from.startswith(f"{self.fingerprint} ")
            and receipt.sha256 is not None
            and self._file(stem).name in there
        }

    def write(
        self,
        photo: Photo,
        values: Arrays,
        size: tuple[int, int],
        made_from: str,
        halved_to: int | None = None,
    ) -> Outcome:
        """Make the maps of a photo and write them; the receipt comes last.

        Args:
            photo: which photo.
            values: what left the device.
            size: its (H, W).
            made_from: its `version`.
            halved_to: the size of the part it was run in, if its batch did not fit.

        Raises:
            OSError: the disk is full, or the folder may not be written to.
        """
        try:
            maps = self.work.finish(values, photo.image_id, size)
        except DataError as error:
            return self.failed(photo, str(error))
        try:
            for stem, data in maps.items():
                write_atomically(self._file(stem), data)
                how = self._how(stem, photo.image_id, halved_to)
                self.receipts.add(stem, made_from, hashlib.sha256(data).hexdigest(), how)
        except OSError as error:
            refuse_disk_trouble(
                error,
                f"writing to {self.path}; the maps made so far are kept, and when there is room "
                "the same command goes on",
            )
            raise
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

    def _how(self, stem: str, image_id: str, halved_to: int | None) -> dict[str, Any]:
        """What the record of the folder needs to know of each map."""
        how: dict[str, Any] = {"on": self.device}
        if stem != image_id:
            how["image"] = image_id
        if halved_to is not None:
            how["halved_to"] = halved_to
        return how
