from __future__ import annotations

import http.client
import io
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    DatasetCard,
    HfApi,
    HfFileSystem,
    constants,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder

from tests.fakehub_git import LARGEST_REGULAR_FILE, Blob
from tests.faults import (
    Gate,
    block,
    corrupt,
    delay,
    drop,
    noheader,
    norange,
    pause,
    rst,
    short,
    stall,
    status,
    swap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import Fault

REPO = "org/maps"
BIG = bytes(range(256)) * 400
CARD = b"---\nlicense: mit\n---\n# Maps\n"
FILES: dict[str, bytes | None] = {
    "README.md": CARD,
    "voc2012/ids/train.txt": b"2007_000032\n",
    "voc2012/saliency/train.parquet": BIG,
}
RIGHT, WRONG = "hf_right", "hf_wrong"
API = HfApi()


class Options(TypedDict, total=False):
    revision: str
    token: str | bool
    force_download: bool


def download(path: str = "voc2012/saliency/train.parquet", **options: Unpack[Options]) -> bytes:
    return Path(hf_hub_download(REPO, path, repo_type="dataset", **options)).read_bytes()


RESET = "ConnectionResetError"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    error: str | None


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    timeout: float = 5,
) -> Reply:
    """A request without any client library; what arrived, and how the connection ended."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection.request(method, target, headers=headers or {})
    body, error = io.BytesIO(), None
    response = connection.getresponse()
    try:
        while chunk := response.read1(1024):
            body.write(chunk)
    except OSError as problem:
        error = type(problem).__name__
    finally:
        connection.close()
    answer = {name.lower(): value for name, value in response.headers.items()}
    announced = int(answer.get("content-length", body.tell()))
    if error is None and method != "HEAD" and body.tell() < announced:
        error = "cut off"
    return Reply(response.status, answer, body.getvalue(), error)


# Writing.


def test_a_repository_is_made_once_and_deleted(hub: FakeHub) -> None:
    assert API.whoami(token=RIGHT)["name"] == "tester"
    url = API.create_repo(REPO, repo_type="dataset")
    assert (url.repo_id, url.repo_type, url) == (REPO, "dataset", f"{hub.url}/datasets/{REPO}")
    assert API.create_repo(REPO, repo_type="dataset", exist_ok=True) == url
    with pytest.raises(HfHubHTTPError, match="409"):
        API.create_repo(REPO, repo_type="dataset")
    API.delete_repo(REPO, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        API.delete_repo(REPO, repo_type="dataset")
    assert not hub.repos


def test_files_and_folders_are_uploaded(hub: FakeHub, tmp_path: Path) -> None:
    API.create_repo(REPO, repo_type="dataset")
    folder = tmp_path / "folder"
    for name, content in {"README.md": CARD, "maps/a.parquet": BIG, "maps/b.bin": b""}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    API.upload_folder(repo_id=REPO, folder_path=folder, repo_type="dataset")
    one = API.upload_file(
        path_or_fileobj=b"ids", path_in_repo="ids.txt", repo_id=REPO, repo_type="dataset"
    )
    repository = hub.repo(REPO)
    assert repository.head == one.oid
    assert repository.files().keys() == {
        ".gitattributes",
        "README.md",
        "ids.txt",
        "maps/a.parquet",
        "maps/b.bin",
    }
    assert repository.files()["maps/a.parquet"] == BIG
    tree = repository.find().files
    assert [path for path, blob in tree.items() if blob.lfs] == ["maps/a.parquet"]
    assert len(repository.commits()) == 3

    hub.clear_log()
    again = API.upload_folder(repo_id=REPO, folder_path=folder, repo_type="dataset")
    assert again.oid == one.oid
    assert not [visit for visit in hub.requests if visit.method == "PUT"]


def test_a_release_is_one_commit_made_only_on_its_parent(hub: FakeHub) -> None:
    base = hub.commit(REPO, FILES)
    shard = CommitOperationAdd("voc2012/saliency/val.parquet", BIG[::-1])
    operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
        shard,
        CommitOperationAdd("voc2012/ids/val.txt", b"2007_000033\n"),
        CommitOperationDelete("voc2012/ids/train.txt"),
    ]
    API.preupload_lfs_files(REPO, [shard], repo_type="dataset")
    assert hub.repo(REPO).head == base
    assert [visit.origin for visit in hub.requests if visit.method == "PUT"] == ["cdn"]

    release = API.create_commit(
        REPO, operations, commit_message="Release", repo_type="dataset", parent_commit=base
    )
    assert hub.repo(REPO).find().parent == base
    assert "voc2012/ids/train.txt" not in hub.repo(REPO).files()
    assert len([visit for visit in hub.requests if visit.method == "PUT"]) == 1

    late = [CommitOperationAdd("late.txt", b"late")]
    with pytest.raises(HfHubHTTPError, match="412"):
        API.create_commit(
            REPO, late, commit_message="Late", repo_type="dataset", parent_commit=base
        )
    assert hub.repo(REPO).head == release.oid


def test_of_two_releases_at_once_one_wins(hub: FakeHub) -> None:
    base = hub.commit(REPO, FILES)
    gate = Gate()
    hub.fault(f"{REPO}/commit/main", block(gate))
    refused: list[BaseException] = []

    def release() -> None:
        try:
            API.create_commit(
                REPO,
                [CommitOperationAdd("slow.txt", b"slow")],
                commit_message="Slow",
                repo_type="dataset",
                parent_commit=base,
            )
        except HfHubHTTPError as error:
            refused.append(error)

    thread = threading.Thread(target=release)
    thread.start()
    assert gate.reached.wait(60)
    other = hub.commit(REPO, {"fast.txt": b"fast"})
    gate.release.set()
    thread.join(60)
    assert "412" in str(refused)
    assert hub.repo(REPO).head == other


def test_a_folder_is_deleted_whole_and_a_missing_file_is_refused(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    API.delete_folder("voc2012", REPO, repo_type="dataset")
    assert hub.repo(REPO).files().keys() == {".gitattributes", "README.md"}
    head = hub.repo(REPO).head
    with pytest.raises(EntryNotFoundError):
        API.delete_file("voc2012/ids/train.txt", REPO, repo_type="dataset")
    assert hub.repo(REPO).head == head


def test_a_large_file_that_was_not_uploaded_is_not_committed(hub: FakeHub) -> None:
    head = hub.commit(REPO, FILES)
    operation = CommitOperationAdd("new.parquet", b"new")
    operation._is_uploaded = True
    operation._upload_mode = "lfs"
    with pytest.raises(HfHubHTTPError, match="has not been uploaded"):
        API.create_commit(REPO, [operation], commit_message="Hollow", repo_type="dataset")
    assert hub.repo(REPO).head == head


def test_a_commit_that_changes_nothing_is_the_head(hub: FakeHub) -> None:
    head = hub.commit(REPO, FILES)
    assert hub.commit(REPO, FILES) == head
    same = API.create_commit(
        REPO, [CommitOperationAdd("README.md", CARD)], commit_message="Same", repo_type="dataset"
    )
    assert same.oid == head


def test_what_is_large_is_decided_as_on_the_hub(hub: FakeHub) -> None:
    content = {
        "text.txt": b"text",
        "binary": b"\0",
        "huge.txt": b"x" * (LARGEST_REGULAR_FILE + 1),
        "empty.png": b"",
        "map.png": b"png",
    }
    API.create_repo(REPO, repo_type="dataset")
    API.create_commit(
        REPO,
        [CommitOperationAdd(path, data) for path, data in content.items()],
        commit_message="Files",
        repo_type="dataset",
    )
    uploaded = hub.repo(REPO).find().files
    hub.commit("org/seeded", dict(content))
    assert uploaded == hub.repo("org/seeded").find().files
    assert {path for path, blob in uploaded.items() if blob.lfs} == {
        "binary",
        "huge.txt",
        "map.png",
    }
    hub.commit("org/chosen", dict(content), lfs=["text.txt"])
    assert [path for path, blob in hub.repo("org/chosen").find().files.items() if blob.lfs] == [
        "text.txt"
    ]


def test_tags_and_branches(hub: FakeHub) -> None:
    first = hub.commit(REPO, FILES)
    second = hub.commit(REPO, {"new.txt": b"new"})
    API.create_tag(REPO, tag="v1", revision=first, repo_type="dataset")
    API.create_tag(REPO, tag="v1", repo_type="dataset", exist_ok=True)
    API.create_branch(REPO, branch="fixes", revision="v1", repo_type="dataset")
    API.create_branch(REPO, branch="fixes", repo_type="dataset", exist_ok=True)
    refs = API.list_repo_refs(REPO, repo_type="dataset")
    assert {one.name: one.target_commit for one in refs.tags} == {"v1": first}
    assert {one.name: one.target_commit for one in refs.branches} == {
        "main": second,
        "fixes": first,
    }
    with pytest.raises(HfHubHTTPError, match="409"):
        API.create_tag(REPO, tag="v1", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="403"):
        API.delete_branch(REPO, branch="main", repo_type="dataset")

    hub.move_tag(REPO, "v1", second)
    assert API.dataset_info(REPO, revision="v1").sha == second
    API.delete_tag(REPO, tag="v1", repo_type="dataset")
    API.delete_branch(REPO, branch="fixes", repo_type="dataset")
    assert (hub.repo(REPO).tags, hub.repo(REPO).branches) == ({}, {"main": second})
    with pytest.raises(RevisionNotFoundError):
        API.delete_tag(REPO, tag="v1", repo_type="dataset")


def test_a_branch_is_committed_to(hub: FakeHub) -> None:
    head = hub.commit(REPO, FILES)
    API.create_branch(REPO, branch="fixes", repo_type="dataset")
    fix = API.create_commit(
        REPO,
        [CommitOperationAdd("fix.txt", b"fix")],
        commit_message="Fix",
        repo_type="dataset",
        revision="fixes",
    )
    assert hub.repo(REPO).branches == {"main": head, "fixes": fix.oid}
    assert hub.repo(REPO).files("fixes")["fix.txt"] == b"fix"
    with pytest.raises(RevisionNotFoundError):
        API.create_commit(
            REPO,
            [CommitOperationAdd("fix.txt", b"fix")],
            commit_message="Fix",
            repo_type="dataset",
            revision="nowhere",
        )


def test_cards_are_validated(hub: FakeHub) -> None:
    DatasetCard(CARD.decode()).validate()
    API.create_repo(REPO, repo_type="dataset")
    with pytest.raises(ValueError, match="does not end"):
        API.upload_file(
            path_or_fileobj=b"---\nlicense: mit\n",
            path_in_repo="README.md",
            repo_id=REPO,
            repo_type="dataset",
        )
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        API.upload_file(
            path_or_fileobj=b"# Maps", path_in_repo="README.md", repo_id=REPO, repo_type="dataset"
        )
    with pytest.raises(HfHubHTTPError, match="413"):
        DatasetCard(CARD.decode() + "x" * 2**20).validate()
    hub.fault("validate-yaml", status(400, body=b"license: unknown"))
    with pytest.raises(ValueError, match="license: unknown"):
        DatasetCard(CARD.decode()).validate()


# Reading.


def test_listings_tell_sizes_and_digests(hub: FakeHub) -> None:
    head = hub.commit(REPO, FILES)
    info = API.dataset_info(REPO, files_metadata=True)
    assert info.sha == head
    siblings = {one.rfilename: one for one in info.siblings or []}
    large = siblings["voc2012/saliency/train.parquet"]
    assert large.size == len(BIG)
    assert large.lfs is not None
    assert large.lfs.sha256 == Blob(BIG).sha256
    assert siblings["README.md"].lfs is None
    assert siblings["README.md"].blob_id == Blob(CARD).git_id
    assert all(one.size is None for one in API.dataset_info(REPO).siblings or [])

    tree = list(API.list_repo_tree(REPO, recursive=True, repo_type="dataset"))
    found = {one.path: one for one in tree if isinstance(one, RepoFile)}
    assert {path: one.size for path, one in found.items()} == {
        path: one.size for path, one in siblings.items()
    }
    assert found["voc2012/saliency/train.parquet"].lfs == large.lfs
    folders = {one.path for one in tree if isinstance(one, RepoFolder)}
    assert folders == {"voc2012", "voc2012/ids", "voc2012/saliency"}

    top = {one.path for one in API.list_repo_tree(REPO, repo_type="dataset")}
    assert top == {".gitattributes", "README.md", "voc2012"}
    inner = {one.path for one in API.list_repo_tree(REPO, "voc2012", repo_type="dataset")}
    assert inner == {"voc2012/ids", "voc2012/saliency"}
    with pytest.raises(EntryNotFoundError):
        list(API.list_repo_tree(REPO, "coco2014", repo_type="dataset"))


def test_git_ids_are_git_s(hub: FakeHub) -> None:
    """As `git hash-object` gives them; the large file's is its pointer's, as git lfs makes it."""
    hub.commit(REPO, {"a.txt": b"hello\n", "b.bin": b"hello\n"})
    entries = API.get_paths_info(REPO, ["a.txt", "b.bin"], repo_type="dataset")
    assert [one.blob_id for one in entries if isinstance(one, RepoFile)] == [
        "ce013625030ba8dba906f756967f9e9ca394464a",
        "fa61e1ef71c9908c0926776a4aa3504b3a27f159",
    ]


def test_paths_info_leaves_out_what_is_missing_and_tells_the_last_commit(hub: FakeHub) -> None:
    first = hub.commit(REPO, FILES, message="Add maps")
    second = hub.commit(REPO, {"voc2012/ids/train.txt": b"2007_000033\n"}, message="Change ids")
    wanted = ["README.md", "voc2012", "missing.txt"]
    entries = API.get_paths_info(REPO, wanted, expand=True, repo_type="dataset")
    assert [(one.path, type(one)) for one in entries] == [
        ("README.md", RepoFile),
        ("voc2012", RepoFolder),
    ]
    last = [one.last_commit for one in entries]
    assert [(one.oid, one.title) for one in last if one is not None] == [
        (first, "Add maps"),
        (second, "Change ids"),
    ]


def test_long_listings_come_in_pages(hub: FakeHub) -> None:
    hub.page_size = 3
    names = {f"maps/{number}.txt" for number in range(8)}
    for name in sorted(names):
        hub.commit(REPO, {name: b"map"})
    listed = [one.path for one in API.list_repo_tree(REPO, "maps", repo_type="dataset")]
    assert set(listed) == names
    assert len(listed) == len(names)
    assert len(hub.gets("/tree/main/maps")) == 3
    commits = API.list_repo_commits(REPO, repo_type="dataset")
    assert [one.commit_id for one in commits] == [one.sha for one in hub.repo(REPO).commits()]
    assert len(hub.gets("/commits/main")) == 3


def test_a_file_is_downloaded_by_branch_tag_and_commit(hub: FakeHub) -> None:
    first = hub.commit(REPO, FILES)
    hub.move_tag(REPO, "v1", first)
    hub.commit(REPO, {"voc2012/saliency/train.parquet": BIG[::-1]})
    assert download() == BIG[::-1]
    assert download(revision="v1") == BIG
    assert download("README.md") == CARD

    hub.clear_log()
    assert download(revision=first) == BIG
    assert hub.requests == []
    assert download(revision="v1") == BIG
    assert [visit.method for visit in hub.requests] == ["HEAD"]
    hub.move_tag(REPO, "v1", "main")
    assert download(revision="v1") == BIG[::-1]


def test_a_snapshot_is_downloaded_once(hub: FakeHub) -> None:
    sha = hub.commit(REPO, FILES)
    folder = Path(snapshot_download(REPO, repo_type="dataset", revision=sha))
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == hub.repo(REPO).files()
    hub.clear_log()
    assert Path(snapshot_download(REPO, repo_type="dataset", revision=sha)) == folder
    assert hub.requests == []
    checked = API.verify_repo_checksums(REPO, repo_type="dataset", revision=sha)
    assert not checked.mismatches


def test_the_file_system_lists_and_reads_ranges(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    system = HfFileSystem()
    root = f"datasets/{REPO}"
    assert set(system.ls(root, detail=False)) == {
        f"{root}/.gitattributes",
        f"{root}/README.md",
        f"{root}/voc2012",
    }
    path = f"{root}/voc2012/saliency/train.parquet"
    hub.clear_log()
    with system.open(path, block_size=1000, cache_type="none") as file:
        file.seek(5000)
        assert file.read(100) == BIG[5000:5100]
    assert [visit.range for visit in hub.gets(origin="cdn")] == ["bytes=5000-5099"]
    assert system.cat_file(path, start=-10) == BIG[-10:]
    assert system.glob(f"{root}/**/*.parquet") == [path]


def test_a_card_is_read(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    card = DatasetCard.load(REPO)
    assert card.data.to_dict() == {"license": "mit"}


# Refusals.


def test_what_is_missing_is_refused_as_on_the_hub(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("org/missing", "README.md", repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        API.dataset_info("org/missing", token=RIGHT)
    with pytest.raises(RevisionNotFoundError):
        download(revision="v9")
    with pytest.raises(RevisionNotFoundError):
        snapshot_download(REPO, repo_type="dataset", revision="v9")
    with pytest.raises(EntryNotFoundError):
        download("missing.txt")
    assert ask(f"{hub.url}/api/models/org/maps").status == 404
    assert ask(f"{hub.cdn_url}/lfs/org/maps/{'0' * 64}/x").status == 404
    assert ask(f"{hub.cdn_url}/lfs/org/missing/{'0' * 64}/x").status == 404


def test_a_gated_repository_is_seen_but_not_downloaded(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    hub.repo(REPO).gated = True
    assert API.dataset_info(REPO).gated == "manual"
    for token in (False, RIGHT):
        with pytest.raises(GatedRepoError):
            download("README.md", token=token)


def test_a_private_repository_needs_the_token_and_the_cdn_never_sees_it(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = RIGHT
    API.create_repo(REPO, repo_type="dataset", private=True, token=RIGHT)
    hub.commit(REPO, FILES)
    hub.commit("org/public", FILES)
    with pytest.raises(RepositoryNotFoundError):
        download()
    with pytest.raises(HfHubHTTPError, match="401"):
        API.dataset_info("org/public", token=WRONG)
    with pytest.raises(HfHubHTTPError, match="401"):
        API.create_tag("org/public", tag="v1", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        API.whoami(token=WRONG)
    assert API.dataset_info("org/public").private is False

    monkeypatch.setenv("HF_TOKEN", RIGHT)
    assert API.whoami()["name"] == "tester"
    assert download() == BIG
    path = f"datasets/{REPO}/voc2012/saliency/train.parquet"
    assert HfFileSystem().cat_file(path, start=0, end=10) == BIG[:10]
    assert len(hub.gets(origin="cdn")) == 2
    assert all(visit.authorized for visit in hub.gets("resolve"))
    assert not hub.cdn_saw_authorization
    ask(
        hub.gets(origin="cdn")[0].path.join((hub.cdn_url, "")),
        headers={"Authorization": f"Bearer {RIGHT}"},
    )
    assert hub.cdn_saw_authorization


# The `datasets` library.

ROWS = [{"image_id": f"2007_{number:06d}", "map": bytes([number]) * 50} for number in range(20)]
CONFIGS = b"""---
configs:
- config_name: saliency-vst
  data_files:
  - split: train
    path: voc2012/saliency/vst/train-*.parquet
