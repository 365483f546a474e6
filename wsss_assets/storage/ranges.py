"""A part of a file that is read from afar, held while what is in it is read piece by piece."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsss_assets.storage.steady import SteadyFile

__all__ = ["HeldRanges"]


class HeldRanges:
    """A remote file of which one range at a time is in memory; all else is asked for as it is read.

    A parquet reader asks for each column of a row group by itself. Held as a whole, a row group
    costs one request, and not a byte more than it has.

    Args:
        file: gives just the bytes that are asked for, or raises.
    """

    def __init__(self, file: SteadyFile) -> None:
        self._file = file
        self._start = 0
        self._held = b""
        self._position = 0
        self._length = file.seek(0, os.SEEK_END)

    def hold(self, start: int, stop: int) -> None:
        """Have these bytes, and forget those held before.

        Raises:
            ValueError: the file has no such bytes.
            FetchError: they cannot be had.
        """
        if not 0 <= start < stop <= self._length:
            raise ValueError(f"there are no bytes {start} to {stop} in a file of {self._length}")
        self.forget()
        self._file.seek(start)
        self._held = self._file.read(stop - start)
        self._start = start

    def forget(self) -> None:
        """Let go of what is held."""
        self._held = b""

    def read(self, size: int | None = -1) -> bytes:
        """All of the bytes asked for, as far as there are so many."""
        left = max(self._length - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        offset = self._position - self._start
        if offset >= 0 and offset + wanted <= len(self._held):
            data = self._held[offset : offset + wanted]
        else:
            self._file.seek(self._position)
            data = self._file.read(wanted)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; nothing is read."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning of a file")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The place."""
        return self._position

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is not."""
        return False

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Let go of all."""
        self.forget()
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return self._file.closed
