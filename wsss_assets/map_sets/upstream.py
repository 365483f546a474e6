"""Map sets from the authors' archives, whose digests are recorded when they are first seen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.catalog import get_map_set, map_set_names
from wsss_assets.catalog.first_seen import FirstSeen
from wsss_assets.errors import ChecksumError, DataError, MissingFileError, UsageError
from wsss_assets.map_sets.imports import import_maps
from wsss_assets.map_sets.lists import WantedList
from wsss_assets.map_sets.store import holding_key, list_held, locked
from wsss_assets.storage.archives import ZipMaps
from wsss_assets.storage.fetch import cache_folder, fetch_archive
from wsss_assets.storage.files import sha256_file

if TYPE_CHECKING:
    from wsss_assets.catalog.records import Archive, MapSet
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.store import HeldSet

__all__ = ["import_archive"]


def import_archive(
    record: MapSet,
    split: str,
    labels: ImageLabels | None,
    feedback: Feedback,
    location: str | None = None,
) -> HeldSet:
    """Import the authors' zip into shards of the store, unless that was done before.

    Args:
        record: the map set.
        split: the split's name.
        labels: its images, in the order of the rows, and their classes; None: WSSS-BED's list.
        feedback: who waits.
        location: path or address of a copy; None: where the authors keep it.

    Raises:
        UsageError: it has no archive.
        FetchError: the network failed; `ChecksumError`: it is not the archive of the first time.
        DataError: the archive cannot be used.
    """
    if record.archive is None or record.upstream is None:
        raise UsageError(
            f"{record.id} has no archive of its authors",
            hint="name the repository that has it with --repo-id, or its maps with --source DIR",
        )
    source = _Upstream(record.id, record.upstream, record.archive)
    wanted = WantedList(get_benchmark(record.benchmark), split, labels)
    if location is not None and "://" not in location:
        source.refuse_other(Path(location))
    held = _held_archive(record, split, source, wanted.sha256)
    if held is not None:
        return held
    with locked(record.id):
        held = _held_archive(record, split, source, wanted.sha256)
        if held is not None:
            return held
        wanted.labels()  # what comes from the network comes before what takes long
        path, sha256 = source.file(location, feedback)
        try:
            held = _import(record, split, source, path, sha256, wanted, feedback)
            if source.vouched_by_nothing(path) and held.holding.content.has_damage:
                feedback.say(f"{source.name}.zip holds damaged maps: fetching it once more to see")
                source.refuse_file()
                path, second = source.file(location, feedback)
                if second != sha256:  # then the damage came on the way
                    shutil.rmtree(held.folder)
                    sha256 = second
                    held = _import(record, split, source, path, sha256, wanted, feedback)
        except DataError:
            source.refuse_file()
            raise
        if held.holding.content.has_damage and not source.is_fetched(path):
            feedback.say(f"{path} holds damaged maps: its digest is not recorded")
        else:
            source.remember(path, sha256)
        return held


def _import(
    record: MapSet,
    split: str,
    source: _Upstream,
    path: Path,
    sha256: str,
    wanted: WantedList,
    feedback: Feedback,
) -> HeldSet:
    url = source.archive.url
    key = holding_key("archive", url, sha256, wanted.sha256)
    origin = {"origin": "archive", "source": url, "archive_sha256": sha256}
    with ZipMaps(path) as maps:
        return import_maps(record, split, maps, wanted, key, origin, feedback)


def _held_archive(
    record: MapSet, split: str, source: _Upstream, list_sha256: str
) -> HeldSet | None:
    """An undamaged import of that archive, with that list."""
    sha256 = source.known_digest()
    for held in list_held(record.id, split):
        holding = held.holding
        same = (holding.source, holding.archive_sha256, holding.list_sha256) == (
            source.archive.url,
            sha256,
            list_sha256,
        )
        if same and sha256 is not None and not held.damaged():
            return held
    return None


@dataclass(frozen=True)
class _Upstream:
    """The archive of one map set, and what is known of its digest."""

    set_id: str
    name: str
    archive: Archive

    def file(self, location: str | None, feedback: Feedback) -> tuple[Path, str]:
        """The archive as a file, and its digest, which is that of the first time."""
        if location is None or "://" in location:
            path = self._fetched
            sha256 = self._fetch(location or self.archive.url, feedback)
        else:
            path = Path(location)
            sha256 = sha256_file(path)
        return path, sha256

    def remember(self, path: Path, sha256: str) -> None:
        """Note the digest of an archive that was imported, and remove it if it was fetched."""
        self._seen.remember(path, sha256)
        self._fetched.unlink(missing_ok=True)

    def is_fetched(self, path: Path) -> bool:
        """Whether an archive was fetched, and is no copy that somebody has."""
        return path == self._fetched

    def vouched_by_nothing(self, path: Path) -> bool:
        """Whether an archive was fetched just now and its digest is not known from before."""
        return self.is_fetched(path) and self.known_digest() is None

    def refuse_file(self) -> None:
        """Remove a fetched file that cannot be used, if nothing says that it is the right one."""
        if self.known_digest() is None:
            self._fetched.unlink(missing_ok=True)

    def known_digest(self) -> str | None:
        """What the digest must be: as recorded, or as it was when it was first fetched."""
        return self._seen.digest()

    @property
    def _stem(self) -> str:
        """The name; for another archive than the catalogue's of that name, one of its own."""
        known = get_map_set(self.set_id).archive if self.set_id in map_set_names() else None
        same = known is not None and known.url == self.archive.url
        return self.name if same else f"{self.name}-{holding_key(self.archive.url)}"

    @property
    def _fetched(self) -> Path:
        return cache_folder() / "archives" / f"{self._stem}.zip"

    @property
    def _seen(self) -> FirstSeen:
        return FirstSeen(self.archive, cache_folder() / "archives" / f"{self._stem}.json")

    def _fetch(self, url: str, feedback: Feedback) -> str:
        feedback.say(f"fetching {url}")
        with feedback.bytes(f"{self.name}.zip", self.archive.size) as advance:
            try:
                return fetch_archive(
                    url,
                    self._fetched,
                    sha256=self.known_digest(),
                    size=self.archive.size,
                    advance=advance,
                    instead=f"name a copy of {self.name}.zip with --source",
                )
            except ChecksumError as error:
                error.hint = f"{error.hint}; {self._seen.if_replaced}"
                raise

    def refuse_other(self, path: Path) -> None:
        """Refuse a copy that is not the archive that was seen before.

        Raises:
            MissingFileError: it is not there.
            ChecksumError: it is another one.
        """
        if not path.is_file():
            raise MissingFileError(f"no file {path}")
        known = self.known_digest()
        sha256 = "" if known is None else sha256_file(path)
        if known is not None and sha256 != known:
            raise ChecksumError(
                f"{path} is not the archive of {self.set_id} that was seen before",
                expected=f"sha256 {known}",
                found=f"sha256 {sha256}",
                done="nothing was imported",
                hint=self._seen.if_replaced,
            )
