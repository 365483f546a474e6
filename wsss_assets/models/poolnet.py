"""PoolNet: a U-shaped network whose decoder is told, at every scale, what is salient overall.

Liu, Hou, Cheng, Feng & Jiang, "A Simple Pooling-Based Design for Real-Time Salient Object
Detection", CVPR 2019, arXiv:1904.09569.

There are two networks, plain and joint (trained on edges too), each on ResNet-50 or VGG-16. Keys
of parameters are the authors', so attributes are named as theirs are.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models import preparing, resizing
from wsss_assets.models.architecture import Architecture, Normalisation
from wsss_assets.models.backbones.resnet50 import Resnet50
from wsss_assets.models.backbones.vgg16 import Vgg16
from wsss_assets.models.finishing import rounded
from wsss_assets.models.tensors import Outputs, check_sides, probabilities, resized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["ARCHITECTURES", "JointPoolNet", "PoolNet"]

MOST = 2048
"""The longest side that is shown to a network."""

_GUIDE = 512
"""Channels of the global guidance."""

_EDGE = 16
"""Channels of an edge feature."""

_BINS = (1, 3, 5)
"""Sides of the grids that the global guidance is pooled to."""

_POOLS = (2, 4, 8)
"""Sides of the windows of a decoder block."""


@dataclass(frozen=True)
class Layout:
    """What differs between the two backbones; everything goes from the deepest scale up.

    Attributes:
        name: the attribute that holds the backbone.
        backbone: makes it.
        taps: what it gives, by name.
        channels: of the taps.
        converted: channels that the taps are brought to; empty: they stay as they are.
        widths: (channels in, channels out) of the blocks of the decoder.
        least: the shortest side: the widest window must fit into the deepest tap.
    """

    name: str
    backbone: Callable[[], nn.Module]
    taps: tuple[str, ...]
    channels: tuple[int, ...]
    converted: tuple[int, ...]
    widths: tuple[tuple[int, int], ...]
    least: int


RESNET50 = Layout(
    name="resnet",
    backbone=partial(
        Resnet50,
        stride_on="1x1",
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        ceil_mode=True,
    ),
    taps=("layer4", "layer3", "layer2", "layer1", "stem"),
    channels=(2048, 1024, 512, 256, 64),
    converted=(512, 512, 256, 256, 128),
    widths=((512, 512), (512, 256), (256, 256), (256, 128), (128, 128)),
    least=111,
)
VGG16 = Layout(
    name="vgg16",
    backbone=lambda: _named(base=Vgg16(partial(nn.MaxPool2d, 3, stride=2, padding=1))),
    taps=("conv5_3", "conv4_3", "conv3_3", "conv2_2"),
    channels=(512, 512, 256, 128),
    converted=(),
    widths=((512, 512), (512, 256), (256, 128), (128, 128)),
    least=113,
)


class _Decoding(nn.Module):
    """What the plain and the joint network have in common: all but the last layers."""

    least: int
    base: GuidedBackbone
    convert: nn.Module
    deep_pool: nn.ModuleList

    def decoded(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What leaves each block of the decoder, the deepest first.

        Raises:
            UsageError: a side of x is shorter than the network can take.
        """
        check_sides(x, at_least=self.least)
        taps, guidance = self.base(x)
        taps = self.convert(taps)
        y, found = taps[0], []
        for block, beside in zip(
            self.deep_pool, [*zip(taps[1:], guidance, strict=True), ()], strict=True
        ):
            y = block(y, *beside)
            found.append(y)
        return found


class PoolNet(_Decoding):
    """The network that is trained on saliency alone; it has no side outputs.

    Args:
        layout: of the backbone.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.least = layout.least
        self.base = GuidedBackbone(layout)
        self.deep_pool = _decoder(layout)
        self.score = _named(score=nn.Conv2d(layout.widths[-1][1], 1, 1))
        self.convert = _converter(layout)

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Float32 (N, 3, H, W) → logits (N, 1, H, W), with `side_outputs` and an empty dictionary.

        Raises:
            UsageError: a side is shorter than the network can take.
        """
        logits = resized(self.score(self.decoded(x)[-1]), x.shape[-2:])
        return (logits, {}) if side_outputs else logits


