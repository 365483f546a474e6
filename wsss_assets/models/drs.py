"""DRS: after every convolution the strongest places are held down, so that others are seen.

Kim, Han & Kim, "Discriminative Region Suppression for Weakly-Supervised Semantic Segmentation",
AAAI 2021, arXiv:2103.07246.

Its refinement network is a plain VGG-16 that is trained to repeat the classifier's maps.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from wsss_assets.errors import UsageError
from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.aliases import folded
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.vgg16 import DEEPEST, Activation, Vgg16, relu, vgg16_d1

if TYPE_CHECKING:
    from wsss_assets.models.checkpoints import StateDict

__all__ = ["METHODS", "Drs", "DrsRefine", "FixedSuppression", "LearnableSuppression"]

SQUARE = 320
"""Side of the square that photos are stretched to first, in pixels."""

SIZES = (256.0, 320.0, 384.0)
"""Sides of the squares that it is shown."""


class LearnableSuppression(nn.Module):
    """A ReLU whose output is capped, by channel, at a share of its maximum that is learnt.

    Args:
        channels: of its input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels, bias=False), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → the same shape, at least 0."""
        x = torch.relu(x)
        share: torch.Tensor = self.fc(x.mean((2, 3)))
        return torch.minimum(x, x.amax((2, 3), keepdim=True) * share[:, :, None, None])


class FixedSuppression(nn.Module):
    """A ReLU whose output is capped, by channel, at a given share of its maximum.

    Args:
        delta: the share, between 0 and 1.
    """

    def __init__(self, delta: float) -> None:
        super().__init__()
        if not 0 < delta < 1:
            raise UsageError(
                "this share of a maximum suppresses nothing, or everything",
                expected="delta between 0 and 1, both excluded; None for the learnable variant",
                found=str(delta),
            )
        self.delta = delta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → the same shape, at least 0."""
        x = torch.relu(x)
        return torch.minimum(x, x.amax((2, 3), keepdim=True) * self.delta)


class _Vgg(nn.Module):
    """VGG-16 with three more convolutions and a classifier of every place.

    Side outputs: `scores` (N, classes), the averages of the maps; `features` (N, 512, ⌊H / 8⌋,
    ⌊W / 8⌋), what the classifier is shown.
    """

    def __init__(self, num_classes: int, activation: Activation) -> None:
        super().__init__()
        self.features = vgg16_d1(activation)
        for index in (1, 2, 3):
            self.add_module(f"extra_conv{index}", nn.Conv2d(DEEPEST, DEEPEST, 3, padding=1))
            self.add_module(f"extra_relu{index}", activation(DEEPEST))
        self.extra_conv4 = nn.Conv2d(DEEPEST, num_classes, 1)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W) → class maps (N, classes, ⌊H / 8⌋, ⌊W / 8⌋), of either sign."""
        features = self.features(x)["conv5_3"]
        for index in (1, 2, 3):
            features = self.get_submodule(f"extra_conv{index}")(features)
            features = self.get_submodule(f"extra_relu{index}")(features)
        maps: torch.Tensor = self.extra_conv4(features)
        if not side_outputs:
            return maps
        return maps, {"scores": maps.mean((2, 3)), "features": features}

    def adapted(self, state: StateDict) -> StateDict:
        """A checkpoint by the names of ours: all layers of VGG-16 are in `features`.

        Theirs have each convolution twice, there and as `layer<stage>_conv<number>`; what follows
        it is `layer<stage>_relu<number>`.

        Raises:
            WeightsError: the two names of a convolution hold different values.
        """
        return folded(state, _names(self.features))


class Drs(_Vgg):
    """The classifier.

    Args:
        num_classes: channels of its maps.
        delta: the share of its maximum that every channel is held down to, between 0 and 1; None:
            learnt, as in the published checkpoint.
    """

    def __init__(self, num_classes: int = 20, delta: float | None = None) -> None:
        super().__init__(
            num_classes,
            LearnableSuppression if delta is None else lambda _channels: FixedSuppression(delta),
        )


class DrsRefine(_Vgg):
    """The refinement network; its maps are to repeat those of the classifier, in 0..1.

    Args:
        num_classes: channels of its maps.
    """

    def __init__(self, num_classes: int = 20) -> None:
        super().__init__(num_classes, relu)


def _names(features: Vgg16) -> dict[str, str]:
    """Their other names of the layers of VGG-16, in front of ours."""
    names = {}
    stage, number = 1, 0
    for index, layer in enumerate(features):
        if isinstance(layer, nn.MaxPool2d):
            stage, number = stage + 1, 0
            continue
        conv = isinstance(layer, nn.Conv2d)
        number += conv
        names[f"layer{stage}_{'conv' if conv else 'relu'}{number}."] = f"features.{index}."
    return names


_protocol = partial(
    Protocol,
    views="squares",
    square=SQUARE,
    sizes=SIZES,
    flips=False,
    enlarged="bilinear",
    align_corners=True,
    merged="maximum",
    divided=False,
    to_8_bit="round",
)

_REFERENCE = "The authors' PyTorch code, qjadud1994/DRS"
_UNKNOWN = (
    "Whether the maps of WSSS-BED come from the classifier or from the refinement network, and how "
    "they became bytes, is not stated; here they are rounded to the nearest."
)

METHODS = (
    ActivationMethod(
        name="drs",
        title="DRS, learnable suppression, VGG-16",
        citation="drs",
        reference=f"{_REFERENCE}, test script of the classifier.",
        unknown=_UNKNOWN,
        build=Drs,
        normalisation={20: IMAGENET},
        protocol=_protocol(scores="relu", view_eps=1e-5),
    ),
    ActivationMethod(
        name="drs_refine",
        title="DRS, refinement network, VGG-16",
        citation="drs",
        reference=f"{_REFERENCE}, refinement network.",
        unknown=f"{_UNKNOWN} Values above 1, which the authors keep, become 255.",
        build=DrsRefine,
        normalisation={20: IMAGENET},
        protocol=_protocol(scores="none"),
    ),
)
