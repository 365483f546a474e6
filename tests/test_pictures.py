from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from tests.pictures import GREY, png, save
from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.images import image_size, read_map, read_photo
from wsss_assets.storage.label_maps import check_label_header, encode_label, read_label

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.png"


READERS = [read_map, read_label, read_photo, image_size, check_label_header]


@pytest.mark.parametrize("read", READERS)
def test_missing_files(read: Callable[[Path], object], path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*a\.png"):
        read(path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"no picture\n" * 9, b"<html>404</html>", b"\x93NUMPY"]
)
def test_files_that_are_no_pictures(
    read: Callable[[Path], object], path: Path, data: bytes
) -> None:
    path.write_bytes(data)
    with pytest.raises(ImageFormatError, match=r"a\.png"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_a_folder_is_no_picture(read: Callable[[Path], object], path: Path) -> None:
    path.mkdir()
    with pytest.raises(ImageFormatError, match=r"a\.png"):
        read(path)


@pytest.mark.parametrize("read", [read_map, read_label, read_photo])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_picture_cut_short_is_refused(
    read: Callable[[Path], object], path: Path, share: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 50), dtype=np.uint8)
    data = save(path, Image.fromarray(noise)).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageFormatError, match=r"a\.png"):
        read(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_no_cut_changes_a_pixel_unnoticed(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (9, 8), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(noise))
    whole, data = read_map(path), path.read_bytes()
    refused = 0
    lengths = [*range(0, len(data), len(data) // 200 + 1), *range(len(data) - 30, len(data))]
    for length in lengths:
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(read_map(path), whole)
        except ImageFormatError:
            refused += 1
    assert refused > len(lengths) * 0.7


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 10**6), value=st.integers(1, 255), label=st.booleans())
def test_a_damaged_picture_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, label: bool
) -> None:
    noise = np.random.default_rng(1).integers(0, 21, (9, 8), dtype=np.uint8)
    data = bytearray(encode_label(noise, 21)) if label else bytearray()
    if not label:
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        data = bytearray(buffer.getvalue())
    data[position % len(data)] ^= value
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(data)
    with contextlib.suppress(ImageFormatError):
        assert (read_label if label else read_map)(path).dtype == np.uint8


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "PPM", "DDS", "PCX", "AVIF"])
def test_a_photo_is_of_a_format_of_photos_whatever_its_name(path: Path, kind: str) -> None:
    try:
        Image.new("RGB", (16, 16)).save(path, format=kind)
    except (OSError, KeyError):
        pytest.skip(f"this Pillow writes no {kind}")
    for read in (read_photo, image_size):
        with pytest.raises(ImageFormatError, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "DDS"])
@pytest.mark.parametrize("read", [read_map, read_label])
def test_a_map_is_of_no_format_that_runs_programs(
    path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    Image.new("RGB", (16, 16)).save(path, format=kind)
    with pytest.raises(ImageFormatError, match="cannot be read"):
        read(path)


@pytest.mark.parametrize("fault", [RuntimeError, NotImplementedError, AttributeError, EOFError])
@pytest.mark.parametrize("where", ["open", "load", "convert"])
def test_whatever_pillow_raises_is_said_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception], where: str
) -> None:
    save(path, Image.fromarray(GREY))

    def fail(*_: object, **__: object) -> None:
        raise fault

    owner = Image if where == "open" else Image.Image if where == "convert" else ImageFile.ImageFile
    monkeypatch.setattr(owner, where, fail)
    with pytest.raises(ImageFormatError, match=rf"a\.png cannot be read.*{fault.__name__}"):
        read_photo(path)


def test_a_picture_that_claims_to_be_vast_is_refused(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000, 8, 0, b"\0"))
    with pytest.raises(ImageFormatError, match="too large"):
        read_map(path)


def test_colours_of_16_bits_are_refused(path: Path) -> None:
    path.write_bytes(png(2, 1, 16, 2, b"\0" + b"\x00\x01" * 3 + b"\xff\x80" * 3))
    with pytest.raises(ImageFormatError):
        read_map(path)
    with pytest.raises(ImageFormatError):
        read_label(path)