class JointPoolNet(_Decoding):
    """The network that is trained on saliency and edges; edges help to find what is salient.

    Side outputs, logits (N, 1, H, W) each: `edge_side0`, `edge_side1`, … the edges seen by each
    block of the decoder, the deepest first; `edge_fuse` what they give together.

    Args:
        layout: of the backbone.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.least = layout.least
        widths = [out for _, out in layout.widths[:-1]]
        salient = layout.widths[-1][1]
        self.base = GuidedBackbone(layout)
        self.block = nn.ModuleList(EdgeBlock(width) for width in widths)
        self.deep_pool = _decoder(layout)
        self.fuse = EdgeFusion(len(widths))
        self.edgeinfo = _named(trans=_edge_information(_EDGE * len(widths), salient))
        self.score = _named(score=nn.Conv2d(2 * salient, 1, 3, padding=1))
        self.convert = _converter(layout)

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Float32 (N, 3, H, W) → saliency logits (N, 1, H, W), with `side_outputs` and the edges.

        Raises:
            UsageError: a side is shorter than the network can take.
        """
        *scales, salient = self.decoded(x)
        edges = [block(y) for block, y in zip(self.block, scales, strict=True)]
        edge = self.edgeinfo(torch.cat([resized(e, salient.shape[-2:]) for e in edges], 1))
        logits = resized(self.score(torch.cat([salient, edge], 1)), x.shape[-2:])
        return (logits, self.fuse(edges, x.shape[-2:])) if side_outputs else logits


