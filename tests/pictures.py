"""Pictures as files, most of them put together without the package."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from wsss_assets.storage.label_maps import label_palette

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY: npt.NDArray[np.uint8] = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :13].copy()
LABEL: npt.NDArray[np.uint8] = np.array([[0, 1, 20], [255, 7, 0]], dtype=np.uint8)


def picture(seed: int = 0, height: int = 12, width: int = 9) -> npt.NDArray[np.uint8]:
    """Something smooth, as maps are."""
    rows, columns = np.mgrid[:height, :width]
    values = 127 + 100 * np.sin(0.3 * rows + seed) * np.cos(0.2 * columns - seed)
    pixels: npt.NDArray[np.uint8] = values.astype(np.uint8)
    return pixels


def pillow_bytes(image: Image.Image | npt.NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind)
    return buffer.getvalue()


def map_bytes(seed: int = 0, height: int = 12, width: int = 9) -> bytes:
    """`picture` as an 8-bit grey PNG."""
    return pillow_bytes(picture(seed, height, width))


def pixels_of(data: bytes) -> npt.NDArray[np.uint8]:
    """What Pillow decodes."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"
        return np.asarray(image)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """An IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG put together by hand, for kinds that Pillow does not write."""
    data = chunk(b"IDAT", zlib.compress(rows))
    return SIGNATURE + header(width, height, depth, colour) + extra + data + chunk(b"IEND", b"")


def save(path: Path, image: Image.Image, **options: int) -> Path:
    """The file that Pillow writes, of the kind that its suffix says."""
    image.save(path, None, **options)
    return path


def coloured_palette() -> Image.Image:
    """`LABEL` in the colours of label maps."""
    image = Image.fromarray(LABEL)
    image.putpalette(label_palette(21))
    return image
