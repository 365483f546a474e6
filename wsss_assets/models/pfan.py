"""PFAN: context of deep features weighed by channel, detail of shallow ones weighed by place.

Zhao & Wu, "Pyramid Feature Attention Network for Saliency Detection", CVPR 2019, arXiv:1903.00179.

The numbers follow a PyTorch port, not the authors' Keras network, which has other preparation,
takes batch statistics at test time and has never been published with weights. Keys of parameters
are the port's, so attributes are named as its are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from wsss_assets.models import preparing, resizing
from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.backbones.vgg16 import Vgg16
from wsss_assets.models.finishing import rounded, truncated
from wsss_assets.models.tensors import Outputs, check_sides, probabilities, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["ARCHITECTURES", "Pfan"]

SIDE = 256
"""Of the square that photos are shown at."""

MOST = 4096
"""Longest side of a photo that is padded to a square as it is; the authors set no bound."""

STRIDE = 16
"""Of the deepest features; sizes must be multiples of it."""

_CONTEXT = 32
"""Channels of each of the four convolutions of a context block."""

_DILATIONS = (3, 5, 7)


class Pfan(nn.Module):
    """The network.

    Side output: `attention`, a scalar, the mean channel attention over the batch, which the port
    adds to its loss.
    """

    def __init__(self) -> None:
        super().__init__()
        deep = 3 * _CONTEXT * (1 + len(_DILATIONS))
        self.vgg16 = Vgg16()
        self.cpfe_conv3_3 = Context(256)
        self.cpfe_conv4_3 = Context(512)
        self.cpfe_conv5_3 = Context(512)
        self.cha_att = ChannelAttention(deep)
        self.hl_conv1 = nn.Conv2d(deep, 64, 3, padding=1)
        self.hl_bn1 = nn.BatchNorm2d(64)
        self.ll_conv_1 = nn.Conv2d(64, 64, 3, padding=1)
        self.ll_bn_1 = nn.BatchNorm2d(64)
        self.ll_conv_2 = nn.Conv2d(128, 64, 3, padding=1)
        self.ll_bn_2 = nn.BatchNorm2d(64)
        self.ll_conv_3 = nn.Conv2d(128, 64, 3, padding=1)
        self.ll_bn_3 = nn.BatchNorm2d(64)
        self.spa_att = SpatialAttention(64)
        self.ff_conv_1 = nn.Conv2d(128, 1, 3, padding=1)

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Float32 (N, 3, H, W) → logits (N, 1, H, W), with `side_outputs` and the attention.

        Raises:
            UsageError: a side of x is no multiple of 16.
        """
        check_sides(x, multiple_of=STRIDE)
        taps = self.vgg16(x)
        context = self._context(taps)
        attention = self.cha_att(context)
        high = torch.relu(self.hl_bn1(self.hl_conv1(context * attention[:, :, None, None])))
        high = resized(high, x.shape[-2:])
        low = self._detail(taps) * self.spa_att(high)
        logits: torch.Tensor = self.ff_conv_1(torch.cat([low, high], 1))
        return (logits, {"attention": attention.mean()}) if side_outputs else logits

    def _context(self, taps: dict[str, torch.Tensor]) -> torch.Tensor:
        """(N, 384, H/4, W/4)."""
        third = self.cpfe_conv3_3(taps["conv3_3"])
        fourth = resized(self.cpfe_conv4_3(taps["conv4_3"]), third.shape[-2:])
        fifth = resized(self.cpfe_conv5_3(taps["conv5_3"]), third.shape[-2:])
        return torch.cat([third, fourth, fifth], 1)

    def _detail(self, taps: dict[str, torch.Tensor]) -> torch.Tensor:
        """(N, 64, H, W)."""
        first = torch.relu(self.ll_bn_1(self.ll_conv_1(taps["conv1_2"])))
        second = torch.relu(self.ll_bn_2(self.ll_conv_2(taps["conv2_2"])))
        both = torch.cat([first, resized(second, first.shape[-2:])], 1)
        return torch.relu(self.ll_bn_3(self.ll_conv_3(both)))


class Context(nn.Module):
    """Features seen by a 1×1 convolution and by three of growing reach."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_1_1 = nn.Conv2d(channels, _CONTEXT, 1, bias=False)
        for reach in _DILATIONS:
            conv = nn.Conv2d(channels, _CONTEXT, 3, padding=reach, dilation=reach, bias=False)
            self.add_module(f"conv_dil_{reach}", conv)
        self.bn = nn.BatchNorm2d(_CONTEXT * (1 + len(_DILATIONS)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, 128, h, w)."""
        seen = [self.get_submodule(f"conv_dil_{reach}")(x) for reach in _DILATIONS]
        return torch.relu(self.bn(torch.cat([self.conv_1_1(x), *seen], 1)))


