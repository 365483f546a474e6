from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet
import pytest

from tests.commands import call, done, refused
from tests.faults import corrupt, status
from tests.map_set_files import (
    CAM,
    LABELS,
    REPO,
    SPLIT,
    VST,
    commit_staged,
    draw,
    list_text,
    pixels_of,
    saliency_maps,
    stage,
    tree,
    write_maps,
    zip_of,
)
from tests.map_set_world import MAPS, World, maps_in, published_too, world_of_authors

if TYPE_CHECKING:
    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer

ZIP = {VST: "VOC2012_VST_DUTS.zip", CAM: "VOC2012_CAM.zip"}
IDS = list(LABELS)


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


# download


@pytest.mark.parametrize("where", ["world", "published"])
def test_sets_are_downloaded_and_their_folders_printed(
    request: pytest.FixtureRequest, where: str
) -> None:
    world: World = request.getfixturevalue(where)
    result = done("download", VST, CAM)
    folders = [Path(line) for line in result.stdout.splitlines()]
    assert len(folders) == 2
    assert maps_in(folders[0]) == MAPS[VST]
    assert maps_in(folders[1]) == MAPS[CAM]
    origin = REPO if where == "published" else "github.com"
    assert len(re.findall(re.escape(origin), result.stderr)) >= 2

    world.clear_log()
    again = done("download", VST, CAM)
    assert (again.stdout, again.stderr) == (result.stdout, "")
    assert world.requests == []


@pytest.mark.parametrize("name", ["VOC2012_VST_DUTS", "voc2012_vst_duts", "vst_duts", VST.upper()])
@pytest.mark.usefixtures("world")
def test_a_set_is_downloaded_by_any_of_its_names(name: str) -> None:
    assert maps_in(Path(done("download", name).stdout.strip())) == MAPS[VST]


@pytest.mark.parametrize("where", ["world", "published"])
def test_what_was_downloaded_is_told_as_json(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    request.getfixturevalue(where)
    result = done("download", VST, CAM, "--json", "-")
    told = json.loads(result.stdout)
    assert [one["id"] for one in told] == [VST, CAM]
    for one in told:
        assert (one["split"], one["rows"], one["holes"]) == (SPLIT, 6, 0)
        assert one["maps"] == len(MAPS[one["id"]])
        assert one["origin"] == ("hub" if where == "published" else "archive")
        (file,) = one["files"]
        assert Path(file["path"]).parent == Path(one["folder"])
        assert maps_in(Path(one["folder"])) == MAPS[one["id"]]
        assert Path(file["path"]).stat().st_size == file["size"]
    target = tmp_path / "told.json"
    beside = done("download", VST, CAM, "--json", str(target))
    assert json.loads(target.read_text("utf-8")) == told
    assert beside.stdout.splitlines() == [one["folder"] for one in told]


@pytest.mark.parametrize("where", ["world", "published"])
def test_a_dry_run_fetches_nothing(request: pytest.FixtureRequest, where: str) -> None:
    world: World = request.getfixturevalue(where)
    done("download", VST)
    before = tree(world.cache / "sets")
    world.clear_log()
    result = done("download", VST, CAM, "--dry-run")
    assert world.requests == []
    assert tree(world.cache / "sets") == before
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header[0] == "map"
    assert [row[0] for row in rows] == [VST, CAM]
    assert [row[2] for row in rows] == ["yes", "no"]
    told = json.loads(done("download", VST, CAM, "--dry-run", "--json", "-").stdout)
    assert [one["here"] for one in told] == [True, False]
    for one in told:
        if where == "published":
            assert REPO in one["from"]
            shard = world.hub.repo(REPO).files()[f"{one['id']}/{SPLIT}-00000-of-00001.parquet"]
            assert one["bytes"] == len(shard)
        else:
            assert ZIP[one["id"]] in one["from"]
            assert one["bytes"] is None


def test_a_dry_run_speaks_of_the_source_that_is_asked_for(published: World, staging: Path) -> None:
    for source, expected in {
        "hub": REPO,
        "upstream": ZIP[VST],
        f"{published.files.url}/mirror": published.files.url,
        str(staging): str(staging),
    }.items():
        told = json.loads(
            done("download", VST, "--source", source, "--dry-run", "--json", "-").stdout
        )
        assert expected in told[0]["from"], source


def sources(world: World, staging: Path, home: Path) -> dict[str, str]:
    """Every kind of place that --source may name."""
    copy = home / "copies" / ZIP[VST]
    copy.parent.mkdir()
    copy.write_bytes(zip_of(MAPS[VST]))
    other = home / "other.zip"
    other.write_bytes(zip_of(MAPS[VST]))
    world.files.add(f"mirror/{ZIP[VST]}", copy)
    loose = write_maps(home / "loose", MAPS[VST])
    return {
        "auto": "auto",
        "upstream": "upstream",
        "address of a zip": f"{world.files.url}/mirror/{ZIP[VST]}",
        "address of its folder": f"{world.files.url}/mirror/",
        "zip": str(copy),
        "folder of the zip": str(copy.parent),
        "copy of a repository": str(staging),
        "zip of maps": str(other),
        "folder of maps": str(loose),
        "address of maps": loose.as_uri(),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "auto",
        "upstream",
        "address of a zip",
        "address of its folder",
        "zip",
        "folder of the zip",
        "copy of a repository",
        "zip of maps",
        "folder of maps",
        "address of maps",
    ],
)
def test_maps_may_come_from_many_places(
    world: World, staging: Path, tmp_path: Path, kind: str
) -> None:
    source = sources(world, staging, tmp_path)[kind]
    result = done("download", VST, "--source", source)
    assert maps_in(Path(result.stdout.strip())) == MAPS[VST]
    asked = {"auto": "releases|sal_maps", "upstream": "sal_maps", "address": "mirror"}
    remote = next((word for start, word in asked.items() if kind.startswith(start)), None)
    fetched = [path for path in world.requests if path.endswith(".zip")]
    if remote is None or kind == "address of maps":
        assert not fetched
    else:
        assert len(fetched) == 1
        assert re.search(remote, fetched[0])
    done("verify")


