"""EPS: a classifier with a background channel, trained so that its maps agree with saliency.

Lee, Lee, Lee & Shim, "Railroad is not a Train: Saliency as Pseudo-pixel Supervision for Weakly
Supervised Semantic Segmentation", CVPR 2021, arXiv:2105.08965.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.resnet38 import FEATURES, Resnet38

if TYPE_CHECKING:
    import torch

__all__ = ["METHODS", "Eps"]


class Eps(Resnet38):
    """The network.

    Side outputs, float32 unless under autocast: `pred` (N, classes + 1), the means of all
    channels; `scores` (N, classes), those of the classes, which are the logits of the image; and
    `conv4`, `conv5`, `conv6` of the backbone.

    Args:
        num_classes: without background, which is one channel more, the last.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fc8 = nn.Conv2d(FEATURES, num_classes + 1, 1, bias=False)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W), normalised → logits (N, classes + 1, ⌈H / 8⌉, ⌈W / 8⌉)."""
        taps = self.features(x)
        logits: torch.Tensor = self.fc8(taps["conv6"]).float()
        if not side_outputs:
            return logits
        pred = logits.mean((2, 3))
        return logits, {"scores": pred[:, :-1], "pred": pred, **taps}


METHODS = (
    ActivationMethod(
        name="eps",
        title="EPS",
        citation="eps",
        reference="The authors' PyTorch code, halbielee/EPS.",
        unknown=(
            "The authors keep maps as numbers; nobody says how WSSS-BED made bytes of them. Here "
            "it is done as WSSS-BED's own script does it for CAM."
        ),
        build=Eps,
        classes=(20, 80),
        normalisation={20: IMAGENET, 80: IMAGENET},
        protocol=Protocol(
            views="scales",
            sizes=(0.5, 1.0, 1.5, 2.0),
            flips=True,
            scores="softmax",
            enlarged="bilinear",
            merged="sum",
            eps=1e-5,
            to_8_bit="round",
            background="last",
        ),
    ),
)
