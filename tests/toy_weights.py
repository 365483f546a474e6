"""A small network and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

if TYPE_CHECKING:
    from wsss_assets.models.checkpoints import StateDict


def toy() -> nn.Sequential:
    """A network with every kind of entry; its weights differ from call to call."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)).eval()


def copied(net: nn.Module) -> StateDict:
    return {key: value.clone() for key, value in net.state_dict().items()}


def assert_same(net: nn.Module, state: StateDict) -> None:
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)
