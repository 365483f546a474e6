from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageFile

from tests import plain
from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.images import (
    UInt8,
    check_label_header,
    encode_label,
    image_size,
    label_palette,
    read_label,
    read_map,
    read_photo,
    write_label,
    write_map,
    write_photo,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

GREY: UInt8 = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :13].copy()
LABEL: UInt8 = np.array([[0, 1, 20], [255, 7, 0]], dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.png"


def save(path: Path, image: Image.Image, **options: int) -> Path:
    image.save(path, None, **options)
    return path


def grey_palette(image: Image.Image) -> Image.Image:
    """The same picture through a palette of greys that runs backwards."""
    indices = Image.fromarray(255 - np.asarray(image))
    indices.putpalette([255 - value // 3 for value in range(768)])
    assert indices.mode == "P"
    return indices


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG put together by hand, for kinds that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        grey_palette,
        lambda image: image.convert("RGB"),
        lambda image: image.convert("RGBA"),
        lambda image: image.convert("LA"),
    ],
    ids=["L", "P", "RGB", "RGBA", "LA"],
)
def test_grey_is_read_from_every_mode(
    path: Path, change: Callable[[Image.Image], Image.Image]
) -> None:
    found = read_map(save(path, change(Image.fromarray(GREY))))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, GREY)


def test_a_map_of_one_bit_is_black_and_white(path: Path) -> None:
    save(path, Image.fromarray(GREY > 100))
    with Image.open(path) as image:
        assert image.mode == "1"
    np.testing.assert_array_equal(read_map(path), np.where(GREY > 100, 255, 0))


def test_a_map_may_be_a_jpeg_or_bitmap(tmp_path: Path) -> None:
    flat = np.full((8, 8), 77, np.uint8)
    for name in ("a.jpg", "a.bmp"):
        np.testing.assert_array_equal(read_map(save(tmp_path / name, Image.fromarray(flat))), flat)


def coloured_rgb() -> Image.Image:
    values = np.repeat(GREY[..., None], 3, axis=2)
    values[3, 4, 2] ^= 1  # a single pixel, by a single level
    return Image.fromarray(values)


def coloured_palette() -> Image.Image:
    image = Image.fromarray(LABEL)
    image.putpalette(label_palette(21))
    return image


def transparent() -> Image.Image:
    image = Image.fromarray(GREY).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 254))
    return image


@pytest.mark.parametrize(
    ("image", "suffix", "message"),
    [
        (coloured_rgb(), ".png", "is coloured; expected grey; found mode RGB, 13×16"),
        (coloured_palette(), ".png", "is coloured; expected grey; found mode P, 3×2"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), ".png", "no 8-bit map.*16-bit grey"),
        (Image.fromarray(GREY.astype(np.int32)), ".tiff", "no 8-bit map.*16- or 32-bit grey"),
        (Image.fromarray(GREY / np.float32(255)), ".tiff", "no 8-bit map.*floating-point grey"),
        (Image.fromarray(GREY).convert("CMYK"), ".jpg", "no 8-bit map.*mode CMYK"),
        (transparent(), ".png", "is partly transparent; expected an opaque grey map"),
    ],
    ids=["RGB", "palette", "16-bit", "32-bit", "float", "CMYK", "transparent"],
)
def test_what_is_no_map_is_refused(
    tmp_path: Path, image: Image.Image, suffix: str, message: str
) -> None:
    path = save(tmp_path / f"map{suffix}", image)
    with pytest.raises(ImageFormatError, match=message) as caught:
        read_map(path)
    assert str(path) in caught.value.summary


def test_a_transparent_palette_entry_is_refused(path: Path) -> None:
    save(path, grey_palette(Image.fromarray(GREY)), transparency=200)
    with pytest.raises(ImageFormatError, match="transparent"):
        read_map(path)


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


def test_a_label_is_read_as_indices(path: Path) -> None:
    np.testing.assert_array_equal(read_label(save(path, coloured_palette())), LABEL)
    np.testing.assert_array_equal(read_label(save(path, Image.fromarray(LABEL))), LABEL)
    check_label_header(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_label_of_few_bits_keeps_its_indices(path: Path, bits: int) -> None:
    indices = (np.arange(12) % (1 << bits)).astype(np.uint8).reshape(3, 4)
    image = Image.fromarray(indices)
    image.putpalette(label_palette(21)[: 3 << bits])
    save(path, image, bits=bits)
    assert path.read_bytes()[24] == bits
    np.testing.assert_array_equal(read_label(path), indices)


def test_a_label_read_may_be_changed(path: Path) -> None:
    found = read_label(save(path, coloured_palette()))
    found[0, 0] = 9
    np.testing.assert_array_equal(read_label(path), LABEL)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int64", "bool", ">i4"])
def test_a_label_may_be_an_array(tmp_path: Path, dtype: str) -> None:
    values = np.array([[0, 1], [1, 0]], dtype=dtype)
    np.save(tmp_path / "a.npy", values)
    found = read_label(tmp_path / "a.npy")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[0, 1], [1, 0]])


