"""How maps are remade as their record has it: weights by digest, and options of `regenerate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from wsss_assets.catalog.catalog import get_weights, weights_names
from wsss_assets.errors import DataError, RecordError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.models import find_model
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.regenerate.weights import fetch_weights

if TYPE_CHECKING:
    from wsss_assets.catalog.records import MadeMaps
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["is_model", "recorded_options", "recorded_weights"]


def is_model(name: str, recorded: str | None) -> bool:
    """Whether a model is the recorded one, by its name or an alias.

    Raises:
        UnknownNameError: there is no such model.
    """
    return name == recorded or (name != "onnx" and find_model(name).name == recorded)


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


def _as_tuple(value: object) -> Any:  # noqa: ANN401 (whatever JSON has)
    return tuple(value) if isinstance(value, list) else value