- config_name: saliency-poolnet
  data_files:
  - split: train
    path: voc2012/saliency/poolnet/train-*.parquet
---
"""


@pytest.fixture
def published(hub: FakeHub) -> str:
    """The commit of a repository with two configurations."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    shards = {}
    for name, rows in {"vst": ROWS, "poolnet": ROWS[::-1]}.items():
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(rows), buffer, row_group_size=5)
        shards[f"voc2012/saliency/{name}/train-00000-of-00001.parquet"] = buffer.getvalue()
    return hub.commit(REPO, {"README.md": CONFIGS, **shards})


def test_datasets_loads_a_configuration(hub: FakeHub, published: str) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(REPO, "saliency-vst", split="train", revision=published)
    assert loaded.to_list() == ROWS
    assert [visit.path.split("/")[-2] for visit in hub.gets(origin="cdn")] == ["vst"]
    other = datasets.load_dataset(REPO, "saliency-poolnet", split="train")
    assert other.to_list() == ROWS[::-1]


def test_datasets_streams_a_configuration(hub: FakeHub, published: str) -> None:
    datasets = pytest.importorskip("datasets")
    stream = datasets.load_dataset(
        REPO, "saliency-vst", split="train", revision=published, streaming=True
    )
    assert list(stream) == ROWS
    assert all(visit.range for visit in hub.gets(origin="cdn"))