class GuidedBackbone(nn.Module):
    """A backbone, and the global guidance made from its deepest features.

    Args:
        layout: of the backbone.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        deepest = layout.channels[0]
        self.name, self.taps = layout.name, layout.taps
        self.add_module(layout.name, layout.backbone())
        self.ppms_pre = nn.Identity() if deepest == _GUIDE else _conv(deepest, _GUIDE, 1)
        self.ppms = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), _conv(_GUIDE, _GUIDE, 1), nn.ReLU())
            for side in _BINS
        )
        self.ppm_cat = nn.Sequential(_conv(_GUIDE * (1 + len(_BINS)), _GUIDE), nn.ReLU())
        # What is added to a tap inside a block has the channels that leave the block.
        self.infos = nn.ModuleList(
            nn.Sequential(_conv(_GUIDE, out), nn.ReLU()) for _, out in layout.widths[:-1]
        )

    def forward(self, x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """(N, 3, H, W) → the taps, deepest first; and guidance at the size of all but the first."""
        named = self.get_submodule(self.name)(x)
        taps = [named[name] for name in self.taps]
        deepest = self.ppms_pre(taps[0])
        pooled = [resized(ppm(deepest), deepest.shape[-2:]) for ppm in self.ppms]
        guide = self.ppm_cat(torch.cat([deepest, *pooled], 1))
        guidance = [
            info(resized(guide, tap.shape[-2:]))
            for info, tap in zip(self.infos, taps[1:], strict=True)
        ]
        return taps, guidance


class Converter(nn.Module):
    """1×1 convolutions that bring the taps to the channels of the decoder."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        pairs = zip(reversed(layout.channels), reversed(layout.converted), strict=True)
        self.convert0 = nn.ModuleList(
            nn.Sequential(_conv(channels, out, 1), nn.ReLU()) for channels, out in pairs
        )

    def forward(self, taps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Taps, deepest first → the same at other channels; layers are kept the other way."""
        layers = reversed(list(self.convert0))
        return [layer(tap) for layer, tap in zip(layers, taps, strict=True)]


class DeepPool(nn.Module):
    """A block of the decoder: features pooled by three windows and added, then those beside it.

    Args:
        channels: that it takes.
        out: that it gives.
        beside: makes the layer that follows once the features beside it are added.
    """

    def __init__(self, channels: int, out: int, beside: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(channels, channels) for _ in _POOLS)
        self.conv_sum = _conv(channels, out)
        self.conv_sum_c = beside(out)

    def forward(self, x: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, out, …), at the size of the features beside it, if any."""
        y = x
        for side, conv in zip(_POOLS, self.convs, strict=True):
            y = y + resized(conv(F.avg_pool2d(x, side)), x.shape[-2:])
        y = torch.relu(y)
        if beside:
            y = resized(y, beside[0].shape[-2:])
        y = self.conv_sum(y)
        for features in beside:
            y = y + features
        fused: torch.Tensor = self.conv_sum_c(y)
        return fused


class EdgeBlock(nn.Module):
    """Two residual bottlenecks, and a 1×1 convolution to the features of edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 4
        self.block_in1 = nn.Sequential(_conv(channels, inner, 1))
        self.block_in2 = nn.Sequential(_conv(channels, inner, 1))
        self.block_mid1 = _edge_middle(inner, channels)
        self.block_mid2 = _edge_middle(inner, channels)
        self.block_out = nn.Sequential(_conv(channels, _EDGE, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, 16, h, w)."""
        x = torch.relu(x + self.block_mid1(self.block_in1(x)))
        x = torch.relu(x + self.block_mid2(self.block_in2(x)))
        edge: torch.Tensor = self.block_out(x)
        return edge


class EdgeFusion(nn.Module):
    """Features of edges at several scales → edges."""

    def __init__(self, scales: int) -> None:
        super().__init__()
        self.trans = nn.ModuleList(nn.Conv2d(_EDGE, 1, 1) for _ in range(scales))
        self.fuse = nn.Conv2d(scales, 1, 1)

    def forward(self, edges: Sequence[torch.Tensor], size: torch.Size) -> dict[str, torch.Tensor]:
        """(N, 16, …) each → logits (N, 1, *size), by the names that `JointPoolNet` states."""
        sides = [resized(conv(edge), size) for conv, edge in zip(self.trans, edges, strict=True)]
        named = {f"edge_side{index}": side for index, side in enumerate(sides)}
        return {**named, "edge_fuse": self.fuse(torch.cat(sides, 1))}


def _conv(channels: int, out: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size, without bias."""
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)


def _named(**modules: nn.Module) -> nn.Sequential:
    """Layers one after the other under names instead of numbers."""
    return nn.Sequential(OrderedDict(modules))


def _converter(layout: Layout) -> nn.Module:
    return Converter(layout) if layout.converted else nn.Identity()


def _decoder(layout: Layout) -> nn.ModuleList:
    *inner, last = layout.widths
    blocks = [DeepPool(channels, out, lambda width: _conv(width, width)) for channels, out in inner]
    return nn.ModuleList([*blocks, DeepPool(*last, lambda _: nn.Identity())])


def _edge_middle(inner: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Sequential(_conv(inner, inner), _conv(inner, out, 1)))


def _edge_information(channels: int, out: int) -> nn.Sequential:
    """Features of all edges → what joins the saliency features."""
    layers: list[nn.Module] = []
    for before, after in ((channels, channels), (channels, out), (out, out), (out, out)):
        layers += [_conv(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


def finish(values: NDArray[np.float32], size: tuple[int, int], **_: bool) -> UInt8:
    """Bytes to the nearest; photos shown at another size are brought back by Pillow's bilinear.

    See `wsss_assets.models.architecture.Finish`. The authors write maps at the size that the
    network was shown, which is the photo's, save for photos that it cannot take.
    """
    levels = rounded(values)
    return levels if values.shape == size else resizing.pillow(levels, size, "bilinear")


def _architecture(
    kind: type[PoolNet | JointPoolNet],
    layout: Layout,
    name: str,
    title: str,
    aliases: tuple[str, ...] = (),
) -> Architecture:
    return Architecture(
        name=name,
        title=title,
        aliases=aliases,
        citation="poolnet",
        reference="The authors' PyTorch code, which reads photos with OpenCV and shows them to the "
        "network at their own size.",
        unknown="The authors do not say what becomes of photos with a side below "
        f"{layout.least} pixels, which their network cannot take; here a side that is too short is "
        f"enlarged to that. Photos with a side above {MOST} pixels are scaled down here, to bound "
        "memory. Which of PoolNet's four networks made the maps of WSSS-BED is not stated.",
        build=partial(kind, layout),
        prepare=partial(preparing.bounded, least=layout.least, most=MOST),
        prepared_size=partial(preparing.bounded_size, least=layout.least, most=MOST),
        normalisation=Normalisation(
            (104.00699, 116.66877, 122.67892), (1, 1, 1), scale=1, channels="BGR"
        ),
        read_out=probabilities,
        finish=finish,
        steps={
            "resize": f"none from {layout.least} to {MOST} pixels a side; larger photos are scaled "
            f"down to {MOST} on the longer side, then sides below {layout.least} grow to it; "
            "Pillow bilinear, once",
            "read_out": "sigmoid",
            "resize_back": "bytes by Pillow bilinear, only where the photo was resized",
            "to_8_bit": "255 p to the nearest, halves to even",
        },
        batch=1,
    )


ARCHITECTURES = (
    _architecture(PoolNet, RESNET50, "poolnet_resnet50", "PoolNet, ResNet-50", ("poolnet",)),
    _architecture(JointPoolNet, RESNET50, "poolnet_joint_resnet50", "PoolNet + edges, ResNet-50"),
    _architecture(PoolNet, VGG16, "poolnet_vgg16", "PoolNet, VGG-16"),
    _architecture(JointPoolNet, VGG16, "poolnet_joint_vgg16", "PoolNet + edges, VGG-16"),
)
