"""Ways for a server to go wrong, to be planned with `FaultyServer.fault`."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.serving import Answer, Connection, Fault, Request, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 60  # seconds after which a forgotten gate opens by itself


@dataclass
class Gate:
    """Where an answer waits: `reached` says that it does, set `release` to let it go on."""

    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        self.reached.set()
        self.release.wait(PATIENCE)


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Fault:
    """Answer with a status instead; nothing is done on the server."""
    return Fault(answer=lambda _request, _route: Answer(code, headers or {}, body))


def delay(seconds: float) -> Fault:
    """Answer late."""

    def answer(request: Request, route: Route) -> Answer:
        time.sleep(seconds)
        return route(request)

    return Fault(answer=answer)


def block(gate: Gate) -> Fault:
    """Answer once the gate opens."""

    def answer(request: Request, route: Route) -> Answer:
        gate.wait()
        return route(request)

    return Fault(answer=answer)


def drop(after: int) -> Fault:
    """Announce the whole body, send its first bytes and close the connection."""

    def send(connection: Connection, body: bytes) -> None:
        connection.write(body[:after])
        connection.hang_up()

    return Fault(send=send, spoils_body=True)


def rst(after: int) -> Fault:
    """Announce the whole body, send its first bytes and reset the connection."""

    def send(connection: Connection, body: bytes) -> None:
        connection.write(body[:after])
        connection.reset()

    return Fault(send=send, spoils_body=True)


def stall(after: int, seconds: float) -> Fault:
    """Send the first bytes of the body, nothing for a while, then the rest."""

    def send(connection: Connection, body: bytes) -> None:
        connection.write(body[:after])
        time.sleep(seconds)
        connection.write(body[after:])

    return Fault(send=send, spoils_body=True)


def pause(after: int, gate: Gate) -> Fault:
    """Send the first bytes of the body, and the rest once the gate opens."""

    def send(connection: Connection, body: bytes) -> None:
        connection.write(body[:after])
        gate.wait()
        connection.write(body[after:])

    return Fault(send=send, spoils_body=True)


def corrupt(offset: int) -> Fault:
    """Flip one bit of the byte at an offset of the file; a range without that byte stays good."""

    def answer(request: Request, route: Route) -> Answer:
        good = route(request)
        part = re.match(r"bytes (\d+)-", good.headers.get("Content-Range", ""))
        position = offset - (int(part[1]) if part else 0)
        if not 0 <= position < len(good.body):
            return good
        body = bytearray(good.body)
        body[position] ^= 1
        return replace(good, body=bytes(body))

    return Fault(answer=answer, spoils_body=True)


def short(after: int) -> Fault:
    """Send only the first bytes, and announce no more than those."""

    def answer(request: Request, route: Route) -> Answer:
        good = route(request)
        return replace(good, body=good.body[:after])

    return Fault(answer=answer, spoils_body=True)


def swap(body: bytes, content_type: str = "text/html") -> Fault:
    """Send something else with status 200, as a captive portal does."""
    page = Answer(200, {"Content-Type": content_type}, body)
    return Fault(answer=lambda _request, _route: page, spoils_body=True)


def norange() -> Fault:
    """Ignore the range asked for: status 200 and the whole file."""

    def answer(request: Request, route: Route) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        return route(replace(request, headers=headers))

    return Fault(answer=answer, hidden=frozenset({"accept-ranges"}), spoils_body=True)


def noheader(*names: str) -> Fault:
    """Leave headers out; without a Content-Length the body ends with the connection."""
    return Fault(hidden=frozenset(name.lower() for name in names))
