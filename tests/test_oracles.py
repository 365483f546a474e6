from __future__ import annotations

import dataclasses
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests import plain
from tests.test_sweep import Set, large, plain_label
from wsss_assets import analyse_thresholds, get_recipe
from wsss_assets.evaluation.thresholds.selectors import SELECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.plain import Pair, Sample, UInt8
    from wsss_assets import Recipe, ThresholdAnalysis

BED = get_recipe()
RECIPES: dict[str, Recipe] = {
    "hard, ignore": BED.changed(ignore=True, tau=0.3),
    "soft": BED.changed(saliency_threshold=0, tau=0.2),
    "without": get_recipe("irn"),
}
CASES = [("hard, ignore", policy) for policy in plain.POLICIES] + [
    (name, "miss") for name in RECIPES if name != "hard, ignore"
]


class Brute:
    """The labels of every tau of every image, made one by one."""

    def __init__(self, images: Set, recipe: Recipe, policy: str) -> None:
        self.policy, self.recipe = policy, recipe
        self.samples = list(images.images.values())
        self.labels = [
            [plain_label(sample, dataclasses.replace(recipe, tau=k / 255)) for k in range(256)]
            for sample in self.samples
        ]

    def miou(self, choose: Callable[[int, UInt8], Any]) -> float:
        """Of labels with, at each pixel, the tau that is chosen by image and strongest class."""
        made = []
        for number, sample in enumerate(self.samples):
            strongest = strongest_of(sample)
            taus = np.broadcast_to(choose(number, strongest), strongest.shape)
            label = pick(self.labels[number], taus)
            made.append((label, sample.truth))
        return plain.mean(self.ious(made)) or 0.0

    def ious(self, pairs: Sequence[Pair]) -> list[float | None]:
        return plain.ious(plain.tally(pairs, 3, self.policy))

    @cache  # noqa: B019 (one set by each case)
    def whole(self, tau: int) -> list[float | None]:
        return self.ious(
            [(made[tau], one.truth) for made, one in zip(self.labels, self.samples, strict=True)]
        )

    def best_of_image(self, number: int) -> int:
        """The lowest tau with the best mean IoU over what its truth holds."""
        truth = self.samples[number].truth
        there = [value for value in range(4) if (truth == value).any()]
        means = []
        for label in self.labels[number]:
            ious = self.ious([(label, truth)])
            means.append(plain.mean([ious[value] for value in there]))
        return lowest_best(means)

    def best_of_pair(self, number: int, index: int) -> int:
        truth = self.samples[number].truth
        if not (truth == index + 1).any():
            return 255
        return lowest_best([self.ious([(each, truth)])[index + 1] for each in self.labels[number]])

    def best_of_class(self, index: int) -> int:
        if not any((sample.truth == index + 1).any() for sample in self.samples):
            return 255
        return lowest_best([self.whole(tau)[index + 1] for tau in range(256)])


def pick(labels: Sequence[UInt8], taus: UInt8) -> UInt8:
    label = np.zeros(taus.shape, np.uint8)
    for place in np.ndindex(taus.shape):
        label[place] = labels[int(taus[place])][place]
    return label


def lowest_best(values: Sequence[float | None]) -> int:
    known = [-1.0 if value is None else value for value in values]
    return known.index(max(known))


def strongest_of(sample: Sample) -> UInt8:
    """0-based class of the highest byte, the lower class of equals; 0 without any."""
    classes = sorted(sample.maps)
    if not classes:
        return np.zeros(sample.truth.shape, np.uint8)
    stack = np.stack([sample.maps[index] for index in classes])
    result: UInt8 = np.array(classes, np.uint8)[stack.argmax(axis=0)]
    return result


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Set:
    samples = large(images=3)
    for sample in samples:
        sample.truth[sample.truth == 2] = 0
    return Set([*samples, *absent()], tmp_path_factory.mktemp("oracles"))


def absent() -> list[Sample]:
    """Images that are said to show classes that they do not show, one of them nowhere."""
    generator = np.random.default_rng(1)
    samples = []
    for values in ([0, 3, 255], [0, 0, 1], [1, 3]):
        truth = generator.choice(np.array(values, np.uint8), (9, 14))
        maps = {c: generator.integers(0, 200, truth.shape, np.uint8) for c in (0, 1, 2)}
        for index, activation in maps.items():
            activation[truth == index + 1] |= 64
        samples.append(plain.Sample(generator.integers(0, 256, truth.shape, np.uint8), maps, truth))
    return samples


