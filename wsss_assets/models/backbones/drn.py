"""Dilated residual networks of kind D: an eighth of the input's size, no pooling anywhere.

Yu, Koltun, Funkhouser: Dilated Residual Networks. CVPR 2017, arXiv 1705.09914.

A trunk is an `nn.Sequential` of nine stages, float32 (N, 3, H, W) → (N, 512, H/8, W/8), sizes
rounded up.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

__all__ = ["CHANNELS", "STRIDE", "BasicBlock", "Bottleneck", "drn_d_22", "drn_d_105"]

CHANNELS = 512
"""Of what a trunk gives."""

STRIDE = 8
"""What sizes are divided by."""

_RESIDUAL_STAGES = ((64, 2, 1), (128, 2, 1), (256, 1, 2), (512, 1, 4))
"""Width, stride and dilation of stages 3 to 6."""


class _Residual(nn.Module):
    """A residual block; the shortcut is projected where size or width changes.

    Blocks of a stage all have its dilation; its stride is that of the first alone.
    """

    EXPANSION = 1
    """Channels that it gives, by its width."""

    downsample: nn.Sequential | None

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """What is added to the shortcut."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) → (N, width * EXPANSION, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.branch(x) + shortcut)


class BasicBlock(_Residual):
    """Two 3 × 3 convolutions, both dilated."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, width, stride, dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, 1, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(channels, width, stride)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """What is added to the shortcut."""
        x = F.relu(self.bn1(self.conv1(x)))
        added: torch.Tensor = self.bn2(self.conv2(x))
        return added


class Bottleneck(_Residual):
    """A 3 × 3 convolution between two of 1 × 1; the last widens fourfold."""

    EXPANSION = 4

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out = width * self.EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = _projection(channels, out, stride)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """What is added to the shortcut."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        added: torch.Tensor = self.bn3(self.conv3(x))
        return added


def drn_d_22() -> nn.Sequential:
    """DRN-D-22: two basic blocks in each residual stage."""
    return _trunk(BasicBlock, (2, 2, 2, 2))


def drn_d_105() -> nn.Sequential:
    """DRN-D-105: bottlenecks, as many as in ResNet-101."""
    return _trunk(Bottleneck, (3, 4, 23, 3))


def _trunk(block: type[BasicBlock | Bottleneck], blocks: tuple[int, ...]) -> nn.Sequential:
    """Stages 0 to 8; `blocks` is the number of blocks of stages 3 to 6."""
    stem = nn.Conv2d(3, 16, 7, padding=3, bias=False)
    stages = [_normed(stem), _plain(16, 16), _plain(16, 32, stride=2)]
    channels = 32
    for count, (width, stride, dilation) in zip(blocks, _RESIDUAL_STAGES, strict=True):
        layers = []
        for index in range(count):
            layers.append(block(channels, width, stride if index == 0 else 1, dilation))
            channels = width * block.EXPANSION
        stages.append(nn.Sequential(*layers))
    stages += [_plain(channels, CHANNELS, dilation=2), _plain(CHANNELS, CHANNELS)]
    return nn.Sequential(*stages)


def _plain(channels: int, out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return _normed(_conv3(channels, out, stride, dilation))


def _normed(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True))


def _conv3(channels: int, out: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels, out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


def _projection(channels: int, out: int, stride: int) -> nn.Sequential | None:
    """The shortcut as 1 × 1 convolution and batch norm, where it cannot be left as it is."""
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
    )
