from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wsss_assets.regenerate.file_kinds import is_of_its_kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("a.pth", b"\x80\x02\x8a", True),
        ("a.pth.tar", b"PK\x03\x04", True),
        ("a.pth", b"\x80", False),
        ("a.onnx", b"\x08\x07", True),
        ("a.onnx", b"PK\x03\x04", False),
        ("a.safetensors", b"\x02" + bytes(7) + b"{}", True),
        ("a.safetensors", b"\xff" + bytes(7) + b"{}", False),
    ],
)
def test_weights_begin_as_their_suffix_says(
    tmp_path: Path, name: str, content: bytes, right: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert is_of_its_kind(path) is right
