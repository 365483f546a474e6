"""Row groups of several shards: opened when needed, a few in memory, the next one read ahead."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.ranks import ALONE
from wsss_assets.storage.shards import ShardReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.shards import Kind, RowGroup

__all__ = ["GroupSizes", "RowGroups", "read_sizes"]

_GROUPS_KEPT = 4
"""Row groups in memory: images that are read in their order come out of the same one."""

_SHARDS_OPEN = 8


class GroupSizes:
    """Where rows lie.

    Args:
        sizes: rows of each row group, by shard.
    """

    def __init__(self, sizes: Sequence[Sequence[int]]) -> None:
        self._places = [
            (shard, group) for shard, groups in enumerate(sizes) for group in range(len(groups))
        ]
        self._stops = list(accumulate(chain.from_iterable(sizes)))

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._stops[-1] if self._stops else 0

    def group_of(self, row: int) -> int:
        """The number of the row group, counted through all shards, that a row is in."""
        return bisect_right(self._stops, row)

    def place(self, number: int) -> tuple[int, int]:
        """Shard, and number within it, of a row group."""
        return self._places[number]

    def position(self, row: int) -> tuple[int, int]:
        """Where a row stands in its row group, and how many rows that has."""
        number = self.group_of(row)
        start = self._stops[number - 1] if number else 0
        return row - start, self._stops[number] - start

    def is_late(self, row: int) -> bool:
        """Whether a row stands in the second half of its row group: the next one is read then."""
        position, size = self.position(row)
        return 2 * position >= size

    def in_order_of(self, rows: Sequence[int]) -> tuple[int, ...]:
        """The row groups of rows that are read in this order, each named once.

        Raises:
            UsageError: one would have to be read again and again.
        """
        plan = tuple(dict.fromkeys(map(self.group_of, rows)))
        after = dict(pairwise(plan))
        kept: OrderedDict[int, None] = OrderedDict()
        reads = 0

        def want(number: int) -> None:
            nonlocal reads
            reads += number not in kept
            kept[number] = None
            kept.move_to_end(number)
            if len(kept) > _GROUPS_KEPT:
                kept.popitem(last=False)

        for row in rows:  # as `RowGroups.of_row` has it
            number = self.group_of(row)
            want(number)
            ahead = after.get(number)
            if ahead is not None and ahead not in kept and self.is_late(row):
                want(ahead)
                kept.move_to_end(number)
        if reads > len(plan):
            raise UsageError(
                "these images are listed in another order than they are stored in",
                found=f"{reads:,} reads of {len(plan):,} row groups",
                done="nothing was read",
                hint="list them in the order of the set, or have a copy of it: without --stream",
            )
        return plan


def read_sizes(
    paths: Sequence[Path | str], kind: Kind, ranks: Ranks = ALONE
) -> tuple[tuple[int, ...], ...]:
    """Rows of each row group, by shard; each process looks into its share of the shards.

    Args:
        paths: the shards, or their addresses.
        kind: what the maps are.
        ranks: which process this is.

    Raises:
        MissingFileError: a shard is not there.
        DataError: one is damaged, or holds other things.
    """
    mine: dict[int, tuple[int, ...]] = {}
    for number in ranks.share(range(len(paths))):
        with ShardReader(paths[number], kind) as shard:
            mine[number] = shard.group_sizes
    found = {number: sizes for one in ranks.everyone(mine) for number, sizes in one.items()}
    return tuple(found[number] for number in range(len(paths)))


class RowGroups:
    """Reads row groups, each by one thread for all that wait for it, one after the other.

    Args:
        paths: the shards, or their addresses.
        kind: what the maps are.
        sizes: where rows lie.
        plan: the order in which row groups will be wanted; the next one is read ahead once half
            of one has been asked for. Empty: nothing is read ahead.
    """

    def __init__(
        self, paths: Sequence[Path | str], kind: Kind, sizes: GroupSizes, plan: Sequence[int] = ()
    ) -> None:
        self._paths = paths
        self._kind = kind
        self._sizes = sizes
        self._after = dict(pairwise(plan))
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Future[RowGroup]] = OrderedDict()
        self._opened: OrderedDict[int, ShardReader] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "row groups")

    def of_row(self, row: int) -> RowGroup:
        """The row group that a row is in.

        Raises:
            DataError: it is damaged; `FetchError`: it cannot be had.
        """
        number = self._sizes.group_of(row)
        with self._lock:
            found = self._wanted(number)
            ahead = self._after.get(number)
            if ahead is not None and ahead not in self._kept and self._sizes.is_late(row):
                self._wanted(ahead)
                self._kept.move_to_end(number)
        return found.result()

    def close(self) -> None:
        """Let go of the files."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for shard in self._opened.values():
            shard.close()
        self._opened.clear()

    def _wanted(self, number: int) -> Future[RowGroup]:
        """A row group that is here, or under way; one that failed is tried anew."""
        found = self._kept.pop(number, None)
        if found is None or (found.done() and found.exception() is not None):
            found = self._thread.submit(self._read, number)
        self._kept[number] = found
        while len(self._kept) > _GROUPS_KEPT:
            self._kept.popitem(last=False)
        return found

    def _read(self, number: int) -> RowGroup:
        """Read it; only the one thread does."""
        shard, group = self._sizes.place(number)
        reader = self._opened.pop(shard, None) or ShardReader(self._paths[shard], self._kind)
        self._opened[shard] = reader
        while len(self._opened) > _SHARDS_OPEN:
            self._opened.popitem(last=False)[1].close()
        return reader.read_group(group)
