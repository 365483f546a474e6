"""Work on many images at once, in order and in flat memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from concurrent.futures import Future

__all__ = ["Progress", "default_workers", "map_with_progress", "most_at_once", "ordered_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress: TypeAlias = "Callable[[Iterable[Any], int], Iterable[Any]]"
"""Wraps an iterable of known length and shows how far it is."""


def default_workers() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_at_once(memory: int) -> int:
    """How many things of so many bytes fit into the memory of this machine; at least one.

    Args:
        memory: bytes; 0: as many as one likes.
    """
    if memory == 0 or not hasattr(os, "sysconf"):
        return sys.maxsize
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // memory)


def map_with_progress(
    function: Callable[[Item], Result],
    items: Collection[Item],
    workers: int | None,
    progress: Progress | None,
) -> Iterable[Result]:
    """`ordered_map` with the threads and the bar that a caller asked for.

    Args:
        function: what to do with an item.
        items: what to do it with.
        workers: threads; None: one per core.
        progress: shows how far it is; None: nothing does.
    """
    results = ordered_map(function, items, default_workers() if workers is None else workers)
    return results if progress is None else progress(results, len(items))


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """`map`, on `workers` threads, results in the order of the items.

    At most four items per thread are under way or waiting to be taken, so memory does not grow
    with their number. Threads are enough: decoding, encoding and most of NumPy release the
    lock. An exception, Ctrl-C included, drops what has not begun and is raised at once.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    window: deque[Future[Result]] = deque()
    unheard: tuple[type[BaseException], ...] = ()
    try:
        for item in items:
            window.append(pool.submit(function, item))
            if len(window) >= 4 * workers:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()
    except GeneratorExit:
        # Whoever took the results has ended, by a first Ctrl-C as a rule, and it is the
        # interpreter that closes this: what a second one raises meanwhile would reach nobody.
        unheard = (BaseException,)
        raise
    finally:
        with contextlib.suppress(*unheard):
            pool.shutdown(wait=True, cancel_futures=True)
