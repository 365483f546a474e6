from __future__ import annotations

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.cli.output import progress_bar
from wsss_assets.parallel import default_workers, map_with_progress, most_at_once, ordered_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Source:
    """Counts how many items were drawn from it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.drawn = 0

    def __iter__(self) -> Iterator[int]:
        for item in range(self.length):
            self.drawn += 1
            yield item


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 6))
def test_results_come_in_the_order_of_the_items(delays: list[int], workers: int) -> None:
    def work(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 2000)
        return item[0]

    items = list(enumerate(delays))
    assert list(ordered_map(work, items, workers)) == list(range(len(delays)))


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_the_window_is_flat(workers: int) -> None:
    source = Source(200)
    ahead = []
    for taken, result in enumerate(ordered_map(lambda item: item, source, workers)):
        assert result == taken
        ahead.append(source.drawn - taken)
    assert len(ahead) == 200
    assert max(ahead) <= 4 * workers + 1
    if workers > 1:
        assert max(ahead) > workers  # or the threads would wait for the consumer


@pytest.mark.parametrize("workers", [1, 4])
def test_nothing_is_drawn_before_it_is_asked_for(workers: int) -> None:
    source = Source(10)
    results = ordered_map(str, source, workers)
    assert source.drawn == 0
    assert list(results) == [str(item) for item in range(10)]


def test_the_work_is_done_on_as_many_threads_as_asked_for() -> None:
    meeting = threading.Barrier(3, timeout=10)
    names = set(ordered_map(lambda _: (meeting.wait(), threading.get_ident())[1], range(3), 3))
    assert len(names) == 3
    assert threading.get_ident() not in names


def test_one_worker_is_the_calling_thread() -> None:
    source = Source(5)
    results = ordered_map(lambda item: (item, threading.get_ident()), source, 1)
    assert next(results) == (0, threading.get_ident())
    assert source.drawn == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_from_nothing(workers: int) -> None:
    assert list(ordered_map(str, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_comes_where_its_result_would(workers: int) -> None:
    def work(item: int) -> int:
        if item == 5:
            raise RuntimeError("item 5")
        return item

    results = ordered_map(work, range(10), workers)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(RuntimeError, match="item 5"):
        next(results)
    assert list(results) == []


def test_what_has_not_begun_is_dropped_after_an_exception() -> None:
    source = Source(100)
    started: list[int] = []
    threads = threading.active_count()

    def work(item: int) -> None:
        started.append(item)
        if item == 0:
            while source.drawn < 8:
                time.sleep(0.001)
            raise RuntimeError("item 0")
        time.sleep(0.3)

    with pytest.raises(RuntimeError, match="item 0"):
        list(ordered_map(work, source, 2))
    assert source.drawn == 8
    assert len(started) <= 4  # the failed one, and what the two threads had begun
    assert threading.active_count() == threads


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_exception_of_the_source_ends_it_too(error: type[BaseException]) -> None:
    started: list[int] = []

    def items() -> Iterator[int]:
        yield from range(6)
        raise error

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.5)
        return item

    threads = threading.active_count()
    with pytest.raises(error):
        list(ordered_map(work, items(), 2))
    assert len(started) < 6
    assert threading.active_count() == threads


def test_closing_early_drops_the_rest() -> None:
    source = Source(100)
    started: list[int] = []
    threads = threading.active_count()

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.05)
        return item

    results = ordered_map(work, source, 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert len(started) < 8
    assert source.drawn <= 9
    assert threading.active_count() == threads


def test_default_is_one_thread_per_core_this_process_may_use() -> None:
    assert 1 <= default_workers() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        assert default_workers() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_progress_wraps_the_results_with_their_number(workers: int | None) -> None:
    seen: list[tuple[int, list[str]]] = []

    def progress(items: Iterable[str], length: int) -> Iterator[str]:
        taken: list[str] = []
        seen.append((length, taken))
        for item in items:
            taken.append(item)
            yield item

    results = map_with_progress(str, range(5), workers, progress)
    assert list(results) == ["0", "1", "2", "3", "4"]
    assert seen == [(5, ["0", "1", "2", "3", "4"])]
    assert list(map_with_progress(str, range(5), workers, None)) == ["0", "1", "2", "3", "4"]


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the size of the memory is not told")
def test_what_fits_into_memory() -> None:
    assert most_at_once(1 << 60) == 1
    assert most_at_once(0) > most_at_once(1 << 20) > most_at_once(1 << 21) > 1


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_second_ctrl_c_while_it_is_closed_by_the_interpreter_says_nothing(
    monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    ended: list[object] = []
    unheard: list[object] = []
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(pool: ThreadPoolExecutor, **how: bool) -> None:
        shutdown(pool, **how)
        ended.append(pool)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted)
    monkeypatch.setattr("sys.unraisablehook", unheard.append)

    def consume() -> None:
        progress = progress_bar("items") if wrapped else None
        for _ in map_with_progress(str, range(100), 2, progress):
            raise KeyboardInterrupt("the first")

    with pytest.raises(KeyboardInterrupt, match="the first") as caught:
        consume()
    del caught  # it holds the frame, and that the generator
    gc.collect()
    assert len(ended) == 1
    assert unheard == []


def test_a_ctrl_c_at_the_end_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(pool: ThreadPoolExecutor, **how: bool) -> None:
        shutdown(pool, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(ordered_map(str, range(3), 2))
