from __future__ import annotations

import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants, file_download, hf_hub_download

from tests.faults import (
    Gate,
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
from tests.map_set_files import flip, make_read_only, waiting_is_quick
from wsss_assets.errors import ChecksumError, FetchError, WsssAssetsError
from wsss_assets.storage import files, verified
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.hub import (
    cached_hub_file,
    drop_hub_file,
    fetch_hub_file,
    hub_cache,
    hub_repository_folder,
    open_hub_file,
    resolve_commit,
)
from wsss_assets.storage.verified import is_whole
from wsss_assets.storage.web import is_offline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakehub import FakeHub
    from tests.serving import Fault

REPO = "org/maps"
LARGE, SMALL = "voc2012/saliency/train.parquet", "manifest.json"
CONTENT = {LARGE: bytes(range(256)) * 400, SMALL: b'{"format": 1}\n' * 90}
SHA256 = {path: hashlib.sha256(data).hexdigest() for path, data in CONTENT.items()}
TRIES = 6
RIGHT = "hf_right"


class Client:
    """What tests ask for, and what happened meanwhile."""

    def __init__(self, hub: FakeHub, commit: str) -> None:
        self.hub = hub
        self.commit = commit
        self.waits: list[float] = []
        self.told: list[int] = []

    def fetch(self, path: str = LARGE, **options: Any) -> Path:  # noqa: ANN401 (those of fetch_hub_file)
        options = {"size": len(CONTENT[path]), "sha256": SHA256[path], **options}
        return fetch_hub_file(
            REPO, self.commit, path, sleep=self.waits.append, advance=self.told.append, **options
        )

    def resolve(self, revision: str | None, repo_id: str = REPO) -> str:
        return resolve_commit(repo_id, revision, sleep=self.waits.append)


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    waiting_is_quick(monkeypatch)
    return Client(hub, hub.commit(REPO, dict(CONTENT)))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def blobs() -> list[Path]:
    folder = hub_repository_folder(REPO) / "blobs"
    return sorted(folder.iterdir()) if folder.exists() else []


# Files of a commit.


@pytest.mark.parametrize("path", [LARGE, SMALL])
def test_a_file_is_fetched_once_and_then_costs_no_request(client: Client, path: str) -> None:
    found = client.fetch(path)
    assert found.read_bytes() == CONTENT[path]
    assert found.is_relative_to(hub_cache())
    assert sum(client.told) == len(CONTENT[path])
    assert len(client.hub.gets("resolve|/lfs/")) == 1
    client.hub.clear_log()
    assert client.fetch(path) == found
    assert client.hub.requests == []
    assert client.waits == []


def test_the_cache_is_that_of_the_hub_s_library(client: Client) -> None:
    found = client.fetch()
    assert found == Path(hf_hub_download(REPO, LARGE, repo_type="dataset", revision=client.commit))
    assert found == cached_hub_file(REPO, client.commit, LARGE)
    assert cached_hub_file(REPO, client.commit, SMALL) is None
    assert cached_hub_file("org/other", client.commit, LARGE) is None
    assert found.is_relative_to(hub_repository_folder(REPO))


def test_another_cache_may_be_named(client: Client, tmp_path: Path) -> None:
    found = client.fetch(cache=tmp_path / "elsewhere")
    assert found.is_relative_to(tmp_path / "elsewhere")
    assert found.read_bytes() == CONTENT[LARGE]
    assert cached_hub_file(REPO, client.commit, LARGE) is None


def test_a_file_without_a_known_digest_is_taken_as_it_is(client: Client) -> None:
    assert client.fetch(SMALL, size=None, sha256=None).read_bytes() == CONTENT[SMALL]


def test_dropped_files_are_gone_to_the_byte(client: Client) -> None:
    found = client.fetch()
    client.fetch(SMALL)
    drop_hub_file(found)
    assert cached_hub_file(REPO, client.commit, LARGE) is None
    assert [blob.read_bytes() for blob in blobs()] == [CONTENT[SMALL]]
    drop_hub_file(found)


def test_threads_that_want_the_same_file_fetch_it_once(client: Client) -> None:
    gate = Gate()
    client.hub.fault("/lfs/", pause(100, gate))
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(client.fetch) for _ in range(4)]
        assert gate.reached.wait(5)
        gate.release.set()
        assert {one.result().read_bytes() for one in found} == {CONTENT[LARGE]}
    assert len(client.hub.gets(origin="cdn")) == 1


# What passes.


