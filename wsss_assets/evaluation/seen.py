"""Which images were counted: how many, and what stands for their ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.confusion import digest_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.ranks import Ranks

__all__ = ["SeenImages", "ids_of_batch"]


def ids_of_batch(image_id: str | Sequence[str] | None, images: int) -> Sequence[str] | None:
    """The ids of a batch, one for each image; None where they were not given.

    Raises:
        UsageError: another number of ids than of images.
    """
    ids = [image_id] if isinstance(image_id, str) else image_id
    if ids is not None and len(ids) != images:
        raise UsageError(f"{images} images came with {len(ids)} ids")
    return ids


class SeenImages:
    """Counts images, and adds up the digests of their ground truth, in any order.

    Attributes:
        count: how many.
    """

    def __init__(self) -> None:
        self.count = 0
        self._digest = 0
        self._identified = True  # until an image comes without an id

    @property
    def digest(self) -> str | None:
        """64 hex digits; None where an image came without an id."""
        return digest_text([self._digest]) if self._identified else None

    def add(self, digest: int | None, count: int = 1) -> None:
        """Add images.

        Args:
            digest: sum of their `label_digest`; None: they have no ids.
            count: how many.
        """
        self.count += count
        self._digest += digest or 0
        self._identified &= digest is not None

    def merge(self, other: SeenImages) -> None:
        """Add what another one counted."""
        self.count += other.count
        self._digest += other._digest
        self._identified &= other._identified

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then."""
        everyone = ranks.everyone((self.count, self._digest, self._identified))
        self.count = sum(count for count, _, _ in everyone)
        self._digest = sum(digest for _, digest, _ in everyone)
        self._identified = all(identified for _, _, identified in everyone)