# Faults, without any client library.


@pytest.fixture(params=["hub", "cdn"])
def url(hub: FakeHub, request: pytest.FixtureRequest) -> str:
    """A file of BIG on either origin."""
    hub.commit(REPO, {"big.bin": BIG}, lfs=["big.bin"] if request.param == "cdn" else [])
    resolve = f"{hub.url}/datasets/{REPO}/resolve/main/big.bin"
    return ask(resolve, "HEAD").headers.get("location", resolve)


def test_without_a_fault_files_ranges_and_heads_are_right(url: str) -> None:
    whole = ask(url)
    assert (whole.status, whole.body, whole.error) == (200, BIG, None)
    head = ask(url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(BIG))
    assert head.headers["etag"] == whole.headers["etag"]
    for asked, part in {
        "bytes=100-199": BIG[100:200],
        "bytes=100-": BIG[100:],
        "bytes=-7": BIG[-7:],
        f"bytes=100-{len(BIG) + 5}": BIG[100:],
    }.items():
        reply = ask(url, headers={"Range": asked})
        assert (reply.status, reply.body) == (206, part), asked
    assert (
        ask(url, headers={"Range": "bytes=100-199"}).headers["content-range"]
        == f"bytes 100-199/{len(BIG)}"
    )
    beyond = ask(url, headers={"Range": f"bytes={len(BIG)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(BIG)}")
    assert ask(url, headers={"Range": "bytes=5-9", "If-Range": '"other"'}).status == 200
    assert ask(url, headers={"Range": "bytes=5-9", "If-Range": whole.headers["etag"]}).status == 206


def test_faults_do_what_they_say(hub: FakeHub, url: str) -> None:
    def reply(fault: Fault, asked: str | None = None) -> Reply:
        hub.fault("big.bin", fault)
        answer = ask(url, headers={"Range": asked} if asked else {})
        assert ask(url).body == BIG, "the fault was used up"
        return answer

    refused = reply(status(503, {"Retry-After": "7"}, b"busy"))
    assert (refused.status, refused.headers["retry-after"], refused.body) == (503, "7", b"busy")

    for fault, ending in {drop(1000): "cut off", rst(1000): RESET}.items():
        cut = reply(fault)
        assert cut.headers["content-length"] == str(len(BIG))
        assert (cut.body, cut.error) == (BIG[:1000], ending)

    flipped = reply(corrupt(300))
    assert len(flipped.body) == len(BIG)
    assert [i for i in range(len(BIG)) if flipped.body[i] != BIG[i]] == [300]
    assert (flipped.body[300] ^ BIG[300]).bit_count() == 1
    assert reply(corrupt(300), "bytes=250-399").body == flipped.body[250:400]
    assert reply(corrupt(300), "bytes=0-299").body == BIG[:300]

    cut = reply(short(1000))
    assert (cut.headers["content-length"], cut.body, cut.error) == ("1000", BIG[:1000], None)

    page = reply(swap(b"<html>Log in</html>", "text/html"))
    assert (page.status, page.body) == (200, b"<html>Log in</html>")
    assert page.headers["content-type"] == "text/html"
    assert "x-repo-commit" not in page.headers

    whole = reply(norange(), "bytes=5-9")
    assert (whole.status, whole.body) == (200, BIG)
    assert "accept-ranges" not in whole.headers

    bare = reply(noheader("ETag", "X-Repo-Commit", "Content-Length"))
    assert not {"etag", "x-repo-commit", "content-length"} & bare.headers.keys()
    assert bare.body == BIG


def test_slow_faults_take_their_time(hub: FakeHub, url: str) -> None:
    hub.fault("big.bin", delay(0.2))
    start = time.monotonic()
    assert ask(url).body == BIG
    assert time.monotonic() - start > 0.2

    hub.fault("big.bin", stall(1000, 0.2))
    start = time.monotonic()
    assert ask(url).body == BIG
    assert time.monotonic() - start > 0.2

    hub.fault("big.bin", stall(1000, 3))
    waited = ask(url, timeout=1)
    assert (waited.body, waited.error) == (BIG[:1000], "TimeoutError")


@pytest.mark.parametrize("sent", [0, 1000])
def test_a_gate_holds_an_answer(hub: FakeHub, url: str, sent: int) -> None:
    gate = Gate()
    hub.fault("big.bin", pause(sent, gate) if sent else block(gate))
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(ask(url)))
    thread.start()
    assert gate.reached.wait(60)
    assert not replies
    gate.release.set()
    thread.join(60)
    assert replies[0].body == BIG


