from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands import call, done, refused
from tests.map_set_files import CAM, REPO, SPLIT, VST, flip, saliency_maps, stage, zip_of
from tests.map_set_world import MAPS, World, maps_in, published_too, world_of_authors
from wsss_assets.catalog.catalog import get_map_set

if TYPE_CHECKING:
    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer


@pytest.fixture
def world(
    hub: FakeHub, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    """Two sets as archives of their authors, nothing on the Hub."""
    return world_of_authors(hub, files, tmp_path / "cache", monkeypatch)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return stage(tmp_path / "staging", MAPS)


@pytest.fixture
def published(world: World, staging: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same sets on the Hub as well, and the catalogue knows."""
    return published_too(world, staging, monkeypatch)


# verify


def test_without_sets_there_is_nothing_to_verify(world: World) -> None:
    assert len(done("verify").stdout.splitlines()) == 1
    assert json.loads(done("verify", "--json", "-").stdout) == []
    assert world.requests == []


@pytest.mark.parametrize("where", ["world", "published"])
@pytest.mark.parametrize("damage", ["flipped", "flipped secretly", "cut", "gone"])
def test_damage_is_found_and_healed(
    request: pytest.FixtureRequest, where: str, damage: str
) -> None:
    world: World = request.getfixturevalue(where)
    done("download", VST, CAM)
    whole = done("verify")
    assert [line.split()[0] for line in whole.stdout.splitlines()[1:]] == [CAM, VST]
    assert all(line.endswith("whole") for line in whole.stdout.splitlines()[1:])
    assert whole.stderr == ""

    (told,) = json.loads(done("verify", VST, "--json", "-").stdout)
    assert told["damaged"] == []
    path = Path(told["files"][0]["path"])
    if damage.startswith("flipped"):
        flip(path, 300, secretly=damage == "flipped secretly")
    elif damage == "cut":
        path.resolve().write_bytes(path.read_bytes()[:-1])
    else:
        path.resolve().unlink()

    result = call("verify")
    assert result.exit_code == 1
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["whole", "damaged"]
    assert "missing or damaged: " in result.stderr
    if damage != "gone":
        assert str(path) in result.stderr
    assert "wsss-assets download" in result.stderr
    told_again = call("verify", "--json", "-")
    assert told_again.exit_code == 1
    by_id = {one["id"]: one["damaged"] for one in json.loads(told_again.stdout)}
    assert by_id == {CAM: [], VST: [f"{VST}/{SPLIT}-00000-of-00001.parquet"]}
    assert done("verify", CAM).stderr == ""
    assert call("verify", VST).exit_code == 1

    world.clear_log()
    assert maps_in(Path(done("download", VST).stdout.strip())) == MAPS[VST]
    assert world.requests
    done("verify")


@pytest.mark.usefixtures("world")
def test_only_sets_that_are_here_are_verified() -> None:
    assert "none" in refused(2, "verify", VST)
    done("download", VST)
    assert "did you mean" in refused(2, "verify", "voc2012/saliency/vst_dut")
    assert VST in refused(2, "verify", CAM)
    for name in ("VOC2012_VST_DUTS", "voc2012_vst_duts", VST.upper(), "vst_duts", " VST_DUTS"):
        assert VST in done("verify", name).stdout
    assert "no map set held here" in refused(2, "verify", "cam")


# cache


def incomplete(world: World, hours: float) -> Path:
    """What a download that was killed leaves in the Hub's cache."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"datasets--{REPO.replace('/', '--')}" / "blobs"
    path = home / f"{'0' * 64}.{world.cache.name}.incomplete"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    changed = time.time() - hours * 3600
    os.utime(path, (changed, changed))
    return path


def leftovers(world: World) -> list[Path]:
    """What killed processes leave: a folder and a file of nobody, half an archive."""
    import socket

    host = "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())
    folder = world.cache / "sets" / VST / SPLIT / f".0123.{host}.99999999.tmp"
    note = world.cache / "archives" / f".VOC2012_CAM.json.{host}.99999999.tmp"
    part = world.cache / "archives" / "VOC2012_CAM.zip.part"
    for path in (folder / "shard", note, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"some bytes")
    return [folder, note, part]


@pytest.mark.parametrize("where", ["world", "published"])
def test_the_cache_is_listed(request: pytest.FixtureRequest, where: str) -> None:
    world: World = request.getfixturevalue(where)
    assert len(done("cache", "ls").stdout.splitlines()) == 1
    done("download", VST, CAM)
    listed = done("cache", "ls")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == [CAM, VST]
    assert listed.stderr == ""
    told = json.loads(done("cache", "ls", "--json", "-").stdout)
    assert told["leftovers"] == []
    for one in told["sets"]:
        files = [Path(file["path"]) for file in one["files"]]
        assert one["bytes"] >= sum(path.stat().st_size for path in files)

    left = [*leftovers(world), incomplete(world, 2)]
    result = done("cache", "ls")
    for path in left if where == "published" else left[:3]:
        assert str(path) in result.stdout
    assert "cache prune" in result.stderr
    told = json.loads(done("cache", "ls", "--json", "-").stdout)
    assert {one["bytes"] for one in told["leftovers"]} <= {10, 4}


def test_leftovers_go_and_sets_stay(published: World) -> None:
    done("download", VST, CAM)
    left = [*leftovers(published), incomplete(published, 2)]
    dry = done("cache", "prune", "--dry-run")
    assert "would remove 34 bytes" in dry.stdout
    assert all(path.exists() for path in left)
    result = done("cache", "prune")
    assert result.stdout == dry.stdout.replace("would remove", "removed")
    assert not any(path.exists() for path in left)
    running = incomplete(published, 0)
    assert done("cache", "prune").stdout == "removed 0 bytes\n"
    assert running.exists(), "it may belong to a download that is running"
    published.clear_log()
    done("verify")
    done("download", VST, CAM)
    assert published.requests == []


def test_what_a_first_download_left_goes_as_well(published: World) -> None:
    left = incomplete(published, 2)
    assert str(left) in done("cache", "ls").stdout
    done("cache", "prune")
    assert not left.exists()


@pytest.mark.parametrize("where", ["world", "published"])
def test_a_set_is_removed_by_name(request: pytest.FixtureRequest, where: str) -> None:
    world: World = request.getfixturevalue(where)
    done("download", VST, CAM)
    (told,) = json.loads(done("verify", VST, "--json", "-").stdout)
    path = Path(told["files"][0]["path"])
    content = path.resolve()
    dry = done("cache", "prune", VST, "--dry-run")
    assert f"would remove {VST} {SPLIT}" in dry.stdout
    assert content.exists()
    assert done("cache", "prune", "vst_duts", "--dry-run").stdout == dry.stdout
    done("cache", "prune", "voc2012_vst_duts")
    assert not path.exists()
    assert not content.exists()
    assert [line.split()[0] for line in done("cache", "ls").stdout.splitlines()[1:]] == [CAM]
    world.clear_log()
    done("verify")
    assert maps_in(Path(done("download", CAM).stdout.strip())) == MAPS[CAM]
    assert world.requests == [], "the other set must stay whole"
    assert maps_in(Path(done("download", VST).stdout.strip())) == MAPS[VST]
    done("verify")


def test_all_sets_are_removed_and_digests_of_archives_stay(world: World) -> None:
    done("download", VST, CAM)
    done("cache", "prune", "--all")
    assert not list(world.cache.rglob("*.parquet"))
    assert {path.name for path in (world.cache / "archives").iterdir()} == {
        "VOC2012_VST_DUTS.json",
        "VOC2012_CAM.json",
    }
    world.authors.publish(get_map_set(VST), zip_of(saliency_maps(salt="new")))
    assert "sha256" in refused(4, "download", VST)
    done("download", CAM)


@pytest.mark.usefixtures("world")
def test_only_sets_that_are_here_are_removed() -> None:
    done("download", VST)
    assert "did you mean" in refused(2, "cache", "prune", "voc2012/saliency/vst_dut")
    assert "prune" in done("cache", "--help").stdout
    assert VST in done("cache", "ls").stdout
