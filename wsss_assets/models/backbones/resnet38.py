"""A wide residual network of 38 layers that activates before it convolves, without classifier.

Wu, Shen & van den Hengel, "Wider or Deeper: Revisiting the ResNet Model for Visual Recognition",
Pattern Recognition 2019, arXiv:1611.10080; with strides and dilations as weakly supervised
segmentation uses it since PSA.

Keys of parameters have no prefix of the backbone's own, so networks are subclasses of it, and
attributes are named as in the authors' files. The dropout of training is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FEATURES", "Resnet38"]

FEATURES = 4096
"""Channels of the last features."""

_TAPS = {"b5": "conv4", "b6": "conv5"}
"""Names of what these blocks begin with, once it is activated."""


class Resnet38(nn.Module):
    """The trunk: its maps have an eighth of each side, rounded up.

    Args:
        activation: of the last features, after their batch norm.
    """

    def __init__(self, activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> None:
        super().__init__()
        self._last_activation = activation
        self._blocks: list[str] = []
        self.conv1a = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self._add_stage("b2", 3, 64, 128, 128, stride=2)
        self._add_stage("b3", 3, 128, 256, 256, stride=2)
        self._add_stage("b4", 6, 256, 512, 512, stride=2)
        self._add_stage("b5", 3, 512, 512, 1024, dilation=2)
        self._add_block("b6", BottleneckBlock(1024, 2048, dilation=4))
        self._add_block("b7", BottleneckBlock(2048, FEATURES, dilation=4))
        self.bn7 = nn.BatchNorm2d(FEATURES)

    def features(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float32 (N, 3, H, W), normalised → what the network's head may use.

        Returns:
            `conv4` (512 channels) and `conv5` (1024), both ≥ 0, and `conv6` (4096), the last; all
            (N, channels, ⌈H / 8⌉, ⌈W / 8⌉).
        """
        taps = {}
        x = self.conv1a(x)
        for name in self._blocks:
            x, activated = self.get_submodule(name)(x)
            if name in _TAPS:
                taps[_TAPS[name]] = activated
        taps["conv6"] = self._last_activation(self.bn7(x))
        return taps

    def _add_stage(
        self,
        name: str,
        depth: int,
        channels: int,
        width: int,
        out: int,
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        """So many blocks; the first convolution of the first is never dilated."""
        first = ResidualBlock(channels, width, out, stride=stride, dilations=(1, dilation))
        self._add_block(name, first)
        for index in range(1, depth):
            block = ResidualBlock(out, width, out, dilations=(dilation, dilation))
            self._add_block(f"{name}_{index}", block)

    def _add_block(self, name: str, block: nn.Module) -> None:
        self.add_module(name, block)
        self._blocks.append(name)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each of normalised and activated input, added to the block's input.

    Args:
        channels: of the input.
        width: between the convolutions.
        out: of the output.
        stride: of the first convolution.
        dilations: of the two.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        out: int,
        *,
        stride: int = 1,
        dilations: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        first, second = dilations
        self.bn_branch2a = nn.BatchNorm2d(channels)
        self.conv_branch2a = nn.Conv2d(
            channels, width, 3, stride=stride, padding=first, dilation=first, bias=False
        )
        self.bn_branch2b1 = nn.BatchNorm2d(width)
        self.conv_branch2b1 = nn.Conv2d(width, out, 3, padding=second, dilation=second, bias=False)
        changes = channels != out or stride != 1
        self.conv_branch1 = (
            nn.Conv2d(channels, out, 1, stride=stride, bias=False) if changes else None
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, channels, H, W) → (N, out, ⌈H / stride⌉, ⌈W / stride⌉), and x activated."""
        activated = torch.relu(self.bn_branch2a(x))
        # What changes shape starts from the activated input, what does not from the input.
        shortcut = x if self.conv_branch1 is None else self.conv_branch1(activated)
        y = torch.relu(self.bn_branch2b1(self.conv_branch2a(activated)))
        return shortcut + self.conv_branch2b1(y), activated


class BottleneckBlock(nn.Module):
    """1×1 to a quarter of `out`, 3×3 to half of it, 1×1 to all, added to a projection of the input.

    Args:
        channels: of the input.
        out: of the output.
        dilation: of the 3×3 convolution.
    """

    def __init__(self, channels: int, out: int, *, dilation: int) -> None:
        super().__init__()
        self.bn_branch2a = nn.BatchNorm2d(channels)
        self.conv_branch2a = nn.Conv2d(channels, out // 4, 1, bias=False)
        self.bn_branch2b1 = nn.BatchNorm2d(out // 4)
        self.conv_branch2b1 = nn.Conv2d(
            out // 4, out // 2, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.bn_branch2b2 = nn.BatchNorm2d(out // 2)
        self.conv_branch2b2 = nn.Conv2d(out // 2, out, 1, bias=False)
        self.conv_branch1 = nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, channels, H, W) → (N, out, H, W), and x activated."""
        activated = torch.relu(self.bn_branch2a(x))
        y = torch.relu(self.bn_branch2b1(self.conv_branch2a(activated)))
        y = torch.relu(self.bn_branch2b2(self.conv_branch2b1(y)))
        return self.conv_branch1(activated) + self.conv_branch2b2(y), activated
