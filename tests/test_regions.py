"""Regions against plain sets of pixels: slow, in no hurry, sharing no code."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import plain
from tests.plain import THREE
from wsss_assets import RegionScores, analyse_regions
from wsss_assets.errors import (
    DataError,
    ImageFormatError,
    MissingFileError,
    SizeMismatchError,
    UsageError,
)
from wsss_assets.evaluation.regions.counts import first_byte
from wsss_assets.evaluation.regions.images import LabelMasks
from wsss_assets.evaluation.regions.measures import AT_THRESHOLD, WITHOUT_THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.plain import Maps, Sample, UInt8

Place: TypeAlias = "tuple[int, int, int]"
Places: TypeAlias = "set[Place]"
Values: TypeAlias = "dict[str, float | None]"

FEW = settings(max_examples=25, deadline=None)
ETAS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


@dataclass(frozen=True)
class Case:
    """An image, and the reference maps of its classes."""

    sample: Sample
    reference: Maps


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sample = draw(plain.samples(3))
    shape = sample.truth.shape
    return Case(sample, {index: draw(plain.byte_maps(shape)) for index in sample.maps})


SETS = st.lists(cases(), min_size=1, max_size=3)


class Set:
    """Images in memory, their ground truth in a folder."""

    def __init__(self, images: Sequence[Case], root: Path) -> None:
        self.images = images
        self.truth = root / "truth"
        self.truth.mkdir(parents=True)
        for index, case in enumerate(images):
            np.save(self.truth / f"i{index}.npy", case.sample.truth)
        self.labels = {f"i{index}": list(case.reference) for index, case in enumerate(images)}
        self.reference = plain.Activations({f"i{k}": c.reference for k, c in enumerate(images)})
        self.tested = plain.Activations({f"i{k}": c.sample.maps for k, c in enumerate(images)})

    def analyse(self, tested: Any = None, **options: Any) -> RegionScores:  # noqa: ANN401
        values: dict[str, Any] = {"benchmark": THREE, "workers": 1, **options}
        tested = self.tested if tested is None else tested
        return analyse_regions(self.labels, self.reference, tested, self.truth, **values)


# The plain way


def reaches(byte: int, threshold: float) -> bool:
    return bool(np.float32(byte) / np.float32(255) >= np.float32(threshold))


def places(images: Sequence[Case], index: int, chosen: Callable[[Case, Any], bool]) -> Places:
    """Valid pixels of the images that have a class, if chosen by case and place."""
    return {
        (number, *place)
        for number, case in enumerate(images)
        if index in case.reference
        for place in np.ndindex(*case.sample.truth.shape)
        if case.sample.truth[place] != 255 and chosen(case, place)
    }


def truth_of(images: Sequence[Case], index: int) -> Places:
    return places(images, index, lambda case, at: bool(case.sample.truth[at] == index + 1))


def reference_of(images: Sequence[Case], index: int, eta: float) -> Places:
    return places(images, index, lambda case, at: reaches(case.reference[index][at], eta))


def predicted_of(images: Sequence[Case], index: int, threshold: float) -> Places:
    return places(images, index, lambda case, at: reaches(case.sample.maps[index][at], threshold))


def share(part: Places, whole: Places) -> float | None:
    return len(part) / len(whole) if whole else None


def plain_measures(g: Places, b: Places, c: Places, p: Places) -> Values:
    return {
        "dr_recall": share(p & g & c, g & c),
        "ndr_recall": share(p & (g - c), g - c),
        "ndr_fpr": share(p & (b - c), b - c),
        "fp_retention": share(p & b & c, b & c),
        "ndr_precision": share(p & (g - c), p - c),
        "ndr_iou": share(p & (g - c), (p - c) | (g - c)),
        "dr_iou": share(p & g & c, (p & c) | (g & c)),
        "recall": share(p & g, g),
    }


def plain_class(images: Sequence[Case], index: int, eta: float, threshold: float) -> Values:
    """All measures of a class, pixels of all images together."""
    g, c = truth_of(images, index), reference_of(images, index, eta)
    b = places(images, index, lambda *_: True) - g
    values = plain_measures(g, b, c, predicted_of(images, index, threshold))
    predicted = [predicted_of(images, index, byte / 255) for byte in range(256)]
    areas = [len(one) for one in predicted]
    near = min((abs(area - len(c)), area) for area in areas)[1]
    matched = predicted[areas.index(near)]
    values["gain"] = share(matched & (g - c), g - c)
    before, after = share(g & c, g), share(g & matched, g)
    values["net_gain"] = None if before is None or after is None else after - before
    values["matched_area"] = near / len(c) if c else None

    def score(place: Place) -> int:
        return int(images[place[0]].sample.maps[index][place[1:]])

    pairs = [(score(high), score(low)) for high in g - c for low in b - c]
    wins = [1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs]
    values["auc"] = sum(wins) / len(wins) if wins else None
    total, last = 0.0, 0.0
    for one in reversed(predicted):
        recall = share(one & (g - c), g - c)
        total += ((recall or 0) - last) * (share(one & (g - c), one - c) or 0)
        last = recall or 0
    values["average_precision"] = total if g - c else None
    return values


def plain_best(images: Sequence[Case], chosen: Callable[..., Places]) -> tuple[int, float]:
    """The lowest byte of the best mean IoU, and that."""
    best, at = -1.0, -1
    truths = [truth_of(images, index) for index in range(3)]
    for byte in range(256):
        found = [chosen(images, index, byte / 255) for index in range(3)]
        pairs = zip(found, truths, strict=True)
        mean = plain.mean([share(one & g, one | g) for one, g in pairs])
        if mean is not None and mean > best:
            best, at = mean, byte
    return at, best


def assert_close(found: Values, expected: Values) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, abs=1e-12), name


# Against it


@FEW
@given(images=SETS, eta=plain.TAUS, threshold=plain.TAUS)
def test_measures_are_those_of_plain_sets(images: list[Case], eta: float, threshold: float) -> None:
    assume(any(truth_of(images, index) for index in range(3)))
    with tempfile.TemporaryDirectory() as folder:
        scores = Set(images, Path(folder)).analyse(
            eta=eta, threshold=threshold, per_image_means=True
        )
    assert (scores.eta, scores.threshold) == (eta, threshold)
    expected = [plain_class(images, index, eta, threshold) for index in range(3)]
    for index, name in enumerate(THREE.classes):
        assert_close(scores.per_class[name], expected[index])
    for name in (*AT_THRESHOLD, *WITHOUT_THRESHOLD):
        values = [one[name] for one in expected]
        assert scores.means[name].count == sum(value is not None for value in values)
        assert_close({name: scores.means[name].mean}, {name: plain.mean(values)})
    singles = [
        plain_class([case], index, eta, threshold) for case in images for index in case.reference
    ]
    assert scores.pairs == len(singles)
    assert scores.image_means is not None
    for name, mean in scores.image_means.items():
        values = [one[name] for one in singles]
        assert mean.count == sum(value is not None for value in values)
        assert_close({name: mean.mean}, {name: plain.mean(values)})


@FEW
@given(images=SETS)
def test_thresholds_are_those_of_the_best_mean_iou(images: list[Case]) -> None:
    assume(any(truth_of(images, index) for index in range(3)))
    with tempfile.TemporaryDirectory() as folder:
        scores = Set(images, Path(folder)).analyse()
    best, value = plain_best(images, reference_of)
    assert (scores.eta, scores.reference_iou) == (best / 255, value)
    best, value = plain_best(images, predicted_of)
    assert (scores.threshold, scores.tested_iou) == (best / 255, value)


def large(seed: int = 3, images: int = 3) -> list[Case]:
    """Images of noise in which a class is a little stronger than the rest."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(images):
        shape = (40, 30 + number)
        truth = generator.choice(np.array([0, 0, 1, 2, 3, 255], np.uint8), shape)
        maps: list[Maps] = []
        for _ in range(2):
            one: Maps = {}
            for index in range(3):
                one[index] = generator.integers(0, 256, shape, np.uint8)
                one[index][truth == index + 1] |= 64
            maps.append(one)
        made.append(Case(plain.Sample(truth, maps[0], truth), maps[1]))
    return made


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return Set(large(), tmp_path_factory.mktemp("regions"))


