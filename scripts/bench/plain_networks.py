"""Maps from weights as test scripts of published code make them: one photo after the other.

As in `plain`, everything is our own transcription, of what is known of those scripts, and of two
ways to write a step the less wasteful one is taken. A photo is decoded, each of its views and its
mirror image run by itself, the maps of all classes are enlarged, and PNGs written, in this order
and one at a time; torch uses all cores for each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models.classifiers import scores_of
from wsss_assets.models.crops import windows
from wsss_assets.models.mcis import SIDES, partners
from wsss_assets.models.views import views
from wsss_assets.regenerate.attribution_work import Attributed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from wsss_assets.models.activation import ActivationMethod, Protocol
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8

    Labels: TypeAlias = Mapping[str, tuple[int, ...]]
    Maps: TypeAlias = Callable[[UInt8, str, tuple[int, ...]], Mapping[int, UInt8]]
    """Photo, uint8 RGB (H, W, 3), its id and classes → uint8 (H, W) by class."""

__all__ = ["CLASSES", "write_activations", "write_saliency"]

CLASSES = 20


def write_saliency(
    architecture: Architecture, weights: Path, photos: list[Path], out: Path, device: torch.device
) -> None:
    """Decode, prepare, run, finish, encode."""
    net = _loaded(architecture.create(), weights, device)
    with torch.inference_mode():
        for path in photos:
            photo = _decoded(path)
            x = torch.from_numpy(architecture.prepare(photo)[None]).to(device)
            values = architecture.read_out(net, architecture.normalisation(x))
            pixels = architecture.finish(values[0].float().cpu().numpy(), photo.shape[:2])
            Image.fromarray(pixels).save(out / f"{path.stem}.png")


def write_activations(
    method: ActivationMethod,
    weights: Path,
    photos: list[Path],
    labels: Labels,
    out: Path,
    device: torch.device,
) -> None:
    """Decode, run view by view, merge, encode; by the rule of any method."""
    net = _loaded(method.create(CLASSES), weights, device)
    maps: Maps
    if isinstance(method, Attributed):
        maps = partial(_attributions, method, net, device)
    elif method.protocol is not None:
        maps = _ByProtocol(method, method.protocol, net, device)
    elif method.name == "mcis":
        maps = _Compared(method, net, device, {path.stem: path for path in photos}, labels)
    else:
        raise NotImplementedError(f"there is no plain loop of {method.name}")
    for path in photos:
        for index, pixels in maps(_decoded(path), path.stem, labels[path.stem]).items():
            Image.fromarray(pixels).save(out / f"{path.stem}_{index}.png")


def _loaded(net: nn.Module, weights: Path, device: torch.device) -> nn.Module:
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net.requires_grad_(False).to(device)


def _decoded(path: Path) -> UInt8:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@dataclass(frozen=True)
class _ByProtocol:
    """Maps of any method that has a protocol, its steps in the protocol's order."""

    method: ActivationMethod
    protocol: Protocol
    net: nn.Module
    device: torch.device

    @torch.inference_mode()
    def __call__(
        self, photo: UInt8, _image_id: str, classes: tuple[int, ...]
    ) -> Mapping[int, UInt8]:
        how, size = self.protocol, (photo.shape[0], photo.shape[1])
        present = torch.zeros(1, CLASSES, device=self.device)
        present[:, list(classes)] = 1
        found = [
            self._enlarged(maps, size)
            for x in self._views(photo)
            for maps in self._scores(x, present)
        ]
        total = found[0].clamp(min=0) if how.merged == "maximum" else found[0]
        for one in found[1:]:
            total = torch.maximum(total, one) if how.merged == "maximum" else total + one
        total = total / len(found) if how.merged == "mean" else total
        total = total.softmax(1) if how.channels == "softmax" else total
        total = total.clamp(min=0) if how.clipped else total
        total = _divided(total, how.eps) if how.divided else total
        maps = total[0, how.background == "first" :].cpu().numpy()
        if how.to_8_bit == "round":
            return {index: _rounded(255 * maps[index]) for index in classes}
        return {index: _enlarged_bytes(255 * maps[index], size) for index in classes}

    def _views(self, photo: UInt8) -> Iterator[torch.Tensor]:
        """Normalised (1, 3, h, w)."""
        for view in views(photo, self.protocol):
            x = _normalised(self.method, view, self.device)
            if self.protocol.views != "squares":
                yield x
                continue
            for side in self.protocol.sizes:
                yield F.interpolate(x, (int(side), int(side)), mode="bilinear", align_corners=False)

    def _scores(self, x: torch.Tensor, present: torch.Tensor) -> Iterator[torch.Tensor]:
        """(1, channels, h, w) of a view, and of its mirror image turned back.

        Scripts that add the two at the network's resolution show them to it as one batch.
        """
        how, read_out = self.protocol, self.method.read_out
        if how.flips and how.flips_meet == "network":
            pair = read_out(self.net, torch.cat([x, x.flip(-1)]), present.repeat(2, 1))
            met = pair[:1] + pair[1:].flip(-1)
            yield self._activated(met / 2 if how.flips_as == "mean" else met)
            return
        yield self._activated(read_out(self.net, x, present))
        if how.flips:
            yield self._activated(read_out(self.net, x.flip(-1), present)).flip(-1)

    def _activated(self, maps: torch.Tensor) -> torch.Tensor:
        if self.protocol.scores == "softmax":
            return maps.softmax(1)
        return maps.relu() if self.protocol.scores == "relu" else maps

    def _enlarged(self, maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        how = self.protocol
        if how.enlarged != "none":
            frame = [-(-side // how.to_multiple) * how.to_multiple for side in size]
            maps = F.interpolate(maps, frame, mode=how.enlarged, align_corners=how.align_corners)
            maps = maps[..., : size[0], : size[1]]
        return maps if how.view_eps is None else _divided(maps, how.view_eps)


@dataclass(frozen=True)
class _Compared:
    """MCIS's maps: the network is shown the photo beside every other view and partner anew."""

    method: ActivationMethod
    net: nn.Module
    device: torch.device
    photos: Mapping[str, Path]
    labels: Labels

    @torch.inference_mode()
    def __call__(
        self, photo: UInt8, image_id: str, classes: tuple[int, ...]
    ) -> Mapping[int, UInt8]:
        x, smaller, larger = (self._square(photo, side) for side in SIDES)
        straight, mirrored = self.net(x, x.flip(-1))
        common = [straight, mirrored.flip(-1)]
        for other in (smaller, larger):
            maps = self.net(x, other)[1]
            size = straight.shape[-2:]
            common.append(F.interpolate(maps, size, mode="bicubic", align_corners=False))
        found = {}
        for index in classes:
            beside = [self.net(x, one)[0] for one in self._partners(image_id, index)]
            five = [*common, sum(beside, torch.zeros_like(straight)) / len(beside)]
            levels = self._level([one[0, index] for one in five])
            found[index] = _enlarged_bytes(levels.cpu().numpy(), photo.shape[:2])
        return found

    def _square(self, photo: UInt8, side: int) -> torch.Tensor:
        image = Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR)
        return _normalised(self.method, np.asarray(image).transpose(2, 0, 1), self.device)

    def _partners(self, image_id: str, index: int) -> Iterator[torch.Tensor]:
        with_class = [one for one, classes in self.labels.items() if index in classes]
        for one in partners({index: with_class}, index, 0, image_id):
            yield self._square(_decoded(self.photos[one]), SIDES[0])

    @staticmethod
    def _level(five: list[torch.Tensor]) -> torch.Tensor:
        """(h, w) in 0..255: all but the first only where they say that the class is there."""
        counted = [five[0], *(one for one in five[1:] if torch.sigmoid(one.mean()) > 0.1)]
        parts = [one.relu() / (one.relu().max() + 1e-8) * 255 for one in counted]
        return sum(parts, torch.zeros_like(five[0])) / len(five)


def _attributions(
    method: Attributed,
    net: nn.Module,
    device: torch.device,
    photo: UInt8,
    image_id: str,
    classes: tuple[int, ...],
) -> Mapping[int, UInt8]:
    """Mean gradients over crops, which are run one by one; no authors' script is known."""
    settings = method.attribution
    if settings.method != "gradient":
        raise NotImplementedError("there is a plain loop of gradients alone")
    total = np.zeros((len(classes), *photo.shape[:2]))
    covered = np.zeros((photo.shape[0], photo.shape[1]))
    for top, left, height, width in windows(*covered.shape, image_id, settings.crops):
        part = np.s_[top : top + height, left : left + width]
        image = Image.fromarray(photo[part])
        if settings.size is not None:
            image = image.resize((settings.size, settings.size), Image.Resampling.BICUBIC)
        x = _normalised(method, np.asarray(image).transpose(2, 0, 1), device).requires_grad_()
        scores = scores_of(net)(x)[0]
        for at, index in enumerate(classes):
            (gradient,) = torch.autograd.grad(scores[index], x, retain_graph=index != classes[-1])
            maps = gradient.abs().amax(1, keepdim=True)
            maps = F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
            total[at][part] += maps[0, 0].cpu().numpy()
        covered[part] += 1
    means = total / covered
    return {
        index: _rounded(255 * one / one.max()) for index, one in zip(classes, means, strict=True)
    }


def _normalised(method: ActivationMethod, view: UInt8, device: torch.device) -> torch.Tensor:
    """uint8 (3, h, w) → float32 (1, 3, h, w)."""
    x = torch.from_numpy(np.ascontiguousarray(view))[None]
    return method.normalisation[CLASSES](x).to(device)


def _divided(maps: torch.Tensor, eps: float) -> torch.Tensor:
    return maps / (maps.amax((-2, -1), keepdim=True) + eps)


def _rounded(levels: NDArray[np.floating[Any]]) -> UInt8:
    whole: UInt8 = np.rint(levels).clip(0, 255).astype(np.uint8)
    return whole


def _enlarged_bytes(levels: NDArray[np.floating[Any]], size: tuple[int, ...]) -> UInt8:
    """Rounded down, then enlarged as OpenCV's cubic does it."""
    whole = torch.from_numpy(np.floor(levels).clip(0, 255)).double()[None, None]
    cubic = F.interpolate(whole, size[:2], mode="bicubic", align_corners=False)
    return _rounded(cubic[0, 0].numpy())
