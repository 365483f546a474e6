"""What runs on a GPU, where there is none: nothing of it stays on the CPU or goes back there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from tests import activation_toys
from tests.activation_toys import CLASSES
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.models import get_architecture, get_method, list_models
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.models.protocols import MOST_PIXELS
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.regenerate.amn_work import AmnWork
from wsss_assets.regenerate.attribution_work import Attributed, AttributionWork
from wsss_assets.regenerate.device import Runner
from wsss_assets.regenerate.mcis_work import McisWork, Partners
from wsss_assets.regenerate.predicting import ScoresWork
from wsss_assets.regenerate.work import SaliencyWork

try:
    from tests.pretended_gpu import DEVICE, PretendedGpu, held_there, moved
except AttributeError as error:
    pytest.skip(f"this torch cannot pretend: {error}", allow_module_level=True)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.regenerate.work import Work

SIZE = (16, 24)
SIDES = {"vst": 224, "poolnet": 128}
"""By the beginning of a name; others are shown 64 × 64, which all of them can take."""

IDS = ("a", "b", "broken")
LABELS = ImageLabels({"a": (3,), "b": (0, 19), "broken": (5,)}, "written here")


@pytest.fixture(autouse=True)
def _together(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, too, as many photos and mirror images are shown at a time as on a GPU."""
    monkeypatch.setattr(ActivationWork, "most_pixels", lambda _self, _device_type: MOST_PIXELS)


def without_weights(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A network in eval mode with small numbers, without the time that drawing them all takes."""
    with torch.device("meta"):
        net = build()
    net.to_empty(device="cpu")
    for name, value in [*net.named_parameters(), *net.named_buffers()]:
        if value.is_floating_point():
            spread = value[0].numel() if value.ndim > 1 else 1
            value.data.fill_(1.5 / spread if spread > 1 else "running_var" in name)
    return net.eval()


def both(work: Work, net: torch.nn.Module, inputs: Sequence[np.ndarray[Any, Any]]) -> None:
    """The same numbers on either, and those of a GPU are there."""
    batches = tuple(torch.from_numpy(one) for one in inputs)
    run = partial(Runner, work, precision="fp32", channels_last=False, lanes=None)
    expected = run(net=net, device=torch.device("cpu"))._run(batches)
    with PretendedGpu(), moved(net) as there:
        found = run(net=there, device=DEVICE)._run(batches)
    assert len(found) == len(expected)
    for value, other in zip(found, expected, strict=True):
        parts = [value] if isinstance(value, torch.Tensor) else value
        wanted = [other] if isinstance(other, torch.Tensor) else other
        for part, one in zip(parts, wanted, strict=True):
            assert part.dtype == torch.float32
            np.testing.assert_array_equal(held_there(part), one.numpy())
            assert np.isfinite(one.numpy()).all()


def photos(seed: int = 0) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (*SIZE, 3), np.uint8) for _ in IDS[:2]]


def batch(rows: list[Any]) -> list[np.ndarray[Any, Any]]:
    """Batches of what was prepared, with zeros for a photo that cannot be read."""
    return [np.stack([*one, np.zeros_like(one[0])]) for one in zip(*rows, strict=True)]


def shown(work: ActivationWork) -> list[np.ndarray[Any, Any]]:
    prepare = work.prepare
    return batch([prepare(photo, one) for photo, one in zip(photos(), IDS, strict=False)])


def test_tensors_of_both_devices_do_not_go_together() -> None:
    with PretendedGpu():
        there = torch.ones(2).to(DEVICE)
        with pytest.raises(RuntimeError, match="on the GPU and on the CPU"):
            there + torch.ones(2)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert (there + 1).sum().item() == 4


@pytest.mark.parametrize("name", list_models("saliency"))
def test_saliency_networks(name: str) -> None:
    architecture = get_architecture(name)
    side = SIDES.get(name.partition("_")[0], 64)
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 256, (1, 3, side, side), np.uint8)
    both(SaliencyWork(architecture), without_weights(architecture.create), [inputs])


def small(method: ActivationMethod) -> ActivationMethod:
    """Shown smaller squares and sides, or fewer."""
    protocol = method.protocol
    if protocol is None:
        return method
    if protocol.views == "scales":
        return replace(method, protocol=replace(protocol, sizes=protocol.sizes[:2]))
    sizes = tuple(64.0 + 8 * at for at in range(len(protocol.sizes)))
    square = 72 if protocol.views == "squares" else 0
    return replace(method, protocol=replace(protocol, sizes=sizes, square=square))


@pytest.mark.parametrize("name", [one for one in list_models("activation") if one != "mcis"])
def test_activation_methods(name: str, tmp_path: Path) -> None:
    method = small(get_method(name))
    work: ActivationWork
    common: dict[str, Any] = {"method": method, "num_classes": 20, "labels": LABELS}
    if name == "amn":
        generator = np.random.default_rng(1)
        for one in IDS[:2]:
            seed = generator.choice([0, 1, 255], SIZE).astype(np.uint8)
            Image.fromarray(seed).save(tmp_path / f"{one}.png")
        work = AmnWork(**common, seeds=tmp_path, dictionaries="irn")
    else:
        irn = "irn" if name == "irn_cam" else None
        work = ActivationWork(**common, dictionaries=irn)  # type: ignore[arg-type]
    net = without_weights(partial(method.create, 20))
    both(work, net, shown(work))
    if name in {"eps", "drs", "oaa", "irn_cam"}:
        scores = ScoresWork(method=method, num_classes=20)
        view = [scores.prepare(photo, "a") for photo in photos()]
        both(scores, net, batch(view))


def test_amn_with_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = torch.Generator, []

    def generator(device: torch.device | None = None) -> torch.Generator:
        if device is not None:
            asked.append(device.type)
        return real()

    monkeypatch.setattr(torch, "Generator", generator)
    work = AmnWork(method=activation_toys.TOY_AMN, num_classes=CLASSES, labels=LABELS, dropout=3)
    both(work, work.create(()), shown(work))
    assert set(asked) == {"cpu", DEVICE.type}


def test_mcis() -> None:
    method = get_method("mcis")
    ids = {one: (("a", "b", "a"),) * len(LABELS[one]) for one in IDS}
    work = McisWork(method=method, num_classes=20, labels=LABELS, partners=Partners(0, ids, {}, 2))
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray[Any, Any]:
        return generator.integers(0, 256, shape, np.uint8)

    squares = [draw(2, 3, side, side) for side in (64, 48, 96)]
    present = np.zeros((2, 20), np.uint8)
    present[0, 3] = present[1, [0, 19]] = 1
    sizes = np.array([SIZE, SIZE], np.int64)
    net = without_weights(partial(method.create, 20))
    both(work, net, [*squares, draw(2, 2, 3, 3, 64, 64), present, sizes])


@pytest.mark.parametrize(
    "how",
    ["gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam"],
)
@pytest.mark.parametrize("merged", ["mean", "maximum"])
def test_attributions(how: Any, merged: Any) -> None:  # noqa: ANN401
    settings = AttributionSettings(
        method=how,
        crops=2,
        size=32,
        copies=2,
        steps=2,
        merged=merged,
        smoothing=1.5,
        weighted=merged == "mean",
    )
    known = {name: getattr(activation_toys.TOY_CAM, name) for name in vars(activation_toys.TOY_CAM)}
    method = Attributed(**known, attribution=settings)
    work = AttributionWork(method=method, num_classes=CLASSES, labels=LABELS)
    both(work, work.create(()), shown(work))