def mean_values(scores: RegionScores, *names: str) -> list[float | None]:
    return [scores.means[name].mean for name in names]


def test_the_reference_against_itself_gains_nothing(noisy: Set) -> None:
    scores = noisy.analyse(noisy.reference, eta=0.6, threshold=0.6)
    names = ("dr_recall", "ndr_recall", "ndr_fpr", "fp_retention")
    assert mean_values(scores, *names) == [1, 0, 0, 1]
    assert mean_values(scores, "ndr_precision", "ndr_iou") == [None, 0]
    assert mean_values(scores, "gain", "net_gain", "matched_area") == [0, 0, 1]
    by_default = noisy.analyse(noisy.reference)
    assert by_default.eta == by_default.threshold
    assert by_default.reference_iou == by_default.tested_iou


def test_a_perfect_mask_has_all(noisy: Set) -> None:
    scores = noisy.analyse(LabelMasks(noisy.truth, THREE), eta=0.6, per_image_means=True)
    names = ("dr_recall", "ndr_recall", "ndr_fpr", "fp_retention", "ndr_iou", "dr_iou", "recall")
    assert mean_values(scores, *names) == [1, 1, 0, 0, 1, 1, 1]
    assert mean_values(scores, *WITHOUT_THRESHOLD) == [None] * len(WITHOUT_THRESHOLD)
    assert (scores.threshold, scores.tested_iou) == (None, 1)
    assert scores.image_means is not None
    assert [scores.image_means[name].mean for name in names] == [1, 1, 0, 0, 1, 1, 1]


