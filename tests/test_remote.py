from __future__ import annotations

import sys
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from wsss_assets.errors import (
    ArchiveError,
    FetchError,
    MissingDependencyError,
    MissingFileError,
)
from wsss_assets.storage.archives import ZipMaps
from wsss_assets.storage.remote import RemoteMaps, open_stored_maps
from wsss_assets.storage.stored_maps import FolderMaps, StoredMaps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer

CONTENT = {"a": b"first", "b_14": b"second"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "maps"
    path.mkdir()
    for stem, data in CONTENT.items():
        (path / f"{stem}.png").write_bytes(data)
    (path / "README.md").write_bytes(b"hello")
    (path / ".hidden.png").write_bytes(b"no")
    (path / "deep").mkdir()
    (path / "deep" / "c.png").write_bytes(b"no")
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "maps.zip"
    with zipfile.ZipFile(path, "w") as target:
        for stem, data in CONTENT.items():
            target.writestr(f"inner/{stem}.png", data)
        target.writestr("other/a.png", CONTENT["a"])
    return path


@pytest.fixture
def memory() -> Iterator[tuple[str, Any]]:
    from fsspec.implementations.memory import MemoryFileSystem

    system = MemoryFileSystem()
    root = f"/{uuid.uuid4().hex}"
    system.mkdir(root)
    yield f"memory:/{root}", system
    system.rm(root, recursive=True)


def content(maps: StoredMaps) -> dict[str, bytes]:
    with maps:
        return {stem: maps.read(stem) for stem in sorted(maps.stems())}


def test_what_a_location_is_is_seen(folder: Path, archive: Path) -> None:
    for location, kind in (
        (folder, FolderMaps),
        (str(folder), FolderMaps),
        (archive, ZipMaps),
        (str(archive), ZipMaps),
        (f"file://{folder}", RemoteMaps),
        (f"file://{archive}", ZipMaps),
        (f"zip://::file://{archive}", ZipMaps),
        (f"zip://inner::{archive}", ZipMaps),
        (f"zip://inner/::file://{archive}", ZipMaps),
    ):
        maps = open_stored_maps(location)
        assert type(maps) is kind
        assert content(maps) == CONTENT, location


def test_an_archive_may_have_any_name(archive: Path) -> None:
    other = archive.with_name("download")
    archive.rename(other)
    assert content(open_stored_maps(other)) == CONTENT


def test_nothing_at_a_location_is_an_error(tmp_path: Path) -> None:
    for location in (
        tmp_path / "none",
        tmp_path,
        f"file://{tmp_path}/none",
        f"file://{tmp_path}/none.zip",
        f"file://{tmp_path}",
        f"zip://::{tmp_path}/none.zip",
    ):
        with pytest.raises(MissingFileError):
            open_stored_maps(location)
    (tmp_path / "text").write_bytes(b"hello")
    with pytest.raises(ArchiveError, match="no zip archive"):
        open_stored_maps(tmp_path / "text")


@pytest.mark.parametrize("remote", [False, True])
def test_a_map_that_is_not_there_is_missing(folder: Path, remote: bool) -> None:
    maps = open_stored_maps(f"file://{folder}" if remote else folder)
    with pytest.raises(MissingFileError, match="no map c"):
        maps.read("c")


def test_a_map_that_vanishes_from_a_folder_is_missing(folder: Path) -> None:
    maps = open_stored_maps(folder)
    (folder / "a.png").unlink()
    with pytest.raises(MissingFileError, match="any more"):
        maps.read("a")


@pytest.mark.parametrize("remote", [False, True])
def test_a_fingerprint_changes_with_the_files(folder: Path, remote: bool) -> None:
    def fingerprint() -> str:
        return open_stored_maps(f"file://{folder}" if remote else folder).fingerprint()

    seen = [fingerprint(), fingerprint()]
    (folder / "a.png").write_bytes(b"another")
    seen.append(fingerprint())
    (folder / "d.png").write_bytes(b"")
    seen.append(fingerprint())
    (folder / "README.md").write_bytes(b"another")
    seen.append(fingerprint())
    assert seen[0] == seen[1]
    assert seen[3] == seen[4]
    assert len(set(seen)) == 3


def test_any_address_of_fsspec_will_do(memory: tuple[str, Any]) -> None:
    url, system = memory
    for stem, data in CONTENT.items():
        system.pipe(f"{url}/{stem}.png", data)
    assert content(open_stored_maps(url)) == CONTENT
    assert str(open_stored_maps(url)) == url


def test_the_preferred_suffix_wins(memory: tuple[str, Any]) -> None:
    url, system = memory
    for suffix in ("jpg", "PNG", "bmp"):
        system.pipe(f"{url}/a.{suffix}", suffix.encode())
    assert content(open_stored_maps(url)) == {"a": b"PNG"}


def test_an_archive_is_read_over_http(archive: Path, files: FileServer) -> None:
    pytest.importorskip("aiohttp")
    url = files.add("maps.zip", archive)
    assert content(open_stored_maps(url)) == CONTENT
    files.add("page.zip", b"<html>Sign in</html>")
    with pytest.raises(ArchiveError, match="web page"):
        open_stored_maps(f"{files.url}/page.zip")
    with pytest.raises(MissingFileError):
        open_stored_maps(f"{files.url}/none.zip")


def test_a_folder_on_the_hub_is_read(hub: FakeHub, folder: Path) -> None:
    from huggingface_hub import HfApi

    (folder / "README.md").unlink()
    api = HfApi()
    api.create_repo("org/maps", repo_type="dataset")
    api.upload_folder(repo_id="org/maps", repo_type="dataset", folder_path=folder)
    assert hub.url
    assert content(open_stored_maps("hf://datasets/org/maps")) == CONTENT


class Unreliable:
    """A file system whose reading goes wrong for a while."""

    def __init__(self, faults: list[Any]) -> None:
        self.faults = faults
        self.reads = 0

    def ls(self, _: str, *, detail: bool) -> list[dict[str, object]]:
        assert detail
        return [{"name": "root/a.png", "type": "file", "size": 5}]

    def cat_file(self, _: str) -> bytes:
        self.reads += 1
        fault = self.faults.pop(0) if self.faults else b"first"
        if isinstance(fault, Exception):
            raise fault
        return bytes(fault)


def unreliable(monkeypatch: pytest.MonkeyPatch, faults: list[Any]) -> Unreliable:
    system = Unreliable(faults)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda _: (system, "root"))
    return system


