"""Through olah, a mirror of the Hub that others wrote: `pip install olah` to run these tests."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.map_set_files import (
    CAM,
    LABELS,
    VST,
    activation_maps,
    commit_staged,
    pixels_of,
    saliency_maps,
    stage,
    stored_maps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakehub import FakeHub

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("olah") is None,
    reason="olah is not installed: pip install olah",
)

REPO = "org/maps"
MAPS = {VST: saliency_maps(), CAM: activation_maps()}
PATIENCE = 60

LOADS = """
import hashlib, json, sys
import numpy as np
import wsss_assets

data = wsss_assets.load_dataset(
    saliency="vst_duts", activation="cam", repo_id="org/maps", revision="v1.0.0"
)
found = {}
for row in data:
    found[row["image_id"]] = np.asarray(row["saliency"])
    for one in row["activation"]:
        found[f"{row['image_id']}_{one['class_id']}"] = np.asarray(one["map"])
print(json.dumps({
    "order": data["image_id"][:],
    "maps": {stem: hashlib.sha256(one.tobytes()).hexdigest() for stem, one in found.items()},
}))
"""


class Mirror:
    """A running olah in front of the Hub, and clients that know nothing but it."""

    def __init__(self, hub: FakeHub, home: Path) -> None:
        home.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.hub, self.home = hub, home
        self.url = f"http://127.0.0.1:{self.port}"
        (home / "olah.toml").write_text(self._settings(), "utf-8")

    def _settings(self) -> str:
        settings = {
            "host": "127.0.0.1",
            "port": self.port,
            "repos-path": str(self.home / "repos"),
            "hf-scheme": "http",
            "hf-netloc": urlsplit(self.hub.url).netloc,
            "hf-lfs-netloc": urlsplit(self.hub.cdn_url).netloc,
            "mirror-scheme": "http",
            "mirror-netloc": f"127.0.0.1:{self.port}",
            "mirror-lfs-netloc": f"127.0.0.1:{self.port}",
        }
        return "[basic]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        program = "from olah.server import cli; cli()"
        command = [sys.executable, "-c", program, "-c", str(self.home / "olah.toml")]
        command += ["--log-path", str(self.home / "logs")]
        environment = self.hub.client_environment(self.home / "hf")
        with (
            (self.home / "output").open("wb") as output,
            subprocess.Popen(
                command, env=environment, cwd=self.home, stdout=output, stderr=output
            ) as process,
        ):
            try:
                self._wait(process)
                yield
            finally:
                process.kill()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/api/whoami-v2", timeout=5):  # noqa: S310
                    return
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail((self.home / "output").read_text("utf-8", "replace"))

    def ask(self, home: Path, *arguments: str) -> str:
        """What a client with caches of its own prints."""
        environment = self.hub.client_environment(home / "hf")
        environment |= {"HF_ENDPOINT": self.url, "WSSS_ASSETS_CACHE": str(home / "cache")}
        result = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def mirror(hub: FakeHub, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror of a Hub where two sets are published."""
    commit_staged(hub, stage(tmp_path / "staging", MAPS), "v1.0.0", REPO)
    mirror = Mirror(hub, tmp_path / "olah")
    with mirror.running():
        hub.clear_log()
        yield mirror


def test_sets_come_through_a_mirror_and_are_kept_there(
    hub: FakeHub, mirror: Mirror, tmp_path: Path
) -> None:
    download = ["-m", "wsss_assets", "download", VST, CAM, f"--repo-id={REPO}"]
    download += ["--revision=v1.0.0", "--json=-"]
    told: list[dict[str, Any]] = json.loads(mirror.ask(tmp_path / "first", *download))
    assert [one["id"] for one in told] == [VST, CAM]
    for one in told:
        assert one["revision"] == hub.repo(REPO).head
        assert stored_maps([Path(file["path"]) for file in one["files"]]) == MAPS[one["id"]]
    assert len(hub.gets(r"\.parquet", origin="cdn")) == 2
    before = {file["sha256"] for one in told for file in one["files"]}

    hub.clear_log()
    again = json.loads(mirror.ask(tmp_path / "second", *download))
    assert {file["sha256"] for one in again for file in one["files"]} == before
    assert {visit.method for visit in hub.requests} == {"HEAD"}, "no file is fetched again"

    loaded = json.loads(mirror.ask(tmp_path / "third", "-c", LOADS))
    assert loaded["order"] == list(LABELS)
    pixels = {stem: pixels_of(data) for maps in MAPS.values() for stem, data in maps.items()}
    assert loaded["maps"] == {
        stem: hashlib.sha256(one.tobytes()).hexdigest() for stem, one in pixels.items()
    }
    assert not hub.gets(r"\.parquet")
