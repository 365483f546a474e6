"""A staged folder onto the Hub: one commit, checked, read back, and only then a tag.

```
staged files held to their manifest → merged with what is published → preupload → one commit on
the expected parent → tree held to the manifest → read back and held to it → tag → records
```

Every step can fail and be run again: what was uploaded is not uploaded again, a commit that was
made is found, what was read back is not read back again, and a tag is never moved.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wsss_assets import __version__
from wsss_assets.catalog.records import Manifest, canonical_json
from wsss_assets.errors import (
    ChecksumError,
    DataError,
    FetchError,
    MissingDependencyError,
    UsageError,
)
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.repository import MANIFEST_NAME, read_manifest, wanted_repository
from wsss_assets.publish.card.dataset_card import dataset_card
from wsss_assets.publish.pack import check_staged, read_staged
from wsss_assets.storage.files import (
    check_free_space,
    remove_leftovers,
    temporary_folder,
    write_atomically,
)
from wsss_assets.storage.hub import Attempts, fetch_hub_file, troubles
from wsss_assets.storage.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from wsss_assets.catalog.records import MapSet, PublishedSet
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["CARD_NAME", "Release", "publish", "write_records"]

CARD_NAME = "README.md"
_BRANCH = "main"
_LARGE = 10_000_000
_VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+")


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


def publish(
    staging: Path,
    repo_id: str,
    version: str,
    *,
    dry_run: bool = False,
    private: bool = False,
    feedback: Feedback = SILENT,
    sleep: Callable[[float], None] = time.sleep,
) -> Release:
    """Publish a staged folder as a new version of a dataset repository.

    Map sets that are published already and not staged stay part of the new version.

    Args:
        staging: what `pack` made.
        repo_id: `org/name`; made if need be.
        version: `v1.2.3`; the tag.
        dry_run: say what would be done; nothing is made or sent.
        private: make a new repository private.
        feedback: who waits.
        sleep: what waits between tries.

    Raises:
        UsageError: no version of that form, or nothing is staged.
        DataError: a staged file is not what was packed.
        FetchError: the Hub refuses or cannot be reached, somebody else published meanwhile, or
            the version is taken; `ChecksumError`: what lies on the Hub is not what was sent.
    """
    if not _VERSION.fullmatch(version):
        raise UsageError(f"{version!a} is no version", expected="one such as v1.0.0")
    wanted_repository(repo_id)
    staged = read_staged(staging)
    if not staged.sets:
        raise UsageError(
            f"{staging} holds nothing to publish", hint="'wsss-assets pack' puts map sets there"
        )
    remove_leftovers(staging)
    feedback.say(f"checking {len(staged.files())} staged files")
    check_staged(staging, staged)
    side = _HubSide(repo_id, sleep)
    base = side.prepare(create=not dry_run, private=private)
    plan = _Plan.of(staged, staging, version, repo_id, base)
    side.refuse_taken_version(version, plan)
    if dry_run:
        return plan.release(None)
    commit = side.upload(plan, feedback)
    tree = side.check_tree(commit, plan)
    side.read_back(commit, tree, plan, staging, feedback)
    side.tag(version, commit)
    return plan.release(commit)


def write_records(release: Release, folder: Path) -> list[Path]:
    """Write the records that pin a release, as the catalogue keeps them.

    Args:
        release: what was published.
        folder: where to; `<benchmark>/<kind>/<name>.json` below it.
    """
    paths = []
    for record in release.records:
        path = folder / f"{record.id}.json"
        write_atomically(path, canonical_json(record))
        paths.append(path)
    return paths


@dataclass(frozen=True)
class _Base:
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
class _Plan:
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
    base: _Base
    repo_id: str

    @classmethod
    def of(cls, staged: Manifest, staging: Path, version: str, repo_id: str, base: _Base) -> _Plan:
        manifest = _merged(staged, base.manifest, version)
        contents = {
            MANIFEST_NAME: canonical_json(manifest).encode(),
            CARD_NAME: dataset_card(manifest, repo_id).encode(),
        }
        files = {file.path: staging / file.path for file in staged.files()}
        kept = {file.path for file in manifest.files()}
        gone = set() if base.manifest is None else {file.path for file in base.manifest.files()}
        removals = sorted((gone | set(_strays(base.digests, manifest))) & set(base.digests) - kept)
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
            path: {_sha256(data), _git_sha1(data)} for path, data in self.contents.items()
        }
        for file in self.manifest.files():
            path = self.staged.get(file.path)
            if path is not None:
                small = _git_digest(path)
            else:  # a digest of git's, which reading back will hold to the content
                there = self.base.digests.get(file.path, "")
                small = there if len(there) == len(_git_sha1(b"")) else None
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


def _strays(tree: Iterable[str], manifest: Manifest) -> list[str]:
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


class _HubSide:
    """The requests of a release."""

    def __init__(self, repo_id: str, sleep: Callable[[float], None]) -> None:
        try:
            import huggingface_hub.constants
            import huggingface_hub.utils
        except ImportError as error:
            raise MissingDependencyError("huggingface_hub", "hub", "publishing") from error
        self.hub: Any = huggingface_hub
        if not sys.stderr.isatty():
            self.hub.utils.disable_progress_bars()
        self.api = self.hub.HfApi(library_name="wsss-assets", library_version=__version__)
        self.repo_id = repo_id
        self.sleep = sleep

    def prepare(self, *, create: bool, private: bool) -> _Base:
        """The repository as it is; made where `create` says so."""
        if create:
            self._ask(
                "repository",
                lambda: self.api.create_repo(
                    self.repo_id, repo_type="dataset", private=private, exist_ok=True
                ),
            )
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            commit = str(self._ask("head", self._head))
        except FetchError as error:
            if create or not isinstance(error.__cause__, RepositoryNotFoundError):
                raise
            return _Base(None, None, {}, {})
        digests = self._digests(commit)
        manifest = self._manifest(commit, listed=MANIFEST_NAME in digests)
        references = self._ask(
            "tags", lambda: self.api.list_repo_refs(self.repo_id, repo_type="dataset")
        )
        tags = {tag.name: tag.target_commit for tag in references.tags}
        return _Base(commit, manifest, digests, tags)

    def _manifest(self, commit: str, *, listed: bool) -> Manifest | None:
        """The manifest there; None where both the listing and the Hub say that there is none."""
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return read_manifest(self.repo_id, commit, sleep=self.sleep)
        except FetchError as error:
            if not listed and isinstance(error.__cause__, EntryNotFoundError):
                return None
            raise

    def refuse_taken_version(self, version: str, plan: _Plan) -> None:
        """A tag is never moved; one on just these bytes is what is wanted."""
        taken = plan.base.tags.get(version)
        if taken is None or (taken == plan.base.commit and not plan.uploads):
            return
        raise FetchError(
            f"{self.repo_id} has a version {version} already",
            found=f"commit {taken}",
            done="nothing was sent; a published version never changes",
            hint="choose the next version",
        )

    def upload(self, plan: _Plan, feedback: Feedback) -> str:
        """Send what is not there and make one commit of it."""
        if not plan.uploads and not plan.removals:
            feedback.say("the repository holds all of it already")
            return str(plan.base.commit)
        additions = [
            self.hub.CommitOperationAdd(
                path, plan.contents[path] if path in plan.contents else str(plan.staged[path])
            )
            for path in plan.uploads
        ]
        total = sum(plan.size(path) for path in plan.uploads)
        feedback.say(f"uploading {len(additions)} files, {total:,} bytes")
        self._ask(
            "upload",
            lambda: self.api.preupload_lfs_files(self.repo_id, additions, repo_type="dataset"),
        )
        deletions = [self.hub.CommitOperationDelete(path) for path in plan.removals]
        return self._commit(plan, [*additions, *deletions])

    def check_tree(self, commit: str, plan: _Plan) -> dict[str, str]:
        """Hold the tree of a commit to the manifest; its digests by path."""
        digests = self._digests(commit)
        wrong = [
            path
            for path, right in plan.right_digests().items()
            if digests.get(path, "") not in right
        ]
        wrong += _strays(digests, plan.manifest)
        if wrong:
            raise ChecksumError(
                f"{self.repo_id} at {commit[:12]} is not what was sent",
                found=f"{len(wrong)} files missing, different or astray, e.g. {wrong[0]}",
                done="the version was not tagged",
                hint="run the same command again",
            )
        return digests

    def read_back(
        self,
        commit: str,
        tree: Mapping[str, str],
        plan: _Plan,
        staging: Path,
        feedback: Feedback,
    ) -> None:
        """Fetch into an empty cache, as a stranger would, what is new.

        So are small files that were there before: a tree names them by git's digest, which is not
        the manifest's.
        """
        receipts = Receipts(staging)
        files = {file.path: (file.size, file.sha256) for file in plan.manifest.files()}
        files |= {path: (len(data), _sha256(data)) for path, data in plan.contents.items()}
        wanted = [
            path
            for path, (_, sha256) in files.items()
            if not receipts.has(path, f"{self.hub.constants.ENDPOINT} {self.repo_id} {sha256}")
            and (path in plan.staged or tree[path] != sha256)
        ]
        total = sum(files[path][0] for path in wanted)
        check_free_space(staging, total)
        if wanted:
            feedback.say(f"reading back {len(wanted)} files")
        with (
            temporary_folder(staging / "read-back") as cache,
            feedback.bytes("read back", total) as advance,
        ):
            for path in wanted:
                size, sha256 = files[path]
                found = fetch_hub_file(
                    self.repo_id,
                    commit,
                    path,
                    size=size,
                    sha256=sha256,
                    advance=advance,
                    sleep=self.sleep,
                    cache=cache,
                )
                found.resolve().unlink()
                receipts.add(path, f"{self.hub.constants.ENDPOINT} {self.repo_id} {sha256}")

    def tag(self, version: str, commit: str) -> None:
        """Name the commit, and make sure that the name means it."""
        self._ask(
            "tag",
            lambda: self.api.create_tag(
                self.repo_id, tag=version, revision=commit, repo_type="dataset", exist_ok=True
            ),
        )
        references = self._ask(
            "tags", lambda: self.api.list_repo_refs(self.repo_id, repo_type="dataset")
        )
        tags = {tag.name: tag.target_commit for tag in references.tags}
        if tags.get(version) != commit:
            raise FetchError(
                f"{version} of {self.repo_id} is another commit",
                expected=commit,
                found=str(tags.get(version)),
                hint="somebody else has published under this name: choose the next version",
            )

    def _head(self) -> str:
        return str(self.api.dataset_info(self.repo_id, revision=_BRANCH).sha)

    def _digests(self, commit: str) -> dict[str, str]:
        entries = self._ask(
            "tree",
            lambda: list(
                self.api.list_repo_tree(
                    self.repo_id, recursive=True, revision=commit, repo_type="dataset"
                )
            ),
        )
        return {
            entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id
            for entry in entries
            if hasattr(entry, "blob_id")
        }

    def _commit(self, plan: _Plan, operations: list[Any]) -> str:
        """Commit on the expected parent; a commit whose answer was lost is found again."""
        attempts = Attempts(f"the commit to {self.repo_id}", self.sleep, verb="made")
        message = f"Publish {plan.manifest.version}"
        while True:
            try:
                made = self.api.create_commit(
                    self.repo_id,
                    operations,
                    commit_message=message,
                    repo_type="dataset",
                    parent_commit=plan.base.commit,
                )
                return str(made.oid)
            except troubles() as error:
                head = str(self._ask("head", self._head))
                if head != plan.base.commit:
                    return self._own_commit(head, plan, error)
                attempts.failed(error)

    def _own_commit(self, head: str, plan: _Plan, error: BaseException) -> str:
        """The new head, if it is just what was to be committed."""
        digests = self._digests(head)
        same = digests.get(MANIFEST_NAME) in {
            _sha256(plan.contents[MANIFEST_NAME]),
            _git_sha1(plan.contents[MANIFEST_NAME]),
        }
        if same:
            return head
        raise FetchError(
            f"somebody else has changed {self.repo_id} meanwhile",
            expected=f"commit {plan.base.commit}",
            found=f"commit {head}",
            done="nothing was committed; what was uploaded is kept",
            hint="run the same command again",
        ) from error

    def _ask(self, what: str, request: Callable[[], Any]) -> Any:  # noqa: ANN401
        attempts = Attempts(f"{what} of {self.repo_id}", self.sleep, verb="had")
        while True:
            try:
                return request()
            except troubles() as error:
                attempts.failed(error)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_sha1(data: bytes) -> str:
    """The name that git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 (git's choice)


def _git_digest(path: Path) -> str | None:
    """The same for a file, if it is small enough not to be in large-file storage."""
    return None if path.stat().st_size > _LARGE else _git_sha1(path.read_bytes())
