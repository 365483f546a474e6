"""What several messages say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["counted", "first_few", "some_of"]


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


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are.

    >>> some_of("abc"), some_of("abc", most=2)
    ('a, b, c', 'a, b and 1 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
