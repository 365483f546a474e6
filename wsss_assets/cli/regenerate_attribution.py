"""Options of `regenerate` for attribution maps, which are made of some classifier."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wsss_assets.models.attribution_settings import AttributionSettings

__all__ = ["attribution_options"]

_ATTRIBUTION = "attribution"
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

_OF_METHOD = {
    "copies": "smoothgrad",
    "noise": "smoothgrad",
    "steps": "integrated_gradients",
    "layer": "grad_cam",
}
_OF_CROPS = ("normalise_crops", "weight_crops", "merge")


def attribution_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say how attribution maps are made.

    With `--model attribution` the command gets an `Attributed` for its model.
    """

    @functools.wraps(command)
    def run(*, model: str | None, **others: Any) -> object:  # noqa: ANN401 (handed on as they are)
        asked = {name: others.pop(name) for name in (*_NEEDED, *_SETTINGS)}
        given = {name: one for name, one in asked.items() if one is not None and one is not False}
        if model != _ATTRIBUTION:
            _refuse_alone(given)
            return command(model=model, **others)
        return command(model=_attributed(given, **others), **others)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _attributed(
    given: Mapping[str, Any],
    *,
    weights: tuple[str, ...],
    benchmark: str | None,
    **_others: object,
) -> object:
    """What is to be made, by what was asked for."""
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.regenerate.attribution_work import attributed

    settings = _settings(given)
    num_classes = len(get_benchmark(benchmark or "voc2012").classes)
    return attributed(given["classifier"], settings, num_classes, trained=not weights)


def _settings(given: Mapping[str, Any]) -> AttributionSettings:
    """The settings of options that go together."""
    from wsss_assets.errors import UsageError
    from wsss_assets.models.attribution_settings import AttributionSettings

    for name in _NEEDED:
        if name not in given:
            raise UsageError(
                f"--model {_ATTRIBUTION} needs --{name}",
                hint="such as --method integrated_gradients --classifier cam",
            )
    found = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
    settings = AttributionSettings(method=given["method"], **found)
    for name, method in _OF_METHOD.items():
        if name in given and given["method"] != method:
            raise UsageError(
                f"{_option(name)} is an option of --method {method}",
                found=f"--method {given['method']}",
                hint="leave it out",
            )
    alone = [_option(name) for name in _OF_CROPS if name in given]
    if alone and settings.crops < 2:
        raise UsageError(
            f"{', '.join(alone)}: there are no crops to merge", hint="add --crops K, 2 or more"
        )
    return settings


def _refuse_alone(given: Mapping[str, Any]) -> None:
    """Refuse options of attribution maps where others are made."""
    from wsss_assets.errors import UsageError

    if given:
        names = ", ".join(map(_option, given))
        verb = "go" if len(given) > 1 else "goes"
        raise UsageError(
            f"{names} {verb} with --model {_ATTRIBUTION}", hint="leave that out, or name the model"
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


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
        "which is run.",
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
        "--normalise-crops", is_flag=True, help="--crops: divide each map by its maximum first."
    ),
    click.option("--weight-crops", is_flag=True, help="--crops: weigh each by its class score."),
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
        "--clip", is_flag=True, help="attribution: cut the map off at its 99th percentile."
    ),
)
