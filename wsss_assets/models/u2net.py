"""U²-Net and its small sister U²-Net-p: nested U-shaped blocks, six side outputs, one fusion.

Qin, Zhang, Huang, Dehghan, Zaiane, Jagersand: U²-Net: Going deeper with nested U-structure for
salient object detection. Pattern Recognition 106 (2020), arXiv 2005.09007.

Both take the authors' `.pth`; U²-Net-p also the ONNX file that circulates, in which batch norms are
folded into the convolutions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.finishing import truncated_bilinear
from wsss_assets.models.preparing import one_size, stretched_by_maximum
from wsss_assets.models.tensors import Outputs, probabilities, resized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.models.checkpoints import StateDict

__all__ = ["ARCHITECTURES", "U2Net"]

SIZE = (320, 320)

SCALES = 6
"""Of the network, each half the one before; the same number of side outputs."""

_DILATED = (1, 2, 4, 8)

_DILATIONS = {
    "stage1": (1, 1, 1, 1, 1, 1, 2),
    "stage2": (1, 1, 1, 1, 1, 2),
    "stage3": (1, 1, 1, 1, 2),
    "stage4": (1, 1, 1, 2),
    "stage5": _DILATED,
    "stage6": _DILATED,
    "stage5d": _DILATED,
    "stage4d": (1, 1, 1, 2),
    "stage3d": (1, 1, 1, 1, 2),
    "stage2d": (1, 1, 1, 1, 1, 2),
    "stage1d": (1, 1, 1, 1, 1, 1, 2),
}
"""Dilation of each level of a stage's block, in the order in which stages are run."""

_LARGE = {
    "stage1": (3, 32, 64),
    "stage2": (64, 32, 128),
    "stage3": (128, 64, 256),
    "stage4": (256, 128, 512),
    "stage5": (512, 256, 512),
    "stage6": (512, 256, 512),
    "stage5d": (1024, 256, 512),
    "stage4d": (1024, 128, 256),
    "stage3d": (512, 64, 128),
    "stage2d": (256, 32, 64),
    "stage1d": (128, 16, 64),
}
"""Channels of U²-Net by stage: into the block, inside it, out of it."""

_SMALL = {
    name: (3 if name == "stage1" else 128 if name.endswith("d") else 64, 16, 64) for name in _LARGE
}
"""The same of U²-Net-p."""


class _ConvNormReLU(nn.Module):
    """A 3 × 3 convolution with bias that keeps the size, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) → (N, out, H, W)."""
        return F.relu(self.bn_s1(self.conv_s1(x)))


