from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import pytest

from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.labels.differences import differences
from wsss_assets.labels.recipes import (
    METHODS,
    RECIPES,
    Recipe,
    get_recipe,
    list_recipes,
)

# What WSSS-BED's scripts say: tau, ignore label, without saliency.
PUBLISHED = {
    "cam": (0.1, True, False),
    "oaa": (0.3, True, False),
    "mcis": (0.5, True, False),
    "drs": (0.5, True, False),
    "edam": (0.5, True, False),
    "eps": (0.2, False, True),
    "l2g": (0.3, False, True),
}


def test_methods_are_those_of_wsss_bed() -> None:
    assert set(METHODS) == set(PUBLISHED)


@pytest.mark.parametrize("method", PUBLISHED)
def test_methods_have_the_published_figures(method: str) -> None:
    tau, ignore, without = PUBLISHED[method]
    recipe = get_recipe(method=method)
    assert (recipe.tau, recipe.ignore, not recipe.uses_saliency) == (tau, ignore, without)
    assert recipe.saliency_threshold == 0.2
    assert recipe.name == "wsss-bed"
    assert recipe.conflict_above is None
    assert recipe.override_above is None
    assert not recipe.normalize
    assert recipe.minimum_foreground == 0


def test_defaults_are_those_of_run_py() -> None:
    recipe = get_recipe()
    assert recipe is get_recipe("wsss-bed")
    assert (recipe.tau, recipe.saliency_threshold, recipe.ignore) == (0.0, 0.2, False)
    assert recipe.uses_saliency


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            "oaa",
            {
                "background": "saliency",
                "tau": 0.3,
                "cut_background": True,
                "normalize": True,
                "conflict_above": 0.9,
                "conflict_channels": 2,
                "ignore_activation": 0.8,
                "minimum_foreground": 0.01,
            },
        ),
        (
            "mcis",
            {
                "tau": 0.3,
                "cut_background": True,
                "conflict_above": 0.99,
                "conflict_channels": 2,
                "ignore_activation": 0.95,
                "minimum_foreground": 0.01,
            },
        ),
        ("drs", {"tau": 0.2, "conflict_above": 0.9, "conflict_channels": 3, "ignore": True}),
        ("edam", {"tau": 1e-6, "override_above": 0.99999, "ignore": False}),
        ("l2g", {"background": "constant", "tau": 0.25, "ignore": False}),
        ("irn", {"background": "constant", "tau": 0.15, "ignore": False}),
    ],
)
def test_recipes_have_the_published_figures(name: str, figures: dict[str, Any]) -> None:
    recipe = get_recipe(name)
    assert {field: getattr(recipe, field) for field in figures} == figures


def test_registry() -> None:
    assert list_recipes() == tuple(RECIPES)
    assert set(list_recipes()) == {"wsss-bed", "oaa", "mcis", "drs", "edam", "l2g", "irn"}
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.paper
        with pytest.raises(dataclasses.FrozenInstanceError):
            recipe.tau = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "close"), [("wsss_bed", "wsss-bed"), ("eadm", "edam"), ("MCIS", "mcis")]
)
def test_an_unknown_recipe_is_refused_with_a_guess(name: str, close: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_recipe(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in RECIPES)
    assert caught.value.hint is not None
    assert close in caught.value.hint


def test_an_unknown_name_like_none_is_refused_without_a_guess() -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_recipe("zzzzzz")
    assert caught.value.hint is None


def test_an_unknown_method_is_refused_with_a_guess() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*cam") as caught:
        get_recipe(method="cams")
    assert "no method" in str(caught.value)


def test_a_method_belongs_to_wsss_bed() -> None:
    assert get_recipe("wsss-bed", method="cam") == get_recipe(method="cam")
    with pytest.raises(UsageError, match="recipe oaa and method oaa contradict"):
        get_recipe("oaa", method="oaa")


@pytest.mark.parametrize("tau", [-0.01, 1.01, float("nan"), float("inf"), 25.5])
def test_tau_lies_in_0_to_1(tau: float) -> None:
    with pytest.raises(UsageError, match="tau"):
        get_recipe().changed(tau=tau)


@pytest.mark.parametrize("threshold", [1.01, float("nan"), float("inf"), 51.0])
def test_the_saliency_threshold_is_at_most_1(threshold: float) -> None:
    with pytest.raises(UsageError, match="saliency threshold"):
        get_recipe().changed(saliency_threshold=threshold)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_bounds_are_allowed(value: float) -> None:
    recipe = get_recipe().changed(tau=value, saliency_threshold=value)
    assert (recipe.tau, recipe.saliency_threshold) == (value, value)


def test_nothing_can_be_ignored_without_saliency() -> None:
    with pytest.raises(UsageError, match="without saliency"):
        get_recipe().changed(saliency=False, ignore=True)
    with pytest.raises(UsageError, match="without saliency"):
        Recipe(name="own", paper="", tau=0.1, background="constant", ignore=True)
    with pytest.raises(UsageError, match="without saliency"):
        get_recipe("irn").changed(ignore=True)


def test_there_is_no_saliency_threshold_without_saliency() -> None:
    with pytest.raises(UsageError, match="no saliency threshold"):
        get_recipe().changed(saliency=False, saliency_threshold=0.3)
    with pytest.raises(UsageError, match="no saliency threshold"):
        get_recipe("l2g").changed(saliency_threshold=0.3)


def test_changed_keeps_the_rest() -> None:
    recipe = get_recipe(method="cam")
    assert recipe.changed() == recipe
    assert recipe.changed(tau=0.4) == dataclasses.replace(recipe, tau=0.4)
    assert recipe.changed(ignore=False).ignore is False
    assert recipe.changed(saliency=True) == recipe
    bare = recipe.changed(saliency=False)
    assert (bare.uses_saliency, bare.ignore, bare.tau) == (False, False, 0.1)
    assert recipe.tau == 0.1  # the original is as it was
    back = get_recipe("irn").changed(saliency=True, saliency_threshold=0.3, ignore=True)
    assert (back.uses_saliency, back.saliency_threshold, back.ignore) == (True, 0.3, True)


def test_the_ignored_saliency_is_the_threshold_unless_it_is_its_own() -> None:
    assert get_recipe().changed(saliency_threshold=0.4).saliency_above_ignored == 0.4
    assert get_recipe("oaa").saliency_above_ignored == 31 / 255


def test_settings_decide_the_label_and_are_json() -> None:
    recipe = get_recipe("oaa")
    settings = recipe.settings()
    assert json.loads(json.dumps(settings, allow_nan=False)) == settings
    names = {field.name for field in dataclasses.fields(Recipe)} - {"paper", "note"}
    assert set(settings) == names
    assert Recipe(paper="", **settings).settings() == settings  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (get_recipe(method="cam"), "wsss-bed: saliency > 0.2, tau 0.1, ignore"),
        (get_recipe(method="eps"), "wsss-bed: no saliency, tau 0.2, no ignore"),
        (
            get_recipe().changed(saliency_threshold=0, tau=0.5),
            "wsss-bed: soft saliency, tau 0.5, no ignore",
        ),
        (
            get_recipe().changed(saliency_threshold=-1),
            "wsss-bed: soft saliency, tau 0, no ignore",
        ),
        (get_recipe("drs"), "drs: saliency > 50/255, tau 0.2, ignore"),
    ],
)
def test_describe(recipe: Recipe, text: str) -> None:
    assert recipe.describe() == text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_not_differ_from_itself(name: str) -> None:
    assert differences(RECIPES[name], RECIPES[name]) == []


