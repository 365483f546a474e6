"""A plain HTTP server of files, like the ones that authors put their archives on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tests.serving import Answer, FaultyServer, Request, quoted_sha256, serve_bytes

if TYPE_CHECKING:
    from pathlib import Path


class FileServer(FaultyServer):
    """Serves files by name, with ranges and ETags.

    Attributes:
        url: the server; a file is at `{url}/{name}`.
        files: what is served, bytes or a file on disk, by name.
        redirects: answer with a redirect to a second origin, as GitHub releases do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes | Path] = {}
        self.redirects = False
        self.url = self.listen(self._route, "files")
        self.storage_url = self.listen(self._serve, "storage")

    def add(self, name: str, content: bytes | Path) -> str:
        """Serve a file; returns its URL."""
        self.files[name] = content
        return f"{self.url}/{quote(name)}"

    def _route(self, request: Request) -> Answer:
        if self.redirects and request.path.removeprefix("/"):
            return Answer(302, {"Location": f"{self.storage_url}{request.path}?signature=0"})
        return self._serve(request)

    def _serve(self, request: Request) -> Answer:
        content = self.files.get(unquote(request.path).removeprefix("/"))
        if content is None:
            return Answer(404, {"Content-Type": "text/plain"}, b"Not Found")
        body = content if isinstance(content, bytes) else content.read_bytes()
        return serve_bytes(request, body, {"ETag": quoted_sha256(body)})
