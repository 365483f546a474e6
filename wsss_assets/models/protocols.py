"""Runs the test protocol of any activation method: what `Protocol` says, step by step.

A batch is N photos of one size. Networks are run on all of it (`network_scores`); what they gave is
kept at their own resolution, the channels of absent classes left out, and only then enlarged and
merged (`merged`), so that maps of one batch can be made at several sizes. All is float32.

Sums are made in the authors' order, but for a view and its mirror image: where all that follows is
linear they are added before they are enlarged, which differs in the last bits and halves the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.errors import UsageError
from wsss_assets.models.delivering import strided_size
from wsss_assets.models.tensors import resized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from wsss_assets.models.activation import ActivationMethod, Protocol
    from wsss_assets.models.architecture import Normalisation

    Afterwards: TypeAlias = Callable[[torch.Tensor, int], torch.Tensor]
    """(maps of an image, float32 (n, H, W), its place in the batch) → the maps that they become."""

__all__ = [
    "MOST_PIXELS",
    "Scores",
    "class_maps",
    "merged",
    "network_scores",
    "strided_maps",
]

MOST_PIXELS = 1 << 21
"""Shown to a network at a time: one photo of 1280 × 1280, or two of 1000 × 750, say."""

_MAP_PIXELS = 32
"""So many pixels of maps take no more memory than one pixel takes in a network."""

_SMALLEST = torch.finfo(torch.float32).tiny
"""Least divisor of a map, so that a map of zeros stays one."""


@dataclass(frozen=True)
class Scores:
    """What a network made of the views of a batch, at its own resolution.

    Attributes:
        views: float32 (rows, channels, h, w) for each view that stays apart until the merge. Where
            channels do not mix any more, a row is one channel of one image; else it is an image.
        chosen: bool (rows, channels), which of them become maps.
        counts: how many maps each image of the batch has.
        protocol: of the method.
    """

    views: tuple[torch.Tensor, ...]
    chosen: torch.Tensor
    counts: list[int]
    protocol: Protocol


def class_maps(
    net: nn.Module,
    inputs: Sequence[torch.Tensor],
    labels: torch.Tensor,
    size: tuple[int, int],
    method: ActivationMethod,
    *,
    afterwards: Afterwards | None = None,
    most_pixels: int = MOST_PIXELS,
) -> torch.Tensor:
    """Maps of the classes that are present in each photo of a batch.

    Args:
        net: in eval mode, on the device of the rest.
        inputs: uint8 (N, 3, h, w) for each of a photo's `views`.
        labels: bool or uint8 (N, classes), which classes are present.
        size: (H, W) of all the photos.
        method: whose maps they are.
        afterwards: what a method does besides, last of all, with what is no part of the photo.
        most_pixels: shown to the network at a time; a batch with more is divided, but never a
            photo. More is faster, until memory is short.

    Returns:
        Float32 (P, H, W), one map for each present class, in the order of `labels.nonzero()`, as
        `delivering.by_image` takes them. At the network's resolution if the protocol enlarges
        bytes.

    Raises:
        UsageError: views, labels or channels are not as many as the method says, or the method has
            an executor of its own.
    """
    scores = network_scores(net, inputs, labels, method, most_pixels=most_pixels)
    return merged(scores, size, afterwards=afterwards, most_pixels=most_pixels)


@torch.inference_mode()
def network_scores(
    net: nn.Module,
    inputs: Sequence[torch.Tensor],
    labels: torch.Tensor,
    method: ActivationMethod,
    *,
    background: bool = False,
    most_pixels: int = MOST_PIXELS,
) -> Scores:
    """The first half of `class_maps`, which takes nearly all of the time.

    Photos without any class are not shown to the network.

    Args:
        net: as for `class_maps`, like all that is not named here.
        inputs: likewise.
        labels: likewise.
        method: likewise.
        background: each photo with a class has a map of the background channel too, if there is
            one; its place among the photo's maps is that of the channel.
        most_pixels: as for `class_maps`.
    """
    reader = _reader(net, inputs, labels, method, most_pixels)
    protocol = reader.protocol
    chosen = _channels(labels.bool(), protocol, background=background)
    counts = chosen.sum(1).tolist()
    labelled = chosen.any(1)
    labels, chosen = labels[labelled], chosen[labelled]
    views: list[torch.Tensor] = []
    for x, size in _shown(inputs, protocol) if len(chosen) else ():
        rows = reader.rows(x[labelled], size, labels, chosen)
        views.extend(_met(rows, protocol) if protocol.flips else (rows,))
    if protocol.channels == "none":
        chosen = chosen[chosen][:, None]
    return Scores(tuple(views), chosen, counts, protocol)


@torch.inference_mode()
def merged(
    scores: Scores,
    size: tuple[int, int],
    *,
    afterwards: Afterwards | None = None,
    most_pixels: int = MOST_PIXELS,
) -> torch.Tensor:
    """The second half of `class_maps`: float32 (P, H, W), at any size.

    Args:
        scores: of a batch.
        size: (H, W) of the maps; of the photos, usually.
        afterwards: as for `class_maps`.
        most_pixels: likewise.
    """
    if not scores.views:
        return torch.zeros((0, *size), device=scores.chosen.device)
    pixels = size[0] * size[1] * scores.chosen.shape[1]
    rows = max(1, most_pixels * _MAP_PIXELS // pixels)
    views = zip(*(torch.split(view, rows) for view in scores.views), strict=True)
    parts = zip(views, torch.split(scores.chosen, rows), strict=True)
    maps = torch.cat([_merged(part, chosen, size, scores.protocol) for part, chosen in parts])
    if afterwards is None:
        return maps
    images = enumerate(torch.split(maps, scores.counts))
    return torch.cat([afterwards(one, place) if len(one) else one for place, one in images])


def strided_maps(
    scores: Scores,
    size: tuple[int, int],
    *,
    afterwards: Afterwards | None = None,
    most_pixels: int = MOST_PIXELS,
) -> torch.Tensor:
    """The smaller maps of IRN's files: float32 (P, ⌈H / 4⌉, ⌈W / 4⌉) for photos of (H, W).

    Args:
        scores: as for `merged`, like the rest.
        size: (H, W) of the photos.
        afterwards: as for `merged`.
        most_pixels: likewise.
    """
    small = replace(scores, protocol=replace(scores.protocol, to_multiple=1))
    return merged(small, strided_size(size), afterwards=afterwards, most_pixels=most_pixels)


@dataclass(frozen=True)
class _Reader:
    """Runs a network on one view of the photos of a batch after the other."""

    net: nn.Module
    method: ActivationMethod
    protocol: Protocol
    normalisation: Normalisation
    most_pixels: int

    def rows(
        self, x: torch.Tensor, size: tuple[int, int], labels: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        """What the network makes of a view.

        Args:
            x: uint8 (N, 3, h, w).
            size: at which the network is shown it.
            labels: (N, classes).
            chosen: bool (N, channels), which become maps.

        Returns:
            (rows, channels, h', w') as in `Scores`; with flips, twice as many rows, those of the
            mirror images last.
        """
        if self.protocol.flips:
            x, labels, chosen = torch.cat([x, x.flip(-1)]), labels.repeat(2, 1), chosen.repeat(2, 1)
        photos = max(1, self.most_pixels // (size[0] * size[1]))
        parts = (torch.split(one, photos) for one in (x, labels, chosen))
        return torch.cat([self._some_rows(size, *part) for part in zip(*parts, strict=True)])

    def _some_rows(
        self, size: tuple[int, int], x: torch.Tensor, labels: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        prepared = self.normalisation(x)
        if prepared.shape[-2:] != size:
            prepared = resized(prepared, size, align_corners=False)
        maps = self.method.read_out(self.net, prepared, labels).float()
        _check_channels(maps, chosen)
        if self.protocol.scores == "softmax":
            maps = maps.softmax(1)
        elif self.protocol.scores == "relu":
            maps = maps.relu()
        return maps[chosen][:, None] if self.protocol.channels == "none" else maps


def _shown(
    inputs: Sequence[torch.Tensor], protocol: Protocol
) -> Iterator[tuple[torch.Tensor, tuple[int, int]]]:
    """Views of the photos as bytes, and (h, w) at which the network is shown them."""
    if protocol.views == "squares":
        for side in protocol.sizes:
            yield inputs[0], (int(side), int(side))
    else:
        for x in inputs:
            yield x, (x.shape[-2], x.shape[-1])


def _channels(labels: torch.Tensor, protocol: Protocol, *, background: bool) -> torch.Tensor:
    """(N, classes) → bool (N, channels): which of the network's channels become maps."""
    if protocol.background is None:
        return labels
    behind = labels.any(1, keepdim=True) & background
    parts = (behind, labels) if protocol.background == "first" else (labels, behind)
    return torch.cat(parts, 1)


