"""One file by its address, checked against a digest that is known beforehand."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import ipaddress
import os
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets import __version__
from wsss_assets.errors import ChecksumError, FetchError
from wsss_assets.storage.files import replaced, sha256_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from typing import IO

__all__ = ["cache_folder", "fetch_file"]

_TRIES = 3
_LONGEST_WAIT = 60.0
_LARGEST = 1 << 30
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def cache_folder() -> Path:
    """Where downloads are kept.

    `$WSSS_ASSETS_CACHE`, else `$XDG_CACHE_HOME/wsss-assets`, else `~/.cache/wsss-assets`.
    """
    if own := os.environ.get("WSSS_ASSETS_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "wsss-assets"


def fetch_file(
    url: str,
    sha256: str,
    path: Path,
    *,
    instead: str = "",
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Make sure that `path` holds the file of that digest, and return `path`.

    A file that is there and right costs no request; one that is there and wrong is replaced.
    Resets, timeouts, cut-off bodies, 429 and 5xx are tried up to three times, with growing
    waits or the server's `Retry-After`; a whole body of the wrong digest is asked for once
    more. The file appears under its name only when it is right.

    Args:
        url: https address; http only to this machine itself.
        sha256: hex digest the file must have.
        path: where the file belongs.
        instead: what the user can do without the file, e.g. `pass --labels FILE`.
        timeout: seconds without an answer after which a try is given up.
        sleep: what waits between tries.

    Raises:
        FetchError: no network, a refusal, or still failing after three tries.
        ChecksumError: what the server sends is another file.
    """
    if path.is_file() and sha256_file(path) == sha256:
        return path
    _check_address(url)
    hint = f"put the file at {path}" + (f", or {instead}" if instead else "")
    attempts = _Attempts(url, hint, sleep)
    while True:
        try:
            _fetch_once(url, sha256, path, timeout)
        except _WrongBytesError as error:
            attempts.wrong_bytes(sha256, error.found)
        except (OSError, http.client.HTTPException) as error:
            attempts.failed(error)
        else:
            return path


class _WrongBytesError(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class _CutOffError(OSError):
    """Fewer bytes came than were announced."""


class _Attempts:
    """Counts what went wrong and decides between waiting and giving up."""

    def __init__(self, url: str, hint: str, sleep: Callable[[float], None]) -> None:
        self.url = url
        self.hint = hint
        self.sleep = sleep
        self.failures = 0
        self.mismatches = 0

    def wrong_bytes(self, expected: str, found: str) -> None:
        self.mismatches += 1
        if self.mismatches > 1:
            raise ChecksumError(
                f"{self.url} is not the file it should be",
                expected=f"sha256 {expected}",
                found=f"sha256 {found}",
                done="fetched twice; nothing was kept",
                hint=f"if a proxy or login page answers in its place, {self.hint}",
            )

    def failed(self, error: OSError | http.client.HTTPException) -> None:
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
        self.failures += 1
        if self.failures >= _TRIES:
            raise FetchError(
                f"{self.url} cannot be fetched",
                found=reason,
                done=f"tried {_TRIES} times",
                hint=f"try again later, or {self.hint}",
            ) from error
        # Jitter keeps many clients that failed together from coming back together.
        self.sleep(wait or 2.0 ** (self.failures - 1) * random.uniform(0.5, 1.0))  # noqa: S311


def _judge(error: OSError | http.client.HTTPException) -> tuple[str, float | None]:
    """The reason in words and the seconds to wait: 0 for the usual, None for giving up."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            return reason, _retry_after(error.headers)
        return reason, None
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, OSError) and (cause.filename or cause.errno in _DISK_TROUBLE):
        return f"it cannot be stored: {cause}", None
    if isinstance(cause, (ssl.SSLCertVerificationError, ConnectionRefusedError)):
        return f"no network to it: {cause}", None
    if isinstance(cause, TimeoutError):
        return "no answer in time", 0.0
    if isinstance(cause, (ConnectionError, _CutOffError, http.client.HTTPException, ssl.SSLError)):
        return f"the connection broke: {cause or type(cause).__name__}", 0.0
    return f"no network: {cause}", None


def _retry_after(headers: Message) -> float:
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return min(max(moment - time.time(), 0.0), _LONGEST_WAIT)


def _fetch_once(url: str, sha256: str, path: Path, timeout: float) -> None:
    with replaced(path) as temporary:
        found = _download(url, temporary, timeout)
        if found != sha256:
            raise _WrongBytesError(found)


def _download(url: str, path: Path, timeout: float) -> str:
    """Stream to `path` and return the hex sha256 of what came."""
    request = urllib.request.Request(  # noqa: S310 (the address has been checked)
        url, headers={"User-Agent": f"wsss-assets/{__version__}"}
    )
    handlers: list[urllib.request.BaseHandler] = [_CheckedRedirects()]
    if _is_this_machine(urllib.parse.urlsplit(url).hostname):
        handlers.append(urllib.request.ProxyHandler({}))
    digest = hashlib.sha256()
    received = 0
    opener = urllib.request.build_opener(*handlers)
    with opener.open(request, timeout=timeout) as response, path.open("wb") as file:
        announced = response.headers.get("Content-Length")
        while block := response.read(1 << 16):
            received += len(block)
            if received > _LARGEST:
                raise FetchError(f"{url} does not end", done=f"stopped after {_LARGEST} bytes")
            digest.update(block)
            file.write(block)
    if announced is not None and announced.isdecimal() and received < int(announced):
        raise _CutOffError(f"{received} of {announced} bytes came")
    return digest.hexdigest()


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
            _check_redirect(req.full_url, newurl)
        except FetchError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _check_redirect(url: str, newurl: str) -> None:
    _check_address(newurl)
    hosts = (urllib.parse.urlsplit(one).hostname for one in (url, newurl))
    here, there = map(_is_this_machine, hosts)
    if there and not here:
        raise FetchError(f"{url} leads to {newurl}, an address of this machine")


def _check_address(url: str) -> None:
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
