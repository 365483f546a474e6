from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain
from tests.test_sweep import Set, large
from wsss_assets import analyse_thresholds, get_recipe, sweep
from wsss_assets.errors import (
    DataError,
    IgnoredPixelsError,
    NotSweepableError,
    SizeMismatchError,
    UsageError,
)
from wsss_assets.evaluation.thresholds.own import MEASURES, measure_pair, middle_of_best, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets import ThresholdAnalysis
    from wsss_assets.evaluation.thresholds.own import OwnThreshold

BYTES = st.lists(st.one_of(st.integers(0, 255), st.sampled_from([0, 9, 255])), max_size=25)
ROOT = Path(__file__).parent.parent
FEW = settings(max_examples=40, deadline=None)
BED = get_recipe()
IRN = get_recipe("irn")


def histogram(values: Sequence[int]) -> plain.Int64:
    return np.bincount(np.array(values, np.int64), minlength=256).astype(np.int64)


def measured(inside: Sequence[int], outside: Sequence[int]) -> dict[str, float]:
    pair = measure_pair(histogram(inside), histogram(outside))
    return dict(zip(MEASURES, pair.measures.tolist(), strict=True))


def ious_by_pixel(inside: Sequence[int], outside: Sequence[int]) -> list[float]:
    """IoU of the pixels of at least each byte, 0..255."""
    result = []
    for byte in range(256):
        hit = sum(value >= byte for value in inside)
        claimed = hit + sum(value >= byte for value in outside)
        result.append(hit / (len(inside) + claimed - hit))
    return result


def best_by_pixel(values: Sequence[float]) -> int:
    first = last = list(values).index(max(values))
    while last + 1 < len(values) and values[last + 1] == values[first]:
        last += 1
    return (first + last) // 2


def by_pixel(inside: Sequence[int], outside: Sequence[int]) -> dict[str, float]:
    """The definitions on plain pixels; NaN where there is nothing."""
    x, y = np.array(inside, float) / 255, np.array(outside, float) / 255
    nothing = math.nan
    ordered, others = sorted(inside), sorted(outside)
    low, high = (ordered[math.ceil(len(ordered) * tenth / 10) - 1] for tenth in (1, 9))
    wins = [(a > b) + (a == b) / 2 for a in inside for b in outside]
    gap_q = nothing
    if outside:
        gap_q = (low - others[math.ceil(len(others) * 9 / 10) - 1]) / 255
    return {
        "imbalance_cv": np.std(x) / np.mean(x) if x.any() else nothing,
        "imbalance_q": (high - low) / 255,
        "gini": np.abs(x[:, None] - x).mean() / (2 * x.mean()) if x.any() else nothing,
        "gap_mean": x.mean() - y.mean() if outside else nothing,
        "gap_q": gap_q,
        "separable": float(gap_q > 0) if outside else nothing,
        "auc": sum(wins) / len(wins) if wins else nothing,
        "iou_own": max(ious_by_pixel(inside, outside)),
    }


# One pair


@FEW
@given(inside=BYTES.filter(bool), outside=BYTES)
def test_measures_are_those_of_the_pixels(inside: list[int], outside: list[int]) -> None:
    assert measured(inside, outside) == pytest.approx(
        by_pixel(inside, outside), rel=1e-12, abs=1e-9, nan_ok=True
    )


@FEW
@given(inside=BYTES.filter(bool), outside=BYTES)
def test_curves_and_best_byte(inside: list[int], outside: list[int]) -> None:
    pair = measure_pair(histogram(inside), histogram(outside))
    wanted = ious_by_pixel(inside, outside)
    assert pair.curves[:256, 0].tolist() == wanted
    assert pair.best == best_by_pixel(wanted)
    for byte in (0, 1, 100, 255, 256):
        hit = sum(value >= byte for value in inside)
        claimed = hit + sum(value >= byte for value in outside)
        assert pair.curves[byte, 1] == hit / len(inside)
        precision = hit / claimed if claimed else math.nan
        assert pair.curves[byte, 2] == pytest.approx(precision, nan_ok=True)


