"""A large file that comes in parts: over several tries, and over several runs.

What has come lies in `<name>.part`, and beside it, in `<name>.part.json`, what the server said of
the file. The server is asked for the rest on condition that it is still the same file.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
from typing import TYPE_CHECKING, NamedTuple

from wsss_assets.errors import ChecksumError, FetchError
from wsss_assets.storage.files import check_free_space, looks_like_a_page, write_atomically
from wsss_assets.storage.web import CutOffError, announced_length, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from http.client import HTTPResponse
    from pathlib import Path

__all__ = ["ResumedDownload"]

_BLOCK = 1 << 16


class _Version(NamedTuple):
    """What a server says of a file.

    Attributes:
        url: its address.
        etag: strong ETag; empty if there is none.
        last_modified: as the server writes it; empty if it does not.
        total: bytes; None: not said.
    """

    url: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """What `If-Range` can hold the server to; empty: nothing."""
        return self.etag or self.last_modified


class ResumedDownload:
    """A download that goes on where it stopped, if the server lets it.

    Args:
        url: an address that was checked.
        path: where the file belongs once it is whole.
        size: bytes it must have; None: not known.
        advance: told of bytes as they come; of those of earlier runs too, and of fewer than
            none when the server begins anew.
        timeout: seconds without an answer after which a try is given up.

    Attributes:
        received: bytes of the file that are here.
        from_before: whether some of them came in an earlier run.
    """

    def __init__(
        self,
        url: str,
        path: Path,
        *,
        size: int | None,
        advance: Callable[[int], object],
        timeout: float,
    ) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._size = size
        self._advance = advance
        self._timeout = timeout
        self._digest = hashlib.sha256()
        self._version = _Version(url)
        self.received = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._take_up()
        self.from_before = self.received > 0

    def go_on(self) -> str:
        """Fetch what is missing, in one try, and return the hex sha256 of the whole.

        Raises:
            FetchError: what comes is a web page; `ChecksumError`: it has another size.
            DataError: the disk is too full.
            OSError: the network failed; what came is kept.
        """
        if not self.received or self.received != self._version.total:
            with self._response() as response:
                self._receive(response)
        if self._size not in {None, self.received}:
            raise self._wrong_size(self.received)
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Give the file its name."""
        self._part.replace(self._path)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget and remove what has come."""
        self._advance(-self.received)
        self.received = 0
        self.from_before = False
        self._digest = hashlib.sha256()
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Believe the part of an earlier run, if its note is of this address."""
        try:
            version = _Version(**json.loads(self._note.read_text("utf-8")))
            with self._part.open("rb") as file:
                while block := file.read(1 << 20):
                    self._count(block)
        except (OSError, ValueError, TypeError):
            version = _Version("")
        if version.url != self._version.url or not version.validator:
            self.discard()
        else:
            self._version = version

    def _response(self) -> HTTPResponse:
        if not (self.received and self._version.validator):
            return opened(self._version.url, self._timeout)
        headers = {"Range": f"bytes={self.received}-", "If-Range": self._version.validator}
        try:
            return opened(self._version.url, self._timeout, headers)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise
            error.close()
            self.discard()
            raise CutOffError("the file on the server has become shorter") from error

    def _receive(self, response: HTTPResponse) -> None:
        block = response.read1(_BLOCK)  # whatever is there: it may be all that comes
        if not self._continues(response):
            self._begin(response, block)
        with self._part.open("ab") as file:
            while block:
                file.write(block)
                self._count(block)
                block = response.read1(_BLOCK)
        total = self._version.total
        if total is not None and self.received < total:
            raise CutOffError(f"{self.received} of {total} bytes came")

    def _continues(self, response: HTTPResponse) -> bool:
        """Whether the server sends the rest, and not the whole again."""
        if response.status != 206:
            return False
        text = response.headers.get("Content-Range") or ""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text)
        total = self._version.total
        if found and int(found[1]) == self.received and found[2] in {"*", str(total)}:
            return True
        self.discard()
        raise CutOffError(f"another part of the file came than was asked for: {text}")

    def _begin(self, response: HTTPResponse, block: bytes) -> None:
        """Begin with the first byte; refuse at once what cannot be the file."""
        self.discard()
        total = announced_length(response.headers)
        if looks_like_a_page(block):
            raise FetchError(
                f"{self._version.url} gives no file",
                found="a web page",
                done="nothing was kept",
                hint="open the address in a browser: it may want a login, or have moved",
            )
        if total is not None and self._size not in {None, total}:
            raise self._wrong_size(total)
        check_free_space(self._path.parent, total or self._size or 0)
        self._version = _version(self._version.url, response.headers, total)
        write_atomically(self._note, json.dumps(self._version._asdict(), indent=2) + "\n")

    def _count(self, block: bytes) -> None:
        self._digest.update(block)
        self.received += len(block)
        self._advance(len(block))

    def _wrong_size(self, found: int) -> ChecksumError:
        self.discard()
        return ChecksumError(
            f"{self._version.url} is not the file it should be",
            expected=f"{self._size:,} bytes",
            found=f"{found:,}",
            done="nothing was kept",
        )


def _version(url: str, headers: Message, total: int | None) -> _Version:
    etag = headers.get("ETag") or ""
    return _Version(
        url,
        "" if etag.startswith("W/") else etag,
        headers.get("Last-Modified") or "",
        total,
    )
