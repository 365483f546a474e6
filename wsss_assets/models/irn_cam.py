"""CAM of IRN's first stage: a ResNet-50 of stride 16, its class weights laid over its features.

Ahn, Cho & Kwak, "Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations",
CVPR 2019, arXiv:1904.05044. AMN and others begin with these maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.aliases import RESNET50_STAGES, folded
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.resnet50 import DEEPEST, Resnet50

if TYPE_CHECKING:
    from wsss_assets.models.checkpoints import StateDict

__all__ = ["METHODS", "IrnCam"]

_NAMES = {**RESNET50_STAGES, "newly_added.0.": "classifier."}


class IrnCam(nn.Module):
    """The network.

    Side outputs: `scores` (N, classes), averages of the maps before their ReLU; `stage4` (N, 2048,
    ⌈H / 16⌉, ⌈W / 16⌉), what the classifier is shown.

    Args:
        num_classes: channels of its maps.
    """

    def __init__(self, num_classes: int = 20) -> None:
        super().__init__()
        self.resnet50 = Resnet50(strides=(1, 2, 2, 1))
        self.classifier = nn.Conv2d(DEEPEST, num_classes, 1, bias=False)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W) → class maps (N, classes, ⌈H / 16⌉, ⌈W / 16⌉), at least 0."""
        features = self.resnet50(x)["layer4"]
        maps: torch.Tensor = self.classifier(features)
        found = torch.relu(maps)
        if not side_outputs:
            return found
        return found, {"scores": maps.mean((2, 3)), "stage4": features}

    def adapted(self, state: StateDict) -> StateDict:
        """A checkpoint by the names of ours; theirs have every tensor two or three times.

        Raises:
            WeightsError: names of one tensor hold different values.
        """
        return folded(state, _NAMES)


METHODS = (
    ActivationMethod(
        name="irn_cam",
        title="CAM of IRN, ResNet-50",
        citation="irn",
        reference="The authors' PyTorch code, jiwoon-ahn/irn.",
        unknown="The authors write arrays, no PNG: bytes are rounded to the nearest here. They "
        "publish no checkpoint of this network, and none for the 80 classes of COCO.",
        build=IrnCam,
        classes=(20, 80),
        normalisation={20: IMAGENET, 80: IMAGENET},
        protocol=Protocol(
            views="scales",
            sizes=(1.0, 0.5, 1.5, 2.0),
            flips=True,
            flips_meet="network",
            flips_as="sum",
            scores="none",  # the network's maps have passed their ReLU
            enlarged="bilinear",
            to_multiple=16,
            merged="sum",
            divided=True,
            eps=1e-5,
        ),
    ),
)