@FEW
@given(values=BYTES.filter(bool), tenth=st.integers(1, 10))
def test_quantile_is_a_value_with_that_share_at_or_below(values: list[int], tenth: int) -> None:
    found = quantile(histogram(values), tenth, 10)
    assert found == sorted(values)[math.ceil(len(values) * tenth / 10) - 1]


@pytest.mark.parametrize(
    ("values", "middle"),
    [([1, 3, 3, 3, 0], 2), ([3, 3, 0, 3], 0), ([0, 0, 5], 2), ([4, 4, 4, 4], 1), ([0, 7, 7], 1)],
)
def test_middle_of_best(values: list[int], middle: int) -> None:
    assert middle_of_best(np.array(values)) == middle


def test_a_perfect_map() -> None:
    found = measured([200] * 5, [30] * 9)
    assert found["auc"] == found["separable"] == found["iou_own"] == 1
    assert found["imbalance_cv"] == found["imbalance_q"] == found["gini"] == 0
    assert found["gap_mean"] == pytest.approx(170 / 255)
    assert found["gap_q"] == 170 / 255
    assert measure_pair(histogram([200] * 5), histogram([30] * 9)).best == (31 + 200) // 2


def test_a_constant_map() -> None:
    found = measured([90] * 4, [90] * 12)
    assert found["auc"] == 0.5
    assert found["gap_mean"] == found["gap_q"] == found["imbalance_cv"] == 0
    assert found["separable"] == 0
    assert found["iou_own"] == 0.25


def test_a_map_of_zeros_has_no_imbalance() -> None:
    found = measured([0, 0], [0, 5])
    assert math.isnan(found["imbalance_cv"])
    assert math.isnan(found["gini"])
    assert found["auc"] == 0.25


def test_a_class_that_fills_the_image_has_no_gap() -> None:
    found = measured([10, 20], [])
    assert all(math.isnan(found[name]) for name in ("gap_mean", "gap_q", "separable", "auc"))
    assert found["iou_own"] == 1


@FEW
@given(inside=BYTES.filter(bool), outside=BYTES.filter(bool))
def test_a_gap_of_quantiles_separates_most_pairs(inside: list[int], outside: list[int]) -> None:
    found = measured(inside, outside)
    if found["gap_q"] > 0:
        assert found["auc"] >= 0.81 - 1e-12  # 90 % above and 90 % below a byte between
    if found["auc"] == 1:
        assert found["iou_own"] == 1


@FEW
@given(inside=BYTES.filter(bool), outside=BYTES.filter(bool))
def test_a_map_turned_round_has_the_rest_of_the_auc(inside: list[int], outside: list[int]) -> None:
    turned = measured([255 - v for v in inside], [255 - v for v in outside])
    assert turned["auc"] + measured(inside, outside)["auc"] == pytest.approx(1)


# A set