def test_a_repository_may_be_named(
    world: World, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = commit_staged(world.hub, staging, "v1", "me/maps")
    other = stage(staging.with_name("other"), {VST: saliency_maps(salt="new")})
    commit_staged(world.hub, other, "v2", "me/maps")
    new = saliency_maps(salt="new")
    for revision, maps in {"v1": MAPS[VST], "v2": new, first: MAPS[VST], "main": new}.items():
        result = done("download", VST, "--repo-id", "me/maps", "--revision", revision)
        assert maps_in(Path(result.stdout.strip())) == maps, revision
    monkeypatch.setenv("WSSS_ASSETS_REPO", "me/maps")
    assert maps_in(Path(done("download", VST).stdout.strip())) == new
    assert not world.files.gets(r"\.zip")


def test_a_list_of_one_s_own_says_which_images(world: World, tmp_path: Path) -> None:
    own = {one: LABELS[one] for one in (IDS[3], IDS[0])}
    (tmp_path / "own.txt").write_text(list_text(own), "utf-8")
    for option, stdin in ((str(tmp_path / "own.txt"), None), ("-", list_text(own))):
        result = done("download", VST, CAM, "--labels", option, stdin=stdin)
        for line, set_id in zip(result.stdout.splitlines(), (VST, CAM), strict=True):
            (shard,) = Path(line).glob("*.parquet")
            ids = pyarrow.parquet.read_table(shard)["image_id"].to_pylist()
            assert ids == [IDS[3], IDS[0]], (option, set_id)
    assert not world.files.gets("lists/")


def test_a_list_does_not_choose_rows_of_a_published_set(published: World, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(list_text({IDS[3]: LABELS[IDS[3]]}), "utf-8")
    options = ["--labels", str(tmp_path / "own.txt")]
    published.clear_log()
    for source in ([], ["--source", "hub"]):
        says = refused(2, "download", VST, *options, *source)
        assert "--ids of 'wsss-assets export'" in says
        refused(2, "export", VST, "--to", str(tmp_path / "maps"), *options, *source)
    assert published.requests == []
    assert (
        len(maps_in(Path(done("download", VST, *options, "--source", "upstream").stdout.strip())))
        == 1
    )


@pytest.mark.usefixtures("world")
def test_a_source_may_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ZIP[VST]).write_bytes(zip_of(MAPS[VST]))
    result = done("download", VST, "--source", f"~/{ZIP[VST]}")
    assert maps_in(Path(result.stdout.strip())) == MAPS[VST]
    for command in (
        ["download", VST],
        ["download", VST, "--dry-run"],
        ["export", VST, "--to", "x"],
    ):
        assert "'~/none.zip'" in refused(3, *command, "--source", "~/none.zip")


@pytest.mark.usefixtures("world")
def test_holes_are_said(tmp_path: Path) -> None:
    some = {stem: data for stem, data in MAPS[VST].items() if stem != IDS[2]}
    loose = write_maps(tmp_path / "loose", {**some, IDS[4]: b"no png"})
    result = done("download", VST, "--source", str(loose), "--json", "-")
    (told,) = json.loads(result.stdout)
    assert (told["maps"], told["holes"]) == (4, 2)
    assert "2 maps are missing or unusable" in result.stderr
    assert IDS[2] in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["voc2012/saliency/vst_dut"], "did you mean"),
        (["VOC2012_VST_DUTZ"], "did you mean"),
        ([VST, "--split", "train_au"], "did you mean train_aug"),
        ([VST, "--split", "Train Aug"], "can be no split's name"),
        ([VST, "--source", "hub"], "not published"),
        (["voc2007/saliency/vst_duts"], "voc2012"),
        ([], "Missing argument"),
        ([VST, "--sauce", "hub"], "--source"),
    ],
)
def test_wrong_names_and_options_are_refused(world: World, arguments: list[str], says: str) -> None:
    assert says in refused(2, "download", *arguments)
    assert world.requests == []


