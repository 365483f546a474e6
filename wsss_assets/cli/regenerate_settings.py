"""Settings of maps by the options of `regenerate` that set them: how they are told to people."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.regenerate_attribution import OPTION_OF

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["NAMES", "naming_options", "refuse_unfinished", "tell_departures"]

NAMES: Mapping[str, str] = {
    "work.model": "--model",
    "images": "--images",
    "weights": "--weights of sha256",
    "device": "--device",
    "precision": "--precision",
    "batch_size": "--batch-size",
    "compiled": "--compile",
    "work.frame": "frame (--own-frame)",
    "work.classes": "classes (--benchmark)",
    "work.normalisation.mean": "--mean",
    "work.normalisation.std": "--std",
    "work.labels": "--labels",
    "work.label_threshold": "--label-threshold",
    "work.output": "files (--npy)",
    "work.seeds": "--seeds",
    "work.official_dropout": "--official-dropout",
    "work.partner_seed": "--partner-seed",
    "work.method": "--method",
    "work.classifier.name": "--classifier",
    "work.classifier.classes": "classes (--benchmark)",
    **{f"work.{name}": option for name, option in OPTION_OF.items()},
    **{
        f"onnx.{name}": f"--onnx-{name.replace('_', '-')}"
        for name in ("size", "resize", "scale", "channels", "output", "activation", "min_max")
    },
    "onnx.mean": "--mean",
    "onnx.std": "--std",
}
"""What people call a setting of a stamp or a record; others have no option."""

_FOLLOWS = {"work.model": ("work.", "weights"), "work.classifier.name": ("work.classifier.",)}
"""Where one of these differs, what begins like this says no more."""

_SHOWN = 5
_NOT_SPELT = ("images", "weights", "batch_size", "work.labels")
"""Settings whose values in a stamp are not what their options take."""


@contextlib.contextmanager
def naming_options() -> Iterator[None]:
    """Name options where a folder is refused because it was made with other settings."""
    from wsss_assets.errors import FolderInUseError
    from wsss_assets.storage.stamps import name_settings

    try:
        yield
    except FolderInUseError as error:
        if error.changed and "made_by" not in error.changed:
            name_settings(error, _telling(error.changed), NAMES)
        raise


def tell_departures(departures: Mapping[str, tuple[Any, Any]]) -> None:
    """Say on standard error what is not as recorded, the first five settings.

    Args:
        departures: the recorded value and the one here by name.
    """
    from wsss_assets.storage.differing import told

    said = told(_telling(departures), NAMES)
    for one in said[:_SHOWN]:
        click.echo(f"not as recorded: {one.name} {one.other}, recorded: {one.base}", err=True)
    if len(said) > _SHOWN:
        click.echo(
            f"not as recorded: {len(said) - _SHOWN} more (--json FILE lists them all)", err=True
        )


def refuse_unfinished(folder: Path) -> None:
    """Refuse a folder whose run has not finished, where nobody says what made the maps.

    Raises:
        UsageError: it is one.
    """
    from wsss_assets.errors import UsageError
    from wsss_assets.storage.stamps import unfinished_by

    command = unfinished_by(folder) if folder.is_dir() else None
    if command is None:
        return
    raise UsageError(
        f"{folder} is the folder of a {command!r} that has not finished: there is no record of "
        "its maps yet",
        found=f"begun with {_begun(folder)}",
        hint="the same command again finishes it; to verify what is there by now, name what made "
        "it with --model NAME",
    )


def _begun(folder: Path) -> str:
    """With which options a run was begun, as far as its stamp says."""
    from wsss_assets.storage.differing import differences, spoken
    from wsss_assets.storage.stamps import read_stamp

    stamp = read_stamp(folder) or {}
    settings = {key: value for key, (_, value) in differences({}, stamp).items()}
    given = {
        key: settings[key]
        for key, name in NAMES.items()
        if name.startswith("--") and key not in _NOT_SPELT and settings.get(key)
    }
    parts = [
        NAMES[key] if value is True else f"{NAMES[key]} {spoken(value)}"
        for key, value in given.items()
    ]
    if isinstance(settings.get("images"), str):
        parts.append(f"--images {(folder / settings['images']).resolve()}")
    return " ".join(parts) or "settings that its stamp does not say"


def _telling(changed: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Differences without those that follow from that of the model or of the classifier."""
    for name, starts in _FOLLOWS.items():
        if name in changed:
            return {
                key: values
                for key, values in changed.items()
                if key == name or not key.startswith(starts)
            }
    return dict(changed)
