"""Sums of fractions that do not depend on their order: means with the same bits, however divided.

Floating-point sums depend on the order of their terms, so per-image scores that are averaged would
differ in the last digits between one process and two. Here every term is rounded once, to a
multiple of 2**-60, and the sum is one of integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.ranks import Ranks

__all__ = ["FractionSums"]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

_BITS = 30
_SCALE = float(1 << _BITS)


class FractionSums:
    """Sums of float64 arrays of one shape; NaN counts for nothing, where it stands.

    Each term is rounded to a multiple of 2**-60 (at 1, finer than float64 itself). The sizes of
    all terms of a place may add up to 2**33: that many terms of 1, or eight million of 1024.

    Args:
        shape: of each term; () for single numbers.

    Example:
        >>> sums = FractionSums(())
        >>> for value in (0.1, 0.2, float("nan"), 0.3):
        ...     sums.add(value)
        >>> sums.means().item(), sums.count.item()
        (0.2, 3)
    """

    def __init__(self, shape: Sequence[int] = ()) -> None:
        self.count: Int64 = np.zeros(shape, np.int64)
        self._high: Int64 = np.zeros(shape, np.int64)
        self._low: Int64 = np.zeros(shape, np.int64)

    def add(self, term: Any, where: Any = ...) -> None:  # noqa: ANN401 (array-like; an index)
        """Add a term.

        Args:
            term: float64 of the shape of what `where` chooses; NaN: nothing there.
            where: an index of the arrays, none of it twice; all of them without.
        """
        values = np.asarray(term, np.float64)
        known = ~np.isnan(values)
        scaled = np.where(known, values, 0.0) * _SCALE
        high = np.floor(scaled)
        self.count[where] += known
        self._high[where] += high.astype(np.int64)
        self._low[where] += np.rint((scaled - high) * _SCALE).astype(np.int64)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes summed; every one has the sums then."""
        ranks.add_up(self.count, self._high, self._low)

    def merge(self, other: FractionSums) -> None:
        """Add what another one summed."""
        self.count += other.count
        self._high += other._high
        self._low += other._low

    def means(self) -> Float64:
        """The means of the terms, float64 of the shape; NaN where there is none."""
        result = np.full(self.count.shape, np.nan)
        for index in zip(*np.nonzero(np.atleast_1d(self.count)), strict=True):
            at = index if self.count.ndim else ()
            whole = (int(self._high[at]) << _BITS) + int(self._low[at])
            result[at] = whole / (int(self.count[at]) << 2 * _BITS)  # rounded once
        return result
