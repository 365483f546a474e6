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
from wsss_assets.storage.differing import differences, told
from wsss_assets.storage.files import is_leftover, remove_leftovers, write_atomically
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MADE_MAPS_NAME",
    "STAMP_NAME",
    "claim_folder",
    "name_settings",
    "place",
    "read_stamp",
    "refuse_file",
    "release_folder",
    "unfinished_by",
]

STAMP_NAME = "wsss-assets.json"

MADE_MAPS_NAME = "wsss-assets.map-set.json"
"""The record that `regenerate` writes when its maps are all there."""

_WRITTEN_LAST = {"wsss-assets regenerate": MADE_MAPS_NAME}
"""What commands write last, by what they call themselves in a stamp; others write no such file."""


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
        error = FolderInUseError(
            f"{folder} was made with other settings",
            done="nothing was written",
            hint="choose another folder, or remove the folder if it is no longer needed",
        )
        raise name_settings(error, changed)
    if found != wanted:
        _write(folder, json.dumps(wanted, indent=2) + "\n")
    remove_leftovers(folder)


def name_settings(
    error: FolderInUseError,
    changed: Mapping[str, tuple[Any, Any]],
    names: Mapping[str, str] | None = None,
) -> FolderInUseError:
    """Say in an error which settings differ, the first five of them.

    Args:
        error: about a folder that was made with other settings.
        changed: there and here by name, as `differences` gives them.
        names: what people call settings, such as the options that set them.
    """
    said = told(changed, names)
    error.changed = dict(changed)
    error.expected = some_of([f"{one.name} {one.other}" for one in said])
    error.found = some_of([f"{one.name} {one.base}" for one in said])
    return error


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


def unfinished_by(folder: Path) -> str | None:
    """The command whose run was begun in a folder, and has not finished.

    Returns:
        Its name, such as `wsss-assets regenerate`; None where there is no stamp, the run finished,
        or its command leaves nothing to tell that by.
    """
    try:
        made_by = (read_stamp(folder) or {}).get("made_by")
    except FolderInUseError:
        return None  # what it says cannot be read
    last = _WRITTEN_LAST.get(made_by) if isinstance(made_by, str) else None
    return made_by if last is not None and not (Path(folder) / last).exists() else None


def _write(folder: Path, text: str) -> None:
    """Write the stamp, and make the folder for it."""
    try:
        write_atomically(folder / STAMP_NAME, text)
    except OSError as error:
        raise type(error)(
            f"{folder} cannot be made, or not be written to: {error.strerror or error}; "
            "choose another folder"
        ) from error
