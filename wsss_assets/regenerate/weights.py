"""Weights that a network is to load: files of one's own, or published ones, by their names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_weights, list_weights, weights_names
from wsss_assets.errors import DataError, MissingFileError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.regenerate.weights_cache import WeightsFile, known_as
from wsss_assets.regenerate.weights_fetching import obtain_weights
from wsss_assets.storage.files import replaced, sha256_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.catalog.records import PublishedWeights
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["TENSORS_NAME", "check_files", "copy_weights", "resolve"]

TENSORS_NAME = "model.safetensors"
"""What converted weights are called in their folder."""

_ANY_NETWORK = "onnx"
"""The model that runs the network of an ONNX file, whichever it is."""


def resolve(
    model_name: str,
    given: Sequence[str] = (),
    feedback: Feedback = SILENT,
    *,
    classes: int | None = None,
) -> list[WeightsFile]:
    """The files that a network is to load, in this order.

    Args:
        model_name: the network, by its name in `list_models`, or `onnx`.
        given: paths of files or of folders with a `model.safetensors`, or ids of published
            weights, which bring with them what else they need; a path of such a name is written
            `./name`. None: the published weights of that network.
        feedback: who waits.
        classes: how many classes the network of an activation method has, without background.

    Raises:
        UnknownNameError: there is no such network.
        UsageError: there are no published weights of it, only a person can get them, or those
            named are of another network or for other classes.
        MissingFileError: there is no such file.
        DataError: what is to be published weights is no file of weights at all.
        FetchError: the network failed; `ChecksumError`: it is not the file that it should be.
        ArchiveError: it is not in the archive that it should be in.
        MissingDependencyError: gdown or filelock is needed for that and not installed.
    """
    if not given:
        return obtain_weights(_default(model_name, classes), feedback)
    files = [file for one in given for file in _given(one, model_name, classes, feedback)]
    return list(dict.fromkeys(files))


def check_files(model_name: str, given: Sequence[str]) -> None:
    """Refuse paths of weights where no file is, before anything is fetched.

    Args:
        model_name: as of `resolve`.
        given: likewise.

    Raises:
        MissingFileError: there is no such file.
    """
    for text in given:
        if text not in weights_names():
            _own_path(text, model_name)


def copy_weights(file: WeightsFile, folder: Path) -> Path:
    """Copy a file into a folder, and return where it is; what is there already stays.

    Raises:
        DataError: another file of that name is there.
    """
    target = folder / file.path.name
    if not target.exists():
        with replaced(target) as temporary:
            shutil.copyfile(file.path, temporary)
    elif sha256_file(target) != file.sha256:
        raise DataError(f"{target} is another file", done="nothing was written")
    return target


def _default(model_name: str, classes: int | None) -> PublishedWeights:
    for record in list_weights(model_name):
        if record.default and record.classes == classes:
            return record
    network = model_name if classes is None else f"{model_name} for {classes} classes"
    raise UsageError(
        f"there are no published weights of {network}", hint="name your own: --weights FILE"
    )


def _given(
    text: str, model_name: str, classes: int | None, feedback: Feedback
) -> list[WeightsFile]:
    if text not in weights_names():
        return [_own_file(text, model_name)]
    record = get_weights(text)
    as_onnx = model_name == _ANY_NETWORK and record.file_name.endswith(".onnx")
    if record.model != model_name and not as_onnx:
        known = ", ".join(one.id for one in list_weights(model_name)) or "none of the catalogue"
        raise UsageError(
            f"{record.id} are weights of {record.model}, not of {model_name}",
            expected=f"a file, or for {model_name}: {known}",
        )
    if classes not in {None, record.classes}:
        raise UsageError(
            f"{record.id} ({record.title}) are weights for {record.classes} classes",
            expected=f"weights for {classes}",
        )
    return obtain_weights(record, feedback)


def _own_file(text: str, model_name: str) -> WeightsFile:
    path = _own_path(text, model_name)
    sha256 = sha256_file(path)
    return WeightsFile(path, sha256, known_as(sha256))


def _own_path(text: str, model_name: str) -> Path:
    path = Path(text).expanduser()
    if (path / TENSORS_NAME).is_file():
        path /= TENSORS_NAME
    if not path.is_file():
        known = ", ".join(one.id for one in list_weights(model_name))
        raise MissingFileError(
            f"no file {path}",
            found=f"a folder without {TENSORS_NAME}" if path.is_dir() else None,
            hint=f"published weights of {model_name} are named {known}" if known else None,
        )
    return path
