"""Ctrl-C once finishes what is in hand; twice drops it. Where nothing is, once is enough."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Stop", "stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAID = b"\nstopping: the batches in hand are finished first; once more drops them\n"


class Stop:
    """Whether somebody asked the run to stop.

    Attributes:
        asked: whether.
    """

    asked = False
    _has_work = False

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """While this lasts something is in hand, which the first signal does not interrupt."""
        self._has_work = True
        try:
            yield
        finally:
            self._has_work = False


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Take SIGINT and SIGTERM (which batch systems send) as wishes to stop.

    While something is in hand the first one is noted, and the second one raises
    KeyboardInterrupt; before and afterwards the first one does. Only the main thread can take
    signals; in others nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if stop.asked or not stop._has_work:
            raise KeyboardInterrupt
        stop.asked = True
        os.write(2, _SAID)  # print may be interrupted halfway by this very function

    before = [signal.getsignal(number) for number in _SIGNALS]
    try:
        for number in _SIGNALS:
            signal.signal(number, note)
        yield stop
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
