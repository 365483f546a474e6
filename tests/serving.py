"""Loopback HTTP servers whose answers can be made to go wrong.

A server hands every request to a route, which returns an `Answer`. A planned `Fault` may answer
in the route's place, change the answer, hide headers or send the body badly.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked; header names in lower case, the path still quoted."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def target(self) -> str:
        """Path and query, unquoted: what faults and the log go by."""
        return unquote(f"{self.path}?{self.query}" if self.query else self.path)

    def option(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return parse_qs(self.query).get(name, [default])[-1]

    def json(self) -> Any:  # noqa: ANN401 (whatever the client has sent)
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes back. The length is announced by the server; a HEAD gets no body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Visit(NamedTuple):
    """A request as it is remembered."""

    method: str
    path: str
    range: str | None
    origin: str
    authorized: bool


Route: TypeAlias = Callable[[Request], Answer]


def _ask_the_route(request: Request, route: Route) -> Answer:
    return route(request)


def _send_all(connection: Connection, body: bytes) -> None:
    connection.write(body)


@dataclass(frozen=True)
class Fault:
    """One way to go wrong.

    Attributes:
        answer: what is answered; calling the route has the route's effects, if any.
        send: how the body is sent.
        hidden: names of headers that are not sent, in lower case.
        spoils_body: leave alone, and stay planned for, what has no body: a HEAD, a redirect.
    """

    answer: Callable[[Request, Route], Answer] = _ask_the_route
    send: Callable[[Connection, bytes], None] = _send_all
    hidden: frozenset[str] = frozenset()
    spoils_body: bool = False


@dataclass
class _Planned:
    pattern: re.Pattern[str]
    fault: Fault
    left: float
    method: str | None

    def fits(self, request: Request, has_body: bool) -> bool:
        if self.method is None:
            wanted = has_body or not self.fault.spoils_body
        else:
            wanted = self.method == request.method
        return wanted and self.pattern.search(request.target) is not None


class Connection(BaseHTTPRequestHandler):
    """One client's connection, as faults see it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer waits 40 ms for an acknowledgement
    server: _Origin

    def write(self, data: bytes) -> None:
        self.wfile.write(data)

    def hang_up(self) -> None:
        """End the connection in the orderly way (FIN) once the answer has been sent."""
        self.close_connection = True

    def reset(self) -> None:
        """End the connection at once with a TCP reset."""
        # A reset throws away what is still on its way, so give it time to arrive.
        time.sleep(0.05)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # the socket stays open as long as a file made of it does
        self.connection.close()
        self.close_connection = True

    def _serve(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, url.query, headers, self._body(headers))
        answer, fault = self.server.owner.respond(request, self.server.route, self.server.origin)
        self.send_response_only(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            if name.lower() not in fault.hidden:
                self.send_header(name, value)
        if "content-length" in fault.hidden:
            self.send_header("Connection", "close")
            self.close_connection = True
        try:
            self.end_headers()
            if self.command != "HEAD":
                fault.send(self, answer.body)
        except ConnectionError:
            self.close_connection = True  # the client left first

    # The names BaseHTTPRequestHandler looks for.
    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, *_: object) -> None:
        pass


class _Origin(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: FaultyServer, route: Route, origin: str) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.owner, self.route, self.origin = owner, route, origin

    def handle_error(self, *_: object) -> None:
        """Clients that break off are what is tested; only our own mistakes are kept."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.owner.errors.append(traceback.format_exc())


class FaultyServer:
    """One or more origins that share a log and planned faults.

    Attributes:
        requests: everything asked so far, in order of arrival, but for `quiet_paths`.
        errors: tracebacks of the routes' own mistakes; a client got a 500 for each.
    """

    quiet_paths: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.requests: list[Visit] = []
        self.errors: list[str] = []
        self._planned: list[_Planned] = []
        self._planning = threading.Lock()
        self._origins: list[_Origin] = []

    def listen(self, route: Route, origin: str) -> str:
        """Serve a route on a port of its own; returns its URL."""
        server = _Origin(self, route, origin)
        self._origins.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def close(self) -> None:
        for server in self._origins:
            server.shutdown()
            server.server_close()

    def fault(
        self, pattern: str, fault: Fault, times: int | None = 1, method: str | None = None
    ) -> None:
        """Let requests go wrong.

        Args:
            pattern: searched for in the unquoted path and query, on every origin.
            fault: what goes wrong, see `tests.faults`.
            times: how often; None: for ever. Of several faults the first planned comes first.
            method: only such requests. None: any, except that faults of the body pass over
                what has none, so a HEAD or a redirect does not use them up.
        """
        left = math.inf if times is None else times
        with self._planning:
            self._planned.append(_Planned(re.compile(pattern), fault, left, method))

    def clear_faults(self) -> None:
        with self._planning:
            self._planned.clear()

    def gets(self, pattern: str = "", origin: str | None = None) -> list[Visit]:
        """The GET requests whose path holds a pattern."""
        return [
            visit
            for visit in self.requests
            if visit.method == "GET"
            and origin in (None, visit.origin)
            and re.search(pattern, visit.path)
        ]

    def clear_log(self) -> None:
        self.requests.clear()

    def respond(self, request: Request, route: Route, origin: str) -> tuple[Answer, Fault]:
        """Answer a request, and say how to send the answer."""
        authorized = "authorization" in request.headers
        asked_range = request.headers.get("range")
        visit = Visit(request.method, request.target, asked_range, origin, authorized)
        if request.path not in self.quiet_paths:
            self.requests.append(visit)
        try:
            fault = self._take_fault(request, route)
            return fault.answer(request, route), fault
        except Exception:  # noqa: BLE001 (kept for the test to fail on)
            self.errors.append(traceback.format_exc())
            return Answer(500, body=self.errors[-1].encode()), Fault()

    def _take_fault(self, request: Request, route: Route) -> Fault:
        if not self._planned:
            return Fault()
        # Only a GET is asked beforehand, because it changes nothing.
        reads = request.method in ("GET", "HEAD")
        has_body = request.method != "HEAD" and not (reads and not route(request).body)
        with self._planning:
            for planned in self._planned:
                if planned.fits(request, has_body):
                    planned.left -= 1
                    if not planned.left:
                        self._planned.remove(planned)
                    return planned.fault
        return Fault()


def serve_bytes(request: Request, body: bytes, headers: Mapping[str, str]) -> Answer:
    """A file, or the range of it that was asked for; `headers` hold its ETag."""
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    whole = Answer(200, headers, body)
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if asked is None or asked[0] == "bytes=-" or request.method == "HEAD":
        return whole
    if request.headers.get("if-range") not in (None, headers["ETag"]):
        return whole
    if asked[1]:
        start, end = int(asked[1]), min(int(asked[2] or len(body)) + 1, len(body))
    else:
        start, end = max(0, len(body) - int(asked[2])), len(body)
    if start >= end:
        return Answer(416, {**headers, "Content-Range": f"bytes */{len(body)}"})
    content_range = f"bytes {start}-{end - 1}/{len(body)}"
    return Answer(206, {**headers, "Content-Range": content_range}, body[start:end])


def quoted_sha256(body: bytes) -> str:
    """An ETag."""
    return f'"{hashlib.sha256(body).hexdigest()}"'
