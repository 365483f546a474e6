from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tests import plain
from tests.pictures import LABEL, coloured_palette, png, save
from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.label_maps import (
    check_label_header,
    encode_label,
    label_palette,
    read_label,
    write_label,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from wsss_assets.storage.images import UInt8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.png"


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