class ChannelAttention(nn.Module):
    """How much each channel counts, from its mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(channels, channels // 4)
        self.linear_2 = nn.Linear(channels // 4, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, channels), 0..1."""
        return torch.sigmoid(self.linear_2(torch.relu(self.linear_1(x.mean((2, 3))))))


class SpatialAttention(nn.Module):
    """How much each place counts, from a row and a column of nine around it; at least one half."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.grp1_conv1k = nn.Conv2d(channels, inner, (1, 9), padding=(0, 4))
        self.grp1_bn1 = nn.BatchNorm2d(inner)
        self.grp1_convk1 = nn.Conv2d(inner, 1, (9, 1), padding=(4, 0))
        self.grp1_bn2 = nn.BatchNorm2d(1)
        self.grp2_convk1 = nn.Conv2d(channels, inner, (9, 1), padding=(4, 0))
        self.grp2_bn1 = nn.BatchNorm2d(inner)
        self.grp2_conv1k = nn.Conv2d(inner, 1, (1, 9), padding=(0, 4))
        self.grp2_bn2 = nn.BatchNorm2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, 1, h, w), 0.5..1."""
        first = torch.relu(self.grp1_bn1(self.grp1_conv1k(x)))
        first = torch.relu(self.grp1_bn2(self.grp1_convk1(first)))
        second = torch.relu(self.grp2_bn1(self.grp2_convk1(x)))
        second = torch.relu(self.grp2_bn2(self.grp2_conv1k(second)))
        return torch.sigmoid(first + second)


def finish(values: NDArray[np.float32], size: tuple[int, int], *, own_frame: bool = False) -> UInt8:
    """Bytes rounded down, enlarged as OpenCV's bilinear does, and freed of the margins.

    See `wsss_assets.models.architecture.Finish`. The map is enlarged to the size that the photo
    had between its margins: a square, or one pixel short of it where an odd number of rows or
    columns was missing, so that every pixel comes to lie where it came from. In its own frame it
    stays the square that the network saw, which the port only shows, rounded to the nearest.
    """
    if own_frame:
        return rounded(values)
    height, width = preparing.bounded_size(*size, 1, MOST)
    above, left = preparing.square_padding(height, width)
    padded = resizing.opencv_bilinear(truncated(values), (height + 2 * above, width + 2 * left))
    inside = np.ascontiguousarray(padded[above : above + height, left : left + width])
    return inside if inside.shape == size else resizing.pillow(inside, size, "bilinear")


ARCHITECTURES = (
    Architecture(
        name="pfan",
        title="PFAN, VGG-16",
        citation="pfan",
        reference="The PyTorch port sairajk/PyTorch-Pyramid-Feature-Attention-Network-for-Saliency-"
        "Detection; the authors' own network is in Keras, and differs from it in preparation, "
        "batch statistics and one layer.",
        unknown="The port shows its maps at 256 × 256, margins included, and writes none: the way "
        "back (rounding down, OpenCV's bilinear, margins cut off) is that of the authors' Keras "
        "notebook, except for photos whose sides differ by an odd number, where the port pads one "
        "pixel short of a square and the notebook's way back would shift the map by up to a "
        "pixel; it is undone exactly here. Which implementation made the maps of WSSS-BED is not "
        "stated.",
        build=Pfan,
        prepare=partial(preparing.padded_square, side=SIDE, most=MOST),
        prepared_size=partial(preparing.one_size, size=(SIDE, SIDE)),
        normalisation=IMAGENET,
        read_out=probabilities,
        finish=finish,
        own_frame=f"{SIDE} × {SIDE}, margins included",
        steps={
            "resize": "black margins, floor((longer - side) / 2) on both ends of the shorter side, "
            f"then OpenCV INTER_AREA to {SIDE} × {SIDE}; photos longer than {MOST} pixels are "
            "scaled down to that first, by Pillow bilinear",
            "read_out": "sigmoid",
            "resize_back": "bytes by OpenCV INTER_LINEAR to the size with margins, which are then "
            "cut off",
            "to_8_bit": "255 p rounded down (to the nearest in the network's own frame)",
        },
    ),
)
