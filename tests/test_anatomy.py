from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from tests.plain import THREE
from wsss_assets import ErrorAnatomy, analyse_errors, evaluate, get_recipe, make_label
from wsss_assets.errors import (
    DataError,
    IgnoredPixelsError,
    ImageFormatError,
    MissingFileError,
    SizeMismatchError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.evaluation.anatomy.analyse import RecipeLabels
from wsss_assets.evaluation.anatomy.kinds import KINDS, LOSSES
from wsss_assets.evaluation.dialects import POLICIES, Policy

if TYPE_CHECKING:
    from tests.plain import UInt8

Pair = tuple["UInt8", "UInt8"]
Pixel = tuple[int, int]

SIZES = {"small": 0, "large": 4}
FEW = settings(max_examples=50, deadline=None)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A label map and a ground truth of one size, with parts of several pixels."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    coarse = draw(st.booleans())
    label, truth = (draw(plain.label_maps(shape)) for _ in range(2))
    if coarse:
        label, truth = (np.kron(one, np.ones((2, 2), np.uint8)) for one in (label, truth))
        truth[:, -1:] = 255
    return label, truth


PAIRS = st.lists(pairs(), min_size=1, max_size=2)


def parts(label: UInt8, value: int) -> list[set[Pixel]]:
    """Pixels of a value that hang together by sides and corners."""
    left = {
        (row, column) for row, column in np.ndindex(*label.shape) if label[row, column] == value
    }
    found = []
    while left:
        waiting, part = [next(iter(left))], set()
        while waiting:
            pixel = waiting.pop()
            if pixel in left:
                left.remove(pixel)
                part.add(pixel)
                row, column = pixel
                waiting += [(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        found.append(part)
    return found


def kinds(label: UInt8, truth: UInt8, found_from: float) -> dict[Pixel, tuple[str, int]]:
    """Kind of each pixel, and the label value it is counted for; pixel by pixel."""
    named: dict[Pixel, tuple[str, int]] = {}
    for value in range(1, 4):
        for thing in parts(truth, value):
            hit = sum(label[pixel] == value for pixel in thing)
            missed = hit / len(thing) < found_from
            for pixel in thing:
                called = label[pixel]
                if called == value:
                    kind = "right"
                elif called == 0:
                    kind = "missed_object" if missed else "missed_part"
                else:
                    kind = "ignored" if called == 255 else "confused"
                named[pixel] = kind, value
        for part in parts(label, value):
            reaches = any(truth[pixel] == value for pixel in part)
            for pixel in part:
                if truth[pixel] == 0:
                    named[pixel] = "spill" if reaches else "phantom", value
    for pixel in np.ndindex(*truth.shape):
        if truth[pixel] == 0 and label[pixel] in {0, 255}:
            named[pixel] = "ignored" if label[pixel] else "right", 0
    return named


def anatomy_of(images: list[Pair], found_from: float = 0.5) -> ErrorAnatomy:
    anatomy = ErrorAnatomy(THREE, sizes=SIZES, found_from=found_from)
    for label, truth in images:
        anatomy.update(label, truth)
    return anatomy


@FEW
@given(PAIRS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_every_pixel_has_the_kind_it_should(images: list[Pair], found_from: float) -> None:
    result = anatomy_of(images, found_from).compute(ignored="miss")
    expected = np.zeros((4, len(KINDS)), np.int64)
    for label, truth in images:
        named = kinds(label, truth, found_from)
        assert len(named) == np.count_nonzero(truth != 255)  # each one, once
        for kind, value in named.values():
            expected[value, KINDS.index(kind)] += 1
    assert result.per_class.tolist() == expected.tolist()
    assert sum(result.pixels.values()) == sum(int((truth != 255).sum()) for _, truth in images)


@FEW
@given(PAIRS)
def test_objects_are_counted_by_size(images: list[Pair]) -> None:
    table = anatomy_of(images).compute(ignored="miss").to_dict()
    for name, one in table["per_size"].items():
        things = [
            (label, thing, value)
            for label, truth in images
            for value in range(1, 4)
            for thing in parts(truth, value)
            if (len(thing) >= 4) == (name == "large")
        ]
        missed = [
            sum(label[p] == v for p in thing) / len(thing) < 0.5 for label, thing, v in things
        ]
        assert (one["objects"], one["missed_objects"]) == (len(things), sum(missed))
        assert one["found"] == ((len(missed) - sum(missed)) / len(missed) if things else None)
        assert sum(one["pixels"].values()) == sum(len(thing) for _, thing, _ in things)
    classes = [one for one in table["per_class"].values() if "objects" in one]
    assert len(classes) == 3
    for field in ("objects", "missed_objects"):
        whole = table["total"][field]
        assert whole == sum(one[field] for one in classes)
        assert whole == sum(one[field] for one in table["per_size"].values())
    for kind in ("right", "missed_object", "missed_part", "confused", "ignored"):
        of_classes = sum(one["pixels"][kind] for one in classes)
        assert of_classes == sum(one["pixels"][kind] for one in table["per_size"].values())


@FEW
@given(PAIRS, st.sampled_from(POLICIES))
def test_hits_and_losses_make_the_union(images: list[Pair], policy: Policy) -> None:
    result = anatomy_of(images).compute(ignored=policy)
    counts = plain.tally(images, 3, policy)
    table = result.to_dict()
    assert table["total"]["miou"] == plain.mean(plain.ious(counts))
    for index, ((hit, predicted, true), one) in enumerate(
        zip(counts, table["per_class"].values(), strict=True)
    ):
        union = predicted + true - hit
        assert hit + int(result.losses[index].sum()) == union == one["union"]
        assert one["iou"] == (hit / union if union else None)
        if union:
            shares = dict(zip(LOSSES, (result.losses[index] / union).tolist(), strict=True))
            assert one["lost"] == shares
        else:
            assert set(one["lost"].values()) == {None}


@FEW
@given(PAIRS, st.sampled_from(POLICIES))
def test_repaired_is_what_repaired_labels_score(images: list[Pair], policy: Policy) -> None:
    result = anatomy_of(images).compute(ignored=policy)
    total = result.to_dict()["total"]
    named = [kinds(label, truth, 0.5) for label, truth in images]
    for kind in KINDS:
        mended = []
        for (label, truth), kind_of in zip(images, named, strict=True):
            better = label.copy()
            for pixel, (one, _) in kind_of.items():
                if one == kind:
                    better[pixel] = truth[pixel]
            mended.append((better, truth))
        expected = plain.ious(plain.tally(mended, 3, policy))
        found = [None if math.isnan(value) else value for value in result.repaired(kind)]
        assert found == expected
        if kind != "right":
            assert total["repaired"][kind] == plain.mean(expected)
            if total["miou"] is not None:
                assert total["repaired"][kind] >= total["miou"] - 1e-12


@settings(max_examples=20, deadline=None)
@given(PAIRS, st.integers(0, 3))
def test_any_division_gives_the_same_integers(images: list[Pair], cut: int) -> None:
    whole = anatomy_of(images)
    first, second = anatomy_of(images[:cut]), anatomy_of(images[cut:])
    first.merge(second)
    assert first.images == whole.images
    for ours, expected in zip(first.counts.arrays, whole.counts.arrays, strict=True):
        assert ours.tolist() == expected.tolist()
        assert ours.dtype == np.int64


def test_a_part_that_reaches_an_object_only_through_255_is_spill() -> None:
    truth = np.array([[1, 255, 0, 0, 0, 0]], np.uint8)
    label = np.array([[1, 1, 1, 0, 1, 0]], np.uint8)
    anatomy = ErrorAnatomy(THREE)
    anatomy.update(label, truth)
    pixels = anatomy.compute().pixels
    assert (pixels["spill"], pixels["phantom"], pixels["right"]) == (1, 1, 3)


def test_the_share_from_which_an_object_is_found() -> None:
    truth = np.ones((1, 10), np.uint8)
    label = np.zeros((1, 10), np.uint8)
    label[0, 0] = 1
    for found_from, kind in ((0.1, "missed_part"), (0.11, "missed_object")):
        anatomy = ErrorAnatomy(THREE, found_from=found_from)
        anatomy.update(label, truth)
        assert anatomy.compute().pixels[kind] == 9


def test_the_digest_is_that_of_an_evaluation() -> None:
    truths = {name: np.full((2, 2), value, np.uint8) for value, name in enumerate("abc")}
    anatomy = ErrorAnatomy(THREE)
    for image_id, truth in truths.items():
        anatomy.update(truth, truth, image_id)
    result = anatomy.compute(split="val").to_dict()
    assert result["ground_truth_digest"] == plain.digest(truths)
    assert (result["images"], result["split"], result["benchmark"]) == (3, "val", "three")
    anatomy.update(truths["a"], truths["a"])
    assert anatomy.compute().to_dict()["ground_truth_digest"] is None


def test_what_makes_no_sense_is_refused() -> None:
    for sizes in ({}, {"all": 1}, {"a": 0, "b": 9, "c": 9}, {"a": 0, "b": 9, "c": 4}):
        with pytest.raises(UsageError, match="do not ascend from 0"):
            ErrorAnatomy(THREE, sizes=sizes)
    with pytest.raises(UsageError, match="found from"):
        ErrorAnatomy(THREE, found_from=1.1)
    with pytest.raises(UsageError, match="different"):
        ErrorAnatomy(THREE).merge(ErrorAnatomy(THREE, found_from=0.2))
    anatomy = ErrorAnatomy(THREE)
    with pytest.raises(DataError, match="no image was counted"):
        anatomy.compute()
    zeros = np.zeros((2, 2), np.uint8)
    with pytest.raises(SizeMismatchError):
        anatomy.update(zeros, zeros[:1])
    with pytest.raises(ImageFormatError, match="no class"):
        anatomy.update(zeros, zeros + 4)
    assert anatomy.images == 0
    assert not any(array.any() for array in anatomy.counts.arrays)
    anatomy.update(zeros + 255, zeros)
    with pytest.raises(IgnoredPixelsError, match="4 predicted pixels are 255"):
        anatomy.compute()
    with pytest.raises(UnknownNameError):
        anatomy.compute(ignored="mis")


# Folders


def write_folders(root: Path, images: int = 4) -> dict[str, Pair]:
    """Label maps of three classes and their ground truth, with rims of 255."""
    generator = np.random.default_rng(3)
    written = {}
    for index in range(images):
        label, truth = (
            np.kron(generator.integers(0, 4, (4, 5)), np.ones((3, 3))).astype(np.uint8)
            for _ in range(2)
        )
        truth[::6] = 255
        label[1] = 255
        written[f"i{index}"] = label, truth
        for name, values in (("labels", label), ("truth", truth)):
            (root / name).mkdir(parents=True, exist_ok=True)
            np.save(root / name / f"i{index}.npy", values)
    return written


def test_folders_are_taken_apart_as_their_images_are(tmp_path: Path) -> None:
    images = write_folders(tmp_path)
    folders = tmp_path / "labels", tmp_path / "truth"
    found = analyse_errors(*folders, benchmark=THREE, ignored="miss", sizes=SIZES, workers=3)
    anatomy = ErrorAnatomy(THREE, sizes=SIZES)
    for image_id, pair in images.items():
        anatomy.update(*pair, image_id)
    expected = anatomy.compute(ignored="miss").to_dict()
    table = found.to_dict()
    assert {field: table[field] for field in expected} == expected
    scores = evaluate(*folders, benchmark=THREE, ignored="miss")
    assert table["total"]["miou"] == table["bands"][-1]["miou"] == scores.miou
    assert table["ground_truth_digest"] == scores.ground_truth_digest
    confusions = np.stack([plain.confusion(*pair, 3) for pair in images.values()])
    assert found.anatomy.counts.confusion.tolist() == confusions.sum(axis=0).tolist()
    text = json.dumps(table, allow_nan=False)
    for workers in (1, 4):
        again = analyse_errors(
            *folders, benchmark=THREE, ignored="miss", sizes=SIZES, workers=workers
        )
        assert json.dumps(again.to_dict(), allow_nan=False) == text


def test_missing_predictions_are_named_or_passed_over(tmp_path: Path) -> None:
    write_folders(tmp_path)
    folders = tmp_path / "labels", tmp_path / "truth"
    (folders[0] / "i2.npy").unlink()
    with pytest.raises(MissingFileError, match="1 of 4 images have no prediction: i2"):
        analyse_errors(*folders, benchmark=THREE, ignored="miss")
    found = analyse_errors(*folders, benchmark=THREE, ignored="miss", skip_missing=True)
    assert found.to_dict()["missing"] == ["i2"]
    assert found.to_dict()["images"] == 3
    with pytest.raises(MissingFileError, match="no label map i2"):
        analyse_errors(folders[1], folders[0], ids=["i2"], benchmark=THREE)
    for ids, why in (([], "empty"), (["i0", "i0"], "twice"), ("i0", "one text")):
        with pytest.raises(UsageError, match=why):
            analyse_errors(*folders, ids=ids, benchmark=THREE, ignored="miss")


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    write_folders(tmp_path)
    np.save(tmp_path / "labels" / "i1.npy", np.zeros((2, 2), np.uint8))
    with pytest.raises(SizeMismatchError, match="i1: prediction and ground truth differ"):
        analyse_errors(tmp_path / "labels", tmp_path / "truth", benchmark=THREE, ignored="miss")


def test_nothing_but_255_in_the_ground_truth(tmp_path: Path) -> None:
    for name in ("labels", "truth"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.full((3, 4), 255, np.uint8))
    table = analyse_errors(tmp_path / "labels", tmp_path / "truth", benchmark=THREE).to_dict()
    assert table["total"]["miou"] is None
    assert set(table["total"]["repaired"].values()) == {None}
    assert set(table["total"]["pixels"].values()) == {0}
    assert table["total"]["found"] is None


@settings(max_examples=10, deadline=None)
@given(st.lists(plain.samples(3), min_size=1, max_size=3))
def test_labels_made_by_a_recipe_on_the_way(images: list[plain.Sample]) -> None:
    recipe = get_recipe(method="cam")
    named = {f"i{index}": sample for index, sample in enumerate(images)}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for image_id, sample in named.items():
            np.save(root / f"{image_id}.npy", sample.truth)
        source = RecipeLabels(
            {image_id: list(sample.maps) for image_id, sample in named.items()},
            plain.Activations({image_id: sample.maps for image_id, sample in named.items()}),
            saliency=plain.Saliency({i: sample.saliency for i, sample in named.items()}),
            recipe=recipe,
        )
        found = analyse_errors(source, root, benchmark=THREE, ignored="drop")
    anatomy = ErrorAnatomy(THREE)
    for image_id, one in named.items():
        anatomy.update(make_label(one.saliency, one.maps, recipe), one.truth, image_id)
    assert found.anatomy.to_dict() == anatomy.compute(ignored="drop").to_dict()
