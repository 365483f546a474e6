"""A stamp in an output folder says what made it, so that nothing else is mixed in.

A run asks for the folder with its settings; it gets it when the folder is new or was made with
the same settings, and can then go on where an earlier run stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import FolderInUseError
from wsss_assets.storage.files import is_leftover, remove_leftovers, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STAMP_NAME",
    "claim_folder",
    "differences",
    "place",
    "read_stamp",
    "refuse_file",
    "release_folder",
]

STAMP_NAME = "wsss-assets.json"


def claim_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make `folder` ready for a run with these settings.

    A new or empty folder is stamped with them; one with nothing but temporary files of a killed
    run, or a stamp alone, counts as empty. In a folder with the same stamp the temporary
    files of killed runs are removed.

    Args:
        folder: the output folder; made if need be.
        settings: what decides the output; JSON types only.

    Raises:
        FolderInUseError: the folder holds files but no stamp, or was made with other settings;
            nothing in it is touched.
        OSError: the folder cannot be made, or not be written to.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    refuse_file(folder)
    found = read_stamp(folder)
    if found is None and folder.is_dir() and not all(map(is_leftover, folder.iterdir())):
        found = read_stamp(folder)  # another run may just have claimed it
        if found is None:
            raise FolderInUseError(
                f"{folder} holds files that carry no stamp",
                expected="a new or empty folder, or one made by the same command",
                done="nothing was written",
                hint="choose another folder",
            )
    if found not in (None, wanted) and any(path.name != STAMP_NAME for path in folder.iterdir()):
        changed = differences(found, wanted)
        if "made_by" in changed:  # another command: what else differs tells nothing
            changed = {"made_by": changed["made_by"]}
        raise FolderInUseError(
            f"{folder} was made with other settings",
            expected=_listed(changed, 1),
            found=_listed(changed, 0),
            done="nothing was written",
            hint="choose another folder, or remove the folder if it is no longer needed",
        )
    if found != wanted:
        _write(folder, json.dumps(wanted, indent=2) + "\n")
    remove_leftovers(folder)


def release_folder(folder: Path, *, new: bool) -> None:
    """Take the stamp out of a folder that holds nothing else, as if it had not been claimed.

    Args:
        folder: an output folder.
        new: whether it was made for this run, and goes as well.
    """
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [STAMP_NAME]:
            (folder / STAMP_NAME).unlink()
            if new:
                folder.rmdir()


def refuse_file(folder: Path) -> None:
    """Refuse a file where a folder is to be written to.

    Raises:
        FolderInUseError: it is one.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderInUseError(
            f"{folder} is a file",
            expected="a folder to write to",
            done="nothing was written",
            hint="choose another folder",
        )


def place(folder: Path, out: Path) -> str:
    """How a stamp names a folder: from the output folder, so that both can be moved together."""
    try:
        return Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return str(folder.resolve())


def read_stamp(folder: Path) -> dict[str, Any] | None:
    """The stamp of a folder; None where there is none.

    Raises:
        FolderInUseError: there is one that is not JSON.
    """
    path = Path(folder) / STAMP_NAME
    try:
        stamp = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise FolderInUseError(f"{path} is no stamp", found=str(error)) from error
    if not isinstance(stamp, dict):
        raise FolderInUseError(f"{path} is no stamp", found=type(stamp).__name__)
    return stamp


def differences(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between settings, by the names of nested ones with dots between them.

    Returns:
        The value in `base` and that in `other`, None where there is none.
    """
    left, right = _flat(base), _flat(other)
    return {
        key: (left.get(key), right.get(key))
        for key in sorted({*left, *right})
        if left.get(key, _ABSENT) != right.get(key, _ABSENT)
    }


def _write(folder: Path, text: str) -> None:
    """Write the stamp, and make the folder for it."""
    try:
        write_atomically(folder / STAMP_NAME, text)
    except OSError as error:
        raise type(error)(
            f"{folder} cannot be made, or not be written to: {error.strerror or error}; "
            "choose another folder"
        ) from error


def _listed(changed: Mapping[str, tuple[Any, Any]], side: int) -> str:
    """Settings of one side, as text."""
    return ", ".join(f"{key} {values[side]!r}" for key, values in changed.items())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result


_ABSENT = object()