@pytest.fixture(scope="module", params=CASES, ids=": ".join)
def case(request: pytest.FixtureRequest, images: Set) -> tuple[Brute, ThresholdAnalysis]:
    """A set by a recipe; `dog` has maps and no pixel in it."""
    name, policy = request.param
    return Brute(images, RECIPES[name], policy), analyse(images, RECIPES[name], policy)


def analyse(images: Set, recipe: Recipe, policy: str, **options: Any) -> ThresholdAnalysis:  # noqa: ANN401
    values: dict[str, Any] = {"saliency": images.saliency} | options
    return analyse_thresholds(
        images.labels,
        images.activation,
        images.truth,
        recipe=recipe,
        ignored=policy,
        benchmark=plain.THREE,
        workers=1,
        **values,
    )


def test_the_best_tau_of_each_image(case: tuple[Brute, ThresholdAnalysis]) -> None:
    brute, analysis = case
    taus = [brute.best_of_image(number) for number in range(len(brute.samples))]
    assert len(set(taus)) > 1
    assert analysis.oracles["image"] == brute.miou(lambda number, _: taus[number])


def test_the_best_tau_of_each_class(case: tuple[Brute, ThresholdAnalysis]) -> None:
    brute, analysis = case
    taus = np.array([brute.best_of_class(index) for index in range(3)])
    assert analysis.oracles["class"] == brute.miou(lambda _, strongest: taus[strongest])


def test_the_best_tau_of_each_pair(case: tuple[Brute, ThresholdAnalysis]) -> None:
    brute, analysis = case
    taus = np.array(
        [
            [brute.best_of_pair(number, index) if index in sample.maps else 0 for index in range(3)]
            for number, sample in enumerate(brute.samples)
        ]
    )
    assert analysis.oracles["pair"] == brute.miou(lambda number, strong: taus[number][strong])


def test_plateau_and_losses(case: tuple[Brute, ThresholdAnalysis]) -> None:
    brute, analysis = case
    curve = [plain.mean(brute.whole(tau)) or 0.0 for tau in range(256)]
    best = max(curve)
    assert analysis.best_miou == best
    assert analysis.curve.best == curve.index(best)
    plateau = analysis.plateau
    assert plateau.share_within_5_percent == sum(v >= 0.95 * best for v in curve) / 256
    assert plateau.share_within_1_point == sum(v >= best - 0.01 for v in curve) / 256
    within = [v for k, v in enumerate(curve) if 0.05 <= k / 255 <= 0.95]
    assert plateau.mean == pytest.approx(sum(within) / len(within))
    said = analysis.to_dict()
    for name, value in analysis.oracles.items():
        assert said["oracles"][name] == {"miou": value, "loss_of_global": value - best}
    assert said["recommended"]["loss"] == best - said["recommended"]["miou"] >= 0