def test_name_paper_and_note_are_no_difference() -> None:
    renamed = dataclasses.replace(get_recipe("oaa"), name="own", paper="x", note="y")
    assert differences(get_recipe("oaa"), renamed) == []


@pytest.mark.parametrize(("first", "second"), [*itertools.permutations(RECIPES, 2)])
def test_differences_are_the_same_from_both_sides(first: str, second: str) -> None:
    there = differences(RECIPES[first], RECIPES[second])
    assert there
    mirrored = []
    for sentence in differences(RECIPES[second], RECIPES[first]):
        subject, sides = sentence.split(": ", 1)
        left, right = sides.split("; ")
        assert left.startswith(f"{second} ")
        assert right.startswith(f"{first} ")
        mirrored.append(f"{subject}: {right}; {left}")
    assert mirrored == there


def test_drs_against_oaa_in_words() -> None:
    assert differences(get_recipe("drs"), get_recipe("oaa")) == [
        "activation threshold: drs drops scores below 0.2; oaa drops scores below 0.3",
        "saliency: drs is 1 above 50/255, else 0; oaa keeps its grey values",
        "cut of the background score: drs none; oaa also 0 below tau",
        "stretching of each activation map: drs none; oaa by its own minimum and maximum",
        "what counts as salient when unclaimed pixels are ignored: "
        "drs saliency above 50/255; oaa saliency above 31/255",
        "activation that makes an unclaimed pixel count as salient: drs none; oaa above 0.8",
        "strong scores that make a conflict: drs needs 3 of them; oaa needs 2 of them",
        "images with hardly any foreground: drs are kept; oaa become 255 as a whole below 1%",
    ]


def test_mcis_against_oaa_in_words() -> None:
    assert differences(get_recipe("mcis"), get_recipe("oaa")) == [
        "activation that makes an unclaimed pixel count as salient: mcis above 0.95; oaa above 0.8",
        "conflict between strong scores: mcis becomes 255 above 0.99; oaa becomes 255 above 0.9",
    ]


def test_settings_without_effect_are_no_difference() -> None:
    plain = get_recipe()
    sentences = differences(plain, get_recipe("irn"))
    subjects = [sentence.split(":")[0] for sentence in sentences]
    assert subjects == ["background score", "activation threshold"]
    assert "irn the constant 0.15" in sentences[0]
    assert "irn wants scores above 0.15" in sentences[1]
    assert differences(plain, plain.changed(ignore=True)) == [
        "salient pixels that no class claims: wsss-bed are background; wsss-bed become 255"
    ]


def test_edam_overrides_the_saliency_in_words() -> None:
    sentences = differences(get_recipe(), get_recipe("edam"))
    assert (
        "override of the saliency: wsss-bed none; edam a class wins with a score above 0.99999"
        in sentences
    )
    assert any(sentence.endswith("edam is 1 above 20/255, else 0") for sentence in sentences)
