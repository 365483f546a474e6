"""Which classes a photo shows, by the word of the network that makes its maps.

Scores are made by the runner like maps, and kept: `<out>.scores` beside the folder of the maps.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.models.views import view_sizes, views

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.models.activation import ActivationMethod, Protocol
    from wsss_assets.regenerate.work import Arrays, Prepare, Values
    from wsss_assets.storage.images import UInt8

__all__ = ["ScoresWork", "predicted_labels"]

_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class ScoresWork:
    """The class scores of photos, `<image id>.npy`, float32 (classes,); a `Work`.

    The network is shown each photo once: at its own size, or at the one size of the protocol.

    Attributes:
        method: whose network it is.
        num_classes: how many classes it knows.
    """

    method: ActivationMethod
    num_classes: int

    @property
    def title(self) -> str:
        """See `Work`."""
        return f"class scores of {self.method.title}"

    @property
    def _protocol(self) -> Protocol:
        """The method's, with a single view."""
        protocol = self.method.protocol
        if protocol is None:
            raise TypeError(f"{self.method.name} cannot say which classes a photo shows")
        sizes = {"scales": 1.0, "shorter_side": protocol.sizes[0], "squares": protocol.square}
        return replace(protocol, sizes=(sizes[protocol.views],))

    @property
    def prepare(self) -> Prepare:
        """See `Work`."""
        return _View(partial(views, protocol=self._protocol))

    @property
    def suffix(self) -> str:
        """See `Work`."""
        return ".npy"

    def settings(self) -> dict[str, Any]:
        """See `Work`."""
        return {**self.method.settings(self.num_classes), "output": "scores"}

    def said(self) -> dict[str, Any]:
        """See `Work`."""
        return {"kind": "activation", "unknown": self.method.unknown}

    def version(self, image_id: str) -> str:  # noqa: ARG002
        """See `Work`: photos are all there is."""
        return ""

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:
        """See `Work`: the size of the view."""
        return None if size is None else view_sizes(*size, self._protocol)

    def batch_size(self, device_type: str) -> int:
        """See `Work`."""
        return 1 if device_type == "cpu" else _BATCH

    @property
    def memory(self) -> int:
        """See `Work`."""
        return 0

    def create(self, weights: Sequence[Path]) -> nn.Module:
        """See `Work`."""
        from wsss_assets.models import load_weights

        net = self.method.create(self.num_classes)
        return load_weights(net, *weights) if weights else net

    def run(self, net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Values:
        """See `Work`: float32 (N, classes)."""
        (photos,) = inputs
        _, sides = net(self.method.normalisation[self.num_classes](photos), side_outputs=True)
        return (sides["scores"].float(),)

    def stems(self, image_id: str) -> tuple[str, ...]:
        """See `Work`."""
        return (image_id,)

    def outdated(self, stems: Iterable[str], ids: Collection[str]) -> list[str]:  # noqa: ARG002
        """See `Work`: there always are scores of each image."""
        return []

    def finish(self, values: Arrays, image_id: str, size: tuple[int, int]) -> Mapping[str, bytes]:  # noqa: ARG002
        """See `Work`."""
        (scores,) = values
        file = io.BytesIO()
        np.save(file, scores, allow_pickle=False)
        return {image_id: file.getvalue()}


@dataclass(frozen=True)
class _View:
    """A photo's only view."""

    views: Callable[[UInt8], tuple[UInt8, ...]]

    def __call__(self, photo: UInt8, _image_id: str) -> Arrays:
        return self.views(photo)


def predicted_labels(
    folder: Path, ids: Sequence[str], without: Collection[str], threshold: float, name: str
) -> ImageLabels:
    """The classes whose score is above a threshold.

    An image none of whose scores is has no classes; the best one is not taken in its place.

    Args:
        folder: of scores.
        ids: images.
        without: those of them that have no scores.
        threshold: of the sigmoid of a score.
        name: of the network.
    """
    entries = {}
    for image_id in ids:
        if image_id not in without:
            scores = np.load(folder / f"{image_id}.npy", allow_pickle=False).astype(np.float64)
            above = np.flatnonzero(1 / (1 + np.exp(-scores)) > threshold)
            entries[image_id] = tuple(int(index) for index in above)
    return ImageLabels(entries, f"classes that {name} scores above {threshold:g}")
