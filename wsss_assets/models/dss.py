"""DSS: six side outputs of VGG-16, the shallow ones told by the deep ones where to look.

Hou, Cheng, Hu, Borji, Tu & Torr, "Deeply Supervised Salient Object Detection with Short
Connections", CVPR 2017 and TPAMI 41(4), arXiv:1611.04849.

The numbers follow the PyTorch port AceCoooool/DSS-pytorch, not the authors' Caffe network, which
has other short connections, other pools and other weights. Keys of parameters are the port's, so
attributes are named as its are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models import preparing, resizing
from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.backbones.vgg16 import Vgg16
from wsss_assets.models.finishing import rounded
from wsss_assets.models.tensors import Outputs, check_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["ARCHITECTURES", "Dss"]

SIDE = 256
"""Of the square that photos are stretched to."""

STRIDE = 32
"""Of the deepest side; sizes must be multiples of it, or the scales do not fit each other."""

_TAPS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")

_SIDES = (
    (64, 128, 3),
    (128, 128, 3),
    (256, 256, 5),
    (512, 256, 5),
    (512, 512, 5),
    (512, 512, 7),
)
"""(channels in, channels inside, kernel) of each side."""

_CONNECTIONS = ((2, 3, 4, 5), (2, 3, 4, 5), (4, 5), (4, 5), (), ())
"""Which deeper sides each side is told of."""

_READ = ("side1", "side2", "side3")
"""Whose probabilities are averaged with those of the fusion."""


class Dss(nn.Module):
    """The network; its logits are those of the fusion of all sides.

    Side outputs, logits (N, 1, H, W) each: `side0` … `side5`, from the shallowest to the deepest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = Vgg16()
        self.feat = nn.ModuleList(Side(*side) for side in _SIDES)
        self.comb = nn.ModuleList(
            Combination(index, deeper) for index, deeper in enumerate(_CONNECTIONS)
        )
        self.fuse = Fusion(len(_SIDES))

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Float32 (N, 3, H, W) → logits (N, 1, H, W), with `side_outputs` and those of all sides.

        Raises:
            UsageError: a side of x is no multiple of 32.
        """
        check_sides(x, multiple_of=STRIDE)
        named = self.base(x)
        taps = [named[name] for name in _TAPS]
        # The average counts the margin of zeros.
        taps.append(F.avg_pool2d(F.max_pool2d(taps[-1], 2), 3, stride=1, padding=1))
        raw = [feat(tap) for feat, tap in zip(self.feat, taps, strict=True)]
        sides = [
            comb(raw[index], [raw[other] for other in deeper])
            for index, (comb, deeper) in enumerate(zip(self.comb, _CONNECTIONS, strict=True))
        ]
        logits: torch.Tensor = self.fuse(sides)
        if side_outputs:
            return logits, {f"side{index}": side for index, side in enumerate(sides)}
        return logits


class Side(nn.Module):
    """Features → one logit at their own scale."""

    def __init__(self, channels: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, inner, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv2d(inner, inner, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv2d(inner, 1, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, 1, h, w)."""
        y: torch.Tensor = self.main(x)
        return y


class Combination(nn.Module):
    """A side's logit joined with those of deeper sides, and enlarged to the size of the input.

    Args:
        index: of the side; its scale is 1 / 2**index.
        deeper: indices of the others, which are used as they are, not joined with any.
    """

    def __init__(self, index: int, deeper: Sequence[int]) -> None:
        super().__init__()
        self.upconv = nn.ModuleList(_enlarging(2 ** (other - index)) for other in deeper)
        self.conv = nn.Conv2d(1 + len(deeper), 1, 1)
        self.deconv = _enlarging(2**index) if index else nn.Identity()

    def forward(self, own: torch.Tensor, others: Sequence[torch.Tensor]) -> torch.Tensor:
        """(N, 1, h, w), and one for each deeper side → (N, 1, H, W)."""
        enlarged = [up(other) for up, other in zip(self.upconv, others, strict=True)]
        joined: torch.Tensor = self.deconv(self.conv(torch.cat([own, *enlarged], 1)))
        return joined


class Fusion(nn.Module):
    """The weighted sum of all sides."""

    def __init__(self, sides: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((sides,), 1 / sides))

    def forward(self, sides: Sequence[torch.Tensor]) -> torch.Tensor:
        """(N, 1, H, W) each → (N, 1, H, W)."""
        return (torch.cat(tuple(sides), 1) * self.weights.view(1, -1, 1, 1)).sum(1, keepdim=True)


def _enlarging(factor: int) -> nn.ConvTranspose2d:
    """A learned enlargement by a factor of two or more."""
    return nn.ConvTranspose2d(1, 1, 2 * factor, stride=factor, padding=factor // 2)


def read_out(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Mean probability of the sides 1, 2 and 3 and of the fusion.

    Args:
        net: a `Dss`.
        x: normalised float32 (N, 3, h, w).

    Returns:
        float32 (N, h, w).
    """
    logits, sides = net(x, side_outputs=True)
    read = torch.cat([*(sides[name] for name in _READ), logits], 1)
    return torch.sigmoid(read.float()).mean(1)


def finish(values: NDArray[np.float32], size: tuple[int, int], **_: bool) -> UInt8:
    """Probabilities enlarged bilinearly, corners on corners, then bytes to the nearest.

    See `wsss_assets.models.architecture.Finish`; the port writes no maps.
    """
    return rounded(resizing.align_corners(values, size))


ARCHITECTURES = (
    Architecture(
        name="dss",
        title="DSS, VGG-16",
        citation="dss",
        reference="The PyTorch port AceCoooool/DSS-pytorch; the authors' own network is in Caffe, "
        "and differs from it in short connections, pools and weights.",
        unknown="The port writes no maps: rounding to the nearest grey level is a choice made "
        "here. The dense CRF, which is optional in the port, is left out. Which implementation "
        "made the maps of WSSS-BED is not stated.",
        build=Dss,
        prepare=partial(preparing.stretched, size=(SIDE, SIDE), rule="bilinear"),
        prepared_size=partial(preparing.one_size, size=(SIDE, SIDE)),
        normalisation=IMAGENET,
        read_out=read_out,
        finish=finish,
        steps={
            "resize": f"Pillow bilinear to {SIDE} × {SIDE}, proportions not kept",
            "read_out": "mean of the sigmoids of sides 1, 2, 3 and the fusion",
            "resize_back": "probabilities, bilinear, corners on corners",
            "to_8_bit": "255 p to the nearest, halves to even",
        },
    ),
)
