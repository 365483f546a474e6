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
from PIL import Image

from tests.pictures import SIGNATURE, chunk, header, map_bytes, picture, pillow_bytes, pixels_of
from wsss_assets.errors import ImageFormatError
from wsss_assets.storage.pngs import (
    checked_map,
    decode_map,
    encode_map,
    map_size,
    recoded_map,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from wsss_assets.storage.images import UInt8

MAP = map_bytes()
END = chunk(b"IEND", b"")
ROWS = chunk(b"IDAT", zlib.compress(bytes(12 * 10)))
MAPS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@pytest.mark.parametrize(
    "data",
    [
        MAP,
        map_bytes(1, 400, 300),
        SIGNATURE + header(9, 12) + ROWS + END,
        SIGNATURE + header(9, 12) + chunk(b"tEXt", b"a\0b") + ROWS + END,
        SIGNATURE + header(9, 12) + chunk(b"IDAT", b"") + ROWS + chunk(b"tIME", b"") + END,
    ],
)
def test_a_whole_grey_png_keeps_its_bytes(data: bytes) -> None:
    assert checked_map(data, "a") is data


def one_bit() -> Image.Image:
    return Image.fromarray(np.where(picture() > 127, 255, 0).astype(np.uint8)).convert("1")


def bitmap_of(width: int, height: int) -> bytes:
    """A BMP that says it has that size."""
    data = bytearray(pillow_bytes(Image.fromarray(picture()), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def opaque() -> Image.Image:
    return Image.fromarray(picture()).convert("RGBA")


def palette() -> Image.Image:
    image = Image.fromarray(255 - picture())
    image.putpalette([255 - value // 3 for value in range(768)])
    return image


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(picture()).convert("RGB"), "PNG"),
        (opaque(), "PNG"),
        (palette(), "PNG"),
        (one_bit(), "PNG"),
        (Image.fromarray(picture()), "BMP"),
        (Image.fromarray(picture()), "JPEG"),
    ],
)
def test_other_grey_pictures_become_grey_pngs_of_the_same_pixels(
    image: Image.Image, kind: str
) -> None:
    data = pillow_bytes(image, kind)
    with Image.open(io.BytesIO(data)) as decoded:
        expected = np.asarray(decoded.convert("L"))
    checked = checked_map(data, "a")
    np.testing.assert_array_equal(pixels_of(checked), expected)
    assert checked_map(checked, "a") is checked


def test_what_lies_behind_the_end_is_left_out() -> None:
    checked = checked_map(MAP + b"more", "a")
    assert b"more" not in checked
    np.testing.assert_array_equal(pixels_of(checked), picture())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no image"),
        (b"GIF89a", "no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
        (MAP[:-1], "damaged"),
        (MAP[:20], "damaged"),
        (SIGNATURE, "damaged"),
        (SIGNATURE + header(9, 12) + END, "no pixels"),
        (SIGNATURE + ROWS + header(9, 12) + END, "no header"),
        (SIGNATURE + header(0, 12) + ROWS + END, "no header"),
        (SIGNATURE + header(9, 12) + ROWS, "damaged"),
        (SIGNATURE + header(70_000, 1) + ROWS + END, "too large"),
        (SIGNATURE + header(60_000, 60_000) + ROWS + END, "too large"),
        (bitmap_of(9_000, 9_000), "too large"),
        (bitmap_of(9_500, 9_500), "too large"),
        (bitmap_of(60_000, 60_000), "too large"),
        (pillow_bytes(Image.fromarray(picture().astype(np.uint16))), "no 8-bit map"),
        (pillow_bytes(Image.fromarray(np.stack([picture(n) for n in range(3)], 2))), "coloured"),
        (pillow_bytes(Image.new("LA", (9, 12), (7, 100))), "transparent"),
    ],
)
def test_what_is_no_map_is_refused_by_name(data: bytes, text: str) -> None:
    with pytest.raises(ImageFormatError, match=text) as caught:
        checked_map(data, "2007_000032")
    assert "2007_000032" in str(caught.value)
    assert "0x" not in str(caught.value)  # no address in memory: reasons go into records


@settings(max_examples=300)
@given(st.data())
def test_no_flipped_or_shortened_png_is_taken_for_whole(data: st.DataObject) -> None:
    damaged = bytearray(MAP)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(MAP) - 1))] = data.draw(st.integers(0, 255))
    shown = bytes(damaged[: data.draw(st.integers(0, len(MAP)) | st.just(len(MAP)))])
    if shown == MAP:
        assert checked_map(shown, "a") is shown
    else:
        with pytest.raises(ImageFormatError):
            checked_map(shown, "a")


OTHERS = [
    pillow_bytes(palette()),
    pillow_bytes(opaque()),
    pillow_bytes(Image.fromarray(picture()), "BMP"),
    pillow_bytes(Image.fromarray(picture()), "JPEG"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OTHERS), st.data())
def test_damaged_pictures_of_other_kinds_raise_nothing_else(
    good: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageFormatError):
        pixels_of(checked_map(bytes(damaged), "a"))


@given(st.binary(max_size=200))
def test_nonsense_raises_nothing_else(data: bytes) -> None:
    for start in (b"", SIGNATURE, SIGNATURE + header(9, 12), b"BM", b"\xff\xd8\xff"):
        with contextlib.suppress(ImageFormatError):
            checked_map(start + data, "a")


@given(MAPS)
def test_encoding_loses_nothing(pixels: UInt8) -> None:
    encoded = encode_map(pixels)
    np.testing.assert_array_equal(pixels_of(encoded), pixels)
    np.testing.assert_array_equal(decode_map(encoded, "a"), pixels)
    assert checked_map(encoded, "a") is encoded
    assert map_size(encoded) == pixels.shape
    assert encode_map(pixels) == encoded


def test_every_row_is_stored_as_the_difference_to_the_one_above() -> None:
    pixels: npt.NDArray[np.uint8] = np.array([[5, 6], [7, 5], [7, 255]], np.uint8)
    rows = bytes([2, 5, 6, 2, 2, 255, 2, 0, 250])
    encoded = encode_map(pixels)
    assert encoded == SIGNATURE + header(2, 3) + chunk(b"IDAT", zlib.compress(rows, 6)) + END


@given(MAPS)
def test_recoding_keeps_the_pixels_and_never_grows(pixels: UInt8) -> None:
    data = pillow_bytes(pixels)
    recoded, decoded = recoded_map(data, "a")
    np.testing.assert_array_equal(decoded, pixels)
    np.testing.assert_array_equal(pixels_of(recoded), pixels)
    assert len(recoded) <= len(data)
    assert recoded_map(recoded, "a")[0] == recoded


def test_a_map_that_would_grow_keeps_its_bytes() -> None:
    steps = np.random.default_rng(0).integers(0, 3, (64, 64))
    rows = np.cumsum(steps, axis=1).astype(np.uint8)  # smooth along rows, not from row to row
    data = pillow_bytes(rows)
    assert recoded_map(data, "a")[0] is data


def test_a_smooth_map_becomes_smaller() -> None:
    data = map_bytes(3, 375, 500)
    assert len(recoded_map(data, "a")[0]) < len(data)


def test_pixels_that_are_damaged_within_whole_chunks_are_found_when_decoded() -> None:
    broken = SIGNATURE + header(9, 12) + chunk(b"IDAT", b"no stream") + END
    assert checked_map(broken, "a") is broken
    with pytest.raises(ImageFormatError):
        recoded_map(broken, "a")
