from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.faults import Gate, corrupt, pause, rst, status
from tests.map_set_files import (
    CAM,
    LABELS,
    REPO,
    SPLIT,
    VST,
    Told,
    activation_maps,
    commit_staged,
    flip,
    go_offline,
    list_text,
    make_read_only,
    pinned_records,
    saliency_maps,
    stage,
    stored_ids,
    stored_maps,
    tree,
    waiting_is_quick,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.errors import ChecksumError, DataError, FetchError, UsageError
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.published import published_set
from wsss_assets.map_sets.store import list_held
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.hub import hub_cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.map_sets.store import HeldSet

SALIENCY, ACTIVATION = saliency_maps(), activation_maps()
LIST = "voc2012/labels/train_aug.txt"
PARQUET = r"\.parquet$"


class Published:
    """A repository, and what its records pin."""

    def __init__(self, hub: FakeHub, staging: Path) -> None:
        self.hub = hub
        self.staging = staging
        self.commit = ""
        self.records: dict[str, MapSet] = {}

    def publish(self, **sets: dict[str, bytes]) -> str:
        """Another version; returns its commit."""
        named = {"vst": VST, "cam": CAM}
        stage(self.staging, {named[name]: maps for name, maps in sets.items()})
        self.commit = commit_staged(self.hub, self.staging)
        self.records = pinned_records(self.hub, self.commit)
        self.hub.clear_log()
        return self.commit

    def fetch(self, set_id: str = VST, told: Told | None = None) -> HeldSet:
        return obtain(self.records[set_id], source="hub", feedback=told or Told())


@pytest.fixture
def published(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    waiting_is_quick(monkeypatch)
    made = Published(hub, tmp_path / "staging")
    made.publish(vst=SALIENCY, cam=ACTIVATION)
    return made


@pytest.mark.parametrize(("set_id", "maps"), [(VST, SALIENCY), (CAM, ACTIVATION)])
def test_a_set_is_fetched_and_then_costs_no_request(
    published: Published, set_id: str, maps: dict[str, bytes]
) -> None:
    told = Told()
    held = published.fetch(set_id, told)
    assert told.lines == [f"fetching {set_id} {SPLIT} from {REPO}"]
    assert stored_ids(held.paths) == list(LABELS)
    assert stored_maps(held.paths) == maps
    assert held.label_list().read_text() == list_text(LABELS)
    holding = held.holding
    assert (holding.origin, holding.source, holding.revision) == ("hub", REPO, published.commit)
    assert all(path.is_relative_to(hub_cache()) for path in held.files())
    assert list_held() == (held,)
    published.hub.clear_log()
    again = Told()
    assert published.fetch(set_id, again) == held
    assert published.hub.requests == []
    assert again.lines == []


def test_files_are_asked_for_at_a_commit_and_nothing_else_is(published: Published) -> None:
    published.fetch()
    asked = {one.path for one in published.hub.requests if one.origin == "hub"}
    root = f"/datasets/{REPO}/resolve/{published.commit}"
    assert asked == {f"{root}/{VST}/{SPLIT}-00000-of-00001.parquet", f"{root}/{LIST}"}


def test_where_a_set_lies_on_the_hub_is_known_without_asking(published: Published) -> None:
    held = published_set(published.records[VST], SPLIT)
    shard = f"{VST}/{SPLIT}-00000-of-00001.parquet"
    assert held.addresses() == (f"hf://datasets/{REPO}@{published.commit}/{shard}",)
    assert [file.path for file in held.damaged()] == [shard, LIST]
    assert published.hub.requests == []
    assert list_held() == ()


def test_versions_lie_beside_each_other_and_share_what_is_the_same(published: Published) -> None:
    old, old_record = published.fetch(), published.records[VST]
    published.fetch(CAM)
    published.publish(vst=(changed := saliency_maps(salt="v2")))
    new = published.fetch()
    assert stored_maps(new.paths) == changed
    assert stored_maps(old.paths) == SALIENCY
    assert len(published.hub.gets(origin="cdn")) == 1
    published.hub.clear_log()
    assert stored_maps(published.fetch(CAM).paths) == ACTIVATION
    assert published.hub.gets() == [], "the same bytes are not sent again"
    assert stored_maps(obtain(old_record, source="hub").paths) == SALIENCY
    assert len(list_held()) == 4


def test_a_set_that_is_not_published_is_an_error_that_says_what_to_do(
    published: Published,
) -> None:
    with pytest.raises(UsageError, match="not published") as error:
        obtain(get_map_set("voc2012/activation/drs"), source="hub")
    assert "--source upstream" in str(error.value)
    assert published.hub.requests == []


def test_faults_on_the_way_are_survived(published: Published) -> None:
    published.hub.fault("/lfs/", status(503))
    published.hub.fault("/lfs/", rst(300))
    published.hub.fault("/lfs/", corrupt(300))
    assert stored_maps(published.fetch().paths) == SALIENCY


def test_one_flipped_bit_for_ever_is_refused_and_the_set_is_not_held(
    published: Published,
) -> None:
    published.hub.fault("/lfs/", corrupt(300), times=None)
    with pytest.raises(ChecksumError, match="nothing was kept"):
        published.fetch()
    assert list_held() == ()
    assert published_set(published.records[VST], SPLIT).damaged()
    published.hub.clear_faults()
    assert stored_maps(published.fetch().paths) == SALIENCY


@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone", "list"])
def test_a_file_damaged_since_heals_with_one_download(published: Published, damage: str) -> None:
    held = published.fetch()
    content = held.paths[0].resolve()
    if damage == "flipped":
        flip(content, 300)
    elif damage == "truncated":
        os.truncate(content, 1000)
    elif damage == "gone":
        content.unlink()
    else:
        flip(held.label_list(), 3)
    published.hub.clear_log()
    assert len(held.damaged()) == 1
    assert stored_maps(published.fetch().paths) == SALIENCY
    assert held.damaged(again=True) == ()
    heads = [one for one in published.hub.requests if one.method == "HEAD"]
    assert len(published.hub.gets()) == len(heads) == 1


def test_what_verify_finds_a_download_heals(published: Published) -> None:
    held = published.fetch()
    flip(held.paths[0], 300, secretly=True)
    assert held.damaged(again=True)
    assert stored_maps(published.fetch().paths) == SALIENCY
    assert held.damaged(again=True) == ()


def test_a_lost_note_is_written_again(published: Published) -> None:
    held = published.fetch()
    shutil.rmtree(cache_folder())
    assert published.fetch() == held
    assert list_held() == (held,)


def test_a_disk_without_room_is_seen_before_anything_is_fetched(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(cache_folder().parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="too full") as error:
        published.fetch()
    assert "WSSS_ASSETS_CACHE" in str(error.value) or "HF_HOME" in str(error.value)
    assert published.hub.requests == []


def test_without_a_network_what_is_here_is_used(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = published.fetch()
    published.hub.clear_log()
    go_offline(monkeypatch)
    assert published.fetch() == held
    assert held.label_list().read_text() == list_text(LABELS)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        published.fetch(CAM)
    flip(held.paths[0], 300)
    with pytest.raises(ChecksumError, match="damaged"):
        published.fetch()
    assert published.hub.requests == []


def test_caches_that_cannot_be_written_are_read(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = published.fetch()
    published.hub.clear_log()
    with monkeypatch.context() as patches:
        make_read_only(patches, hub_cache(), cache_folder())
        assert published.fetch() == held
        assert stored_maps(held.paths) == SALIENCY
        assert held.damaged(again=True) == ()
        assert held.label_list().read_text() == list_text(LABELS)
    assert published.hub.requests == []


def test_a_cache_for_notes_that_cannot_be_written_does_not_stop_a_download(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_folder().mkdir(exist_ok=True)
    with monkeypatch.context() as patches:
        make_read_only(patches, cache_folder())
        assert stored_maps(published.fetch().paths) == SALIENCY


def test_threads_that_want_the_same_set_fetch_it_once(published: Published) -> None:
    gate = Gate()
    published.hub.fault("/lfs/", pause(100, gate))
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(published.fetch) for _ in range(4)]
        assert gate.reached.wait(60)
        gate.release.set()
        assert len({one.result().paths for one in found}) == 1
    assert len(published.hub.gets(PARQUET)) == 1
    assert len(list_held()) == 1


CHILD = """
import sys
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.repository import open_repository

repo_id, commit, set_id = sys.argv[1:]
records = {one.id: one for one in open_repository(repo_id, commit).records()}
print(*obtain(records[set_id], source="hub").paths)
"""


def test_processes_that_want_the_same_set_fetch_it_once(
    published: Published, tmp_path: Path
) -> None:
    gate = Gate()
    published.hub.fault("/lfs/", pause(100, gate))
    home = tmp_path / "home"
    environment = published.hub.client_environment(home)
    environment["WSSS_ASSETS_CACHE"] = str(home / "cache")
    command = [sys.executable, "-c", CHILD, REPO, published.commit, VST]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert gate.reached.wait(30)
    gate.release.set()
    printed = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(published.hub.gets(PARQUET)) == 1
    (paths,) = printed
    (path,) = paths.split()
    assert stored_maps([home / path]) == SALIENCY
    assert not [name for name in tree(home) if name.endswith((".tmp", ".incomplete"))]
