"""Asking again after a failure: how often, how long to wait before, and what is said in the end."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from wsss_assets.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Attempts", "Verdict", "pause", "seconds_asked"]

_LONGEST_WAIT = 60.0


class Verdict(NamedTuple):
    """What a failure means.

    Attributes:
        reason: what went wrong, in words.
        wait: seconds that the server asks for before the next try, 0: it does not ask; None:
            another try would be in vain.
        advice: what the user can do if it would.
        counts: how many failures it stands for.
    """

    reason: str
    wait: float | None
    advice: str | None = None
    counts: int = 1


class Attempts(ABC):
    """Counts what went wrong and decides between waiting and giving up.

    Args:
        what: what is asked for.
        sleep: what waits between tries.
        most: failures in a row after which it is given up.
        instead: what the user can do besides trying again later.
        verb: what cannot be done with it in the end.
        kept: what is said of the tries besides their number.
    """

    def __init__(
        self,
        what: str,
        sleep: Callable[[float], None],
        *,
        most: int,
        instead: str,
        verb: str = "fetched",
        kept: str = "",
    ) -> None:
        self.what = what
        self._sleep = sleep
        self._most = most
        self._instead = instead
        self._verb = verb
        self._kept = kept
        self._tries = self._failures = 0

    @abstractmethod
    def judge(self, error: BaseException) -> Verdict:
        """What a failure means.

        Raises:
            FetchError: it needs other words than `failed` has.
            OSError: it is not the network's.
        """

    def failed(self, error: BaseException, *, progress: bool = False) -> None:
        """Wait before the next try, or give up.

        Args:
            error: what went wrong.
            progress: whether this try brought something that the ones before did not; they
                are then forgotten.

        Raises:
            FetchError: another try would not help, or was the last one.
            OSError: it cannot be stored.
        """
        verdict = self.judge(error)
        if verdict.wait is None:
            raise FetchError(
                f"{self.what} cannot be {self._verb}", found=verdict.reason, hint=verdict.advice
            ) from error
        if progress:
            self._tries = self._failures = 0
        self._tries += 1
        self._failures += verdict.counts
        if self._failures >= self._most:
            raise FetchError(
                f"{self.what} cannot be {self._verb}",
                found=verdict.reason,
                done=f"tried {self._tries} times{self._kept}",
                hint=f"try again later, or {self._instead}",
            ) from error
        pause(self._failures, verdict.wait, self._sleep)


def pause(failures: int, asked: float, sleep: Callable[[float], None]) -> None:
    """Wait before the next try: as long as the server asks, else longer after each failure.

    Jitter keeps many clients that failed together from coming back together.

    Args:
        failures: how many there were in a row.
        asked: seconds that the server asks for; 0: it does not.
        sleep: what waits.
    """
    longer = 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)  # noqa: S311
    sleep(min(asked or longer, _LONGEST_WAIT))


def seconds_asked(text: str | None) -> float:
    """The seconds that `Retry-After` asks for, as a number or a date; 0: none, or no sense in it.

    Args:
        text: the header's value; None: there is none.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return max(moment - time.time(), 0.0)