@pytest.mark.parametrize(
    "fault",
    [
        FileNotFoundError("503"),
        TimeoutError(),
        ConnectionError("reset"),
        ValueError("chunk"),
        RuntimeError("closed"),
        b"firs",
    ],
)
def test_a_passing_fault_is_tried_again(monkeypatch: pytest.MonkeyPatch, fault: object) -> None:
    system = unreliable(monkeypatch, [fault, fault])
    waits: list[float] = []
    assert RemoteMaps("x://root", sleep=waits.append).read("a") == b"first"
    assert system.reads == 3
    first, second = waits
    assert 0.5 <= first <= 1 <= second <= 2


@pytest.mark.parametrize(
    "fault",
    [FileNotFoundError("503"), b"firs", PermissionError("expired"), ValueError("x"), EOFError()],
)
def test_a_lasting_fault_is_no_missing_map(monkeypatch: pytest.MonkeyPatch, fault: object) -> None:
    system = unreliable(monkeypatch, [fault] * 3)
    waits: list[float] = []
    with pytest.raises(FetchError, match=r"a\.png, which is listed in x://root, cannot be read"):
        RemoteMaps("x://root", sleep=waits.append).read("a")
    assert (system.reads, len(waits)) == (3, 2)


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (ImportError("Install s3fs to access S3"), FetchError, "Install s3fs"),
        (ValueError("Protocol not known: x"), FetchError, "Protocol not known"),
        (PermissionError("Forbidden"), FetchError, "credentials"),
        (FileNotFoundError("x"), MissingFileError, "nothing is at"),
        (OSError("no route to host"), FetchError, "no route"),
    ],
)
def test_what_fsspec_raises_becomes_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, error: type[Exception], text: str
) -> None:
    def refuse(_: str) -> None:
        raise fault

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    for url in ("x://bucket/maps", "x://bucket/maps.zip"):
        with pytest.raises(error, match=text):
            open_stored_maps(url)


def test_a_protocol_that_nobody_knows_is_named() -> None:
    with pytest.raises(FetchError, match="gopher"):
        open_stored_maps("gopher://host/maps")


def test_without_fsspec_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    for url in ("memory://maps", "memory://maps.zip"):
        with pytest.raises(MissingDependencyError, match=r"wsss-assets\[hub\]"):
            open_stored_maps(url)
