"""Options of `regenerate` for attribution maps, which are made of some classifier."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wsss_assets.models.attribution_settings import AttributionSettings
    from wsss_assets.regenerate.attribution_work import Attributed
    from wsss_assets.regenerate.recorded import RecordedAttribution

__all__ = ["OPTION_OF", "AskedAttribution", "attribution_options"]

_NEEDED = ("method", "classifier")
_SETTINGS = {
    "copies": "copies",
    "noise": "noise",
    "steps": "steps",
    "layer": "layer",
    "crops": "crops",
    "crop_size": "size",
    "normalise_crops": "normalised",
    "weight_crops": "weighted",
    "merge": "merged",
    "smoothing": "smoothing",
    "clip": "clipped",
}
"""Options and the settings that they are of."""


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


OPTION_OF = {setting: _option(name) for name, setting in _SETTINGS.items()}
"""The option of a setting."""

_OF_METHOD = {
    "copies": "smoothgrad",
    "noise": "smoothgrad",
    "steps": "integrated_gradients",
    "layer": "grad_cam",
}
_OF_CROPS = ("normalise_crops", "weight_crops", "merge")


@dataclass(frozen=True)
class AskedAttribution:
    """What was asked of attribution maps.

    Attributes:
        given: values by the names of options; of what was not asked there is none.
    """

    given: Mapping[str, Any]

    @property
    def classifier(self) -> str | None:
        """The classifier that was named; None: none was."""
        return self.given.get("classifier")

    def model(self, name: str, num_classes: int, *, trained: bool) -> str | Attributed:
        """The model of a name as `regenerate` takes it.

        Args:
            name: of the model.
            num_classes: how many classes there are.
            trained: whether a classifier of one's own has loaded its weights itself.

        Raises:
            UsageError: something was asked and it is another model, or what was asked contradicts
                itself.
        """
        from wsss_assets.regenerate.attribution_work import ATTRIBUTION

        if name == ATTRIBUTION:
            return self.attributed(num_classes, trained=trained)
        self.refuse()
        return name

    def attributed(
        self, num_classes: int, *, trained: bool, recorded: RecordedAttribution | None = None
    ) -> Attributed:
        """What is to be made; this runs the code of a classifier of one's own.

        Args:
            num_classes: how many classes there are.
            trained: whether a classifier of one's own has loaded its weights itself.
            recorded: of what, and how, where nothing else is asked; the classifier that was asked
                is among it. None: nothing is.

        Raises:
            UsageError: what was asked contradicts itself, or is not enough.
        """
        from wsss_assets.regenerate.attribution_work import attributed

        settings = self._settings(None if recorded is None else recorded.settings)
        classifier = self.given["classifier"] if recorded is None else recorded.classifier
        return attributed(classifier, settings, num_classes, trained=trained)

    def refuse(self) -> None:
        """Refuse all of it, where other maps are made.

        Raises:
            UsageError: something was asked.
        """
        from wsss_assets.errors import UsageError

        if self.given:
            names = ", ".join(map(_option, self.given))
            verb = "go" if len(self.given) > 1 else "goes"
            raise UsageError(
                f"{names} {verb} with --model attribution",
                hint="leave that out, or name the model",
            )

    def _settings(self, recorded: AttributionSettings | None) -> AttributionSettings:
        """The settings of options that go together."""
        from wsss_assets.errors import UsageError
        from wsss_assets.models.attribution_settings import AttributionSettings

        given = self.given
        for name in _NEEDED if recorded is None else ():
            if name not in given:
                raise UsageError(
                    f"--model attribution needs --{name}",
                    hint="such as --method integrated_gradients --classifier cam",
                )
        found = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
        self._refuse_crops_of_no_size(recorded)
        if recorded is None:
            settings = AttributionSettings(method=given["method"], **found)
        else:
            settings = replace(recorded, method=given.get("method", recorded.method), **found)
        for name, method in _OF_METHOD.items():
            if name in given and settings.method != method:
                raise UsageError(
                    f"{_option(name)} is an option of --method {method}",
                    found=f"the method {settings.method}",
                    hint="leave it out",
                )
        alone = [_option(name) for name in _OF_CROPS if name in given]
        if alone and settings.crops < 2:
            raise UsageError(
                f"{', '.join(alone)}: there are no crops to merge",
                hint="add --crops K, 2 or more",
            )
        return settings

    def _refuse_crops_of_no_size(self, recorded: AttributionSettings | None) -> None:
        from wsss_assets.errors import UsageError

        crops = self.given.get("crops", 0 if recorded is None else recorded.crops)
        size = self.given.get("crop_size", None if recorded is None else recorded.size)
        if crops > 1 and size is None:
            raise UsageError(
                f"at which size the classifier is shown {crops} crops is not said",
                expected="the size at which it was trained",
                hint="add --crop-size N, such as 448 for the ResNet-38 networks",
            )


def attribution_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say how attribution maps are made; the command gets an `AskedAttribution`.

    It is called `attribution`.
    """

    @functools.wraps(command)
    def run(**others: Any) -> object:  # noqa: ANN401 (handed on as they are)
        asked = {name: others.pop(name) for name in (*_NEEDED, *_SETTINGS)}
        given = {name: value for name, value in asked.items() if value is not None}
        return command(attribution=AskedAttribution(given), **others)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS = (
    click.option(
        "--method",
        metavar="NAME",
        help="attribution: gradient, input_x_gradient, smoothgrad, integrated_gradients or "
        "grad_cam; definitions are this project's own, see docs/attribution.md.",
    ),
    click.option(
        "--classifier",
        metavar="NAME|MODULE:FACTORY",
        help="attribution: of which classifier, e.g. cam, or a function of yours that makes one, "
        "which is run; a record alone runs none.",
    ),
    click.option(
        "--copies", type=int, metavar="N", help="smoothgrad: copies with noise.  [default: 16]"
    ),
    click.option(
        "--noise",
        type=float,
        metavar="X",
        help="smoothgrad: its standard deviation, in ranges of the photo.  [default: 0.15]",
    ),
    click.option(
        "--steps", type=int, metavar="N", help="integrated_gradients: how many.  [default: 32]"
    ),
    click.option(
        "--layer",
        metavar="NAME",
        help="grad_cam: module whose output is the last feature map.  [default: found]",
    ),
    click.option(
        "--crops",
        type=int,
        metavar="K",
        help="attribution: windows of a photo that are merged, the whole of it among them.  "
        "[default: the whole alone]",
    ),
    click.option(
        "--crop-size",
        type=int,
        metavar="N",
        help="attribution: side of the square that every window is made: the classifier's "
        "training size.",
    ),
    click.option(
        "--normalise-crops/--no-normalise-crops",
        default=None,
        help="--crops: divide each map by its maximum first.  [default: no]",
    ),
    click.option(
        "--weight-crops/--no-weight-crops",
        default=None,
        help="--crops: weigh each by its class score.  [default: no]",
    ),
    click.option(
        "--merge",
        type=click.Choice(["mean", "maximum"]),
        help="--crops: how they are merged.  [default: mean]",
    ),
    click.option(
        "--smoothing",
        type=float,
        metavar="PIXELS",
        help="attribution: standard deviation of a Gaussian over the map.  [default: none]",
    ),
    click.option(
        "--clip/--no-clip",
        default=None,
        help="attribution: cut the map off at its 99th percentile.  [default: no]",
    ),
)