def test_a_label_array_reaches_255(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LABEL.astype(np.int64))
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy"), LABEL)


@pytest.mark.parametrize(
    ("image", "suffix", "found"),
    [
        (coloured_palette().convert("RGB"), ".png", "mode RGB, 3×2"),
        (coloured_palette().convert("RGBA"), ".png", "mode RGBA, 3×2"),
        (Image.fromarray(LABEL.astype(np.uint16)), ".png", "16-bit grey, 3×2"),
        (Image.fromarray(LABEL.astype(np.float32)), ".tiff", "floating-point grey, 3×2"),
    ],
    ids=["RGB", "RGBA", "16-bit", "float"],
)
def test_what_is_no_label_is_refused(
    tmp_path: Path, image: Image.Image, suffix: str, found: str
) -> None:
    path = save(tmp_path / f"a{suffix}", image)
    for read in (read_label, check_label_header):
        with pytest.raises(ImageFormatError, match="no class indices") as caught:
            read(path)
        assert caught.value.found == found
        assert caught.value.hint


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 2), np.float32), r"found float32 \(2, 2\)"),
        (np.zeros((2, 2, 1), np.uint8), r"found uint8 \(2, 2, 1\)"),
        (np.uint8(3), r"found uint8 \(\)"),
        (np.array([["a"]]), r"found <U1 \(1, 1\)"),
        (np.zeros((2, 2), np.complex64), "found complex64"),
        (np.array([[0, 256]]), r"expected 0\.\.255; found 0\.\.256"),
        (np.array([[-1, 20]]), r"expected 0\.\.255; found -1\.\.20"),
    ],
)
def test_arrays_that_are_no_label(tmp_path: Path, values: npt.ArrayLike, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ImageFormatError, match=message):
        read_label(tmp_path / "a.npy")


def test_an_array_of_objects_is_a_pickle_and_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, None]], dtype=object))
    with pytest.raises(ImageFormatError, match="cannot be read as a label map"):
        read_label(tmp_path / "a.npy")


def test_every_cut_of_a_label_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, LABEL)
    data = path.read_bytes()
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ImageFormatError):
            read_label(path)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 200), value=st.integers(1, 255))
def test_a_damaged_label_array_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, LABEL)
    data = bytearray(buffer.getvalue())
    data[position % len(data)] ^= value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(data)
    with contextlib.suppress(ImageFormatError):
        assert read_label(path).dtype == np.uint8


def test_a_missing_label_array(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*a\.npy"):
        read_label(tmp_path / "a.npy")


def test_the_palette_is_that_of_voc() -> None:
    table = np.frombuffer(label_palette(256), np.uint8).reshape(256, 3)
    assert [tuple(map(int, row)) for row in table[:21]] == plain.VOC_COLOURS
    assert tuple(map(int, table[255])) == (224, 224, 192)  # VOC's own, all 256 being classes


@pytest.mark.parametrize("colours", [21, 81])
def test_colours_beyond_the_classes_are_grey_and_255_is_white(colours: int) -> None:
    table = np.frombuffer(label_palette(colours), np.uint8).reshape(256, 3)
    assert [tuple(map(int, row)) for row in table[:21]] == plain.VOC_COLOURS
    assert len({tuple(row) for row in table[:colours]}) == colours
    for index in range(colours, 256):
        assert table[index].tolist() == [index] * 3


labels = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@settings(deadline=None)
@given(label=labels, colours=st.sampled_from([1, 21, 81, 256]))
def test_a_label_comes_back_as_it_was(label: UInt8, colours: int) -> None:
    data = encode_label(label, colours)
    assert data == encode_label(label.copy(), colours)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "P"
        assert image.size == label.shape[::-1]
        np.testing.assert_array_equal(np.asarray(image), label)
        table = np.frombuffer(label_palette(colours), np.uint8).reshape(256, 3)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), table[label])


def test_labels_of_any_memory_layout_give_the_same_bytes() -> None:
    label = np.tile(LABEL, (3, 5))
    assert encode_label(np.asfortranarray(label), 21) == encode_label(label, 21)
    assert encode_label(np.repeat(label, 2, axis=1)[:, ::2], 21) == encode_label(label, 21)


