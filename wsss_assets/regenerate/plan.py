"""Which photos are run together: a function of the list, the sizes and the batch size alone.

Float results depend on the shape of the batch in their last digit. So the plan is made for the
whole list, whatever has been done already, and a batch is run whole even when one of its maps is
all that is missing: stopped, started again or shared by many processes, a run gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.regenerate.photos import measured

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.work import Work

__all__ = ["Batch", "plan"]


@dataclass(frozen=True)
class Batch:
    """Photos that are run together.

    Attributes:
        photos: in the order of the list; those known to be broken keep their place.
    """

    photos: tuple[Photo, ...]


def plan(photos: Sequence[Photo], work: Work, batch_size: int) -> tuple[list[Batch], list[Photo]]:
    """Divide photos into batches.

    Photos of one bucket come together in the order of the list, as many as fit; what is left of
    each bucket makes a smaller batch at the end. Where all photos have one bucket no header is
    read.

    Args:
        photos: all that are wanted.
        work: says which photos have a bucket in common.
        batch_size: the most of a batch.

    Returns:
        The batches, and the photos that belong to none since nothing is known of their size.
    """
    common = work.bucket(None)
    if common is None:
        photos = measured(photos)
    waiting: dict[Hashable, list[Photo]] = {}
    batches, lost = [], []
    for photo in photos:
        bucket = common
        if bucket is None and photo.size is not None:
            bucket = work.bucket(photo.size)
        if bucket is None:
            lost.append(photo)
            continue
        row = waiting.setdefault(bucket, [])
        row.append(photo)
        if len(row) == batch_size:
            batches.append(Batch(tuple(waiting.pop(bucket))))
    batches += [Batch(tuple(row)) for row in waiting.values()]
    return batches, lost
