"""Files by their address, checked against a digest wherever one is known."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.errors import ChecksumError, FetchError, UsageError
from wsss_assets.storage.files import replaced, sha256_file
from wsss_assets.storage.resumed import ResumedDownload
from wsss_assets.storage.web import (
    NETWORK_FAULTS,
    CutOffError,
    WebAttempts,
    announced_length,
    check_address,
    is_offline,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cache_folder", "fetch_archive", "fetch_file"]

_LARGEST = 1 << 30
_BLOCK = 1 << 16


def cache_folder() -> Path:
    """Where downloads are kept.

    `$WSSS_ASSETS_CACHE`, else `$XDG_CACHE_HOME/wsss-assets`, else `~/.cache/wsss-assets`.
    """
    if own := os.environ.get("WSSS_ASSETS_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "wsss-assets"
    try:
        return Path.home() / ".cache" / "wsss-assets"
    except RuntimeError:
        raise UsageError(
            "there is no home folder to keep downloads in",
            hint="name a folder with the environment variable WSSS_ASSETS_CACHE",
        ) from None


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
    check_address(url)
    hint = _hint(path, instead)
    _refuse_offline(url, hint)
    attempts = WebAttempts(url, hint, sleep)
    again = True
    while True:
        try:
            _fetch_once(url, sha256, path, timeout)
        except _WrongBytesError as error:
            if not again:
                done = "fetched twice; nothing was kept"
                raise _wrong_file(url, sha256, error.found, done, hint) from None
            again = False
        except NETWORK_FAULTS as error:
            attempts.failed(error)
        else:
            return path


def fetch_archive(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    advance: Callable[[int], object] | None = None,
    instead: str = "",
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Make sure that `path` holds a large file, and return its hex sha256.

    What has come stays beside `path` as `<name>.part` when the network or the process fails, and
    the next try or run asks for the rest. A server that knows no ranges, or has another version
    of the file by now, makes it begin anew. It is tried again as after `fetch_file`'s faults, as
    long as tries bring something, and three times when they do not. The file appears under its
    name only when it is whole; one that is there and of that size and digest costs no request.

    One process at a time may fetch to a path: the caller holds a lock.

    Args:
        url: https address; http only to this machine itself.
        path: where the file belongs.
        sha256: hex digest it must have; None: not known.
        size: bytes it must have; None: not known.
        advance: told how many bytes have come since it was last told; those of an earlier run
            count as well, and a negative number takes back what must come again.
        instead: what the user can do without the file.
        timeout: seconds without an answer after which a try is given up.
        sleep: what waits between tries.

    Raises:
        FetchError: no network, a refusal, a web page in place of the file, or still failing.
        ChecksumError: what the server sends is another file; nothing of it is kept.
        DataError: the disk has no room for it.
    """
    if path.is_file() and size in {None, path.stat().st_size}:
        found = sha256_file(path)
        if sha256 in {None, found}:
            return found
    check_address(url)
    hint = _hint(path, instead)
    _refuse_offline(url, hint)
    attempts = WebAttempts(url, hint, sleep)
    download = ResumedDownload(
        url, path, size=size, advance=advance or (lambda _: None), timeout=timeout
    )
    furthest = download.received
    while True:
        try:
            found = download.go_on()
        except NETWORK_FAULTS as error:
            attempts.failed(error, progress=download.received > furthest)
            furthest = max(furthest, download.received)
            continue
        if sha256 in {None, found}:
            download.finish()
            return found
        if not download.from_before:
            download.discard()
            raise _wrong_file(url, str(sha256), found, "nothing was kept", _hint(path, instead))
        download.discard()


class _WrongBytesError(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def _hint(path: Path, instead: str) -> str:
    other = " (what is there is another file)" if path.is_file() else ""
    return f"put the file at {path}{other}" + (f", or {instead}" if instead else "")


def _wrong_file(url: str, expected: str, found: str, done: str, hint: str) -> ChecksumError:
    return ChecksumError(
        f"{url} is not the file it should be",
        expected=f"sha256 {expected}",
        found=f"sha256 {found}",
        done=done,
        hint=f"if a proxy or login page answers in its place, {hint}",
    )


def _refuse_offline(url: str, hint: str) -> None:
    if is_offline():
        raise FetchError(
            f"{url} is not in the cache",
            found="HF_HUB_OFFLINE is set, so nothing is fetched",
            hint=f"unset it and run the same command once with a network, or {hint}",
        )


def _fetch_once(url: str, sha256: str, path: Path, timeout: float) -> None:
    with replaced(path) as temporary:
        found = _download(url, temporary, timeout)
        if found != sha256:
            raise _WrongBytesError(found)


def _download(url: str, path: Path, timeout: float) -> str:
    """Stream to `path` and return the hex sha256 of what came."""
    digest = hashlib.sha256()
    received = 0
    with opened(url, timeout) as response, path.open("wb") as file:
        announced = announced_length(response.headers)
        while block := response.read(_BLOCK):
            received += len(block)
            if received > _LARGEST:
                raise FetchError(f"{url} does not end", done=f"stopped after {_LARGEST} bytes")
            digest.update(block)
            file.write(block)
    if announced is not None and received < announced:
        raise CutOffError(f"{received} of {announced} bytes came")
    return digest.hexdigest()
