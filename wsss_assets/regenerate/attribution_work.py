"""Attribution maps of photos by the runner: of a classifier of this package, or of one's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import UsageError
from wsss_assets.models import find_model
from wsss_assets.models.activation import ActivationMethod, photos_alone
from wsss_assets.models.crops import Window, prepared
from wsss_assets.regenerate.activation_work import ActivationWork

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.devkit.image_labels import Classes
    from wsss_assets.models.attribution_settings import AttributionSettings
    from wsss_assets.models.delivering import FloatMaps
    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.work import Arrays, Prepare
    from wsss_assets.storage.images import UInt8

__all__ = ["ATTRIBUTION", "Attributed", "AttributionWork", "attributed"]

ATTRIBUTION = "attribution"
"""The model that records name; which classifier it is of is among their settings."""

_UNKNOWN = (
    "Which attributions these are, how they become one channel, and everything about crops is "
    "this project's own definition, not that of arXiv:2308.11052."
)


@dataclass(frozen=True, kw_only=True)
class Attributed(ActivationMethod):
    """A classifier whose attributions are made, in place of its class activation maps.

    Its name is the classifier's. `normalisation` is what the classifier is shown, and not that of
    `attribution`.

    Attributes:
        attribution: how.
    """

    attribution: AttributionSettings

    def check(self, precision: Precision, *, compiled: bool) -> None:
        """Refuse what gradients are not made with.

        Raises:
            UsageError: another precision than fp32, or a compiled network.
        """
        if precision != "fp32" or compiled:
            raise UsageError(
                "attribution maps are made in fp32, by the network as it is",
                found="compiling" if compiled else f"the precision {precision}",
                hint="leave that out",
            )


def attributed(
    classifier: str,
    attribution: AttributionSettings,
    num_classes: int = 20,
    *,
    trained: bool = True,
) -> Attributed:
    """What `regenerate` takes for a model, to make attribution maps of a classifier.

    Args:
        classifier: name of an activation method whose network is shown photos alone, or
            `module:factory`, as in `wsss_assets.models.classifiers.load_classifier`.
        attribution: how.
        num_classes: that a classifier of one's own gives scores of.
        trained: whether that has loaded its weights itself; otherwise they are to be given.

    Raises:
        UnknownNameError: there is no such method.
        UsageError: its network is shown more than photos, or it is no classifier.
    """
    if ":" in classifier:
        return _own(classifier, attribution, num_classes, trained=trained)
    method = find_model(classifier)
    if (
        not isinstance(method, ActivationMethod)
        or method.protocol is None
        or method.read_out is not photos_alone
    ):
        raise UsageError(
            f"{classifier} is no classifier of photos alone",
            expected="one such as cam, eps or irn_cam, or one's own as module:factory",
        )
    known = {field.name: getattr(method, field.name) for field in fields(ActivationMethod)}
    return Attributed(
        **{
            **known,
            "title": f"{attribution.method} attributions of {method.title}",
            # What is not known of the method is of its maps, and these are not made.
            "unknown": _UNKNOWN,
        },
        attribution=attribution,
    )


@dataclass(frozen=True, kw_only=True)
class AttributionWork(ActivationWork):
    """The attribution maps of an image's classes."""

    method: Attributed

    @property
    def attribution(self) -> AttributionSettings:
        """How, with what the classifier is shown."""
        normalisation = self.method.normalisation[self.num_classes]
        return replace(self.method.attribution, normalisation=normalisation)

    @property
    def prepare(self) -> Prepare:
        """See `Work`: what `crops.prepared` gives, and the classes."""
        return self.shown(_nothing, _Windows(self.attribution.crops, self.attribution.size))

    def settings(self) -> dict[str, Any]:
        """See `Work`."""
        return {
            "model": ATTRIBUTION,
            "classifier": {
                "name": self.method.name,
                "version": self.method.version,
                "classes": self.num_classes,
                "weights_sha256": self.method.weights_sha256,
            },
            **self.attribution.settings(),
            **self.delivered(),
        }

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:
        """See `Work`: the size of the photo, for that is the size of its maps."""
        return size

    def batch_size(self, _device_type: str) -> int:
        """See `Work`: what is run together is the crops, copies or steps of one photo."""
        return 1

    @property
    def memory(self) -> int:
        """See `Work`: gradients of ResNet-38 on as many pixels as it is shown at a time."""
        return 4 << 30

    def create(self, weights: Sequence[Path]) -> nn.Module:
        """See `Work`; threads may share it, for it needs no more changing."""
        return super().create(weights).requires_grad_(False)

    def maps(
        self,
        net: nn.Module,
        arrays: Sequence[torch.Tensor],
        labels: torch.Tensor,
        size: tuple[int, int],
    ) -> tuple[torch.Tensor, ...]:
        """See `ActivationWork`; photo by photo, and so the same in any batch."""
        import torch

        from wsss_assets.models.attribution_maps import merged

        shown, drawn, seeds = arrays
        found = []
        for photo, rows, (seed,), present in zip(
            shown, drawn.tolist(), seeds.tolist(), labels, strict=True
        ):
            classes = present.nonzero()[:, 0].tolist()
            windows = [Window(*row) for row in rows]
            if windows[0] == (0, 0, *size):
                found.append(merged(net, photo, windows, classes, seed, self.attribution))
            else:  # it cannot be read
                found.append(torch.zeros((len(classes), *size), device=photo.device))
        return (torch.cat(found),)

    def to_bytes(self, maps: FloatMaps, size: tuple[int, int]) -> dict[int, UInt8]:  # noqa: ARG002
        """See `ActivationWork`."""
        from wsss_assets.models.attribution_maps import finished

        return finished(maps, self.attribution)

    def to_scores(self, maps: FloatMaps, as_bytes: Mapping[int, UInt8]) -> FloatMaps:  # noqa: ARG002
        """See `ActivationWork`."""
        from wsss_assets.models.attribution_maps import divided

        return divided(maps, self.attribution)


@dataclass(frozen=True)
class _Windows:
    """What is known of an image before a network is run."""

    crops: int
    size: int | None

    def __call__(self, photo: UInt8, image_id: str, _classes: Classes) -> Arrays:
        return prepared(photo, image_id, self.crops, self.size)


def _nothing(_photo: UInt8) -> Arrays:
    """Views of a photo are its windows, which need the image's id."""
    return ()


def _own(
    text: str, attribution: AttributionSettings, num_classes: int, *, trained: bool
) -> Attributed:
    """A classifier of one's own; made once, so that its weights are those of the digest."""
    from wsss_assets.models.classifiers import load_classifier

    net = load_classifier(text)
    return Attributed(
        name=text,
        title=f"{attribution.method} attributions of the classifier {text}",
        citation=None,
        reference="None: it is a classifier of one's own.",
        unknown=_UNKNOWN,
        build=lambda _num_classes: net,
        classes=(num_classes,),
        normalisation={num_classes: attribution.normalisation},
        protocol=None,
        weights_sha256=_digest(net) if trained else None,
        attribution=attribution,
    )


def _digest(net: nn.Module) -> str:
    """A digest of all numbers of a network, by their names."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
