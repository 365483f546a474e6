"""L2G: a classifier that learns from itself on local views, its maps refined by affinities.

Jiang, Yang, Hou & Wei, "L2G: A Simple Local-to-Global Knowledge Transfer Framework for Weakly
Supervised Semantic Segmentation", CVPR 2022, arXiv:2204.03206.

The network is the global one, on the backbone that the authors' script builds (which its
argument `--arch=vgg` does not say). Affinities are those of SEAM's pixel correlation module.
"""

from __future__ import annotations

import torch
from torch import nn

from wsss_assets.models.activation import ActivationMethod, Protocol
from wsss_assets.models.architecture import IMAGENET, Normalisation
from wsss_assets.models.backbones.resnet38 import FEATURES, Resnet38
from wsss_assets.models.tensors import resized

__all__ = ["METHODS", "L2g", "spread"]

MOST_AFFINITIES = 2**26
"""Held at a time, in numbers of four bytes: 256 MiB. All of a large photo's would take 2.6 GB at
twice its size, and its mirror image as much again."""

_EPS = 1e-5
"""Added to what features and affinities are divided by."""


class L2g(Resnet38):
    """The network.

    Side outputs, float32 unless under autocast: `plain_cam` (N, classes + 1, h, w), the maps
    before affinities spread them; `scores` (N, classes), the means of the classes' maps, which
    are the logits of the image; and `conv4`, `conv5`, `conv6` of the backbone.

    Args:
        num_classes: without background, which is one channel more, the last.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fc8 = nn.Conv2d(FEATURES, num_classes + 1, 1, bias=False)
        self.f8_3 = nn.Conv2d(512, 64, 1, bias=False)
        self.f8_4 = nn.Conv2d(1024, 128, 1, bias=False)
        self.f9 = nn.Conv2d(3 + 64 + 128, 192, 1, bias=False)

    def forward(
        self, x: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Float32 (N, 3, H, W), normalised → maps (N, classes + 1, ⌈H / 8⌉, ⌈W / 8⌉).

        The authors spread the features and read classes out of them. Both are linear, so classes
        are read first here and 21 channels are spread for 4096.
        """
        taps = self.features(x)
        plain: torch.Tensor = self.fc8(taps["conv6"]).float()
        maps = plain + spread(plain, self._compared(x, taps))
        if not side_outputs:
            return maps
        return maps, {"scores": maps[:, :-1].mean((2, 3)), "plain_cam": plain, **taps}

    def _compared(self, x: torch.Tensor, taps: dict[str, torch.Tensor]) -> torch.Tensor:
        """By what places are compared: float32 (N, 192, h, w)."""
        third, fourth = self.f8_3(taps["conv4"]), self.f8_4(taps["conv5"])
        colours = resized(x, third.shape[-2:])
        compared: torch.Tensor = self.f9(torch.cat([colours, third, fourth], 1)).float()
        return compared


def spread(maps: torch.Tensor, compared: torch.Tensor) -> torch.Tensor:
    """Means of maps over all places, weighed by how alike two places are.

    The affinity of two places is the cosine between their features, or zero if that is negative.
    Affinities are computed for some columns of their matrix at a time, which changes nothing:
    each column is divided by its own sum. All is done in float32, under autocast as well.

    Args:
        maps: float32 (N, C, h, w).
        compared: float32 (N, D, h, w), features that say how alike places are.

    Returns:
        Float32 (N, C, h, w).
    """
    with torch.autocast(maps.device.type, enabled=False):
        unit = compared / (torch.linalg.vector_norm(compared, dim=1, keepdim=True) + _EPS)
        unit, values = unit.flatten(2), maps.flatten(2)
        rows = unit.transpose(1, 2)
        columns = max(1, MOST_AFFINITIES // (rows.shape[0] * rows.shape[1]))
        blocks = [_mean_by_affinity(values, rows @ part) for part in unit.split(columns, dim=2)]
        return torch.cat(blocks, 2).view_as(maps)


def _mean_by_affinity(values: torch.Tensor, cosines: torch.Tensor) -> torch.Tensor:
    """(N, C, places) and (N, places, columns), which is overwritten → (N, C, columns)."""
    affinities = cosines.relu_()
    return (values @ affinities) / (affinities.sum(1, keepdim=True) + _EPS)


METHODS = (
    ActivationMethod(
        name="l2g",
        title="L2G",
        citation="l2g",
        reference="The authors' PyTorch code, PengtaoJiang/L2G.",
        build=L2g,
        classes=(20, 80),
        normalisation={
            20: IMAGENET,
            80: Normalisation((0.471, 0.448, 0.408), (0.234, 0.239, 0.242)),
        },
        protocol=Protocol(
            views="scales",
            sizes=(0.5, 1.0, 1.5, 2.0),
            flips=True,
            enlarged="bicubic",
            merged="mean",
            clipped=True,
            eps=1e-8,
            to_8_bit="round",
            background="last",
        ),
    ),
)