def _met(rows: torch.Tensor, protocol: Protocol) -> tuple[torch.Tensor, ...]:
    """Views and their mirror images: one set of rows, or two if they only meet in the merge."""
    straight, mirrored = rows.chunk(2)
    mirrored = mirrored.flip(-1)
    linear = protocol.merged != "maximum" and protocol.view_eps is None
    if protocol.flips_meet == "merge" and not linear:
        return straight, mirrored
    how = protocol.flips_as if protocol.flips_meet == "network" else protocol.merged
    together = straight + mirrored
    return (together / 2 if how == "mean" else together,)


def _merged(
    views: Sequence[torch.Tensor], chosen: torch.Tensor, size: tuple[int, int], protocol: Protocol
) -> torch.Tensor:
    """(rows, channels, h, w) of each view → (P, H, W)."""
    enlarged = (_enlarged(view, size, protocol) for view in views)
    if protocol.merged == "maximum":
        total = reduce(torch.maximum, enlarged).clamp(min=0)
    else:
        total = reduce(torch.add, enlarged)
    if protocol.merged == "mean":
        total = total / len(views)
    if protocol.channels == "softmax":
        total = total.softmax(1)
    total = total[chosen]
    if protocol.clipped:
        total = total.clamp(min=0)
    return _divided(total, protocol.eps) if protocol.divided else total


