"""DeepUSPS: a dilated residual network trained on pseudo-labels, without any human annotation.

Nguyen, Dax, Mummadi, Ngo, Nguyen, Lou, Brox: DeepUSPS: Deep Robust Unsupervised Saliency Prediction
With Self-Supervision. NeurIPS 2019, arXiv 1909.13055.

Maps are the network's own: the authors' dense CRF is not applied.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.backbones import drn
from wsss_assets.models.finishing import truncated_bilinear
from wsss_assets.models.preparing import one_size, stretched

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsss_assets.models.tensors import Outputs

__all__ = ["ARCHITECTURES", "DeepUSPS"]

SIZE = (432, 432)

CLASSES = 2
"""Salient, then background."""


class DeepUSPS(nn.Module):
    """A trunk, a linear classifier, an eightfold enlargement.

    The logits are (N, 2, H, W), the salient class first. Where a side is no multiple of 8 they are
    larger than the input, up to the next multiple, as in the authors' code.

    `net(x, side_outputs=True)` also gives `logits_1_8` (N, 2, H/8, W/8) and `features`
    (N, 512, H/8, W/8).

    Args:
        trunk: makes the backbone.
    """

    def __init__(self, trunk: Callable[[], nn.Sequential]) -> None:
        super().__init__()
        self.base = trunk()
        self.seg = nn.Conv2d(drn.CHANNELS, CLASSES, 1)
        self.up = nn.ConvTranspose2d(
            CLASSES,
            CLASSES,
            2 * drn.STRIDE,
            stride=drn.STRIDE,
            padding=drn.STRIDE // 2,
            groups=CLASSES,
            bias=False,
        )
        self.up.weight.data.copy_(_bilinear_kernel(drn.STRIDE))

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Logits of x (N, 3, H, W); see the class."""
        features = self.base(x)
        small = self.seg(features)
        logits: torch.Tensor = self.up(small)
        if side_outputs:
            return logits, {"logits_1_8": small, "features": features}
        return logits


def _bilinear_kernel(stride: int) -> torch.Tensor:
    """(2 * stride, 2 * stride): a transposed convolution by it interpolates."""
    line = 1 - (torch.arange(2 * stride) / stride - (1 - 0.5 / stride)).abs()
    return torch.outer(line, line)


def read_out(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Probability of the salient class, channel 0: (N, 3, h, w) → float32 (N, h', w').

    Args:
        net: a `DeepUSPS`.
        x: normalised, float32; h' and w' are h and w rounded up to multiples of 8.
    """
    logits: torch.Tensor = net(x)
    return logits.float().softmax(dim=1)[:, 0]


def _architecture(
    name: str, title: str, trunk: Callable[[], nn.Sequential], batch: int, *aliases: str
) -> Architecture:
    return Architecture(
        name=name,
        title=title,
        aliases=aliases,
        citation="deepusps",
        reference="A copy of the authors' PyTorch code, without its dense CRF.",
        unknown=(
            "The authors' mean and standard deviation of photos are in a file that is lost: those "
            "of ImageNet are assumed, and others can be given. The authors' script applies a dense "
            "CRF, which is left out here, and writes maps of 432 × 432; enlarging them to the "
            "photo is a choice made here."
        ),
        build=partial(DeepUSPS, trunk),
        prepare=partial(stretched, size=SIZE, rule="bicubic"),
        prepared_size=partial(one_size, size=SIZE),
        normalisation=IMAGENET,
        read_out=read_out,
        finish=truncated_bilinear,
        own_frame=f"{SIZE[0]} × {SIZE[1]}",
        steps={
            "resize": "pillow bicubic to 432x432",
            "read_out": "softmax, channel 0, no CRF",
            "to_8_bit": "truncate 255 p at 432x432",
            "resize_back": "pillow bilinear of 8 bits",
        },
        batch=batch,
    )


ARCHITECTURES = (
    _architecture("deepusps_drn_d_22", "DeepUSPS (DRN-D-22)", drn.drn_d_22, 32),
    _architecture("deepusps_drn_d_105", "DeepUSPS (DRN-D-105)", drn.drn_d_105, 8, "deepusps"),
)
