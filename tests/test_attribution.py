"""Attribution maps: identities that hold for any network, and figures of a real one.

`tests/golden/activation/attribution.npz` holds every third row and column of what the authors' CAM
network gives for classes 7 and 14, with weights by rule, on noise; `logit_*` are whole. They check
plumbing: what Maruf et al. did is not known in detail.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from tests.golden_weights import GOLDEN, values_by_rule
from wsss_assets.errors import DataError, UnknownNameError, UsageError
from wsss_assets.models.amn import Amn
from wsss_assets.models.attribution import (
    attribution,
    grad_cam,
    input_gradients,
    integrated_gradients,
    smoothgrad,
)
from wsss_assets.models.attribution_maps import attribution_maps, finished, merged
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.models.cam import Cam
from wsss_assets.models.classifiers import load_classifier, scores_of
from wsss_assets.models.crops import Window, cropped, prepared, seed_of, windows
from wsss_assets.models.oaa import Oaa
from wsss_assets.models.preparing import channels_first
from wsss_assets.models.tensors import resized

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

CLASSES = 4
METHODS = [
    AttributionSettings(method="gradient"),
    AttributionSettings(method="input_x_gradient"),
    AttributionSettings(method="smoothgrad", copies=3),
    AttributionSettings(method="integrated_gradients", steps=3),
    AttributionSettings(method="grad_cam"),
]
each_method = pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
AGGREGATIONS: list[dict[str, Any]] = [
    {},
    {"normalised": True},
    {"weighted": True},
    {"merged": "maximum"},
    {"merged": "maximum", "normalised": True},
    {"smoothing": 1.5},
]


class Toy(nn.Module):
    """A small smooth classifier; its scores are means of linear class maps."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(5)
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.squash = nn.Tanh()
        self.dropped = nn.Dropout(0.5)
        self.last = nn.Linear(6, CLASSES, bias=False)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.squash(self.norm(self.first(x)))
        scores: torch.Tensor = self.last(self.dropped(features.mean((2, 3))))
        return scores


class Sided(nn.Module):
    """The same, as the networks of the package give scores."""

    def __init__(self) -> None:
        super().__init__()
        self.toy = Toy()

    def forward(self, x: torch.Tensor, side_outputs: bool = False) -> object:
        features = self.toy.squash(self.toy.norm(self.toy.first(x)))
        maps = torch.einsum("nchw,kc->nkhw", features, self.toy.last.weight)
        sides = {"scores": maps.mean((2, 3)), "stage4": features}
        return (maps.relu(), sides) if side_outputs else maps.relu()


