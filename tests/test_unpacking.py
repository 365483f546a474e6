from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.weights_files import BODY, DIGEST, OTHER, Drive, use_cache
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.errors import ChecksumError, WsssAssetsError
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.weights_cache import WeightsFile, first_seen, kept_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:  # noqa: ARG001
    return use_cache(tmp_path / "cache", monkeypatch)


CAM = get_weights("cam_wsss_bed")


def zipped(**contents: bytes) -> bytes:
    """A zip archive of files of CAM's name, by their folders, and of another."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("readme.txt", "hello")
            for folder, content in contents.items():
                archive.writestr(f"{folder}/{CAM.file_name}", content)
        return file.getvalue()


def test_a_file_in_an_archive_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive(zipped(ckpt=BODY)).use(monkeypatch)
    (found,) = resolve("cam", classes=20)
    assert found == WeightsFile(kept_at(CAM), DIGEST, "cam_wsss_bed")
    assert found.path.read_bytes() == BODY
    assert resolve("cam", classes=20) == [found]
    assert drive.asked == [CAM.sources[0].drive]
    assert sorted(path.name for path in found.path.parent.iterdir()) == [
        "checkpoint_cam.pth",
        "checkpoint_cam.pth.json",
    ]


def test_an_archive_that_a_person_got_is_used() -> None:
    path = kept_at(CAM)
    path.parent.mkdir(parents=True)
    path.with_name("checkpoint_cam.pth.zip").write_bytes(zipped(ckpt=BODY))
    assert resolve("cam", ["cam_wsss_bed"], classes=20) == [
        WeightsFile(path, DIGEST, "cam_wsss_bed")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(), "expected one checkpoint_cam.pth in it; found 0 among 1 entries"),
        (zipped(a=BODY, b=BODY), "found 2 among 3 entries"),
        (zipped(ckpt=BODY)[:-30], "cannot be read as a zip archive"),
        (zipped(ckpt=BODY).replace(BODY[:7], b"WEIGHTS", 1), "Bad CRC-32"),
        (BODY, "cannot be read as a zip archive"),
        (b"<html>Sign in", "a web page"),
    ],
)
def test_archives_without_the_file_are_refused(
    content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Drive(content).use(monkeypatch)
    with pytest.raises(WsssAssetsError, match=said) as caught:
        resolve("cam", classes=20)
    assert f"{kept_at(CAM)}.zip" in str(caught.value)
    assert str(CAM.sources[0].drive) in str(caught.value)
    assert not kept_at(CAM).exists()
    assert not first_seen(CAM).note.exists()


def test_another_file_in_the_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Drive(zipped(ckpt=BODY)).use(monkeypatch)
    resolve("cam", classes=20)[0].path.unlink()
    Drive(zipped(ckpt=OTHER)).use(monkeypatch)
    with pytest.raises(ChecksumError, match="if its authors have replaced it"):
        resolve("cam", classes=20)
    assert not kept_at(CAM).exists()
