"""MCIS: what two images of a class have in common is sought in both.

Sun, Wang, Dai & Van Gool, "Mining Cross-Image Semantics for Weakly Supervised Semantic
Segmentation", ECCV 2020.

The map of an image is made of five: of itself with its mirror image (two), with itself in two
other sizes (two), and with other images of the class (one). The order is `partners`, `five_maps`,
`merged`; then bytes are rounded down, and enlarged by OpenCV's cubic.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.errors import DataError
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.vgg16 import DEEPEST, extra_convolutions, vgg16_d1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["METHODS", "SIDES", "Mcis", "five_maps", "merged", "partners"]

SIDES = (256, 192, 512)
"""Of the squares that an image is stretched to by Pillow's bilinear filter: the one that its maps
are of, and those that it is compared with."""

PARTNERS = 3
"""Images that are drawn for each class."""

GATE = 0.1
"""A map but the first counts if the sigmoid of its average is above this."""

EPS = 1e-8
"""Added to the maximum that a map is divided by."""


class Mcis(nn.Module):
    """The network, on pairs of images whose sizes may differ.

    Side outputs: `cam1` and `cam2`, plain class maps; `comp1` and `comp2`, maps of what the images
    do not share; `scores` (N, classes) and `scores2`, averages of `cam1` and `cam2`.

    Args:
        num_classes: channels of its maps.
    """

    def __init__(self, num_classes: int = 20) -> None:
        super().__init__()
        self.vgg = _Vgg(num_classes)
        self.extra_linear_e = nn.Linear(DEEPEST, DEEPEST, bias=False)
        self.extra_gate = nn.Conv2d(DEEPEST, num_classes, 1, bias=False)
        self.extra_gate_merge = nn.Conv2d(DEEPEST, 1, 1, bias=False)

    def forward(
        self, x1: torch.Tensor, x2: torch.Tensor, side_outputs: bool = False
    ) -> (
        tuple[torch.Tensor, torch.Tensor]
        | tuple[tuple[torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]
    ):
        """Co-attention maps of both images, of either sign.

        Args:
            x1: float32 (N, 3, H, W).
            x2: float32 (N, 3, H', W').
            side_outputs: also give those of the class.

        Returns:
            (N, classes, ⌊H / 8⌋, ⌊W / 8⌋) and (N, classes, ⌊H' / 8⌋, ⌊W' / 8⌋).
        """
        first, second = self.vgg(x1), self.vgg(x2)
        attended = self.attended(first, second)
        maps = self.extra_gate(attended[0]), self.extra_gate(attended[1])
        if not side_outputs:
            return maps
        cams = self.vgg.extra_last_conv(first), self.vgg.extra_last_conv(second)
        return maps, {
            "cam1": cams[0],
            "cam2": cams[1],
            "comp1": self._unshared(first, attended[0]),
            "comp2": self._unshared(second, attended[1]),
            "scores": cams[0].mean((2, 3)),
            "scores2": cams[1].mean((2, 3)),
        }

    def attended(
        self, first: torch.Tensor, second: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What each place of an image finds in the other image.

        Args:
            first: (N, 512, h, w), of `vgg`.
            second: (N, 512, h', w'), of `vgg`.

        Returns:
            (N, 512, h, w) and (N, 512, h', w').
        """
        one, two = first.flatten(2), second.flatten(2)
        affinity = self.extra_linear_e(one.transpose(1, 2)) @ two
        for_second = one @ affinity.softmax(1)
        for_first = two @ affinity.transpose(1, 2).softmax(1)
        return for_first.view_as(first), for_second.view_as(second)

    def _unshared(self, features: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(self.extra_gate_merge(attended))
        maps: torch.Tensor = self.extra_gate(features * (1 - gate))
        return maps


class _Vgg(nn.Module):
    """VGG-16, three more convolutions, and the plain classifier of what comes out."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = vgg16_d1()
        self.extra_convs = nn.Sequential(*extra_convolutions())
        self.extra_last_conv = nn.Conv2d(DEEPEST, num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) → features (N, 512, ⌊H / 8⌋, ⌊W / 8⌋), at least 0."""
        features: torch.Tensor = self.extra_convs(self.features(x)["conv5_3"])
        return features


def partners(
    ids_by_class: Mapping[int, Sequence[str]], class_index: int, seed: int, image_id: str
) -> tuple[str, ...]:
    """The images that an image is compared with for one of its classes.

    Three are drawn with replacement from all that have the class, the image itself among them. The
    authors draw without a seed. Here the draw depends on the arguments alone, not on the order
    of images or on the machine: draw k is the k-th eight bytes, big-endian, of the SHA-256 of
    `<seed>/<image id>/<class index>`, modulo the number of ids.

    Args:
        ids_by_class: the ids of a list's images by 0-based class; their order matters.
        class_index: 0-based.
        seed: of the run.
        image_id: of the image.

    Returns:
        Three ids.

    Raises:
        DataError: no image has the class.
    """
    ids = ids_by_class.get(class_index, ())
    if not ids:
        raise DataError(
            f"no image to compare {image_id} with has the class {class_index}",
            expected="a list with images of every class that is asked for",
            hint="take the whole training list, which holds the image itself",
        )
    digest = hashlib.sha256(f"{seed}/{image_id}/{class_index}".encode()).digest()
    draws = (digest[8 * k : 8 * k + 8] for k in range(PARTNERS))
    return tuple(ids[int.from_bytes(draw, "big") % len(ids)] for draw in draws)


def five_maps(
    net: Mcis,
    view256: torch.Tensor,
    view192: torch.Tensor,
    view512: torch.Tensor,
    partners: Mapping[int, torch.Tensor],
) -> torch.Tensor:
    """The five co-attention maps of an image, for each of its classes.

    They are: of the image beside its mirror image; of its mirror image, turned back; of the image
    in 192 × 192 and in 512 × 512, beside itself in 256 × 256; and the mean of its maps beside its
    partners of the class.

    Args:
        net: the network.
        view256: float32 (1, 3, 256, 256), the normalised image.
        view192: float32 (1, 3, 192, 192).
        view512: float32 (1, 3, 512, 512).
        partners: by 0-based class, float32 (k, 3, 256, 256); k is 3 in the authors' code.

    Returns:
        float32 (5, classes in `partners`, 32, 32), of either sign, classes in the order of
        `partners`.
    """
    own = net.vgg(view256)
    attended, mirrored = net.attended(own, net.vgg(view256.flip(3)))
    found = [net.extra_gate(attended), net.extra_gate(mirrored).flip(3)]
    for view in (view192, view512):
        maps = net.extra_gate(net.attended(own, net.vgg(view))[1])
        size = own.shape[2:]
        found.append(F.interpolate(maps, size=size, mode="bicubic", align_corners=False))
    alone = torch.cat(found)[:, list(partners)]
    with_partners = [
        _mean_map(net, own, views)[class_index] for class_index, views in partners.items()
    ]
    return torch.cat([alone, torch.stack(with_partners)[None]])


def _mean_map(net: Mcis, own: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """(1, 512, h, w) and (k, 3, 256, 256) → the mean of the maps of `own`, (classes, h, w)."""
    others = net.vgg(views)
    maps: torch.Tensor = net.extra_gate(net.attended(own.expand_as(others), others)[0])
    return maps.mean(0)


def merged(five: torch.Tensor) -> torch.Tensor:
    """One map of five: positive parts, each divided by its maximum, added up.

    All but the first are left out where their average, before negative values become zero, says
    that the class is not there. The sum is divided by five, however many were added.

    Args:
        five: float32 (5, n, h, w), see `five_maps`.

    Returns:
        float32 (n, h, w) in 0..255, to be rounded down.
    """
    counts = torch.sigmoid(five.mean((2, 3), keepdim=True)) > GATE
    counts[0] = True
    positive = torch.relu(five)
    parts = positive / (positive.amax((2, 3), keepdim=True) + EPS) * 255 * counts
    first, *others = parts
    total: torch.Tensor = sum(others, start=first)
    return total / len(five)


METHODS = (
    ActivationMethod(
        name="mcis",
        title="MCIS, co-attention, VGG-16",
        citation="mcis",
        reference="The authors' PyTorch code, GuoleiSun/MCIS_wsss.",
        unknown="The authors draw the images of a class that an image is compared with anew at "
        "every run; here a seed decides. Their classifier was never published, so that its maps "
        "cannot be made again without training. How the maps of WSSS-BED were stretched is not "
        "stated; here, as in the authors' script, they are not.",
        build=Mcis,
        normalisation={20: IMAGENET},
        protocol=None,
    ),
)