class Linear(nn.Module):
    """Scores that are linear in the input, of photos of one size."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(CLASSES, 3, height, width, generator=random))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight)


class Returning(nn.Module):
    """A network that gives what a function makes of its input, with a part at hand."""

    def __init__(self, gives: Callable[..., object], part: nn.Module | None = None) -> None:
        super().__init__()
        self.gives, self.part = gives, part

    def forward(self, x: torch.Tensor) -> object:
        return self.gives(x) if self.part is None else self.gives(x, self.part)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def photo_of(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def relative(found: ArrayLike, expected: ArrayLike) -> float:
    """The largest difference, as a share of the largest magnitude."""
    gap = np.asarray(found) - np.asarray(expected)
    return float(np.abs(gap).max() / np.abs(np.asarray(expected)).max())


# Attributions


def test_of_a_linear_network_all_is_known() -> None:
    net, x = Linear(5, 7), noise(1, 3, 5, 7)
    weight = net.weight.detach()[[2, 0]]
    product = (weight * x).sum(1).abs()
    expected = {
        "gradient": weight.abs().amax(1),
        "smoothgrad": weight.abs().amax(1),
        "input_x_gradient": product,
        "integrated_gradients": product,
    }
    for how in METHODS:
        if how.method in expected:
            found = attribution(net, x, [2, 0], how)
            assert found.shape == (1, 2, 5, 7)
            assert found.dtype == torch.float32
            assert relative(found[0], expected[how.method]) < 1e-6, how.method


def test_integrated_gradients_are_complete() -> None:
    net, x = Toy().eval(), noise(3, 20, 26, seed=3)
    with torch.no_grad():
        growth = (net(x[None]) - net(torch.zeros_like(x)[None]))[0]
    gaps = []
    for steps in (2, 8, 64):
        found = integrated_gradients(net, x, range(CLASSES), steps, 16).sum((1, 2, 3))
        gaps.append(float((found - growth).abs().max()))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]
    assert gaps[2] < 1e-3 * float(growth.abs().max())


def test_integrated_gradients_give_one_pixel_all_that_it_does() -> None:
    net, x = Toy().eval(), torch.zeros(3, 9, 9)
    x[:, 4, 5] = torch.tensor([2.0, -1.0, 0.5])
    with torch.no_grad():
        growth = (net(x[None]) - net(torch.zeros_like(x)[None]))[0]
    found = integrated_gradients(net, x, range(CLASSES), 64, 64).sum(1)
    assert torch.allclose(found[:, 4, 5], growth, rtol=1e-3)
    found[:, 4, 5] = 0
    assert not found.any()


@each_method
def test_what_a_network_does_not_look_at_counts_for_nothing(how: AttributionSettings) -> None:
    net = Returning(lambda x, toy: toy(x[..., :8]), Toy().eval())
    found = attribution(net, noise(1, 3, 8, 20), [1], how)[0, 0]
    if how.method != "grad_cam":  # it spreads its small map over the whole photo
        assert found[:, :8].all()
        assert not found[:, 8:].any()


def test_smoothgrad_is_the_mean_of_plain_gradients() -> None:
    net, x = Toy().eval(), noise(3, 10, 12)
    drawn = np.random.default_rng(2).standard_normal((5, 3, 10, 12)).astype(np.float32)
    plain = []
    for one in x + 0.2 * (x.max() - x.min()) * torch.from_numpy(drawn):
        one.requires_grad_()
        plain.append(torch.autograd.grad(net(one[None])[0, 3], one)[0])
    expected = torch.stack(plain).mean(0)
    for at_once in (1, 2, 5):
        found = smoothgrad(net, x, [3], 5, 0.2, np.random.default_rng(2), at_once)[0]
        assert relative(found, expected) < 1e-5
    still = smoothgrad(net, x, [3], 2, 0.0, np.random.default_rng(2), 2)
    assert relative(still, input_gradients(net, x[None], [3])[0]) < 1e-6


def test_grad_cam_is_cam() -> None:
    toy, sided, x = Toy().eval(), Sided().eval(), noise(2, 3, 16, 22)
    with torch.no_grad():
        features = toy.squash(toy.norm(toy.first(x)))
        maps = torch.einsum("nchw,kc->nkhw", features, toy.last.weight)[:, [3, 1]]
    expected = resized(maps / (8 * 11), (16, 22), align_corners=False)
    for net, layer in ((toy, None), (toy, "squash"), (sided, None), (sided, "toy.squash")):
        assert relative(grad_cam(net, x, [3, 1], layer), expected) < 1e-5
    found = attribution(toy, x, [3, 1], AttributionSettings(method="grad_cam"))
    assert relative(found, expected.relu()) < 1e-5


@each_method
def test_photos_and_classes_know_nothing_of_each_other(how: AttributionSettings) -> None:
    net, x = Toy().eval(), noise(3, 3, 12, 10)

    def random(place: int) -> np.random.Generator:
        return np.random.default_rng([7, place])

    together = attribution(net, x, [0, 2, 3], how, random=random)
    bounded = attribution(net, x, [0, 2, 3], how, random=random, most_pixels=1)
    alone = attribution(net, x[1:2], [2], how, random=lambda _: random(1))
    assert relative(bounded, together) < 1e-5
    assert relative(alone[0, 0], together[1, 1]) < 1e-5
    assert attribution(net, x, [], how).shape == (3, 0, 12, 10)


@each_method
def test_memory_is_bounded(how: AttributionSettings) -> None:
    net, shown = Toy(), set()
    net.register_forward_pre_hook(lambda _net, inputs: shown.add(len(inputs[0])))
    how = replace(how, copies=7, steps=7)
    attribution(net, noise(5, 3, 8, 8), [0, 1], how, most_pixels=2 * 64 + 63)
    assert max(shown) == 2
    assert len(net._forward_pre_hooks) == 1


@each_method
@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(how: AttributionSettings, fails: bool) -> None:
    net = Toy().train()
    net.norm.eval()
    net.first.weight.requires_grad_(False)
    net.last.weight.grad = torch.ones_like(net.last.weight)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = noise(1, 3, 8, 8)
    if fails:
        with pytest.raises(UsageError, match="has not all of the classes"):
            attribution(net, x, [0, CLASSES], how)
    else:
        attribution(net, x, [0, 1], how)
    assert [name for name, module in net.named_modules() if not module.training] == ["norm"]
    learning = {name: one.requires_grad for name, one in net.named_parameters()}
    assert [name for name, learns in learning.items() if not learns] == ["first.weight"]
    grads = {name for name, one in net.named_parameters() if one.grad is not None}
    assert grads == {"last.weight"}
    assert torch.equal(net.last.weight.grad, torch.ones_like(net.last.weight))
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not x.requires_grad


@each_method
def test_gradients_are_made_where_the_caller_makes_none(how: AttributionSettings) -> None:
    net, x = Toy(), noise(1, 3, 8, 8)
    expected = attribution(net.eval(), x, [1], how)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = attribution(net, x.clone(), [1], how)
        assert torch.equal(found, expected)
        assert not found.requires_grad


def test_a_network_may_work_in_place() -> None:
    net, x = Returning(lambda x: x.mul_(2).mean((2, 3))), noise(1, 3, 4, 4)
    assert torch.allclose(input_gradients(net, x, [1])[0, 0, 1], torch.full((4, 4), 2 / 16))


@pytest.mark.parametrize("weighted", [False, True])
def test_maps_leave_a_network_in_training_as_it_was(weighted: bool) -> None:
    net = Toy().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    how = AttributionSettings(method="gradient", crops=2, size=8, weighted=weighted)
    found = attribution_maps(net, photo_of(9, 9), [1], "a", how)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert np.array_equal(attribution_maps(net.eval(), photo_of(9, 9), [1], "a", how)[1], found[1])


def test_grad_cam_of_oaa_is_its_map() -> None:
    net, x = Oaa(3).eval(), noise(1, 3, 24, 32)
    with torch.no_grad():
        expected = resized(net(x)[:, [2]] / (3 * 4), (24, 32), align_corners=False)
    assert relative(grad_cam(net, x, [2]), expected) < 1e-5


# Classifiers


def test_scores_of_networks_that_give_them_beside_maps() -> None:
    x = noise(2, 3, 8, 8)
    assert relative(scores_of(Sided().eval())(x).detach(), Toy().eval()(x).detach()) < 1e-6


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (lambda x: x, r"expected a tensor \(1, classes\); found one of shape \(1, 3, 4, 4\)"),
        (lambda x: (x.mean((2, 3)), x), "no class scores; .* found tuple"),
        (lambda x: x.detach().mean((2, 3)), "no gradient leads from the scores"),
    ],
)
def test_networks_that_are_no_classifiers(gives: Callable[..., Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        input_gradients(Returning(gives), noise(1, 3, 4, 4), [0])


def test_classifiers_of_more_than_photos_are_refused() -> None:
    with pytest.raises(UsageError, match="found one of x, labels"):
        scores_of(Amn(2))


def test_feature_maps_that_are_none() -> None:
    x = noise(1, 3, 4, 4)
    with pytest.raises(UsageError, match="no module of the classifier gives a feature map"):
        grad_cam(Returning(lambda x: x.mean((2, 3))), x, [0])
    with pytest.raises(UsageError, match="last of the classifier gives a feature map"):
        grad_cam(Toy(), x, [0], "last")
    with pytest.raises(UsageError, match=r"no module 'layer4'; found at its top: first, norm,"):
        grad_cam(Toy(), x, [0], "layer4")
    net = Returning(lambda x, part: (part(x), x.mean((2, 3)))[1], nn.Conv2d(3, 3, 1))
    with pytest.raises(UsageError, match="the scores do not depend on the feature map"):
        grad_cam(net, x, [0], "part")


def test_classifiers_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_attribution.py").write_text(
        "import torch\nthing = 3\ndef net():\n    return torch.nn.Linear(2, 2)\n"
        "def text():\n    return 'net'\n"
    )
    (tmp_path / "needs_for_attribution.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert isinstance(load_classifier("mine_for_attribution:net"), nn.Linear)
    for text, message in (
        ("mine_for_attribution", "names no classifier; expected module:factory"),
        (":net", "names no classifier"),
        ("no_such_module_of_mine:net", "there is no module no_such_module_of_mine"),
        ("needs_for_attribution:net", "there is no module no_such_package"),
        ("mine_for_attribution:nets", "expected a function nets; found nothing"),
        ("mine_for_attribution:thing", "found a int"),
        ("mine_for_attribution:text", "gave no network; .* found a str"),
    ):
        with pytest.raises(UsageError, match=message):
            load_classifier(text)


# Windows


@given(st.integers(1, 90), st.integers(1, 90), st.text(max_size=8), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_windows_lie_in_the_photo(height: int, width: int, image_id: str, count: int) -> None:
    drawn = windows(height, width, image_id, count)
    assert len(drawn) == max(count, 1)
    assert drawn[0] == (0, 0, height, width)
    assert drawn == windows(height, width, image_id, 40)[: len(drawn)]
    for top, left, h, w in drawn:
        assert 0 <= top <= top + h <= height
        assert 0 <= left <= left + w <= width
        assert h > 0 < w


def test_windows_are_spread_as_they_should_be() -> None:
    drawn = np.array(windows(1000, 1000, "2007_000032", 20001)[1:], np.float64)
    top, left, height, width = drawn.T
    area, aspect = height * width / 1e6, np.log(width / height)
    within = area < 0.7  # larger ones may be cut by the photo
    assert area.min() > 0.249
    assert np.abs(aspect).max() < np.log(4 / 3) + 0.01
    assert abs(area[within].mean() - 0.475) < 0.005
    assert abs(aspect[within].mean()) < 0.005
    assert abs(aspect[within].std() - np.log(4 / 3) / 3**0.5) < 0.005
    for start, side in ((top, height), (left, width)):
        assert abs((start[within] / (1000 - side[within])).mean() - 0.5) < 0.01


def test_windows_stay_what_they_are() -> None:
    assert windows(375, 500, "2007_000032", 5)[1:] == (
        (0, 12, 375, 404),
        (0, 34, 375, 435),
        (13, 80, 206, 243),
        (12, 54, 361, 443),
    )
    assert seed_of("2007_000032") == 1248941131


def test_windows_are_shown_at_the_training_size() -> None:
    photo = photo_of(20, 30)
    whole, part = windows(20, 30, "a", 2)
    assert np.array_equal(cropped(photo, (whole,), None)[0], channels_first(photo))
    shown = cropped(photo, (whole, part), 16)
    assert shown.shape == (2, 3, 16, 16)
    exact = cropped(photo, (Window(3, 5, 16, 16),), 16)[0]
    assert np.array_equal(exact, channels_first(photo[3:19, 5:21]))


def test_windows_need_no_torch() -> None:
    program = (
        "import sys, wsss_assets.models.crops, wsss_assets.models.attribution_settings;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# Merging


def merged_of(net: nn.Module, photo: NDArray[np.uint8], how: AttributionSettings) -> torch.Tensor:
    """Merged maps of classes 2 and 0 of an image `a`."""
    shown, drawn, seed = prepared(photo, "a", how.crops, how.size)
    its = [Window(*row) for row in drawn.tolist()]
    return merged(net, torch.from_numpy(shown), its, [2, 0], int(seed[0]), how)


@each_method
@pytest.mark.parametrize("options", AGGREGATIONS[:5])
@pytest.mark.parametrize("crops", [0, 1])
def test_the_whole_photo_alone_is_no_aggregation(
    how: AttributionSettings, options: dict[str, Any], crops: int
) -> None:
    net, photo = Toy().eval(), photo_of(14, 18)
    how = replace(how, crops=crops, **options)
    x = how.normalisation(torch.from_numpy(channels_first(photo))[None])
    random = np.random.default_rng([seed_of("a"), 1])
    plain = attribution(net, x, [2, 0], how, random=lambda _: random)[0]
    if how.normalised:
        plain = (plain.double() / plain.double().amax((1, 2), keepdim=True)).float()
    assert torch.equal(merged_of(net, photo, how), plain)


@each_method
@pytest.mark.parametrize("options", AGGREGATIONS)
def test_merging_against_a_plain_loop(how: AttributionSettings, options: dict[str, Any]) -> None:
    net, photo = Toy().eval(), photo_of(21, 17)
    how = replace(how, crops=5, size=16, **options)
    total, count = np.zeros((2, 21, 17)), np.zeros((2, 21, 17))
    for number, window in enumerate(windows(21, 17, "a", 5)):
        x = how.normalisation(torch.from_numpy(cropped(photo, (window,), 16)))
        random = {0: np.random.default_rng([seed_of("a"), 1 + number])}
        found = attribution(net, x, [2, 0], how, random=random.__getitem__)
        scores = net(x).detach()[0, [2, 0]].numpy()
        if how.normalised:
            found = found / found.amax((2, 3), keepdim=True)
        size = (window.height, window.width)
        values = F.interpolate(found, size, mode="bilinear", align_corners=False)[0].numpy()
        weight = 1 / (1 + np.exp(-scores)) if how.weighted else np.ones(2)
        rows = slice(window.top, window.top + window.height)
        columns = slice(window.left, window.left + window.width)
        part = (slice(None), rows, columns)
        if how.merged == "maximum":
            total[part] = np.maximum(total[part], values)
            count[:] = 1
        else:
            total[part] += weight[:, None, None] * values
            count[part] += weight[:, None, None]
    expected = np.stack([gaussian(one, how.smoothing) for one in total / count])
    assert relative(merged_of(net, photo, how), expected) < 1e-5


def gaussian(values: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Every pixel the weighted mean of all that are near, one by one."""
    if not deviation:
        return values
    radius = int(4 * deviation + 0.5)
    rows, columns = np.indices(values.shape)
    out = np.empty_like(values)
    for row, column in np.ndindex(values.shape):
        down, right = rows - row, columns - column
        weight = np.exp(-(down**2 + right**2) / (2 * deviation**2))
        weight *= (np.abs(down) <= radius) & (np.abs(right) <= radius)
        out[row, column] = (weight * values).sum() / weight.sum()
    return out


