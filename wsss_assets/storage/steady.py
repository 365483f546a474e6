"""A file that is read from afar: what comes is whole, or comes again, or is an error."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from wsss_assets.errors import FetchError
from wsss_assets.storage.attempts import pause

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS", "RangeFile", "ReadFile", "SteadyFile", "read_steadily"]

FAULTS = (OSError, ValueError, RuntimeError, EOFError)
"""What file systems behind an address raise when something fails on the way."""

_TRIES = 3


def read_steadily(
    read: Callable[[], bytes], length: int | None, what: str, sleep: Callable[[float], None]
) -> bytes:
    """Call `read` until it gives all that it should, three times at most.

    Args:
        read: what asks for the bytes.
        length: how many there must be; None: not known.
        what: what is read, for the error.
        sleep: what waits between tries.

    Raises:
        FetchError: it failed every time.
    """
    for failures in range(1, _TRIES + 1):
        try:
            data = read()
            if length in {None, len(data)}:
                return data
            found = f"{len(data)} of {length} bytes came"
        except FAULTS as error:
            found = str(error) or type(error).__name__
        if failures < _TRIES:
            pause(failures, 0.0, sleep)
    raise FetchError(
        f"{what} cannot be read", found=found, done=f"tried {_TRIES} times", hint="try again later"
    )


class ReadFile(Protocol):
    """What reading by ranges needs of a file."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to a place."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""

    def close(self) -> None:
        """Let go of it."""

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""


class RangeFile(ABC):
    """As much of a file as zip and parquet readers need, over one that is read by ranges.

    Args:
        file: an open file that can be read from any place.
        name: what to call it in errors.
    """

    def __init__(self, file: ReadFile, name: str) -> None:
        self._file = file
        self._name = name
        self._position = 0
        self._length = int(file.seek(0, os.SEEK_END))

    @abstractmethod
    def _bytes(self, start: int, size: int) -> bytes:
        """Just these bytes, of which there is at least one."""

    def read(self, size: int | None = -1) -> bytes:
        """All of the bytes asked for, as far as there are so many."""
        left = max(self._length - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._bytes(self._position, wanted) if wanted else b""
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; nothing is read."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing before the beginning of {self._name}")
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

    def flush(self) -> None:  # noqa: B027 (not for others to fill)
        """Nothing is written."""

    def __enter__(self) -> RangeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return bool(self._file.closed)


class SteadyFile(RangeFile):
    """A file over one that may fail for once.

    Args:
        file: an open file that can be read from any place.
        name: what to call it in errors.
        sleep: what waits between tries.

    Raises:
        FetchError: its length cannot be had; later, what is read.
    """

    def __init__(self, file: ReadFile, name: str, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        try:
            super().__init__(file, name)
        except FAULTS as error:
            raise FetchError(f"{name} cannot be read", found=str(error)) from error

    def _bytes(self, start: int, size: int) -> bytes:
        def once() -> bytes:
            self._file.seek(start)
            return bytes(self._file.read(size))

        return read_steadily(once, size, self._name, self._sleep)
