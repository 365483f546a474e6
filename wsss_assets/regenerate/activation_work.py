"""Activation maps of photos: one map for each class that an image is known to show.

What is the same for all methods is `ActivationWork`; methods that need more than a photo and its
classes are subclasses, in `amn_work`, `mcis_work` and `attribution_work`. No torch until a network
is made: processes that prepare photos need none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from wsss_assets.devkit.image_labels import format_label_list
from wsss_assets.errors import DataError
from wsss_assets.models.delivering import irn_dictionary, to_bytes
from wsss_assets.models.views import view_sizes, views
from wsss_assets.storage.activation_dicts import encode_activation_dict, encode_irn_dict
from wsss_assets.storage.pngs import encode_map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.devkit.image_labels import Classes, ImageLabels
    from wsss_assets.models.activation import ActivationMethod, Protocol
    from wsss_assets.models.delivering import FloatMaps
    from wsss_assets.models.protocols import Afterwards
    from wsss_assets.regenerate.work import Arrays, Prepare, Values
    from wsss_assets.storage.images import UInt8

__all__ = ["ActivationWork", "Dictionaries", "Shown", "nothing_more"]

Dictionaries: TypeAlias = Literal["classes", "irn"]
"""What a `.npy` file holds: `{class: map}`, or what IRN's and AMN's code writes."""

_OUTPUTS = {None: "png", "classes": "npy", "irn": "npy of IRN"}
"""What is written, as settings name it."""

_BATCH = 16
"""On GPUs; the executor of protocols divides what would be too much at once."""


def nothing_more(photo: UInt8, image_id: str, classes: Classes) -> Arrays:  # noqa: ARG001
    """What most methods show their network besides views and classes."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A photo's views, whatever else belongs to it, its classes as zeros and ones, its (H, W).

    Attributes:
        views: photo → what the network is shown of it.
        more: (photo, image id, classes) → what belongs to it besides.
        labels: classes by image id.
        num_classes: how many there are.
    """

    views: Callable[[UInt8], Arrays]
    more: Callable[[UInt8, str, Classes], Arrays] = nothing_more
    labels: Mapping[str, Classes]
    num_classes: int

    def __call__(self, photo: UInt8, image_id: str) -> Arrays:
        """A `Prepare`."""
        classes = self.labels[image_id]
        present = np.zeros(self.num_classes, np.uint8)
        present[list(classes)] = 1
        more = self.more(photo, image_id, classes)
        return (*self.views(photo), *more, present, np.array(photo.shape[:2], np.int64))


@dataclass(frozen=True, kw_only=True)
class ActivationWork:
    """The maps of an image's classes, by a method that runs by its `Protocol`; a `Work`.

    Attributes:
        method: the method.
        num_classes: how many classes the network knows.
        labels: which classes images show; 0-based, ascending.
        labelled_by: how that came about, if it decides the maps: JSON types.
        unlabelled: why the classes of an image are not known, by image id.
        dictionaries: write such `<image id>.npy` instead of `<image id>_<class>.png`; None: not.
    """

    method: ActivationMethod
    num_classes: int
    labels: ImageLabels
    labelled_by: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    dictionaries: Dictionaries | None = None

    @property
    def title(self) -> str:
        """See `Work`."""
        return self.method.title

    @property
    def protocol(self) -> Protocol:
        """That of the method, which must have one."""
        if self.method.protocol is None:
            raise TypeError(f"{self.method.name} needs a class of its own")
        return self.method.protocol

    @property
    def prepare(self) -> Prepare:
        """See `Work`."""
        return self.shown(partial(views, protocol=self.protocol))

    def shown(
        self,
        one: Callable[[UInt8], Arrays],
        more: Callable[[UInt8, str, Classes], Arrays] = nothing_more,
    ) -> Shown:
        """What is shown of photos: views of each, and more."""
        labels = self.labels.entries
        return Shown(views=one, more=more, labels=labels, num_classes=self.num_classes)

    @property
    def suffix(self) -> str:
        """See `Work`."""
        return ".npy" if self.dictionaries else ".png"

    def settings(self) -> dict[str, Any]:
        """See `Work`; which labels those are is for each image's `version` to say."""
        return {**self.method.settings(self.num_classes), **self.delivered()}

    def delivered(self) -> dict[str, Any]:
        """The part of the settings that no method decides: whose labels, and which files."""
        return {**self.labelled_by, "output": _OUTPUTS[self.dictionaries]}

    def said(self) -> dict[str, Any]:
        """See `Work`."""
        text = format_label_list(self.labels)
        sha256 = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        used = {"source": self.labels.source, "sha256": sha256, "images": len(self.labels)}
        return {"kind": "activation", "unknown": self.method.unknown, "labels": used}

    def version(self, image_id: str) -> str:
        """See `Work`: its classes."""
        if image_id not in self.labels:
            reason = self.unlabelled.get(image_id)
            raise DataError(
                f"which classes {image_id} shows is not known",
                found=reason or f"no line of it in the {self.labels.source}",
                hint=None if reason else "add it to the labels; without classes, the id alone",
            )
        return f"\nclasses {' '.join(map(str, self.labels[image_id]))}"

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:
        """See `Work`: the photo's size, or that of its views where no more is needed there."""
        if size is None:
            return None
        return view_sizes(*size, self.protocol) if self.protocol.enlarged == "none" else size

    def batch_size(self, device_type: str) -> int:
        """See `Work`: on the CPU a larger batch is no faster than its photos one by one."""
        return 1 if device_type == "cpu" else _BATCH

    def most_pixels(self, device_type: str) -> int:
        """Shown to a network at a time: on the CPU one view, or one mirror image, which is faster.

        Args:
            device_type: where it runs.
        """
        from wsss_assets.models.protocols import MOST_PIXELS

        return 1 if device_type == "cpu" else MOST_PIXELS

    @property
    def memory(self) -> int:
        """See `Work`: ResNet-38 on 640 × 640 at twice that size."""
        return 3 << 30

    def create(self, weights: Sequence[Path]) -> nn.Module:
        """See `Work`."""
        from wsss_assets.models import load_weights

        net = self.method.create(self.num_classes)
        return load_weights(net, *weights) if weights else net

    def run(self, net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Values:
        """See `Work`: float32 (n, h, w) of each image, n being how many classes it shows.

        For IRN's files with its background, if there is one, and then the smaller maps.
        """
        import torch

        *arrays, labels, sizes = inputs
        labels = labels.bool()
        labels[~labels.any(1), 0] = 1  # what cannot be read keeps its place before the network
        height, width = sizes.amax(0).tolist()
        size = height, width
        found = self.maps(net, arrays, labels, size)
        counts = (labels.sum(1) + int(self.with_background)).tolist()
        return tuple(torch.split(one, counts) for one in found)

    @property
    def with_background(self) -> bool:
        """Whether an image's maps begin with that of the background."""
        return self.dictionaries == "irn" and self.protocol.background == "first"

    def maps(
        self,
        net: nn.Module,
        arrays: Sequence[torch.Tensor],
        labels: torch.Tensor,
        size: tuple[int, int],
    ) -> tuple[torch.Tensor, ...]:
        """Maps of a batch, float32 (P, h, w), in the order of `labels.nonzero()`.

        For IRN's files the smaller ones follow.

        Args:
            net: the network.
            arrays: batches of what is shown.
            labels: bool (N, classes).
            size: (H, W) of the photos, if they share it.
        """
        return self.by_protocol(net, arrays, labels, size)

    def by_protocol(
        self,
        net: nn.Module,
        arrays: Sequence[torch.Tensor],
        labels: torch.Tensor,
        size: tuple[int, int],
        *afterwards: Afterwards,
    ) -> tuple[torch.Tensor, ...]:
        """As `maps`, by the method's protocol; `afterwards` is for either size."""
        from wsss_assets.models.protocols import merged, network_scores, strided_maps

        last, last_strided = afterwards or (None, None)
        scores = network_scores(
            net,
            arrays,
            labels,
            self.method,
            background=self.with_background,
            most_pixels=self.most_pixels(labels.device.type),
        )
        maps = merged(scores, size, afterwards=last)
        if self.dictionaries != "irn":
            return (maps,)
        return maps, strided_maps(scores, size, afterwards=last_strided)

    def stems(self, image_id: str) -> tuple[str, ...]:
        """See `Work`; of an image whose classes are not known, its id."""
        classes = self.labels.entries.get(image_id)
        if classes is None or (self.dictionaries and classes):
            return (image_id,)
        return tuple(f"{image_id}_{index}" for index in classes)

    def outdated(self, stems: Iterable[str], ids: Collection[str]) -> list[str]:
        """See `Work`: maps of classes that an image is not said to show any more."""
        found = ((one, one if self.dictionaries else one.rpartition("_")[0]) for one in stems)
        known = ((one, image_id) for one, image_id in found if image_id in self.labels)
        return [one for one, of in known if of in ids and one not in self.stems(of)]

    def finish(self, values: Arrays, image_id: str, size: tuple[int, int]) -> Mapping[str, bytes]:
        """See `Work`."""
        if self.dictionaries == "irn":
            return {image_id: self._irn_file(values, image_id, size)}
        (maps,) = values
        by_class = dict(zip(self.labels[image_id], maps, strict=True))
        as_bytes = self.to_bytes(by_class, size)
        if self.dictionaries:
            return {image_id: encode_activation_dict(self.to_scores(by_class, as_bytes))}
        return {f"{image_id}_{index}": encode_map(one) for index, one in as_bytes.items()}

    def _irn_file(self, values: Arrays, image_id: str, size: tuple[int, int]) -> bytes:
        """Keys are classes or, where there is a background, channels."""
        keys = list(self.labels[image_id])
        if self.with_background:
            keys = [0, *(index + 1 for index in keys)]
        high_res, strided = (dict(zip(keys, maps, strict=True)) for maps in values)
        self.to_bytes(high_res, size)  # refuses what is no number
        return encode_irn_dict(irn_dictionary(high_res, strided))

    def to_bytes(self, maps: FloatMaps, size: tuple[int, int]) -> dict[int, UInt8]:
        """Maps by class as bytes, of the photo's size.

        Raises:
            DataError: a map holds values that are no numbers.
        """
        return to_bytes(maps, size, self.protocol)

    def to_scores(self, maps: FloatMaps, as_bytes: Mapping[int, UInt8]) -> FloatMaps:
        """Maps by class in 0..1, of the photo's size: of bytes where authors enlarge bytes."""
        if self.protocol.to_8_bit == "round":
            return {index: np.clip(one, 0, 1) for index, one in maps.items()}
        return {index: one / np.float32(255) for index, one in as_bytes.items()}
