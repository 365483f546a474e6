from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wsss_assets.errors import ChecksumError, FetchError
from wsss_assets.storage.fetch import cache_folder, fetch_file
from wsss_assets.storage.web import check_redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = b"2007_000032 0 14\n" * 10_000
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the server does, one switch per request; the last one stays."""

    url: str = ""
    plan: list[str] = field(default_factory=lambda: ["ok"])
    requests: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    hang_up: threading.Event = field(default_factory=threading.Event)

    def fetch(self, path: Path, **options: float) -> Path:
        return fetch_file(
            self.url, DIGEST, path, instead="pass --labels", sleep=self.waits.append, **options
        )


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = state.plan.pop(0) if len(state.plan) > 1 else state.plan[0]
            state.requests.append(fault)
            FAULTS[fault](self, state)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}/list.txt"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.hang_up.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def _answer(body: bytes, length: int | None = None) -> Callable[..., None]:
    def act(handler: BaseHTTPRequestHandler, _: Server) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def _status(code: int, **headers: str) -> Callable[..., None]:
    def act(handler: BaseHTTPRequestHandler, _: Server) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return act


def _silence(_: BaseHTTPRequestHandler, state: Server) -> None:
    state.hang_up.wait(5)


FAULTS: dict[str, Callable[..., None]] = {
    "ok": _answer(BODY),
    "cut off": _answer(BODY[:5000], len(BODY)),
    "wrong": _answer(BODY.replace(b"14", b"15")),
    "empty": _answer(b""),
    "500": _status(500),
    "503 later": _status(503, Retry_After="7"),
    "429 much later": _status(429, Retry_After="86400"),
    "429 nonsense": _status(429, Retry_After="soon"),
    "404": _status(404),
    "to file": _status(302, Location="file:///etc/hostname"),
    "to plain http": _status(302, Location="http://example.invalid/"),
    "silent": _silence,
}


def test_a_file_is_fetched_once_and_then_comes_without_a_request(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "list.txt"
    assert server.fetch(path) == path
    assert server.fetch(path).read_bytes() == BODY
    assert server.requests == ["ok"]
    assert [one.name for one in path.parent.iterdir()] == ["list.txt"]


def test_a_damaged_cached_file_is_healed(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(BODY[:-1])
    assert server.fetch(path).read_bytes() == BODY
    assert server.requests == ["ok"]


def patience(fault: str) -> float:
    """Seconds that a client waits: enough for a busy machine, but where it waits in vain."""
    return 1 if fault == "silent" else 30


@pytest.mark.parametrize("fault", ["500", "503 later", "cut off", "429 nonsense", "silent"])
def test_a_passing_fault_is_tried_again(server: Server, tmp_path: Path, fault: str) -> None:
    server.plan = [fault, "ok"]
    path = server.fetch(tmp_path / "list.txt", timeout=patience(fault))
    assert path.read_bytes() == BODY
    assert server.requests == [fault, "ok"]
    assert len(server.waits) == 1


@pytest.mark.parametrize("fault", ["500", "cut off", "silent"])
def test_a_lasting_fault_is_given_up_after_three_tries(
    server: Server, tmp_path: Path, fault: str
) -> None:
    server.plan = [fault]
    with pytest.raises(FetchError, match="tried 3 times") as caught:
        server.fetch(tmp_path / "list.txt", timeout=patience(fault))
    assert len(server.requests) == 3
    assert 0.5 <= server.waits[0] <= 1 <= server.waits[1] <= 2
    assert str(tmp_path / "list.txt") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fault", "wait"), [("503 later", 7.0), ("429 much later", 60.0)])
def test_retry_after_is_honoured_within_reason(
    server: Server, tmp_path: Path, fault: str, wait: float
) -> None:
    server.plan = [fault, "ok"]
    server.fetch(tmp_path / "list.txt")
    assert server.waits == [wait]


@pytest.mark.parametrize("fault", ["404", "to file", "to plain http"])
def test_a_refusal_is_final(server: Server, tmp_path: Path, fault: str) -> None:
    server.plan = [fault]
    with pytest.raises(FetchError):
        server.fetch(tmp_path / "list.txt")
    assert server.requests == [fault]


def test_wrong_bytes_once_are_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.plan = ["wrong", "ok"]
    assert server.fetch(tmp_path / "list.txt").read_bytes() == BODY


@pytest.mark.parametrize("fault", ["wrong", "empty"])
def test_wrong_bytes_twice_are_an_error_that_says_both_digests(
    server: Server, tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"old")
    server.plan = [fault]
    with pytest.raises(ChecksumError) as caught:
        server.fetch(path)
    assert DIGEST in str(caught.value)
    assert (caught.value.found or "").startswith("sha256 ")
    assert len(server.requests) == 2
    assert path.read_bytes() == b"old"


def test_without_a_network_the_error_says_what_to_do(server: Server, tmp_path: Path) -> None:
    server.url = "http://127.0.0.1:1/list.txt"
    with pytest.raises(FetchError) as caught:
        server.fetch(tmp_path / "list.txt")
    text = str(caught.value)
    assert "no network" in text
    assert f"put the file at {tmp_path / 'list.txt'}, or pass --labels" in text
    assert server.waits == []


def test_a_disk_that_cannot_be_written_is_not_called_a_network_fault(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OSError, match="while fetching"):
        server.fetch(tmp_path / "taken" / "list.txt")


@pytest.mark.parametrize(
    "url", ["http://example.invalid/a", "file:///etc/hostname", "ftp://127.0.0.1/a", "a", "https:"]
)
def test_only_https_is_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="https"):
        fetch_file(url, DIGEST, tmp_path / "a")


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSSS_ASSETS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/someone"))
    assert cache_folder() == Path("/home/someone/.cache/wsss-assets")
    monkeypatch.setenv("XDG_CACHE_HOME", "/big/cache")
    assert cache_folder() == Path("/big/cache/wsss-assets")
    monkeypatch.setenv("WSSS_ASSETS_CACHE", "/own")
    assert cache_folder() == Path("/own")


def test_nobody_else_leads_to_this_machine() -> None:
    check_redirect("https://example.org/a", "https://example.com/b")
    check_redirect("http://127.0.0.1:1/a", "http://localhost:2/b")
    for inside in ("http://127.0.0.1/b", "https://localhost/b", "http://[::1]/b"):
        with pytest.raises(FetchError, match="this machine"):
            check_redirect("https://example.org/a", inside)
