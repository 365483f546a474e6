"""Published weights, fetched once and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_weights
from wsss_assets.catalog.weights import describe_source
from wsss_assets.errors import ArchiveError, ChecksumError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.store import locked
from wsss_assets.regenerate.drive import fetch_from_drive, ready_drive
from wsss_assets.regenerate.file_kinds import is_of_its_kind
from wsss_assets.regenerate.unpacking import take_member
from wsss_assets.regenerate.weights_cache import (
    WeightsFile,
    by_hand,
    fetchable,
    first_seen,
    has_md5,
    held,
    kept_at,
    of_another_kind,
)
from wsss_assets.storage.fetch import fetch_archive

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.catalog.records import PublishedWeights, WeightsSource
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["fetch_weights", "obtain_weights"]


def obtain_weights(record: PublishedWeights, feedback: Feedback = SILENT) -> list[WeightsFile]:
    """Published weights and what they need besides, fetched unless they are here.

    Raises:
        UsageError: only a person can get them.
        DataError: what is there, or what came, is no file of weights at all.
        FetchError: the network failed; `ChecksumError`: it is not the file that it should be.
    """
    records = (record, *map(get_weights, record.needs))
    return [fetch_weights(one, feedback) for one in records]


def fetch_weights(record: PublishedWeights, feedback: Feedback = SILENT) -> WeightsFile:
    """One file of published weights, fetched unless it is here; raises as `obtain_weights`."""
    here = held(record)
    if here is not None:
        return here
    with locked(f"weights/{record.id}"):
        here = held(record)
        if here is not None:
            return here
        path = kept_at(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not has_md5(record, path):
            path.unlink()  # what fetches it knows no md5, and would take it
        sha256 = _fetch(record, path, feedback)
        if not has_md5(record, path):
            path.unlink()
            raise ChecksumError(
                f"{record.file_name} of {record.id} is not the file that was published",
                expected=f"md5 {record.md5}",
                done="nothing was kept",
                hint=by_hand(record),
            )
        if first_seen(record).digest() is None and not is_of_its_kind(path):
            error = of_another_kind(record, "nothing was kept", by_hand(record))
            path.unlink()
            raise error
        first_seen(record).remember(path, sha256)
        return WeightsFile(path, sha256, record.id)


def _fetch(record: PublishedWeights, path: Path, feedback: Feedback) -> str:
    source = fetchable(record)
    if source is None:
        raise UsageError(
            f"{record.id} ({record.title}) is not published as a file that can be fetched",
            done="nothing was fetched",
            hint=f"{by_hand(record)}; or {_named(record)}",
        )
    sha256 = first_seen(record).digest()
    instead = _instead(record, source)
    try:
        if source.member is None:
            return _download(
                source,
                path,
                sha256=sha256,
                size=record.size,
                instead=instead,
                feedback=feedback,
            )
        return _unpack(
            source, source.member, path, sha256=sha256, instead=instead, feedback=feedback
        )
    except ChecksumError as error:
        if record.sha256 is None:
            error.hint = f"{error.hint}; {first_seen(record).if_replaced}"
        raise


def _download(
    source: WeightsSource,
    path: Path,
    *,
    sha256: str | None,
    size: int | None,
    instead: str,
    feedback: Feedback,
) -> str:
    """What lies at an address, to `path`; its hex sha256."""
    if source.drive is not None:
        ready_drive(path, address=source.address, instead=instead)
    feedback.say(f"fetching {source.address}")
    with feedback.bytes(path.name, size) as advance:
        if source.drive is not None:
            return fetch_from_drive(
                source.drive,
                path,
                address=source.address,
                sha256=sha256,
                advance=advance,
                instead=instead,
            )
        return fetch_archive(
            source.address, path, sha256=sha256, size=size, advance=advance, instead=instead
        )


def _unpack(
    source: WeightsSource,
    member: str,
    path: Path,
    *,
    sha256: str | None,
    instead: str,
    feedback: Feedback,
) -> str:
    """The same where an archive lies there; one that a person put beside `path` is taken."""
    archive = path.with_name(f"{path.name}.zip")
    if not archive.is_file():
        _download(source, archive, sha256=None, size=None, instead=instead, feedback=feedback)
    try:
        found = take_member(archive, member, path, sha256)
    except (ArchiveError, ChecksumError) as error:
        error.hint = f"remove {archive}, and {source.address} is fetched again; or {instead}"
        raise
    archive.unlink()
    return found


def _instead(record: PublishedWeights, tried: WeightsSource) -> str:
    others = [describe_source(one) for one in record.sources if one is not tried]
    return "; or ".join([_named(record), *others])


def _named(record: PublishedWeights) -> str:
    """How a copy is named to `regenerate`, with what is needed besides."""
    options = ["--weights FILE", *(f"--weights {one}" for one in record.needs)]
    return f"name a copy to 'wsss-assets regenerate' with {' '.join(options)}"
