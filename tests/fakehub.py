"""A Hugging Face Hub for dataset repositories, on loopback and in memory.

It speaks what `huggingface_hub` 2 and `datasets` 5 ask of the real one, without Xet. Large files
are redirected to a second origin, as the real Hub's are, and anything can be made to go wrong.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode

from tests.fakehub_git import (
    Blob,
    Commit,
    Repository,
    UnknownRevisionError,
    belongs_in_lfs,
    files_below,
    folders_below,
    git_blob_id,
)
from tests.serving import Answer, FaultyServer, Request, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

USER = "tester"
LARGEST_CARD = 2**20

CLIENT_SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # only the real Hub speaks Xet
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # they are counted on another host
    # Seconds, whole ones: so a server that has fallen silent is noticed soon.
    "HF_HUB_DOWNLOAD_TIMEOUT": "2",
    "HF_HUB_ETAG_TIMEOUT": "2",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
OTHER_CLIENT_SETTINGS = re.compile(r"HF_|HUGGING|TRANSFORMERS_OFFLINE$")


class RefusalError(Exception):
    """What was asked for is answered with an error."""

    def __init__(self, status: int, code: str, message: str, commit: str | None = None) -> None:
        super().__init__(message)
        headers = {"X-Error-Code": code} if code else {}
        if commit is not None:
            headers["X-Repo-Commit"] = commit
        headers["X-Error-Message"] = message.encode("ascii", "replace").decode()
        self.answer = json_answer({"error": message}, status, headers)


class _Endpoint(NamedTuple):
    method: str
    pattern: re.Pattern[str]
    function: Callable[..., Answer]


def json_answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Answer(status, headers, json.dumps(content).encode())


class FakeHub(FaultyServer):
    """The server; repositories are reached through `commit`, `repo` or any Hub client.

    Attributes:
        url: the endpoint.
        cdn_url: the origin that serves large files.
        token: when set, needed to write and to see private repositories, and no other is valid.
        page_size: entries per page of a listing.
        repos: repository by name.
    """

    # A client asks once per process, and at a moment of its own, what may have started it.
    quiet_paths = frozenset({"/api/agent-harnesses"})

    def __init__(self) -> None:
        super().__init__()
        self._state = threading.RLock()
        self._endpoints = [
            _Endpoint(method, re.compile(pattern), function)
            for method, pattern, function in self._all_endpoints()
        ]
        self.reset()
        self.url = self.listen(self._hub_route, "hub")
        self.cdn_url = self.listen(self._cdn_route, "cdn")

    # What tests use.

    def reset(self) -> None:
        """Forget all repositories, faults, requests and settings."""
        with self._state:
            self.repos: dict[str, Repository] = {}
            self.token: str | None = None
            self.page_size = 1000
        self.clear_faults()
        self.clear_log()
        self.errors.clear()

    def repo(self, repo_id: str) -> Repository:
        return self.repos[repo_id]

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes | None],
        lfs: Collection[str] | None = None,
        *,
        message: str = "Change files",
        branch: str = "main",
    ) -> str:
        """Write files (None deletes one), making the repository if need be.

        Args:
            repo_id: where.
            files: content by path.
            lfs: paths served as large files; None: those that the Hub itself would choose.
            message: the commit's title.
            branch: an existing one.

        Returns:
            The commit's id.
        """
        with self._state:
            repository = self.repos.setdefault(repo_id, Repository(repo_id))
            return repository.commit(files, lfs=lfs, message=message, branch=branch)

    def move_tag(self, repo_id: str, tag: str, sha: str) -> None:
        """Let a tag, new or not, point to a commit."""
        with self._state:
            self.repos[repo_id].tags[tag] = self.repos[repo_id].find(sha).sha

    @property
    def cdn_saw_authorization(self) -> bool:
        """Whether a token has left the Hub's own origin since the log was cleared."""
        return any(visit.authorized for visit in self.requests if visit.origin == "cdn")

    def client_environment(self, home: Path) -> dict[str, str]:
        """The environment of a client process whose caches are in `home`."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not OTHER_CLIENT_SETTINGS.match(name)
        }
        return {**kept, **CLIENT_SETTINGS, "HF_ENDPOINT": self.url, "HF_HOME": str(home)}

    # How requests find their way.

    def _all_endpoints(self) -> Iterable[tuple[str, str, Callable[..., Answer]]]:
        repo = r"(?P<repo_id>[^/]+/[^/]+)"
        api = f"/api/datasets/{repo}"
        revision = r"/(?P<revision>[^/]+)"
        lfs = rf"/datasets/{repo}\.git/info/lfs/objects"
        return [
            ("GET", "/api/agent-harnesses", self._agent_harnesses),
            ("GET", "/api/whoami-v2", self._whoami),
            ("POST", "/api/repos/create", self._create_repo),
            ("DELETE", "/api/repos/delete", self._delete_repo),
            ("POST", "/api/validate-yaml", self._validate_card),
            ("GET", f"{api}(/revision{revision})?", self._info),
            ("GET", f"{api}/tree{revision}(/(?P<folder>.+))?", self._tree),
            ("POST", f"{api}/paths-info{revision}", self._paths_info),
            ("GET", f"{api}/refs", self._refs),
            ("GET", f"{api}/commits{revision}", self._commits),
            ("POST", f"{api}/tag{revision}", self._create_tag),
            ("DELETE", f"{api}/tag/(?P<tag>[^/]+)", self._delete_tag),
            ("POST", f"{api}/branch/(?P<branch>[^/]+)", self._create_branch),
            ("DELETE", f"{api}/branch/(?P<branch>[^/]+)", self._delete_branch),
            ("POST", f"{api}/preupload{revision}", self._preupload),
            ("POST", f"{lfs}/batch", self._lfs_batch),
            ("POST", f"{lfs}/verify", self._lfs_verify),
            ("POST", f"{api}/commit/(?P<branch>[^/]+)", self._commit),
            ("GET", f"/datasets/{repo}/resolve{revision}/(?P<path>.+)", self._resolve),
        ]

    def _hub_route(self, request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        for endpoint in self._endpoints:
            match = endpoint.pattern.fullmatch(request.path)
            if match is None or endpoint.method != method:
                continue
            words = {name: unquote(one) for name, one in match.groupdict().items() if one}
            try:
                with self._state:
                    self._check_token(request)
                    return endpoint.function(request, **words)
            except RefusalError as refusal:
                return refusal.answer
            except UnknownRevisionError as error:
                return RefusalError(404, "RevisionNotFound", f"Invalid rev id: {error}").answer
        return RefusalError(404, "", "no such endpoint").answer

    def _cdn_route(self, request: Request) -> Answer:
        """Large files: /lfs/{organization}/{name}/{sha256}/{path}; the path only to be read."""
        _, _, organization, name, sha256, *_ = request.path.split("/")
        with self._state:
            repository = self.repos.get(f"{organization}/{name}")
            if repository is None:
                return Answer(404)
            if request.method == "PUT":
                blob = Blob(request.body)
                if blob.sha256 != sha256:
                    return Answer(400, body=b"the content is not what was announced")
                repository.objects[sha256] = request.body
                return Answer(200, {"ETag": f'"{sha256}"'})
            if sha256 not in repository.objects:
                return Answer(404)
            return serve_bytes(request, repository.objects[sha256], {"ETag": f'"{sha256}"'})

    def _check_token(self, request: Request) -> None:
        if self.token is not None and _bearer(request) not in (None, self.token):
            raise RefusalError(401, "", "Invalid credentials in Authorization header")

    def _readable(self, request: Request, repo_id: str) -> Repository:
        repository = self.repos.get(repo_id)
        if repository is None:
            # The Hub tells strangers no difference between what is missing and what is private.
            status = 401 if _bearer(request) is None else 404
            raise RefusalError(status, "RepoNotFound", "Repository not found")
        if repository.private and _bearer(request) is None:
            raise RefusalError(401, "RepoNotFound", "Invalid username or password.")
        return repository

    def _writable(self, request: Request, repo_id: str) -> Repository:
        repository = self._readable(request, repo_id)
        self._check_may_write(request)
        return repository

    def _check_may_write(self, request: Request) -> None:
        if self.token is not None and _bearer(request) is None:
            raise RefusalError(401, "", "Invalid username or password.")

    # Accounts and repositories.

    def _agent_harnesses(self, _: Request) -> Answer:
        return json_answer({"standardEnvVars": [], "harnesses": {}})

    def _whoami(self, request: Request) -> Answer:
        if _bearer(request) is None:
            raise RefusalError(401, "", "Invalid username or password.")
        return json_answer({"type": "user", "name": USER, "orgs": []})

    def _named(self, request: Request) -> str:
        self._check_may_write(request)
        asked = request.json()
        if asked.get("type") != "dataset":
            raise RefusalError(400, "", "this Hub keeps datasets only")
        return f"{asked.get('organization') or USER}/{asked['name']}"

    def _create_repo(self, request: Request) -> Answer:
        repo_id = self._named(request)
        url = f"{self.url}/datasets/{repo_id}"
        if repo_id in self.repos:
            message = "You already created this dataset repo"
            return json_answer({"error": message, "url": url}, 409)
        is_private = request.json().get("visibility") == "private"
        self.repos[repo_id] = Repository(repo_id, private=is_private)
        return json_answer({"url": url, "name": repo_id})

    def _delete_repo(self, request: Request) -> Answer:
        repo_id = self._named(request)
        self._writable(request, repo_id)
        del self.repos[repo_id]
        return Answer()

    def _validate_card(self, request: Request) -> Answer:
        """The bounds of the metadata and its size, not the metadata."""
        card = request.json()["content"]
        if len(card) > LARGEST_CARD:
            return json_answer({"errors": [{"message": "Payload Too Large"}]}, 413)
        lines = card.lstrip("\n").splitlines()
        if lines[:1] != ["---"]:
            warning = "empty or missing yaml metadata in repo card"
            return json_answer({"errors": [], "warnings": [{"message": warning}]})
        errors = [] if "---" in lines[1:] else [{"message": "the metadata does not end"}]
        return json_answer({"errors": errors, "warnings": []}, 400 if errors else 200)

    # What a repository holds.

    def _info(self, request: Request, repo_id: str, revision: str = "main") -> Answer:
        repository = self._readable(request, repo_id)
        commit = repository.find(revision)
        with_blobs = request.option("blobs").lower() in ("true", "1")
        return json_answer(
            {
                "_id": git_blob_id(repo_id.encode())[:24],
                "id": repo_id,
                "author": repo_id.split("/")[0],
                "sha": commit.sha,
                "createdAt": repository.commits()[-1].date,
                "lastModified": commit.date,
                "private": repository.private,
                "gated": "manual" if repository.gated else False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": [
                    _sibling(path, blob, with_blobs) for path, blob in sorted(commit.files.items())
                ],
            }
        )

    def _tree(self, request: Request, repo_id: str, revision: str, folder: str = "") -> Answer:
        repository = self._readable(request, repo_id)
        commit = repository.find(revision)
        folders = folders_below(commit.files, folder)
        files = sorted(files_below(commit.files, folder))
        if not files or folder in files:
            message = f'{folder} does not exist on "{revision}"'
            raise RefusalError(404, "EntryNotFound", message, commit.sha)
        paths = folders + files
        if request.option("recursive").lower() not in ("true", "1"):
            depth = folder.count("/") + 1 if folder else 0
            paths = [path for path in paths if path.count("/") == depth]
        return self._page(
            request, paths, lambda path: _entry(repository, commit, path, _expands(request))
        )

    def _paths_info(self, request: Request, repo_id: str, revision: str) -> Answer:
        repository = self._readable(request, repo_id)
        commit = repository.find(revision)
        asked = parse_qs(request.body.decode())
        expand = asked.get("expand", [""])[-1].lower() in ("true", "1")
        return json_answer(
            [
                _entry(repository, commit, path.rstrip("/"), expand)
                for path in asked.get("paths", [])
                if files_below(commit.files, path.rstrip("/"))
            ]
        )

    def _refs(self, request: Request, repo_id: str) -> Answer:
        repository = self._readable(request, repo_id)

        def refs(kind: str, commits: Mapping[str, str]) -> list[dict[str, str]]:
            return [
                {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha}
                for name, sha in commits.items()
            ]

        branches, tags = refs("heads", repository.branches), refs("tags", repository.tags)
        nothing: list[object] = []
        return json_answer(
            {"branches": branches, "tags": tags, "converts": nothing, "pullRequests": nothing}
        )

    def _commits(self, request: Request, repo_id: str, revision: str) -> Answer:
        history = self._readable(request, repo_id).commits(revision)
        return self._page(
            request,
            history,
            lambda commit: {
                "id": commit.sha,
                "title": commit.title,
                "message": commit.message,
                "date": commit.date,
                "authors": [{"user": USER}],
            },
        )

    def _page(self, request: Request, rows: list[Any], show: Callable[[Any], object]) -> Answer:
        """A page of a listing, and the way to the next one in the Link header."""
        start = int(request.option("cursor", "0"))
        end = start + self.page_size
        headers = {}
        if end < len(rows):
            query = {**{k: v[-1] for k, v in parse_qs(request.query).items()}, "cursor": end}
            headers["Link"] = f'<{self.url}{request.path}?{urlencode(query)}>; rel="next"'
        return json_answer([show(row) for row in rows[start:end]], headers=headers)

    def _resolve(self, request: Request, repo_id: str, revision: str, path: str) -> Answer:
        repository = self._readable(request, repo_id)
        if repository.gated:
            status = 401 if _bearer(request) is None else 403
            raise RefusalError(status, "GatedRepo", f"Access to dataset {repo_id} is restricted.")
        commit = repository.find(revision)
        blob = commit.files.get(path)
        if blob is None:
            raise RefusalError(404, "EntryNotFound", "Entry not found", commit.sha)
        headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{blob.etag}"'}
        if not blob.lfs:
            return serve_bytes(request, blob.data, headers)
        headers["X-Linked-Etag"] = f'"{blob.etag}"'
        headers["X-Linked-Size"] = str(len(blob.data))
        headers["Location"] = f"{self.cdn_url}/lfs/{repo_id}/{blob.sha256}/{quote(path)}"
        return Answer(302, headers)

    # Names of commits.

    def _create_tag(self, request: Request, repo_id: str, revision: str) -> Answer:
        repository = self._writable(request, repo_id)
        tag = request.json()["tag"]
        commit = repository.find(revision)
        if tag in repository.tags:
            raise RefusalError(409, "", f"Tag {tag} already exists")
        repository.tags[tag] = commit.sha
        return json_answer({})

    def _delete_tag(self, request: Request, repo_id: str, tag: str) -> Answer:
        if self._writable(request, repo_id).tags.pop(tag, None) is None:
            raise UnknownRevisionError(tag)
        return Answer()

    def _create_branch(self, request: Request, repo_id: str, branch: str) -> Answer:
        repository = self._writable(request, repo_id)
        if branch in repository.branches:
            raise RefusalError(409, "", f"Branch {branch} already exists")
        start = request.json().get("startingPoint", "main")
        repository.branches[branch] = repository.find(start).sha
        return json_answer({})

    def _delete_branch(self, request: Request, repo_id: str, branch: str) -> Answer:
        repository = self._writable(request, repo_id)
        if branch == "main":
            raise RefusalError(403, "", "The main branch cannot be deleted")
        if repository.branches.pop(branch, None) is None:
            raise UnknownRevisionError(branch)
        return Answer()

    # Writing.

    def _preupload(self, request: Request, repo_id: str, revision: str) -> Answer:
        files = self._writable(request, repo_id).find(revision).files

        def plan(asked: Mapping[str, Any]) -> dict[str, object]:
            path = asked["path"]
            is_lfs = belongs_in_lfs(path, asked["size"], base64.b64decode(asked["sample"]))
            return {
                "path": path,
                "uploadMode": "lfs" if is_lfs else "regular",
                "shouldIgnore": False,
                "oid": files[path].etag if path in files else None,
            }

        return json_answer({"files": [plan(asked) for asked in request.json()["files"]]})

    def _lfs_batch(self, request: Request, repo_id: str) -> Answer:
        repository = self._writable(request, repo_id)

        def plan(asked: Mapping[str, Any]) -> dict[str, object]:
            sha256 = asked["oid"]
            if sha256 in repository.objects:
                return {"oid": sha256, "size": asked["size"]}
            verify = f"{self.url}/datasets/{repo_id}.git/info/lfs/objects/verify"
            actions = {
                "upload": {"href": f"{self.cdn_url}/lfs/{repo_id}/{sha256}"},
                "verify": {"href": verify},
            }
            return {"oid": sha256, "size": asked["size"], "actions": actions}

        objects = [plan(asked) for asked in request.json()["objects"]]
        return json_answer({"transfer": "basic", "objects": objects})

    def _lfs_verify(self, request: Request, repo_id: str) -> Answer:
        asked = request.json()
        uploaded = self._writable(request, repo_id).objects.get(asked["oid"])
        if uploaded is None or len(uploaded) != asked["size"]:
            raise RefusalError(404, "", "The object has not been uploaded")
        return json_answer({})

    def _commit(self, request: Request, repo_id: str, branch: str) -> Answer:
        repository = self._writable(request, repo_id)
        if request.option("create_pr"):
            raise RefusalError(501, "", "this Hub has no pull requests")
        if branch not in repository.branches:
            raise UnknownRevisionError(branch)
        head = repository.find(branch)
        steps = [json.loads(line) for line in request.body.splitlines()]
        header = next(step["value"] for step in steps if step["key"] == "header")
        if not head.sha.startswith(header.get("parentCommit", "")):
            message = f"A commit has happened since. Please refresh and try again: {head.sha}"
            raise RefusalError(412, "", message)
        tree = dict(head.files)
        for step in steps:
            if step["key"] != "header":
                _take_step(repository, tree, step["key"], step["value"])
        title, message = header["summary"], header.get("description", "")
        sha = repository.commit_tree(tree, title, message, branch)
        url = f"{self.url}/datasets/{repo_id}/commit/{sha}"
        return json_answer({"success": True, "commitOid": sha, "commitUrl": url})


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    return header.removeprefix("Bearer ") if header else None


def _expands(request: Request) -> bool:
    return request.option("expand").lower() in ("true", "1")


def _sibling(path: str, blob: Blob, with_blobs: bool) -> dict[str, object]:
    if not with_blobs:
        return {"rfilename": path}
    sibling = {"rfilename": path, "size": len(blob.data), "blobId": blob.git_id}
    if blob.lfs:
        pointer = {"pointerSize": len(blob.pointer), "size": len(blob.data)}
        return {**sibling, "lfs": {"sha256": blob.sha256, **pointer}}
    return sibling


def _entry(repository: Repository, commit: Commit, path: str, expand: bool) -> dict[str, object]:
    """A row of a listing."""
    blob = commit.files.get(path)
    entry: dict[str, object] = {"path": path}
    if blob is None:
        ids = {name: one.git_id for name, one in sorted(files_below(commit.files, path).items())}
        entry |= {"type": "directory", "size": 0, "oid": git_blob_id(json.dumps(ids).encode())}
    else:
        entry |= {"type": "file", "size": len(blob.data), "oid": blob.git_id}
        if blob.lfs:
            pointer = {"pointerSize": len(blob.pointer), "size": len(blob.data)}
            entry["lfs"] = {"oid": blob.sha256, **pointer}
    if expand:
        last = repository.last_change(path, commit.sha)
        entry["lastCommit"] = {"id": last.sha, "title": last.title, "date": last.date}
    return entry


def _take_step(
    repository: Repository, tree: dict[str, Blob], kind: str, step: Mapping[str, Any]
) -> None:
    """Apply one line of a commit to a tree."""
    path = step["path"]
    if kind == "file":
        tree[path] = Blob(base64.b64decode(step["content"]))
    elif kind == "lfsFile":
        if step["oid"] not in repository.objects:
            raise RefusalError(400, "", f"The content of {path} has not been uploaded")
        tree[path] = Blob(repository.objects[step["oid"]], lfs=True)
    elif kind in ("deletedFile", "deletedFolder"):
        gone = [path] if kind == "deletedFile" else list(files_below(tree, path.rstrip("/")))
        if not gone or not tree.keys() >= set(gone):
            raise RefusalError(404, "EntryNotFound", "A file with this name doesn't exist")
        for name in gone:
            del tree[name]
    else:
        raise RefusalError(400, "", f"unknown step: {kind}")
