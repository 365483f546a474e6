"""Where maps come from: a folder of loose files, or anything with the same methods.

Code that reads maps takes a path or an object that follows one of the protocols here, so that
another kind of source is another class and no flag.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wsss_assets.errors import MissingFileError
from wsss_assets.storage.activation_dicts import read_activation_dict
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, read_map
from wsss_assets.storage.label_maps import LABEL_SUFFIXES, read_label
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.storage.images import UInt8

__all__ = [
    "ActivationFolder",
    "ActivationSource",
    "LabelFolder",
    "SaliencyFolder",
    "SaliencySource",
    "is_afar",
    "open_activations",
    "open_saliency",
]


class SaliencySource(Protocol):
    """Gives the saliency map of an image; its `str` names it, the same in every run."""

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); a `DataError` where it is missing or unusable."""

    def version(self, image_id: str) -> str:
        """A text that changes when the map does; empty where nothing is known or there."""


class ActivationSource(Protocol):
    """Gives the activation maps of an image; its `str` names it, the same in every run."""

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) by 0-based class; a `DataError` where one is missing or unusable."""

    def version(self, image_id: str, classes: Sequence[int]) -> str:
        """A text that changes when one of them does; empty where nothing is known."""


class _Folder:
    """Files of one folder by name without suffix, listed once."""

    kind = "file"

    def __init__(self, folder: Path, suffixes: tuple[str, ...]) -> None:
        self.folder = folder
        self.files = list_files(folder, suffixes)

    def path(self, stem: str) -> Path:
        """The file of that name.

        Raises:
            MissingFileError: it is not there.
        """
        if stem not in self.files:
            raise MissingFileError(
                f"no {self.kind} {stem} in {self.folder}",
                found=f"{len(self.files)} files, e.g. {next(iter(self.files.values())).name}",
            )
        return self.files[stem]


class SaliencyFolder(_Folder):
    """A folder of `<image id>.png`."""

    kind = "saliency map"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, MAP_SUFFIXES)

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); see `SaliencySource`."""
        return read_map(self.path(image_id))

    def version(self, image_id: str) -> str:
        """See `SaliencySource`."""
        return files_version([self.files.get(image_id)])


class ActivationFolder(_Folder):
    """A folder of `<image id>_<0-based class>.png`, or of `<image id>.npy` dictionaries."""

    kind = "activation map"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, (*MAP_SUFFIXES, ".npy"))

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) by class; see `ActivationSource`."""
        dictionary = self.files.get(image_id)
        if dictionary is not None and dictionary.suffix.lower() == ".npy":
            return read_activation_dict(dictionary, classes)
        return {index: read_map(self.path(f"{image_id}_{index}")) for index in classes}

    def version(self, image_id: str, classes: Sequence[int]) -> str:
        """See `ActivationSource`."""
        stems = [image_id, *(f"{image_id}_{index}" for index in classes)]
        return files_version([self.files.get(stem) for stem in stems])


class LabelFolder(_Folder):
    """A folder of label maps `<image id>.png` (or `.npy`)."""

    kind = "label map"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LABEL_SUFFIXES)

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W) of class indices.

        Raises:
            MissingFileError: there is none.
            ImageFormatError: it cannot be read as one.
        """
        return read_label(self.path(image_id))


def is_afar(source: object) -> bool:
    """Whether every reading of a source's maps asks another machine for them."""
    return bool(getattr(source, "is_afar", False))


def open_saliency(source: Path | str | SaliencySource) -> SaliencySource:
    """A folder by its path, or the source itself."""
    return SaliencyFolder(Path(source)) if isinstance(source, str | Path) else source


def open_activations(source: Path | str | ActivationSource) -> ActivationSource:
    """A folder by its path, or the source itself."""
    return ActivationFolder(Path(source)) if isinstance(source, str | Path) else source
