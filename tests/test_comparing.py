from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tests import plain
from tests.plain import THREE
from wsss_assets.errors import (
    DataError,
    IgnoredPixelsError,
    ImageFormatError,
    MissingFileError,
    SizeMismatchError,
    UsageError,
)
from wsss_assets.evaluation.comparing.kinds import common_kind, find_kind
from wsss_assets.evaluation.comparing.labels import compare_labels, joint_counts
from wsss_assets.evaluation.comparing.maps import compare_maps
from wsss_assets.evaluation.comparing.pairing import Worst
from wsss_assets.storage.images import write_map
from wsss_assets.storage.label_maps import label_palette, write_label
from wsss_assets.storage.stamps import STAMP_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.plain import UInt8

NAMES = ("background", "cat", "dog", "cow", "ignored (255)")
VALUES = (0, 1, 2, 3, 255)


def arrays(folder: Path, labels: Mapping[str, UInt8]) -> Path:
    """Label maps as `.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    for image_id, label in labels.items():
        np.save(folder / f"{image_id}.npy", label)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new folder each time."""
    return lambda: tmp_path_factory.mktemp("sets")


@st.composite
def triples(draw: st.DrawFn) -> list[tuple[UInt8, UInt8, UInt8]]:
    """First and second label and ground truth of a few images."""
    shapes = draw(st.lists(plain.SHAPES, min_size=1, max_size=4))
    return [
        (
            draw(plain.label_maps(shape)),
            draw(plain.label_maps(shape)),
            draw(plain.label_maps(shape)),
        )
        for shape in shapes
    ]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


# Labels


@settings(max_examples=40, deadline=None)
@given(images=triples(), policy=st.sampled_from(plain.POLICIES))
def test_labels_are_compared_pixel_by_pixel(
    place: Callable[[], Path], images: list[tuple[UInt8, UInt8, UInt8]], policy: str
) -> None:
    root = place()
    for number, name in enumerate(("a", "b", "truth")):
        arrays(root / name, {f"i{k}": image[number] for k, image in enumerate(images)})
    found = compare_labels(
        root / "a",
        root / "b",
        ground_truth=root / "truth",
        benchmark=THREE,
        ignored=policy,
        replicates=60,
        most=2,
        workers=1,
    )
    values = found.to_dict()
    pixels = [
        pair
        for first, second, _ in images
        for pair in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)
    ]
    assert values["pixels"] == len(pixels)
    assert values["joint"] == [[pixels.count((one, two)) for two in VALUES] for one in VALUES]
    assert values["agreement"] == sum(one == two for one, two in pixels) / len(pixels)
    kept = [pair for pair in pixels if 255 not in pair]
    assert values["agreement_without_ignored"] == share(
        sum(one == two for one, two in kept), len(kept)
    )
    assert values["overlap"] == {
        name: share(pixels.count((value, value)), sum(value in pair for pair in pixels))
        for name, value in zip(NAMES, VALUES, strict=True)
    }
    changes = {(one, two): pixels.count((one, two)) for one, two in pixels if one != two}
    ordered = sorted(changes, key=lambda pair: (-changes[pair], *map(VALUES.index, pair)))
    named = dict(zip(VALUES, NAMES, strict=True))
    assert found.confusions(3) == [
        (named[one], named[two], changes[one, two]) for one, two in ordered[:3]
    ]
    differing = [(int((one != two).sum()), f"i{k}") for k, (one, two, _) in enumerate(images)]
    assert values["same_images"] == sum(count == 0 for count, _ in differing)
    most = sorted((one for one in differing if one[0]), key=lambda one: (-one[0], one[1]))[:2]
    assert [(one["differing"], one["image_id"]) for one in values["changed"]] == most
    _check_truth(values["truth"], images, policy)


