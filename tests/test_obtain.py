from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults import corrupt, status
from tests.map_set_files import (
    CAM,
    LABELS,
    REPO,
    SPLIT,
    VST,
    Authors,
    Told,
    activation_maps,
    commit_staged,
    go_offline,
    pinned_records,
    saliency_maps,
    stage,
    stored_ids,
    stored_maps,
    use_records,
    waiting_is_quick,
    zip_of,
)
from wsss_assets import download
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import (
    ChecksumError,
    FetchError,
    MissingFileError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.map_sets.cache import remove_held
from wsss_assets.map_sets.feedback import Terminal
from wsss_assets.map_sets.obtain import check_split_name, choose_split, obtain, plan
from wsss_assets.map_sets.sources import open_map_set
from wsss_assets.map_sets.store import list_held

if TYPE_CHECKING:
    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from wsss_assets.catalog.records import MapSet

HUB_MAPS, ARCHIVE_MAPS = saliency_maps(salt="hub"), saliency_maps(salt="archive")


class World:
    """The Hub and the authors, who have different maps, so that one sees whose were taken."""

    def __init__(
        self, hub: FakeHub, files: FileServer, folder: Path, patches: pytest.MonkeyPatch
    ) -> None:
        self.hub = hub
        self.files = files
        self.staging = stage(folder / "staging", {VST: HUB_MAPS})
        self.commit = commit_staged(hub, self.staging, "v1.0.0")
        self.pinned = pinned_records(hub, self.commit)[VST]
        self.authors = Authors(files, patches)
        self.authors.publish(get_map_set(VST), zip_of(ARCHIVE_MAPS))
        hub.clear_log()
        files.clear_log()

    def hub_is_down(self, code: int = 503) -> None:
        self.hub.fault("", status(code), times=None)


@pytest.fixture(autouse=True)
def world(
    hub: FakeHub, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    return World(hub, files, tmp_path, monkeypatch)


# Where from.


def test_a_published_set_comes_from_the_hub(world: World) -> None:
    held = obtain(world.pinned)
    assert stored_maps(held.paths) == HUB_MAPS
    assert held.holding.origin == "hub"
    assert world.files.requests == []


def test_a_set_that_is_not_published_comes_from_the_authors(world: World) -> None:
    held = obtain(get_map_set(VST))
    assert stored_maps(held.paths) == ARCHIVE_MAPS
    assert held.holding.origin == "archive"
    assert world.hub.requests == []


@pytest.mark.parametrize("code", [500, 503, 404, 401, 403])
def test_when_the_hub_is_down_the_authors_archive_is_taken_and_that_is_said(
    world: World, code: int
) -> None:
    world.hub_is_down(code)
    told = Told()
    held = obtain(world.pinned, feedback=told)
    assert stored_maps(held.paths) == ARCHIVE_MAPS
    assert held.holding.origin == "archive"
    assert f"HTTP {code}" in told.text
    assert f"taking {VST} from the authors' archive instead" in told.text


def test_when_the_hub_is_back_it_is_taken_again(world: World) -> None:
    world.hub_is_down()
    obtain(world.pinned)
    world.hub.clear_faults()
    assert stored_maps(obtain(world.pinned).paths) == HUB_MAPS
    assert len(list_held()) == 2


def test_wrong_bytes_are_no_reason_to_take_others(world: World) -> None:
    world.hub.fault("/lfs/", corrupt(300), times=None)
    with pytest.raises(ChecksumError):
        obtain(world.pinned)
    assert world.files.requests == []


def test_nothing_else_is_taken_when_the_hub_was_asked_for(world: World) -> None:
    world.hub_is_down()
    with pytest.raises(FetchError, match="HTTP 503"):
        obtain(world.pinned, source="hub")
    assert world.files.requests == []


def test_a_set_without_an_archive_fails_with_the_hub(world: World) -> None:
    world.hub_is_down()
    with pytest.raises(FetchError, match="HTTP 503"):
        obtain(world.pinned.model_copy(update={"archive": None, "upstream": None}))


def test_when_both_are_down_the_error_says_of_both(world: World) -> None:
    world.hub_is_down()
    world.files.fault("zip", status(503), times=None)
    told = Told()
    with pytest.raises(FetchError, match=r"VST_DUTS\.zip"):
        obtain(world.pinned, feedback=told)
    assert "HTTP 503" in told.text


def test_the_authors_archive_may_be_asked_for(world: World) -> None:
    held = obtain(world.pinned, source="upstream")
    assert stored_maps(held.paths) == ARCHIVE_MAPS
    assert world.hub.requests == []


def test_without_a_network_whatever_is_here_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = obtain(world.pinned, source="upstream")
    go_offline(monkeypatch)
    world.hub.clear_log()
    world.files.clear_log()
    told = Told()
    assert obtain(world.pinned, feedback=told) == archive
    assert "HF_HUB_OFFLINE" in told.text
    remove_held([archive])
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        obtain(world.pinned)
    assert (world.hub.requests, world.files.requests) == ([], [])


def test_other_images_are_imported_and_not_fetched() -> None:
    chosen = dict(list(LABELS.items())[1::2])
    held = obtain(get_map_set(VST), labels=ImageLabels(chosen, "a test"))
    assert stored_ids(held.paths) == list(chosen)


# Which split.


def with_splits(*splits: str, published: MapSet | None = None) -> MapSet:
    record = (published or get_map_set(VST)).model_copy(
        update={"splits": dict.fromkeys(splits), "published": None}
    )
    if published is not None and published.published is not None:
        part = published.published.splits[SPLIT]
        splits_there = dict.fromkeys(splits, part)
        there = published.published.model_copy(update={"splits": splits_there})
        record = record.model_copy(update={"published": there})
    return record


@pytest.mark.parametrize(
    ("known", "asked", "chosen"),
    [
        (("train_aug",), None, "train_aug"),
        (("val",), None, "val"),
        (("train", "train_aug", "val"), None, "train_aug"),
        (("train", "val"), None, "train"),
        (("train", "val"), "val", "val"),
    ],
)
def test_a_split_is_chosen(known: tuple[str, ...], asked: str | None, chosen: str) -> None:
    assert choose_split(with_splits(*known), asked) == chosen


def test_an_unknown_split_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="train_aug"):
        choose_split(get_map_set(VST), "val")
    with pytest.raises(UsageError, match="val, test"):
        choose_split(with_splits("val", "test"), None)


def test_of_a_published_set_the_published_splits_count(world: World) -> None:
    record = with_splits("val", published=world.pinned)
    assert choose_split(record.model_copy(update={"splits": {SPLIT: 6}}), None) == "val"
    with pytest.raises(UnknownNameError, match="val"):
        choose_split(record, SPLIT)


# What would be done.


def test_a_plan_says_from_where_and_how_much(world: World) -> None:
    data = world.hub.repo(REPO).files(world.commit)
    size = sum(len(data[path]) for path in data if path.endswith(".parquet"))
    assert plan(world.pinned) == (f"hub: {REPO}", size, False)
    record = get_map_set(VST)
    address = "https://github.com/clovaai/WSSS-BED/releases/download/sal_maps/VOC2012_VST_DUTS.zip"
    assert plan(record) == (f"upstream: {address}", None, False)
    assert plan(record.model_copy(update={"archive": None})) == ("nowhere", None, False)
    assert (world.hub.requests, world.files.requests, list_held()) == ([], [], ())


def test_a_plan_says_what_is_here(world: World) -> None:
    obtain(world.pinned)
    assert plan(world.pinned)[2] is True
    obtain(get_map_set(VST))
    assert plan(get_map_set(VST))[2] is True
    for held in list_held():
        held.paths[0].unlink()
    assert plan(world.pinned)[2] is False
    assert plan(get_map_set(VST))[2] is False


# For users.


def test_download_gives_the_folder_of_the_shards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_records(monkeypatch, {VST: world.pinned})
    for name in (VST, "VOC2012_VST_DUTS"):
        folder = download(name, feedback=Told())
        assert stored_maps(folder.glob("*.parquet")) == HUB_MAPS
    from_authors = download(VST, source="upstream", feedback=Told())
    assert stored_maps(from_authors.glob("*.parquet")) == ARCHIVE_MAPS


def test_download_from_another_repository_or_version(world: World, tmp_path: Path) -> None:
    second = saliency_maps(salt="second")
    staging = stage(tmp_path / "second", {VST: second, CAM: activation_maps()})
    commit_staged(world.hub, staging, "v2.0.0")
    for options, maps in (
        ({"revision": "v1.0.0"}, HUB_MAPS),
        ({"revision": "v2.0.0"}, second),
        ({"revision": world.commit}, HUB_MAPS),
        ({"repo_id": REPO, "revision": "main"}, second),
    ):
        folder = download(VST, feedback=Told(), **options)
        assert stored_maps(folder.glob("*.parquet")) == maps
    with pytest.raises(UnknownNameError, match=VST):
        download(CAM, revision="v1.0.0", feedback=Told())
    with pytest.raises(FetchError, match=r"v3\.0\.0"):
        download(VST, revision="v3.0.0", feedback=Told())


def test_download_says_what_it_does_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    download(VST)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"importing {VST} {SPLIT}: 6 images" in err
    download(VST)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["vst", "voc2012/saliency/nothing", ""])
