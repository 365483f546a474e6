"""One map as the bytes of a PNG: checked without decoding it, or encoded anew without loss.

What this package stores is 8-bit grey PNG and nothing else. A file that is one already keeps its
bytes; other files of grey pixels are decoded by the rules of `storage.images` and written anew.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from wsss_assets.errors import ImageFormatError
from wsss_assets.storage.images import UInt8, decode_map
from wsss_assets.storage.pictures import MOST_PIXELS

__all__ = [
    "RECODING",
    "checked_map",
    "decode_map",
    "encode_map",
    "map_size",
    "png_bytes",
    "recoded_map",
]

RECODING = "filter Up, zlib level 6"
"""How `encode_map` writes, in words."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIRST_CHUNK = struct.Struct(">I4sIIBBBBBI")
_CHUNK = struct.Struct(">I4s")
_CRC = struct.Struct(">I")
_LONGEST_SIDE = 1 << 16
_GREY, _UP = 0, 2


class _Header(NamedTuple):
    """The fields of an IHDR chunk."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int


def checked_map(data: bytes, where: str) -> bytes:
    """The bytes of a map as an 8-bit grey PNG: the very same bytes if they are one.

    Whether they are is seen by the structure: header, length and CRC-32 of every chunk, nothing
    behind the end. No pixel is decoded, which takes 15 µs instead of 1 ms. Of other files
    (RGB, palette, fewer bits, JPEG, BMP) the pixels are decoded and written anew.

    Args:
        data: the file.
        where: what to call it in errors.

    Raises:
        ImageFormatError: damaged, or no 8-bit grey picture.
    """
    if data.startswith(_SIGNATURE):
        header, end = _walk(data, where)
        if (header.depth, header.colour) == (8, _GREY) and end == len(data):
            return data
    return encode_map(decode_map(data, where))


def recoded_map(data: bytes, where: str) -> tuple[bytes, UInt8]:
    """The same map encoded so that it is smaller and decodes faster, and its pixels.

    The encoding is that of `encode_map`, which takes a third off the time to decode; a file that
    would not become smaller by it keeps its bytes. Most activation maps become smaller and most
    saliency maps do not, see scripts/bench/README.md. The new bytes are decoded and compared,
    and depend on nothing but the old ones and the version of zlib.

    Args:
        data: what `checked_map` takes.
        where: what to call it in errors.

    Returns:
        The PNG, and uint8 (H, W).

    Raises:
        ImageFormatError: damaged, or no 8-bit grey picture.
    """
    checked = checked_map(data, where)
    pixels = decode_map(checked, where)
    encoded = encode_map(pixels)
    if len(encoded) >= len(checked):
        return checked, pixels
    if not np.array_equal(decode_map(encoded, where), pixels):
        raise ImageFormatError(f"{where} changes when it is encoded anew", done="nothing was kept")
    return encoded, pixels


def encode_map(pixels: UInt8) -> bytes:
    """uint8 (H, W) as an 8-bit grey PNG: every row minus the one above, zlib level 6.

    One filter for all rows is undone much faster than the mixture that encoders usually choose,
    and maps are smooth enough to lose nothing by it.
    """
    height, width = pixels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    rows[:1, 1:] = pixels[:1]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    return png_bytes((height, width), zlib.compress(rows.tobytes(), 6))


def png_bytes(size: tuple[int, ...], rows: bytes) -> bytes:
    """An 8-bit grey PNG of (height, width), its filtered rows already deflated."""
    height, width = size
    header = struct.pack(">IIBBBBB", width, height, 8, _GREY, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def map_size(data: bytes) -> tuple[int, int]:
    """(height, width) of a map that `checked_map` gave, from its header."""
    _, _, width, height, *_ = _FIRST_CHUNK.unpack_from(data, len(_SIGNATURE))
    return height, width


def _chunk(kind: bytes, content: bytes) -> bytes:
    return _CHUNK.pack(len(content), kind) + content + _CRC.pack(zlib.crc32(kind + content))


def _walk(data: bytes, where: str) -> tuple[_Header, int]:
    """Check every chunk; gives the header and the position behind the last one."""
    header = _header(data, where)
    view = memoryview(data)
    position = len(_SIGNATURE)
    kinds: set[bytes] = set()
    while b"IEND" not in kinds:
        length, kind = _unpack(_CHUNK, data, position, where)
        end = position + 8 + length
        (crc,) = _unpack(_CRC, data, end, where)
        if zlib.crc32(view[position + 4 : end]) != crc:
            raise _damaged(where, f"a wrong CRC of the chunk at byte {position}")
        kinds.add(kind)
        position = end + 4
    if b"IDAT" not in kinds:
        raise _damaged(where, "no pixels")
    return header, position


def _header(data: bytes, where: str) -> _Header:
    length, kind, *fields, _ = _unpack(_FIRST_CHUNK, data, len(_SIGNATURE), where)
    header = _Header(*fields)
    if (length, kind) != (13, b"IHDR") or not header.width or not header.height:
        raise _damaged(where, "no header")
    if (
        max(header.width, header.height) > _LONGEST_SIDE
        or header.width * header.height > MOST_PIXELS
    ):
        raise ImageFormatError(
            f"{where} is too large to be a map", found=f"{header.width}×{header.height} pixels"
        )
    return header


def _unpack(layout: struct.Struct, data: bytes, position: int, where: str) -> tuple[Any, ...]:
    if position + layout.size > len(data):
        raise _damaged(where, f"only {len(data)} bytes")
    return layout.unpack_from(data, position)


def _damaged(where: str, found: str) -> ImageFormatError:
    return ImageFormatError(f"{where} is damaged", expected="a whole PNG", found=found)
