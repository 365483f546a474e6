"""Who asks the Hub for files, and what happened meanwhile."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from huggingface_hub import constants

from tests.map_set_files import waiting_is_quick
from wsss_assets.storage.hub import fetch_hub_file, hub_repository_folder, resolve_commit

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fakehub import FakeHub

REPO = "org/maps"
LARGE = "voc2012/saliency/train.parquet"
SMALL = "manifest.json"
CONTENT = {LARGE: bytes(range(256)) * 400, SMALL: b'{"format": 1}\n' * 90}
SHA256 = {path: hashlib.sha256(data).hexdigest() for path, data in CONTENT.items()}


class Client:
    """What tests ask for, and what happened meanwhile."""

    def __init__(self, hub: FakeHub, commit: str) -> None:
        self.hub = hub
        self.commit = commit
        self.waits: list[float] = []
        self.told: list[int] = []

    def fetch(self, path: str = LARGE, **options: Any) -> Path:  # noqa: ANN401 (those of fetch_hub_file)
        options = {"size": len(CONTENT[path]), "sha256": SHA256[path], **options}
        return fetch_hub_file(
            REPO, self.commit, path, sleep=self.waits.append, advance=self.told.append, **options
        )

    def resolve(self, revision: str | None, repo_id: str = REPO) -> str:
        return resolve_commit(repo_id, revision, sleep=self.waits.append)


def client_of(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a Hub with two files at one commit."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    waiting_is_quick(monkeypatch)
    return Client(hub, hub.commit(REPO, dict(CONTENT)))


def blobs() -> list[Path]:
    """What the Hub's cache holds."""
    folder = hub_repository_folder(REPO) / "blobs"
    return sorted(folder.iterdir()) if folder.exists() else []