@each_method
def test_maps_depend_on_their_image_alone(how: AttributionSettings) -> None:
    net, photos = Toy().eval(), {"a": photo_of(14, 18, 1), "b": photo_of(14, 18, 2)}
    how = replace(how, crops=4, size=12)
    straight = {name: attribution_maps(net, photos[name], [0, 3], name, how) for name in "ab"}
    turned = {name: attribution_maps(net, photos[name], [3, 0], name, how) for name in "ba"}
    for name in "ab":
        alone = attribution_maps(net, photos[name], [3], name, how)[3]
        assert alone.shape == (14, 18)
        assert alone.dtype == np.uint8
        assert alone.max() == 255
        assert np.array_equal(straight[name][3], alone)
        assert np.array_equal(turned[name][3], alone)
    other = attribution_maps(net, photos["a"], [3], "b", how)[3]
    assert not np.array_equal(other, straight["a"][3])
    assert attribution_maps(net, photos["a"], [], "a", how) == {}


# Bytes


def test_bytes() -> None:
    how = METHODS[0]
    values = np.linspace(0, 3, 1001, dtype=np.float32).reshape(7, 143)
    found = finished({4: values, 2: np.zeros((2, 2), np.float32)}, how)
    assert np.array_equal(found[4], np.rint(values / values.max() * 255))
    assert not found[2].any()
    clipped = finished({4: values}, replace(how, clipped=True))[4]
    top = np.percentile(values, 99)
    assert np.array_equal(clipped, np.rint(np.minimum(values / top, 1) * 255))
    assert (clipped == 255).sum() >= 10
    sparse = np.zeros((20, 20), np.float32)
    sparse[3, 4] = 2
    assert finished({0: sparse}, replace(how, clipped=True))[0].sum() == 255
    with pytest.raises(DataError, match="NaN at 1 of 4"):
        finished({1: np.array([[1, np.nan], [0, 2]], np.float32)}, how)