def test_data_that_cannot_be_used_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / ZIP[VST]).write_bytes(b"PK\3\4 cut short")
    assert "cut short" in refused(3, "download", VST, "--source", str(tmp_path / ZIP[VST]))
    assert "nowhere" in refused(3, "download", VST, "--source", str(tmp_path / "nowhere"))
    maps = write_maps(tmp_path / "maps", MAPS[CAM])
    assert "other kind" in refused(3, "download", VST, "--source", str(maps))
    (tmp_path / "list.txt").write_text("2007_000032 20\n", "utf-8")
    options = ["--labels", str(tmp_path / "list.txt")]
    assert "no class 20" in refused(3, "download", VST, *options)
    assert not list((world.cache / "sets").rglob("*.parquet"))


def test_networks_that_fail_are_told_apart_from_data(published: World) -> None:
    assert "org/none" in refused(4, "download", VST, "--repo-id", "org/none")
    assert "v9" in refused(4, "download", VST, "--repo-id", REPO, "--revision", "v9")
    published.hub.fault(r"\.parquet$", corrupt(50), None)
    assert "sha256" in refused(4, "download", VST)
    published.hub.clear_faults()
    published.hub.fault("", status(503), None)
    assert "503" in refused(4, "download", VST, "--source", "hub")
    assert maps_in(Path(done("download", VST).stdout.strip())) == MAPS[VST], "the archive instead"
    published.files.files.clear()
    assert "404" in refused(4, "download", CAM)


def test_what_came_before_a_failure_stays(world: World) -> None:
    del world.files.files[next(name for name in world.files.files if ZIP[CAM] in name)]
    result = call("download", VST, CAM)
    assert result.exit_code == 4
    (folder,) = result.stdout.splitlines()
    assert maps_in(Path(folder)) == MAPS[VST]
    world.clear_log()
    assert done("download", VST).stdout.strip() == folder
    assert world.requests == []


# export


@pytest.mark.parametrize("set_id", [VST, CAM])
@pytest.mark.usefixtures("world")
def test_a_set_is_exported_byte_for_byte(tmp_path: Path, set_id: str) -> None:
    maps = {f"{stem}.png": data for stem, data in MAPS[set_id].items()}
    target = tmp_path / "maps"
    result = done("export", set_id, "--to", str(target))
    assert result.stdout == f"{target}: {len(maps)} files written, 0 there already\n"
    assert {path: data for path, data in tree(target).items() if "png" in path} == maps
    (target / f"{next(iter(MAPS[set_id]))}.png").write_bytes(b"damaged")
    again = done("export", set_id, "--to", str(target))
    assert again.stdout == f"{target}: 1 files written, {len(maps) - 1} there already\n"
    assert {path: data for path, data in tree(target).items() if "png" in path} == maps


