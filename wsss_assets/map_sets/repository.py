"""Repositories on the Hub that hold map sets, read through the manifest that lies in them."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import REPO_ID_PATTERN, Manifest, parse_record
from wsss_assets.errors import ChecksumError, MissingFileError, RecordError, UsageError
from wsss_assets.storage.hub import drop_hub_file, fetch_hub_file, resolve_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsss_assets.catalog.records import MapSet, Publication

__all__ = [
    "DEFAULT_REPO_ID",
    "MANIFEST_NAME",
    "LocalCopy",
    "Repository",
    "chosen_repository",
    "open_copy",
    "open_repository",
    "read_manifest",
    "wanted_repository",
]

DEFAULT_REPO_ID = "wsss-assets/wsss-bed"
"""What the records in this package speak of; `$WSSS_ASSETS_REPO` names another one."""

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class Repository:
    """A repository at a commit.

    Attributes:
        repo_id: `org/name`.
        revision: 40-hex commit.
        manifest: what lies there.
    """

    repo_id: str
    revision: str
    manifest: Manifest

    def records(self) -> Iterator[MapSet]:
        """The records of its map sets, which say that they are published here."""
        for one in self.manifest.sets:
            published = self.publication(one.record.id)
            yield one.record.model_copy(update={"published": published})

    def publication(self, set_id: str) -> Publication | None:
        """Where a map set lies in it; None where it does not."""
        return self.manifest.publication(set_id, self.repo_id, self.revision)


@dataclass(frozen=True)
class LocalCopy:
    """A copy of a repository in a folder, such as a staging folder.

    Attributes:
        repo_id: the folder, for messages.
        manifest: what lies there.
    """

    repo_id: str
    manifest: Manifest

    def records(self) -> Iterator[MapSet]:
        """The records of its map sets, which are published nowhere as far as is known."""
        yield from (one.record for one in self.manifest.sets)


def open_copy(root: Path) -> LocalCopy:
    """A copy of a repository.

    Raises:
        MissingFileError: the folder holds no manifest.
        RecordError: it is no manifest; `ChecksumError`: it is damaged.
    """
    path = root / MANIFEST_NAME
    try:
        manifest = parse_record(Manifest, path.read_bytes(), str(path))
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    if not manifest.is_intact():
        raise ChecksumError(
            f"{path} is damaged",
            expected="a content of the digest that it names",
            hint="copy the repository again",
        )
    return LocalCopy(str(root), manifest)


def wanted_repository(repo_id: str | None) -> str:
    """The repository that a user names, or else `$WSSS_ASSETS_REPO`, or else the default one.

    Raises:
        UsageError: it can be no repository's name.
    """
    wanted = repo_id or os.environ.get("WSSS_ASSETS_REPO") or DEFAULT_REPO_ID
    if not re.fullmatch(REPO_ID_PATTERN, wanted):
        raise UsageError(f"{wanted!a} is no repository", expected="ORG/NAME, e.g. me/my-maps")
    return wanted


def chosen_repository(
    repo_id: str | None, revision: str | None, source: str = "auto"
) -> Repository | LocalCopy | None:
    """Where a user wants records from instead of the catalogue; None: from there.

    Args:
        repo_id: `org/name`; None: `$WSSS_ASSETS_REPO`, else the default one.
        revision: branch, tag or commit; None: the default branch, or what the records pin.
        source: where maps are to come from; the folder of a copy has records of its own.

    Raises:
        FetchError: it cannot be reached, or does not exist.
        RecordError: it has no manifest of this format.
    """
    if "://" not in source and (Path(source) / MANIFEST_NAME).is_file():
        return open_copy(Path(source))
    wanted = wanted_repository(repo_id)
    if wanted == DEFAULT_REPO_ID and revision is None:
        return None
    return open_repository(wanted, revision)


def open_repository(repo_id: str, revision: str | None = None) -> Repository:
    """A repository at the commit that `revision` stands for now.

    Raises:
        FetchError: it cannot be reached, or does not exist; `ChecksumError`: its manifest is
            damaged, and was when fetched again.
    """
    commit = resolve_commit(repo_id, revision)
    return Repository(repo_id, commit, read_manifest(repo_id, commit))


def read_manifest(
    repo_id: str, commit: str, *, sleep: Callable[[float], None] = time.sleep
) -> Manifest:
    """The manifest of a repository at a commit.

    Args:
        repo_id: `org/name`.
        commit: 40-hex.
        sleep: what waits between tries.

    Raises:
        FetchError: there is none, or it cannot be reached; `ChecksumError`: it is damaged, and
            was when fetched again.
    """
    where = f"{MANIFEST_NAME} of {repo_id} at {commit[:12]}"
    for _ in range(2):
        path = fetch_hub_file(repo_id, commit, MANIFEST_NAME, sleep=sleep)
        damage: Exception
        try:
            manifest = parse_record(Manifest, path.read_bytes(), where)
            if manifest.is_intact():
                return manifest
            damage = RecordError(f"the digest of {where} is not that of its content")
        except RecordError as error:
            damage = error
        drop_hub_file(path)
    raise ChecksumError(
        f"{where} cannot be used",
        found=str(damage),
        done="fetched twice; nothing was kept",
        hint="was it written by 'wsss-assets publish', with this version or an older one?",
    ) from damage
