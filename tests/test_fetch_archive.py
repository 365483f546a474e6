from __future__ import annotations

import errno
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import faults
from tests.faults import corrupt, delay, drop, noheader, norange, pause, rst, stall, status, swap
from wsss_assets.errors import ChecksumError, DataError, FetchError
from wsss_assets.storage.fetch import fetch_archive
from wsss_assets.storage.files import check_free_space

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fileserver import FileServer
    from tests.serving import Fault


def archive(seed: int = 0, maps: int = 6) -> bytes:
    """A zip of something that does not pack, some 300 kB."""
    noise = random.Random(seed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for number in range(maps):
            target.writestr(f"{number}.png", noise.randbytes(50_000))
    return buffer.getvalue()


BODY = archive()
DIGEST = hashlib.sha256(BODY).hexdigest()


class Fetcher:
    """Fetches the archive from the server and keeps what it was told.

    Attributes:
        patience: seconds that it waits for something to come: enough for a busy machine.
    """

    patience = 30.0

    def __init__(self, files: FileServer, folder: Path) -> None:
        self.files = files
        self.url = files.add("maps.zip", BODY)
        self.path = folder / "archives" / "maps.zip"
        self.waits: list[float] = []
        self.advances: list[int] = []

    def __call__(self, sha256: str | None = None, size: int | None = None) -> str:
        return fetch_archive(
            self.url,
            self.path,
            sha256=sha256,
            size=size,
            advance=self.advances.append,
            instead="name a copy",
            timeout=self.patience,
            sleep=self.waits.append,
        )

    def ranges(self) -> list[str | None]:
        """The ranges that were asked for."""
        return [visit.range for visit in self.files.gets("maps")]

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.iterdir())


@pytest.fixture
def fetch(files: FileServer, tmp_path: Path) -> Fetcher:
    return Fetcher(files, tmp_path)


def test_an_archive_comes_once_and_its_digest_is_told(fetch: Fetcher) -> None:
    assert fetch() == DIGEST
    assert fetch.path.read_bytes() == BODY
    assert sum(fetch.advances) == len(BODY)
    assert fetch(DIGEST, len(BODY)) == DIGEST
    assert fetch.ranges() == [None]
    assert fetch.leftovers() == ["maps.zip"]


def test_a_damaged_archive_that_is_there_is_fetched_anew(fetch: Fetcher) -> None:
    fetch.path.parent.mkdir()
    fetch.path.write_bytes(BODY[:-1] + b"x")
    assert fetch(DIGEST) == DIGEST
    assert fetch.path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("fault", "patience"),
    [(drop(100_000), 30), (rst(100_000), 30), (stall(100_000, 3), 1)],
    ids=["drop", "rst", "stall"],
)
def test_what_came_before_a_fault_is_not_asked_for_again(
    fetch: Fetcher, fault: Fault, patience: float
) -> None:
    fetch.patience = patience
    fetch.files.fault("maps", fault)
    assert fetch() == DIGEST
    first, second = fetch.ranges()
    assert first is None
    assert second == "bytes=100000-"
    assert fetch.path.read_bytes() == BODY
    assert sum(fetch.advances) == len(BODY)


@pytest.mark.parametrize(
    ("fault", "wait", "patience"),
    [
        (status(500), None, 30),
        (status(503, {"Retry-After": "7"}), 7.0, 30),
        (status(429, {"Retry-After": "9"}), 9.0, 30),
        (delay(3), None, 1),
    ],
)
def test_a_passing_refusal_is_tried_again(
    fetch: Fetcher, fault: Fault, wait: float | None, patience: float
) -> None:
    fetch.patience = patience
    fetch.files.fault("maps", fault)
    assert fetch() == DIGEST
    assert len(fetch.waits) == 1
    assert wait in {None, fetch.waits[0]}


def test_it_goes_on_as_long_as_something_comes(fetch: Fetcher) -> None:
    fetch.files.fault("maps", drop(30_000), times=8)
    assert fetch() == DIGEST
    assert len(fetch.ranges()) == 9
    assert len(fetch.waits) == 8
    assert max(fetch.waits) <= 1  # each fault is the first one after something came


