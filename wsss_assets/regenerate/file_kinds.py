"""What a file of weights is by its first bytes, so that no page or picture passes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.storage.files import looks_like_a_page

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["describe_kind", "is_of_its_kind"]

_START = 512
_ZIP = b"PK\x03\x04"
_PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_LENGTH = 8
"""Bytes of the number that a safetensors file begins with: those of its header, which is JSON."""

_ONNX_VERSION = 0x08
"""Tag of a model's first field, the version of the format; protobuf writes fields in order."""

_SIGNATURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"RIFF": "a WebP picture, sound or film",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"version https://git-lfs": "a pointer of Git LFS",
    _ZIP: "a zip archive or zipped PyTorch file",
    **dict.fromkeys(_PICKLE, "a pickle, as old PyTorch files are"),
}


def is_of_its_kind(path: Path) -> bool:
    """Whether a file begins as weights of its suffix do.

    Args:
        path: `.onnx`, `.safetensors`; anything else must be a PyTorch file, zipped or legacy.
    """
    start, size = _start(path), path.stat().st_size
    if path.suffix == ".onnx":
        return start[:1] == bytes([_ONNX_VERSION])
    if path.suffix == ".safetensors":
        return _is_safetensors(start, size)
    return start.startswith((_ZIP, *_PICKLE))


def describe_kind(path: Path) -> str:
    """What a file looks like, in a few words."""
    start = _start(path)
    if not start:
        return "an empty file"
    if looks_like_a_page(start):
        return "a web page"
    for signature, what in _SIGNATURES.items():
        if start.startswith(signature):
            return what
    if _is_safetensors(start, path.stat().st_size):
        return "a safetensors file"
    return "a text" if _is_text(start) else f"bytes of no known kind: {start[:8].hex(' ')}"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START)


def _is_safetensors(start: bytes, size: int) -> bool:
    header = int.from_bytes(start[:_LENGTH], "little")
    return start[_LENGTH : _LENGTH + 1] == b"{" and _LENGTH + header <= size


def _is_text(start: bytes) -> bool:
    text = start.decode("utf-8", "ignore")
    # A letter may be cut off at the end of what was read, nowhere else.
    whole = len(text.encode()) > len(start) - 4
    return whole and all(letter.isprintable() or letter.isspace() for letter in text)
