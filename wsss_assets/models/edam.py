"""EDAM: classes compete for every place with one another and with a channel of no class.

Wu, Huang, Gao, Wei, Wei, Luo & Liu, "Embedded Discriminative Attention Mechanism for Weakly
Supervised Semantic Segmentation", CVPR 2021.

In training, the features under each class's mask go through a transformer that compares images;
maps need the masks only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.resnet38 import FEATURES, Resnet38

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsss_assets.models.checkpoints import StateDict

__all__ = ["METHODS", "Edam"]

_SMALLEST_NORM = 1e-12
"""What the channels of a place are at least divided by."""

_LINEAR = (
    *(f"attention.linear_layers.{index}" for index in range(3)),
    "attention.output_linear",
    "feed_forward.w_1",
    "feed_forward.w_2",
)
_NORMS = ("input_sublayer.norm", "output_sublayer.norm")
_OF_A_TRANSFORMER = (
    *(f"{layer}.{kind}" for layer in _LINEAR for kind in ("weight", "bias")),
    *(f"{norm}.{kind}" for norm in _NORMS for kind in ("a_2", "b_2")),
)
"""Parameters of the transformer of one class."""


class Edam(Resnet38):
    """The network, without what only training needs.

    Side outputs, float32 unless under autocast: `mask_raw` (N, classes + 1, h, w), the masks
    before they are normalised; `scores` (N, classes), the means of the classes' masks, since the
    authors' own scores need the transformer; and `conv4`, `conv5`, `conv6` of the backbone, the
    last with negative values here.

    Args:
        num_classes: without background, which is one channel more, the last.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(activation=nn.Identity())
        self.num_classes = num_classes
        self.mask_layer = nn.Conv2d(FEATURES, num_classes + 1, 3, padding=1, bias=False)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W), normalised → masks (N, classes + 1, ⌈H / 8⌉, ⌈W / 8⌉).

        Masks are 0..1; their squares add up to one at every place.
        """
        taps = self.features(x)
        raw = self.mask_layer(taps["conv6"]).float()
        masks = torch.abs(F.normalize(raw, dim=1, eps=_SMALLEST_NORM))
        if not side_outputs:
            return masks
        return masks, {"scores": masks[:, :-1].mean((2, 3)), "mask_raw": raw, **taps}

    def adapted(self, state: StateDict) -> StateDict:
        """The authors' checkpoint without what only training needs, known by its exact names."""
        left_out = set(_training_only(self.num_classes))
        return {key: value for key, value in state.items() if key not in left_out}


def _training_only(num_classes: int) -> Iterator[str]:
    """What a checkpoint holds besides this network."""
    yield from ("embedding.position.pe", "embedding.segment.weight", "d_d.weight")
    for index in range(num_classes):
        yield f"fc_list.{index}.weight"
        block = f"trans_list.{index}.0"
        yield from (f"{block}.{parameter}" for parameter in _OF_A_TRANSFORMER)


METHODS = (
    ActivationMethod(
        name="edam",
        title="EDAM",
        citation="edam",
        reference="The authors' PyTorch code, allenwu97/EDAM.",
        unknown=(
            "The authors keep maps as numbers; nobody says how WSSS-BED made bytes of them. Here "
            "it is done as WSSS-BED's own script does it for CAM. The authors divide by the "
            "maximum alone, which a map of zeros would turn into no numbers."
        ),
        build=Edam,
        classes=(20,),
        normalisation={20: IMAGENET},
        protocol=Protocol(
            views="scales",
            sizes=(1.0, 0.5, 1.5, 2.0),
            flips=True,
            enlarged="bilinear",
            merged="sum",
            eps=0.0,
            to_8_bit="round",
            background="last",
        ),
    ),
)
