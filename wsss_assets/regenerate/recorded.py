"""How maps are remade as their record has it: weights by digest, and options of `regenerate`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from wsss_assets import __version__
from wsss_assets.catalog.catalog import get_weights, weights_names
from wsss_assets.errors import (
    DataError,
    RecordError,
    UnknownNameError,
    UsageError,
    WsssAssetsError,
)
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.models import find_model
from wsss_assets.models.architecture import IMAGENET, Normalisation
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.regenerate.attribution_work import ATTRIBUTION
from wsss_assets.regenerate.record_values import only, setting
from wsss_assets.regenerate.weights_fetching import fetch_weights
from wsss_assets.storage.differing import spoken

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
_KNOWN = frozenset((*_BESIDE, *_SETTINGS))
_NORMALISATION = tuple(field.name for field in fields(Normalisation))
_ONNX_SETTINGS = tuple(field.name for field in fields(OnnxSettings))


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
    try:
        return _options(made.settings, device)
    except (RecordError, UsageError) as error:
        raise RecordError(
            f"the record of {made.model} maps does not say how they were made",
            found=_in_words(error),
            hint="name what made them: --model NAME, in a folder without that record",
        ) from error


def _options(settings: Mapping[str, Any], device: str | None) -> dict[str, Any]:
    """See `recorded_options`; raises also what settings of ONNX networks raise."""
    kind = setting(settings, "device", "a text")
    options: dict[str, Any] = {
        "precision": setting(settings, "precision", "fp32, tf32, bf16 or fp16"),
        "own_frame": setting(settings, "work", "an object").get("frame") == "own",
        "device": device or (kind if kind == "cpu" or torch.cuda.is_available() else "auto"),
    }
    if "onnx" in settings:
        shown = only(settings, "onnx", *_ONNX_SETTINGS)
        options["onnx"] = OnnxSettings(**{name: _as_tuple(one) for name, one in shown.items()})
    else:
        for name in ("mean", "std"):
            found = setting(settings, f"work.normalisation.{name}", "three numbers")
            options[name] = tuple(found)
    if options["device"].startswith(kind):
        options["batch_size"] = setting(settings, "batch_size", "a whole number from 1")
        options["compiled"] = setting(settings, "compiled", "true or false")
    elif options["precision"] == "tf32":
        options["precision"] = "fp32"  # TF32 is of one kind of device alone
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
    work = made.settings.get("work")
    given = work if isinstance(work, dict) else {}
    unknown = {name: one for name, one in given.items() if name not in _KNOWN}
    if unknown:
        raise RecordError(
            f"the record of {where} has settings of attribution maps that are not known here",
            expected=f"only {', '.join(_SETTINGS)}",
            found=", ".join(f"{name} {spoken(one)}" for name, one in unknown.items()),
            done="nothing was remade",
            hint=_by_hand(made),
        )
    try:
        return _attribution_settings(made.settings)
    except (RecordError, UsageError) as error:
        raise RecordError(
            f"the record of {where} does not say how these attribution maps were made",
            found=_in_words(error),
            hint=_by_hand(made),
        ) from error


def _attribution_settings(settings: Mapping[str, Any]) -> tuple[str, AttributionSettings]:
    """Classifier and settings; what an older version did not record is as it was without it."""
    work = setting(settings, "work", "an object")
    setting(settings, "work.method", "a text")
    shown = dict(only(settings, "work.normalisation", *_NORMALISATION))
    for name in ("mean", "std"):
        shown[name] = tuple(setting(settings, f"work.normalisation.{name}", "three numbers"))
    if "scale" in shown:
        setting(settings, "work.normalisation.scale", "a number above 0")
    if "channels" in shown:
        setting(settings, "work.normalisation.channels", "RGB or BGR")
    found = {name: work[name] for name in _SETTINGS if name in work}
    found["normalisation"] = Normalisation(**shown)
    classifier = setting(settings, "work.classifier.name", "a text")
    return classifier, AttributionSettings(**found)


def _in_words(error: WsssAssetsError) -> str:
    """What an error says of a setting, in one breath."""
    more = {"expected": error.expected, "found": error.found}
    said = ", ".join(f"{how} {what}" for how, what in more.items() if what)
    return f"{error.summary} ({said})" if said else error.summary


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