def _enlarged(maps: torch.Tensor, size: tuple[int, int], protocol: Protocol) -> torch.Tensor:
    """(rows, channels, h, w) of a view → (rows, channels, H, W)."""
    if protocol.enlarged != "none":
        height, width = (-(-side // protocol.to_multiple) * protocol.to_multiple for side in size)
        maps = F.interpolate(
            maps, (height, width), mode=protocol.enlarged, align_corners=protocol.align_corners
        )[..., : size[0], : size[1]]
    return maps if protocol.view_eps is None else _divided(maps, protocol.view_eps)


def _divided(maps: torch.Tensor, eps: float) -> torch.Tensor:
    """Every map by its own maximum; maps of zeros stay so."""
    return maps / (maps.amax((-2, -1), keepdim=True) + eps).clamp(min=_SMALLEST)


def _reader(
    net: nn.Module,
    inputs: Sequence[torch.Tensor],
    labels: torch.Tensor,
    method: ActivationMethod,
    most_pixels: int,
) -> _Reader:
    """What runs the network, if what is given fits the method."""
    protocol, classes = method.protocol, labels.shape[1]
    if protocol is None:
        raise UsageError(
            f"{method.name} has an executor of its own", expected="a method with a protocol"
        )
    if classes not in method.normalisation:
        known = " or ".join(map(str, method.normalisation))
        raise UsageError(
            f"how photos are normalised for {method.name} with {classes} classes is not known",
            expected=f"{known} classes",
            hint="give the method a `normalisation` for so many with `dataclasses.replace`",
        )
    views = len(protocol.sizes) if protocol.views == "scales" else 1
    photos = [len(x) for x in inputs]
    if photos != [len(labels)] * views:
        raise UsageError(
            f"views and labels do not fit the protocol of {method.name}",
            expected=f"{views} views, each of as many photos as there are rows of labels",
            found=f"{len(inputs)} views of {photos} photos, and {len(labels)} rows of labels",
            hint="make them with `wsss_assets.models.views.views`",
        )
    return _Reader(net, method, protocol, method.normalisation[classes], most_pixels)


def _check_channels(maps: torch.Tensor, chosen: torch.Tensor) -> None:
    if maps.shape[1] != chosen.shape[1]:
        raise UsageError(
            "the network is not for as many classes as the labels",
            expected=f"{chosen.shape[1]} channels, those of the labels and of the background",
            found=f"{maps.shape[1]}",
            hint="make the network for the number of classes of the benchmark",
        )
