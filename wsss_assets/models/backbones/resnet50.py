"""ResNet-50 without its classifier, in both conventions of where a block's stride is.

He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import nn

__all__ = ["DEEPEST", "Resnet50", "StrideOn"]

StrideOn: TypeAlias = Literal["1x1", "3x3"]
"""The convolution of a block that carries its stride: the first (Caffe), or the 3×3 (torch)."""

_DEPTHS = (3, 4, 6, 3)
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4

DEEPEST = _WIDTHS[-1] * _EXPANSION
"""Channels of the last stage."""


class Resnet50(nn.Module):
    """The stem and the four stages of ResNet-50, with torchvision's keys under any prefix.

    Args:
        stride_on: which convolution of a stage's first block carries the stride.
        strides: of `layer1` to `layer4`.
        dilations: of the 3×3 convolutions of all blocks of `layer1` to `layer4`.
        ceil_mode: whether the stem's pool rounds sizes up.
    """

    def __init__(
        self,
        *,
        stride_on: StrideOn = "3x3",
        strides: tuple[int, int, int, int] = (1, 2, 2, 2),
        dilations: tuple[int, int, int, int] = (1, 1, 1, 1),
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)
        channels = 64
        for index, (depth, width) in enumerate(zip(_DEPTHS, _WIDTHS, strict=True)):
            first = Bottleneck(
                channels,
                width,
                stride=strides[index],
                dilation=dilations[index],
                stride_on=stride_on,
                projected=True,
            )
            channels = width * _EXPANSION
            rest = [
                Bottleneck(channels, width, dilation=dilations[index]) for _ in range(depth - 1)
            ]
            self.add_module(f"layer{index + 1}", nn.Sequential(first, *rest))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float32 (N, 3, H, W) → what leaves the stem and each stage.

        Returns:
            `stem` (64 channels, half the side, before the pool), `layer1` (256), `layer2` (512),
            `layer3` (1024) and `layer4` (2048).
        """
        x = self.relu(self.bn1(self.conv1(x)))
        found = {"stem": x}
        x = self.maxpool(x)
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = self.get_submodule(name)(x)
            found[name] = x
        return found


class Bottleneck(nn.Module):
    """1×1 to `width` channels, 3×3, 1×1 to four times as many, and the input added to it.

    Args:
        channels: of the input.
        width: of the 3×3 convolution.
        stride: of the block.
        dilation: of the 3×3 convolution.
        stride_on: which convolution carries the stride.
        projected: the input passes a 1×1 convolution before it is added.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        stride_on: StrideOn = "3x3",
        projected: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        out = width * _EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride=second, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if projected:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) → (N, 4 width, ⌈H / stride⌉, ⌈W / stride⌉)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + self.downsample(x))
