from __future__ import annotations

import functools
import hashlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import fsspec
import numpy as np
import pyarrow.parquet as parquet
import pytest
from datasets.distributed import split_dataset_by_node
from huggingface_hub import HfFileSystem
from PIL import Image

from tests.faults import corrupt, rst, status
from tests.map_set_files import (
    CAM,
    EPS,
    LABELS,
    REPO,
    SPLIT,
    VST,
    Authors,
    Told,
    activation_maps,
    commit_staged,
    draw,
    flip,
    go_offline,
    list_text,
    make_read_only,
    pinned_records,
    pixels_of,
    saliency_maps,
    stage,
    use_records,
    waiting_is_quick,
    write_maps,
    zip_of,
)
from wsss_assets import download, load_dataset
from wsss_assets.dataset.parts import PackedMaps
from wsss_assets.dataset.tables import join_table
from wsss_assets.errors import (
    ChecksumError,
    DataError,
    FetchError,
    ListFormatError,
    MissingDependencyError,
    MissingFileError,
    UnknownNameError,
    UsageError,
    WsssAssetsError,
)
from wsss_assets.map_sets import packing
from wsss_assets.publish.release import publish
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.hub import hub_cache
from wsss_assets.storage.shards import Row, ids_digest, write_shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import Fault

SALIENCY, ACTIVATION, OF_EPS = saliency_maps(), activation_maps(), activation_maps(salt="eps")
PARQUET = r"\.parquet"
IDS = list(LABELS)
FEATURES = datasets.Features(
    {
        "image_id": datasets.Value("string"),
        "labels": datasets.List(datasets.Value("uint8")),
        "saliency": datasets.Image(),
        "activation": datasets.List({"class_id": datasets.Value("uint8"), "map": datasets.Image()}),
    }
)
MANY = {f"{2000 + number // 100}_{number:06d}": (number % 20,) for number in range(600)}


class World:
    """A repository that the catalogue's records pin, and the authors' list."""

    def __init__(
        self, hub: FakeHub, files: FileServer, folder: Path, patches: pytest.MonkeyPatch
    ) -> None:
        self.hub = hub
        self.files = files
        self.folder = folder
        self.patches = patches
        Authors(files, patches)
        self.told = Told()
        self.commit = self.publish({VST: SALIENCY, CAM: ACTIVATION, EPS: OF_EPS}, "v1.0.0")

    def publish(
        self,
        sets: Mapping[str, Mapping[str, bytes]],
        tag: str | None = None,
        labels: Mapping[str, tuple[int, ...]] = LABELS,
    ) -> str:
        """Pin another version; returns its commit."""
        name = f"staging-{len(list(self.folder.glob('staging-*')))}"
        commit = commit_staged(self.hub, stage(self.folder / name, sets, labels), tag)
        use_records(self.patches, pinned_records(self.hub, commit))
        self.hub.clear_log()
        return commit

    def load(self, **options: Any) -> Any:  # noqa: ANN401 (a data set of either kind)
        return load_dataset("wsss-bed", feedback=self.told, **options)

    def requests(self) -> list[Any]:
        return [*self.hub.requests, *self.files.requests]


