"""Map sets from a repository on the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.catalog.records import Holding
from wsss_assets.errors import UsageError
from wsss_assets.map_sets.store import HeldSet, holding_key, locked, note, sets_folder
from wsss_assets.storage.files import check_free_space
from wsss_assets.storage.hub import fetch_hub_file, hub_cache

if TYPE_CHECKING:
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["fetch_published", "published_set"]


def published_set(record: MapSet, split: str) -> HeldSet:
    """A set as it is published on the Hub, whether or not it is here.

    Raises:
        UsageError: it is not published.
    """
    published = record.published
    if published is None:
        raise UsageError(
            f"{record.id} is not published on the Hub",
            hint="--source upstream imports the authors' archive; --repo-id names another "
            "repository",
        )
    place = sets_folder() / record.id / split
    place /= holding_key("hub", published.repo_id, published.revision)
    holding = Holding(
        record=record,
        split=split,
        content=published.splits[split],
        origin="hub",
        source=published.repo_id,
        revision=published.revision,
        labels=published.lists.get(split),
    )
    return HeldSet(place, holding)


def fetch_published(held: HeldSet, feedback: Feedback) -> HeldSet:
    """Have a published set in the Hub's cache, every file held to its digest.

    Args:
        held: the set, as `published_set` gives it.
        feedback: who waits.

    Raises:
        FetchError: the network failed; `ChecksumError`: a file is not what was published.
        DataError: the disk is too full.
    """
    if held.damaged():
        with locked(held.holding.record.id):
            _fetch(held, feedback)
    note(held)
    return held


def _fetch(held: HeldSet, feedback: Feedback) -> None:
    holding = held.holding
    missing = held.damaged()
    total = sum(file.size for file in missing)
    check_free_space(hub_cache(), total)
    feedback.say(f"fetching {holding.record.id} {holding.split} from {holding.source}")
    with feedback.bytes(holding.record.name, total) as advance:
        for file in missing:
            fetch_hub_file(
                holding.source,
                str(holding.revision),
                file.path,
                size=file.size,
                sha256=file.sha256,
                advance=advance,
            )
