"""A part of a file that is read from afar, held while what is in it is read piece by piece."""

from __future__ import annotations

from wsss_assets.storage.steady import RangeFile, ReadFile

__all__ = ["HeldRanges"]


class HeldRanges(RangeFile):
    """A remote file of which one range at a time is in memory; all else is asked for as it is read.

    A parquet reader asks for each column of a row group by itself. Held as a whole, a row group
    costs one request, and not a byte more than it has.

    Args:
        file: gives just the bytes that are asked for, or raises.
        name: what to call it in errors.
    """

    def __init__(self, file: ReadFile, name: str) -> None:
        super().__init__(file, name)
        self._start = 0
        self._held = b""

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

    def close(self) -> None:
        """Let go of all."""
        self.forget()
        super().close()

    def _bytes(self, start: int, size: int) -> bytes:
        offset = start - self._start
        if offset >= 0 and offset + size <= len(self._held):
            return self._held[offset : offset + size]
        self._file.seek(start)
        return self._file.read(size)