def test_download_of_an_unknown_set_is_an_error(world: World, name: str) -> None:
    with pytest.raises(UnknownNameError):
        download(name, feedback=Told())
    assert (world.hub.requests, world.files.requests) == ([], [])


# What is asked for.


@pytest.mark.parametrize(
    "name", ["../x", "Train", "Train Aug", "", "a-b", "_a", "train\n", "x" * 65]
)
def test_what_can_be_no_split_is_refused(world: World, name: str) -> None:
    with pytest.raises(UsageError, match="can be no split's name"):
        check_split_name(name)
    with pytest.raises(UsageError, match="can be no split's name"):
        download(VST, split=name)
    assert world.hub.requests == []


def test_split_names() -> None:
    for name in ("train", "train_aug", "2007", "x" * 64):
        check_split_name(name)


@pytest.mark.parametrize("source", ["nowhere", "~/VOC2012_VST_DUTS.zip", "huub", ""])
def test_a_source_that_is_not_there_is_an_error_that_names_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for call in (
        lambda: obtain(world.pinned, source=source),
        lambda: download(VST, source=source),
        lambda: plan(world.pinned, source=source),
    ):
        with pytest.raises(MissingFileError, match=f"no file or folder '{source}'"):
            call()
    assert world.hub.requests == []


def test_a_source_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "VOC2012_VST_DUTS.zip").write_bytes(zip_of(ARCHIVE_MAPS))
    for source in ("~/VOC2012_VST_DUTS.zip", "~", Path("~")):
        folder = download(VST, source=source)
        assert stored_maps(sorted(folder.glob("*.parquet"))) == ARCHIVE_MAPS


