"""OAA: a classifier whose maps are its scores before they are averaged.

Jiang, Hou, Cao, Cheng, Wei & Xiong, "Integral Object Mining via Online Attention Accumulation",
ICCV 2019, pp. 2070-2079; TPAMI 2021.

What the paper calls OAA, attention accumulated over the epochs, is a by-product of training: no
checkpoint gives it. Two networks of the same shape can be run: the classifier that is trained
meanwhile, and the integral attention model (OAA+), which is trained to repeat what was accumulated.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.vgg16 import DEEPEST, extra_convolutions, vgg16_d1

__all__ = ["METHODS", "Oaa"]

SIDE = 224
"""Of the shorter side of what it is shown, in pixels."""


class Oaa(nn.Module):
    """The network of the classifier and of the integral attention model.

    Side outputs: `scores` (N, classes), the averages of the maps; `features` (N, 512, ⌊H / 8⌋,
    ⌊W / 8⌋), what leaves VGG-16.

    Args:
        num_classes: channels of its maps.
    """

    def __init__(self, num_classes: int = 20) -> None:
        super().__init__()
        self.features = vgg16_d1()
        self.extra_convs = nn.Sequential(*extra_convolutions(), nn.Conv2d(DEEPEST, num_classes, 1))

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W) → class maps (N, classes, ⌊H / 8⌋, ⌊W / 8⌋), of either sign."""
        features = self.features(x)["conv5_3"]
        maps: torch.Tensor = self.extra_convs(features)
        if not side_outputs:
            return maps
        return maps, {"scores": maps.mean((2, 3)), "features": features}


_INTEGRAL = ActivationMethod(
    name="oaa",
    title="OAA+, integral attention model, VGG-16",
    aliases=("oaa_iam",),
    citation="oaa",
    reference="The authors' PyTorch code, PengtaoJiang/OAA-PyTorch, script of the integral "
    "attention model.",
    unknown="The accumulated maps that the paper calls OAA are a by-product of training and cannot "
    "be made by inference; only their authors' files or a training have them. Which of the two "
    "the maps of WSSS-BED are is not stated. The authors publish no PyTorch weights; their Caffe "
    "network has other preparation and other pools, and is not read.",
    build=Oaa,
    normalisation={20: IMAGENET},
    protocol=Protocol(
        views="shorter_side",
        sizes=(SIDE,),
        flips=False,
        scores="relu",
        enlarged="none",
        divided=True,
        eps=1e-8,
        to_8_bit="truncate_then_cubic",
    ),
)

METHODS = (
    _INTEGRAL,
    replace(
        _INTEGRAL,
        name="oaa_classifier",
        title="OAA, attention of the classifier alone, VGG-16",
        aliases=(),
        reference="The authors' PyTorch code, PengtaoJiang/OAA-PyTorch, script of the classifier.",
        unknown="These are the maps of the classifier as it is after training, not those "
        "accumulated meanwhile, which the paper calls OAA and which no inference can make. The "
        "authors publish no PyTorch weights.",
    ),
)
