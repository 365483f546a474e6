"""AMN: every place of a photo is classified, among the classes that the photo is known to hold.

Lee, Kim & Shim, "Threshold Matters in WSSS: Manipulating the Activation for the Robust and
Accurate Segmentation Model Against Thresholds", CVPR 2022, arXiv:2203.16045.

Its maps need seeds, which are made from the maps of IRN's first stage beforehand: where a seed says
background, the probability stays as it is; everywhere else it is stretched to 0..1 (`balanced`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from wsss_assets.errors import SizeMismatchError
from wsss_assets.models.activation import ActivationMethod, Protocol, photos_and_labels
from wsss_assets.models.aliases import RESNET50_STAGES, folded
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.backbones.resnet50 import DEEPEST, Resnet50

if TYPE_CHECKING:
    from wsss_assets.models.checkpoints import StateDict

__all__ = ["METHODS", "Amn", "balanced", "not_amn_stretched_everywhere", "not_amn_unstretched"]

DROPPED = 0.1
"""Share of the features that the authors' code drops, at inference as well."""

EPS = 1e-5
"""Added to the range that a map is divided by."""

_DILATIONS = (6, 12, 18, 24)

_NAMES = {
    **RESNET50_STAGES,
    "newly_added.0.1.": "classifier.1.",
    "newly_added.1.": "label_enc.",
}


class Amn(nn.Module):
    """The network; unlike others it is also shown which classes an image has.

    Attribute `generator`: where chance comes from, on the device of the network, if a tenth of the
    features is to be dropped in eval mode too, as the authors' code does by mistake. Maps then
    depend on its state and on the order of images. None, as at first: nothing is dropped.

    Side outputs: `scores` (N, classes), averages of the logits without the background's; `stage4`
    (N, 2048, ⌈H / 16⌉, ⌈W / 16⌉), the features before the classes are laid over them.

    Args:
        num_classes: without the background.
    """

    def __init__(self, num_classes: int = 20) -> None:
        super().__init__()
        self.resnet50 = Resnet50(strides=(1, 2, 2, 1))
        self.label_enc = nn.Linear(num_classes, DEEPEST)
        self.classifier = nn.Sequential(nn.Dropout(DROPPED), _Pyramid(num_classes + 1))
        self.generator: torch.Generator | None = None

    def forward(
        self, x: torch.Tensor, labels: torch.Tensor, side_outputs: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Logits of every class at every place.

        Args:
            x: float32 (N, 3, H, W).
            labels: float32 (N, classes), 1 for each class of the image, else 0.
            side_outputs: also give those of the class.

        Returns:
            (N, 1 + classes, ⌈H / 16⌉, ⌈W / 16⌉), the background first.
        """
        features = self.resnet50(x)["layer4"]
        weighed = features * self.label_enc(labels)[:, :, None, None]
        if self.generator is not None and not self.training:
            weighed = _dropped(weighed, self.generator)
        logits: torch.Tensor = self.classifier(weighed)
        if not side_outputs:
            return logits
        return logits, {"scores": logits[:, 1:].mean((2, 3)), "stage4": features}

    def adapted(self, state: StateDict) -> StateDict:
        """A checkpoint by the names of ours; theirs have every tensor two or three times.

        Raises:
            WeightsError: names of one tensor hold different values.
        """
        return folded(state, _NAMES)


class _Pyramid(nn.Module):
    """The sum of four convolutions of growing reach."""

    def __init__(self, out: int) -> None:
        super().__init__()
        for index, reach in enumerate(_DILATIONS):
            conv = nn.Conv2d(DEEPEST, out, 3, padding=reach, dilation=reach)
            self.add_module(f"c{index}", conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 2048, h, w) → (N, out, h, w)."""
        first, *others = (conv(x) for conv in self.children())
        total: torch.Tensor = sum(others, start=first)
        return total


def _dropped(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    kept = torch.empty_like(x).bernoulli_(1 - DROPPED, generator=generator)
    return x * kept / (1 - DROPPED)


def balanced(maps: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """AMN's maps: stretched to 0..1, except where the seeds are sure of the background.

    Args:
        maps: float32 (n, H, W), probabilities of an image's classes among all classes, with or
            without the background.
        seeds: uint8 (H, W), 0 where the background is certain, class + 1 where a class is, 255
            elsewhere.

    Returns:
        float32 (n, H, W), in 0..1.

    Raises:
        SizeMismatchError: the seeds are of another size than the maps.
    """
    if seeds.shape != maps.shape[1:]:
        raise SizeMismatchError(
            "these seeds are not of the size of the maps",
            expected=f"{maps.shape[1]} × {maps.shape[2]}",
            found=" × ".join(str(side) for side in seeds.shape),
            hint="are they those of another image?",
        )
    return torch.where(seeds == 0, maps, not_amn_stretched_everywhere(maps))


def not_amn_stretched_everywhere(maps: torch.Tensor) -> torch.Tensor:
    """What can be made without seeds: maps stretched to 0..1 everywhere. They are not AMN's.

    Args:
        maps: as for `balanced`.

    Returns:
        float32 (n, H, W), in 0..1.
    """
    lowest = maps.amin((1, 2), keepdim=True)
    highest = maps.amax((1, 2), keepdim=True)
    return (maps - lowest) / (highest - lowest + EPS)


def not_amn_unstretched(maps: torch.Tensor) -> torch.Tensor:
    """What can be made without seeds: the probabilities as they are. They are not AMN's.

    Args:
        maps: as for `balanced`.

    Returns:
        The same tensor.
    """
    return maps


METHODS = (
    ActivationMethod(
        name="amn",
        title="AMN, ResNet-50",
        citation="amn",
        reference="The authors' PyTorch code, gaviotas/AMN, with dropout off.",
        unknown="The authors' code leaves dropout on at inference, so that no two runs of theirs "
        "agree; here it is off unless the network is given a `generator`. They write arrays, no "
        "PNG: bytes are rounded to the nearest here, and the map of the background is left out. "
        "Maps need the authors' seeds; what is made without them is not AMN's.",
        build=Amn,
        classes=(20, 80),
        normalisation={20: IMAGENET, 80: IMAGENET},
        protocol=Protocol(
            views="scales",
            sizes=(1.0, 0.5, 1.5, 2.0),
            flips=True,
            flips_meet="network",
            flips_as="mean",
            scores="none",
            enlarged="bilinear",
            merged="mean",
            channels="softmax",
            divided=False,
            background="first",
        ),
        read_out=photos_and_labels,
    ),
)