# Settings


def test_settings_say_what_decides_a_map() -> None:
    plain = AttributionSettings(method="gradient").settings()
    assert json.loads(json.dumps(plain)) == plain | {
        "normalisation": json.loads(json.dumps(plain["normalisation"]))
    }
    assert "this project's own" in plain["definition"]
    assert "copies" not in plain
    assert AttributionSettings(method="smoothgrad").settings()["noise"] == 0.15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gradients"}, "did you mean gradient"),
        ({"merged": "median"}, "no way to merge crops is called 'median'"),
        ({"copies": 0}, "expected 1 or more; found 0"),
        ({"steps": 0}, "steps"),
        ({"crops": -1}, "crops"),
        ({"size": 0}, "size"),
        ({"noise": -0.1}, "noise is a standard deviation"),
        ({"smoothing": float("nan")}, "smoothing is a standard deviation"),
        ({"crops": 2}, "such as 448"),
        ({"weighted": True, "merged": "maximum"}, "weights make no sense"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        AttributionSettings(**{"method": "gradient", **options})
    assert isinstance(caught.value, UnknownNameError) == ("called" in str(caught.value))


# Figures


def test_figures_of_the_cam_network() -> None:
    net = Cam(20).eval()
    state = net.state_dict()
    for key, value in state.items():
        value.copy_(torch.from_numpy(values_by_rule(key, tuple(value.shape), 1.0)))
    x = torch.from_numpy(
        np.random.default_rng(0).standard_normal((1, 3, 64, 96)).astype(np.float32)
    )
    expected = np.load(GOLDEN / "activation" / "attribution.npz")
    gradients = input_gradients(net, x, [7, 14])[0]
    for index, one in zip((7, 14), gradients, strict=True):
        for name, values in (
            ("vanilla_maxabs", one.abs().amax(0)),
            ("vanilla_sumabs", one.abs().sum(0)),
            ("inputxgrad_sum", (one * x[0]).sum(0)),
        ):
            assert relative(values[::3, ::3], expected[f"{name}_{index}/s3"]) < 1e-4, name
    with torch.no_grad():
        features = net.features(x)["conv6"]
        maps = net.fc8(features)
    scores = maps.mean((2, 3))[0, [7, 14]].tolist()
    assert scores == pytest.approx([float(expected[f"logit_{index}"]) for index in (7, 14)], 1e-4)
    enlarged = resized(maps[:, [7]] / (8 * 12), (64, 96), align_corners=False)
    assert relative(grad_cam(net, x, [7]), enlarged) < 1e-4
    # Rounding turns a ReLU on or off here and there in eight passes, which moves single pixels;
    # the reference is no nearer to float64 than this is. Seven steps for eight are 0.14 away.
    integrated = integrated_gradients(net, x[0], [7], 8, 8)[0].sum(0)
    smooth = smoothgrad(net, x[0], [7], 8, 0.15, np.random.default_rng(2), 8)[0].abs().amax(0)
    for name, values in (("ig_sum_7", integrated), ("smoothgrad_mean_maxabs_7", smooth)):
        reference = expected[f"{name}/s3"]
        assert relative(values[::3, ::3], reference) < 1e-2, name
        gap = np.abs(values[::3, ::3].numpy() - reference).mean()
        assert gap < 5e-4 * np.abs(reference).max(), name


@pytest.mark.parametrize(
    ("photo", "found"),
    [
        (Image.new("RGB", (9, 7)), "found a PIL.Image.Image"),
        (np.zeros((7, 9, 3), np.float32), r"found float32 \(7, 9, 3\)"),
        (np.zeros((7, 9), np.uint8), r"found uint8 \(7, 9\)"),
        (np.zeros((3, 7, 9), np.uint8), r"found uint8 \(3, 7, 9\)"),
    ],
)
def test_what_is_no_photo_is_refused(photo: Any, found: str) -> None:  # noqa: ANN401
    how = AttributionSettings(method="gradient")
    with pytest.raises(UsageError, match=rf"uint8 RGB \(H, W, 3\); {found}") as caught:
        attribution_maps(Linear(7, 9), photo, [0], "a", how)
    assert "read_photo" in str(caught.value.hint)
