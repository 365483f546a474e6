"""Label maps: what may be read as one, and how one is written.

A *label map* is uint8 (H, W) of class indices, 0 background, 255 ignore label, stored as a palette
PNG so that people can look at it.
"""

from __future__ import annotations

import io
import zlib
from functools import lru_cache
from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.files import replaced
from wsss_assets.storage.pictures import STORED_AS, describe, opened

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.storage.images import UInt8

__all__ = [
    "LABEL_SUFFIXES",
    "check_label_header",
    "encode_label",
    "label_palette",
    "read_label",
    "shows_label_colours",
    "write_label",
]

_STRETCHED = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies grey values of fewer than 8 bits with; indices must not be."""

_TWO_COLOURS = 6
"""Bytes of a palette: black alone is no sign of labels."""

LABEL_SUFFIXES = (".png", ".npy", ".bmp")


def read_label(path: Path) -> UInt8:
    """A label map as uint8 (H, W): palette indices or grey values, or a 2-D integer `.npy`.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image or array, cut short, in colours instead of indices, or
            values outside 0..255.
    """
    if path.suffix.lower() == ".npy":
        return _read_label_array(path)
    with opened(path) as image:
        _require_indices(path, image)
        label: UInt8 = np.array(image, np.uint8)  # a bilevel mask is 0 and 1
        factor = _STRETCHED.get(image.info[STORED_AS])
        return label if factor is None else label // factor


def check_label_header(path: Path) -> None:
    """Refuse what cannot be a label map, by the header alone.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, or in colours instead of indices.
    """
    with opened(path, load=False) as image:
        _require_indices(path, image)


def shows_label_colours(path: Path, colours: int) -> bool:
    """Whether a picture has a palette that begins as `label_palette` does, by the header alone.

    Args:
        path: the picture.
        colours: how many indices are labels: the classes and the background.
    """
    try:
        with opened(path, load=False) as image:
            if image.mode != "P" or image.palette is None:
                return False
            held = bytes(image.palette.palette)
    except (ImageFormatError, MissingFileError):
        return False
    length = min(len(held), 3 * colours)  # a palette may be cut off behind the last index in use
    return length >= _TWO_COLOURS and held[:length] == label_palette(colours)[:length]


def write_label(path: Path, label: UInt8, colours: int) -> None:
    """Write a label map as a palette PNG, whole or not at all.

    Args:
        path: where to.
        label: uint8 (H, W) class indices.
        colours: how many indices have colours of their own (classes + background).
    """
    with replaced(path) as temporary:
        temporary.write_bytes(encode_label(label, colours))


def encode_label(label: UInt8, colours: int) -> bytes:
    """The PNG bytes that `write_label` writes."""
    image = Image.fromarray(label)
    image.putpalette(label_palette(colours))
    buffer = io.BytesIO()
    # Runs alone (zlib's Z_RLE) pack label maps nearly as small as level 6, in half the time.
    image.save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


@lru_cache
def label_palette(colours: int) -> bytes:
    """768 bytes of RGB: VOC's colours for the first `colours` indices, grey for the rest.

    VOC's rule spreads the bits of the index over the high bits of red, green and blue. Index
    255 is white.
    """
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    for index in range(colours):
        bits = index
        rgb = [0, 0, 0]
        for shift in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= ((bits >> channel) & 1) << shift
            bits >>= 3
        table[index] = rgb
    return table.tobytes()


def _require_indices(path: Path, image: Image.Image) -> None:
    if image.mode not in {"L", "P", "1"}:
        raise ImageFormatError(
            f"{path} holds no class indices",
            expected="a palette or 8-bit grey PNG whose values are class indices",
            found=describe(image),
            hint="colours cannot be scored: write the mask with indices (mode P)",
        )


def _read_label_array(path: Path) -> UInt8:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    except (ValueError, OSError, EOFError, SyntaxError, TokenError, OverflowError,
            MemoryError) as error:  # fmt: skip
        raise ImageFormatError(
            f"{path} cannot be read as a label map",
            expected="a 2-D array of integers",
            found=str(error),
        ) from error
    if values.ndim != 2 or values.dtype.kind not in "iub":
        raise ImageFormatError(
            f"{path} is no label map",
            expected="a 2-D array of integers",
            found=f"{values.dtype} {values.shape}",
        )
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ImageFormatError(
            f"{path} holds values that are no class",
            expected="0..255",
            found=f"{values.min()}..{values.max()}",
        )
    label: UInt8 = values.astype(np.uint8)
    return label
