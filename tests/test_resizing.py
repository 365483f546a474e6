"""Resize rules against the libraries whose rules they are, and by their properties.

`tests/golden/resizing.npz` holds, for a handful of sizes, `<case>/values` and what became of them:
`<case>/opencv_area`, `<case>/opencv_bilinear` (OpenCV 5.0.0) and `<case>/skimage` (scikit-image
0.26.0 with SciPy 1.17.1: order 1, mode `constant`, otherwise defaults).
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.golden_weights import GOLDEN
from wsss_assets.models import resizing

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rule = Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]


def pillow_bilinear(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return resizing.pillow(values, size, "bilinear")


BYTES: dict[str, Rule] = {
    "pillow": pillow_bilinear,
    "opencv_area": resizing.opencv_area,
    "opencv_bilinear": resizing.opencv_bilinear,
    "opencv_cubic": resizing.opencv_cubic,
}
OVERSHOOTING = ("opencv_cubic",)
"""Rules with negative weights: edges get a rim that is darker or brighter than both sides."""
RULES: dict[str, Rule] = {
    **BYTES,
    "skimage": resizing.skimage,
    "align_corners": resizing.align_corners,
}
SCALE = {"skimage": 255.0}
"""What a rule divides its values by."""

each_rule = pytest.mark.parametrize("name", RULES)
sides = st.integers(1, 4) | st.integers(5, 40)
sizes = st.tuples(sides, sides)
seeds = st.integers(0, 2**32 - 1)


def noise(name: str, shape: tuple[int, ...], seed: int) -> NDArray[Any]:
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return values.astype(np.float32) if name == "align_corners" else values


def references(rule: str) -> list[tuple[str, str]]:
    with np.load(GOLDEN / "resizing.npz") as file:
        cases = {key.partition("/")[0] for key in file.files}
    return [(rule, case) for case in sorted(cases)]


@pytest.mark.parametrize(
    ("name", "case"),
    [one for rule in ("opencv_area", "opencv_bilinear", "skimage") for one in references(rule)],
)
def test_against_the_library(name: str, case: str) -> None:
    with np.load(GOLDEN / "resizing.npz") as file:
        values, expected = file[f"{case}/values"], file[f"{case}/{name}"]
    found = RULES[name](values, expected.shape[:2])
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found - expected.astype(float)).max() <= (1e-12 if name == "skimage" else 0)


@settings(deadline=None)
@given(sizes, sizes, seeds)
def test_corners_against_torch(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(seed).random(old, np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], new, mode="bilinear", align_corners=True
    )[0, 0].numpy()
    assert np.abs(resizing.align_corners(values, new) - expected).max() <= 1e-6


@pytest.mark.parametrize("rule", ["nearest", "bilinear", "bicubic"])
def test_pillow_is_pillow(rule: resizing.PillowRule) -> None:
    values = noise("pillow", (17, 11, 3), 0)
    expected = Image.fromarray(values).resize((8, 23), Image.Resampling[rule.upper()])
    assert np.array_equal(resizing.pillow(values, (23, 8), rule), np.asarray(expected))


@settings(deadline=None)
@given(sizes, sizes, seeds)
def test_cubic_against_torch(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    torch = pytest.importorskip("torch")
    values = noise("opencv_cubic", old, seed)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values).double()[None, None], new, mode="bicubic"
    )[0, 0].numpy()
    found = resizing.opencv_cubic(values, new)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-9


def test_cubic_overshoots_and_is_clipped() -> None:
    edge = np.full((8, 8), 60, np.uint8)
    edge[:, 4:] = 190
    found = resizing.opencv_cubic(edge, (32, 32))
    assert found.min() < 60
    assert found.max() > 190
    steep = np.where(edge > 100, np.uint8(255), np.uint8(0))
    assert set(np.unique(resizing.opencv_cubic(steep, (8, 32))[:, [0, 10, 21, 31]])) == {0, 255}


@pytest.mark.parametrize("name", [one for one in RULES if one not in OVERSHOOTING])
@given(sizes, sizes, seeds)
def test_size_and_range(name: str, old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    values = noise(name, old, seed)
    found = RULES[name](values, new)
    assert found.shape == new
    assert found.dtype == {"skimage": np.float64, "align_corners": np.float32}.get(name, np.uint8)
    found = found * SCALE.get(name, 1)
    slack = 1e-4 if name in ("skimage", "align_corners") else 0
    assert values.min() - slack <= found.min()
    assert found.max() <= values.max() + slack


@each_rule
@given(sizes, sizes, st.integers(0, 255))
def test_plain_images_stay_plain(
    name: str, old: tuple[int, int], new: tuple[int, int], value: int
) -> None:
    values = np.full(old, value, np.float32 if name == "align_corners" else np.uint8)
    found = RULES[name](values, new) * SCALE.get(name, 1)
    assert np.abs(found - value).max() <= (1e-4 if name in ("skimage", "align_corners") else 0)


@each_rule
@given(sizes, seeds)
def test_nothing_changes_where_the_size_is_the_same(
    name: str, size: tuple[int, int], seed: int
) -> None:
    values = noise(name, size, seed)
    before = values.copy()
    found = RULES[name](values, size)
    assert np.array_equal(found, values / SCALE[name] if name in SCALE else values)
    found += 1
    assert np.array_equal(values, before)  # a copy was changed


@pytest.mark.parametrize("name", [*BYTES, "skimage"])
@given(sizes, sizes, seeds)
def test_channels_are_apart(
    name: str, old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    values = noise(name, (*old, 3), seed)
    values[0, 0], values[-1, -1] = 0, 255  # scikit-image clips to the range of all channels
    together = RULES[name](values, new)
    assert together.shape == (*new, 3)
    assert together.flags.c_contiguous
    for channel in range(3):
        alone = RULES[name](np.ascontiguousarray(values[..., channel]), new)
        assert np.array_equal(together[..., channel], alone)


@pytest.mark.parametrize("name", [one for one in RULES if one not in OVERSHOOTING])
@given(sizes, sizes, seeds)
def test_brighter_images_stay_brighter(
    name: str, old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    dark = noise(name, old, seed) // 2
    bright = dark + noise(name, old, seed + 1) // 2
    slack = 1e-4 if name == "align_corners" else 1e-12
    assert (RULES[name](dark, new) <= RULES[name](bright, new) + slack).all()


@pytest.mark.parametrize("name", ["skimage", "align_corners"])
@given(sizes, sizes, seeds)
def test_one_axis_after_the_other(
    name: str, old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    """A column times a row becomes the product of the two resized."""
    column, row = (noise(name, (side,), seed + k) // 17 for k, side in enumerate(old))
    column[0], row[0] = 0, 0  # so that scikit-image clips nothing
    rule, scale = RULES[name], SCALE.get(name, 1)
    product = rule(np.outer(column, row), new) * scale
    tall = rule(column[:, None], (new[0], 1)) * scale
    flat = rule(row[None], (1, new[1])) * scale
    assert np.allclose(product, tall * flat, rtol=1e-5, atol=1e-4)


@given(sizes, sizes, seeds)
def test_mirrored_images_give_mirrored_results(
    old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    values = noise("skimage", old, seed)
    mirrored = resizing.skimage(values[::-1, ::-1], new)[::-1, ::-1]
    assert np.allclose(resizing.skimage(values, new), mirrored, rtol=0, atol=1e-12)


def test_what_shrinks_is_smoothed_by_scikit_image_alone() -> None:
    dot = np.zeros((64, 64), np.uint8)
    dot[32, 32] = 255
    assert (resizing.skimage(dot, (8, 8)) > 0).sum() > 1
    assert (resizing.opencv_bilinear(dot, (8, 8)) > 0).sum() == 0
    assert resizing.skimage(dot, (128, 128)).max() == pytest.approx(0.75**2)


def test_resizing_needs_no_torch() -> None:
    program = "import sys, wsss_assets.models.resizing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
