"""One run at a time writes to a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.errors import FolderInUseError
from wsss_assets.map_sets.store import staging_lock
from wsss_assets.storage.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["held"]


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no other run of this machine writes to it meanwhile.

    The system lets go of it when the process ends, however it does. Where no lock can be had,
    since the cache cannot be written or its disk knows none, the folder is used without one.

    Raises:
        FolderInUseError: another process holds it.
    """
    from filelock import Timeout

    lock = staging_lock(folder)
    note = Path(lock.lock_file).with_suffix(".holder")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            raise FolderInUseError(
                f"another run is writing to {folder}",
                found=_holder(note),
                done="nothing was written",
                hint="wait until it is done, or choose another folder",
            ) from None
        except NotImplementedError:
            pass
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
        else:
            stack.callback(note.unlink, missing_ok=True)
            write_atomically(note, f"process {os.getpid()} on {socket.gethostname()}")
        yield


def _holder(note: Path) -> str:
    """Who holds a folder, as far as it has said so yet."""
    try:
        return note.read_text("utf-8")
    except OSError:
        return "a process that has only begun"