def test_it_gives_up_after_three_tries_that_bring_nothing_and_goes_on_another_day(
    fetch: Fetcher,
) -> None:
    fetch.files.fault("maps", drop(120_000))
    fetch.files.fault("maps", status(503), times=2)
    with pytest.raises(FetchError, match="tried 3 times") as caught:
        fetch()
    assert "name a copy" in str(caught.value)
    assert fetch.leftovers() == ["maps.zip.part", "maps.zip.part.json"]
    fetch.files.clear_log()
    fetch.advances.clear()
    assert fetch(DIGEST) == DIGEST
    assert fetch.ranges() == ["bytes=120000-"]
    assert fetch.advances[0] == 120_000
    assert sum(fetch.advances) == len(BODY)
    assert fetch.leftovers() == ["maps.zip"]


def test_a_server_without_ranges_begins_anew(fetch: Fetcher) -> None:
    fetch.files.fault("maps", drop(100_000))
    fetch.files.fault("maps", norange())
    assert fetch() == DIGEST
    assert fetch.path.read_bytes() == BODY
    assert sum(fetch.advances) == len(BODY)
    assert min(fetch.advances) == -100_000


def test_a_server_without_ranges_that_always_stops_at_the_same_place_is_given_up(
    fetch: Fetcher,
) -> None:
    always_cut = replace(norange(), send=drop(100_000).send)
    fetch.files.fault("maps", always_cut, times=None)
    with pytest.raises(FetchError, match="tried 3 times"):
        fetch()
    assert len(fetch.ranges()) == 3


def test_a_file_that_changed_on_the_server_is_not_sewn_to_the_old_one(fetch: Fetcher) -> None:
    other = archive(seed=1)
    fetch.files.fault("maps", drop(100_000))
    fetch.files.fault("maps", status(503), times=2)
    with pytest.raises(FetchError):
        fetch()
    fetch.files.add("maps.zip", other)
    assert fetch() == hashlib.sha256(other).hexdigest()
    assert fetch.path.read_bytes() == other


def test_a_file_that_became_shorter_on_the_server_is_fetched_anew(fetch: Fetcher) -> None:
    fetch.files.fault("maps", drop(250_000))
    fetch.files.fault("maps", status(503), times=2)
    with pytest.raises(FetchError):
        fetch()
    fetch.files.fault("maps", status(416))
    assert fetch() == DIGEST
    assert fetch.path.read_bytes() == BODY


@pytest.mark.parametrize("answer", ["bytes 0-99/100", "bytes 50000-99999/100000", "nonsense", ""])
def test_a_part_that_was_not_asked_for_is_refused(fetch: Fetcher, answer: str) -> None:
    fetch.files.fault("maps", drop(100_000))
    fetch.files.fault("maps", status(206, {"Content-Range": answer}, b"x" * 100))
    assert fetch() == DIGEST
    assert fetch.path.read_bytes() == BODY


def test_without_an_etag_nothing_is_resumed(fetch: Fetcher) -> None:
    plain = noheader("etag")
    fetch.files.fault("maps", replace(plain, send=drop(100_000).send))
    fetch.files.fault("maps", plain, times=None)
    assert fetch() == DIGEST
    assert fetch.ranges() == [None, None]


def test_a_length_that_is_not_announced_is_taken_from_the_record(fetch: Fetcher) -> None:
    fetch.files.fault("maps", noheader("content-length"), times=None)
    assert fetch(DIGEST, len(BODY)) == DIGEST
    fetch.path.unlink()
    with pytest.raises(ChecksumError, match=f"{len(BODY):,}"):
        fetch(None, len(BODY) + 1)


def test_wrong_bytes_are_an_error_and_nothing_of_them_is_kept(fetch: Fetcher) -> None:
    fetch.files.fault("maps", corrupt(1000), times=None)
    with pytest.raises(ChecksumError) as caught:
        fetch(DIGEST)
    assert DIGEST in str(caught.value)
    assert len(fetch.ranges()) == 1
    assert fetch.leftovers() == []


