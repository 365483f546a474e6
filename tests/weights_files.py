"""Published weights in a cache of its own, and the places they come from on loopback."""

from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.map_set_files import Told, waiting_is_quick
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.regenerate import weights_fetching
from wsss_assets.regenerate.weights import resolve
from wsss_assets.storage.fetch import fetch_archive

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.fileserver import FileServer
    from wsss_assets.regenerate.weights_cache import WeightsFile

BODY = b"PK\x03\x04" + b"weights" * 50_000
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER = b"PK\x03\x04" + b"others!" * 50_000
DINO = get_weights("dino_vits8")
VST = get_weights("vst")


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let weights be kept in this folder."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(folder))
    return folder


def serve_weights(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """What the records' addresses give, by file name, on loopback; there is DINO's file."""

    def fetch_here(url: str, path: Path, **options: Any) -> str:  # noqa: ANN401 (its own)
        return fetch_archive(f"{files.url}/{url.rpartition('/')[2]}", path, **options)

    monkeypatch.setattr(weights_fetching, "fetch_archive", fetch_here)
    waiting_is_quick(monkeypatch)
    files.add(DINO.file_name, BODY)
    return files


def resolve_dino(told: Told | None = None) -> WeightsFile:
    """DINO's weights, fetched if need be."""
    (found,) = resolve("move", ["dino_vits8"], told or Told())
    return found


class Drive:
    """gdown as the package calls it."""

    class exceptions:  # noqa: N801 (a module's name)
        class DownloadError(Exception):
            pass

    def __init__(self, content: bytes | Exception, folder: list[str] | None = None) -> None:
        self.content = content
        self.folder = folder
        self.asked: list[str] = []

    def download(
        self,
        *,
        id: str,  # noqa: A002 (as gdown calls it)
        output: str,
        progress: Callable[[int, int | None], None],
        **_: object,
    ) -> str:
        self.asked.append(id)
        if isinstance(self.content, Exception) and not id.startswith("inside"):
            raise self.content
        content = BODY if isinstance(self.content, Exception) else self.content
        Path(output).write_bytes(content)
        progress(len(content) // 2, len(content))
        progress(len(content), len(content))
        return output

    def download_folder(self, *, skip_download: bool, **_: object) -> list[Any]:
        assert skip_download
        if self.folder is None:
            raise self.exceptions.DownloadError("no folder")
        return [
            types.SimpleNamespace(id=f"inside{number}", path=path)
            for number, path in enumerate(self.folder)
        ]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Drive:
        monkeypatch.setitem(sys.modules, "gdown", self)
        return self


def refusal(text: str) -> Exception:
    return Drive.exceptions.DownloadError(text)