def test_recall_is_made_of_both_regions(noisy: Set) -> None:
    scores = noisy.analyse(eta=0.6, threshold=0.5)
    for name, found in scores.per_class.items():
        pixels = scores.pixels[name]
        inside, outside = pixels["discriminative"], pixels["non_discriminative"]
        assert min(inside, outside) > 100
        parts = [found[one] or math.nan for one in ("dr_recall", "ndr_recall")]
        both = (inside * parts[0] + outside * parts[1]) / (inside + outside)
        assert found["recall"] == pytest.approx(both, abs=1e-12)


def test_noise_ranks_as_chance_does(noisy: Set) -> None:
    generator = np.random.default_rng(1)
    noise = {
        image_id: {k: generator.integers(0, 256, m.shape, np.uint8) for k, m in maps.items()}
        for image_id, maps in noisy.reference.maps.items()
    }
    scores = noisy.analyse(plain.Activations(noise), eta=0.6)
    auc, gain, net = mean_values(scores, "auc", "gain", "net_gain")
    assert auc == pytest.approx(0.5, abs=0.05)
    assert gain is not None
    assert gain > 0.1  # even noise finds something with so many pixels …
    assert net is not None
    assert net < -0.05  # … and loses more
    better = noisy.analyse(eta=0.6).means["auc"].mean
    assert better is not None
    assert auc is not None
    assert better > auc + 0.05


def test_sensitivity_and_curve_are_those_of_other_settings(noisy: Set) -> None:
    scores = noisy.analyse(eta=0.6, threshold=0.5)
    assert [*scores.sensitivity] == ETAS
    for eta in (0.2, 0.5):
        assert scores.sensitivity[eta] == noisy.analyse(eta=eta, threshold=0.5).means
    for byte in (0, 77, 255):
        other = noisy.analyse(eta=0.6, threshold=byte / 255)
        for name in ("ndr_fpr", "ndr_recall"):
            assert scores.curve[name][byte] == other.means[name].mean
    assert {len(values) for values in scores.curve.values()} == {256}


def test_threads_do_not_change_a_bit(noisy: Set) -> None:
    one, three = (noisy.analyse(workers=n, per_image_means=True).to_dict() for n in (1, 3))
    assert json.dumps(one) == json.dumps(three)


