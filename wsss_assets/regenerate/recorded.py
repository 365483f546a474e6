"""How maps are remade as their record has it: weights by digest, and options of `regenerate`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from wsss_assets import __version__
from wsss_assets.catalog.catalog import get_weights, weights_names
from wsss_assets.errors import DataError, RecordError, UnknownNameError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.models import find_model
from wsss_assets.models.architecture import IMAGENET, Normalisation
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.regenerate.attribution_work import ATTRIBUTION
from wsss_assets.regenerate.weights_fetching import fetch_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.catalog.records import MadeMaps
    from wsss_assets.map_sets.feedback import Feedback

__all__ = [
    "RecordedAttribution",
    "is_model",
    "recorded_attribution",
    "recorded_options",
    "recorded_weights",
]

_NO_NETWORKS = ("onnx", ATTRIBUTION)
"""Models that are no network, but are run with one that is named beside them."""

_BESIDE = ("model", "classifier", "version", "definition", "labels", "label_threshold", "output")
"""What settings of attribution maps hold besides those that `AttributionSettings` has."""

_SETTINGS = tuple(field.name for field in fields(AttributionSettings))


@dataclass(frozen=True)
class RecordedAttribution:
    """Of what attribution maps are to be remade, and how.

    Attributes:
        classifier: its name, or `module:factory`.
        settings: how.
        as_recorded: whether that is the recorded classifier, whose weights are recorded too.
    """

    classifier: str
    settings: AttributionSettings
    as_recorded: bool


def is_model(name: str, recorded: str | None) -> bool:
    """Whether a model or a classifier is the recorded one, by its name or an alias.

    Raises:
        UnknownNameError: there is no such model.
    """
    if name == recorded:
        return True
    return name not in _NO_NETWORKS and ":" not in name and find_model(name).name == recorded


def recorded_weights(made: MadeMaps, where: str, feedback: Feedback = SILENT) -> tuple[str, ...]:
    """Paths of the very files that a record names, where these are published.

    Args:
        made: the record.
        where: what it is of, for errors.
        feedback: who waits.

    Raises:
        UsageError: one is not published: only a person can say where it is.
        DataError: what is published by now is another file.
        FetchError: it cannot be fetched.
    """
    paths = []
    for one in made.weights:
        if one.record not in weights_names():
            raise UsageError(
                f"the weights that made {where} are not published",
                expected=f"{one.file} of sha256 {one.sha256}",
                hint="name the file with --weights FILE",
            )
        file = fetch_weights(get_weights(one.record), feedback)
        if file.sha256 != one.sha256:
            raise DataError(
                f"{one.record} are not the weights that made {where}",
                expected=f"sha256 {one.sha256}",
                found=f"sha256 {file.sha256}",
                hint="name the file that made them with --weights FILE",
            )
        paths.append(str(file.path))
    return tuple(paths)


def recorded_options(made: MadeMaps, *, device: str | None = None) -> dict[str, Any]:
    """Options of `regenerate` by which maps were made, as far as they can be had here.

    Args:
        made: the record.
        device: where to run; None: on a device of the kind that made them, if there is one.

    Raises:
        RecordError: the record has settings that `regenerate` never writes.
    """
    settings = made.settings
    try:
        work, kind = settings["work"], settings["device"]
        options: dict[str, Any] = {
            "precision": settings["precision"],
            "own_frame": work.get("frame") == "own",  # activation maps have but one
            "device": device or (kind if kind == "cpu" or torch.cuda.is_available() else "auto"),
        }
        if "onnx" in settings:
            options["onnx"] = OnnxSettings(
                **{name: _as_tuple(value) for name, value in settings["onnx"].items()}
            )
        else:
            options["mean"] = _as_tuple(work["normalisation"]["mean"])
            options["std"] = _as_tuple(work["normalisation"]["std"])
        if options["device"].startswith(kind):
            options["batch_size"] = settings["batch_size"]
            options["compiled"] = settings["compiled"]
        elif options["precision"] == "tf32":
            options["precision"] = "fp32"  # TF32 is of one kind of device alone
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise RecordError(
            f"the record of {made.model} maps does not say how they were made",
            found=f"{type(error).__name__}: {error}",
            hint="name what made them: --model NAME, in a folder without that record",
        ) from error
    return options


def recorded_attribution(
    made: MadeMaps, where: str, classifier: str | None = None
) -> RecordedAttribution:
    """Of which classifier attribution maps were made, and how.

    Args:
        made: their record.
        where: what it is of, for errors.
        classifier: the one that a person named; None: none, the recorded one is meant.

    Returns:
        Of another classifier than the recorded one, settings without what that was shown.

    Raises:
        UsageError: the recorded classifier is somebody's function, and no person named it.
        RecordError: a setting, or the classifier, is not known here, or makes no sense.
        UnknownNameError: no classifier has the name that the person gave.
    """
    recorded, settings = _attribution(made, where)
    if classifier is None:
        _refuse_unnamed(made, where, recorded)
    elif not is_model(classifier, recorded):
        shown = replace(settings, normalisation=IMAGENET)
        return RecordedAttribution(classifier, shown, as_recorded=False)
    return RecordedAttribution(recorded, settings, as_recorded=True)


def _attribution(made: MadeMaps, where: str) -> tuple[str, AttributionSettings]:
    """The recorded classifier, and settings; raises as `recorded_attribution`."""
    try:
        work = made.settings["work"]
        unknown = {name: one for name, one in work.items() if name not in {*_BESIDE, *_SETTINGS}}
        if not unknown:
            return str(work["classifier"]["name"]), _attribution_settings(work)
    except (KeyError, TypeError, AttributeError) as error:
        raise _says_too_little(made, where, f"{type(error).__name__}: {error}") from error
    except UsageError as error:
        raise _says_too_little(made, where, error.summary) from error
    raise RecordError(
        f"the record of {where} has settings of attribution maps that are not known here",
        expected=f"only {', '.join(_SETTINGS)}",
        found=", ".join(f"{name} {one!r}" for name, one in unknown.items()),
        done="nothing was remade",
        hint=_by_hand(made),
    )


def _says_too_little(made: MadeMaps, where: str, found: str) -> RecordError:
    return RecordError(
        f"the record of {where} does not say how these attribution maps were made",
        found=found,
        hint=_by_hand(made),
    )


def _attribution_settings(work: Mapping[str, Any]) -> AttributionSettings:
    """The settings of a record; what an older version did not record is as it was without it."""
    found = {name: work[name] for name in _SETTINGS if name in work}
    shown = {name: _as_tuple(value) for name, value in work["normalisation"].items()}
    return AttributionSettings(**{**found, "normalisation": Normalisation(**shown)})


def _refuse_unnamed(made: MadeMaps, where: str, classifier: str) -> None:
    """Refuse a classifier that a record alone names: one that is code, or is not known."""
    if ":" in classifier:
        command = shlex.join(["--verify", where, "--images", "PHOTOS", "--classifier", classifier])
        raise UsageError(
            f"the maps of {where} are of a classifier of one's own, {classifier!r}: that is code, "
            "and no code is run because a record names it",
            done="nothing was run",
            hint=f"if you trust it, name it: wsss-assets regenerate {command}",
        )
    try:
        find_model(classifier)
    except UnknownNameError as error:
        raise RecordError(
            f"the record of {where} names a classifier that is not known here",
            found=repr(classifier),
            hint=_by_hand(made),
        ) from error


def _by_hand(made: MadeMaps) -> str:
    """What can be done about a record that says too little or too much."""
    named = (
        "name what made them, in a folder without that record: "
        f"--model {ATTRIBUTION} --method NAME --classifier NAME"
    )
    maker = made.settings.get("version")
    if maker in {None, __version__}:
        return named
    return (
        f"verify them with wsss-assets {maker}, which made them; this is {__version__}; or {named}"
    )


def _as_tuple(value: object) -> Any:  # noqa: ANN401 (whatever JSON has)
    return tuple(value) if isinstance(value, list) else value