def _check_truth(
    truth: dict[str, Any], images: list[tuple[UInt8, UInt8, UInt8]], policy: str
) -> None:
    tallies = [
        plain.tally([(image[side], image[2]) for image in images], 3, policy) for side in (0, 1)
    ]
    mious = [plain.mean(plain.ious(tally)) for tally in tallies]
    assert truth["first"]["miou"] == mious[0]
    assert truth["second"]["miou"] == mious[1]
    expected = None if mious[0] is None or mious[1] is None else mious[1] - mious[0]
    assert truth["difference"] == expected
    by_class = zip(NAMES, *(plain.ious(tally) for tally in tallies), strict=False)
    for value, (name, one, two) in enumerate(by_class):
        found = truth["per_class"][name]
        assert (found["first"], found["second"]) == (one, two)
        if policy == "miss":
            assert found["images"] == sum((image[2] == value).any() for image in images)
    changes = []
    for number, image in enumerate(images):
        own = [
            plain.mean(plain.ious(plain.tally([(image[side], image[2])], 3, policy)))
            for side in (0, 1)
        ]
        if own[0] is not None and own[1] is not None:
            changes.append((own[1] - own[0], f"i{number}"))
    risen = sorted((one for one in changes if one[0] > 0), key=lambda one: (-one[0], one[1]))
    fallen = sorted((one for one in changes if one[0] < 0), key=lambda one: (one[0], one[1]))
    for name, order in (("risen", risen), ("fallen", fallen)):
        assert [one["image_id"] for one in truth[name]] == [one[1] for one in order[:2]]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Folders a, b and truth of 12 images; b is nearer to the truth."""
    random = np.random.default_rng(0)
    for number in range(12):
        truth = np.repeat(random.integers(0, 4, (6, 1)), 40, axis=1).astype(np.uint8)
        for name, spoiled in (("truth", 0.0), ("a", 0.5), ("b", 0.1)):
            label = truth.copy()
            label[random.random(truth.shape) < spoiled] = 0
            write_label(tmp_path / name / f"i{number}.png", label, 4)
    return tmp_path


def compared(
    sets: Path,
    first: str = "a",
    second: str = "b",
    **options: Any,  # noqa: ANN401 (handed on)
) -> dict[str, Any]:
    options = {"benchmark": THREE, "ground_truth": sets / "truth", "ignored": "miss", **options}
    found = compare_labels(sets / first, sets / second, **options).to_dict()
    json.dumps(found, allow_nan=False)
    return found


def test_the_interval_is_about_the_difference_and_swapping_negates_it(sets: Path) -> None:
    there, back = compared(sets)["truth"], compared(sets, "b", "a")["truth"]
    low, high = there["interval"]
    assert 0 < low < there["difference"] < high
    assert there["second_higher"] == 1.0
    assert back["interval"] == (-high, -low)
    assert back["difference"] == -there["difference"]
    assert there["first_interval"] == back["second_interval"]
    assert there["risen"][0]["image_id"] == back["fallen"][0]["image_id"]
    wide = compared(sets, confidence=0.99)["truth"]["interval"]
    assert wide[0] < low < high < wide[1]
    assert compared(sets, seed=1)["truth"]["interval"] != there["interval"]


def test_a_set_with_itself_is_the_same(sets: Path) -> None:
    found = compared(sets, "a", "a")
    assert found["agreement"] == 1.0
    assert found["first_digest"] == found["second_digest"]
    assert found["changed"] == []
    assert found["same_images"] == 12
    truth = found["truth"]
    assert (truth["difference"], truth["interval"]) == (0.0, (0.0, 0.0))
    assert not truth["risen"] + truth["fallen"]
    assert compared(sets)["first_digest"] != compared(sets)["second_digest"]


def test_threads_and_the_order_of_ids_change_nothing(sets: Path) -> None:
    ids = [f"i{number}" for number in range(12)]
    expected = compared(sets, workers=1)
    assert compared(sets, workers=3, ids=ids[::-1]) == expected


def test_a_class_of_one_image_has_no_interval(tmp_path: Path) -> None:
    labels = {"i0": np.array([[0, 1]], np.uint8), "i1": np.array([[0, 0]], np.uint8)}
    for name in ("a", "b", "truth"):
        arrays(tmp_path / name, labels)
    found = compared(tmp_path)["truth"]["per_class"]
    assert found["cat"]["images"] == 1
    assert found["cat"]["interval"] is None
    assert found["background"]["interval"] == (0.0, 0.0)
    assert found["dog"] == {
        "images": 0,
        "first": None,
        "second": None,
        "difference": None,
        "interval": None,
    }


def test_a_ground_truth_of_255_alone_gives_no_score(tmp_path: Path) -> None:
    arrays(tmp_path / "a", {"i": np.zeros((2, 2), np.uint8)})
    arrays(tmp_path / "truth", {"i": np.full((2, 2), 255, np.uint8)})
    truth = compared(tmp_path, "a", "a")["truth"]
    assert truth["difference"] is truth["interval"] is truth["second_higher"] is None


def test_a_predicted_255_needs_a_policy_against_the_truth_alone(sets: Path) -> None:
    write_label(sets / "a" / "i3.png", np.full((6, 40), 255, np.uint8), 4)
    with pytest.raises(IgnoredPixelsError, match="--ignored"):
        compared(sets, ignored=None)
    assert compared(sets, ignored=None, ground_truth=None)["truth"] is None


def test_what_one_set_lacks_is_refused_or_listed(sets: Path) -> None:
    (sets / "a" / "i0.png").unlink()
    (sets / "b" / "i5.png").unlink()
    with pytest.raises(MissingFileError, match="2 of 12 are not in both") as error:
        compared(sets)
    assert "A has no i0; B has no i5" in str(error.value)
    found = compared(sets, skip_missing=True)
    assert found["images"] == found["truth"]["first"]["images"] == 10
    assert (found["missing_in_first"], found["missing_in_second"]) == (["i0"], ["i5"])
    assert found["truth"]["first"]["missing"] == ["i0", "i5"]
    listed = compared(sets, ids=["i1", "nowhere"], skip_missing=True)
    assert listed["missing_in_first"] == listed["missing_in_second"] == ["nowhere"]
    with pytest.raises(DataError, match="nothing in common"):
        compared(sets, ids=["nowhere"], skip_missing=True)
    with pytest.raises(DataError, match="list of images is empty"):
        compared(sets, ids=[])


def test_unusable_labels_are_named(sets: Path) -> None:
    write_label(sets / "b" / "i4.png", np.zeros((5, 40), np.uint8), 4)
    with pytest.raises(SizeMismatchError, match="i4: the two label maps differ in size"):
        compared(sets)
    write_label(sets / "b" / "i4.png", np.full((6, 40), 9, np.uint8), 21)
    with pytest.raises(ImageFormatError, match="label of i4 in B"):
        compared(sets)
    write_label(sets / "b" / "i4.png", np.zeros((6, 40), np.uint8), 4)
    write_label(sets / "truth" / "i4.png", np.zeros((6, 41), np.uint8), 4)
    with pytest.raises(SizeMismatchError, match="i4: prediction and ground truth"):
        compared(sets)
    (sets / "none").mkdir()
    with pytest.raises(MissingFileError, match="none holds no"):
        compared(sets, "none")


@pytest.mark.parametrize("options", [{"confidence": 95}, {"replicates": 0}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(sets: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        compared(sets, **options)


def test_254_classes_fit() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    joint = joint_counts(values, values, 254, "i")
    assert np.array_equal(joint, np.eye(256, dtype=np.int64))


@given(st.lists(st.integers(0, 5), max_size=400), st.integers(0, 4))
def test_the_worst_are_kept_and_of_equal_ones_the_first(values: list[int], most: int) -> None:
    worst: Worst[int] = Worst(most)
    for number, value in enumerate(values):
        worst.add(value, f"{number:03}", number)
    expected = sorted(range(len(values)), key=lambda number: (-values[number], number))
    assert worst.ordered() == expected[:most]


# Maps


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_maps_are_compared_pixel_by_pixel(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(plain.SHAPES, min_size=1, max_size=3))
    images = {
        f"i{k}": (data.draw(plain.byte_maps(shape)), data.draw(plain.byte_maps(shape)))
        for k, shape in enumerate(shapes)
    }
    sides = [plain.Saliency({k: pair[side] for k, pair in images.items()}) for side in (0, 1)]
    labels: dict[str, tuple[int, ...]] = dict.fromkeys(images, ())
    found = compare_maps(
        sides[0], sides[1], "saliency", labels=labels, benchmark=THREE, most=2
    ).to_dict()
    first, second = (
        np.concatenate([pair[side].ravel() for pair in images.values()]).astype(int)
        for side in (0, 1)
    )
    apart = np.abs(first - second)
    assert found["pixels"] == apart.size
    assert found["equal"] == (apart == 0).mean()
    assert found["within_one_level"] == (apart <= 1).mean()
    assert found["mean_difference"] == pytest.approx(apart.mean(), abs=1e-12)
    assert found["mean_signed_difference"] == pytest.approx((second - first).mean(), abs=1e-12)
    assert found["largest_difference"] == apart.max()
    assert found["pixels_by_difference"] == [int((apart == d).sum()) for d in range(256)]
    assert found["salience_changed"] == ((first > 51) != (second > 51)).mean()
    if first.std() == 0 or second.std() == 0:
        assert found["correlation"] is None
    else:
        assert found["correlation"] == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-9)
    own = {k: np.abs(a.astype(int) - b).mean() for k, (a, b) in images.items()}
    assert found["same_maps"] == sum(value == 0 for value in own.values())
    listed = [(one["image_id"], one["mean_difference"]) for one in found["changed"]]
    assert [value for _, value in listed] == pytest.approx(
        sorted(own.values())[::-1][: len(listed)]
    )
    assert all(own[image_id] == pytest.approx(value) for image_id, value in listed)


@given(hnp.arrays(np.uint8, 9), st.integers(1, 50))
def test_correlation_is_exact(values: UInt8, scale: int) -> None:
    """A map with its negative: -1 to the last bit, however many pixels."""
    one = np.tile(values, scale)[None]
    if values.min() == values.max():
        return
    sides = [plain.Saliency({"i": one}), plain.Saliency({"i": 255 - one})]
    assert compare_maps(sides[0], sides[1], "saliency", labels={"i": ()}).correlation == -1.0
    assert compare_maps(sides[0], sides[0], "saliency", labels={"i": ()}).correlation == 1.0


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Activation maps of two images in two folders; b lacks one of a's and has another."""
    random = np.random.default_rng(0)
    for folder, names in (("a", ("x_0", "x_14", "y_3")), ("b", ("x_0", "y_3", "y_7"))):
        for name in names:
            values = random.integers(0, 256, (4, 5), dtype=np.uint8)
            write_map(tmp_path / "maps" / folder / f"{name}.png", values)
    return tmp_path / "maps"


