"""What several messages say in the same words."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["counted", "did_you_mean", "first_few", "near", "over_classes", "some_of"]

_SHORTEST_PART = 3
"""Letters that can stand for a longer name: `voc` is near `voc2012`, `pe` is not near `nope`."""


def near(name: str, known: Iterable[str], most: int = 2, cutoff: float = 0.6) -> list[str]:
    """Known names that may have been meant by one that is not known, the nearest first.

    They share most letters in their order (`cutoff` as of `difflib`), and differ little in length
    unless one holds the other.

    >>> near("vts", ["vst", "vst_duts"]), near("voc", ["voc2012"]), near("nope", ["pe"])
    (['vst'], ['voc2012'], [])
    """
    close = difflib.get_close_matches(name, sorted(set(known)), n=most, cutoff=cutoff)
    return [one for one in close if _alike(*sorted((name, one), key=len))]


def _alike(short: str, long: str) -> bool:
    held = len(short) >= _SHORTEST_PART and short in long
    return held or 3 * len(short) >= 2 * len(long)


def did_you_mean(names: Sequence[str]) -> str | None:
    """The hint that offers some names; None where there are none.

    >>> did_you_mean(["eps", "l2g"]), did_you_mean([])
    ('did you mean eps or l2g?', None)
    """
    return f"did you mean {' or '.join(names)}?" if names else None


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "map"), counted(1234, "map")
    ('1 map', '1,234 maps')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_few(names: Sequence[object], most: int = 5) -> str:
    """The first of some names or values, and `…` where there are more.

    >>> first_few("abc"), first_few("abc", most=2)
    ('a, b, c', 'a, b, …')
    """
    return ", ".join(map(str, names[:most])) + (", …" if len(names) > most else "")


def over_classes(counted: int, known: int) -> str:
    """Over how many classes a mean is, with a space before it; nothing where it is over all.

    >>> over_classes(20, 21), over_classes(21, 21)
    (' over 20 of 21 classes', '')
    """
    return "" if counted == known else f" over {counted} of {known} classes"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are.

    >>> some_of("abc"), some_of("abc", most=2)
    ('a, b, c', 'a, b and 1 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
