from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from tests.plain import THREE
from wsss_assets import Evaluator, evaluate, get_recipe, make_label, sweep
from wsss_assets.errors import (
    DataError,
    IgnoredPixelsError,
    MissingFileError,
    NotSweepableError,
    SizeMismatchError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.evaluation.surface import SurfaceSweep, sweep_surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.plain import Int64, Pair, Sample, UInt8
    from wsss_assets import Recipe
    from wsss_assets.evaluation.sweep import TauSweep

FEW = settings(max_examples=20, deadline=None)
SETS = st.lists(plain.samples(3), min_size=1, max_size=3)
EDGE_BYTES = sorted({*plain.EDGES, 26, 38, 127, 128, 253})
BED = get_recipe()
SWEPT: dict[str, Recipe] = {
    "hard": BED,
    "hard, ignore": BED.changed(ignore=True),
    "soft": BED.changed(saliency_threshold=0),
    "soft, ignore": BED.changed(saliency_threshold=0, ignore=True),
    "below soft": BED.changed(saliency_threshold=-0.2, ignore=True),
    "at a byte": BED.changed(saliency_threshold=102 / 255, ignore=True),
    "highest": BED.changed(saliency_threshold=1, ignore=True),
    "without": BED.changed(saliency=False),
    "edam": get_recipe("edam"),
    "edam, ignore": get_recipe("edam").changed(ignore=True),
    "irn": get_recipe("irn"),
    "own ignored saliency": dataclasses.replace(BED, ignore=True, ignore_saliency=0.6),
}


class Set:
    """Images in memory, their ground truth in a folder."""

    def __init__(self, samples: Sequence[Sample], root: Path) -> None:
        self.images = {f"i{index}": sample for index, sample in enumerate(samples)}
        self.truth = root / "truth"
        self.truth.mkdir(parents=True)
        for image_id, sample in self.images.items():
            np.save(self.truth / f"{image_id}.npy", sample.truth)
        self.labels = {image_id: list(sample.maps) for image_id, sample in self.images.items()}
        self.activation = plain.Activations({k: v.maps for k, v in self.images.items()})
        self.saliency = plain.Saliency({k: v.saliency for k, v in self.images.items()})

    def sweep(self, recipe: Recipe, **options: Any) -> TauSweep:  # noqa: ANN401
        values: dict[str, Any] = {
            "saliency": self.saliency,
            "workers": 1,
            "benchmark": THREE,
        } | options
        return sweep(self.labels, self.activation, self.truth, recipe=recipe, **values)

    def surface(self, recipe: Recipe, **options: Any) -> SurfaceSweep:  # noqa: ANN401
        values: dict[str, Any] = {
            "saliency": self.saliency,
            "workers": 1,
            "benchmark": THREE,
        } | options
        return sweep_surface(self.labels, self.activation, self.truth, recipe=recipe, **values)

    def pairs(self, recipe: Recipe) -> list[Pair]:
        """The plain labels of a recipe, with the ground truth."""
        return [(plain_label(sample, recipe), sample.truth) for sample in self.images.values()]

    def confusion(self, recipe: Recipe) -> Int64:
        total = np.zeros((4, 5), np.int64)
        for pair in self.pairs(recipe):
            total += plain.confusion(*pair, 3)
        return total


def plain_label(sample: Sample, recipe: Recipe) -> UInt8:
    """The label in its plainest form."""
    maps = sample.maps or {0: np.zeros_like(sample.saliency)}
    if not recipe.uses_saliency:
        return plain.constant(maps, tau=recipe.tau)
    if recipe.name == "wsss-bed" and recipe.ignore_saliency is None:
        return plain.wsss_bed(
            sample.saliency,
            maps,
            tau=recipe.tau,
            saliency_threshold=recipe.saliency_threshold,
            ignore=recipe.ignore,
        )
    if recipe.name == "edam" and not recipe.ignore:
        return plain.edam(sample.saliency, maps, tau=recipe.tau)
    return plain.skeleton(sample.saliency, maps, recipe)


def large(seed: int = 5, images: int = 3) -> list[Sample]:
    """Images of many bytes, with ties, without classes, and with ground truth of 255."""
    generator = np.random.default_rng(seed)
    samples = []
    for index in range(images):
        shape = (12 + index, 17)
        truth = generator.choice(np.array([0, 0, 1, 2, 3, 255], np.uint8), shape)
        maps = {c: generator.integers(0, 256, shape, np.uint8) for c in (2, 0)[: 2 - index % 3]}
        for values in maps.values():
            values[truth == 1] |= 96  # so that the curve has a shape
        samples.append(plain.Sample(generator.integers(0, 256, shape, np.uint8), maps, truth))
    return samples


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return Set(large(), tmp_path_factory.mktemp("sweep"))


# Every tau


@pytest.mark.parametrize("name", SWEPT)
@FEW
@given(samples=SETS)
def test_confusions_are_those_of_all_labels(name: str, samples: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = Set(samples, Path(folder))
        swept = small.sweep(SWEPT[name])
        assert swept.confusions.shape == (256, 4, 5)
        assert swept.confusions.dtype == np.int64
        for byte in EDGE_BYTES:
            recipe = dataclasses.replace(SWEPT[name], tau=byte / 255)
            np.testing.assert_array_equal(
                swept.confusions[byte], small.confusion(recipe), str(byte)
            )


@pytest.mark.parametrize("name", SWEPT)
def test_confusions_of_all_256_taus(name: str, images: Set) -> None:
    swept = images.sweep(SWEPT[name])
    for byte in range(256):
        recipe = dataclasses.replace(SWEPT[name], tau=byte / 255)
        np.testing.assert_array_equal(swept.confusions[byte], images.confusion(recipe), str(byte))


@pytest.mark.parametrize("policy", plain.POLICIES)
@pytest.mark.parametrize("name", ["hard, ignore", "soft", "irn"])
def test_the_curve_is_the_score_of_the_labels(name: str, policy: str, images: Set) -> None:
    curve = images.sweep(SWEPT[name]).curve(policy)
    assert curve.taus == tuple(byte / 255 for byte in range(256))
    for byte in range(0, 256, 5):
        pairs = images.pairs(dataclasses.replace(SWEPT[name], tau=byte / 255))
        wanted = plain.ious(plain.tally(pairs, 3, policy))
        assert [None if np.isnan(v) else float(v) for v in curve.per_class[byte]] == wanted
        assert curve.miou[byte] == plain.mean(wanted)


def test_the_curve_marks_classes_that_occur_nowhere(tmp_path: Path) -> None:
    both = np.array([[0, 255]], np.uint8)
    alone = Set([plain.Sample(both, {0: both}, both // np.uint8(255))], tmp_path)
    curve = alone.sweep(BED).curve()
    assert np.isnan(curve.per_class[:, 2:]).all()
    assert (curve.per_class[:, :2] == 1).all()
    assert (curve.best, curve.plateau, curve.loss) == (0, (0, 255), 0.0)


def test_best_and_plateau_and_loss(images: Set) -> None:
    for name in ("hard", "without", "soft"):
        curve = images.sweep(SWEPT[name]).curve()
        values = curve.miou.tolist()
        assert curve.best == values.index(max(values))
        first = last = curve.best
        while first and values[first - 1] >= max(values) - 0.01:
            first -= 1
        while last < 255 and values[last + 1] >= max(values) - 0.01:
            last += 1
        assert curve.plateau == (first, last)
        assert curve.loss == max(values) - values[curve.recommended] >= 0


@pytest.mark.parametrize("name", SWEPT)
@settings(max_examples=10, deadline=None)
@given(tau=st.one_of(plain.TAUS, st.floats(0, 1), st.sampled_from([1e-6, 0.15, 0.25, 0.3])))
def test_the_recommended_tau_acts_as_that_of_the_recipe(images: Set, name: str, tau: float) -> None:
    recipe = dataclasses.replace(SWEPT[name], tau=tau)
    swept = images.sweep(recipe)
    recommended = swept.curve("miss").recommended
    np.testing.assert_array_equal(swept.confusions[recommended], images.confusion(recipe))
    if name != "highest":  # where nothing is salient any tau acts alike
        assert abs(recommended / 255 - tau) <= 1 / 255


def test_a_policy_is_needed_only_where_255_occurs(images: Set) -> None:
    with pytest.raises(IgnoredPixelsError, match="miss, background, drop"):
        images.sweep(SWEPT["hard, ignore"]).curve()
    assert images.sweep(SWEPT["hard"]).curve().ignored is None
    assert images.sweep(SWEPT["hard, ignore"]).curve("drop").ignored == "drop"
    with pytest.raises(UnknownNameError):
        images.sweep(SWEPT["hard, ignore"]).curve("skip")
    with pytest.raises(UnknownNameError):
        images.sweep(SWEPT["hard"]).curve("skip")


@pytest.mark.parametrize("kind", ["sweep", "surface"])
def test_results_are_json(images: Set, kind: str) -> None:
    swept: Any = getattr(images, kind)(SWEPT["hard, ignore"], split="val")
    values = swept.to_dict("drop")
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert (values["benchmark"], values["split"], values["images"]) == ("three", "val", 3)
    assert (values["ignored"], values["synthetic"]) == ("drop", False)
    assert values["recipe"] == SWEPT["hard, ignore"].settings()
    assert len(values["taus"]) == 256
    assert values["ground_truth_digest"] == swept.ground_truth_digest


def test_the_curve_as_data(images: Set) -> None:
    recipe = BED.changed(tau=0.3)
    swept = images.sweep(recipe)
    curve, values = swept.curve(), swept.to_dict()
    assert values["miou"] == curve.miou.tolist()
    assert list(values["per_class"]) == ["background", "cat", "dog", "cow"]
    assert values["best"] == {
        "tau": curve.best / 255,
        "miou": max(values["miou"]),
        "classes_in_mean": np.count_nonzero(~np.isnan(curve.per_class[curve.best])),
    }
    assert values["recommended"]["tau"] == 0.3
    assert values["recommended"]["loss"] == curve.loss
    assert values["plateau"]["first_tau"] <= values["best"]["tau"] <= values["plateau"]["last_tau"]


@pytest.mark.parametrize("kind", ["sweep", "surface"])
def test_a_ground_truth_of_255_alone_gives_no_numbers(tmp_path: Path, kind: str) -> None:
    grey = np.full((2, 3), 9, np.uint8)
    blank = Set([plain.Sample(grey, {0: grey}, np.full((2, 3), 255, np.uint8))], tmp_path)
    values = getattr(blank, kind)(BED).to_dict()
    json.dumps(values, allow_nan=False)
    assert values["best"]["miou"] is None


# What cannot be swept


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("oaa", ["stretches", "background score", "conflict", "foreground", "activation decides"]),
        ("mcis", ["stretches", "background score", "conflict", "foreground", "activation decides"]),
        ("drs", ["conflict"]),
    ],
)
def test_recipes_that_look_at_more_are_refused_with_reasons(
    images: Set, name: str, reasons: list[str]
) -> None:
    for run in (images.sweep, images.surface):
        with pytest.raises(NotSweepableError, match=f"recipe {name} cannot be swept") as caught:
            run(get_recipe(name))
        assert all(reason in str(caught.value) for reason in reasons)
        assert str(caught.value).count(";") == len(reasons) - 1
        assert caught.value.hint


@pytest.mark.parametrize("name", ["edam", "irn", "l2g"])
def test_recipes_without_a_free_saliency_threshold_have_no_surface(images: Set, name: str) -> None:
    with pytest.raises(NotSweepableError, match="no surface"):
        images.surface(get_recipe(name))
    assert images.sweep(get_recipe(name)).images == 3


def test_a_list_and_saliency_are_needed(images: Set) -> None:
    with pytest.raises(UsageError, match="saliency"):
        images.sweep(BED, saliency=None)
    images.sweep(get_recipe("irn"), saliency=None)
    with pytest.raises(UsageError, match="empty"):
        sweep({}, images.activation, images.truth, saliency=images.saliency, benchmark=THREE)


def test_maps_that_do_not_fit_are_named(tmp_path: Path) -> None:
    samples = large()
    small = np.zeros((1, 17), np.uint8)
    samples[1] = dataclasses.replace(samples[1], saliency=small)
    wrong = Set(samples, tmp_path / "saliency")
    for run in (wrong.sweep, wrong.surface):
        with pytest.raises(SizeMismatchError, match="i1: the saliency map"):
            run(BED)
    samples = large()
    samples[0] = dataclasses.replace(samples[0], maps={**samples[0].maps, 2: small})
    wrong = Set(samples, tmp_path / "activation")
    for run in (wrong.sweep, wrong.surface):
        with pytest.raises(SizeMismatchError, match="i0: the activation map of class 2"):
            run(BED)
    (wrong.truth / "i2.npy").unlink()
    del wrong.labels["i0"]
    for run in (wrong.sweep, wrong.surface):
        with pytest.raises(MissingFileError, match="i2"):
            run(BED, workers=4)


def test_ground_truth_of_another_benchmark_is_named(tmp_path: Path) -> None:
    samples = large()
    samples[1].truth[3, 3] = 4
    wrong = Set(samples, tmp_path)
    with pytest.raises(DataError, match="the ground truth of i1 holds values"):
        wrong.sweep(BED)


def test_a_class_the_benchmark_does_not_have_is_an_error(tmp_path: Path) -> None:
    grey = np.full((2, 3), 9, np.uint8)
    wrong = Set([plain.Sample(grey, {3: grey}, np.zeros_like(grey))], tmp_path)
    for run in (wrong.sweep, wrong.surface):
        with pytest.raises((DataError, UsageError)):
            run(BED)


# Every saliency threshold and every tau

SURFACES = {
    "hard": BED,
    "ignore": BED.changed(ignore=True),
    "other base": BED.changed(ignore=True, tau=0.4, saliency_threshold=0),
    "highest base": BED.changed(saliency_threshold=1, tau=1),
}
CORNERS = [(0, 0), (0, 255), (255, 0), (255, 255), (0, 1), (1, 0), (0, 128), (254, 254), (51, 51)]


def at(recipe: Recipe, row: int, column: int) -> Recipe:
    """The recipe of one place of the surface."""
    return dataclasses.replace(recipe, saliency_threshold=row / 255, tau=column / 255)


def check_place(
    images: Set,
    swept: SurfaceSweep,
    mious: Any,  # noqa: ANN401
    place: tuple[int, int],
    policy: str,
) -> None:
    pairs = images.pairs(at(swept.recipe, *place))
    wanted = plain.ious(plain.tally(pairs, 3, policy))
    assert mious[place] == plain.mean(wanted), place


@pytest.mark.parametrize("name", SURFACES)
@settings(max_examples=10, deadline=None)
@given(
    samples=SETS,
    places=st.lists(st.tuples(plain.BYTES, plain.BYTES), min_size=20, max_size=20),
    counted=st.sampled_from([0, 1, 2, 3]),
)
def test_surfaces_of_small_images(
    name: str, samples: list[Sample], places: list[tuple[int, int]], counted: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = Set([s for s in samples if (s.truth != 255).any()] or large(), Path(folder))
        swept = small.surface(SURFACES[name])
        for policy in plain.POLICIES:
            mious = swept.surface(policy).miou
            ious = swept.iou(counted, policy)
            for place in [*places, *CORNERS]:
                recipe = at(swept.recipe, *place)
                wanted = plain.ious(plain.tally(small.pairs(recipe), 3, policy))
                mean = plain.mean(wanted)
                found = float(mious[place])
                assert (None if np.isnan(found) else found) == mean, (place, policy)
                found = float(ious[place])
                assert (None if np.isnan(found) else found) == wanted[counted], (place, policy)


@pytest.mark.parametrize("policy", plain.POLICIES)
@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_of_larger_images(name: str, policy: str, images: Set) -> None:
    swept = images.surface(SURFACES[name])
    mious = swept.surface(policy).miou
    generator = np.random.default_rng(len(policy))
    places = [tuple(place) for place in generator.integers(0, 256, (60, 2)).tolist()]
    edges = [(edge, step) for edge in (0, 1, 254, 255) for step in range(0, 256, 32)]
    for row, column in [*places, *edges, *((column, row) for row, column in edges), *CORNERS]:
        check_place(images, swept, mious, (row, column), policy)


def test_the_surface_is_what_the_package_itself_would_score(images: Set) -> None:
    swept = images.surface(SURFACES["ignore"])
    for place in CORNERS:
        for policy in plain.POLICIES:
            evaluator = Evaluator(THREE, ignored=policy)
            for sample in images.images.values():
                label = make_label(sample.saliency, sample.maps, at(swept.recipe, *place))
                evaluator.update(label, sample.truth)
            assert evaluator.compute().miou == swept.surface(policy).miou[place]


def test_a_row_of_the_surface_is_the_curve(images: Set) -> None:
    for name in ("hard", "ignore"):
        surface = images.surface(SURFACES[name]).surface("drop").miou
        for row in (0, 1, 51, 200, 255):
            recipe = dataclasses.replace(SURFACES[name], saliency_threshold=row / 255)
            np.testing.assert_array_equal(surface[row], images.sweep(recipe).curve("drop").miou)


def test_the_best_place_is_the_lowest_of_the_best(images: Set) -> None:
    swept = images.surface(BED)
    surface = swept.surface()
    best = surface.miou.max()
    assert surface.best == min(map(tuple, np.argwhere(surface.miou == best).tolist()))
    assert surface.saliency_thresholds == surface.taus == tuple(k / 255 for k in range(256))
    values = swept.to_dict()
    assert values["best"] == {
        "saliency_threshold": surface.best[0] / 255,
        "tau": surface.best[1] / 255,
        "miou": best,
        "classes_in_mean": sum(not np.isnan(swept.iou(label)[surface.best]) for label in range(4)),
    }
    assert values["miou"] == surface.miou.tolist()


def test_a_surface_with_255_needs_a_policy(images: Set) -> None:
    swept = images.surface(SURFACES["ignore"])
    with pytest.raises(IgnoredPixelsError):
        swept.surface()
    with pytest.raises(IgnoredPixelsError):
        swept.iou(1)
    assert swept.surface("miss").ignored == "miss"
    assert images.surface(BED).surface().ignored is None


def test_a_surface_with_its_own_ignored_saliency_is_right_or_refused(images: Set) -> None:
    recipe = SWEPT["own ignored saliency"]
    try:
        swept = images.surface(recipe)
    except NotSweepableError:
        return
    mious = swept.surface("miss").miou
    for place in CORNERS:
        check_place(images, swept, mious, place, "miss")


# Both


@pytest.mark.parametrize("workers", [2, 4, None])
def test_any_number_of_workers_gives_the_same(images: Set, workers: int | None) -> None:
    one, many = images.sweep(SWEPT["soft"]), images.sweep(SWEPT["soft"], workers=workers)
    np.testing.assert_array_equal(one.confusions, many.confusions)
    assert one.ground_truth_digest == many.ground_truth_digest
    first, second = images.surface(BED), images.surface(BED, workers=workers)
    np.testing.assert_array_equal(first.surface().miou, second.surface().miou)
    assert first.ground_truth_digest == second.ground_truth_digest


def test_the_digest_is_that_of_an_evaluation(images: Set) -> None:
    scores = evaluate(images.truth, images.truth, benchmark=THREE)
    wanted = plain.digest({image_id: sample.truth for image_id, sample in images.images.items()})
    assert scores.ground_truth_digest == wanted
    assert images.sweep(BED).ground_truth_digest == wanted
    assert images.surface(BED).ground_truth_digest == wanted


def test_folders_give_the_same_as_sources(images: Set, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    for image_id, sample in images.images.items():
        plain.write_grey(tmp_path / "saliency" / f"{image_id}.png", sample.saliency)
        plain.write_grey(truth / f"{image_id}.png", sample.truth)
        for index, values in sample.maps.items():
            plain.write_grey(tmp_path / "activation" / f"{image_id}_{index}.png", values)
    folders: Any = {"saliency": str(tmp_path / "saliency"), "benchmark": THREE, "recipe": BED}
    found = sweep(images.labels, tmp_path / "activation", truth, **folders)
    np.testing.assert_array_equal(found.confusions, images.sweep(BED).confusions)
    assert found.ground_truth_digest == images.sweep(BED).ground_truth_digest
    surface = sweep_surface(images.labels, tmp_path / "activation", truth, **folders)
    np.testing.assert_array_equal(surface.surface().miou, images.surface(BED).surface().miou)
