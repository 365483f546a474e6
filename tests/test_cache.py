from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.map_set_files import (
    CAM,
    LABELS,
    REPO,
    VST,
    Told,
    activation_maps,
    commit_staged,
    go_offline,
    pinned_records,
    saliency_maps,
    stage,
    stored_maps,
    tree,
    waiting_is_quick,
    write_maps,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.map_sets.cache import (
    list_garbage,
    remove_held,
    remove_leftover,
    size_of,
)
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.store import list_held, sets_folder
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.files import replaced
from wsss_assets.storage.hub import hub_repository_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from wsss_assets.map_sets.store import HeldSet

SALIENCY, ACTIVATION = saliency_maps(), activation_maps()


class Versions:
    """Two versions of a repository: the saliency maps change, the rest stays."""

    def __init__(self, hub: FakeHub, folder: Path) -> None:
        self.hub = hub
        staging = stage(folder / "staging", {VST: SALIENCY, CAM: ACTIVATION})
        self.first = pinned_records(hub, commit_staged(hub, staging))
        stage(staging, {VST: saliency_maps(salt="v2")})
        self.second = pinned_records(hub, commit_staged(hub, staging))


@pytest.fixture(autouse=True)
def versions(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    waiting_is_quick(monkeypatch)
    return Versions(hub, tmp_path)


def imported(folder: Path) -> HeldSet:
    """A set from loose maps."""
    place = str(write_maps(folder / "loose", SALIENCY))
    labels = ImageLabels(LABELS, "a test")
    return obtain(get_map_set(VST), source=place, labels=labels, feedback=Told())


# Sets.


def test_the_size_of_a_set_is_that_of_its_files(versions: Versions, tmp_path: Path) -> None:
    for held in (obtain(versions.first[VST]), imported(tmp_path)):
        assert size_of(held) == sum(len(path.read_bytes()) for path in held.files()) > 0
        held.paths[0].resolve().unlink()
        assert size_of(held) == sum(len(path.read_bytes()) for path in held.files()[1:])


def test_a_removed_import_is_gone(tmp_path: Path) -> None:
    held = imported(tmp_path)
    remove_held([held])
    assert list_held() == ()
    assert not sets_folder().exists() or tree(sets_folder()) == {}
    assert list_garbage() == []
    assert stored_maps(imported(tmp_path).paths) == SALIENCY


def test_a_removed_set_of_the_hub_is_gone_from_its_cache(versions: Versions) -> None:
    held = obtain(versions.first[VST])
    (blob,) = {path.resolve() for path in held.paths}
    remove_held([held])
    assert list_held() == ()
    assert not blob.exists()
    assert held.damaged()
    versions.hub.clear_log()
    assert stored_maps(obtain(versions.first[VST]).paths) == SALIENCY
    assert versions.hub.gets(r"\.parquet$")


def test_a_set_beside_it_stays_whole(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = obtain(versions.first[VST]), obtain(versions.first[CAM])
    remove_held([gone])
    assert list_held() == (kept,)
    assert kept.damaged(again=True) == (), "they share the label list"
    go_offline(monkeypatch)
    versions.hub.clear_log()
    assert stored_maps(obtain(versions.first[CAM]).paths) == ACTIVATION
    assert versions.hub.requests == []


def test_another_version_of_it_stays_whole(versions: Versions) -> None:
    gone, kept = obtain(versions.first[CAM]), obtain(versions.second[CAM])
    assert gone.holding.revision != kept.holding.revision
    remove_held([gone])
    assert list_held() == (kept,)
    assert kept.damaged(again=True) == (), "they share all bytes"


def test_all_of_them_may_go_at_once(versions: Versions, tmp_path: Path) -> None:
    for records in (versions.first, versions.second):
        for record in records.values():
            obtain(record)
    imported(tmp_path)
    assert len(list_held()) == 5
    remove_held(list_held())
    assert list_held() == ()
    left = tree(hub_repository_folder(REPO))
    assert not [path for path in left if path.endswith((".parquet", "train_aug.txt"))]
    assert sum(map(len, left.values())) < 10_000


def test_what_is_gone_already_is_no_error(versions: Versions) -> None:
    held = obtain(versions.first[VST])
    for path in held.files():
        path.resolve().unlink()
    remove_held([held])
    assert list_held() == ()


# Leftovers.


def killed_while_writing(path: Path) -> None:
    """Let a process die while it writes a file."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom wsss_assets.storage.files import replaced\n"
        "with replaced(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'x' * 1000)\n    os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)


def test_leftovers_of_killed_processes_are_found_and_removed() -> None:
    killed_while_writing(cache_folder() / "lists" / "list.txt")
    (found,) = list_garbage()
    assert found.size == 1000
    assert found.path.is_relative_to(cache_folder() / "lists")
    assert "killed" in found.what
    remove_leftover(found)
    remove_leftover(found)
    assert list_garbage() == []
    assert not found.path.exists()


def test_what_is_being_written_is_no_leftover() -> None:
    with replaced(cache_folder() / "lists" / "list.txt") as temporary:
        temporary.write_bytes(b"x")
        assert list_garbage() == []


def test_downloads_that_can_go_on_are_found_and_removed() -> None:
    archives = cache_folder() / "archives"
    archives.mkdir(parents=True)
    (archives / "VOC2012_CAM.json").write_text("{}")
    part = archives / "VOC2012_CAM.zip.part"
    part.write_bytes(b"x" * 500)
    (found,) = list_garbage()
    assert (found.path, found.size, found.what) == (part, 500, "a download that can go on")
    remove_leftover(found)
    assert [path.name for path in archives.iterdir()] == ["VOC2012_CAM.json"]


def test_an_archive_that_was_never_imported_is_found() -> None:
    archives = cache_folder() / "archives"
    archives.mkdir(parents=True)
    (archives / "VOC2012_CAM.zip").write_bytes(b"x" * 500)
    assert [(one.path.name, one.size) for one in list_garbage()] == [("VOC2012_CAM.zip", 500)]


@pytest.mark.parametrize("is_held", [True, False])
def test_broken_downloads_in_the_hub_s_cache_are_found(versions: Versions, is_held: bool) -> None:
    if is_held:
        obtain(versions.first[VST])
    blobs = hub_repository_folder(REPO) / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    running, broken = blobs / "a.incomplete", blobs / "b.incomplete"
    for path in (running, broken):
        path.write_bytes(b"x" * 300)
    yesterday = time.time() - 86_400
    os.utime(broken, (yesterday, yesterday))
    assert [(one.path, one.size) for one in list_garbage()] == [(broken, 300)]
    remove_leftover(list_garbage()[0])
    assert running.exists()
    assert list_garbage() == []


def test_an_empty_cache_has_no_leftovers() -> None:
    assert list_garbage() == []
    assert list_held() == ()
    remove_held(())