def test_activation_maps_go_by_image_and_class(maps: Path) -> None:
    folders = (maps / "a", maps / "b")
    with pytest.raises(MissingFileError, match="A has no y_7; B has no x_14"):
        compare_maps(*folders, "activation")
    found = compare_maps(*folders, "activation", skip_missing=True)
    assert (found.maps, found.images) == (2, 2)
    assert found.missing_in_first == ("y_7",)
    assert found.missing_in_second == ("x_14",)
    labels = {"x": (0,), "y": (3,), "z": ()}
    listed = compare_maps(*folders, "activation", labels=labels)
    assert np.array_equal(listed.joint, found.joint)
    assert listed.to_dict()["salience_changed"] is None
    only = compare_maps(*folders, "activation", ids=["y"], labels=labels)
    assert (only.maps, [one.image_id for one in only.changed]) == (1, ["y"])


@pytest.mark.parametrize("labels", [None, {"x": (0, 14), "y": (3,)}])
def test_an_image_of_the_list_that_neither_set_has_is_told(
    maps: Path, labels: dict[str, tuple[int, ...]] | None
) -> None:
    write_map(maps / "s" / "y.png", np.zeros((2, 3), np.uint8))
    options: dict[str, Any] = {"labels": labels, "ids": ["nowhere", "y"]}
    for kind, side in (("activation", maps / "a"), ("saliency", maps / "s")):
        with pytest.raises(MissingFileError, match="nowhere"):
            compare_maps(side, side, kind, **options)  # type: ignore[arg-type]
        found = compare_maps(side, side, kind, skip_missing=True, **options)  # type: ignore[arg-type]
        assert (found.images, found.maps) == (1, 1)
        assert found.missing_in_first == found.missing_in_second == ("nowhere",)


