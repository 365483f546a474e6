"""Which images the page shows, and what is embedded of them."""

from __future__ import annotations

import base64
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss_assets.errors import MissingFileError, SizeMismatchError
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import PHOTO_SUFFIXES, read_photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["GROUPS", "Chosen", "PhotoFolder", "choose", "packed", "payloads"]

UInt8: TypeAlias = NDArray[np.uint8]

GROUPS = ("worst", "best", "between")

LARGEST_PHOTO = 1 << 18
"""Bytes of a JPEG that is embedded as it is; larger ones are encoded again."""

LONGEST_SIDE = 1024
"""Of a photo that is encoded again."""


@dataclass(frozen=True)
class Chosen:
    """An image of the sample.

    Attributes:
        image_id: its id.
        group: one of `GROUPS`.
        score: its own mIoU at the recipe's thresholds.
    """

    image_id: str
    group: str
    score: float


def choose(image_ids: Sequence[str], scores: NDArray[np.float64], count: int) -> list[Chosen]:
    """A third of the sample from the worst images, a third from the best, the rest between.

    Those between are evenly spread by rank. Ties go by id; images without a score (nothing but
    255 in their ground truth) are never chosen.

    Args:
        image_ids: all images.
        scores: float64 (images,), NaN where there is none.
        count: how many to choose at most.
    """
    ranked = sorted(
        (score, image_id)
        for score, image_id in zip(scores.tolist(), image_ids, strict=True)
        if score == score  # not NaN
    )
    count = min(count, len(ranked))
    ends = count // 3
    rest = ranked[ends : len(ranked) - ends]
    wanted = count - 2 * ends
    between = [rest[(2 * index + 1) * len(rest) // (2 * wanted)] for index in range(wanted)]
    groups = {"worst": ranked[:ends], "best": ranked[::-1][:ends], "between": between}
    return [Chosen(image_id, group, score) for group in GROUPS for score, image_id in groups[group]]


class PhotoFolder:
    """A folder of photos `<image id>.jpg` (or another format that photos have).

    Args:
        folder: where they are.

    Raises:
        MissingFileError: the folder is missing or holds none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = list_files(folder, PHOTO_SUFFIXES)

    def check(self, image_ids: Iterable[str]) -> None:
        """Refuse, before anything is measured, a folder that lacks the photo of an image.

        Raises:
            MissingFileError: naming the first.
        """
        for image_id in image_ids:
            self._path(image_id)

    def read(self, image_id: str, shape: tuple[int, int]) -> str:
        """A photo as a `data:` address.

        A JPEG without EXIF data (which may hold a rotation, or where it was taken) and of
        moderate size is embedded as it is; anything else is encoded again.

        Raises:
            MissingFileError: there is none.
            ImageFormatError: it cannot be read.
            SizeMismatchError: it is not of the size of the ground truth.
        """
        path = self._path(image_id)
        photo = read_photo(path)
        if photo.shape[:2] != shape:
            raise SizeMismatchError(
                f"the photo {image_id} does not fit the ground truth",
                expected=f"{shape} (height, width)",
                found=f"{photo.shape[:2]}",
            )
        data = path.read_bytes()
        if len(data) > LARGEST_PHOTO or not _is_bare_jpeg(data):
            data = _encoded(photo)
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"

    def _path(self, image_id: str) -> Path:
        path = self._files.get(image_id)
        if path is None:
            raise MissingFileError(
                f"no photo {image_id} in {self.folder}",
                expected=f"{image_id}.jpg or another of {', '.join(PHOTO_SUFFIXES)}",
                hint="leave out --images to do without photos",
            )
        return path


def _is_bare_jpeg(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return image.format == "JPEG" and "exif" not in image.info


def _encoded(photo: UInt8) -> bytes:
    image = Image.fromarray(photo)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def payloads(
    saliency: Mapping[str, Any],
    activation: Mapping[str, Any],
    images: Sequence[Mapping[str, Any]],
    photos: PhotoFolder | None,
) -> dict[str, Any]:
    """What the page loads when an image is shown, by key.

    Args:
        saliency: sources of maps by name.
        activation: sources of maps by name.
        images: the sample: `id`, `classes` and `truth` (uint8 (H, W)) of each.
        photos: where photos are; None: there are none.

    Returns:
        `image-n`: packed `truth`, and `photo`; `saliency-s-n` and `activation-a-n`: packed maps.
    """
    found: dict[str, Any] = {}
    for number, image in enumerate(images):
        truth: UInt8 = image["truth"]
        found[f"image-{number}"] = {"truth": packed(truth)}
        if photos is not None:
            photo = photos.read(image["id"], (truth.shape[0], truth.shape[1]))
            found[f"image-{number}"]["photo"] = photo
        for index, source in enumerate(saliency.values()):
            found[f"saliency-{index}-{number}"] = packed(source.read(image["id"]))
        for index, source in enumerate(activation.values()):
            maps = source.read(image["id"], image["classes"])
            found[f"activation-{index}-{number}"] = packed(*(maps[c] for c in image["classes"]))
    return found


def packed(*arrays: NDArray[Any]) -> str:
    """Arrays one after the other as bytes, deflated, in base64."""
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return base64.b64encode(zlib.compress(data, 6)).decode()
