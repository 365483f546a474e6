"""What the Hub keeps of a dataset repository: files, commits, branches and tags."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LFS_SUFFIXES = frozenset(
    {".arrow", ".bin", ".bz2", ".gz", ".h5", ".jpeg", ".jpg", ".npy", ".npz", ".parquet", ".pkl"}
    | {".png", ".pt", ".pth", ".rar", ".safetensors", ".tar", ".tgz", ".webp", ".xz", ".zip"}
)
LARGEST_REGULAR_FILE = 10 * 2**20
ATTRIBUTES = "".join(
    f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in sorted(LFS_SUFFIXES)
).encode()


class UnknownRevisionError(LookupError):
    """No branch, tag or commit has that name."""


def belongs_in_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps a file out of git; `sample` is how it begins."""
    is_binary = b"\0" in sample
    named_so = PurePosixPath(path).suffix.lower() in LFS_SUFFIXES
    return size > 0 and (named_so or is_binary or size > LARGEST_REGULAR_FILE)


def git_blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file's content; with `lfs`, git itself holds only a pointer to it."""

    data: bytes
    lfs: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.sha256}\nsize {len(self.data)}\n"
        ).encode()

    @cached_property
    def git_id(self) -> str:
        return git_blob_id(self.pointer if self.lfs else self.data)

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_id


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    message: str
    date: str
    files: Mapping[str, Blob]


class Repository:
    """A repository, born with one commit as on the Hub.

    Attributes:
        private: only a holder of the hub's token sees it.
        gated: everybody sees it, nobody may download.
        branches: commit by branch name.
        tags: commit by tag name.
        objects: uploaded large files by SHA-256, in a commit or not.
    """

    def __init__(self, repo_id: str, *, private: bool = False) -> None:
        self.repo_id = repo_id
        self.private = private
        self.gated = False
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.objects: dict[str, bytes] = {}
        self._commits: dict[str, Commit] = {}
        self._add_commit({".gitattributes": Blob(ATTRIBUTES)}, "initial commit", "", "main")

    @property
    def head(self) -> str:
        return self.branches["main"]

    def find(self, revision: str = "main") -> Commit:
        """The commit that a branch, a tag, or at least seven digits of a commit name."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        sha = self.branches.get(name) or self.tags.get(name)
        if sha is None and len(revision) >= 7:
            sha = next((one for one in self._commits if one.startswith(revision)), None)
        if sha is None:
            raise UnknownRevisionError(revision)
        return self._commits[sha]

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return {path: blob.data for path, blob in self.find(revision).files.items()}

    def commits(self, revision: str = "main") -> list[Commit]:
        """Newest first."""
        history = [self.find(revision)]
        while history[-1].parent is not None:
            history.append(self._commits[history[-1].parent])
        return history

    def last_change(self, path: str, revision: str) -> Commit:
        """The commit that gave a file or folder the content it has in a revision."""
        history = self.commits(revision)
        content = files_below(history[0].files, path)
        for commit, before in pairwise(history):
            if files_below(before.files, path) != content:
                return commit
        return history[-1]

    def commit(
        self,
        files: Mapping[str, bytes | None],
        *,
        lfs: Collection[str] | None = None,
        message: str = "Change files",
        branch: str = "main",
    ) -> str:
        """Write files, or with None delete them; returns the branch's head.

        Args:
            files: content by path.
            lfs: paths kept as large files; None: those that the Hub would.
            message: the commit's title.
            branch: where.
        """
        tree = dict(self._commits[self.branches[branch]].files)
        for path, data in files.items():
            if data is None:
                del tree[path]
                continue
            is_lfs = belongs_in_lfs(path, len(data), data[:512]) if lfs is None else path in lfs
            tree[path] = Blob(data, lfs=is_lfs)
        return self.commit_tree(tree, message, "", branch)

    def commit_tree(self, tree: Mapping[str, Blob], title: str, message: str, branch: str) -> str:
        """Make a tree the head of a branch; the head stays when nothing has changed."""
        head = self.branches[branch]
        if dict(tree) != self._commits[head].files:
            self._add_commit(tree, title, message, branch)
        return self.branches[branch]

    def _add_commit(self, tree: Mapping[str, Blob], title: str, message: str, branch: str) -> None:
        parent = self.branches.get(branch)
        number = len(self._commits)
        date = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=number)
        content = {path: blob.git_id for path, blob in sorted(tree.items())}
        identity = json.dumps([self.repo_id, number, parent, title, message, content]).encode()
        sha = hashlib.sha1(identity, usedforsecurity=False).hexdigest()
        stamp = f"{date:%Y-%m-%dT%H:%M:%S}.000Z"
        self._commits[sha] = Commit(sha, parent, title, message, stamp, dict(tree))
        self.branches[branch] = sha
        for blob in tree.values():
            if blob.lfs:
                self.objects[blob.sha256] = blob.data


def files_below(files: Mapping[str, Blob], path: str) -> dict[str, Blob]:
    """The file of that path, or all in the folder of that path; "": all."""
    return {
        name: blob
        for name, blob in files.items()
        if not path or name == path or name.startswith(f"{path}/")
    }


def folders_below(files: Mapping[str, Blob], path: str) -> list[str]:
    """Folders inside a folder, at any depth; git knows no empty ones."""
    parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    return sorted(one for one in parents - {"."} if not path or one.startswith(f"{path}/"))
