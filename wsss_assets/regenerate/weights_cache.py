"""Where published weights are kept, and whether what is kept there is what it should be.

`<cache>/weights/<id>/<file name>` is the file, and `<file name>.json` beside it the digest that it
had when it was first seen, where none is published. Where its authors put it into a zip archive,
that is `<file name>.zip` until the file is taken out of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import list_weights
from wsss_assets.catalog.first_seen import FirstSeen
from wsss_assets.catalog.records import Archive
from wsss_assets.catalog.weights import describe_source
from wsss_assets.errors import ChecksumError, DataError
from wsss_assets.regenerate.file_kinds import describe_kind, is_of_its_kind
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.verified import is_whole

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from wsss_assets.catalog.records import PublishedWeights, WeightsSource

__all__ = [
    "WeightsFile",
    "by_hand",
    "fetchable",
    "first_seen",
    "has_md5",
    "held",
    "is_here",
    "kept_at",
    "known_as",
    "of_another_kind",
]


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights on this machine.

    Attributes:
        path: where it is.
        sha256: its digest.
        record_id: id of the published weights that it is; None: none that is known.
    """

    path: Path
    sha256: str
    record_id: str | None


def kept_at(record: PublishedWeights) -> Path:
    """Where the file is kept, or would be."""
    return cache_folder() / "weights" / record.id / record.file_name


def first_seen(record: PublishedWeights) -> FirstSeen:
    """What the digest of published weights must be."""
    archive = Archive(url=record.sources[0].address, size=record.size, sha256=record.sha256)
    path = kept_at(record)
    return FirstSeen(archive, path.with_name(f"{path.name}.json"))


def is_here(record: PublishedWeights) -> Literal["yes", "no", "damaged"]:
    """Whether the file is in the cache, and as it should be as far as that is known."""
    path, seen = kept_at(record), first_seen(record).recorded()
    if not path.is_file():
        return "no"
    if seen.sha256 is None:
        whole = is_of_its_kind(path) and has_md5(record, path)
    else:
        whole = is_whole(path, seen.size or path.stat().st_size, seen.sha256)
    return "yes" if whole else "damaged"


def known_as(sha256: str) -> str | None:
    """The id of the published weights of a digest; None: none that are known."""
    for record in list_weights():
        if first_seen(record).digest() == sha256:
            return record.id
    return None


def held(record: PublishedWeights) -> WeightsFile | None:
    """The file in the cache, fetched or put there by a person; None: none, or a damaged one.

    What is published to have another digest and can be fetched counts as damaged. A digest that
    was only noted may be the wrong one, so nothing is fetched before the user knows.

    Raises:
        ChecksumError: it is another file than was seen before, or than only a person can get.
        DataError: it is no file of weights, and no digest is known that would say so.
    """
    path, seen = kept_at(record), first_seen(record)
    if not path.is_file():
        return None
    sha256, known = sha256_file(path), seen.digest()
    if known is None and not is_of_its_kind(path):
        raise of_another_kind(record, "no digest was noted", f"remove it; {by_hand(record)}")
    if known == sha256 or (known is None and has_md5(record, path)):
        seen.remember(path, sha256)
        return WeightsFile(path, sha256, record.id)
    if record.sha256 is None and known is not None:
        raise ChecksumError(
            f"{path} is not the file of {record.id} that was seen before",
            expected=f"sha256 {known}, as {seen.note} notes",
            found=f"sha256 {sha256}",
            done="nothing was fetched",
            hint=f"remove {path} if it is the wrong file; remove {seen.note} if the one seen "
            "before was, or if its authors have replaced theirs",
        )
    if fetchable(record) is None:
        raise ChecksumError(
            f"{path} is not the file that was published as {record.id}",
            expected=f"md5 {record.md5}" if known is None else f"sha256 {known}",
            found=f"sha256 {sha256}",
            hint=by_hand(record),
        )
    return None


def of_another_kind(record: PublishedWeights, done: str, hint: str) -> DataError:
    """The error that says of the file that is there that it is no file of weights."""
    path = kept_at(record)
    return DataError(
        f"{record.file_name} of {record.id} is no file of weights",
        expected=f"one that begins as {path.suffix} files do",
        found=f"{describe_kind(path)} at {path}",
        done=done,
        hint=hint,
    )


def has_md5(record: PublishedWeights, path: Path) -> bool:
    """Whether a file has the md5 that is published, where a sha256 is not."""
    if record.md5 is None or record.sha256 is not None:
        return True
    with path.open("rb") as file:
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == record.md5


def fetchable(record: PublishedWeights) -> WeightsSource | None:
    """The first place that the file can be fetched from; None: only a person can get it."""
    return next((one for one in record.sources if one.page is None), None)


def by_hand(record: PublishedWeights) -> str:
    """How a person gets the file, and where it belongs then."""
    places = "; or ".join(map(describe_source, record.sources))
    return f"get it from {places}; and put it at {kept_at(record)}"
