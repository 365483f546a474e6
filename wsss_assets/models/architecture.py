"""What a network's file makes available: the network, what it is shown, what its output becomes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from wsss_assets.storage.images import UInt8

__all__ = ["IMAGENET", "Architecture", "Finish", "Normalisation"]


@dataclass(frozen=True)
class Normalisation:
    """`(x / scale - mean) / std` for each channel, in float32, on whatever device x is.

    Attributes:
        mean: by channel, in the order of the channels.
        std: likewise.
        scale: what values are divided by first: 255 for bytes that become 0..1.
        channels: the order that the network is shown.

    Raises:
        UsageError: mean or std hold what is no finite number, or std a zero.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: float = 255.0
    channels: Literal["RGB", "BGR"] = "RGB"

    def __post_init__(self) -> None:
        finite = all(math.isfinite(value) for value in (*self.mean, *self.std))
        if not (finite and all(self.std)):
            raise UsageError(
                "photos cannot be normalised by this mean and standard deviation",
                expected="finite numbers, and no zero in the standard deviation",
                found=f"mean {self.mean}, std {self.std}",
            )

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Float32 (N, 3, H, W), from RGB of any dtype and the same shape."""
        x = batch.float()
        if self.channels == "BGR":
            x = x.flip(1)
        if self.scale != 1:
            x = x / self.scale
        x = x - _for_channels(x, self.mean)
        return x if self.std == (1, 1, 1) else x / _for_channels(x, self.std)


def _for_channels(x: torch.Tensor, values: tuple[float, ...]) -> torch.Tensor:
    """(1, channels, 1, 1), of the dtype of x."""
    import torch

    # A tensor of a list would be copied to a GPU, and that waits for all that it is doing.
    return torch.cat([x.new_full((1, 1, 1, 1), value) for value in values], 1)


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""torchvision's, of most networks."""


class Finish(Protocol):
    """Turns what left the device into a map."""

    def __call__(
        self, values: NDArray[np.float32], size: tuple[int, int], *, own_frame: bool = False
    ) -> UInt8:
        """The map as uint8.

        Args:
            values: float32 (h, w), one image of what `read_out` gave.
            size: (H, W) of the photo.
            own_frame: leave the map at the size at which the authors' script writes it; not asked
                of networks without such (`Architecture.own_frame`).

        Returns:
            uint8 (H, W), or of the authors' size.

        Raises:
            DataError: a value is no finite number.
        """


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A saliency network with all that belongs to it.

    What is prepared in a process of its own (`prepare`, and it alone) must be a function, or a
    partial of one, of a module that imports no torch.

    Attributes:
        name: as `create_model` takes it.
        title: in words, for people.
        aliases: other names.
        citation: key of the paper in the catalogue; None: not known.
        reference: whose code the numbers are held to; a sentence.
        unknown: what is not known of it, or was chosen here; sentences. None: nothing.
        build: makes the network, in any mode.
        prepare: photo, uint8 RGB (H, W, 3) → uint8 or float32 (3, h, w), not yet normalised; the
            size depends on that of the photo alone.
        prepared_size: (H, W) of a photo → (h, w) of what `prepare` makes of it.
        normalisation: applied to batches of prepared photos, on the device.
        read_out: (network, normalised float32 (N, 3, h, w)) → probabilities float32 (N, h', w'),
            under autocast as well.
        finish: what leaves the device → the map.
        own_frame: at which size the authors' script writes its maps, in words; None: at that of
            the photo.
        steps: how preparing, reading out and finishing are done, in words and figures, rules of
            resizing and rounding included: part of the fingerprint of every map. All networks have
            `resize`, `read_out`, `to_8_bit` and `resize_back`.
        batch: how many fit a GPU of 16 GiB comfortably; 1 where sizes differ.
        version: raised whenever a change of ours may change a map.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    citation: str | None
    reference: str
    unknown: str | None = None
    build: Callable[[], nn.Module]
    prepare: Callable[[UInt8], NDArray[Any]]
    prepared_size: Callable[[int, int], tuple[int, int]]
    normalisation: Normalisation
    read_out: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    finish: Finish
    own_frame: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    batch: int = 16
    version: int = 1

    def create(self) -> nn.Module:
        """The network, in eval mode."""
        return self.build().eval()

    def settings(self) -> dict[str, Any]:
        """What decides a map besides the weights; JSON types only."""
        return {
            "model": self.name,
            "version": self.version,
            "normalisation": asdict(self.normalisation),
            **self.steps,
        }
