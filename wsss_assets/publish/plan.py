"""What a new version of the repository consists of, next to what is there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import Manifest, canonical_json
from wsss_assets.errors import DataError
from wsss_assets.map_sets.repository import MANIFEST_NAME
from wsss_assets.publish.card.dataset_card import dataset_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wsss_assets.catalog.records import MapSet, PublishedSet

__all__ = ["Base", "Plan", "Release", "git_sha1_of", "sha256_of", "strays"]

_CARD_NAME = "README.md"
_LARGE = 10_000_000


@dataclass(frozen=True)
class Release:
    """What was published, or would be.

    Attributes:
        repo_id: the repository.
        version: the tag.
        revision: the commit; None for a dry run.
        uploads: files that were not there yet, with their bytes.
        removals: files that are no longer part of it.
        sets: ids of all map sets of this version.
        records: the records that pin it; empty for a dry run.
    """

    repo_id: str
    version: str
    revision: str | None
    uploads: dict[str, int]
    removals: tuple[str, ...]
    sets: tuple[str, ...]
    records: tuple[MapSet, ...]


@dataclass(frozen=True)
class Base:
    """What the repository holds before.

    Attributes:
        commit: head of its branch; None where there is no repository yet.
        manifest: of that commit; None where it has none.
        digests: of the files there, by path: sha256 of large ones, git's sha1 of small ones.
        tags: commit by tag.
    """

    commit: str | None
    manifest: Manifest | None
    digests: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What the new version consists of.

    Attributes:
        manifest: of the new version, sealed.
        contents: small files that are made here, by path.
        staged: files that were packed, by path.
        uploads: paths that the repository does not hold with these bytes.
        removals: paths that belong to no set any more.
        base: what the repository holds before.
        repo_id: the repository.
    """

    manifest: Manifest
    contents: Mapping[str, bytes]
    staged: Mapping[str, Path]
    uploads: tuple[str, ...]
    removals: tuple[str, ...]
    base: Base
    repo_id: str

    @classmethod
    def of(cls, staged: Manifest, staging: Path, version: str, repo_id: str, base: Base) -> Plan:
        """What changes, by what is staged.

        Raises:
            DataError: sets of one split would have different lists of images.
        """
        manifest = _merged(staged, base.manifest, version)
        contents = {
            MANIFEST_NAME: canonical_json(manifest).encode(),
            _CARD_NAME: dataset_card(manifest, repo_id).encode(),
        }
        files = {file.path: staging / file.path for file in staged.files()}
        kept = {file.path for file in manifest.files()}
        gone = set() if base.manifest is None else {file.path for file in base.manifest.files()}
        removals = sorted((gone | set(strays(base.digests, manifest))) & set(base.digests) - kept)
        plan = cls(manifest, contents, files, (), tuple(removals), base, repo_id)
        uploads = [
            path
            for path, right in plan.right_digests().items()
            if (path in files or path in contents) and base.digests.get(path, "") not in right
        ]
        return replace(plan, uploads=tuple(uploads))

    def right_digests(self) -> dict[str, set[str | None]]:
        """What a tree may say of each file: sha256 of large ones, git's sha1 of small ones."""
        right: dict[str, set[str | None]] = {
            path: {sha256_of(data), git_sha1_of(data)} for path, data in self.contents.items()
        }
        for file in self.manifest.files():
            path = self.staged.get(file.path)
            if path is not None:
                small = _git_digest(path)
            else:  # a digest of git's, which reading back will hold to the content
                there = self.base.digests.get(file.path, "")
                small = there if len(there) == len(git_sha1_of(b"")) else None
            right[file.path] = {file.sha256, small}
        return right

    def size(self, path: str) -> int:
        """Bytes of a file to upload."""
        if path in self.contents:
            return len(self.contents[path])
        return self.staged[path].stat().st_size

    def release(self, commit: str | None) -> Release:
        """What a caller gets to know."""
        return Release(
            repo_id=self.repo_id,
            version=self.manifest.version,
            revision=commit,
            uploads={path: self.size(path) for path in self.uploads},
            removals=self.removals,
            sets=tuple(one.record.id for one in self.manifest.sets),
            records=()
            if commit is None
            else tuple(self._pinned(one, commit) for one in self.manifest.sets),
        )

    def _pinned(self, one: PublishedSet, commit: str) -> MapSet:
        published = self.manifest.publication(one.record.id, self.repo_id, commit)
        return one.record.model_copy(update={"published": published})


def _merged(staged: Manifest, published: Manifest | None, version: str) -> Manifest:
    """Staged sets over published ones; a split that is not staged stays."""
    _refuse_mixed_lists(staged, published)
    before = published or Manifest(format=1, version=version, sets=())
    return before.merged(staged.sets, staged.lists, version)


def strays(tree: Iterable[str], manifest: Manifest) -> list[str]:
    """Shards in the folders of map sets that are no part of them, but would be read as if."""
    folders = tuple(f"{one.record.id}/" for one in manifest.sets)
    known = {file.path for file in manifest.files()}
    return [
        path
        for path in tree
        if path.startswith(folders) and path.endswith(".parquet") and path not in known
    ]


def _refuse_mixed_lists(staged: Manifest, published: Manifest | None) -> None:
    """Every set of a split has the same rows: a new list needs all its sets anew."""
    if published is None:
        return
    anew = {(one.record.id, split) for one in staged.sets for split in one.splits}
    for name, listed in staged.lists.items():
        if published.lists.get(name) in {None, listed}:
            continue
        left = [
            one.record.id
            for one in published.sets
            for split in one.splits
            if f"{one.record.benchmark}/{split}" == name and (one.record.id, split) not in anew
        ]
        if left:
            raise DataError(
                f"{name} was packed with another list than the published sets of it have",
                expected="the same images, order and classes for every set of a split",
                found=f"{', '.join(left)} would be left with the old list",
                done="nothing was published",
                hint="pack with the published list, or pack these sets as well",
            )


def sha256_of(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def git_sha1_of(data: bytes) -> str:
    """The name that git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 (git's choice)


def _git_digest(path: Path) -> str | None:
    """The same for a file, if it is small enough not to be in large-file storage."""
    return None if path.stat().st_size > _LARGE else git_sha1_of(path.read_bytes())
