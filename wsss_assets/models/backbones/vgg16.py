"""VGG-16 without its classifier, up to conv5_3, and the variant that activation maps are made with.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

if TYPE_CHECKING:
    import torch

__all__ = ["DEEPEST", "Activation", "Vgg16", "extra_convolutions", "relu", "vgg16_d1"]

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions, stage by stage; a pool stands between two stages."""

DEEPEST = _WIDTHS[-1][-1]
"""Channels of the last stage."""

Activation: TypeAlias = Callable[[int], nn.Module]
"""Makes what follows a convolution of so many channels."""


def relu(_channels: int) -> nn.Module:
    """What follows every convolution unless a method has another idea."""
    return nn.ReLU(inplace=True)


class Vgg16(nn.Sequential):
    """The convolutions of VGG-16, each with a bias and followed by a ReLU.

    Layers are numbered as in torchvision, so its keys (`0.weight`, `2.weight`, `5.weight`, …) fit
    under any prefix.

    Args:
        pool: makes the pool between two stages; methods differ in it.
        last_pool: makes that before the last stage; None: as the others.
        last_dilation: of the convolutions of the last stage.
        activation: makes what takes the place of each ReLU.
    """

    def __init__(
        self,
        pool: Callable[[], nn.Module] = lambda: nn.MaxPool2d(2),
        *,
        last_pool: Callable[[], nn.Module] | None = None,
        last_dilation: int = 1,
        activation: Activation = relu,
    ) -> None:
        layers: list[nn.Module] = []
        taps: dict[int, str] = {}
        channels = 3
        for stage, widths in enumerate(_WIDTHS, start=1):
            last = stage == len(_WIDTHS)
            dilation = last_dilation if last else 1
            if stage > 1:
                layers.append(last_pool() if last and last_pool is not None else pool())
            for width in widths:
                layers += [
                    nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation),
                    activation(width),
                ]
                channels = width
            taps[len(layers) - 1] = f"conv{stage}_{len(widths)}"
        super().__init__(*layers)
        self._taps = taps

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float32 (N, 3, H, W) → what leaves each stage, after its ReLU and before the pool.

        Returns:
            `conv1_2` (64 channels), `conv2_2` (128), `conv3_3` (256), `conv4_3` (512) and
            `conv5_3` (512); each has half the side of the one before, rounded as the pool does,
            except behind a pool that keeps the size.
        """
        found = {}
        for index, layer in enumerate(self):
            x = layer(x)
            if index in self._taps:
                found[self._taps[index]] = x
        return found


def vgg16_d1(activation: Activation = relu) -> Vgg16:
    """VGG-16 of stride 8: the last pool keeps the size, the last stage reaches twice as far."""
    return Vgg16(
        last_pool=lambda: nn.MaxPool2d(3, stride=1, padding=1),
        last_dilation=2,
        activation=activation,
    )


def extra_convolutions() -> list[nn.Module]:
    """Three convolutions with ReLUs, which methods put between `vgg16_d1` and their classifier."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Conv2d(DEEPEST, DEEPEST, 3, padding=1), relu(DEEPEST)]
    return layers