def test_a_part_that_was_damaged_on_disk_is_healed(fetch: Fetcher) -> None:
    fetch.files.fault("maps", drop(100_000))
    fetch.files.fault("maps", status(503), times=2)
    with pytest.raises(FetchError):
        fetch()
    part = fetch.path.with_name("maps.zip.part")
    part.write_bytes(bytes(len(part.read_bytes())))
    assert fetch(DIGEST) == DIGEST
    assert fetch.path.read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": "https://example.org/else"}', None])
def test_a_part_without_its_own_note_is_not_trusted(fetch: Fetcher, note: str | None) -> None:
    fetch.path.parent.mkdir()
    fetch.path.with_name("maps.zip.part").write_bytes(b"something else")
    if note is not None:
        fetch.path.with_name("maps.zip.part.json").write_text(note)
    assert fetch() == DIGEST
    assert fetch.ranges() == [None]


def test_a_whole_part_needs_no_request(fetch: Fetcher) -> None:
    fetch.path.parent.mkdir()
    fetch.path.with_name("maps.zip.part").write_bytes(BODY)
    note = {"url": fetch.url, "etag": '"x"', "last_modified": "", "total": len(BODY)}
    fetch.path.with_name("maps.zip.part.json").write_text(json.dumps(note))
    assert fetch(DIGEST) == DIGEST
    assert fetch.ranges() == []


def test_another_size_is_found_out_before_it_is_fetched(fetch: Fetcher) -> None:
    with pytest.raises(ChecksumError, match=f"{len(BODY):,}"):
        fetch(None, len(BODY) + 1)
    assert fetch.leftovers() == []
    fetch.files.fault("maps", faults.short(1000))
    with pytest.raises(ChecksumError, match="1,000"):
        fetch(None, len(BODY))


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Sign in", b"\xef\xbb\xbf\n <html>"])
def test_a_web_page_is_called_one(fetch: Fetcher, page: bytes) -> None:
    fetch.files.fault("maps", swap(page))
    with pytest.raises(FetchError, match="web page"):
        fetch(None, len(BODY))
    assert fetch.leftovers() == []


def test_a_redirect_keeps_the_range(fetch: Fetcher) -> None:
    fetch.files.redirects = True
    fetch.files.fault("signature", drop(100_000))
    assert fetch() == DIGEST
    assert [visit.range for visit in fetch.files.gets("maps", "storage")] == [
        None,
        "bytes=100000-",
    ]


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_final(fetch: Fetcher, code: int) -> None:
    fetch.files.fault("maps", status(code))
    with pytest.raises(FetchError, match=str(code)):
        fetch()
    assert fetch.waits == []


@pytest.mark.parametrize("url", ["http://example.invalid/a.zip", "file:///a.zip", "a.zip"])
def test_only_https_is_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="https"):
        fetch_archive(url, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_seen_before_anything_is_written(
    fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = len(BODY) - 1

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(DataError, match="too full") as caught:
        fetch()
    assert f"{len(BODY):,}" in str(caught.value)
    assert fetch.leftovers() == []
    check_free_space(fetch.path / "not" / "there", Usage.free)


def test_a_full_disk_is_not_called_a_network_fault(
    fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wsss_assets.storage.resumed.write_atomically", full)
    with pytest.raises(OSError, match="while fetching"):
        fetch()
    assert fetch.waits == []


def test_a_killed_process_leaves_what_came_for_the_next_one(fetch: Fetcher) -> None:
    gate = faults.Gate()
    fetch.files.fault("maps", pause(150_000, gate))
    code = (
        "import sys, pathlib; from wsss_assets.storage.fetch import fetch_archive; "
        "fetch_archive(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, fetch.url, str(fetch.path)])
    part = fetch.path.with_name("maps.zip.part")
    until = time.monotonic() + 30
    while time.monotonic() < until and not (part.exists() and part.stat().st_size > 60_000):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    gate.release.set()
    kept = part.stat().st_size
    assert 60_000 < kept <= 150_000
    assert not fetch.path.exists()
    fetch.files.clear_log()
    assert fetch(DIGEST) == DIGEST
    assert fetch.ranges() == [f"bytes={kept}-"]
    assert fetch.path.read_bytes() == BODY
