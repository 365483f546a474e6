"""Photos in a folder by image id, and their sizes from the headers alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.errors import DataError, ListFormatError, MissingFileError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.parallel import default_workers, ordered_map
from wsss_assets.storage.files import check_folder
from wsss_assets.storage.image_ids import refuse_twice
from wsss_assets.storage.images import PHOTO_SUFFIXES, image_size
from wsss_assets.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["Photo", "find_photos", "measured"]

_OTHER_PICTURES = {
    *(".avif", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff"),
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".raw"),
}
"""Suffixes of what people call photos and is not read."""


@dataclass(frozen=True)
class Photo:
    """An image that a map is wanted of.

    Attributes:
        image_id: its id.
        path: its file; None where there is none.
        size: (H, W) from its header; None: not known, or not needed.
        error: why there can be no map of it; None: nothing is known to be wrong.
    """

    image_id: str
    path: Path | None
    size: tuple[int, int] | None = None
    error: str | None = None


def find_photos(
    folder: Path, ids: Sequence[str] | None, feedback: Feedback = SILENT
) -> list[Photo]:
    """The photos of these ids, or all photos of a folder in natural order (`2` before `10`).

    Args:
        folder: holds `<image id>.jpg`, `.jpeg`, `.png`, `.bmp` or `.webp`.
        ids: which, in which order; None: all there are. An id without a photo has no path and
            says so in its `error`; so does a photo whose name can be no id, under its name in
            ASCII.
        feedback: is told what is left out where no ids are given.

    Raises:
        MissingFileError: no such folder, no photo in it, or none of these ids.
        ListFormatError: an id is there twice, or two photos have one name.
    """
    found = _by_stem(folder)
    if ids is None:
        ids = sorted(found, key=_natural)
        left_out = _left_out(folder, folders=True)
        if left_out:
            feedback.say(f"left out in {folder}: {left_out}")
    seen: dict[str, None] = {}
    for image_id in ids:
        refuse_twice(image_id, seen, "the list of images")
        seen[image_id] = None
    photos = [_photo(image_id, found.get(image_id, ()), folder) for image_id in seen]
    if all(photo.path is None for photo in photos):
        raise MissingFileError(
            f"{folder} holds no photo of any of the {len(photos):,} images wanted",
            expected=f"{photos[0].image_id}.jpg and so on" if photos else "at least one image",
            found=f"{len(found):,} photos, e.g. {next(iter(found.values()))[0].name}",
        )
    return photos


def measured(photos: Iterable[Photo]) -> list[Photo]:
    """The same photos with their sizes; one whose header cannot be read says so in `error`."""
    return list(ordered_map(_measured, photos, default_workers()))


def _measured(photo: Photo) -> Photo:
    if photo.path is None:
        return photo
    try:
        return Photo(photo.image_id, photo.path, image_size(photo.path))
    except DataError as error:
        return Photo(photo.image_id, photo.path, error=str(error))


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    check_folder(folder)
    found: dict[str, list[Path]] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 (Path is slow here)
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() in PHOTO_SUFFIXES and not name.startswith("."):
            found.setdefault(stem, []).append(folder / name)
    if not found:
        others = _left_out(folder, folders=False)
        raise MissingFileError(
            f"{folder} holds no photo",
            expected=", ".join(f"*{suffix}" for suffix in PHOTO_SUFFIXES),
            found=others or None,
            hint="convert them, e.g. to PNG"
            if others
            else "name the folder that holds the photos themselves, not one above it",
        )
    return found


def _left_out(folder: Path, *, folders: bool) -> str:
    """What else there is that somebody may take for photos, in words; empty: nothing."""
    with os.scandir(folder) as entries:
        there = sorted((one.name, one.is_dir()) for one in entries if not one.name.startswith("."))
    suffixes = [os.path.splitext(name)[1].lower() for name, is_dir in there if not is_dir]  # noqa: PTH122
    others = [suffix for suffix in suffixes if suffix in _OTHER_PICTURES]
    said = []
    if others:
        pictures = "picture of another kind" if len(others) == 1 else "pictures of other kinds"
        said.append(f"{len(others):,} {pictures} ({', '.join(sorted(set(others)))})")
    inside = sum(is_dir for _, is_dir in there)
    if folders and inside:
        said.append(counted(inside, "folder"))
    return " and ".join(said)


def _photo(image_id: str, paths: Sequence[Path], folder: Path) -> Photo:
    if not image_id.isprintable():
        return _unnamed(ascii(image_id)[1:-1], folder)
    if len(paths) > 1:
        raise ListFormatError(
            f"two photos in {folder} have the name {image_id}",
            expected="one photo for each map",
            found=" and ".join(path.name for path in paths),
            hint="rename one, or move it elsewhere",
        )
    if not paths:
        return Photo(image_id, None, error=f"no photo {image_id} in {folder}")
    return Photo(image_id, paths[0])


def _unnamed(name: str, folder: Path) -> Photo:
    """A photo of which there can be no map, for want of a name."""
    error = DataError(
        f"a photo in {folder} has a name that a map cannot have",
        expected="printable characters",
        found=name,
        hint="rename it",
    )
    return Photo(name, None, error=str(error))


def _natural(stem: str) -> list[tuple[int, int, str]]:
    """Numbers by value, everything else by letter."""
    parts = re.split(r"([0-9]+)", stem)
    key = [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
    return [*key, (0, -1, stem)]
