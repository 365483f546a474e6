from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import plain
from wsss_assets import get_recipe, make_label
from wsss_assets.errors import DataError, SizeMismatchError, UsageError
from wsss_assets.labels.recipes import Recipe

if TYPE_CHECKING:
    from tests.plain import Maps, Sample, UInt8

QUICK = settings(max_examples=100, deadline=None)

# Saliency bytes down, every activation byte across.
TELLING = np.array([*plain.EDGES, 20, 21, 31, 32, 100, 127, 128, 200], np.uint8)
SALIENCY = np.repeat(TELLING[:, None], 256, axis=1)
EVERY_BYTE = np.repeat(np.arange(256, dtype=np.uint8)[None], len(TELLING), axis=0)


def rivals(level: int) -> list[Maps]:
    """One class; two that tie where they cross; two of which one is flat; none."""
    flat = np.full_like(EVERY_BYTE, level)
    mirrored = np.ascontiguousarray(EVERY_BYTE[:, ::-1])
    return [{3: EVERY_BYTE}, {5: EVERY_BYTE, 2: mirrored}, {0: flat, 1: EVERY_BYTE}, {}]


# The rule of WSSS-BED


@pytest.mark.parametrize("maps", rivals(204))
@pytest.mark.parametrize("threshold", [-0.2, 0.0, 50 / 255, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("ignore", [False, True])
def test_wsss_bed_on_telling_bytes(ignore: bool, threshold: float, maps: Maps) -> None:
    for tau in (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 127 / 255):
        recipe = get_recipe().changed(tau=tau, saliency_threshold=threshold, ignore=ignore)
        wanted = plain.wsss_bed(
            SALIENCY, maps, tau=tau, saliency_threshold=threshold, ignore=ignore
        )
        np.testing.assert_array_equal(make_label(SALIENCY, maps, recipe), wanted)


@pytest.mark.parametrize("tau", [0.0, 0.2, 128 / 255])
def test_soft_saliency_on_every_pair_of_bytes(tau: float) -> None:
    across = np.repeat(np.arange(256, dtype=np.uint8)[None], 256, axis=0)
    down = np.ascontiguousarray(across.T)
    label = make_label(down, {0: across}, get_recipe().changed(tau=tau, saliency_threshold=0))
    wanted = plain.wsss_bed(down, {0: across}, tau=tau, saliency_threshold=0)
    np.testing.assert_array_equal(label, wanted)
    # Where the two bytes add up to 255, float32 decides; not every such tie is one.
    assert 0 < np.count_nonzero(label[down == 255 - across]) < 256


@QUICK
@given(plain.samples(20), plain.TAUS, plain.SALIENCY_THRESHOLDS, st.booleans())
def test_wsss_bed(sample: Sample, tau: float, threshold: float, ignore: bool) -> None:
    recipe = get_recipe().changed(tau=tau, saliency_threshold=threshold, ignore=ignore)
    wanted = plain.wsss_bed(
        sample.saliency, sample.maps, tau=tau, saliency_threshold=threshold, ignore=ignore
    )
    label = make_label(sample.saliency, sample.maps, recipe)
    np.testing.assert_array_equal(label, wanted)
    assert label.dtype == np.uint8


@QUICK
@given(plain.samples(20, least=1), plain.TAUS)
def test_wsss_bed_without_saliency(sample: Sample, tau: float) -> None:
    recipe = get_recipe().changed(tau=tau, saliency=False)
    wanted = plain.wsss_bed(None, sample.maps, tau=tau)
    np.testing.assert_array_equal(make_label(None, sample.maps, recipe), wanted)
    np.testing.assert_array_equal(make_label(sample.saliency, sample.maps, recipe), wanted)


@pytest.mark.parametrize("byte", range(256))
def test_thresholds_of_k_255_are_float32(byte: int) -> None:
    threshold = byte / 255
    if byte:
        recipe = get_recipe().changed(saliency_threshold=threshold)
        label = make_label(EVERY_BYTE[:1], {0: np.full((1, 256), 255, np.uint8)}, recipe)
        assert np.count_nonzero(label) == 255 - byte  # strictly above
    full = np.full((1, 256), 255, np.uint8)
    kept = make_label(full, {0: EVERY_BYTE[:1]}, get_recipe().changed(tau=threshold))
    assert np.count_nonzero(kept) == 256 - max(byte, 1)  # not below, and above 0
    above = make_label(
        None, {0: EVERY_BYTE[:1]}, get_recipe().changed(tau=threshold, saliency=False)
    )
    assert np.count_nonzero(above) == 255 - byte  # strictly above


@pytest.mark.parametrize(("byte", "tau"), [(51, 0.2), (102, 0.4), (153, 0.6), (204, 0.8)])
def test_equalities_of_float32(byte: int, tau: float) -> None:
    at, one_below = np.array([[byte]], np.uint8), np.array([[byte - 1]], np.uint8)
    full = np.array([[255]], np.uint8)
    recipe = get_recipe().changed(tau=tau, ignore=True)
    assert make_label(full, {0: at}, recipe).item() == 1
    assert make_label(full, {0: one_below}, recipe).item() == 255
    assert make_label(None, {0: at}, recipe.changed(saliency=False)).item() == 0
    by_saliency = get_recipe().changed(saliency_threshold=tau)
    assert make_label(at, {0: full}, by_saliency).item() == 0
    assert make_label(at + np.uint8(1), {0: full}, by_saliency).item() == 1


def test_other_thresholds_have_no_equality() -> None:
    full = np.full((1, 256), 255, np.uint8)
    for tau in (0.1, 0.3, 0.5, 0.7, 0.9):
        with_saliency = make_label(full, {0: EVERY_BYTE[:1]}, get_recipe().changed(tau=tau))
        without = make_label(
            None, {0: EVERY_BYTE[:1]}, get_recipe().changed(tau=tau, saliency=False)
        )
        np.testing.assert_array_equal(with_saliency, without)


def test_ties() -> None:
    same = np.array([[100, 255, 0]], np.uint8)
    full = np.full((1, 3), 255, np.uint8)
    dark = np.zeros((1, 3), np.uint8)
    assert make_label(full, {7: same, 3: same}, get_recipe()).tolist() == [[4, 4, 0]]
    assert make_label(dark, {7: same}, get_recipe()).tolist() == [[0, 0, 0]]
    half = get_recipe().changed(saliency_threshold=0)
    assert make_label(full - same, {7: same}, half).tolist()[0][1:] == [0, 0]


def test_tau_of_1_leaves_only_255() -> None:
    full = np.full((1, 256), 255, np.uint8)
    assert make_label(full, {0: EVERY_BYTE[:1]}, get_recipe().changed(tau=1)).sum() == 1
    bare = get_recipe().changed(tau=1, saliency=False)
    assert make_label(None, {0: EVERY_BYTE[:1]}, bare).sum() == 0


# The other published rules


def published(name: str, saliency: UInt8, maps: Maps, tau: float | None = None) -> UInt8:
    if name == "oaa":
        return plain.accumulated(saliency, maps, tau=tau or 0.3, conflict=0.9, strong=0.8)
    if name == "mcis":
        return plain.accumulated(saliency, maps, tau=tau or 0.3, conflict=0.99, strong=0.95)
    if name == "drs":
        return plain.drs(saliency, maps, tau=tau or 0.2)
    if name == "edam":
        return plain.edam(saliency, maps, tau=tau or 1e-6)
    return plain.constant(maps, tau=tau or {"l2g": 0.25, "irn": 0.15}[name])


NAMES = ("oaa", "mcis", "drs", "edam", "l2g", "irn")


@pytest.mark.parametrize("maps", rivals(230)[:3])
@pytest.mark.parametrize("name", NAMES)
def test_published_rules_on_telling_bytes(name: str, maps: Maps) -> None:
    label = make_label(SALIENCY, maps, get_recipe(name))
    np.testing.assert_array_equal(label, published(name, SALIENCY, maps))


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(sample=plain.samples(20, least=1))
def test_published_rules(name: str, sample: Sample) -> None:
    label = make_label(sample.saliency, sample.maps, get_recipe(name))
    np.testing.assert_array_equal(label, published(name, sample.saliency, sample.maps))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(
    sample=plain.samples(20, least=1),
    tau=st.one_of(st.integers(1, 9).map(lambda k: k / 10), st.just(0.95), st.just(1.0)),
)
@example(
    sample=plain.Sample(
        np.array([[0, 255]], np.uint8),
        {0: np.array([[235, 255]], np.uint8), 1: np.array([[235, 0]], np.uint8)},
        np.zeros((1, 2), np.uint8),
    ),
    tau=0.95,
)
def test_published_rules_with_another_tau(name: str, sample: Sample, tau: float) -> None:
    label = make_label(sample.saliency, sample.maps, get_recipe(name).changed(tau=tau))
    np.testing.assert_array_equal(label, published(name, sample.saliency, sample.maps, tau))


def test_a_conflict_needs_two_scores_in_oaa_and_three_in_drs() -> None:
    full, dark = np.full((1, 4), 255, np.uint8), np.zeros((1, 4), np.uint8)
    strong = np.array([[255, 240, 240, 0]], np.uint8)
    assert make_label(full, {0: strong, 1: strong}, get_recipe("oaa")).tolist() == [
        [255, 255, 255, 255]
    ]
    assert make_label(full, {0: strong, 1: strong}, get_recipe("drs")).tolist() == [[1, 1, 1, 255]]
    # Where it is dark the background is the third strong score.
    assert make_label(dark, {0: strong, 1: strong}, get_recipe("drs")).tolist() == [
        [255, 255, 255, 0]
    ]


@pytest.mark.parametrize(("claimed", "whole"), [(0, True), (1, True), (2, False), (3, False)])
def test_images_with_hardly_any_foreground_are_ignored_whole(claimed: int, whole: bool) -> None:
    saliency = np.zeros((10, 20), np.uint8)
    person = np.zeros((10, 20), np.uint8)
    saliency[0, :claimed] = person[0, :claimed] = 255
    label = make_label(saliency, {14: person}, get_recipe("oaa"))
    assert (label == 255).all() == whole
    if not whole:
        assert (label == 15).sum() == claimed


def test_a_flat_map_claims_nothing_when_stretched() -> None:
    flat = np.full((2, 2), 255, np.uint8)
    other = np.array([[0, 255], [0, 255]], np.uint8)
    label = make_label(flat, {0: flat, 1: other}, get_recipe("oaa"))
    assert label.tolist() == [[255, 2], [255, 2]]


# Recipes of one's own: any setting with any other

UNIT = plain.TAUS


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    saliency = draw(st.integers(0, 3)) > 0
    return Recipe(
        name="own",
        paper="",
        background="saliency" if saliency else "constant",
        tau=draw(UNIT),
        saliency_threshold=draw(plain.SALIENCY_THRESHOLDS),
        cut_background=draw(st.booleans()),
        normalize=draw(st.booleans()),
        ignore=saliency and draw(st.booleans()),
        ignore_saliency=draw(st.none() | UNIT),
        ignore_activation=draw(st.none() | UNIT),
        conflict_above=draw(st.none() | UNIT),
        conflict_channels=draw(st.integers(1, 4)),
        minimum_foreground=draw(st.sampled_from([0.0, 0.0, 0.01, 0.25, 0.5])),
    )


@settings(max_examples=200, deadline=None)
@given(plain.samples(20, least=1), recipes())
def test_a_recipe_of_ones_own(sample: Sample, recipe: Recipe) -> None:
    label = make_label(sample.saliency, sample.maps, recipe)
    saliency = sample.saliency if recipe.uses_saliency else None
    np.testing.assert_array_equal(label, plain.skeleton(saliency, sample.maps, recipe))


@QUICK
@given(plain.samples(20, least=1), UNIT, plain.SALIENCY_THRESHOLDS, st.booleans(), UNIT)
def test_an_override_of_ones_own(
    sample: Sample, tau: float, threshold: float, ignore: bool, override: float
) -> None:
    recipe = dataclasses.replace(
        get_recipe("edam"),
        tau=tau,
        saliency_threshold=threshold,
        ignore=ignore,
        override_above=max(tau, override),
    )
    label = make_label(sample.saliency, sample.maps, recipe)
    np.testing.assert_array_equal(label, plain.skeleton(sample.saliency, sample.maps, recipe))


@QUICK
@given(plain.samples(20, least=1))
def test_the_two_plain_forms_of_each_rule_agree(sample: Sample) -> None:
    """The settings of the published recipes say the same as their figures, pixel by pixel."""
    for name in NAMES:
        recipe = get_recipe(name)
        saliency = sample.saliency if recipe.uses_saliency else None
        np.testing.assert_array_equal(
            plain.skeleton(saliency, sample.maps, recipe),
            published(name, sample.saliency, sample.maps),
        )


# Inputs


@pytest.mark.parametrize("name", ["wsss-bed", *NAMES])
def test_inputs_are_not_changed(name: str) -> None:
    generator = np.random.default_rng(1)
    recipe = get_recipe(name)
    originals = [generator.integers(0, 256, (5, 7), np.uint8) for _ in range(3)]
    locked = [values.copy() for values in originals]
    for values in locked:
        values.flags.writeable = False
    saliency = locked[0] if recipe.uses_saliency else None
    label = make_label(saliency, {4: locked[1], 9: locked[2]}, recipe)
    assert label.flags.writeable
    assert not any(np.shares_memory(label, values) for values in locked)
    for values, original in zip(locked, originals, strict=True):
        np.testing.assert_array_equal(values, original)


@pytest.mark.parametrize("name", ["wsss-bed", *NAMES])
@pytest.mark.parametrize("threshold", [0.0, 0.2])
def test_views_of_any_order_are_read_right(name: str, threshold: float) -> None:
    generator = np.random.default_rng(2)
    recipe = get_recipe(name)
    if recipe.uses_saliency:
        recipe = recipe.changed(saliency_threshold=threshold)
    big = generator.integers(0, 256, (3, 14, 10), np.uint8)
    views = [values[::-2].T for values in big]
    copies = [np.ascontiguousarray(view) for view in views]
    label = make_label(views[0], {0: views[1], 1: views[2]}, recipe)
    np.testing.assert_array_equal(
        label, make_label(copies[0], {0: copies[1], 1: copies[2]}, recipe)
    )


def test_an_image_without_classes() -> None:
    saliency = np.array([[0, 51, 52, 255]], np.uint8)
    assert make_label(saliency, {}, get_recipe()).tolist() == [[0, 0, 0, 0]]
    assert make_label(saliency, {}, get_recipe(method="cam")).tolist() == [[0, 0, 255, 255]]
    assert make_label(saliency, {}, get_recipe("irn")).tolist() == [[0, 0, 0, 0]]
    assert make_label(saliency, {}, get_recipe("oaa")).tolist() == [[255] * 4]
    with pytest.raises(DataError, match="without classes"):
        make_label(None, {}, get_recipe("irn"))


def test_a_missing_saliency_map_is_an_error() -> None:
    with pytest.raises(UsageError, match="needs a saliency map"):
        make_label(None, {0: np.zeros((2, 2), np.uint8)}, get_recipe())


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 2)),
        np.zeros((2, 2), np.int64),
        np.zeros((2, 2), np.uint16),
        np.zeros((2, 2), np.bool_),
        np.zeros((2, 2, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_maps_that_are_not_8_bit_are_refused(wrong: UInt8) -> None:
    good = np.zeros((2, 2), np.uint8)
    with pytest.raises(UsageError, match="saliency map is no 8-bit map"):
        make_label(wrong, {0: good}, get_recipe())
    with pytest.raises(UsageError, match="class 7 is no 8-bit map"):
        make_label(good, {0: good, 7: wrong}, get_recipe())


@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (1, 1), (4, 3), (3, 5)])
def test_maps_of_another_size_are_refused(shape: tuple[int, int]) -> None:
    good, wrong = np.zeros((3, 4), np.uint8), np.zeros(shape, np.uint8)
    with pytest.raises(SizeMismatchError, match="class 0 does not fit the saliency map") as caught:
        make_label(good, {0: wrong}, get_recipe())
    assert "4×3" in str(caught.value)
    assert f"{shape[1]}×{shape[0]}" in str(caught.value)
    with pytest.raises(SizeMismatchError, match="class 2"):
        make_label(None, {0: good, 2: wrong}, get_recipe("irn"))
