"""8-bit maps and photos: what may be read as one, and how one is written.

A *map* (saliency, activation) is uint8 (H, W), 0..255.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.files import replaced
from wsss_assets.storage.pictures import (
    MAP_FORMATS,
    MOST_PIXELS,
    PHOTO_FORMATS,
    STORED_AS,
    describe,
    loading,
    opened,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "MAP_SUFFIXES",
    "PHOTO_SUFFIXES",
    "UInt8",
    "decode_map",
    "image_size",
    "is_grey",
    "is_rotated",
    "read_map",
    "read_photo",
    "write_map",
    "write_photo",
]

UInt8: TypeAlias = NDArray[np.uint8]

_ORIENTATION = 0x0112
"""The EXIF tag that says how pixels are to be turned; 1: not at all."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = 26
_EIGHT_BIT_GREY = b"\x08\x00"
"""Depth and colour type, the last bytes of the head."""

MAP_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_map(path: Path) -> UInt8:
    """A saliency or activation map as uint8 (H, W).

    A grey picture stored as RGB(A) or with a palette is read as the grey it shows.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, cut short, more than 8 bits, truly coloured, or partly
            transparent.
    """
    with opened(path) as image:
        return _map_values(path, image)


def decode_map(data: bytes, where: str) -> UInt8:
    """A map as uint8 (H, W) from the bytes of its file, by the rules of `read_map`.

    Args:
        data: the file.
        where: what to call it in errors.

    Raises:
        ImageFormatError: as for `read_map`.
    """
    with opened(where, io.BytesIO(data), formats=MAP_FORMATS) as image:
        return _map_values(where, image)


def is_grey(path: Path) -> bool:
    """Whether a picture is stored as 8-bit grey, by the header alone."""
    with path.open("rb") as file:
        head = file.read(_PNG_HEAD)
    if head.startswith(_PNG_SIGNATURE):  # without Pillow, for there may be many
        return head[-2:] == _EIGHT_BIT_GREY
    try:
        with opened(path, load=False) as image:
            return str(image.mode) == "L"
    except ImageFormatError:
        return False


def read_photo(path: Path) -> UInt8:
    """A photo as uint8 (H, W, 3), RGB.

    Pixels are taken as they are stored: a rotation that the EXIF data ask for is not made, for
    ground truth and published maps lie on stored pixels. Grey, palette and CMYK become RGB as
    Pillow converts them; transparency is dropped, as the readers of published code do.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, cut short, of more than 8 bits per channel, or of so many
            pixels that a map of its size could not be read again.
    """
    with opened(path, load=False, formats=PHOTO_FORMATS) as image:
        _refuse_no_photo(path, image)
        with loading(path):
            return np.asarray(image.convert("RGB"))


def is_rotated(path: Path) -> bool:
    """Whether EXIF data ask for a rotation or reflection, which `read_photo` does not make.

    By the header alone; False where that cannot be read.
    """
    with (
        contextlib.suppress(ImageFormatError, MissingFileError),
        opened(path, load=False, formats=PHOTO_FORMATS) as image,
        loading(path),
    ):  # without "exif" Pillow would read the whole of a PNG for some
        return "exif" in image.info and image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    return False


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) from the header alone.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, or of no format that photos may have.
    """
    with opened(path, load=False, formats=PHOTO_FORMATS) as image:
        return image.height, image.width


def write_map(path: Path, values: UInt8) -> None:
    """Write uint8 (H, W) as a grey PNG, whole or not at all."""
    _write_png(path, Image.fromarray(values))


def write_photo(path: Path, values: UInt8) -> None:
    """Write uint8 (H, W, 3) as a JPEG (quality 95) or PNG by the suffix, whole or not at all."""
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    with replaced(path) as temporary:
        Image.fromarray(values).save(temporary, format=kind, quality=95)


def _write_png(path: Path, image: Image.Image) -> None:
    with replaced(path) as temporary:
        image.save(temporary, format="PNG")


def _refuse_no_photo(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise ImageFormatError(
            f"{path} is too large",
            expected=f"at most {MOST_PIXELS:,} pixels, as many as a map may have",
            found=describe(image),
            hint="make the photo smaller",
        )
    if "16" in image.info[STORED_AS] or image.mode.startswith(("I", "F")):
        raise ImageFormatError(
            f"{path} is no 8-bit photo",
            expected="8 bits per channel",
            found=describe(image),
            hint="convert it yourself, choosing how its values become 8 bits: readers differ there",
        )


def _map_values(where: Path | str, image: Image.Image) -> UInt8:
    if image.mode == "L":
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    deep = "16" in image.info[STORED_AS]
    if deep or image.mode not in {"P", "RGB", "RGBA", "LA", "PA"}:
        raise ImageFormatError(
            f"{where} is no 8-bit map",
            expected="8 bits of grey per pixel",
            found=describe(image),
            hint="convert it yourself, choosing how 16 bits become 8: readers differ there",
        )
    return _grey(where, image)


def _grey(where: Path | str, image: Image.Image) -> UInt8:
    channels = np.asarray(image.convert("RGBA"))
    red, green, blue, alpha = (channels[..., index] for index in range(4))
    if not (np.array_equal(red, green) and np.array_equal(green, blue)):
        raise ImageFormatError(
            f"{where} is coloured",
            expected="grey",
            found=describe(image),
            hint="is this a folder of photos? a heat map drawn in colours cannot be turned back "
            "into the grey map that it shows",
        )
    if alpha.min() < 255:
        raise ImageFormatError(f"{where} is partly transparent", expected="an opaque grey map")
    return np.ascontiguousarray(red)
