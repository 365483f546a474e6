"""One Hub for all tests.

`huggingface_hub` and `datasets` read their settings when they are imported, so the Hub is up and
the settings are made before any test module is. Nothing here may import either of them, for some
tests look at what our own modules import.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakehub import FakeHub
from tests.fileserver import FileServer

if "PYTEST_XDIST_WORKER" in os.environ:  # a thread for each worker, or they wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB = FakeHub()
HOME = Path(tempfile.mkdtemp(prefix="wsss-assets-hub-"))


def _use_environment(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


_use_environment(HUB.client_environment(HOME))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cuda: needs an NVIDIA GPU; left out where there is none")
    # huggingface_hub uploads large files in a way that its HTTP client calls outdated.
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning:httpx")


def pytest_unconfigure() -> None:
    HUB.close()
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The Hub, empty, and its clients with empty caches in the test's own folder."""
    HUB.reset()
    home = tmp_path / "hf_home"
    _use_clients_home(home, monkeypatch)
    _forget_listings()
    yield HUB
    _forget_listings()
    errors = "\n".join(HUB.errors)
    HUB.reset()
    assert not errors, errors


@pytest.fixture
def files() -> Iterator[FileServer]:
    """A plain file server."""
    server = FileServer()
    yield server
    server.close()
    assert not server.errors, "\n".join(server.errors)


def _use_clients_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _cache_manager

    assert HUB.url == constants.ENDPOINT, "huggingface_hub was imported before the Hub was up"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(home / "assets"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HUGGINGFACE_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(_cache_manager, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    if (config := sys.modules.get("datasets.config")) is not None:
        monkeypatch.setattr(config, "HF_CACHE_HOME", str(home))
        monkeypatch.setattr(config, "HF_DATASETS_CACHE", home / "datasets")
        monkeypatch.setattr(config, "DOWNLOADED_DATASETS_PATH", home / "datasets" / "downloads")


def _forget_listings() -> None:
    """File systems are kept by their arguments, each with the folders it has seen."""
    if "huggingface_hub.hf_file_system" in sys.modules:
        from huggingface_hub import HfFileSystem

        HfFileSystem.clear_instance_cache()
