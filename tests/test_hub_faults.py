from __future__ import annotations

import errno
import os
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants, file_download
from huggingface_hub.errors import LocalEntryNotFoundError

from tests.faults import corrupt, delay, drop, noheader, norange, rst, short, stall, status, swap
from tests.hub_client import CONTENT, LARGE, REPO, SMALL, Client, blobs, client_of
from wsss_assets.errors import ChecksumError, FetchError, WsssAssetsError
from wsss_assets.storage.hub import cached_hub_file, fetch_hub_file, hub_cache
from wsss_assets.storage.hub_faults import HubAttempts

if TYPE_CHECKING:
    from tests.fakehub import FakeHub
    from tests.serving import Fault

TRIES = 6


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return client_of(hub, tmp_path / "cache", monkeypatch)


# What passes.


@pytest.mark.parametrize("path", [LARGE, SMALL])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(drop(500), id="drop"),
        pytest.param(drop(0), id="drop before the first byte"),
        pytest.param(rst(500), id="rst"),
        pytest.param(stall(500, 2), id="stall"),
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
        pytest.param(delay(2), id="late"),
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
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
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


def test_the_hub_may_name_the_moment_to_ask_again(client: Client) -> None:
    moment = formatdate(time.time() + 30, usegmt=True)
    client.hub.fault("/lfs/", status(503, {"Retry-After": moment}))
    client.fetch()
    assert 20 < client.waits[0] <= 30


def test_where_the_library_has_asked_several_times_two_failures_are_enough() -> None:
    waits: list[float] = []
    attempts = HubAttempts("the map", waits.append)
    attempts.failed(LocalEntryNotFoundError("no answer"))
    with pytest.raises(FetchError, match="tried 2 times; what was fetched before is kept"):
        attempts.failed(LocalEntryNotFoundError("no answer"))
    assert len(waits) == 1


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
