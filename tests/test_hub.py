from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants, file_download, hf_hub_download

from tests.faults import Gate, corrupt, pause, rst, short, status, swap
from tests.hub_client import CONTENT, LARGE, REPO, SHA256, SMALL, Client, blobs, client_of
from tests.map_set_files import flip, make_read_only
from wsss_assets.errors import ChecksumError, FetchError
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.hub import (
    cached_hub_file,
    drop_hub_file,
    fetch_hub_file,
    hub_cache,
    hub_repository_folder,
    open_hub_file,
)
from wsss_assets.storage.web import is_offline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakehub import FakeHub
    from tests.serving import Fault

TRIES = 6
RIGHT = "hf_right"


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return client_of(hub, tmp_path / "cache", monkeypatch)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


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
        assert gate.reached.wait(60)
        gate.release.set()
        assert {one.result().read_bytes() for one in found} == {CONTENT[LARGE]}
    assert len(client.hub.gets(origin="cdn")) == 1


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
