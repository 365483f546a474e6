from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from wsss_assets.errors import FetchError
from wsss_assets.storage.attempts import Attempts, Verdict, pause, seconds_asked


class Judged(Attempts):
    """Attempts whose failures are verdicts themselves."""

    def __init__(self, most: int = 3) -> None:
        self.waits: list[float] = []
        super().__init__(
            "the map", self.waits.append, most=most, instead="draw one", verb="had", kept="; kept"
        )

    def judge(self, error: BaseException) -> Verdict:
        (verdict,) = error.args
        assert isinstance(verdict, Verdict)
        return verdict


def failure(wait: float | None = 0.0, **more: int | str) -> Exception:
    return Exception(Verdict("it broke", wait, **more))  # type: ignore[arg-type]


def test_a_failure_in_vain_is_the_last_with_its_advice() -> None:
    attempts = Judged()
    with pytest.raises(FetchError) as caught:
        attempts.failed(failure(None, advice="ask somebody"))
    error = caught.value
    assert error.summary == "the map cannot be had"
    assert (error.found, error.done, error.hint) == ("it broke", None, "ask somebody")
    assert attempts.waits == []


def test_it_is_given_up_after_so_many_failures() -> None:
    attempts = Judged()
    for _ in range(2):
        attempts.failed(failure(5))
    assert attempts.waits == [5, 5]
    with pytest.raises(FetchError) as caught:
        attempts.failed(failure(5))
    error = caught.value
    assert (error.found, error.done) == ("it broke", "tried 3 times; kept")
    assert error.hint == "try again later, or draw one"
    assert len(attempts.waits) == 2


def test_a_failure_may_stand_for_several_and_is_one_try() -> None:
    attempts = Judged(most=6)
    attempts.failed(failure(counts=3))
    with pytest.raises(FetchError, match="tried 2 times"):
        attempts.failed(failure(counts=3))


def test_what_went_wrong_before_progress_is_forgotten() -> None:
    attempts = Judged()
    for _ in range(9):
        attempts.failed(failure(), progress=True)
        attempts.failed(failure())
    assert max(attempts.waits) <= 2
    with pytest.raises(FetchError, match="tried 3 times"):
        attempts.failed(failure())


def test_waits_grow_unless_the_server_asks_and_end_at_a_minute() -> None:
    waits: list[float] = []
    for failures in range(1, 12):
        pause(failures, 0.0, waits.append)
        assert min(2 ** (failures - 2), 60) <= waits[-1] <= min(2 ** (failures - 1), 60)
    pause(9, 7.0, waits.append)
    pause(1, 86400.0, waits.append)
    assert waits[-2:] == [7, 60]


@pytest.mark.parametrize("text", [None, "", "soon", "-3", "1.5e3", "７"])
def test_a_server_that_talks_nonsense_asks_for_nothing(text: str | None) -> None:
    assert seconds_asked(text) == 0


def test_a_server_asks_for_seconds_or_a_date() -> None:
    assert seconds_asked(" 7 ") == 7
    assert 25 < seconds_asked(formatdate(time.time() + 30, usegmt=True)) <= 30
    assert seconds_asked(formatdate(time.time() - 30, usegmt=True)) == 0
