"""What comparisons of two sets share: which images both have, and the few that changed most."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsss_assets.ranks import Ranks

__all__ = ["Worst", "common_images"]

Item = TypeVar("Item")


def common_images(
    ids: Iterable[str] | None,
    first: Iterable[str],
    second: Iterable[str],
    skip_missing: bool,
) -> tuple[list[str], tuple[tuple[str, ...], tuple[str, ...]]]:
    """What both sets have, and what the first and the second lack.

    Args:
        ids: which are wanted; None: all that one of them has, sorted.
        first: what the first set has.
        second: what the second set has.
        skip_missing: whether the sets may lack some.

    Raises:
        MissingFileError: they lack some and may not.
        DataError: they have nothing in common.
    """
    here = (set(first), set(second))
    wanted = sorted(here[0] | here[1]) if ids is None else list(dict.fromkeys(ids))
    common = [name for name in wanted if name in here[0] and name in here[1]]
    missing = tuple(tuple(name for name in wanted if name not in one) for one in here)
    if any(missing) and (not skip_missing or not common):
        found = "; ".join(
            f"{which} has no {some_of(names, most=3)}"
            for which, names in zip(("A", "B"), missing, strict=True)
            if names
        )
        if common:
            raise MissingFileError(
                f"{len(wanted) - len(common)} of {len(wanted)} are not in both sets",
                found=found,
                done="nothing was compared",
                hint="compare what both have with --skip-missing (in Python: skip_missing=True)",
            )
        raise DataError("the two sets have nothing in common", found=found)
    if not common:
        raise DataError("the list of images is empty, so there is nothing to compare")
    return common, (missing[0], missing[1])


class Worst(Generic[Item]):
    """The few items with the highest values; of equal ones those whose id comes first.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, str, Item]] = []

    def add(self, value: float, item_id: str, item: Item) -> None:
        """Offer an item; ids are different."""
        self._kept.append((-value, item_id, item))
        if len(self._kept) > 4 * self._most + 100:
            self._kept = self._best()

    def add_up(self, ranks: Ranks) -> None:
        """Keep those of all processes; every one has them then."""
        self._kept = [one for kept in ranks.everyone(self._best()) for one in kept]

    def ordered(self) -> list[Item]:
        """The items, the highest value first."""
        return [item for _, _, item in self._best()]

    def _best(self) -> list[tuple[float, str, Item]]:
        return heapq.nsmallest(self._most, self._kept, key=lambda kept: kept[:2])
