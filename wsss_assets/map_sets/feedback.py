"""What long work tells the person who waits."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["SILENT", "Feedback", "Terminal"]


class Feedback:
    """Says nothing; what it is told is what a listener can know."""

    def say(self, text: str) -> None:
        """One line about what is being done."""

    @contextlib.contextmanager
    def bytes(self, label: str, total: int | None) -> Iterator[Callable[[int], object]]:  # noqa: ARG002
        """Bytes under way; gives the function to be told of them as they come."""
        yield lambda _: None

    def items(self, items: Iterable[Any], length: int) -> Iterable[Any]:  # noqa: ARG002
        """Wrap an iterable of known length; a `wsss_assets.parallel.Progress`."""
        return items


class Terminal(Feedback):
    """Lines and bars on standard error; bars only where that is a terminal and tqdm is here."""

    def say(self, text: str) -> None:
        """One line about what is being done."""
        sys.stderr.write(f"{text}\n")

    @contextlib.contextmanager
    def bytes(self, label: str, total: int | None) -> Iterator[Callable[[int], object]]:
        """A bar in megabytes."""
        bar_of = _tqdm()
        if bar_of is None:
            yield lambda _: None
            return
        with bar_of(
            desc=label, total=total, unit="B", unit_scale=True, disable=None, leave=False
        ) as bar:
            yield bar.update

    def items(self, items: Iterable[Any], length: int) -> Iterable[Any]:
        """A bar in maps."""
        bar_of = _tqdm()
        if bar_of is None:
            return items
        bar: Iterable[Any] = bar_of(items, total=length, unit="image", disable=None, leave=False)
        return bar


def _tqdm() -> Any:  # noqa: ANN401 (a class of an optional package)
    """What draws bars; None where it is not installed, and then there are none."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


SILENT = Feedback()
