"""Files of maps, put together without the package."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