@pytest.mark.parametrize("path", [LARGE, SMALL])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(drop(500), id="drop"),
        pytest.param(drop(0), id="drop before the first byte"),
        pytest.param(rst(500), id="rst"),
        pytest.param(stall(500, 0.6), id="stall"),
        pytest.param(status(500), id="500"),
        pytest.param(status(503, {"Retry-After": "7"}), id="503"),
        pytest.param(status(403), id="403 of an expired address"),
        pytest.param(status(429, {"Retry-After": "7"}), id="429"),
        pytest.param(status(408), id="408"),
        pytest.param(short(500), id="short"),
        pytest.param(swap(b"<html>Log in</html>"), id="page"),
        pytest.param(corrupt(3), id="first bytes flipped"),
        pytest.param(corrupt(1000), id="flipped"),
        pytest.param(noheader("Content-Length"), id="no length"),
        pytest.param(noheader("ETag", "X-Repo-Commit"), id="no headers"),
    ],
)
def test_what_goes_wrong_with_a_body_for_once_is_survived(
    client: Client, path: str, fault: Fault
) -> None:
    client.hub.fault(f"{Path(path).name}$", fault, method="GET")
    found = client.fetch(path)
    assert found.read_bytes() == CONTENT[path]
    assert sum(client.told) == len(CONTENT[path])
    assert not list(hub_cache().rglob("*.incomplete"))
    assert len(client.hub.gets(Path(path).name)) <= 2
    assert len(blobs()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(status(500), id="500"),
        pytest.param(status(503), id="503"),
        pytest.param(status(429, {"Retry-After": "7"}), id="429"),
        pytest.param(delay(0.6), id="late"),
        pytest.param(noheader("X-Repo-Commit"), id="not of the Hub"),
        pytest.param(noheader("ETag", "X-Linked-Etag"), id="no ETag"),
        pytest.param(noheader("Content-Length", "X-Linked-Size"), id="no size"),
        pytest.param(swap(b"<html>Log in</html>"), id="page"),
    ],
)
@pytest.mark.parametrize("path", [LARGE, SMALL])
def test_what_goes_wrong_with_the_question_for_once_is_survived(
    client: Client, path: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
    client.hub.fault("resolve", fault, method="HEAD")
    assert client.fetch(path).read_bytes() == CONTENT[path]
    assert sum(client.told) == len(CONTENT[path])


def test_several_faults_after_each_other_are_survived(client: Client) -> None:
    for fault in (status(503), rst(10), short(10), corrupt(10), status(500), drop(10)):
        client.hub.fault("/lfs/", fault)
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert sum(client.told) == len(CONTENT[LARGE])


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_download_goes_on_whether_or_not_there_are_ranges(
    client: Client, monkeypatch: pytest.MonkeyPatch, knows_ranges: bool
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    client.hub.fault("/lfs/", drop(50_500))
    if not knows_ranges:
        client.hub.fault("/lfs/", norange())
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert [one.range for one in client.hub.gets("/lfs/")] == [None, "bytes=50000-"]
    assert sum(client.told) == len(CONTENT[LARGE])


def test_a_download_gives_up_after_six_tries_and_keeps_nothing_half(client: Client) -> None:
    client.hub.fault("/lfs/", rst(500), times=None)
    with pytest.raises(FetchError, match="tried 6 times") as error:
        client.fetch()
    assert not isinstance(error.value, ChecksumError)
    assert LARGE in str(error.value)
    assert len(client.hub.gets("/lfs/")) == TRIES
    assert len(client.waits) == TRIES - 1
    assert sum(client.told) == 0
    assert cached_hub_file(REPO, client.commit, LARGE) is None
    client.hub.clear_faults()
    assert client.fetch().read_bytes() == CONTENT[LARGE]


def test_waits_grow(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    client.hub.fault("/lfs/", status(503), times=None)
    with pytest.raises(FetchError, match="HTTP 503"):
        client.fetch()
    assert client.waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", 60.0)])
def test_the_hub_says_how_long_to_wait(client: Client, asked: str, waited: float) -> None:
    client.hub.fault("/lfs/", status(503, {"Retry-After": asked}))
    client.hub.fault("revision/v1", status(429, {"Retry-After": asked}))
    client.hub.move_tag(REPO, "v1", client.commit)
    client.fetch()
    assert client.waits == [waited]
    client.waits.clear()
    assert client.resolve("v1") == client.commit
    assert client.waits == [waited]


# What does not pass.


@pytest.mark.parametrize(
    ("fault", "found", "hint"),
    [
        (status(401), "HTTP 401", "HF_TOKEN"),
        (status(404), "HTTP 404", "are repository, revision and id right"),
        (status(410), "HTTP 410", None),
        (status(416), "HTTP 416", None),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_will_not_pass_is_not_asked_again(
    client: Client, fault: Fault, found: str, hint: str | None, method: str
) -> None:
    client.hub.fault("train.parquet", fault, times=None, method=method)
    with pytest.raises(FetchError, match=found) as error:
        client.fetch()
    assert client.waits == []
    assert len([one for one in client.hub.requests if one.method == method]) == 1
    assert (hint or "cannot be fetched") in str(error.value)
    assert cached_hub_file(REPO, client.commit, LARGE) is None


@pytest.mark.parametrize("repo_id", ["no slash", "a/b/c", "../x", "a" * 200])
def test_a_name_that_cannot_be_one_is_not_asked_for(client: Client, repo_id: str) -> None:
    client.hub.clear_log()
    with pytest.raises(WsssAssetsError, match=repo_id):
        client.resolve(None, repo_id)
    assert client.waits == []
    assert client.hub.requests == []


def test_a_missing_file_is_an_error_that_names_it(client: Client) -> None:
    with pytest.raises(FetchError, match=rf"voc2012/none.txt of {REPO} at {client.commit[:12]}"):
        fetch_hub_file(REPO, client.commit, "voc2012/none.txt", sleep=client.waits.append)
    assert client.waits == []


@pytest.mark.parametrize("token", [None, "hf_right"])
def test_a_gated_repository_is_explained(
    client: Client, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    client.hub.repo(REPO).gated = True
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(FetchError, match="HF_TOKEN") as error:
        client.fetch()
    assert client.waits == []
    assert ("ask for access" in str(error.value)) == (token is not None)


@pytest.mark.parametrize("path", [LARGE, SMALL])
def test_one_flipped_bit_for_ever_is_never_kept(client: Client, path: str) -> None:
    client.hub.fault(Path(path).name, corrupt(5), times=None)
    with pytest.raises(ChecksumError, match=SHA256[path]) as error:
        client.fetch(path)
    assert "nothing was kept" in str(error.value)
    assert len(client.hub.gets(Path(path).name)) == 2
    assert cached_hub_file(REPO, client.commit, path) is None
    assert blobs() == []
    client.hub.clear_faults()
    assert client.fetch(path).read_bytes() == CONTENT[path]


@pytest.mark.parametrize("fault", [short(500), swap(b"<html>Log in</html>")])
def test_another_file_for_ever_is_never_kept(client: Client, fault: Fault) -> None:
    client.hub.fault("/lfs/", fault, times=None)
    with pytest.raises(FetchError):
        client.fetch()
    assert cached_hub_file(REPO, client.commit, LARGE) is None
    assert not any(blob.is_file() for blob in blobs())


def test_a_record_of_another_size_is_not_served(client: Client) -> None:
    with pytest.raises(ChecksumError, match="7 bytes of sha256"):
        client.fetch(size=7)
    assert cached_hub_file(REPO, client.commit, LARGE) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_not_tried_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        client.fetch()
    assert error.value.errno == number
    assert client.waits == []
    assert cached_hub_file(REPO, client.commit, LARGE) is None


def test_a_cache_that_cannot_be_written_is_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = client.fetch()
    client.hub.move_tag(REPO, "v1", client.commit)
    (tmp_path / "cache").rename(tmp_path / "lost")  # with the notes of what was verified
    with monkeypatch.context() as patches:
        make_read_only(patches, hub_cache(), tmp_path / "cache")
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "cache").mkdir()
        client.hub.clear_log()
        assert client.fetch() == found
        assert client.fetch() == found
        assert client.hub.requests == []
        assert client.resolve("v1") == client.commit
        with pytest.raises(OSError, match="Read-only") as error:
            client.fetch(SMALL)
        assert error.value.errno == errno.EROFS
        assert client.waits == []


# What was damaged since.


@pytest.mark.parametrize("path", [LARGE, SMALL])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "grown", "gone"])
def test_a_cached_file_that_went_bad_heals_with_one_download(
    client: Client, path: str, damage: str
) -> None:
    found = client.fetch(path)
    content = found.resolve()
    if damage == "flipped":
        flip(content)
    elif damage == "gone":
        content.unlink()
    else:
        sizes = {"truncated": 1000, "emptied": 0, "grown": len(CONTENT[path]) + 5}
        os.truncate(content, sizes[damage])
    client.hub.clear_log()
    assert client.fetch(path).read_bytes() == CONTENT[path]
    assert len(client.hub.gets(Path(path).name, "cdn" if path == LARGE else "hub")) == 1
    client.hub.clear_log()
    client.fetch(path)
    assert client.hub.requests == []


@pytest.mark.parametrize("path", [LARGE, SMALL])
@pytest.mark.filterwarnings("ignore:.*symlinks:UserWarning")
def test_a_cache_without_links_heals_as_well(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)  # as on Windows
    monkeypatch.setattr(file_download, "are_symlinks_supported", lambda *_: False)
    found = client.fetch(path)
    assert not found.is_symlink()
    assert client.fetch(path) == found
    flip(found)
    assert client.fetch(path).read_bytes() == CONTENT[path]
    drop_hub_file(found)
    assert client.fetch(path).read_bytes() == CONTENT[path]


def test_healing_survives_faults(client: Client) -> None:
    flip(client.fetch())
    client.hub.fault("/lfs/", status(503))
    client.hub.fault("/lfs/", rst(500))
    assert client.fetch().read_bytes() == CONTENT[LARGE]


def test_without_a_network_damage_is_said_and_not_used(
    client: Client, offline: Callable[[], None]
) -> None:
    found = client.fetch()
    flip(found)
    offline()
    client.hub.clear_log()
    with pytest.raises(ChecksumError, match="damaged") as error:
        client.fetch()
    assert "HF_HUB_OFFLINE" in str(error.value)
    assert client.hub.requests == []


def test_a_wrong_download_does_not_poison_another_commit(client: Client) -> None:
    client.hub.fault("/lfs/", corrupt(5), times=None)
    with pytest.raises(ChecksumError):
        client.fetch()
    client.hub.clear_faults()
    client.commit = client.hub.commit(REPO, {"other.txt": b"changed"})
    assert client.fetch().read_bytes() == CONTENT[LARGE]


# Names of commits.


def test_a_whole_commit_costs_no_request(client: Client) -> None:
    client.hub.clear_log()
    assert client.resolve(client.commit) == client.commit
    assert client.hub.requests == []


def test_a_name_is_asked_for_once_per_call(client: Client) -> None:
    client.hub.move_tag(REPO, "v1", client.commit)
    for revision in ("v1", "main", None):
        client.hub.clear_log()
        assert client.resolve(revision) == client.commit
        assert len(client.hub.requests) == 1


def test_a_moved_tag_is_followed_and_a_commit_stays(client: Client) -> None:
    client.hub.move_tag(REPO, "v1", client.commit)
    old = client.resolve("v1")
    changed = client.hub.commit(REPO, {LARGE: b"new"})
    client.hub.move_tag(REPO, "v1", changed)
    assert client.resolve("v1") == changed != old
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert fetch_hub_file(REPO, changed, LARGE).read_bytes() == b"new"
    client.hub.clear_log()
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert client.hub.requests == []


@pytest.mark.parametrize("revision", ["v1", "main", None])
def test_without_a_network_a_name_is_what_it_was(
    client: Client, offline: Callable[[], None], revision: str | None
) -> None:
    client.hub.move_tag(REPO, "v1", client.commit)
    client.resolve(revision)
    client.fetch()
    changed = client.hub.commit(REPO, {LARGE: b"new"})
    client.hub.move_tag(REPO, "v1", changed)
    client.hub.clear_log()
    offline()
    assert is_offline()
    assert client.resolve(revision) == client.commit
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert client.hub.requests == []


def test_without_a_network_an_unknown_name_is_an_error_that_says_what_to_do(
    client: Client, offline: Callable[[], None]
) -> None:
    offline()
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE is set") as error:
        client.resolve("v1")
    assert "40-hex commit" in str(error.value)
    with pytest.raises(FetchError, match="is not in the cache") as error:
        client.fetch()
    assert "HF_HUB_OFFLINE" in str(error.value)
    assert client.waits == []
    assert client.hub.requests == []


def test_a_damaged_memory_of_a_name_is_none(client: Client, offline: Callable[[], None]) -> None:
    client.resolve("main")
    offline()
    for damaged in (b"", b"nonsense", b"\xff\xfe"):
        for place in (cache_folder() / "references" / REPO, hub_repository_folder(REPO) / "refs"):
            place.mkdir(parents=True, exist_ok=True)
            (place / "main").write_bytes(damaged)
        with pytest.raises(FetchError, match="cannot be looked up"):
            client.resolve("main")


def test_a_hub_that_is_down_is_asked_six_times_and_then_memory(client: Client) -> None:
    client.hub.move_tag(REPO, "v1", client.commit)
    client.resolve("v1")
    client.hub.fault("/api/", status(503), times=None)
    assert client.resolve("v1") == client.commit
    assert len(client.waits) == TRIES - 1
    with pytest.raises(FetchError, match="HTTP 503"):
        client.resolve("v2")


def test_a_name_or_repository_that_is_gone_is_not_remembered(client: Client) -> None:
    client.hub.move_tag(REPO, "v1", client.commit)
    client.resolve("v1")
    del client.hub.repo(REPO).tags["v1"]
    with pytest.raises(FetchError, match="HTTP 404"):
        client.resolve("v1")
    with pytest.raises(FetchError, match="HTTP 401") as error:
        client.resolve(None, "org/nothing")
    assert "is the name right?" in str(error.value)
    assert client.waits == []


# Tokens.


def test_the_token_goes_to_the_hub_and_nowhere_else(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.hub.token = RIGHT
    client.hub.repo(REPO).private = True
    with pytest.raises(FetchError, match="HTTP 401"):
        client.fetch()
    monkeypatch.setenv("HF_TOKEN", RIGHT)
    client.hub.clear_log()
    assert client.resolve(None) == client.commit
    assert client.fetch().read_bytes() == CONTENT[LARGE]
    assert {one.origin: one.authorized for one in client.hub.requests} == {
        "hub": True,
        "cdn": False,
    }
    assert not client.hub.cdn_saw_authorization


# Reading by ranges.


def test_a_file_is_read_by_ranges_without_being_stored(client: Client) -> None:
    address = f"hf://datasets/{REPO}@{client.commit}/{LARGE}"
    with open_hub_file(address) as file:
        file.seek(100_000)
        assert file.read(50) == CONTENT[LARGE][100_000:100_050]
    assert all(one.range for one in client.hub.gets(origin="cdn"))
    assert blobs() == []


# What was verified.


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "shard.parquet"
    path.write_bytes(CONTENT[LARGE])
    return path


def whole(path: Path, **options: bool) -> bool:
    return is_whole(path, len(CONTENT[LARGE]), SHA256[LARGE], **options)


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose digests were taken."""
    taken: list[Path] = []
    real = files.sha256_file

    def counted(path: Path) -> str:
        taken.append(path)
        return real(path)

    monkeypatch.setattr(verified, "sha256_file", counted)
    return taken


def test_a_digest_is_taken_once(file: Path, digests: list[Path]) -> None:
    assert [whole(file) for _ in range(3)] == [True] * 3
    assert digests == [file]
    assert whole(file, again=True)
    assert digests == [file, file]


def test_a_file_that_was_touched_is_looked_at_again(file: Path, digests: list[Path]) -> None:
    assert whole(file)
    os.utime(file, ns=(1, 1))
    assert whole(file)
    flip(file)
    assert not whole(file)
    assert not whole(file)
    assert len(digests) == 4


def test_damage_behind_the_back_is_found_when_asked_for(file: Path) -> None:
    assert whole(file)
    flip(file, secretly=True)
    assert whole(file)
    assert not whole(file, again=True)
    assert not whole(file), "the note is refuted, so that a download heals what was found"


def test_a_note_speaks_of_one_digest(file: Path) -> None:
    assert whole(file)
    assert not is_whole(file, len(CONTENT[LARGE]), SHA256[SMALL])
    assert whole(file)


def test_a_note_speaks_of_the_content_behind_a_link(
    file: Path, digests: list[Path], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert whole(file)
    assert whole(link)
    assert len(digests) == 1
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    assert not whole(link)


def test_files_of_another_size_or_none_are_not_read(
    file: Path, digests: list[Path], tmp_path: Path
) -> None:
    assert not is_whole(file, 5, SHA256[LARGE])
    assert not whole(tmp_path / "nothing")
    assert not whole(file / "below a file")
    assert digests == []


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"nonsense"])
def test_a_damaged_note_is_written_anew(file: Path, digests: list[Path], note: bytes) -> None:
    assert whole(file)
    (place,) = (path for path in cache_folder().rglob("*") if path.is_file())
    place.write_bytes(note)
    assert whole(file)
    assert whole(file)
    assert len(digests) == 2


def test_without_a_place_for_notes_the_digest_is_taken_every_time(
    file: Path, digests: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patches:
        make_read_only(patches, cache_folder())
        assert whole(file)
        assert whole(file)
    assert len(digests) == 2


def test_threads_may_look_at_the_same_file(file: Path) -> None:
    barrier = threading.Barrier(4)

    def look() -> bool:
        barrier.wait()
        return whole(file)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(look) for _ in range(4)]
        assert all(one.result() for one in found)
