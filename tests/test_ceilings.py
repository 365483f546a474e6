from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from tests.plain import THREE
from wsss_assets import get_recipe, make_label, pseudo_label, sweep, sweep_surface
from wsss_assets.errors import IgnoredPixelsError, MissingFileError, SizeMismatchError, UsageError
from wsss_assets.evaluation.anatomy.counts import ErrorAnatomy
from wsss_assets.evaluation.ceilings import VARIANTS, ceilings
from wsss_assets.evaluation.confusion import IGNORE
from wsss_assets.evaluation.perfect import (
    PerfectActivation,
    PerfectSaliency,
    perfect_activations,
    perfect_saliency,
)
from wsss_assets.storage.images import write_map
from wsss_assets.storage.label_maps import read_label, write_label

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.plain import UInt8

TRUTH = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [255, 255, 2, 3]], np.uint8)
SWEPT = {
    "hard, ignore": get_recipe(method="cam"),
    "soft": get_recipe().changed(saliency_threshold=0, tau=0.3),
    "edam": get_recipe("edam"),
    "drs": get_recipe("drs"),
    "oaa": get_recipe("oaa"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three images with maps that are right about half of the time."""
    generator = np.random.default_rng(5)
    for image_id in "abc":
        truth = np.kron(generator.integers(0, 4, (4, 5)), np.ones((3, 3))).astype(np.uint8)
        truth[:, ::7] = 255
        write_label(tmp_path / "truth" / f"{image_id}.png", truth, 4)
        noise = generator.integers(0, 256, truth.shape)
        write_map(tmp_path / "saliency" / f"{image_id}.png", _blend(truth > 0, noise))
        for index in range(3):
            noise = generator.integers(0, 256, truth.shape)
            path = tmp_path / "activation" / f"{image_id}_{index}.png"
            write_map(path, _blend(truth == index + 1, noise))
    return tmp_path


def _blend(mask: Any, noise: Any) -> UInt8:  # noqa: ANN401
    blended: UInt8 = np.where(noise % 2, mask * 255, noise).astype(np.uint8)
    return blended


LABELS = {"a": [0, 1, 2], "b": [2, 0, 1], "c": [0, 2]}


def folders(data: Path) -> dict[str, Any]:
    return {
        "labels": LABELS,
        "activation": data / "activation",
        "ground_truth": data / "truth",
        "saliency": data / "saliency",
        "benchmark": THREE,
    }


def test_perfect_maps_by_hand() -> None:
    assert perfect_saliency(TRUTH).tolist() == [
        [0, 0, 255, 255],
        [0, 255, 255, 255],
        [0, 0, 255, 255],
    ]
    maps = perfect_activations(TRUTH, [0, 2])
    assert list(maps) == [0, 2]
    assert maps[0].tolist() == [[0, 0, 255, 255], [0, 0, 0, 255], [0, 0, 0, 0]]
    assert maps[2].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 255]]
    assert {values.dtype for values in (*maps.values(), perfect_saliency(TRUTH))} == {
        np.dtype(np.uint8)
    }


def test_labels_of_perfect_maps_by_hand() -> None:
    recipe = get_recipe(method="cam")
    saliency = np.array([[255, 0, 255, 0], [0, 0, 255, 255], [255, 0, 0, 255]], np.uint8)
    # Right wherever there is saliency; 255 where background or an unlisted class is salient.
    given_saliency = make_label(saliency, perfect_activations(TRUTH, [0, 1]), recipe)
    assert given_saliency.tolist() == [[255, 0, 1, 0], [0, 0, 2, 1], [255, 0, 0, 255]]
    cat = np.array([[255, 20, 255, 20], [255, 255, 20, 20], [0, 0, 255, 0]], np.uint8)
    dog = np.array([[0, 40, 0, 40], [0, 0, 40, 0], [0, 0, 0, 40]], np.uint8)
    # On every object the strongest class, 255 where all are below tau (26/255).
    given_activation = make_label(perfect_saliency(TRUTH), {0: cat, 1: dog}, recipe)
    assert given_activation.tolist() == [[0, 0, 1, 2], [0, 1, 2, 255], [0, 0, 1, 2]]


@pytest.mark.parametrize("recipe", SWEPT.values(), ids=list(SWEPT))
def test_each_variant_scores_what_its_labels_score(data: Path, recipe: Any) -> None:  # noqa: ANN401
    found = ceilings(**folders(data), recipe=recipe, ignored="miss", best=False)
    assert tuple(found.variants) == VARIANTS
    for name, one in found.variants.items():
        pairs = [(_label(data, each, name, recipe), _truth(data, each)) for each in LABELS]
        expected = plain.ious(plain.tally(pairs, 3, "miss"))
        assert [scores.iou for scores in one.own.per_class.values()] == expected
        assert one.own.miou == plain.mean(expected)
        assert one.best is None
    assert found.searched is None


def _truth(data: Path, image_id: str) -> UInt8:
    return read_label(data / "truth" / f"{image_id}.png")


def _label(data: Path, image_id: str, variant: str, recipe: Any) -> UInt8:  # noqa: ANN401
    """The label by maps that are put together pixel by pixel."""
    truth = _truth(data, image_id)
    saliency = read_label(data / "saliency" / f"{image_id}.png")
    if variant in {"perfect_saliency", "perfect_maps"}:
        saliency = _painted(truth, [1, 2, 3])
    maps = {
        index: read_label(data / "activation" / f"{image_id}_{index}.png")
        for index in LABELS[image_id]
    }
    if variant in {"perfect_activation", "perfect_maps"}:
        maps = {index: _painted(truth, [index + 1]) for index in maps}
    return make_label(saliency, maps, recipe)


def _painted(truth: UInt8, values: list[int]) -> UInt8:
    return np.array([[255 * (one in values) for one in row] for row in truth.tolist()], np.uint8)


def test_the_best_settings_are_those_of_sweeps(data: Path) -> None:
    options = folders(data)
    perfect = {
        "activation": PerfectActivation(data / "truth"),
        "saliency": PerfectSaliency(data / "truth"),
    }
    recipe = get_recipe(method="cam")
    found = ceilings(**options, recipe=recipe, ignored="miss")
    assert found.searched == "both"
    for name, replaced in zip(
        VARIANTS,
        ({}, {"activation": perfect["activation"]}, {"saliency": perfect["saliency"]}, perfect),
        strict=True,
    ):
        one = found.variants[name]
        surface = sweep_surface(**(options | replaced), recipe=recipe).surface("miss")
        assert one.best is not None
        assert one.best.miou == surface.miou[surface.best]
        assert (one.best.saliency_threshold, one.best.tau) == tuple(np.array(surface.best) / 255)
        assert one.own.miou is not None
        assert one.best.miou >= one.own.miou
        curve = sweep(**(options | replaced), recipe=recipe).curve("miss")
        assert curve.miou[curve.recommended] == one.own.miou


def test_a_recipe_that_has_no_surface_is_searched_over_tau(data: Path) -> None:
    found = ceilings(**folders(data), recipe=get_recipe("edam"))
    curve = sweep(**folders(data), recipe=get_recipe("edam")).curve()
    best = found.variants["given"].best
    assert found.searched == "tau"
    assert best is not None
    assert (best.tau, best.miou) == (curve.taus[curve.best], curve.miou[curve.best])
    assert best.saliency_threshold == pytest.approx(20 / 255)
    assert ceilings(**folders(data), recipe=get_recipe("drs"), ignored="miss").searched is None


@pytest.mark.parametrize("recipe", SWEPT.values(), ids=list(SWEPT))
def test_both_perfect_is_right_everywhere(data: Path, recipe: Any) -> None:  # noqa: ANN401
    every = dict.fromkeys(LABELS, (0, 1, 2))
    found = ceilings(**(folders(data) | {"labels": every}), recipe=recipe, ignored="miss")
    assert found.variants["perfect_maps"].own.miou == 1.0
    listed = ceilings(**folders(data), recipe=recipe, ignored="miss")
    miou = listed.variants["perfect_maps"].own.miou
    assert miou is not None
    assert miou < 1  # the list does not say that c has a dog


@settings(max_examples=15, deadline=None)
@given(st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(plain.label_maps))
def test_perfect_maps_make_the_ground_truth(truth: UInt8) -> None:
    for recipe in (get_recipe(), get_recipe(method="cam"), SWEPT["soft"]):
        label = make_label(perfect_saliency(truth), perfect_activations(truth, range(3)), recipe)
        assert (label == truth)[truth != IGNORE].all()
        assert not label[truth == IGNORE].any()


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(plain.label_maps(shape), plain.byte_maps(shape))
    )
)
def test_perfect_activation_overrides_any_saliency(maps: tuple[UInt8, UInt8]) -> None:
    truth, saliency = maps
    label = make_label(saliency, perfect_activations(truth, range(3)), get_recipe("edam"))
    assert (label == truth)[truth != IGNORE].all()


@pytest.mark.parametrize("name", ["oaa", "mcis"])
def test_a_perfect_map_that_is_the_same_everywhere_is_stretched_to_nothing(name: str) -> None:
    truth = np.ones((4, 4), np.uint8)
    label = make_label(perfect_saliency(truth), perfect_activations(truth, [0]), get_recipe(name))
    assert (label == IGNORE).all()


def test_perfect_sources_stand_where_sources_stand(data: Path, tmp_path: Path) -> None:
    truth = data / "truth"
    sources: Iterable[Any] = PerfectActivation(truth), PerfectSaliency(truth)
    assert len({str(source) for source in sources}) == 2
    options: dict[str, Any] = {
        "saliency": PerfectSaliency(truth),
        "recipe": get_recipe(method="cam"),
        "benchmark": THREE,
    }
    out = tmp_path / "labels"
    made = dict.fromkeys(LABELS, (0, 1, 2))
    first = pseudo_label(made, PerfectActivation(truth), out, **options)
    assert (first.written, first.kept, first.failed) == (3, 0, {})
    for image_id in made:
        label, expected = read_label(out / f"{image_id}.png"), _truth(data, image_id)
        assert label.tolist() == np.where(expected == 255, 0, expected).tolist()
    changed = _truth(data, "b")
    changed[:] = 3
    write_label(truth / "b.png", changed, 4)
    again = pseudo_label(made, PerfectActivation(truth), out, **options)
    assert (again.written, again.kept) == (1, 2)
    missing = pseudo_label({"z": (0,)}, PerfectActivation(truth), tmp_path / "o", **options)
    assert "no label map z" in missing.failed["z"]


def test_errors_are_those_of_each_variants_labels(data: Path) -> None:
    recipe = get_recipe(method="cam")
    found = ceilings(**folders(data), recipe=recipe, ignored="miss", best=False, errors=True)
    for name, one in found.variants.items():
        anatomy = ErrorAnatomy(THREE)
        for image_id in LABELS:
            anatomy.update(_label(data, image_id, name, recipe), _truth(data, image_id), image_id)
        assert one.errors is not None
        assert one.errors.to_dict() == anatomy.compute(ignored="miss").to_dict()


def test_any_number_of_threads_gives_the_same_text(data: Path) -> None:
    texts = {
        json.dumps(
            ceilings(**folders(data), recipe=get_recipe(), workers=workers).to_dict(),
            allow_nan=False,
        )
        for workers in (1, 3)
    }
    assert len(texts) == 1
    table = json.loads(texts.pop())
    assert (table["images"], table["benchmark"], table["searched"]) == (3, "three", "both")
    assert table["variants"]["given"]["errors"] is None


def test_what_makes_no_sense_is_refused(data: Path) -> None:
    options = folders(data)
    with pytest.raises(UsageError, match="uses no saliency"):
        ceilings(**options, recipe=get_recipe("irn"))
    with pytest.raises(IgnoredPixelsError):
        ceilings(**options, recipe=get_recipe(method="cam"))
    with pytest.raises(UsageError, match="empty"):
        ceilings(**(options | {"labels": {}}))
    with pytest.raises(MissingFileError):
        ceilings(**(options | {"ground_truth": data / "nowhere"}))
    with pytest.raises(MissingFileError):
        PerfectSaliency(data / "nowhere")
    recipe = replace(get_recipe(), ignore=False)
    write_map(data / "saliency" / "b.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(SizeMismatchError, match="b: the saliency map"):
        ceilings(**options, recipe=recipe)
