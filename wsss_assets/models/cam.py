"""CAM: a classifier whose last layer, applied at every place, says how much each class is there.

Zhou, Khosla, Lapedriza, Oliva & Torralba, "Learning Deep Features for Discriminative
Localization", CVPR 2016, arXiv:1512.04150.

The network is the one of WSSS-BED (arXiv:2404.00918), which takes it from EPS.
"""

from __future__ import annotations

import torch
from torch import nn

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.resnet38 import FEATURES, Resnet38

__all__ = ["METHODS", "Cam"]


class Cam(Resnet38):
    """The network.

    Side outputs, float32 unless under autocast: `scores` (N, classes), the logits of the image,
    and `conv4`, `conv5`, `conv6` of the backbone.

    Args:
        num_classes: without background.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fc8 = nn.Conv2d(FEATURES, num_classes, 1, bias=False)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W), normalised → float32 (N, classes, ⌈H / 8⌉, ⌈W / 8⌉), ≥ 0."""
        taps = self.features(x)
        logits = self.fc8(taps["conv6"]).float()
        maps = torch.relu(logits)
        # The last layer is linear: the mean of its outputs is its output for the mean.
        return (maps, {"scores": logits.mean((2, 3)), **taps}) if side_outputs else maps


METHODS = (
    ActivationMethod(
        name="cam",
        title="CAM, the network of WSSS-BED, ResNet-38",
        citation="cam",
        reference="WSSS-BED's PyTorch code, clovaai/WSSS-BED, `classifier/`.",
        unknown_weights={
            80: "WSSS-BED names no checkpoint for COCO; the one that EPS's authors publish for "
            "their baseline has the same network."
        },
        build=Cam,
        classes=(20, 80),
        normalisation={20: IMAGENET, 80: IMAGENET},
        protocol=Protocol(
            views="scales",
            sizes=(0.5, 1.0, 1.5, 2.0),
            flips=True,
            enlarged="bilinear",
            merged="sum",
            eps=1e-5,
            to_8_bit="round",
        ),
    ),
)