@pytest.fixture
def world(
    hub: FakeHub, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    return World(hub, files, tmp_path, monkeypatch)


def raw(data: datasets.Dataset) -> list[dict[str, Any]]:
    """Rows with pictures as they are stored."""
    rows: list[dict[str, Any]] = data.with_format("arrow")[:].to_pylist()
    return rows


def stored(data: datasets.Dataset) -> dict[str, bytes]:
    """The bytes of all maps by stem."""
    found: dict[str, bytes] = {}
    for row in raw(data):
        if row.get("saliency") is not None:
            found[row["image_id"]] = row["saliency"]["bytes"]
        for one in row.get("activation", ()):
            found[f"{row['image_id']}_{one['class_id']}"] = one["map"]["bytes"]
    return found


def decoded(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with pictures as nested lists, to be compared."""

    def plain(value: object) -> object:
        if isinstance(value, Image.Image):
            return value.mode, np.asarray(value).tolist()
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return value

    return [{name: plain(one) for name, one in row.items()} for row in rows]


def expected_rows(labels: Mapping[str, tuple[int, ...]] = LABELS) -> list[dict[str, Any]]:
    """What both kinds of maps give, decoded."""

    def picture(data: bytes) -> tuple[str, list[Any]]:
        return "L", pixels_of(data).tolist()

    return [
        {
            "image_id": one,
            "labels": list(classes),
            "saliency": picture(SALIENCY[one]),
            "activation": [
                {"class_id": index, "map": picture(ACTIVATION[f"{one}_{index}"])}
                for index in classes
            ],
        }
        for one, classes in labels.items()
    ]


# Columns and rows.


def test_a_pair_of_sets_is_a_plain_data_set(world: World) -> None:
    data = world.load(saliency="vst_duts", activation="cam")
    assert type(data) is datasets.Dataset
    assert data.features == FEATURES
    assert data.column_names == ["image_id", "labels", "saliency", "activation"]
    assert str(data.split) == SPLIT
    assert decoded(data) == expected_rows()
    assert stored(data) == {**SALIENCY, **ACTIVATION}
    assert data[0]["saliency"].mode == "L"
    assert data[-1]["image_id"] == IDS[-1]


@pytest.mark.parametrize(
    ("options", "columns", "maps"),
    [
        ({"saliency": "vst_duts"}, ["image_id", "labels", "saliency"], SALIENCY),
        ({"activation": "cam"}, ["image_id", "labels", "activation"], ACTIVATION),
    ],
)
def test_one_kind_alone(
    world: World, options: dict[str, str], columns: list[str], maps: dict[str, bytes]
) -> None:
    data = world.load(**options)
    assert data.column_names == columns
    assert data.features == {name: FEATURES[name] for name in columns}
    assert stored(data) == maps
    assert data["labels"][:] == list(map(list, LABELS.values()))


@pytest.mark.parametrize(
    ("saliency", "activation", "maps"),
    [
        (VST, CAM, ACTIVATION),
        ("VOC2012_VST_DUTS", "VOC2012_CAM", ACTIVATION),
        ("vst_duts", "eps", OF_EPS),
        ("VOC2012_VST_DUTS", "EPS", OF_EPS),
        (None, "eps_vst_duts", OF_EPS),
    ],
)
def test_names_of_sets(
    world: World, saliency: str | None, activation: str, maps: dict[str, bytes]
) -> None:
    data = world.load(saliency=saliency, activation=activation)
    assert stored(data) == {**maps, **(SALIENCY if saliency else {})}


def test_holes_are_null(world: World) -> None:
    gone = IDS[2]
    saliency = {stem: data for stem, data in SALIENCY.items() if stem != gone}
    activation = {stem: data for stem, data in ACTIVATION.items() if not stem.startswith(gone)}
    world.publish({VST: saliency, CAM: activation})
    for streaming in (False, True):
        rows = list(world.load(saliency="vst_duts", activation="cam", streaming=streaming))
        assert [row["image_id"] for row in rows] == IDS
        assert [row["saliency"] is None for row in rows] == [one == gone for one in IDS]
        assert [row["activation"] == [] for row in rows] == [one == gone for one in IDS]


def test_what_it_holds_is_said_in_its_description(world: World) -> None:
    for streaming in (False, True):
        info = world.load(saliency="vst_duts", activation="cam", streaming=streaming).info
        for text in (VST, CAM, REPO, world.commit, "licence: not stated"):
            assert text in info.description


def test_it_is_found_by_its_public_name() -> None:
    import wsss_assets

    assert wsss_assets.load_dataset is load_dataset


# Use.


def test_select_filter_and_transform(world: World) -> None:
    data = world.load(saliency="vst_duts", activation="cam")
    assert stored(data.select([3, 1]).select_columns(["image_id", "saliency"])) == {
        IDS[number]: SALIENCY[IDS[number]] for number in (3, 1)
    }
    people = data.filter(lambda labels: 14 in labels, input_columns="labels")
    assert people["image_id"][:] == [one for one, classes in LABELS.items() if 14 in classes]
    data.set_transform(lambda rows: {"size": [one.size for one in rows["saliency"]]})
    assert data[2:4] == {"size": [(8, 6), (8, 6)]}


def test_torch_and_its_loader(world: World) -> None:
    torch = pytest.importorskip("torch")
    data = world.load(saliency="vst_duts", activation="cam").with_format("torch")
    row = data[1]
    assert row["saliency"].dtype == row["activation"][0]["map"].dtype == torch.uint8
    assert row["saliency"].shape[-2:] == (6, 8)
    assert np.array_equal(row["saliency"].numpy().reshape(6, 8), pixels_of(SALIENCY[IDS[1]]))
    loader = torch.utils.data.DataLoader(
        data.select_columns(["image_id", "saliency"]), batch_size=2, num_workers=2
    )
    seen = {
        image_id: values.numpy().reshape(6, 8)
        for batch in loader
        for image_id, values in zip(batch["image_id"], batch["saliency"], strict=True)
    }
    assert list(seen) == IDS
    assert all(np.array_equal(seen[one], pixels_of(SALIENCY[one])) for one in IDS)

    stream = world.load(saliency="vst_duts", activation="cam", streaming=True)
    stream = stream.with_format("torch").select_columns(["image_id", "saliency"])
    loader = torch.utils.data.DataLoader(stream, batch_size=2)
    assert [one for batch in loader for one in batch["image_id"]] == IDS


# Requests.


def test_what_is_here_costs_no_request(world: World) -> None:
    world.load(saliency="vst_duts", activation="cam")
    assert len(world.hub.gets(PARQUET)) == 2
    world.hub.clear_log()
    world.files.clear_log()
    data = world.load(saliency="vst_duts", activation="cam")
    again = load_dataset("wsss-bed", saliency="vst_duts", revision=world.commit)
    world.hub.clear_log()
    load_dataset("wsss-bed", saliency="vst_duts", revision=world.commit)
    assert world.requests() == []
    assert stored(data) == {**SALIENCY, **ACTIVATION}
    assert stored(again) == SALIENCY


def test_the_repository_s_own_list_gives_the_labels(world: World) -> None:
    labels = dict.fromkeys(reversed(LABELS), (3,))
    maps = activation_maps(labels)
    world.publish({CAM: maps}, labels=labels)
    data = world.load(activation="cam")
    assert data["image_id"][:] == list(labels)
    assert data["labels"][:] == [[3]] * len(labels)
    assert stored(data) == maps
    assert world.files.requests == []


def test_without_a_network(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.load(saliency="vst_duts")
    world.hub.clear_log()
    go_offline(monkeypatch)
    for streaming in (False, True):
        data = world.load(saliency="vst_duts", streaming=streaming)
        assert [row["image_id"] for row in data] == IDS
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        world.load(activation="cam")
    assert world.requests() == []


def test_a_cache_that_cannot_be_written_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load(saliency="vst_duts")
    world.hub.clear_log()
    with monkeypatch.context() as patches:
        make_read_only(patches, hub_cache(), cache_folder())
        assert stored(world.load(saliency="vst_duts")) == SALIENCY
    assert world.requests() == []


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_a_poisoned_cache_heals_before_it_is_used(world: World, damage: str) -> None:
    folder = download(VST, feedback=Told())
    (shard,) = folder.glob("*.parquet")
    if damage == "flipped":
        flip(shard, shard.read_bytes().find(SALIENCY[IDS[0]]) + 50)
    else:
        shard.resolve().write_bytes(shard.read_bytes()[:-100])
    assert stored(world.load(saliency="vst_duts")) == SALIENCY
    assert len(world.hub.gets(PARQUET, "cdn")) == 2


def test_a_shard_that_went_bad_after_the_first_load_heals(world: World) -> None:
    world.load(saliency="vst_duts")
    (shard,) = download(VST, feedback=Told()).glob("*.parquet")
    flip(shard, shard.read_bytes().find(SALIENCY[IDS[0]]) + 50)
    assert stored(world.load(saliency="vst_duts")) == SALIENCY


def test_wrong_bytes_for_ever_are_an_error(world: World) -> None:
    world.hub.fault("/lfs/", corrupt(300), times=None)
    with pytest.raises(ChecksumError):
        world.load(saliency="vst_duts")
    world.hub.clear_faults()
    assert stored(world.load(saliency="vst_duts")) == SALIENCY


def test_threads_may_load_the_same_set(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(world.load, saliency="vst_duts", activation="cam") for _ in range(4)]
        assert all(decoded(one.result()) == expected_rows() for one in found)
    assert len(world.hub.gets(PARQUET, "cdn")) == 2


# Versions.


@pytest.fixture
def versions(world: World) -> tuple[str, str]:
    """Two versions of a repository, v1.0.0 and v2.0.0; their commits."""
    second = world.publish({VST: saliency_maps(salt="v2")}, "v2.0.0")
    return world.commit, second


def test_a_version_is_that_version(world: World, versions: tuple[str, str]) -> None:
    for revision, maps in (
        ("v1.0.0", SALIENCY),
        ("v2.0.0", saliency_maps(salt="v2")),
        (versions[0], SALIENCY),
        ("main", saliency_maps(salt="v2")),
    ):
        assert stored(world.load(saliency="vst_duts", revision=revision)) == maps
    with pytest.raises(FetchError, match="v9"):
        world.load(saliency="vst_duts", revision="v9")


@pytest.mark.parametrize("how", ["offline", "500", "503"])
def test_when_the_hub_is_out_of_reach_the_older_version_stays_the_older(
    world: World, versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    for revision in ("v1.0.0", "v2.0.0"):  # the newer one is cached last
        world.load(saliency="vst_duts", revision=revision)
    if how == "offline":
        go_offline(monkeypatch)
    else:
        world.hub.fault("", status(int(how)), times=None)
    for revision in ("v1.0.0", versions[0]):
        data = world.load(saliency="vst_duts", revision=revision)
        assert stored(data) == SALIENCY
        assert versions[0] in data.info.description
    new = world.load(saliency="vst_duts", revision="v2.0.0")
    assert stored(new) == saliency_maps(salt="v2")
    with pytest.raises(FetchError):
        world.load(saliency="vst_duts", revision="v9")


def test_when_the_hub_refuses_no_other_version_is_given(
    world: World, versions: tuple[str, str]
) -> None:
    for revision in ("v1.0.0", "v2.0.0"):
        world.load(saliency="vst_duts", revision=revision)
    world.hub.fault("", status(401), times=None)
    with pytest.raises(FetchError, match="HTTP 401"):
        world.load(saliency="vst_duts", revision="v1.0.0")
    assert stored(world.load(saliency="vst_duts", revision=versions[0])) == SALIENCY


@pytest.mark.parametrize("by_environment", [True, False])
def test_another_repository(
    world: World, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    mine = saliency_maps(salt="mine")
    staging = stage(world.folder / "mine", {"voc2012/saliency/mine": mine})
    commit_staged(world.hub, staging, repo_id="me/maps")
    options = {} if by_environment else {"repo_id": "me/maps"}
    if by_environment:
        monkeypatch.setenv("WSSS_ASSETS_REPO", "me/maps")
    assert stored(world.load(saliency="mine", **options)) == mine
    with pytest.raises(UnknownNameError, match="me/maps") as error:
        world.load(saliency="vst_duts", **options)
    assert "mine" in str(error.value)


def test_the_authors_archive(world: World) -> None:
    world.files.add("sal_maps/VOC2012_VST_DUTS.zip", zip_of(saliency_maps(salt="archive")))
    data = world.load(saliency="vst_duts", source="upstream")
    assert stored(data) == saliency_maps(salt="archive")
    assert data["labels"][:] == list(map(list, LABELS.values()))


# Errors.


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, UsageError, ["neither", "wsss-assets list"]),
        ({"saliency": "vst_dut"}, UnknownNameError, ["vst_duts"]),
        ({"saliency": "cam"}, UnknownNameError, ["cam"]),
        ({"activation": "vst_duts"}, UnknownNameError, ["vst_duts"]),
        ({"saliency": CAM}, UsageError, ["saliency maps of voc2012"]),
        ({"saliency": VST, "benchmark": "coco2014"}, UsageError, ["coco2014"]),
        ({"saliency": "vst_duts", "benchmark": "voc"}, UnknownNameError, ["voc2012", "coco2014"]),
        ({"saliency": "vst_duts", "split": "val"}, UnknownNameError, [SPLIT]),
        ({"activation": "eps"}, UnknownNameError, ["eps_", "saliency maps"]),
        (
            {"saliency": "deepusps", "activation": "eps", "benchmark": "coco2014"},
            UsageError,
            ["deepusps"],
        ),
    ],
)
def test_what_does_not_exist_is_an_error_that_says_what_does(
    world: World, options: dict[str, str], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        world.load(**options)
    assert all(word in str(raised.value) for word in words)
    assert world.requests() == []


def test_another_collection_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="wsss-bed"):
        load_dataset("wsss", saliency="vst_duts")


# Photos and masks.

UNMASKED = IDS[1]


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    """A devkit with photos of all images and masks of all but one."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClassAug"):
        (root / folder).mkdir(parents=True)
    for number, (one, classes) in enumerate(LABELS.items()):
        colour = (40 * number, 100, 200)
        Image.new("RGB", (8, 6), colour).save(root / "JPEGImages" / f"{one}.jpg")
        mask = Image.new("P", (8, 6), classes[0] + 1)
        mask.putpalette([value for entry in range(256) for value in (entry, 255 - entry, 7)])
        if one != UNMASKED:
            mask.save(root / "SegmentationClassAug" / f"{one}.png")
    return root


@pytest.mark.parametrize("given", [".", "JPEGImages"])
@pytest.mark.parametrize("streaming", [False, True])
def test_photos_and_masks(world: World, devkit: Path, given: str, streaming: bool) -> None:
    data = world.load(saliency="vst_duts", images=devkit / given, streaming=streaming)
    expected = {
        "image_id": FEATURES["image_id"],
        "labels": FEATURES["labels"],
        "image": datasets.Image(),
        "segmentation": datasets.Image(),
        "saliency": datasets.Image(),
    }
    assert data.features == datasets.Features(expected)
    assert list(data.features) == list(expected)
    for row, (one, classes) in zip(data, LABELS.items(), strict=True):
        with Image.open(devkit / "JPEGImages" / f"{one}.jpg") as photo:
            assert row["image"].mode == "RGB"
            assert np.array_equal(np.asarray(row["image"]), np.asarray(photo))
        if one == UNMASKED:
            assert row["segmentation"] is None
        else:
            assert row["segmentation"].mode == "P"
            assert np.unique(np.asarray(row["segmentation"])).tolist() == [classes[0] + 1]


def test_photos_alone(world: World, devkit: Path) -> None:
    alone = devkit.parent / "photos"
    (devkit / "JPEGImages").rename(alone)
    data = world.load(saliency="vst_duts", images=str(alone))
    assert data.column_names == ["image_id", "labels", "image", "saliency"]
    assert data[0]["image"].size == (8, 6)


@pytest.mark.parametrize("damage", ["one photo", "all photos", "folder"])
def test_missing_photos_are_an_error_that_names_one(
    world: World, devkit: Path, damage: str
) -> None:
    photos = sorted((devkit / "JPEGImages").iterdir())
    for photo in photos[: 1 if damage == "one photo" else None]:
        photo.unlink()
    with pytest.raises(MissingFileError) as error:
        world.load(saliency="vst_duts", images=devkit if damage != "folder" else devkit / "none")
    assert ("JPEGImages" if damage != "folder" else "none") in str(error.value)


# Labels.


@pytest.mark.parametrize("as_mapping", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
def test_labels_choose_images_and_their_order(
    world: World, tmp_path: Path, as_mapping: bool, streaming: bool
) -> None:
    chosen = {IDS[4]: (1, 2), IDS[0]: (), IDS[3]: (19,)}
    (tmp_path / "list.txt").write_text(list_text(chosen))
    labels: Any = chosen if as_mapping else str(tmp_path / "list.txt")
    options = {"saliency": "vst_duts", "activation": "cam", "labels": labels}
    rows = list(world.load(**options, streaming=streaming))
    assert [row["image_id"] for row in rows] == list(chosen)
    assert [row["labels"] for row in rows] == [[1, 2], [], [19]]
    for row in rows:
        one = row["image_id"]
        assert np.array_equal(np.asarray(row["saliency"]), pixels_of(SALIENCY[one]))
        assert [entry["class_id"] for entry in row["activation"]] == list(LABELS[one])


def test_labels_of_all_images_in_their_order_change_nothing_else(world: World) -> None:
    data = world.load(saliency="vst_duts", labels=dict.fromkeys(LABELS, (5,)))
    assert data["image_id"][:] == IDS
    assert data["labels"][:] == [[5]] * len(IDS)
    assert stored(data) == SALIENCY


def test_labels_are_ascending_whatever_was_given(world: World) -> None:
    given = {IDS[0]: [14, 0], IDS[1]: np.array([19, 3])}
    assert world.load(saliency="vst_duts", labels=given)["labels"][:] == [[0, 14], [3, 19]]


def test_labels_are_taken_as_load_and_read_functions_give_them(world: World) -> None:
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.label_sources import fetch_label_list

    labels = fetch_label_list(get_benchmark("voc2012"), SPLIT)
    assert world.load(saliency="vst_duts", labels=labels)["image_id"][:] == IDS


@pytest.mark.parametrize("streaming", [True, False])
def test_images_that_the_maps_do_not_have_are_refused(world: World, streaming: bool) -> None:
    labels = {IDS[0]: (0,), "2099_000001": (0,), "2099_000002": (0,)}
    with pytest.raises(ListFormatError, match="2099_000001") as error:
        world.load(saliency="vst_duts", labels=labels, streaming=streaming)
    assert "2 of 3" in str(error.value)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({IDS[0]: (20,)}, ListFormatError),
        ({IDS[0]: (-1,)}, ListFormatError),
        ({IDS[0]: (1, 1)}, ListFormatError),
        ({}, WsssAssetsError),
        ("nothing.txt", MissingFileError),
    ],
)
def test_labels_that_are_none_are_refused(
    world: World, labels: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.load(saliency="vst_duts", labels=labels)


def test_shards_of_other_images_are_an_error_that_names_the_set(tmp_path: Path) -> None:
    rows = [Row(IDS[0], {None: SALIENCY[IDS[0]]})]
    (shard,) = write_shards(rows, tmp_path, SPLIT, "saliency")
    ids = [IDS[1]]
    part = PackedMaps("saliency", VST, (shard.path,), ids_digest(ids))
    with pytest.raises(DataError, match=f"'wsss-assets cache prune {VST}' removes it"):
        join_table([part], {"image_id": ids, "labels": [(0,)]}, SPLIT)


# Maps of one's own.


def test_a_folder_is_read_where_it_is(world: World, tmp_path: Path) -> None:
    saliency = write_maps(tmp_path / "saliency", SALIENCY)
    activation = write_maps(tmp_path / "activation", ACTIVATION)
    for streaming in (False, True):
        data = world.load(saliency=saliency, activation=str(activation), streaming=streaming)
        assert data.features == FEATURES
        assert decoded(data) == expected_rows()
    paths = [row["saliency"]["path"] for row in raw(world.load(saliency=saliency))]
    assert paths == [str(saliency / f"{one}.png") for one in IDS]
    assert not (cache_folder() / "sets").exists()
    assert world.hub.requests == []


def test_a_folder_that_changes_is_read_as_it_is_now(world: World, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "mine", {IDS[0]: SALIENCY[IDS[0]]})
    first = world.load(saliency=folder)
    assert [row["saliency"] is None for row in first] == [False, *[True] * 5]
    assert "no map of 5 of 6 images" in world.told.text
    write_maps(folder, SALIENCY)
    assert [np.asarray(row["saliency"]).tolist() for row in world.load(saliency=folder)] == [
        pixels_of(SALIENCY[one]).tolist() for one in IDS
    ]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("where", ["zip", "memory", "zip in memory"])
def test_a_zip_or_address_is_imported_once(
    world: World, tmp_path: Path, where: str, streaming: bool
) -> None:
    def place(name: str, maps: dict[str, bytes]) -> str:
        memory = fsspec.filesystem("memory")
        name = f"{tmp_path.name}-{name}"
        if where == "zip":
            (tmp_path / f"{name}.zip").write_bytes(zip_of(maps))
            return str(tmp_path / f"{name}.zip")
        if where == "zip in memory":
            memory.pipe_file(f"/{name}.zip", zip_of(maps))
            return f"memory://{name}.zip"
        for stem, data in maps.items():
            memory.pipe_file(f"/{name}/{stem}.png", data)
        return f"memory://{name}"

    saliency, activation = place("saliency", SALIENCY), place("activation", ACTIVATION)
    for times in range(2):
        data = world.load(saliency=saliency, activation=activation, streaming=streaming)
        assert decoded(data) == expected_rows()
        assert data.features == FEATURES
        assert world.told.text.count("importing") == 2, times
    assert world.hub.requests == []


def test_maps_of_one_s_own_beside_those_of_the_catalogue(world: World, tmp_path: Path) -> None:
    mine = saliency_maps(salt="mine")
    for place in (write_maps(tmp_path / "mine", mine), tmp_path / "mine.zip"):
        (tmp_path / "mine.zip").write_bytes(zip_of(mine))
        for streaming in (False, True):
            rows = list(world.load(saliency=place, activation="cam", streaming=streaming))
            expected = expected_rows()
            for row in expected:
                row["saliency"] = ("L", pixels_of(mine[row["image_id"]]).tolist())
            assert decoded(rows) == expected


def test_a_stream_beside_loose_files_is_read_from_here(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for stem, data in ACTIVATION.items():
        (folder / f"{stem}.png").write_bytes(data)
    stream = world.load(saliency="vst_duts", activation=folder, streaming=True)
    assert isinstance(stream, datasets.IterableDataset)
    world.hub.clear_log()
    assert [np.asarray(row["saliency"]).tolist() for row in stream] == [
        pixels_of(SALIENCY[one]).tolist() for one in IDS
    ]
    assert world.hub.requests == []


@pytest.mark.parametrize("streaming", [False, True])
def test_some_images_with_a_zip_of_one_s_own(world: World, tmp_path: Path, streaming: bool) -> None:
    chosen = {one: LABELS[one] for one in (IDS[1], IDS[4])}
    (tmp_path / "mine.zip").write_bytes(zip_of(ACTIVATION))
    data = world.load(
        saliency="vst_duts",
        activation=tmp_path / "mine.zip",
        labels=chosen,
        streaming=streaming,
    )
    assert decoded(data) == expected_rows(chosen)


def test_a_name_is_never_a_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = saliency_maps(salt="mine")
    monkeypatch.chdir(tmp_path)
    write_maps(tmp_path / "vst_duts", mine)
    assert stored(world.load(saliency="vst_duts")) == SALIENCY
    for place in ("./vst_duts", Path("vst_duts"), str(tmp_path / "vst_duts")):
        row = world.load(saliency=place)[0]
        assert np.array_equal(np.asarray(row["saliency"]), pixels_of(mine[IDS[0]]))


@pytest.mark.parametrize("name", ["~/mine", "~/mine.zip"])
def test_a_place_in_the_home_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_maps(tmp_path / "mine", SALIENCY)
    (tmp_path / "mine.zip").write_bytes(zip_of(SALIENCY))
    row = world.load(saliency=name)[0]
    assert np.array_equal(np.asarray(row["saliency"]), pixels_of(SALIENCY[IDS[0]]))


@pytest.mark.parametrize("place", ["./nothing", "nothing.zip", "memory://nothing/here"])
def test_a_place_that_is_not_there_is_an_error_that_names_it(world: World, place: str) -> None:
    with pytest.raises(MissingFileError, match="nothing"):
        world.load(saliency=place)


@pytest.mark.parametrize("pack", [False, True])
def test_maps_of_the_other_kind_or_of_other_images_are_refused(
    world: World, tmp_path: Path, pack: bool
) -> None:
    for name, maps in (("other kind", ACTIVATION), ("others", {"x": draw("x")})):
        place = tmp_path / f"{name}.zip"
        place.write_bytes(zip_of(maps))
        if not pack:
            place = write_maps(tmp_path / name, maps)
        with pytest.raises(DataError, match=name):
            world.load(saliency=place)


def test_images_of_one_s_own(world: World, tmp_path: Path) -> None:
    labels = {"a": (0,), "b": (1, 2)}
    maps = saliency_maps(labels)
    (tmp_path / "mine.zip").write_bytes(zip_of(maps))
    for place in (tmp_path / "mine.zip", write_maps(tmp_path / "mine", maps)):
        data = world.load(saliency=place, labels=labels, split="train")
        assert data["image_id"][:] == ["a", "b"]
        assert str(data.split) == "train"
        pixels = np.asarray(data[1]["saliency"])
        assert np.array_equal(pixels, pixels_of(maps["b"]))
    assert world.requests() == []


def test_a_folder_of_other_than_8_bit_grey_is_imported(world: World, tmp_path: Path) -> None:
    def stored_as(data: bytes, mode: str, suffix: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(data)) as picture:
            picture.convert(mode).save(buffer, suffix)
        return buffer.getvalue()

    for mode in ("RGB", "P"):
        one = {**SALIENCY, IDS[2]: stored_as(SALIENCY[IDS[2]], mode)}
        data = world.load(saliency=write_maps(tmp_path / mode, one))
        assert [(row["saliency"].mode, np.asarray(row["saliency"]).tolist()) for row in data] == [
            ("L", pixels_of(SALIENCY[image_id]).tolist()) for image_id in IDS
        ]
        assert f"{IDS[2]}.png is no 8-bit grey picture: importing" in world.told.text
    deep = {**SALIENCY, IDS[0]: stored_as(SALIENCY[IDS[0]], "I;16")}
    rows = list(world.load(saliency=write_maps(tmp_path / "deep", deep)))
    assert [row["saliency"] is None for row in rows] == [True, *[False] * 5]
    maps = {f"{IDS[0]}_0": stored_as(ACTIVATION[f"{IDS[0]}_0"], "RGB")}
    row = world.load(activation=write_maps(tmp_path / "activation", maps))[0]
    assert [one["map"].mode for one in row["activation"]] == ["L"]


def test_a_folder_of_grey_bitmaps_is_read_where_it_is(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with Image.open(io.BytesIO(SALIENCY[IDS[0]])) as picture:
        picture.save(tmp_path / "mine" / f"{IDS[0]}.bmp")
    row = world.load(saliency=tmp_path / "mine")[0]
    assert np.array_equal(np.asarray(row["saliency"]), pixels_of(SALIENCY[IDS[0]]))
    assert "importing" not in world.told.text
    (tmp_path / "mine" / f"{IDS[1]}.bmp").write_bytes(b"no picture")
    assert world.load(saliency=tmp_path / "mine")[1]["saliency"] is None


@pytest.mark.parametrize("pack", [False, True])
def test_classes_are_read_from_names_as_everywhere(
    world: World, tmp_path: Path, pack: bool
) -> None:
    def place(name: str, more: dict[str, bytes]) -> Path:
        maps = {**ACTIVATION, **more}
        if not pack:
            return write_maps(tmp_path / name, maps)
        (tmp_path / f"{name}.zip").write_bytes(zip_of(maps))
        return tmp_path / f"{name}.zip"

    others = {
        f"{IDS[0]}_014": draw("x"),
        f"{IDS[0]}_{'9' * 5000 if pack else '9' * 200}": draw("y"),
    }
    data = world.load(activation=place("same", others))
    assert decoded(data) == [
        {name: value for name, value in row.items() if name != "saliency"}
        for row in expected_rows()
    ]
    for index in (20, 200, 999):
        with pytest.raises(DataError, match=rf"{IDS[0]}_{index} .* classes 0\.\.19"):
            world.load(activation=place(f"beyond{index}", {f"{IDS[0]}_{index}": draw("x")}))


@pytest.mark.parametrize("split", ["Train Aug", "a/b c", "../x", "", "Train", "train\n", "x" * 65])
@pytest.mark.parametrize("where", ["folder", "zip", "set"])
def test_what_can_be_no_split_is_refused_at_once(
    world: World, tmp_path: Path, where: str, split: str
) -> None:
    place = write_maps(tmp_path / "mine", SALIENCY)
    if where == "zip":
        (tmp_path / "mine.zip").write_bytes(zip_of(SALIENCY))
        place = tmp_path / "mine.zip"
    with pytest.raises(UsageError, match="can be no split's name"):
        world.load(saliency="vst_duts" if where == "set" else place, labels=LABELS, split=split)
    assert world.requests() == []
    assert not (cache_folder() / "sets").exists()


def test_without_the_package_nothing_is_fetched(world: World) -> None:
    world.patches.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"wsss-assets\[hub\]"):
        world.load(saliency="vst_duts", source="hub", revision="main")
    assert world.requests() == []


def test_a_source_in_the_home_folder(world: World, tmp_path: Path) -> None:
    world.patches.setenv("HOME", str(tmp_path))
    mine = saliency_maps(salt="mine")
    write_maps(tmp_path / "mine", mine)
    for source in ("~/mine", Path("~/mine")):
        assert stored(world.load(saliency="vst_duts", source=source)) == mine


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("source", ["nowhere", "~/VOC2012_VST_DUTS.zip", "upstraem", ""])
def test_a_source_that_is_not_there_is_an_error_that_names_it(
    world: World, tmp_path: Path, source: str, streaming: bool
) -> None:
    world.patches.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingFileError, match=f"no file or folder '{source}'"):
        world.load(saliency="vst_duts", source=source, streaming=streaming)
    assert world.requests() == []


# Streams.


@pytest.fixture
def many(world: World) -> World:
    """600 images: three row groups, the saliency maps in three shards."""
    tiny = functools.lru_cache(lambda index: draw(f"tiny {index}", (2, 3)))
    saliency = {one: tiny(number % 97) for number, one in enumerate(MANY)}
    activation = {f"{one}_{classes[0]}": tiny(classes[0]) for one, classes in MANY.items()}
    with world.patches.context() as patches:
        small = functools.partial(write_shards, largest=20_000)
        patches.setattr(packing, "write_shards", small)
        staging = stage(world.folder / "many", {VST: saliency}, MANY)
    stage(staging, {CAM: activation}, MANY)
    commit = commit_staged(world.hub, staging)
    use_records(world.patches, pinned_records(world.hub, commit))
    world.hub.clear_log()
    return world


BOTH = {"saliency": "vst_duts", "activation": "cam"}


def test_a_stream_gives_the_same_rows_from_the_hub_and_from_here(many: World) -> None:
    remote = many.load(**BOTH, streaming=True)
    assert type(remote) is datasets.IterableDataset
    rows = decoded(remote)
    assert not list(hub_cache().rglob("*.parquet"))
    whole = many.load(**BOTH)
    assert rows == decoded(whole)
    assert [row["image_id"] for row in rows] == list(MANY)
    assert remote.features == whole.features == FEATURES
    assert remote.column_names == whole.column_names
    assert str(remote.split) == SPLIT
    many.hub.clear_log()
    assert decoded(many.load(**BOTH, streaming=True)) == rows
    assert many.requests() == []


def test_a_stream_reads_parts_and_keeps_nothing(many: World) -> None:
    stream = many.load(**BOTH, streaming=True)
    assert next(iter(stream))["image_id"] == next(iter(MANY))
    asked = many.hub.gets(PARQUET, "cdn")
    assert asked
    assert all(one.range for one in asked)
    assert all(many.commit not in one.path for one in asked)
    assert not list(hub_cache().rglob("*.parquet"))
    blobs = [path for path in hub_cache().rglob("blobs/*") if path.is_file()]
    assert sum(path.stat().st_size for path in blobs) == len(list_text(MANY))


def test_workers_and_nodes_share_the_row_groups(many: World) -> None:
    stream = many.load(**BOTH, streaming=True)
    assert stream.num_shards == 3
    for nodes in (2, 3, 4):
        shares = [
            [row["image_id"] for row in split_dataset_by_node(stream, rank, nodes)]
            for rank in range(nodes)
        ]
        assert sorted(one for share in shares for one in share) == list(MANY)
    groups = [[row["image_id"] for row in stream.shard(3, index)] for index in range(3)]
    assert groups == [list(MANY)[:256], list(MANY)[256:512], list(MANY)[512:]]


def test_workers_of_a_loader_share_a_stream(many: World) -> None:
    torch = pytest.importorskip("torch")
    for held in (False, True):
        if held:
            download(VST, feedback=Told())
        stream = many.load(saliency="vst_duts", streaming=True)
        loader = torch.utils.data.DataLoader(
            stream, batch_size=None, num_workers=2, multiprocessing_context="fork"
        )
        rows = {row["image_id"]: np.asarray(row["saliency"]).tolist() for row in loader}
        assert sorted(rows) == list(MANY)
        for number, one in enumerate(MANY):
            assert rows[one] == pixels_of(draw(f"tiny {number % 97}", (2, 3))).tolist()


def test_a_stream_skips_takes_shuffles_and_goes_on(many: World) -> None:
    stream = many.load(saliency="vst_duts", streaming=True)
    ids = list(MANY)
    assert [row["image_id"] for row in stream.skip(300).take(5)] == ids[300:305]
    shuffled = [row["image_id"] for row in stream.shuffle(seed=1, buffer_size=50)]
    assert shuffled != ids
    assert sorted(shuffled) == ids
    rows = iter(stream)
    for _ in range(270):
        next(rows)
    state = stream.state_dict()
    again = many.load(saliency="vst_duts", streaming=True)
    again.load_state_dict(state)
    assert [row["image_id"] for row in again] == ids[270:]


@pytest.mark.parametrize("chosen", [slice(590, 600), slice(10, 600, 100), slice(255, 257)])
def test_a_stream_of_some_images_reads_the_groups_they_are_in(many: World, chosen: slice) -> None:
    labels = dict(list(MANY.items())[chosen])
    stream = many.load(**BOTH, labels=labels, streaming=True)
    rows = decoded(stream)
    assert [row["image_id"] for row in rows] == list(labels)
    assert stream.num_shards == len({number // 256 for number in range(600)[chosen]})
    assert rows == decoded(many.load(**BOTH, labels=labels))


@pytest.mark.parametrize("fault", [status(503), rst(200), status(500), status(429)])
def test_a_stream_survives_faults(world: World, fault: Fault) -> None:
    world.hub.fault("/lfs/", fault, times=2)
    assert decoded(world.load(**BOTH, streaming=True)) == expected_rows()


def shard_on_the_hub(world: World, set_id: str) -> bytes:
    (data,) = (
        data
        for path, data in world.hub.repo(REPO).files().items()
        if path.startswith(f"{set_id}/") and path.endswith(".parquet")
    )
    return data


def place_in_shard(world: World, wanted: str) -> int:
    """The offset of a byte in the shard of saliency maps."""
    data = shard_on_the_hub(world, VST)
    return {
        "pixels": data.find(SALIENCY[IDS[3]]) + 45,
        "last map": data.find(SALIENCY[IDS[5]]) + 50,
        "image id": data.find(IDS[2].encode()) + 5,
        "name of a picture": data.find(f"{IDS[2]}.png".encode()) + 5,
        "last bytes": len(data) - 2,
        "length of the footer": len(data) - 8,
    }[wanted]


@pytest.mark.parametrize(
    "wanted",
    [
        "pixels",
        "last map",
        "image id",
        "name of a picture",
        "last bytes",
        "length of the footer",
    ],
)
def test_a_flipped_byte_on_the_way_is_an_error_and_no_wrong_row(world: World, wanted: str) -> None:
    world.hub.fault(f"/lfs/.*{VST}", corrupt(place_in_shard(world, wanted)), times=None)
    rows = []

    def load() -> None:
        for row in world.load(saliency="vst_duts", streaming=True):
            rows.extend(decoded([row]))

    with pytest.raises(DataError, match=VST):
        load()
    names = ("image_id", "labels", "saliency")
    right = [{name: row[name] for name in names} for row in expected_rows()]
    assert rows == right[: len(rows)]


def flipped_footers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Shards with one bit of the footer flipped, and what pyarrow makes of them."""
    footer = int.from_bytes(data[-8:-4], "little")
    for offset in range(len(data) - 8 - footer, len(data) - 8):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[offset] ^= 1 << bit
            try:
                file = parquet.ParquetFile(
                    io.BytesIO(flipped), page_checksum_verification=True, pre_buffer=False
                )
                rows = file.read_row_group(0).num_rows
            except Exception as error:  # noqa: BLE001 (whatever it raises)
                yield type(error).__name__, bytes(flipped)
            else:
                yield f"{rows} rows", bytes(flipped)


@pytest.mark.parametrize("kind", ["saliency", "activation"])
def test_a_wrong_footer_is_an_error_and_no_row_is_lost(world: World, kind: str) -> None:
    set_id = {"saliency": VST, "activation": CAM}[kind]
    data = shard_on_the_hub(world, set_id)
    damaged = dict(flipped_footers(data))  # one for each of what may happen
    assert len(damaged) > 3
    for what, flipped in damaged.items():
        world.hub.repo(REPO).objects[hashlib.sha256(data).hexdigest()] = flipped
        HfFileSystem.clear_instance_cache()
        try:
            rows = list(world.load(streaming=True, **{kind: set_id}))
        except DataError:
            continue
        assert [row["image_id"] for row in rows] == IDS, what
        assert decoded(rows) == [
            {name: row[name] for name in ("image_id", "labels", kind)} for row in expected_rows()
        ], what


def test_a_set_that_is_not_on_the_hub_is_imported_before_it_is_streamed(world: World) -> None:
    maps = saliency_maps(salt="archive")
    world.files.add("sal_maps/VOC2012_VST_DUTS.zip", zip_of(maps))
    stream = world.load(saliency="vst_duts", source="upstream", streaming=True)
    assert [np.asarray(row["saliency"]).tolist() for row in stream] == [
        pixels_of(maps[one]).tolist() for one in IDS
    ]
    assert world.hub.requests == []


# Without this package.


@pytest.fixture
def released(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a repository that `publish` made."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    staging = stage(tmp_path / "staging", {VST: SALIENCY, CAM: ACTIVATION})
    publish(staging, "me/maps", "v1.0.0", sleep=lambda _: None)
    hub.clear_log()
    return "me/maps"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_published_repository_loads_without_this_package(released: str, streaming: bool) -> None:
    def load(name: str) -> Iterable[dict[str, Any]]:
        found: Iterable[dict[str, Any]] = datasets.load_dataset(
            released, name, split=SPLIT, revision="v1.0.0", streaming=streaming
        )
        return found

    saliency, activation = load("voc2012-saliency-vst_duts"), load("voc2012-activation-cam")
    assert [row["image_id"] for row in saliency] == IDS
    assert [row["image_id"] for row in activation] == IDS
    for row, expected in zip(saliency, expected_rows(), strict=True):
        assert decoded([{"map": row["map"]}]) == [{"map": expected["saliency"]}]
    for row, expected in zip(activation, expected_rows(), strict=True):
        assert row["classes"] == expected["labels"]
        assert decoded([{"maps": row["maps"]}]) == [{"maps": expected["activation"]}]


def test_a_published_repository_lists_its_sets(released: str) -> None:
    names = datasets.get_dataset_config_names(released, revision="v1.0.0")
    assert sorted(names) == ["voc2012-activation-cam", "voc2012-saliency-vst_duts"]


def test_a_published_repository_loads_with_this_package(released: str) -> None:
    data = load_dataset(
        "wsss-bed",
        saliency="vst_duts",
        activation="cam",
        repo_id=released,
        revision="v1.0.0",
        feedback=Told(),
    )
    assert decoded(data) == expected_rows()


def test_without_the_list_python_is_told_of_its_own_argument(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    go_offline(monkeypatch)
    with pytest.raises(FetchError, match=r"pass a list with labels=$"):
        world.load(saliency=str(tmp_path / "own"))