def test_write_label_writes_what_encode_label_gives(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    write_label(path, LABEL, 21)
    assert path.read_bytes() == encode_label(LABEL, 21)
    np.testing.assert_array_equal(read_label(path), LABEL)
    assert [one.name for one in path.parent.iterdir()] == ["a.png"]


def test_write_map_and_photo(tmp_path: Path) -> None:
    write_map(tmp_path / "m" / "a.png", GREY)
    np.testing.assert_array_equal(read_map(tmp_path / "m" / "a.png"), GREY)
    photo = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    write_photo(tmp_path / "p" / "a.PNG", photo)
    np.testing.assert_array_equal(read_photo(tmp_path / "p" / "a.PNG"), photo)
    write_photo(tmp_path / "p" / "a.jpg", np.full((6, 7, 3), 90, np.uint8))
    assert (tmp_path / "p" / "a.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert np.abs(read_photo(tmp_path / "p" / "a.jpg").astype(int) - 90).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_photo_of_any_mode_is_rgb(path: Path, mode: str) -> None:
    save(path, Image.fromarray(GREY).convert(mode))
    found = read_photo(path)
    assert found.dtype == np.uint8
    assert found.shape == (16, 13, 3)
    if mode != "1":
        np.testing.assert_array_equal(found, np.repeat(GREY[..., None], 3, axis=2))


def test_what_is_transparent_in_a_photo_keeps_its_colour(path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 4), np.uint8)
    pixels[0, 0, 3] = 0
    np.testing.assert_array_equal(read_photo(save(path, Image.fromarray(pixels))), pixels[..., :3])


def test_a_photo_is_read_as_its_pixels_are_stored(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 9, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").shape == (4, 9, 3)
    assert image_size(tmp_path / "a.jpg") == (4, 9)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (1, 1)])
def test_a_photo_may_be_one_pixel_wide(path: Path, size: tuple[int, int]) -> None:
    save(path, Image.fromarray(np.full((*size, 3), 9, np.uint8)))
    assert read_photo(path).shape == (*size, 3)


@pytest.mark.parametrize("kind", ["16-bit grey", "16-bit colour"])
def test_a_photo_of_more_than_8_bits_is_refused(path: Path, kind: str) -> None:
    if kind == "16-bit grey":
        save(path, Image.fromarray(GREY.astype(np.uint16)))
    else:
        path.write_bytes(png(2, 1, 16, 2, b"\0" + b"\x00\x01" * 3 + b"\xff\x80" * 3))
    with pytest.raises(ImageFormatError, match="no 8-bit photo") as caught:
        read_photo(path)
    assert "convert it yourself" in str(caught.value.hint)


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


def test_a_jpeg_of_several_pictures_is_read_as_its_first(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 8), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_photo(tmp_path / "a.jpg")[0, 0, 0] > 200
    assert image_size(tmp_path / "a.jpg") == (8, 16)


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


def test_a_photo_whose_map_could_not_be_read_is_refused(path: Path) -> None:
    path.write_bytes(png(8193, 8193, 8, 2, b"\0"))
    with pytest.raises(ImageFormatError, match="too large"):
        read_photo(path)


def test_a_photo_cut_short_is_refused(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a.jpg", "a.png"):
        write_photo(tmp_path / name, photo)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        assert image_size(tmp_path / name) == (40, 40)
        with pytest.raises(ImageFormatError, match="cannot be read"):
            read_photo(tmp_path / name)


def test_a_photo_keeps_its_channels_in_order(path: Path) -> None:
    photo = np.zeros((2, 3, 3), np.uint8)
    photo[..., 0], photo[..., 2] = 200, 7
    np.testing.assert_array_equal(read_photo(save(path, Image.fromarray(photo))), photo)


def test_a_cmyk_photo_is_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # red
    found = read_photo(save(tmp_path / "a.jpg", image))
    assert found[..., 0].min() > 200
    assert found[..., 1:].max() < 60


def test_size_is_height_and_width_of_the_header_alone(path: Path) -> None:
    data = save(path, Image.fromarray(GREY)).read_bytes()
    assert image_size(path) == (16, 13)
    path.write_bytes(data[: data.index(b"IDAT") + 8])
    assert image_size(path) == (16, 13)


def test_a_picture_that_claims_to_be_vast_is_refused(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000, 8, 0, b"\0"))
    with pytest.raises(ImageFormatError, match="too large"):
        read_map(path)


def test_a_map_of_16_bits_by_hand_is_refused(path: Path) -> None:
    path.write_bytes(png(2, 1, 16, 0, b"\0" + b"\x00\x01\xff\xff"))
    with pytest.raises(ImageFormatError, match="16-bit"):
        read_map(path)


def test_colours_of_16_bits_are_refused(path: Path) -> None:
    path.write_bytes(png(2, 1, 16, 2, b"\0" + b"\x00\x01" * 3 + b"\xff\x80" * 3))
    with pytest.raises(ImageFormatError):
        read_map(path)
    with pytest.raises(ImageFormatError):
        read_label(path)


@pytest.mark.parametrize(
    ("depth", "row", "label"),
    [(1, b"\x50", [0, 1, 0, 1]), (2, b"\x1b", [0, 1, 2, 3]), (4, b"\x01\x23", [0, 1, 2, 3])],
)
def test_a_grey_label_of_few_bits_is_not_stretched_unnoticed(
    path: Path, depth: int, row: bytes, label: list[int]
) -> None:
    path.write_bytes(png(4, 1, depth, 0, b"\0" + row))
    try:
        found = read_label(path)
    except ImageFormatError:
        return
    np.testing.assert_array_equal(found, [label])