def test_dictionaries_need_the_classes(tmp_path: Path) -> None:
    for folder, low in (("a", 0.0), ("b", 0.5)):
        content = {0: np.array([[low, 1.0]]), 2: np.array([[1.0, low]])}
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    folders = (tmp_path / "a", tmp_path / "b")
    with pytest.raises(UsageError, match="--labels"):
        compare_maps(*folders, "activation")
    found = compare_maps(*folders, "activation", labels={"x": (0, 2)}).to_dict()
    assert (found["maps"], found["equal"], found["largest_difference"]) == (2, 0.5, 128)
    with pytest.raises(MissingFileError, match="no map of class 1"):
        compare_maps(*folders, "activation", labels={"x": (0, 1)})
    holed = compare_maps(*folders, "activation", labels={"x": (0, 1)}, skip_missing=True)
    assert holed.missing_in_first == holed.missing_in_second == ("x_1",)


def test_unusable_maps_are_named(maps: Path) -> None:
    write_map(maps / "b" / "x_14.png", np.zeros((4, 6), np.uint8))
    labels = {"x": (14,)}
    with pytest.raises(SizeMismatchError, match="x_14: the two maps differ in size"):
        compare_maps(maps / "a", maps / "b", "activation", labels=labels)
    write_map(maps / "a" / "odd.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(ImageFormatError, match=r"odd\.png is not named as an activation map"):
        compare_maps(maps / "a", maps / "b", "activation")


# What a folder holds


def test_kinds_are_told_from_files(maps: Path, sets: Path) -> None:
    assert find_kind(maps / "a", 20) == "activation"
    assert find_kind(maps / "a", 10) == "saliency"  # there is no class 14
    assert find_kind(sets / "a", 3) == "labels"
    grey = np.arange(30, dtype=np.uint8).reshape(5, 6)
    for name in ("2007_000032", "2007_000039"):  # no class is written with zeros before it
        write_map(sets / "saliency" / f"{name}.png", grey)
    assert find_kind(sets / "saliency", 20) == "saliency"
    arrays(sets / "arrays", {"i": grey})
    assert find_kind(sets / "arrays", 20) == "labels"
    np.save(maps / "a" / "x.npy", {0: np.zeros((2, 2))}, allow_pickle=True)  # type: ignore[arg-type]
    assert find_kind(maps / "a", 20) is None  # maps and dictionaries


@pytest.mark.parametrize(
    ("stamp", "kind"),
    [
        ({"made_by": "wsss-assets pseudo-label"}, "labels"),
        ({"made_by": "wsss-assets ground-truth"}, "labels"),
        ({"made_by": "wsss-assets export", "set": "voc2012/activation/cam"}, "activation"),
        ({"made_by": "wsss-assets export", "set": "voc2012/saliency/move"}, "saliency"),
        ({"made_by": "wsss-assets regenerate", "work": {"frame": "photo"}}, "saliency"),
        ({"made_by": "wsss-assets regenerate", "work": {"output": "npy"}}, "activation"),
        ({"made_by": "wsss-assets regenerate", "work": {"output": "scores"}}, None),
        ({"made_by": "somebody"}, None),
    ],
)
def test_a_stamp_tells_what_a_folder_holds(
    tmp_path: Path, stamp: dict[str, Any], kind: str | None
) -> None:
    write_map(tmp_path / "i.png", np.zeros((2, 2), np.uint8))
    (tmp_path / STAMP_NAME).write_text(json.dumps(stamp), "utf-8")
    assert find_kind(tmp_path, 20) == kind
    (tmp_path / STAMP_NAME).write_text("[", "utf-8")
    assert find_kind(tmp_path, 20) is None


@pytest.mark.parametrize("kept", [256, 21, 8])
def test_the_palette_of_labels_is_a_sign_also_in_greys(tmp_path: Path, kept: int) -> None:
    """Label 7 of VOC is a grey; palettes may be cut off behind the last label in use."""
    values = np.full((4, 4), 7, np.uint8)
    values[0] = 0
    label = Image.fromarray(values, mode="P")
    label.putpalette(label_palette(21)[: 3 * kept])
    (tmp_path / "labels").mkdir()
    label.save(tmp_path / "labels" / "i.png")
    assert find_kind(tmp_path / "labels", 20) == "labels"
    label.putpalette(bytes(value for level in range(0, 256, 2) for value in (level,) * 3))
    (tmp_path / "maps").mkdir()
    values[1] = 60
    grey = Image.fromarray(values, mode="P")
    grey.putpalette(label.getpalette() or [])
    grey.save(tmp_path / "maps" / "i.png")
    assert find_kind(tmp_path / "maps", 20) == "saliency"


@pytest.mark.parametrize("values", [(0, 255), (0, 1, 2), (0,)])
def test_what_could_be_either_is_not_guessed(tmp_path: Path, values: tuple[int, ...]) -> None:
    grey = np.resize(np.array(values, np.uint8), (4, 4))
    write_map(tmp_path / "a" / "i.png", grey)
    assert find_kind(tmp_path / "a", 3) is None
    side = str(tmp_path / "a")
    with pytest.raises(UsageError, match="--kind"):
        common_kind(side, side, THREE)
    assert common_kind(side, side, THREE, scored=True) == "labels"  # no maps can be