@pytest.mark.parametrize("source", ["auto", "hub", "copy"])
def test_the_rows_of_a_published_set_are_not_chosen_by_a_list(world: World, source: str) -> None:
    place = str(world.staging) if source == "copy" else source
    world.hub.clear_log()
    with pytest.raises(UsageError, match="--ids of 'wsss-assets export'"):
        obtain(world.pinned, source=place, labels=ImageLabels(LABELS, "a test"))
    assert world.hub.requests == []
    assert not list_held()


def test_without_bars_it_works_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert stored_maps(obtain(get_map_set(VST), feedback=Terminal()).paths) == ARCHIVE_MAPS
    assert list(Terminal().items([1, 2], 2)) == [1, 2]
    with Terminal().bytes("x", 3) as advance:
        advance(3)
    assert "importing" in capsys.readouterr().err


def test_a_source_of_maps_is_of_the_repository_that_the_environment_names(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = stage(tmp_path / "theirs", {VST: saliency_maps(salt="theirs")})
    commit_staged(world.hub, staging, "v1.0.0", repo_id="me/maps")
    monkeypatch.setenv("WSSS_ASSETS_REPO", "me/maps")
    open_map_set("vst_duts", "saliency", "voc2012")
    (held,) = list_held(VST)
    assert held.holding.source == "me/maps"
    assert stored_maps(held.paths) == saliency_maps(salt="theirs")
