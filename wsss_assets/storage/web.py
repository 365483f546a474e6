"""What every fetch over HTTP has in common: which addresses are asked, and when again."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from wsss_assets import __version__
from wsss_assets.errors import FetchError
from wsss_assets.storage.attempts import Attempts, Verdict, seconds_asked
from wsss_assets.storage.files import refuse_disk_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from typing import IO

__all__ = [
    "NETWORK_FAULTS",
    "CutOffError",
    "WebAttempts",
    "announced_length",
    "check_address",
    "check_redirect",
    "is_offline",
    "opened",
]

NETWORK_FAULTS = (OSError, http.client.HTTPException)
"""What goes wrong on the way, for `WebAttempts` to judge."""

_TRIES = 3


def is_offline() -> bool:
    """Whether the user has forbidden requests, with `HF_HUB_OFFLINE`.

    As the Hub's library, which reads it once, understands it.
    """
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        return bool(constants.HF_HUB_OFFLINE)
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


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


class WebAttempts(Attempts):
    """Decides between asking an address again and giving up.

    Args:
        url: what is asked for.
        hint: what the user can do without it.
        sleep: what waits between tries.
    """

    def __init__(self, url: str, hint: str, sleep: Callable[[float], None]) -> None:
        super().__init__(url, sleep, most=_TRIES, instead=hint)
        self._hint = hint

    def judge(self, error: BaseException) -> Verdict:
        """What a failure means.

        Raises:
            OSError: it cannot be stored.
        """
        cause = _cause(error)
        if isinstance(cause, OSError) and not isinstance(cause, urllib.error.HTTPError):
            refuse_disk_trouble(cause, f"fetching {self.what}")
        with (
            contextlib.closing(error)
            if isinstance(error, urllib.error.HTTPError)
            else contextlib.nullcontext()
        ):
            return Verdict(*_judge(error), advice=self._hint)


def _cause(error: BaseException) -> object:
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _judge(error: BaseException) -> tuple[str, float | None]:
    """The reason in words and the seconds to wait: 0 for the usual, None for giving up."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            return reason, seconds_asked(error.headers.get("Retry-After"))
        return reason, None
    cause = _cause(error)
    if isinstance(cause, (ssl.SSLCertVerificationError, ConnectionRefusedError)):
        return f"no network to it: {cause}", None
    if isinstance(cause, TimeoutError):
        return "no answer in time", 0.0
    if isinstance(cause, (ConnectionError, CutOffError, http.client.HTTPException, ssl.SSLError)):
        return f"the connection broke: {cause or type(cause).__name__}", 0.0
    return f"no network: {cause}", None


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
