"""What is said of checkpoints that are refused, whichever way it was found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["AGAIN", "MOST_NAMED", "NOTHING_LOADED", "unreadable"]

MOST_NAMED = 10
"""Keys of a kind that a message names; the error's attributes have all."""

NOTHING_LOADED = "nothing was loaded"
AGAIN = "download it again and compare its size with that of the original"


def unreadable(path: Path, kind: str, error: Exception) -> WeightsError:
    """The error that says of a file that its reader gave up on it."""
    reason = str(error).partition("\n")[0]
    return WeightsError(
        f"{path} cannot be read as {kind} file",
        found=f"{type(error).__name__}: {reason:.200}",
        done=NOTHING_LOADED,
        hint=f"{AGAIN}; unpack it if it is an archive of files",
    )