def test_faults_come_in_order_as_often_and_to_whom_planned(hub: FakeHub, url: str) -> None:
    hub.fault("big.bin", status(500), times=2)
    hub.fault("other", status(404), times=None)
    hub.fault("big.bin", status(503))
    hub.fault("big.bin", status(502), method="HEAD")
    assert [ask(url).status for _ in range(4)] == [500, 500, 503, 200]
    assert [ask(url, "HEAD").status for _ in range(2)] == [502, 200]
    hub.fault("big.bin", short(0), times=None)
    assert [ask(url).body for _ in range(3)] == [b""] * 3
    hub.clear_faults()
    assert ask(url).body == BIG


def test_faults_of_the_body_wait_for_a_body(hub: FakeHub) -> None:
    hub.commit(REPO, {"big.parquet": BIG})
    hub.fault("big.parquet", short(10))
    resolve = f"{hub.url}/datasets/{REPO}/resolve/main/big.parquet"
    assert ask(resolve, "HEAD").status == 302
    redirect = ask(resolve)
    assert redirect.status == 302
    assert ask(redirect.headers["location"], "HEAD").headers["content-length"] == str(len(BIG))
    assert ask(redirect.headers["location"]).body == BIG[:10]
    hub.fault("big.parquet", swap(b"<html>"), method="HEAD")
    assert ask(resolve, "HEAD").headers["content-length"] == "6"


