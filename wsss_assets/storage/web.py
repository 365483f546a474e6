"""What every fetch over HTTP has in common: which addresses are asked, and when again."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import random
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wsss_assets import __version__
from wsss_assets.errors import FetchError
from wsss_assets.storage.files import refuse_disk_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from typing import IO

__all__ = [
    "NETWORK_FAULTS",
    "Attempts",
    "CutOffError",
    "announced_length",
    "check_address",
    "check_redirect",
    "is_offline",
    "opened",
    "pause",
]

NETWORK_FAULTS = (OSError, http.client.HTTPException)
"""What goes wrong on the way, for `Attempts.failed` to judge."""

_TRIES = 3
_LONGEST_WAIT = 60.0


def is_offline() -> bool:
    """Whether the user has forbidden requests, with `HF_HUB_OFFLINE`.

    As the Hub's library, which reads it once, understands it.
    """
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        return bool(constants.HF_HUB_OFFLINE)
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def pause(failures: int, asked: float, sleep: Callable[[float], None]) -> None:
    """Wait before the next try: as long as the server asks, else longer after each failure.

    Jitter keeps many clients that failed together from coming back together.

    Args:
        failures: how many there were in a row.
        asked: seconds that the server asks for; 0: it does not.
        sleep: what waits.
    """
    longer = 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)  # noqa: S311
    sleep(min(asked or longer, _LONGEST_WAIT))


def opened(
    url: str, timeout: float, headers: Mapping[str, str] | None = None
) -> http.client.HTTPResponse:
    """Ask for a file; what comes back is to be closed.

    Args:
        url: an address that `check_address` let pass; redirects are held to the same.
        timeout: seconds without an answer after which it is given up.
        headers: what to say besides who asks.

    Raises:
        FetchError: a redirect leads to where nothing is fetched.
        OSError: the network failed, or the server refused (`urllib.error.HTTPError`).
    """
    request = urllib.request.Request(  # noqa: S310 (the address has been checked)
        url, headers={"User-Agent": f"wsss-assets/{__version__}", **(headers or {})}
    )
    handlers: list[urllib.request.BaseHandler] = [_CheckedRedirects()]
    if _is_this_machine(urllib.parse.urlsplit(url).hostname):
        handlers.append(urllib.request.ProxyHandler({}))
    response: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(
        request, timeout=timeout
    )
    return response


def announced_length(headers: Message) -> int | None:
    """The length of the body, where the server says it."""
    text = headers.get("Content-Length") or ""
    return int(text) if text.isascii() and text.isdecimal() else None


class CutOffError(OSError):
    """Fewer bytes came than were announced."""


class Attempts:
    """Counts what went wrong and decides between waiting and giving up.

    Args:
        url: what is asked for.
        hint: what the user can do without it.
        sleep: what waits between tries.
    """

    def __init__(self, url: str, hint: str, sleep: Callable[[float], None]) -> None:
        self.url = url
        self.hint = hint
        self.sleep = sleep
        self.failures = 0

    def failed(self, error: OSError | http.client.HTTPException, *, progress: bool = False) -> None:
        """Wait before the next try, or give up.

        Args:
            error: what went wrong.
            progress: whether this try brought something that the ones before did not; they
                are then forgotten.

        Raises:
            FetchError: another try would not help, or was the last one.
            OSError: it cannot be stored.
        """
        cause = _cause(error)
        if isinstance(cause, OSError) and not isinstance(cause, urllib.error.HTTPError):
            refuse_disk_trouble(cause, f"fetching {self.url}")
        with (
            contextlib.closing(error)
            if isinstance(error, urllib.error.HTTPError)
            else contextlib.nullcontext()
        ):
            reason, wait = _judge(error)
        if wait is None:
            raise FetchError(
                f"{self.url} cannot be fetched", found=reason, hint=self.hint
            ) from error
        self.failures = 1 if progress else self.failures + 1
        if self.failures >= _TRIES:
            raise FetchError(
                f"{self.url} cannot be fetched",
                found=reason,
                done=f"tried {_TRIES} times",
                hint=f"try again later, or {self.hint}",
            ) from error
        pause(self.failures, wait, self.sleep)


def _cause(error: OSError | http.client.HTTPException) -> object:
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _judge(error: OSError | http.client.HTTPException) -> tuple[str, float | None]:
    """The reason in words and the seconds to wait: 0 for the usual, None for giving up."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            return reason, _retry_after(error.headers)
        return reason, None
    cause = _cause(error)
    if isinstance(cause, (ssl.SSLCertVerificationError, ConnectionRefusedError)):
        return f"no network to it: {cause}", None
    if isinstance(cause, TimeoutError):
        return "no answer in time", 0.0
    if isinstance(cause, (ConnectionError, CutOffError, http.client.HTTPException, ssl.SSLError)):
        return f"the connection broke: {cause or type(cause).__name__}", 0.0
    return f"no network: {cause}", None


def _retry_after(headers: Message) -> float:
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return max(moment - time.time(), 0.0)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to where the first request would have been allowed to go."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            check_redirect(req.full_url, newurl)
        except FetchError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def check_redirect(url: str, newurl: str) -> None:
    """Refuse a redirect to an address that is not fetched, or from elsewhere to this machine.

    Raises:
        FetchError: it is one.
    """
    check_address(newurl)
    hosts = (urllib.parse.urlsplit(one).hostname for one in (url, newurl))
    here, there = map(_is_this_machine, hosts)
    if there and not here:
        raise FetchError(f"{url} leads to {newurl}, an address of this machine")


def check_address(url: str) -> None:
    """Refuse what is neither https nor, on this machine itself, http.

    Raises:
        FetchError: it is neither.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_this_machine(parts.hostname):
        return
    raise FetchError(f"{url!r} is not fetched", expected="an https address")


def _is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
