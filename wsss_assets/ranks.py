"""One process among several that share a list: what `torchrun` starts.

`torchrun` tells each process its number by RANK, LOCAL_RANK and WORLD_SIZE. Each takes its share of
the list; what they count is summed in integers, so the result has the same bits for any number of
processes. They talk through gloo, on the CPU, also where networks run on a GPU: counts are made
there. Without `torchrun` there is one process, and nothing is said to anybody.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from wsss_assets.errors import MissingDependencyError, UsageError, WsssAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ALONE", "Ranks"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_LONGEST = timedelta(days=30)
"""How long one may wait for the others; `torchrun` ends all when one dies."""

_HEAD_START = 1.0
"""Seconds that the process that failed has for its own last words."""

_STOPPED, _UNREADABLE = 130, 6
"""Exit statuses of the command line for a stop, and for a file that cannot be read or written."""


@dataclass(frozen=True)
class Ranks:
    """Which process this is.

    Attributes:
        rank: its number.
        local_rank: its number on this machine.
        count: how many there are.
        local_count: how many there are on this machine.
    """

    rank: int = 0
    local_rank: int = 0
    count: int = 1
    local_count: int = 1

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Ranks]:
        """This process among those that `torchrun` started; they are connected meanwhile.

        Raises:
            UsageError: the environment has only a part of what `torchrun` sets.
            MissingDependencyError: there are several, and no torch to connect them.
        """
        ranks = cls.from_environment()
        if ranks.count == 1:
            yield ranks
            return
        found = _distributed().rendezvous("env://", timeout=_LONGEST)
        store = _distributed().PrefixStore(_attempt(), next(iter(found))[0])
        _distributed().init_process_group(
            "gloo", store=store, rank=ranks.rank, world_size=ranks.count, timeout=_LONGEST
        )
        try:
            yield ranks
        finally:
            _distributed().destroy_process_group()

    @contextlib.contextmanager
    def watched(self, *no_failure: type[BaseException]) -> Iterator[None]:
        """Let none go on for hours with work that another process's error has made useless.

        `torchrun` ends the others on the same machine; those elsewhere would notice when they have
        done all of their share. A process that fails says so to all, and they end with that.

        Args:
            no_failure: exceptions that are a way to end well.

        Raises:
            ChildProcessError: another process failed.
        """
        if self.count == 1 or threading.current_thread() is not threading.main_thread():
            yield
            return
        watch = _Watch(self)
        well: tuple[type[BaseException], ...] = (SystemExit, ChildProcessError, *no_failure)
        try:
            with watch:
                yield
        except well:
            raise
        except _AnotherFailedError:
            time.sleep(_HEAD_START)  # the one that failed ends first, so that torchrun names it
            raise ChildProcessError(
                f"{watch.failure}\nso this process was ended; what was written so far is kept\n"
                "→ the same command goes on"
            ) from None
        except BaseException as error:
            watch.tell(error)
            raise
        finally:
            watch.count_this_one()

    @property
    def is_first(self) -> bool:
        """Whether this process claims the folder, prints, and writes the record."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """What this process does of a list, the same in every process: every n-th item."""
        return list(items[self.rank :: self.count])

    def stretch(self, items: Sequence[Item]) -> list[Item]:
        """What this process does of a list, all in a row.

        Images in a row lie in the same row groups of shards, which are read as a whole.
        """
        first, last = (len(items) * rank // self.count for rank in (self.rank, self.rank + 1))
        return list(items[first:last])

    def add_up(self, *counts: NDArray[np.int64]) -> None:
        """Sum arrays over all processes, in place; every process has the sums then.

        Args:
            counts: int64, of the same shapes in every process.

        Raises:
            ChildProcessError: another process was stopped, or ended without a word.
        """
        if self.count == 1:
            return
        import torch

        for array in counts:
            with _connected():
                _distributed().all_reduce(torch.from_numpy(array))

    def everyone(self, value: Value) -> list[Value]:
        """What each process has to say, by rank; in every process.

        Raises:
            ChildProcessError: another process was stopped, or ended without a word.
        """
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        with _connected():
            _distributed().all_gather_object(values, value)
        return values

    def first(self, action: Callable[[], Value]) -> Value:
        """Do something in the first process alone; all get its result, or end by its error.

        Args:
            action: what to do; its result passes between processes.

        Raises:
            ChildProcessError: the first process ended without a word.
        """
        if self.count == 1:
            return action()
        said: list[Any] = [None, None]
        if self.is_first:
            try:
                said[0] = action()
            except BaseException as error:
                with contextlib.suppress(ChildProcessError), _connected():
                    _distributed().broadcast_object_list([None, _status(error)], src=0)
                raise
        with _connected():
            _distributed().broadcast_object_list(said, src=0)
        value, status = said
        if status is None:
            return value  # type: ignore[no-any-return]
        raise SystemExit(status)  # the first one says what is wrong

    def gathered(self, value: Value) -> list[Value]:
        """What each process has to say, by rank, in the first one; the others get nothing.

        Raises:
            ChildProcessError: one of them was stopped, or ended without a word.
        """
        if self.count == 1:
            return [value]
        values: list[Any] | None = [None] * self.count if self.is_first else None
        with _connected():
            _distributed().gather_object(value, values, dst=0)
        return values or []

    @classmethod
    def from_environment(cls) -> Ranks:
        """This process among those that `torchrun` started, as the environment has it.

        Raises:
            UsageError: the environment has only a part of what `torchrun` sets.
        """
        if "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
            return cls()
        try:
            found = cls(
                rank=int(os.environ["RANK"]),
                local_rank=int(os.environ["LOCAL_RANK"]),
                count=int(os.environ["WORLD_SIZE"]),
                local_count=int(os.environ["LOCAL_WORLD_SIZE"]),
            )
        except (KeyError, ValueError) as error:
            what = str(error)
        else:
            if 0 <= found.rank < found.count and 0 < found.local_count <= found.count:
                return found
            what = f"process {found.rank} of {found.count}, {found.local_count} of them here"
        raise UsageError(
            "the environment names a rank, but not as torchrun does",
            expected="RANK, LOCAL_RANK, WORLD_SIZE and LOCAL_WORLD_SIZE, all numbers",
            found=what,
            hint="start it with torchrun, or unset RANK and WORLD_SIZE",
        )


ALONE = Ranks()
"""The one process there is without `torchrun`."""


class _AnotherFailedError(BaseException):
    """Raised in the midst of the work; no handler of other errors is to swallow it."""


class _Watch:
    """Looks, on a thread and over a connection of its own, whether another process failed."""

    _SIGNAL = getattr(signal, "SIGURG", None)  # means nothing to anybody, and wakes who waits
    _PAUSE, _LONGEST = 0.5, 10.0  # seconds

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._failed, self._knowing = f"{_attempt()}/failed", f"{_attempt()}/knowing"
        self._store = _distributed().TCPStore(
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False
        )
        self._over = threading.Event()
        self._is_counted = threading.Lock()
        self.failure = ""
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> None:
        if self._SIGNAL is not None:
            self._before = signal.signal(self._SIGNAL, self._raise)
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._SIGNAL is not None:
            signal.signal(self._SIGNAL, self._before)
            self._thread.join()

    def tell(self, error: BaseException) -> None:
        """Say that this process failed, and wait a moment until the others know.

        The first process keeps what they talk through; gone at once, nobody would hear why.
        """
        reason = str(error) or type(error).__name__
        with contextlib.suppress(RuntimeError):
            who = f"process {self._ranks.rank} of {self._ranks.count} failed: {reason}"
            self._store.compare_set(self._failed, "", who)
            self.count_this_one()
            start = time.monotonic()
            while self._store.add(self._knowing, 0) < self._ranks.count:
                if time.monotonic() - start > self._LONGEST:
                    break
                time.sleep(self._PAUSE / 5)

    def count_this_one(self) -> None:
        """Count this process, once, among those that know of a failure or have ended."""
        if self._is_counted.acquire(blocking=False):
            with contextlib.suppress(RuntimeError):
                self._store.add(self._knowing, 1)

    def _look(self) -> None:
        with contextlib.suppress(RuntimeError):  # the first process has ended, and all is well
            while not self._over.wait(self._PAUSE):
                if self._store.check([self._failed]):
                    self.failure = str(self._store.get(self._failed).decode())
                    self.count_this_one()
                    assert self._SIGNAL is not None  # noqa: S101 (for the type checker)
                    signal.pthread_kill(threading.main_thread().ident or 0, self._SIGNAL)
                    return

    def _raise(self, *_: object) -> None:
        if self.failure and not self._over.is_set():
            raise _AnotherFailedError


def _distributed() -> ModuleType:
    try:
        from torch import distributed
    except ImportError as error:
        raise MissingDependencyError("torch", "regenerate", "a run of several processes") from error
    return distributed


def _attempt() -> str:
    """What keys of the store begin with: those of before a restart (--max-restarts) stay there."""
    return f"wsss-assets/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


@contextlib.contextmanager
def _connected() -> Iterator[None]:
    """Say of a connection that broke what it means: the process at its other end is gone."""
    try:
        yield
    except RuntimeError as error:  # whatever gloo has to say, in terms of sockets
        raise ChildProcessError(
            "another process of this run was stopped or ended before it was done; what was written "
            "so far is kept\n→ the same command goes on"
        ) from error


def _status(error: BaseException) -> int:
    """With what exit status the others end."""
    if isinstance(error, WsssAssetsError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return _STOPPED
    return _UNREADABLE if isinstance(error, OSError) else 1
