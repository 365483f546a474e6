"""VGG-16 without its classifier, up to conv5_3.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

__all__ = ["Vgg16"]

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions, stage by stage; a pool stands between two stages."""


class Vgg16(nn.Sequential):
    """The convolutions of VGG-16, each with a bias and followed by a ReLU.

    Layers are numbered as in torchvision, so its keys (`0.weight`, `2.weight`, `5.weight`, …) fit
    under any prefix.

    Args:
        pool: makes the pool between two stages; methods differ in it.
    """

    def __init__(self, pool: Callable[[], nn.Module] = lambda: nn.MaxPool2d(2)) -> None:
        layers: list[nn.Module] = []
        taps: dict[int, str] = {}
        channels = 3
        for stage, widths in enumerate(_WIDTHS, start=1):
            if stage > 1:
                layers.append(pool())
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            taps[len(layers) - 1] = f"conv{stage}_{len(widths)}"
        super().__init__(*layers)
        self._taps = taps

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float32 (N, 3, H, W) → what leaves each stage, after its ReLU and before the pool.

        Returns:
            `conv1_2` (64 channels), `conv2_2` (128), `conv3_3` (256), `conv4_3` (512) and
            `conv5_3` (512); each has half the side of the one before, rounded as the pool does.
        """
        found = {}
        for index, layer in enumerate(self):
            x = layer(x)
            if index in self._taps:
                found[self._taps[index]] = x
        return found
