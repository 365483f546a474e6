"""What is U²-Net's alone: ONNX files with folded norms, odd sizes, stretching; on a tiny one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wsss_assets.models import get_architecture, u2net  # noqa: E402

if TYPE_CHECKING:
    from torch import nn

    from wsss_assets.models.checkpoints import StateDict

CHANNELS = {
    name: (3 if name == "stage1" else 8 if name.endswith("d") else 4, 2, 4)
    for name in (*(f"stage{k}" for k in range(1, 7)), *(f"stage{k}d" for k in range(1, 6)))
}


def tiny(seed: int) -> u2net.U2Net:
    """A network whose norms do something."""
    torch.manual_seed(seed)
    net = u2net.U2Net(CHANNELS).eval()
    for key, values in net.state_dict().items():
        if key.endswith(("bn_s1.weight", "running_var")):
            values.uniform_(0.5, 1.5)
        elif key.endswith(("bn_s1.bias", "running_mean")):
            values.normal_(0, 0.2)
    return net


def folded(net: nn.Module) -> StateDict:
    """Its convolutions as an exporter leaves them: norms folded into them, numbers for names."""
    state = net.state_dict()
    entries: StateDict = {}
    for name, conv in net.named_modules():
        if not isinstance(conv, torch.nn.Conv2d):
            continue
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if not name.endswith("conv_s1"):
            entries |= {f"{name}.weight": weight, f"{name}.bias": bias}
            continue
        norm = name.replace("conv_s1", "bn_s1")
        factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        shift = state[f"{norm}.bias"] + factor * (bias - state[f"{norm}.running_mean"])
        number = len(entries)
        entries |= {f"{number}": weight * factor.view(-1, 1, 1, 1), f"{number + 1}": shift}
    return entries


def test_folded_norms_are_taken_from_onnx_files() -> None:
    source, target = tiny(0), tiny(1)
    target.load_state_dict(target.adapted(folded(source)))
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert float((source(x) - target(x)).abs().max()) < 1e-4
        assert float((source(x) - tiny(1)(x)).abs().max()) > 1e-2


def test_state_dicts_of_the_authors_stay_as_they_are() -> None:
    net = tiny(0)
    state = net.state_dict()
    assert net.adapted(state) is state
    others = {"conv1.weight": torch.zeros(1)}
    assert net.adapted(others) is others


@pytest.mark.parametrize("size", [(1, 1), (5, 70), (75, 109), (64, 64)])
def test_outputs_are_of_the_size_of_the_input(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits, sides = tiny(0)(torch.randn(2, 3, *size), side_outputs=True)
    assert logits.shape == (2, 1, *size)
    assert list(sides) == [f"side{scale}" for scale in range(1, 7)]
    assert {side.shape for side in sides.values()} == {logits.shape}


def test_each_map_is_stretched_by_itself() -> None:
    net = tiny(0)
    x = torch.randn(2, 3, 48, 40)
    with torch.inference_mode():
        maps = u2net.read_out(net, x)
        alone = u2net.read_out(net, x[1:])
    assert maps.amin((1, 2)).tolist() == [0, 0]
    assert maps.amax((1, 2)).tolist() == [1, 1]
    assert torch.allclose(maps[1:], alone, atol=1e-4)


def test_a_constant_map_becomes_zeros() -> None:
    net = tiny(0)
    for value in net.outconv.parameters():
        torch.nn.init.zeros_(value)
    with torch.inference_mode():
        maps = u2net.read_out(net, torch.randn(1, 3, 40, 40))
    assert maps.shape == (1, 40, 40)
    assert not maps.any()


def test_the_brightest_value_of_a_photo_becomes_one() -> None:
    prepare = get_architecture("u2netp").prepare
    photo = np.random.default_rng(0).integers(0, 100, (40, 50, 3), np.uint8)
    prepared = prepare(photo)
    assert prepared.dtype == np.float32
    assert prepared.max() == 1
    assert not prepare(np.zeros_like(photo)).any()