def test_a_mistake_of_the_hub_is_kept(hub: FakeHub) -> None:
    assert ask(f"{hub.url}/api/repos/create", "POST").status == 500
    assert "JSONDecodeError" in hub.errors.pop()


# Faults, as `huggingface_hub` takes them.

SHARD = "train.parquet"


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        pytest.param(drop(1000), 2, id="drop"),
        pytest.param(stall(1000, 3), 2, id="stall"),
        pytest.param(status(429, {"Retry-After": "0"}), 2, id="429"),
        pytest.param(delay(0.1), 1, id="delay"),
    ],
)
def test_a_download_survives(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, fault: Fault, requests: int
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    hub.commit(REPO, FILES)
    hub.fault(SHARD, fault, method="GET")
    assert download() == BIG
    assert len(hub.gets(SHARD)) == requests


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        pytest.param(rst(1000), Exception, "(?i)reset", id="rst"),
        pytest.param(status(500), HfHubHTTPError, "500", id="500"),
        pytest.param(status(403), HfHubHTTPError, "403", id="403"),
        pytest.param(short(1000), OSError, "Consistency check failed", id="short"),
        pytest.param(swap(b"<html>"), OSError, "Consistency check failed", id="page"),
    ],
)
def test_a_download_fails_and_succeeds_when_asked_again(
    hub: FakeHub, fault: Fault, error: type[Exception], message: str
) -> None:
    hub.commit(REPO, FILES)
    hub.fault(SHARD, fault, method="GET")
    with pytest.raises(error, match=message):
        download()
    assert len(hub.gets(SHARD)) == 1
    assert download() == BIG