def test_provenance(noisy: Set) -> None:
    scores = noisy.analyse(split="train")
    truths = {f"i{k}": case.sample.truth for k, case in enumerate(noisy.images)}
    assert scores.ground_truth_digest == plain.digest(truths)
    assert (scores.images, scores.pairs, scores.split) == (3, 9, "train")
    assert "own definitions" in scores.to_dict()["definition"]


@given(threshold=plain.TAUS)
def test_the_first_byte_is_the_lowest_that_reaches(threshold: float) -> None:
    assert first_byte(threshold) == next(k for k in range(256) if reaches(k, threshold))


def test_an_equal_distance_takes_the_smaller_area(tmp_path: Path) -> None:
    truth: UInt8 = np.array([[1, 1, 1, 0]], np.uint8)
    reference: UInt8 = np.array([[255, 255, 0, 0]], np.uint8)
    tested: UInt8 = np.array([[0, 50, 255, 50]], np.uint8)  # areas 4, 3 and 1, but not 2
    one = Set([Case(plain.Sample(truth, {0: tested}, truth), {0: reference})], tmp_path)
    found = one.analyse(eta=0.5).per_class["cat"]
    assert (found["matched_area"], found["gain"], found["net_gain"]) == (0.5, 1, -1 / 3)


# What is wrong


def wrong_cases(noisy: Set, root: Path) -> Iterator[tuple[Any, dict[str, Any], type, str]]:
    cut = {k: {c: m[:-1] for c, m in v.items()} for k, v in noisy.reference.maps.items()}
    yield plain.Activations(cut), {}, SizeMismatchError, "i0: the activation map of class 0"
    (root / "bad").mkdir()
    np.save(root / "bad" / "i0.npy", np.full((40, 30), 38, np.uint8))
    lacking = "2 of 3 images have no prediction in .*bad: i1, i2"
    yield LabelMasks(root / "bad", THREE), {}, MissingFileError, lacking
    shutil.copytree(noisy.truth, root / "worse")
    for path in (root / "worse").glob("i0.*"):
        path.unlink()
    shutil.copy(root / "bad" / "i0.npy", root / "worse")
    yield LabelMasks(root / "worse", THREE), {}, ImageFormatError, "prediction of i0"
    yield LabelMasks(noisy.truth, THREE), {"threshold": 0.5}, UsageError, "masks have no threshold"
    yield None, {"eta": 1.1}, UsageError, "eta 1.1 is no threshold"
    yield None, {"threshold": math.nan}, UsageError, "threshold nan is no threshold"


def test_what_cannot_be_measured_is_refused(noisy: Set, tmp_path: Path) -> None:
    for tested, options, error, words in wrong_cases(noisy, tmp_path):
        with pytest.raises(error, match=words):
            noisy.analyse(tested, **options)
    cut = {k: {c: m[:-1] for c, m in v.items()} for k, v in noisy.reference.maps.items()}
    with pytest.raises(SizeMismatchError, match="i0: the reference map of class 0"):
        analyse_regions(
            noisy.labels, plain.Activations(cut), noisy.tested, noisy.truth, benchmark=THREE
        )
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError):
        LabelMasks(tmp_path / "empty", THREE)


@pytest.mark.parametrize("value", [255, 0, 3])
def test_without_a_pixel_of_the_classes_there_is_no_score(value: int, tmp_path: Path) -> None:
    truth = np.full((4, 5), value, np.uint8)
    maps = {0: np.full((4, 5), 9, np.uint8)}
    one = Set([Case(plain.Sample(truth, maps, truth), maps)], tmp_path)
    with pytest.raises(DataError, match="no image has a pixel of one of its classes"):
        one.analyse()


def test_images_without_classes_add_nothing(tmp_path: Path) -> None:
    images = large(images=2)
    empty = Case(plain.Sample(np.zeros((3, 3), np.uint8), {}, np.zeros((3, 3), np.uint8)), {})
    with_it = Set([*images, empty], tmp_path / "a").analyse()
    without = Set(images, tmp_path / "b").analyse()
    assert (with_it.images, with_it.pairs) == (3, 6)
    assert with_it.means == without.means
