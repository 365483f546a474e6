"""What the runner is asked to do: make maps of photos, by some network.

The runner knows batches, files and receipts, and nothing of saliency: what is made of a photo is
said by a `Work`. `SaliencyWork` is that of a saliency network; `activation_work` has those that
make several maps of a photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import UsageError
from wsss_assets.storage.pngs import encode_map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8

__all__ = ["Arrays", "Prepare", "SaliencyWork", "Values", "Work"]

Arrays: TypeAlias = tuple[NDArray[Any], ...]
Prepare: TypeAlias = "Callable[[UInt8, str], Arrays]"
Values: TypeAlias = "tuple[torch.Tensor | Sequence[torch.Tensor], ...]"

_SIZES = ((1, 1), (97, 1013), (1013, 97), (375, 500), (500, 375), (2400, 3200))
"""A network that is shown all of these at one size is shown every photo at that size."""


class Work(Protocol):
    """What is made of a photo, and how."""

    @property
    def title(self) -> str:
        """What makes the maps, in words."""

    @property
    def prepare(self) -> Prepare:
        """Photo, uint8 RGB (H, W, 3), and image id → arrays.

        Photos of a bucket give arrays of the same shapes. It is run in other processes, which have
        no torch.
        """

    @property
    def suffix(self) -> str:
        """Of the files of maps."""

    def settings(self) -> dict[str, Any]:
        """What decides a map besides the weights, `model` among it; JSON types only."""

    def said(self) -> dict[str, Any]:
        """What the record of the maps says besides: fields of `MadeMaps`."""

    def version(self, image_id: str) -> str:
        """A text that changes with whatever an image's maps are made from besides its photo.

        Raises:
            DataError: there can be no map of it, for something is missing.
        """

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:
        """What photos of one batch have in common, such as their prepared size.

        Args:
            size: (H, W) of the photo; None: not known.

        Returns:
            The bucket; None where it cannot be told without the size.
        """

    def batch_size(self, device_type: str) -> int:
        """How many photos of a bucket are best run at once there."""

    @property
    def memory(self) -> int:
        """Bytes that running a batch on the CPU takes, roughly; 0: not enough to count.

        So many batches are run at once as fit into the memory of the machine.
        """

    def create(self, weights: Sequence[Path]) -> nn.Module:
        """The network with these weights, on the CPU, in eval mode."""

    def run(self, net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Values:
        """Batches of what `prepare` gave, on the device → what `finish` takes, float32.

        Of each value there is one per image: a row of a tensor, or an item of a sequence where
        images differ in shape. Photos that cannot be read are zeros, in all arrays.
        """

    def stems(self, image_id: str) -> tuple[str, ...]:
        """Names without suffix of the maps of an image, if any; known before one is made."""

    def outdated(self, stems: Iterable[str], ids: Collection[str]) -> list[str]:
        """Those of some maps, by name, that were once made of these images, and are not now."""

    def finish(self, values: Arrays, image_id: str, size: tuple[int, int]) -> Mapping[str, bytes]:
        """The files of an image by these names.

        Args:
            values: what `run` gave of this image.
            image_id: which image.
            size: (H, W) of the photo.
        """


@dataclass(frozen=True)
class SaliencyWork:
    """One saliency map of each photo, by a network of `wsss_assets.models`.

    Attributes:
        architecture: the network.
        own_frame: leave maps at the size at which the authors' script writes them.

    Raises:
        UsageError: they write them at the size of the photo.
    """

    architecture: Architecture
    own_frame: bool = False

    def __post_init__(self) -> None:
        if self.own_frame and self.architecture.own_frame is None:
            raise UsageError(
                f"maps of {self.title} have no frame of their own",
                expected="a network whose authors' script writes maps of another size than the "
                "photo's",
                hint="leave --own-frame out",
            )

    @property
    def title(self) -> str:
        """See `Work`."""
        return self.architecture.title

    @property
    def prepare(self) -> Prepare:
        """See `Work`."""
        return _Single(self.architecture.prepare)

    @property
    def suffix(self) -> str:
        """See `Work`."""
        return ".png"

    def settings(self) -> dict[str, Any]:
        """See `Work`."""
        return {**self.architecture.settings(), "frame": "own" if self.own_frame else "photo"}

    def said(self) -> dict[str, Any]:
        """See `Work`."""
        return {"unknown": self.architecture.unknown}

    def version(self, image_id: str) -> str:  # noqa: ARG002
        """See `Work`: photos are all there is."""
        return ""

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:
        """See `Work`: the prepared size."""
        if size is not None:
            return self.architecture.prepared_size(*size)
        sizes = {self.architecture.prepared_size(*one) for one in _SIZES}
        return sizes.pop() if len(sizes) == 1 else None

    def batch_size(self, device_type: str) -> int:
        """See `Work`: on the CPU a larger batch is no faster than its photos one by one."""
        return 1 if device_type == "cpu" else self.architecture.batch

    @property
    def memory(self) -> int:
        """See `Work`."""
        return 0

    def create(self, weights: Sequence[Path]) -> nn.Module:
        """See `Work`."""
        from wsss_assets.models import load_weights

        net = self.architecture.create()
        return load_weights(net, *weights) if weights else net

    def run(self, net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Values:
        """See `Work`: float32 (N, h, w)."""
        (photos,) = inputs
        return (self.architecture.read_out(net, self.architecture.normalisation(photos)).float(),)

    def stems(self, image_id: str) -> tuple[str, ...]:
        """See `Work`."""
        return (image_id,)

    def outdated(self, stems: Iterable[str], ids: Collection[str]) -> list[str]:  # noqa: ARG002
        """See `Work`: there always is one map of each image."""
        return []

    def finish(self, values: Arrays, image_id: str, size: tuple[int, int]) -> Mapping[str, bytes]:
        """See `Work`."""
        (saliency,) = values
        pixels = self.architecture.finish(saliency, size, own_frame=self.own_frame)
        return {image_id: encode_map(pixels)}


@dataclass(frozen=True)
class _Single:
    """A preparation that gives one array, as one that gives a tuple of them."""

    prepare: Callable[[UInt8], NDArray[Any]]

    def __call__(self, photo: UInt8, _image_id: str) -> Arrays:
        return (np.ascontiguousarray(self.prepare(photo)),)