@pytest.mark.parametrize("path", ["voc2012/saliency/train.parquet", "README.md"])
def test_a_flipped_bit_is_not_noticed(hub: FakeHub, path: str) -> None:
    hub.commit(REPO, FILES)
    good = FILES[path]
    assert good is not None
    hub.fault(Path(path).name, corrupt(5))
    bad = bytes([*good[:5], good[5] ^ 1, *good[6:]])
    assert download(path) == bad
    assert download(path) == bad
    assert download(path, force_download=True) == good


def test_an_answer_that_is_not_the_hub_s_is_not_taken_for_one(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    hub.fault("README.md", noheader("X-Repo-Commit"), times=None)
    with pytest.raises(LocalEntryNotFoundError):
        download("README.md")


def test_the_file_system_survives_a_reset(hub: FakeHub) -> None:
    hub.commit(REPO, FILES)
    hub.fault(SHARD, rst(100))
    path = f"datasets/{REPO}/voc2012/saliency/train.parquet"
    with HfFileSystem().open(path, cache_type="none", block_size=1000) as file:
        assert file.read(1000) == BIG[:1000]
    assert len(hub.gets(SHARD, "cdn")) == 2


def test_an_upload_survives_storage_s_error_but_a_commit_does_not(hub: FakeHub) -> None:
    hub.commit(REPO, {})
    hub.fault("/lfs/", status(500), method="PUT")
    hub.fault("/commit/main", status(503))

    def publish() -> str:
        operations = [CommitOperationAdd("big.bin", BIG)]
        return API.create_commit(REPO, operations, commit_message="Add", repo_type="dataset").oid

    head = hub.repo(REPO).head
    with pytest.raises(HfHubHTTPError, match="503"):
        publish()
    assert hub.repo(REPO).head == head
    puts = [visit for visit in hub.requests if visit.method == "PUT"]
    assert len(puts) == 2
    sha = publish()
    assert hub.repo(REPO).head == sha
    assert [visit for visit in hub.requests if visit.method == "PUT"] == puts


def test_the_answer_to_a_commit_that_was_made_may_be_lost(hub: FakeHub) -> None:
    hub.commit(REPO, {})
    hub.fault("/commit/main", drop(0))
    with pytest.raises(Exception, match=r"(?i)incomplete|closed|disconnected"):
        API.create_commit(
            REPO, [CommitOperationAdd("a.txt", b"a")], commit_message="Add", repo_type="dataset"
        )
    assert hub.repo(REPO).files()["a.txt"] == b"a"


def test_a_client_killed_in_the_middle_of_a_file(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit(REPO, FILES)
    gate = Gate()
    hub.fault(SHARD, pause(1000, gate))
    home = tmp_path / "child"
    program = (
        "import sys; from huggingface_hub import hf_hub_download\n"
        "print(hf_hub_download(*sys.argv[1:], repo_type='dataset'))"
    )
    command = [sys.executable, "-c", program, REPO, "voc2012/saliency/train.parquet"]
    environment = hub.client_environment(home)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert gate.reached.wait(30)
        process.kill()
    gate.release.set()
    assert list(home.rglob("*.incomplete"))
    assert not list(home.rglob("train.parquet"))
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert Path(again.stdout.strip()).read_bytes() == BIG
    assert Path(again.stdout.strip()).is_relative_to(home)


# The plain file server.


def test_files_are_served_from_memory_and_disk(files: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(BIG[::-1])
    memory, disk = files.add("v1.0/a b.zip", BIG), files.add("archive.zip", path)
    whole = ask(memory)
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, BIG, "bytes")
    assert ask(disk).body == BIG[::-1]
    assert ask(disk).headers["etag"] != whole.headers["etag"]
    part = ask(memory, headers={"Range": "bytes=100-"})
    assert (part.status, part.body) == (206, BIG[100:])
    head = ask(memory, "HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(BIG)))
    assert ask(f"{files.url}/missing.zip").status == 404
    assert [visit.path for visit in files.gets("a b.zip")] == ["/v1.0/a b.zip"] * 2
    assert files.requests[0].origin == "files"


def test_files_may_be_redirected_to_another_origin(files: FileServer) -> None:
    url = files.add("archive.zip", BIG)
    files.redirects = True
    redirect = ask(url)
    assert redirect.status == 302
    assert redirect.headers["location"].startswith(files.storage_url)
    assert ask(redirect.headers["location"]).body == BIG
    assert [visit.origin for visit in files.requests] == ["files", "storage"]


def test_the_file_server_has_the_same_faults(files: FileServer) -> None:
    url = files.add("archive.zip", BIG)
    faults: dict[Fault, Callable[[Reply], bool]] = {
        status(503): lambda reply: reply.status == 503,
        drop(1000): lambda reply: reply.error == "cut off" and reply.body == BIG[:1000],
        rst(1000): lambda reply: reply.error == RESET,
        short(1000): lambda reply: reply.error is None and reply.body == BIG[:1000],
        noheader("ETag"): lambda reply: "etag" not in reply.headers,
    }
    for fault, holds in faults.items():
        files.fault("archive", fault)
        assert holds(ask(url))
    assert ask(url).body == BIG


# The settings all tests run with.


def test_the_tests_know_no_other_hub_and_nobody_s_caches(hub: FakeHub, tmp_path: Path) -> None:
    assert hub.url == constants.ENDPOINT
    assert Path(constants.HF_HUB_CACHE).is_relative_to(tmp_path)
    assert constants.HF_HUB_DISABLE_XET
    assert not constants.HF_HUB_OFFLINE
    environment = hub.client_environment(tmp_path)
    assert environment["HF_HOME"] == str(tmp_path)
    assert not {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"} & environment.keys()
