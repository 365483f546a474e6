from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.pictures import GREY, coloured_palette, png, save
from wsss_assets.errors import ImageFormatError
from wsss_assets.storage.images import image_size, read_map, read_photo, write_map, write_photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.png"


def grey_palette(image: Image.Image) -> Image.Image:
    """The same picture through a palette of greys that runs backwards."""
    indices = Image.fromarray(255 - np.asarray(image))
    indices.putpalette([255 - value // 3 for value in range(768)])
    assert indices.mode == "P"
    return indices


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


def test_a_jpeg_of_several_pictures_is_read_as_its_first(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 8), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_photo(tmp_path / "a.jpg")[0, 0, 0] > 200
    assert image_size(tmp_path / "a.jpg") == (8, 16)


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


def test_a_map_of_16_bits_by_hand_is_refused(path: Path) -> None:
    path.write_bytes(png(2, 1, 16, 0, b"\0" + b"\x00\x01\xff\xff"))
    with pytest.raises(ImageFormatError, match="16-bit"):
        read_map(path)
