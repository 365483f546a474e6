from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import plain
from wsss_assets.errors import ImageFormatError, SizeMismatchError
from wsss_assets.evaluation.confusion import (
    as_label,
    confusion_matrix,
    digest_text,
    empty_confusion,
    label_digest,
)

if TYPE_CHECKING:
    from tests.plain import Pair, UInt8

QUICK = settings(max_examples=100, deadline=None)
CLASSES = 3


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A prediction and its ground truth."""
    shape = draw(plain.SHAPES)
    return draw(plain.label_maps(shape, CLASSES)), draw(plain.label_maps(shape, CLASSES))


def blocky(generator: np.random.Generator, classes: int, block: int) -> UInt8:
    """A label map of large flat areas (or noise, with a block of 1), 255 among its values."""
    values = generator.integers(-1, classes + 1, (48 // block, 64 // block)).astype(np.uint8)
    return np.repeat(np.repeat(values, block, axis=0), block, axis=1)


@QUICK
@given(pairs())
def test_counts_are_those_of_a_loop_over_pixels(pair: Pair) -> None:
    counts = confusion_matrix(*pair, CLASSES)
    np.testing.assert_array_equal(counts, plain.confusion(*pair, CLASSES))
    assert counts.dtype == np.int64
    assert counts.shape == empty_confusion(CLASSES).shape == (CLASSES + 1, CLASSES + 2)
    assert counts.sum() == np.count_nonzero(pair[1] != 255)


@pytest.mark.parametrize("classes", [1, 3, 20, 80, 253, 254])
@pytest.mark.parametrize("block", [1, 2, 4, 16, "flat"])
def test_noise_and_flat_areas_are_counted_alike(block: int | str, classes: int) -> None:
    generator = np.random.default_rng(classes)
    size = 16 if isinstance(block, str) else block
    prediction, truth = blocky(generator, classes, size), blocky(generator, classes, size)
    if block == "flat":
        prediction[:], truth[:] = classes, classes
        prediction[-1, -1] = 255
    counts = confusion_matrix(prediction, truth, classes)
    np.testing.assert_array_equal(counts, plain.confusion(prediction, truth, classes))


@pytest.mark.parametrize("truth_value", [0, 1, 20, 255])
@pytest.mark.parametrize("value", [0, 1, 20, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 30)])
def test_constant_maps(shape: tuple[int, int], value: int, truth_value: int) -> None:
    prediction, truth = np.full(shape, value, np.uint8), np.full(shape, truth_value, np.uint8)
    wanted = empty_confusion(20)
    if truth_value != 255:
        wanted[truth_value, 21 if value == 255 else value] = shape[0] * shape[1]
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 20), wanted)


@QUICK
@given(st.lists(pairs(), min_size=1, max_size=6), st.data())
def test_counts_add_up_over_any_split_in_any_order(images: list[Pair], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(images))))
    cut = data.draw(st.integers(0, len(images)))
    halves = []
    for part in (order[:cut], order[cut:]):
        total = empty_confusion(CLASSES)
        for index in part:
            total += confusion_matrix(*images[index], CLASSES)
        halves.append(total)
    wanted = sum(plain.confusion(*pair, CLASSES) for pair in images)
    np.testing.assert_array_equal(halves[0] + halves[1], wanted)
    # One flat image of all the pixels, and a batch, count the same.
    flat = [np.concatenate([pair[side].ravel() for pair in images])[None] for side in (0, 1)]
    np.testing.assert_array_equal(confusion_matrix(flat[0], flat[1], CLASSES), wanted)


def test_a_batch_counts_as_its_images() -> None:
    generator = np.random.default_rng(0)
    prediction, truth = generator.integers(0, 4, (2, 5, 6, 7)).astype(np.uint8)
    wanted = sum(plain.confusion(*pair, 3) for pair in zip(prediction, truth, strict=True))
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 3), wanted)


def test_views_of_any_order_and_locked_arrays() -> None:
    generator = np.random.default_rng(0)
    prediction, truth = generator.integers(0, 4, (2, 12, 14)).astype(np.uint8)
    before = prediction.copy(), truth.copy()
    prediction.flags.writeable = truth.flags.writeable = False
    np.testing.assert_array_equal(
        confusion_matrix(prediction[::-2].T, truth[::-2].T, 3),
        plain.confusion(prediction[::-2].T, truth[::-2].T, 3),
    )
    np.testing.assert_array_equal((prediction, truth), before)


@pytest.mark.parametrize("side", ["the prediction", "the ground truth"])
@pytest.mark.parametrize("value", [4, 21, 254])
def test_values_that_are_no_class_are_refused(value: int, side: str) -> None:
    good, wrong = np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8)
    wrong[1, 1] = value
    pair = (wrong, good) if side == "the prediction" else (good, wrong)
    with pytest.raises(ImageFormatError, match=f"{side} holds values that are no class") as caught:
        confusion_matrix(*pair, 3)
    assert f"found {value}" in str(caught.value)
    assert "1..3" in str(caught.value)


def test_only_a_few_wrong_values_are_listed() -> None:
    grey = np.arange(256, dtype=np.uint8)[None]
    with pytest.raises(ImageFormatError, match=r"found 21, 22, 23, 24, 25, …"):
        confusion_matrix(grey, np.zeros_like(grey), 20)


def test_the_ignore_label_is_no_wrong_value_where_all_values_are_classes() -> None:
    every = np.arange(256, dtype=np.uint8)[None]
    counts = confusion_matrix(every, every, 254)
    np.testing.assert_array_equal(counts[:, :255], np.eye(255, dtype=np.int64))
    assert not counts[:, 255].any()


@pytest.mark.parametrize("shape", [(1, 4), (4, 3), (3, 5), (1, 3, 4), (12,)])
def test_sizes_must_match(shape: tuple[int, ...]) -> None:
    with pytest.raises(SizeMismatchError, match="differ in size") as caught:
        confusion_matrix(np.zeros(shape, np.uint8), np.zeros((3, 4), np.uint8), 3)
    assert "(3, 4)" in str(caught.value)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        [[0, 1], [255, 2]],
        ((0, 1), (255, 2)),
        np.array([[0, 1], [255, 2]], np.int64),
        np.array([[0, 1], [255, 2]], np.uint16),
        np.array([[0, 1], [255, 2]], ">i4"),
    ],
)
def test_integers_of_any_kind_are_labels(values: Any) -> None:  # noqa: ANN401
    label = as_label(values, "it")
    assert label.dtype == np.uint8
    assert label.tolist() == [[0, 1], [255, 2]]


def test_truth_values_are_labels() -> None:
    assert as_label(np.array([[True, False]]), "it").tolist() == [[1, 0]]


@pytest.mark.parametrize(
    "values", [[[0.0, 1.0]], np.zeros((2, 2), np.float32), [["a"]], np.zeros((2, 2), np.complex64)]
)
def test_what_is_not_integers_is_refused(values: Any) -> None:  # noqa: ANN401
    with pytest.raises(ImageFormatError, match="it is no label map"):
        as_label(values, "it")


@pytest.mark.parametrize("value", [-1, 256, 511, -(2**40), 2**40])
def test_integers_do_not_wrap(value: int) -> None:
    with pytest.raises(ImageFormatError, match=r"expected 0\.\.255"):
        as_label(np.array([[0, value]]), "it")


# Digests of the ground truth


@QUICK
@given(st.lists(plain.SHAPES.flatmap(plain.label_maps), min_size=1, max_size=5), st.randoms())
def test_the_digest_follows_its_description_in_any_order(labels: list[UInt8], dice: Any) -> None:  # noqa: ANN401
    named = {f"image {index}": label for index, label in enumerate(labels)}
    digests = [label_digest(image_id, label) for image_id, label in named.items()]
    dice.shuffle(digests)
    assert digest_text(digests) == plain.digest(named)


def test_the_digest_of_this_version() -> None:
    """A change of this value makes all published digests worthless."""
    label = np.array([[0, 0, 15], [15, 255, 0]], np.uint8)
    assert digest_text([label_digest("2007_000032", label)]) == (
        "bd3a1ed299033236268bb542f71a367cab98523a96fff020dbb3a2d93b4f9e82"
    )


@QUICK
@given(plain.SHAPES.flatmap(plain.label_maps), st.data())
def test_the_digest_tells_one_pixel_the_shape_and_the_id(label: UInt8, data: st.DataObject) -> None:
    digest = label_digest("a", label)
    changed = label.copy()
    place = data.draw(st.integers(0, label.size - 1))
    changed.flat[place] ^= 1
    assert label_digest("a", changed) != digest
    assert label_digest("b", label) != digest
    if label.shape[0] != label.shape[1]:
        assert label_digest("a", label.reshape(label.shape[::-1])) != digest


@QUICK
@given(plain.SHAPES.flatmap(plain.label_maps))
def test_the_digest_does_not_see_the_encoding(label: UInt8) -> None:
    digest = label_digest("a", label)
    assert label_digest("a", np.asfortranarray(label)) == digest
    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "PNG", compress_level=0)
    assert label_digest("a", np.asarray(Image.open(buffer))) == digest
    assert label_digest("a", as_label(label.astype(np.int64), "it")) == digest


def test_two_flat_images_have_different_digests() -> None:
    flat = [np.full((2, 3), value, np.uint8) for value in (0, 1, 255)]
    assert len({label_digest("a", label) for label in flat}) == 3


def test_the_sum_of_digests_has_64_digits() -> None:
    assert digest_text([]) == "0" * 64
    assert digest_text([1, 2]) == "0" * 63 + "3"
    assert digest_text([2**256 - 1, 2]) == "0" * 63 + "1"