def analyse(images: Set, recipe: Any = BED, **options: Any) -> ThresholdAnalysis:  # noqa: ANN401
    values: dict[str, Any] = {
        "saliency": images.saliency,
        "workers": 1,
        "benchmark": plain.THREE,
        "ignored": "miss",
    } | options
    return analyse_thresholds(
        images.labels, images.activation, images.truth, recipe=recipe, **values
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return Set(large(images=8), tmp_path_factory.mktemp("thresholds"))


def pixels_of(images: Set) -> list[tuple[int, list[int], list[int]]]:
    """Class, bytes inside and bytes outside, of each pair with pixels."""
    found = []
    for sample in images.images.values():
        for index, values in sample.maps.items():
            inside = values[sample.truth == index + 1].tolist()
            outside = values[(sample.truth != index + 1) & (sample.truth != 255)].tolist()
            if inside:
                found.append((index, inside, outside))
    return found


@pytest.mark.parametrize("recipe", [BED, BED.changed(ignore=True), IRN], ids=lambda r: r.name)
def test_means_over_pairs_and_classes(images: Set, recipe: Any) -> None:  # noqa: ANN401
    analysis = analyse(images, recipe)
    pairs = pixels_of(images)
    assert len(pairs) > 8
    rows: dict[int, list[dict[str, float]]] = {}
    tau = analysis.curve.taus[analysis.curve.best]
    # The lowest byte that the recipe lets win: not below tau with saliency, above it without.
    lowest = next(
        byte
        for byte in range(1, 257)
        if (byte / 255 >= tau if recipe.uses_saliency else byte / 255 > tau)
    )
    assert analysis.winner == lowest
    for index, inside, outside in pairs:
        hit = sum(value >= lowest for value in inside)
        claimed = hit + sum(value >= lowest for value in outside)
        best = best_by_pixel(ious_by_pixel(inside, outside))
        rows.setdefault(index, []).append(
            by_pixel(inside, outside)
            | {
                "best": best / 255,
                "distance": abs(best - lowest) / 255,
                "iou_global": hit / (len(inside) + claimed - hit),
                "recall_global": hit / len(inside),
                "precision_global": hit / claimed if claimed else math.nan,
            }
        )
    wanted = {index: summary(each) for index, each in rows.items()}
    names = plain.THREE.classes
    for index, name in enumerate(names):
        found = dataclasses.asdict(analysis.per_class[name])
        if index not in rows:
            assert found.pop("n") == 0
            assert all(math.isnan(value) for value in found.values())
        else:
            assert found == pytest.approx(wanted[index], nan_ok=True)
    everything = summary([row for index in sorted(rows) for row in rows[index]])
    assert dataclasses.asdict(analysis.pairs) == pytest.approx(everything, nan_ok=True)
    macro = {key: float(np.mean([row[key] for row in wanted.values()])) for key in everything}
    macro["n"] = len(rows)
    assert dataclasses.asdict(analysis.macro) == pytest.approx(macro, nan_ok=True)
    curves = np.array([ious_by_pixel(inside, outside) for _, inside, outside in pairs]).mean(axis=0)
    byte, iou = analysis.common
    assert iou == pytest.approx(curves.max())
    assert curves[byte] == pytest.approx(curves.max())


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    best = sorted(row["best"] for row in rows)
    means = {
        name: float(np.nanmean([row[name] for row in rows])) for name in rows[0] if name != "best"
    }
    return means | {
        "n": len(rows),
        "best_tau_median": best[(len(best) + 1) // 2 - 1],
        "best_tau_std": float(np.std(best)),
    }


def test_the_curve_is_that_of_a_sweep(images: Set) -> None:
    for recipe in (BED.changed(ignore=True), IRN):
        analysis = analyse(images, recipe)
        swept = sweep(
            images.labels,
            images.activation,
            images.truth,
            saliency=images.saliency if recipe.uses_saliency else None,
            recipe=recipe,
            benchmark=plain.THREE,
        )
        assert np.array_equal(analysis.swept.confusions, swept.confusions)
        assert analysis.swept.ground_truth_digest == swept.ground_truth_digest
        assert analysis.best_miou == swept.curve("miss").miou.max()


@pytest.mark.parametrize("recipe", [BED.changed(ignore=True), IRN], ids=lambda r: r.name)
def test_threads_do_not_change_a_bit(images: Set, recipe: Any) -> None:  # noqa: ANN401
    one, four = (analyse(images, recipe, workers=count).to_dict() for count in (1, 4))
    assert json.dumps(one, allow_nan=False) == json.dumps(four, allow_nan=False)


def test_the_order_of_images_does_not_change_a_bit(images: Set) -> None:
    forward = analyse(images).to_dict()
    backward = Set([], images.truth.parent / "unused")
    backward.images = images.images
    backward.labels = dict(reversed(images.labels.items()))
    backward.activation, backward.saliency = images.activation, images.saliency
    backward.truth = images.truth
    assert analyse(backward).to_dict() == forward


def test_listed_classes_without_pixels_are_in_no_mean(tmp_path: Path) -> None:
    grey = np.array([[0, 200], [0, 0]], np.uint8)
    truth = np.array([[0, 1], [0, 255]], np.uint8)
    alone = Set([plain.Sample(grey, dict.fromkeys((0, 1, 2), grey), truth)], tmp_path)
    analysis = analyse(alone)
    assert (analysis.pairs.n, analysis.macro.n, analysis.without_pixels) == (1, 1, 2)
    assert analysis.pairs.auc == 1
    assert analysis.per_class["dog"].n == 0


def test_images_without_classes_have_labels_and_no_pairs(tmp_path: Path) -> None:
    blank = np.zeros((2, 2), np.uint8)
    alone = Set([plain.Sample(blank, {}, blank)], tmp_path)
    analysis = analyse(alone)
    assert analysis.pairs.n == analysis.macro.n == 0
    assert analysis.best_miou == 1
    assert analysis.oracles == {"image": 1, "class": 1, "pair": 1}
    assert [one.tau for one in analysis.choices[1:]] == [None] * (len(analysis.choices) - 1)
    said = json.loads(json.dumps(analysis.to_dict(), allow_nan=False))
    assert said["common"] is None
    assert said["pairs"]["auc"] is None


def test_constant_maps_make_selectors_undefined(tmp_path: Path) -> None:
    flat = np.full((2, 3), 100, np.uint8)
    truth = np.array([[0, 1, 1], [255, 0, 0]], np.uint8)
    analysis = analyse(Set([plain.Sample(flat, {0: flat}, truth)], tmp_path))
    assert analysis.pairs.auc == 0.5
    assert analysis.pairs.best_tau_median == 50 / 255  # the middle of 0..100
    for choice in analysis.choices[1:]:
        assert choice.verdict.startswith("undefined: maps of one value")
        assert (choice.tau, choice.chosen, choice.undefined) == (None, 0, 1)


def test_all_255_is_an_error(tmp_path: Path) -> None:
    grey = np.array([[0, 200]], np.uint8)
    alone = Set([plain.Sample(grey, {0: grey}, np.full((1, 2), 255, np.uint8))], tmp_path)
    with pytest.raises(DataError, match="no class occurs"):
        analyse(alone)


def test_what_cannot_be_done_is_refused(images: Set, tmp_path: Path) -> None:
    with pytest.raises(NotSweepableError, match="oaa"):
        analyse(images, get_recipe("oaa"))
    with pytest.raises(IgnoredPixelsError):
        analyse(images, BED.changed(ignore=True), ignored=None)
    with pytest.raises(UsageError, match="saliency"):
        analyse(images, saliency=None)
    grey = np.zeros((2, 2), np.uint8)
    with pytest.raises(SizeMismatchError):
        analyse(Set([plain.Sample(grey, {0: grey}, np.zeros((2, 3), np.uint8))], tmp_path))


def measure_of(pair: OwnThreshold, name: str) -> float:
    return float(pair.measures[MEASURES.index(name)])


def test_large_images_do_not_overflow() -> None:
    few = histogram([3, 250, 250]), histogram([0, 9, 9, 255])
    many = measure_pair(*(each * 20_000_000 for each in few))
    small = measure_pair(*few)
    for name in MEASURES:
        assert measure_of(many, name) == pytest.approx(measure_of(small, name), rel=1e-12)


def test_every_field_is_documented(images: Set) -> None:
    page = (ROOT / "docs" / "thresholds.md").read_text("utf-8")
    said = analyse(images).to_dict()
    nested = [said["pairs"], said["plateau"], said["common"], said["selectors"][0], said["global"]]
    for field in [*said, *(name for part in nested for name in part)]:
        assert f"`{field}`" in page, field
    for one in said["selectors"]:
        assert f"`{one['selector']}`" in page or one["selector"] == "recipe"
        assert f"`{one['level']}`" in page
    assert "this project's own" in page