class _UBlock(nn.Module):
    """A small U-Net with a residual connection around it.

    Args:
        channels: into the block, inside it, out of it.
        dilations: of each level, the top first. A level below the top either sees half the size
            (dilation 1) or dilates.
    """

    def __init__(self, channels: tuple[int, int, int], dilations: tuple[int, ...]) -> None:
        super().__init__()
        before, inside, out = channels
        self.dilations = dilations
        self.rebnconvin = _ConvNormReLU(before, out, 1)
        for level, dilation in enumerate(dilations, 1):
            entering = out if level == 1 else inside
            self.add_module(f"rebnconv{level}", _ConvNormReLU(entering, inside, dilation))
        for level in range(len(dilations) - 1, 0, -1):
            leaving = out if level == 1 else inside
            up = _ConvNormReLU(2 * inside, leaving, dilations[level - 1])
            self.add_module(f"rebnconv{level}d", up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) → (N, out, H, W)."""
        outer = x = self.rebnconvin(x)
        levels: list[torch.Tensor] = []
        for level, dilation in enumerate(self.dilations, 1):
            if level > 1 and dilation == 1:
                x = _halved(x)
            x = self.get_submodule(f"rebnconv{level}")(x)
            levels.append(x)
        for level in range(len(levels) - 1, 0, -1):
            x = self.get_submodule(f"rebnconv{level}d")(_joined(x, levels[level - 1]))
        total: torch.Tensor = x + outer
        return total


class U2Net(nn.Module):
    """U²-Net, for any size of input.

    `net(x, side_outputs=True)` also gives `side1` … `side6`, the logits of each scale at the size
    of the input, finest first.

    Args:
        channels: by stage: into the block, inside it, out of it.
    """

    def __init__(self, channels: Mapping[str, tuple[int, int, int]]) -> None:
        super().__init__()
        for name, dilations in _DILATIONS.items():
            self.add_module(name, _UBlock(channels[name], dilations))
        for scale in range(1, SCALES + 1):
            stage = f"stage{scale}d" if scale < SCALES else f"stage{scale}"
            self.add_module(f"side{scale}", nn.Conv2d(channels[stage][-1], 1, 3, padding=1))
        self.outconv = nn.Conv2d(SCALES, 1, 1)

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Logits (N, 1, H, W) of x (N, 3, H, W); see the class for the side outputs."""
        size = x.shape[-2:]
        sides = {
            f"side{scale}": resized(
                self.get_submodule(f"side{scale}")(features), size, align_corners=False
            )
            for scale, features in enumerate(self._features(x), 1)
        }
        logits: torch.Tensor = self.outconv(torch.cat(list(sides.values()), dim=1))
        return (logits, sides) if side_outputs else logits

    def _features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What side outputs are made of, finest first."""
        encoded: list[torch.Tensor] = []
        for scale in range(1, SCALES + 1):
            x = self.get_submodule(f"stage{scale}")(x if scale == 1 else _halved(x))
            encoded.append(x)
        decoded = [x]
        for scale in range(SCALES - 1, 0, -1):
            x = self.get_submodule(f"stage{scale}d")(_joined(x, encoded[scale - 1]))
            decoded.append(x)
        return decoded[::-1]

    def adapted(self, state: StateDict) -> StateDict:
        """Entries by this network's keys; of an ONNX file, by the order of its convolutions.

        In the ONNX file batch norms are part of the convolutions before them, which have lost
        their names by that. Here the norms become identities: variance and eps add up to one.

        Args:
            state: the authors' state dict, returned as it is, or the initialisers of the ONNX
                file: weight and bias of each convolution, in the order of its graph, which is
                that of this network's modules.

        Returns:
            A state dict.
        """
        convolutions = [name for name, one in self.named_modules() if isinstance(one, nn.Conv2d)]
        if len(state) != 2 * len(convolutions) or any("bn_s1" in key for key in state):
            return state
        names = [f"{name}.{kind}" for name in convolutions for kind in ("weight", "bias")]
        entries = dict(zip(names, state.values(), strict=True))
        for name, norm in self.named_modules():
            if isinstance(norm, nn.BatchNorm2d):
                entries |= {f"{name}.{key}": value for key, value in _identity(norm).items()}
        return entries


def _identity(norm: nn.BatchNorm2d) -> StateDict:
    """What makes a batch norm change nothing."""
    zeros = torch.zeros(norm.num_features)
    return {
        "weight": zeros + 1,
        "bias": zeros,
        "running_mean": zeros,
        "running_var": zeros + (1 - norm.eps),
        "num_batches_tracked": torch.tensor(0),
    }


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Half the size, rounded up."""
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


def _joined(deeper: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
    """What comes from below, at the size of what comes from across, and the latter."""
    return torch.cat([resized(deeper, skipped.shape[-2:], align_corners=False), skipped], dim=1)


def read_out(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Probabilities stretched to 0..1 for each image; a constant map becomes zeros.

    Args:
        net: a `U2Net`.
        x: normalised, float32 (N, 3, h, w).

    Returns:
        float32 (N, h, w).
    """
    values = probabilities(net, x)
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    span = high - low
    return (values - low) / torch.where(span > 0, span, 1)


def _architecture(
    name: str, title: str, channels: Mapping[str, tuple[int, int, int]], batch: int
) -> Architecture:
    return Architecture(
        name=name,
        title=title,
        citation="u2net",
        reference="The authors' PyTorch code, with scikit-image 0.25.2 for the resizing.",
        unknown=(
            "Older scikit-image, as of the authors' time, does not smooth when it makes smaller; "
            "here it does. The authors' code divides zero by zero where a map is constant; here "
            "such a map becomes zeros."
        ),
        build=partial(U2Net, channels),
        prepare=partial(stretched_by_maximum, size=SIZE),
        prepared_size=partial(one_size, size=SIZE),
        normalisation=replace(IMAGENET, scale=1),
        read_out=read_out,
        finish=truncated_bilinear,
        steps={
            "resize": "skimage order 1 constant anti-aliased to 320x320, divided by its maximum",
            "read_out": "sigmoid, stretched to 0..1 by minimum and maximum of the image",
            "to_8_bit": "truncate 255 v at 320x320",
            "resize_back": "pillow bilinear of 8 bits",
        },
        batch=batch,
    )


ARCHITECTURES = (
    _architecture("u2net", "U²-Net", _LARGE, batch=16),
    _architecture("u2netp", "U²-Net-p", _SMALL, batch=32),
)
