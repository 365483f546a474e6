"""A staged folder onto the Hub: one commit, checked, read back, and only then a tag.

```
staged files held to their manifest → merged with what is published → preupload → one commit on
the expected parent → tree held to the manifest → read back and held to it → tag → records
```

Every step can fail and be run again: what was uploaded is not uploaded again, a commit that was
made is found, what was read back is not read back again, and a tag is never moved.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any

from wsss_assets import __version__
from wsss_assets.catalog.records import canonical_json
from wsss_assets.errors import (
    ChecksumError,
    FetchError,
    MissingDependencyError,
    UsageError,
)
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.repository import MANIFEST_NAME, read_manifest, wanted_repository
from wsss_assets.publish.pack import check_staged, read_staged
from wsss_assets.publish.plan import Base, Plan, Release, git_sha1_of, sha256_of, strays
from wsss_assets.storage.files import (
    check_free_space,
    remove_leftovers,
    temporary_folder,
    write_atomically,
)
from wsss_assets.storage.hub import fetch_hub_file
from wsss_assets.storage.hub_faults import HubAttempts, troubles
from wsss_assets.storage.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wsss_assets.catalog.records import Manifest
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["Release", "publish", "write_records"]

_BRANCH = "main"
_VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+")


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
    plan = Plan.of(staged, staging, version, repo_id, base)
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

    def prepare(self, *, create: bool, private: bool) -> Base:
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
            return Base(None, None, {}, {})
        digests = self._digests(commit)
        manifest = self._manifest(commit, listed=MANIFEST_NAME in digests)
        references = self._ask(
            "tags", lambda: self.api.list_repo_refs(self.repo_id, repo_type="dataset")
        )
        tags = {tag.name: tag.target_commit for tag in references.tags}
        return Base(commit, manifest, digests, tags)

    def _manifest(self, commit: str, *, listed: bool) -> Manifest | None:
        """The manifest there; None where both the listing and the Hub say that there is none."""
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return read_manifest(self.repo_id, commit, sleep=self.sleep)
        except FetchError as error:
            if not listed and isinstance(error.__cause__, EntryNotFoundError):
                return None
            raise

    def refuse_taken_version(self, version: str, plan: Plan) -> None:
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

    def upload(self, plan: Plan, feedback: Feedback) -> str:
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

    def check_tree(self, commit: str, plan: Plan) -> dict[str, str]:
        """Hold the tree of a commit to the manifest; its digests by path."""
        digests = self._digests(commit)
        wrong = [
            path
            for path, right in plan.right_digests().items()
            if digests.get(path, "") not in right
        ]
        wrong += strays(digests, plan.manifest)
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
        plan: Plan,
        staging: Path,
        feedback: Feedback,
    ) -> None:
        """Fetch into an empty cache, as a stranger would, what is new.

        So are small files that were there before: a tree names them by git's digest, which is not
        the manifest's.
        """
        receipts = Receipts(staging)
        files = {file.path: (file.size, file.sha256) for file in plan.manifest.files()}
        files |= {path: (len(data), sha256_of(data)) for path, data in plan.contents.items()}
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

    def _commit(self, plan: Plan, operations: list[Any]) -> str:
        """Commit on the expected parent; a commit whose answer was lost is found again."""
        attempts = HubAttempts(f"the commit to {self.repo_id}", self.sleep, verb="made")
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

    def _own_commit(self, head: str, plan: Plan, error: BaseException) -> str:
        """The new head, if it is just what was to be committed."""
        digests = self._digests(head)
        same = digests.get(MANIFEST_NAME) in {
            sha256_of(plan.contents[MANIFEST_NAME]),
            git_sha1_of(plan.contents[MANIFEST_NAME]),
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
        attempts = HubAttempts(f"{what} of {self.repo_id}", self.sleep, verb="had")
        while True:
            try:
                return request()
            except troubles() as error:
                attempts.failed(error)