def test_choices_are_scored_as_their_labels(case: tuple[Brute, ThresholdAnalysis]) -> None:
    brute, analysis = case
    best = max(plain.mean(brute.whole(tau)) or 0.0 for tau in range(256))
    own = plain.mean(brute.ious([(plain_label(s, brute.recipe), s.truth) for s in brute.samples]))
    recipe, *others = analysis.choices
    assert (recipe.selector, recipe.tau, recipe.miou) == ("recipe", brute.recipe.tau, own)
    assert [(one.level, one.selector) for one in others] == [
        (level, selector.name) for level in ("dataset", "class", "image") for selector in SELECTORS
    ]
    level = brute.recipe.saliency_threshold if brute.recipe.saliency_threshold > 0 else 0.5
    assert analysis.salient_above == level
    own_index = next(
        k
        for k in range(256)
        if all(
            (plain_label(s, brute.recipe) == brute.labels[n][k]).all()
            for n, s in enumerate(brute.samples)
        )
    )
    lowest = {byte: index_of(brute.recipe, byte) for byte in range(1, 257)}
    for one in others:
        choose = next(each.choose for each in SELECTORS if each.name == one.selector)
        taus = np.full((len(brute.samples), 3), own_index)
        found = []
        for group in groups_of(brute, one.level):
            byte = choose(pooled(brute, level, group))
            if byte is not None:
                found.append(lowest[byte])
                for number, index in group:
                    taus[number, index] = lowest[byte]
        assert one.chosen == len(found)
        assert one.tau == sorted(found)[(len(found) + 1) // 2 - 1] / 255
        wanted = brute.miou(partial(by_class, taus))
        assert one.miou == wanted, one
        assert one.regret == best - wanted
        assert one.verdict == (
            "fails here"
            if best - wanted > 0.02
            else "better than any one tau"
            if wanted > best
            else ""
        )


def by_class(taus: plain.Int64, number: int, strongest: UInt8) -> plain.Int64:
    result: plain.Int64 = taus[number][strongest]
    return result


def groups_of(brute: Brute, level: str) -> list[list[tuple[int, int]]]:
    """Image and class numbers that share a threshold."""
    there = [(n, index) for n, sample in enumerate(brute.samples) for index in sample.maps]
    if level == "dataset":
        return [there]
    part = 1 if level == "class" else 0
    return [
        [one for one in there if one[part] == key] for key in sorted({one[part] for one in there})
    ]


def pooled(brute: Brute, salient_above: float, group: list[tuple[int, int]]) -> plain.Int64:
    """Pixels of the strongest bytes, by whether they are salient; all of them."""
    result = np.zeros((2, 256), np.int64)
    for number, index in group:
        sample = brute.samples[number]
        mine = strongest_of(sample) == index
        salient = plain.unit(sample.saliency) > np.float32(salient_above)
        for place in zip(*np.nonzero(mine), strict=True):
            result[int(salient[place]), int(sample.maps[index][place])] += 1
    return result


def index_of(recipe: Recipe, byte: int) -> int:
    """The lowest tau k/255 with which no byte below this one wins at full saliency."""
    if byte == 1:
        return 0
    below = np.array([[byte - 1]], np.uint8)
    for k in range(256):
        sample = plain.Sample(np.full((1, 1), 255, np.uint8), {0: below}, below)
        if plain_label(sample, dataclasses.replace(recipe, tau=k / 255)).item() != 1:
            return k
    return 255


def test_without_saliency_maps_its_rules_are_undefined(images: Set) -> None:
    analysis = analyse(images, RECIPES["without"], "miss", saliency=None)
    for one in analysis.choices[1:]:
        undefined = one.selector.startswith("saliency")
        assert (one.tau is None) == undefined
        assert (one.verdict == "undefined: no saliency maps") == undefined


def test_no_salient_pixel_leaves_its_rules_undefined(tmp_path: Path) -> None:
    grey = np.array([[0, 90, 200]], np.uint8)
    truth = np.array([[0, 1, 1]], np.uint8)
    dark = Set([plain.Sample(np.full((1, 3), 51, np.uint8), {0: grey}, truth)], tmp_path)
    analysis = analyse(dark, RECIPES["without"], "miss")
    for one in analysis.choices[1:]:
        if one.selector.startswith("saliency"):
            assert one.verdict == "undefined: maps of one value, or no pixel is salient"
    assert analysis.oracles == {"image": 1, "class": 1, "pair": 1}


def test_images_that_need_other_thresholds_gain_from_their_own(tmp_path: Path) -> None:
    truth = np.array([[1, 1, 0, 0]], np.uint8)
    bright, dim = np.array([[250, 240, 160, 0]], np.uint8), np.array([[90, 80, 20, 0]], np.uint8)
    both = Set([plain.Sample(truth, {0: each}, truth) for each in (bright, dim)], tmp_path)
    analysis = analyse(both, RECIPES["without"], "miss")
    assert analysis.oracles["image"] == analysis.oracles["pair"] == 1
    assert analysis.oracles["class"] == analysis.best_miou < 1
    assert analysis.pairs.separable == 1
    assert analysis.pairs.iou_own == 1 > analysis.common[1]


def test_what_is_undefined_keeps_the_tau_of_the_recipe(tmp_path: Path) -> None:
    truth = np.array([[1, 1, 0, 0]], np.uint8)
    clear, flat = np.array([[250, 240, 10, 0]], np.uint8), np.full((1, 4), 7, np.uint8)
    nothing = np.zeros_like(truth)
    samples = [
        plain.Sample(truth * 255, {0: clear}, truth),
        plain.Sample(truth * 255, {1: flat}, nothing),  # 7 does not win at the recipe's 0.15
        plain.Sample(nothing, {}, nothing),  # there is nothing to choose for
    ]
    analysis = analyse(Set(samples, tmp_path), RECIPES["without"], "miss")
    for one in analysis.choices[1:]:
        assert (one.undefined, one.chosen) == ((0, 1) if one.level == "dataset" else (1, 1))
        if one.level != "dataset" and one.selector != "triangle":  # which cuts below the 10
            assert one.miou == 1
