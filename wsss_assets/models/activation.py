"""What the file of an activation method makes available: its network, and its protocol as data.

A protocol says, in the order of its fields, what a map goes through: which views of a photo the
network is shown, what is made of its output at its own resolution, how that is enlarged, how the
views are merged, how the merged map is brought to 0..1, and how it becomes bytes. One executor
(`wsss_assets.models.protocols`) runs all of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import nn

    from wsss_assets.models.architecture import Normalisation

__all__ = ["ActivationMethod", "Protocol", "photos_alone", "photos_and_labels"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the maps of an image are made from its classifier's outputs.

    Attributes:
        views: what the network is shown, in this order. `scales`: the photo times each factor of
            `sizes`, sides rounded half to even, by Pillow's bicubic filter; `shorter_side`: the
            shorter side at `sizes[0]`, Pillow bicubic; `squares`: a square of `square` pixels by
            Pillow's bilinear filter, then, as a tensor, bilinear to each of `sizes`.
        sizes: see `views`.
        square: see `views`.
        flips: every view is also shown mirrored.
        flips_meet: where a view and its mirror image come together: at the network's resolution
            (`network`), as their sum or mean (`flips_as`), or nowhere before the merge (`merge`).
        flips_as: see `flips_meet`.
        scores: what is made of the network's output before it is enlarged.
        enlarged: by which rule of torch; `none`: the map stays at the network's resolution until
            it is bytes.
        align_corners: of that rule.
        to_multiple: enlarged to the next multiple of so many pixels, and cropped; 1: straight to
            the photo's size.
        view_eps: each enlarged view is divided by (its maximum + this), per class; None: it is not.
        merged: how views become one map; `maximum` starts from zeros.
        channels: what happens across channels after the merge.
        clipped: negative values become zero after the merge.
        divided: the merged map of a class is divided by (its maximum + `eps`).
        eps: see `divided`.
        to_8_bit: `round`: 255 m to the nearest, halves to even; `truncate_then_cubic`: 255 m
            rounded down at the network's resolution, then enlarged by OpenCV's cubic.
        background: position of the background channel among the network's outputs, which is
            dropped; None: there is none.
    """

    views: Literal["scales", "shorter_side", "squares"] = "scales"
    sizes: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    square: int = 0
    flips: bool = True
    flips_meet: Literal["merge", "network"] = "merge"
    flips_as: Literal["sum", "mean"] = "sum"
    scores: Literal["none", "relu", "softmax"] = "none"
    enlarged: Literal["bilinear", "bicubic", "none"] = "bilinear"
    align_corners: bool = False
    to_multiple: int = 1
    view_eps: float | None = None
    merged: Literal["sum", "mean", "maximum"] = "sum"
    channels: Literal["none", "softmax"] = "none"
    clipped: bool = False
    divided: bool = True
    eps: float = 1e-5
    to_8_bit: Literal["round", "truncate_then_cubic"] = "round"
    background: Literal["first", "last"] | None = None


def photos_alone(net: nn.Module, x: torch.Tensor, _labels: torch.Tensor) -> torch.Tensor:
    """`read_out` of networks that are shown nothing but photos."""
    maps: torch.Tensor = net(x)
    return maps


def photos_and_labels(net: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`read_out` of networks that are also told which classes a photo has."""
    maps: torch.Tensor = net(x, labels.to(x.dtype))
    return maps


@dataclass(frozen=True, kw_only=True)
class ActivationMethod:
    """An activation method with all that belongs to it.

    Attributes:
        name: as `create_model` takes it.
        title: in words, for people.
        aliases: other names.
        citation: key of the paper in the catalogue.
        reference: whose code the numbers are held to; a sentence.
        unknown: what is not known of it, or was chosen here; sentences. None: nothing.
        unknown_weights: the same of published weights alone, by their number of classes.
        build: number of classes → the network, in any mode. `net(x)` gives class maps float32
            (N, channels, h, w) at its own resolution, as the class says; `net(x,
            side_outputs=True)` gives `(maps, sides)`, `sides["scores"]` the image's class scores
            (N, classes) among them.
        classes: for how many classes its authors published a network, e.g. (20, 80).
        normalisation: by the number of classes.
        protocol: how maps are made; None: the method has an executor of its own.
        read_out: (network, normalised float32 (N, 3, h, w), labels of the photos, bool or uint8
            (N, classes)) → what `net(x)` gives.
        version: raised whenever a change of ours may change a map.
        weights_sha256: digest of the weights that `build` loads itself, of a classifier of one's
            own; None: it loads none.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    citation: str | None
    reference: str
    unknown: str | None = None
    unknown_weights: Mapping[int, str] = field(default_factory=dict)
    build: Callable[[int], nn.Module]
    classes: tuple[int, ...] = (20,)
    normalisation: Mapping[int, Normalisation]
    protocol: Protocol | None
    read_out: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor] = photos_alone
    version: int = 1
    weights_sha256: str | None = None

    def create(self, num_classes: int) -> nn.Module:
        """The network for so many classes, in eval mode; raises as `check_classes`."""
        self.check_classes(num_classes)
        return self.build(num_classes).eval()

    def check_classes(self, num_classes: int) -> None:
        """Refuse a number of classes for which there is no network.

        Raises:
            UsageError: its authors published none for so many.
        """
        if num_classes not in self.classes:
            raise UsageError(
                f"there is no network of {self.name} for {num_classes} classes",
                expected=" or ".join(f"{one}" for one in self.classes),
                hint="20 are PASCAL VOC's, 80 COCO's",
            )

    def settings(self, num_classes: int) -> dict[str, Any]:
        """What decides a map besides weights and labels; JSON types only."""
        return {
            "model": self.name,
            "version": self.version,
            "classes": num_classes,
            "normalisation": asdict(self.normalisation[num_classes]),
            "protocol": None if self.protocol is None else asdict(self.protocol),
        }
