"""Scoring sets of saliency maps: averages, kinds of ground truth, void pixels, several sets."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.plain import THREE, Saliency, write_grey
from wsss_assets import SaliencyEvaluator, SaliencyScores, evaluate, evaluate_saliency
from wsss_assets.errors import (
    DataError,
    ImageFormatError,
    MissingDependencyError,
    MissingFileError,
    SizeMismatchError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.evaluation.saliency.evaluate import compare_saliency
from wsss_assets.evaluation.saliency.measures import Truth, measure
from wsss_assets.evaluation.saliency.scores import MEASURES, image_row
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.evaluation.saliency.measures import ImageSaliency

    UInt8 = NDArray[np.uint8]

AVERAGED = ("mae", "adaptive_f", "adaptive_e", "s_measure", "weighted_f")


def drawn(images: int = 5, seed: int = 0) -> tuple[dict[str, UInt8], dict[str, UInt8]]:
    """Maps, and masks of classes 0..3 and 255, by image id."""
    rng = np.random.default_rng(seed)
    maps, masks = {}, {}
    for number in range(images):
        shape = (int(rng.integers(8, 14)), int(rng.integers(8, 14)))
        mask = np.zeros(shape, np.uint8)
        mask[2:6, 1:7] = number % 3 + 1
        mask[2, 1:7] = 255
        noise = rng.integers(0, 120, shape)
        maps[f"i{number}"] = (noise + 130 * (mask > 0)).astype(np.uint8)
        masks[f"i{number}"] = mask
    return maps, masks


MAPS, MASKS = drawn()


def binary(mask: UInt8) -> UInt8:
    return np.where((mask > 0) & (mask < 255), 255, 0).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for image_id, values in MAPS.items():
        write_grey(tmp_path / "maps" / f"{image_id}.png", values)
        write_grey(tmp_path / "inverted" / f"{image_id}.png", 255 - values)
        write_grey(tmp_path / "binary" / f"{image_id}.png", binary(MASKS[image_id]))
        write_grey(tmp_path / "grey_classes" / f"{image_id}.png", MASKS[image_id])
        (tmp_path / "classes").mkdir(exist_ok=True)
        write_label(tmp_path / "classes" / f"{image_id}.png", MASKS[image_id], 4)
    return tmp_path


def score(data: Path, truth: str = "classes", **options: Any) -> SaliencyScores:  # noqa: ANN401
    return evaluate_saliency(data / "maps", data / truth, **({"benchmark": THREE} | options))


def each_of(truths: dict[str, Truth]) -> list[ImageSaliency]:
    return [measure(MAPS[image_id], truth, "min-max") for image_id, truth in truths.items()]


# Averages


def test_measures_are_averaged_over_images_and_curves_before_their_maximum(data: Path) -> None:
    scores = score(data)
    images = each_of({name: Truth((mask > 0) & (mask < 255)) for name, mask in MASKS.items()})
    for name in AVERAGED:
        mean = np.mean([getattr(one, name) for one in images])
        assert getattr(scores, name) == pytest.approx(mean, abs=1e-12), name
    for name in ("precision", "recall", "f_measure", "e_measure"):
        mean = np.mean([getattr(one, name) for one in images], axis=0)
        assert getattr(scores, name) == pytest.approx(mean, abs=1e-12)
    for letter, curve in (("f", scores.f_measure), ("e", scores.e_measure)):
        assert getattr(scores, f"max_{letter}") == curve.max()
        assert getattr(scores, f"max_{letter}_threshold") == int(curve.argmax()) / 255
        assert getattr(scores, f"mean_{letter}") == pytest.approx(curve.mean())
    assert scores.max_f is not None
    assert scores.max_f < np.mean([one.f_measure.max() for one in images])
    assert scores.images == 5


def test_the_result_says_what_it_means_nothing_without(data: Path) -> None:
    scores = score(data, split="val", benchmark="voc2012")
    void = sum(int((mask == 255).sum()) for mask in MASKS.values())
    assert (scores.ground_truth_kind, scores.void, scores.void_pixels) == (
        "classes",
        "background",
        void,
    )
    assert (scores.normalisation, scores.benchmark, scores.split) == ("min-max", "voc2012", "val")
    assert scores.ground_truth_digest == (
        evaluate(data / "classes", data / "classes").ground_truth_digest
    )
    assert not scores.synthetic
    of_masks = score(data, "binary")
    assert (of_masks.void, of_masks.void_pixels, of_masks.benchmark) == (None, 0, None)


def test_everything_is_in_the_json(data: Path) -> None:
    content = score(data).to_dict()
    again = json.loads(json.dumps(content, allow_nan=False))
    assert again.keys() == {field.name for field in dataclasses.fields(SaliencyScores)} | {
        "thresholds"
    }
    assert len(again["thresholds"]) == len(again["f_measure"]) == 256


def test_every_json_field_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "saliency.md").read_text("utf-8")
    for field in dataclasses.fields(SaliencyScores):
        assert f"`{field.name}`" in page, field.name


def test_bits_do_not_depend_on_threads_or_order(data: Path) -> None:
    first = score(data, workers=1).to_dict()
    assert score(data, workers=4).to_dict() == first
    assert score(data, ids=sorted(MAPS, reverse=True)).to_dict() == first


def test_normalisation_changes_the_numbers_and_is_said(data: Path) -> None:
    stretched, raw = score(data), score(data, normalisation="raw")
    assert (stretched.normalisation, raw.normalisation) == ("min-max", "raw")
    assert stretched.mae != raw.mae
    errors = [
        np.abs(MAPS[name] / 255 - ((mask > 0) & (mask < 255))).mean()
        for name, mask in MASKS.items()
    ]
    assert raw.mae == pytest.approx(np.mean(errors), abs=1e-12)


# Void pixels


@pytest.mark.parametrize("void", ["background", "foreground", "drop"])
def test_void_pixels_are_what_is_said(data: Path, void: str) -> None:
    scores = score(data, void=void)
    images = each_of(
        {
            name: Truth(
                (mask > 0) if void == "foreground" else (mask > 0) & (mask < 255),
                mask < 255 if void == "drop" else None,
            )
            for name, mask in MASKS.items()
        }
    )
    assert scores.void == void
    assert scores.mae == pytest.approx(np.mean([one.mae for one in images]), abs=1e-12)
    best = np.mean([one.f_measure for one in images], axis=0).max()
    assert scores.max_f == pytest.approx(best, abs=1e-12)
    absent = {name for name in MEASURES if getattr(scores, name) is None}
    assert absent == ({"s_measure", "weighted_f"} if void == "drop" else set())


def test_left_out_pixels_leave_no_image_with_spatial_measures(data: Path) -> None:
    """An image without void would have them, and the mean would be over that image alone."""
    write_label(data / "classes" / "i0.png", np.minimum(MASKS["i0"], 3), 4)
    scores = score(data, void="drop")
    assert scores.s_measure is scores.weighted_f is None


def test_the_three_differ(data: Path) -> None:
    assert len({score(data, void=void).mae for void in ("background", "foreground", "drop")}) == 3


def test_an_image_of_void_counts_for_nothing(data: Path) -> None:
    before = score(data, void="drop", ids=["i0", "i1"])
    write_label(data / "classes" / "i2.png", np.full_like(MASKS["i2"], 255), 4)
    after = score(data, void="drop", ids=["i0", "i1", "i2"], ground_truth_kind="classes")
    assert (after.images, after.empty) == (3, 1)
    assert (after.mae, after.max_f, after.max_e) == (before.mae, before.max_f, before.max_e)
    assert score(data, ids=["i0", "i1", "i2"], ground_truth_kind="classes").empty == 0


# Kinds of ground truth


def test_kinds_are_found_where_that_is_plain(data: Path) -> None:
    kinds = {
        truth: score(data, truth).ground_truth_kind
        for truth in ("classes", "grey_classes", "binary")
    }
    assert kinds == {"classes": "classes", "grey_classes": "classes", "binary": "binary"}
    assert score(data).mae == score(data, "grey_classes").mae == score(data, "binary").mae


def test_masks_of_one_bit_or_in_rgb_are_binary(data: Path) -> None:
    expected = score(data, "binary").mae
    for number, image_id in enumerate(MAPS):
        path = data / "binary" / f"{image_id}.png"
        Image.open(path).convert("1" if number % 2 else "RGB").save(path)
    scores = score(data, "binary")
    assert (scores.mae, scores.ground_truth_kind) == (expected, "binary")


def test_a_binary_mask_among_masks_of_classes_is_refused(data: Path) -> None:
    write_grey(data / "grey_classes" / "i3.png", binary(MASKS["i3"]))
    with pytest.raises(ImageFormatError, match=r"i3\.png does not look like the masks before it"):
        score(data, "grey_classes")
    score(data, "grey_classes", ground_truth_kind="classes")  # so it may be, by one's own word


def test_a_mask_of_classes_among_binary_masks_is_refused(data: Path) -> None:
    write_grey(data / "binary" / "i3.png", MASKS["i3"])
    with pytest.raises(ImageFormatError, match="--ground-truth-kind binary"):
        score(data, "binary")


def test_indices_stored_with_a_palette_are_no_binary_mask(data: Path) -> None:
    """0 and 255 alone: void in a label map of this package, which shows 255 as white."""
    for name in ("i0", "i3"):
        write_label(data / "binary" / f"{name}.png", binary(MASKS["i3"]), 4)
    with pytest.raises(ImageFormatError, match=r"i0\.png may be a binary mask or one of classes"):
        score(data, "binary")
    write_grey(data / "binary" / "i0.png", binary(MASKS["i0"]))
    with pytest.raises(ImageFormatError, match=r"i3\.png does not look like"):
        score(data, "binary")


@pytest.mark.parametrize("values", [(0, 9, 255), (0, 128, 255)])
def test_grey_levels_are_not_guessed_at(data: Path, values: tuple[int, ...]) -> None:
    mask = np.resize(np.array(values, np.uint8), MASKS["i0"].shape)
    write_grey(data / "binary" / "i0.png", mask)
    with pytest.raises(ImageFormatError, match="may be a binary mask or one of classes"):
        score(data, "binary")
    scores = score(data, "binary", ground_truth_kind="binary", ids=["i0"], normalisation="raw")
    expected = np.abs(MAPS["i0"] / 255 - (mask == 255)).mean()
    assert scores.mae == pytest.approx(expected, abs=1e-12)


def test_masks_that_show_nothing_decide_nothing(data: Path) -> None:
    for image_id, mask in MASKS.items():
        write_grey(data / "binary" / f"{image_id}.png", np.zeros_like(mask))
    with pytest.raises(ImageFormatError, match=r"no mask of .* that is wanted shows an object"):
        score(data, "binary")
    assert score(data, "binary", ground_truth_kind="binary").max_f == 0


def test_indices_read_as_binary_are_refused(data: Path) -> None:
    for image_id, mask in MASKS.items():
        write_grey(data / "binary" / f"{image_id}.png", np.minimum(mask, 1))
    with pytest.raises(ImageFormatError, match="it has values, and none is object"):
        score(data, "binary", ground_truth_kind="binary")
    assert score(data, "binary").ground_truth_kind == "classes"  # 0 and 1: the same either way


def test_binary_masks_read_as_classes_are_refused(data: Path) -> None:
    with pytest.raises(DataError, match="no ground truth holds a class, only 0 and 255"):
        score(data, "binary", ground_truth_kind="classes")


def test_values_that_are_no_class_are_refused(data: Path) -> None:
    write_grey(data / "grey_classes" / "i2.png", np.full_like(MASKS["i2"], 7))
    with pytest.raises(ImageFormatError, match="ground truth of i2 holds values that are no class"):
        score(data, "grey_classes", ground_truth_kind="classes")


# Sets, lists, sources


def test_several_sets_are_what_each_is_alone(data: Path) -> None:
    both = compare_saliency(
        {"good": data / "maps", "bad": data / "inverted"}, data / "classes", benchmark=THREE
    )
    assert list(both) == ["good", "bad"]
    assert both["good"].to_dict() == score(data).to_dict()
    assert (both["good"].mae or 1) < (both["bad"].mae or 0)


def test_a_source_of_maps(data: Path) -> None:
    scores = evaluate_saliency(Saliency(MAPS), data / "classes", benchmark=THREE)
    assert scores.to_dict() == score(data).to_dict()


def test_missing_maps(data: Path) -> None:
    (data / "inverted" / "i1.png").unlink()
    (data / "maps" / "i4.png").unlink()
    sets = {"maps": data / "maps", "inverted": data / "inverted"}
    with pytest.raises(MissingFileError, match=r"1 of 5 images have no map in .*maps.*: i4"):
        compare_saliency(sets, data / "classes", benchmark=THREE)
    scores = compare_saliency(sets, data / "classes", benchmark=THREE, skip_missing=True)
    rest = score(data, ids=["i0", "i2", "i3"])
    assert scores["maps"].mae == rest.mae
    assert scores["maps"].missing == scores["inverted"].missing == ("i1", "i4")
    assert scores["inverted"].images == 3
    assert scores["maps"].ground_truth_digest == rest.ground_truth_digest


def test_a_missing_mask_is_never_passed_over(data: Path) -> None:
    with pytest.raises(MissingFileError, match="no ground truth for i9"):
        evaluate_saliency(
            Saliency({**MAPS, "i9": MAPS["i0"]}),
            data / "classes",
            ids=["i0", "i9"],
            benchmark=THREE,
            skip_missing=True,
        )


def test_nothing_left_is_no_score(data: Path) -> None:
    (data / "maps" / "i0.png").unlink()
    with pytest.raises(DataError, match="no image was counted"):
        score(data, ids=["i0"], skip_missing=True)
    with pytest.raises(UsageError, match="the list is empty"):
        score(data, ids=[], ground_truth_kind="classes")
    with pytest.raises(UsageError, match="no saliency maps"):
        compare_saliency({}, data / "classes")


def test_lists_that_cannot_be_meant(data: Path) -> None:
    with pytest.raises(UsageError, match="1 image ids are listed twice"):
        score(data, ids=["i0", "i0"])
    with pytest.raises(UsageError, match="ids is one text"):
        score(data, ids="i0")


def test_sizes_are_never_adapted(data: Path) -> None:
    write_grey(data / "maps" / "i2.png", MAPS["i2"][:-1])
    with pytest.raises(SizeMismatchError, match="i2: saliency map and ground truth differ in size"):
        score(data)


def test_unusable_maps_name_the_file(data: Path) -> None:
    Image.fromarray(np.zeros(MASKS["i2"].shape, np.uint16)).save(data / "maps" / "i2.png")
    with pytest.raises(ImageFormatError, match=r"i2\.png is no 8-bit map"):
        score(data, skip_missing=True)


def test_names_of_options(data: Path) -> None:
    for wrong in ({"void": "miss"}, {"normalisation": "max"}, {"ground_truth_kind": "edges"}):
        with pytest.raises(UnknownNameError, match="is called"):
            score(data, **wrong)


def test_each_image_is_told_in_order(data: Path) -> None:
    told: list[tuple[str, str]] = []
    means: list[float] = []

    def each(name: str, image_id: str, measures: ImageSaliency) -> None:
        told.append((name, image_id))
        row = image_row(measures)
        assert row["max_f"] == measures.f_measure.max()
        assert row["mean_e"] == measures.e_measure.mean()
        means.append(row["mae"] or 0.0)

    scores = score(data, each=each, workers=3)
    assert told == [("predictions", image_id) for image_id in MAPS]
    assert scores.mae == pytest.approx(np.mean(means), abs=1e-15)


# SciPy


def test_only_the_weighted_f_needs_scipy(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = score(data).to_dict()
    monkeypatch.setitem(sys.modules, "scipy", None)
    read: list[str] = []

    class Watched(Saliency):
        def read(self, image_id: str) -> UInt8:
            read.append(image_id)
            return super().read(image_id)

    with pytest.raises(MissingDependencyError, match=r"analysis.*--no-weighted-f"):
        evaluate_saliency(Watched(MAPS), data / "classes", benchmark=THREE)
    assert not read  # it is said at once
    without = score(data, weighted_f=False).to_dict()
    assert without.pop("weighted_f") is None
    assert without == {name: value for name, value in with_it.items() if name != "weighted_f"}
    assert score(data, void="drop").weighted_f is None


# Map by map


def test_the_evaluator_gives_what_folders_give(data: Path) -> None:
    halves = [SaliencyEvaluator("classes", benchmark=THREE) for _ in range(2)]
    for number, image_id in enumerate(MAPS):
        halves[number % 2].update(MAPS[image_id], MASKS[image_id], image_id)
    halves[0].merge(halves[1])
    assert halves[0].compute().to_dict() == score(data).to_dict()


def test_a_batch_is_its_images() -> None:
    rng = np.random.default_rng(2)
    maps = rng.integers(0, 256, (3, 6, 7), np.uint8)
    masks = rng.random((3, 6, 7)) < 0.5
    whole, single = SaliencyEvaluator(), SaliencyEvaluator()
    whole.update(maps, masks, ["a", "b", "c"])
    for name, saliency, mask in zip("abc", maps, masks, strict=True):
        single.update(saliency.tolist(), mask, name)
    assert whole.compute().to_dict() == single.compute().to_dict()
    assert whole.compute().ground_truth_kind == "binary"


def test_bool_masks_and_their_bytes_are_one_ground_truth() -> None:
    results = []
    for mask in (np.eye(5, dtype=np.bool_), np.eye(5, dtype=np.uint8) * np.uint8(255)):
        evaluator = SaliencyEvaluator("binary", weighted_f=False)
        evaluator.update(np.arange(25).reshape(5, 5), mask, "a")
        results.append(evaluator.compute().to_dict())
    assert results[0] == results[1]


def test_images_without_ids_have_no_digest() -> None:
    evaluator = SaliencyEvaluator(weighted_f=False)
    evaluator.update([[0, 255]], np.array([[False, True]]))
    scores = evaluator.compute()
    assert scores.ground_truth_digest is None
    assert (scores.mae, scores.max_f) == (0, 1)


def test_what_the_evaluator_refuses() -> None:
    evaluator = SaliencyEvaluator(weighted_f=False)
    mask = np.array([[False, True]])
    with pytest.raises(UsageError, match="may be either"):
        evaluator.update([[0, 255]], [[0, 255]])
    with pytest.raises(ImageFormatError, match=r"rint\(255 \* map\)"):
        evaluator.update([[0.0, 1.0]], mask)
    with pytest.raises(ImageFormatError, match=r"found 0\.\.256"):
        evaluator.update([[0, 256]], mask)
    with pytest.raises(SizeMismatchError, match="do not fit"):
        evaluator.update([[0, 255, 3]], mask)
    with pytest.raises(SizeMismatchError, match="do not fit"):
        evaluator.update([0, 255], [False, True])
    with pytest.raises(UsageError, match="1 images came with 2 ids"):
        evaluator.update([[0, 255]], mask, ["a", "b"])
    with pytest.raises(DataError, match="no image was counted"):
        evaluator.compute()


@pytest.mark.parametrize(
    "other",
    [{"normalisation": "raw"}, {"void": "drop"}, {"weighted_f": False}, {"benchmark": THREE}],
)
def test_evaluators_of_different_conventions_do_not_merge(other: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="different conventions"):
        SaliencyEvaluator("classes").merge(SaliencyEvaluator("classes", **other))
    with pytest.raises(UsageError, match="different conventions"):
        SaliencyEvaluator("classes").merge(SaliencyEvaluator("binary"))


def test_nothing_of_a_bad_batch_is_counted() -> None:
    evaluator = SaliencyEvaluator("classes", benchmark=THREE, weighted_f=False)
    maps = np.zeros((2, 3, 3), np.uint8)
    masks = np.array([np.ones((3, 3)), np.full((3, 3), 9)], np.uint8)
    with pytest.raises(ImageFormatError, match="no class"):
        evaluator.update(maps, masks)
    assert evaluator.images == 0