@pytest.mark.usefixtures("world")
def test_some_images_are_exported(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{IDS[4]}\n{IDS[1]}\n", "utf-8")
    expected = {f"{IDS[4]}.png", f"{IDS[1]}.png"}
    for name, stdin in ((str(tmp_path / "ids.txt"), None), ("-", f"{IDS[4]} 14 18\n{IDS[1]}\n")):
        target = tmp_path / f"maps{len(name)}"
        done("export", VST, "--to", str(target), "--ids", name, stdin=stdin)
        assert {path.name for path in target.glob("*.png")} == expected
    stranger = refused(3, "export", VST, "--to", str(tmp_path / "no"), "--ids", "-", stdin="x\n")
    assert "1 that it does not have, e.g. x" in stranger
    assert not (tmp_path / "no").exists()


@pytest.mark.usefixtures("world")
def test_dictionaries_are_exported(tmp_path: Path) -> None:
    done("export", CAM, "--to", str(tmp_path / "npy"), "--layout", "npy")
    assert {path.stem for path in (tmp_path / "npy").glob("*.npy")} == set(LABELS)
    for image_id, classes in LABELS.items():
        found: dict[int, Any] = np.load(
            tmp_path / "npy" / f"{image_id}.npy", allow_pickle=True
        ).item()
        assert list(found) == list(classes)
        for index, scores in found.items():
            assert scores.dtype == np.float32
            pixels = pixels_of(draw(f"{image_id}_{index}"))
            np.testing.assert_array_equal(scores, pixels.astype(np.float32) / 255)
    assert "wsss-bed" in refused(2, "export", VST, "--to", str(tmp_path / "no"), "--layout", "npy")
    assert "did you mean npy" in refused(
        2, "export", CAM, "--to", str(tmp_path / "no"), "--layout", "npi"
    )
    assert not (tmp_path / "no").exists()


@pytest.mark.usefixtures("world")
def test_images_without_a_map_are_listed(tmp_path: Path) -> None:
    some = {stem: data for stem, data in MAPS[VST].items() if stem not in IDS[:2]}
    loose = write_maps(tmp_path / "loose", some)
    target = tmp_path / "maps"
    result = call("export", VST, "--to", str(target), "--source", str(loose))
    assert result.exit_code == 1
    assert "4 files written" in result.stdout
    *_, said, first, second, reason = result.stderr.splitlines()
    assert [said, first, second] == ["2 images have no map:", *IDS[:2]]
    assert reason.startswith(f"e.g. {IDS[0]}: ")
    assert {path.stem for path in target.glob("*.png")} == set(some)


@pytest.mark.usefixtures("world")
def test_of_very_many_images_without_a_map_some_are_listed(tmp_path: Path) -> None:
    many = {f"2007_{number:06d}": (0,) for number in range(1024)}
    (tmp_path / "list.txt").write_text(list_text(many), "utf-8")
    loose = write_maps(tmp_path / "loose", {"2007_000000": draw("x")})
    options = ["--labels", str(tmp_path / "list.txt"), "--source", str(loose)]
    result = call("export", VST, "--to", str(tmp_path / "maps"), *options)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    shown = lines[lines.index("1,023 images have no map:") + 1 :]
    assert shown[:20] == list(many)[1:21]
    assert shown[20] == "… and 1,003 more"
    assert shown[21].startswith("e.g. 2007_000001: ")
    assert len(shown) == 22


@pytest.mark.usefixtures("world")
def test_other_files_are_not_mixed_with(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(draw("a"))
    done("export", CAM, "--to", str(tmp_path / "cam"))
    for folder in ("mine", "cam"):
        before = tree(tmp_path / folder)
        says = refused(3, "export", VST, "--to", str(tmp_path / folder))
        assert tree(tmp_path / folder) == before
        assert "--out" not in says, "export has no such option"


# All of them


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            ["download"],
            ["--split", "--source", "--repo-id", "--revision", "--labels", "--dry-run", "--json"],
        ),
        (["verify"], ["--json"]),
        (["export"], ["--to", "--layout", "--ids", "--split", "--source", "--repo-id"]),
        (["cache", "ls"], ["--json"]),
        (["cache", "prune"], ["--all", "--dry-run"]),
    ],
)
def test_help_names_every_option_with_an_example(command: list[str], options: list[str]) -> None:
    text = done(*command, "--help").stdout
    for option in options:
        line = next(line for line in text.splitlines() if line.strip().startswith(option))
        assert line.split(None, 1)[-1].strip(), option
    assert "Example" in text
    assert f"wsss-assets {' '.join(command)}" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_main_help_lists_them() -> None:
    text = done("--help").stdout
    for name in ("download", "verify", "export", "cache", "pack", "publish"):
        assert re.search(rf"^  {name}  ", text, re.MULTILINE), name
