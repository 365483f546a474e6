from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    activation_maps,
    draw,
    list_text,
    pixels_of,
    saliency_maps,
    tree,
    write_maps,
    zip_of,
)
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import (
    DataError,
    FolderInUseError,
    MissingFileError,
    RecordError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.map_sets import packing
from wsss_assets.publish.pack import check_staged, describe, pack, read_staged
from wsss_assets.storage.shards import write_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsss_assets.catalog.records import MapSet, SplitShards

IDS = list(LABELS)
OWN = describe("voc2012/saliency/own", maker="Our model")
SHARD = f"{SPLIT}-00000-of-00001.parquet"


def pack_train(maps: Path | str, record: MapSet, staging: Path, **options: Any) -> SplitShards:  # noqa: ANN401
    settings = {"labels": ImageLabels(LABELS, "a test"), **options}
    return pack(maps, record, staging, split=SPLIT, **settings)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A shard as pyarrow alone reads it."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest_of(staging: Path) -> dict[str, Any]:
    """The manifest, its seal broken and found right."""
    text = (staging / "manifest.json").read_text("utf-8")
    manifest: dict[str, Any] = json.loads(text)
    assert text == json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    unsealed = json.dumps({**manifest, "sha256": ""}, indent=2, ensure_ascii=False) + "\n"
    assert manifest["sha256"] == sha256(unsealed.encode())
    return manifest


# What a staging folder holds.


def test_saliency_maps_become_one_row_per_image(tmp_path: Path) -> None:
    found = saliency_maps(IDS[1:])
    damaged = found[IDS[3]][:-20]
    maps = write_maps(tmp_path / "maps", {**found, IDS[3]: damaged, "stranger": draw("stranger")})
    content = pack_train(maps, OWN, tmp_path / "staging")

    assert set(tree(tmp_path / "staging")) == {
        "manifest.json",
        f"voc2012/labels/{SPLIT}.txt",
        f"voc2012/saliency/own/{SHARD}",
    }
    rows = rows_of(tmp_path / "staging" / OWN.id / SHARD)
    assert [row["image_id"] for row in rows] == IDS
    assert [row["image_id"] for row in rows if row["map"] is None] == [IDS[0], IDS[3]]
    for row in rows:
        if row["map"] is not None:
            stored = pixels_of(row["map"]["bytes"])
            np.testing.assert_array_equal(stored, pixels_of(draw(row["image_id"])))
            assert row["map"]["path"] == f"{row['image_id']}.png"

    assert (content.rows, content.maps) == (6, 4)
    holes = [(hole.image_id, hole.class_id) for hole in content.holes]
    assert holes == [(IDS[0], None), (IDS[3], None)]
    assert content.holes[0].reason == "not in the source"
    assert "damaged" in content.holes[1].reason


def test_activation_maps_become_lists_by_class(tmp_path: Path) -> None:
    found = activation_maps()
    del found["2007_000032_14"]
    more = {stem: draw(stem) for stem in ("2007_000032_2", "2007_000039")}
    maps = write_maps(tmp_path / "maps", {**found, **more})
    labels = ImageLabels({**LABELS, "b": ()}, "a test")
    content = pack_train(maps, describe(CAM), tmp_path / "staging", labels=labels)

    rows = rows_of(tmp_path / "staging" / CAM / SHARD)
    expected = {one: list(classes) for one, classes in LABELS.items()}
    assert {row["image_id"]: row["classes"] for row in rows} == {
        **expected,
        "2007_000032": [0, 2],
        "b": [],
    }
    for row in rows:
        assert [one["class_id"] for one in row["maps"]] == row["classes"]
        for one in row["maps"]:
            stem = f"{row['image_id']}_{one['class_id']}"
            np.testing.assert_array_equal(pixels_of(one["map"]["bytes"]), pixels_of(draw(stem)))
            assert one["map"]["path"] == f"{stem}.png"
    assert (content.rows, content.maps) == (7, sum(map(len, expected.values())))
    assert [(hole.image_id, hole.class_id) for hole in content.holes] == [("2007_000032", 14)]


def test_the_manifest_says_what_was_packed(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    pack_train(write_maps(tmp_path / "saliency", saliency_maps()), describe(VST), staging)
    pack_train(write_maps(tmp_path / "activation", activation_maps()), describe(CAM), staging)

    manifest = manifest_of(staging)
    assert (manifest["format"], manifest["version"]) == (1, "unreleased")
    assert [one["record"]["id"] for one in manifest["sets"]] == [CAM, VST]
    listed = list_text(LABELS).encode()
    assert (staging / f"voc2012/labels/{SPLIT}.txt").read_bytes() == listed
    assert manifest["lists"] == {
        f"voc2012/{SPLIT}": {
            "path": f"voc2012/labels/{SPLIT}.txt",
            "size": len(listed),
            "sha256": sha256(listed),
            "images": 6,
        }
    }
    maps = {
        VST: [(image_id, "", image_id) for image_id in IDS],
        CAM: [(one, str(c), f"{one}_{c}") for one, own in LABELS.items() for c in own],
    }
    for one in manifest["sets"]:
        set_id = one["record"]["id"]
        content = one["splits"].pop(SPLIT)
        assert one["splits"] == {}
        assert one["record"]["splits"] == {SPLIT: 6}
        assert one["record"]["published"] is None
        data = (staging / set_id / SHARD).read_bytes()
        assert content["files"] == [
            {"path": f"{set_id}/{SHARD}", "size": len(data), "sha256": sha256(data)}
        ]
        assert content["ids_sha256"] == sha256("".join(f"{i}\n" for i in IDS).encode())
        digest = hashlib.sha256()
        for image_id, index, stem in maps[set_id]:
            digest.update(f"{image_id}\t{index}\t6x8\n".encode())
            digest.update(pixels_of(draw(stem)).tobytes())
        assert content["pixels_sha256"] == digest.hexdigest()
    check_staged(staging, read_staged(staging))


def stored_maps(staging: Path) -> dict[str, bytes]:
    """PNG bytes of the own set."""
    rows = rows_of(staging / OWN.id / SHARD)
    return {row["image_id"]: row["map"]["bytes"] for row in rows if row["map"]}


def test_recoding_changes_no_pixel(tmp_path: Path) -> None:
    pictures = {one: pixels_of(data) for one, data in saliency_maps(IDS[:3]).items()}
    write_maps(tmp_path / "maps", saliency_maps(IDS[:3]))
    pictures[IDS[3]] = pixels_of(draw("colours"))
    colours = np.stack([pictures[IDS[3]]] * 3, axis=-1)
    Image.fromarray(colours).save(tmp_path / "maps" / f"{IDS[3]}.png")

    recoded = pack_train(tmp_path / "maps", OWN, tmp_path / "recoded")
    kept = pack_train(tmp_path / "maps", OWN, tmp_path / "kept", recode=False)
    assert (recoded.maps, recoded.holes) == (kept.maps, kept.holes)
    assert kept.maps == 4
    assert kept.pixels_sha256 is None
    assert "authors' bytes" in kept.encoding

    before, after = stored_maps(tmp_path / "kept"), stored_maps(tmp_path / "recoded")
    assert before.keys() == after.keys() == pictures.keys()
    for image_id, pixels in pictures.items():
        np.testing.assert_array_equal(pixels_of(before[image_id]), pixels)
        np.testing.assert_array_equal(pixels_of(after[image_id]), pixels)
    for image_id in IDS[:3]:
        assert before[image_id] == draw(image_id)


def test_recoding_stores_the_smaller_file(tmp_path: Path) -> None:
    wide = np.add.outer(np.arange(60), 2 * np.arange(80)).astype(np.uint8)
    narrow = np.add.outer(np.arange(46), 3 * np.arange(10)).astype(np.uint8)
    (tmp_path / "maps").mkdir()
    for image_id, pixels in zip(IDS, (wide, narrow, pixels_of(draw("noise"))), strict=False):
        Image.fromarray(pixels).save(tmp_path / "maps" / f"{image_id}.png", optimize=True)
    pack_train(tmp_path / "maps", OWN, tmp_path / "staging")
    sizes = {one: len(data) for one, data in stored_maps(tmp_path / "staging").items()}
    before = {one: (tmp_path / "maps" / f"{one}.png").stat().st_size for one in sizes}
    assert len(sizes) == 3
    larger = {one: (size, before[one]) for one, size in sizes.items() if size > before[one]}
    assert not larger, "(stored, given) bytes"


@pytest.mark.parametrize("recode", [True, False])
def test_the_same_maps_give_the_same_bytes(tmp_path: Path, recode: bool) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())
    trees = []
    for number, workers in enumerate((1, 2, None)):
        staging = tmp_path / str(number)
        pack_train(maps, OWN, staging, recode=recode, workers=workers)
        trees.append(tree(staging))
    assert trees[0] == trees[1] == trees[2]
    pack_train(maps, OWN, tmp_path / "0", recode=recode)
    assert tree(tmp_path / "0") == trees[0]


def test_a_zip_and_an_address_give_what_the_folder_gives(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())
    (tmp_path / "maps.zip").write_bytes(zip_of(saliency_maps()))
    pack_train(maps, OWN, tmp_path / "folder")
    pack_train(tmp_path / "maps.zip", OWN, tmp_path / "zip")
    pack_train(maps.as_uri(), OWN, tmp_path / "url")
    assert tree(tmp_path / "folder") == tree(tmp_path / "zip") == tree(tmp_path / "url")


# Several sets and splits in one folder.


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(dict(reversed(LABELS.items())), id="order"),
        pytest.param({one: LABELS[one] for one in IDS[:-1]}, id="fewer"),
        pytest.param({**LABELS, IDS[0]: (0, 13)}, id="classes"),
    ],
)
def test_a_split_has_one_list(tmp_path: Path, other: dict[str, tuple[int, ...]]) -> None:
    staging = tmp_path / "staging"
    maps = write_maps(tmp_path / "maps", {**saliency_maps(), **activation_maps()})
    pack_train(maps, OWN, staging)
    before = tree(staging)
    with pytest.raises(FolderInUseError, match=OWN.id):
        pack_train(maps, describe(CAM), staging, labels=ImageLabels(other, "other"))
    assert tree(staging) == before
    pack(maps, OWN, staging, split="val", labels=ImageLabels(other, "other"))
    assert set(manifest_of(staging)["lists"]) == {f"voc2012/{SPLIT}", "voc2012/val"}


def test_the_advice_for_another_list_names_options_that_pack_has(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())
    pack_train(maps, OWN, tmp_path / "staging")
    with pytest.raises(FolderInUseError) as caught:
        pack_train(maps, OWN, tmp_path / "staging", labels=ImageLabels({IDS[0]: (0,)}, "other"))
    assert "--staging" in str(caught.value)
    assert "--out" not in str(caught.value)


def test_a_set_may_have_several_splits(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())
    one = ImageLabels({IDS[0]: LABELS[IDS[0]]}, "a test")
    pack(maps, OWN, tmp_path / "staging", split="val", labels=one)
    pack_train(maps, OWN, tmp_path / "staging")
    (packed,) = manifest_of(tmp_path / "staging")["sets"]
    assert packed["record"]["splits"] == {SPLIT: 6, "val": 1}
    assert set(packed["splits"]) == {SPLIT, "val"}
    check_staged(tmp_path / "staging", read_staged(tmp_path / "staging"))


def test_a_set_that_is_packed_again_leaves_no_old_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"2007_{number:06d}" for number in range(300)]
    maps = write_maps(tmp_path / "maps", dict.fromkeys(many, draw("all")))
    labels = ImageLabels(dict.fromkeys(many, (1,)), "a test")
    staging = tmp_path / "staging"
    with monkeypatch.context() as patch:
        patch.setattr(packing, "write_shards", partial(write_shards, largest=1))
        content = pack_train(maps, OWN, staging, labels=labels)
    shards = [f"{SPLIT}-00000-of-00002.parquet", f"{SPLIT}-00001-of-00002.parquet"]
    assert [file.path for file in content.files] == [f"{OWN.id}/{name}" for name in shards]
    assert [len(rows_of(staging / OWN.id / name)) for name in shards] == [256, 44]
    check_staged(staging, read_staged(staging))

    (staging / OWN.id / "val-00000-of-00001.parquet").write_bytes(b"of another split")
    pack_train(maps, OWN, staging, labels=labels)
    assert set(tree(staging / OWN.id)) == {SHARD, "val-00000-of-00001.parquet"}
    assert [row["image_id"] for row in rows_of(staging / OWN.id / SHARD)] == many
    check_staged(staging, read_staged(staging))


# Records.


def test_a_set_of_the_catalogue_keeps_its_record(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())
    pack_train(maps, describe(VST), tmp_path / "staging")
    (packed,) = manifest_of(tmp_path / "staging")["sets"]
    record = packed["record"]
    assert (record["upstream"], record["maker"]) == ("VOC2012_VST_DUTS", "vst")
    assert (record["supervision"], record["trained_on"]) == ("pixel_masks", ["duts"])
    with pytest.raises(UsageError, match="licence") as caught:
        describe(VST, licence="mine")
    assert "catalogue" in str(caught.value)


def test_a_set_of_one_s_own_has_the_record_that_is_given(tmp_path: Path) -> None:
    entry = "@article{me, title={Maps},}"
    record = describe(
        "voc2012/saliency/mine",
        maker="My model, trained on DUTS-TR",
        supervision="pixel_masks",
        licence="CC BY 4.0",
        citation=f"\n{entry}\n",
        note="Blurred.",
    )
    pack_train(write_maps(tmp_path / "maps", saliency_maps()), record, tmp_path / "staging")
    (packed,) = manifest_of(tmp_path / "staging")["sets"]
    known = {name: value for name, value in packed["record"].items() if value not in (None, [])}
    assert known == {
        "id": "voc2012/saliency/mine",
        "maker": "My model, trained on DUTS-TR",
        "supervision": "pixel_masks",
        "licence": "CC BY 4.0",
        "citations": [entry],
        "splits": {SPLIT: 6},
        "note": "Blurred.",
    }


@pytest.mark.parametrize(
    ("set_id", "said", "error", "match"),
    [
        ("voc2012/saliency/mine", {}, UsageError, "--made-by"),
        ("voc2012/saliency/Mine!", {"maker": "I"}, UsageError, "is no id"),
        ("voc2012/maps/mine", {"maker": "I"}, UsageError, "is no id"),
        ("mine", {"maker": "I"}, UsageError, "is no id"),
        ("voc2007/saliency/mine", {"maker": "I"}, UnknownNameError, "voc2012"),
        ("voc2012/saliency/mine", {"maker": "I", "supervision": "boxes"}, RecordError, "superv"),
        ("voc2012/saliency/mine", {"maker": ""}, RecordError, "maker"),
    ],
)
def test_what_makes_no_record_is_refused(
    set_id: str, said: dict[str, str], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        describe(set_id, **said)


# What cannot be packed, and what cannot be trusted.


def test_nothing_is_written_when_nothing_can_be_packed(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    with pytest.raises(DataError, match="the other kind"):
        pack_train(write_maps(tmp_path / "maps", activation_maps()), OWN, staging)
    with pytest.raises(MissingFileError, match="no folder"):
        pack_train(tmp_path / "nowhere", OWN, staging)
    with pytest.raises(DataError, match="not one map"):
        pack_train(write_maps(tmp_path / "empty", dict.fromkeys(IDS, b"")), OWN, staging)
    assert tree(staging) == {}


def test_damage_in_a_staging_folder_is_found(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    maps = write_maps(tmp_path / "maps", saliency_maps())
    pack_train(maps, OWN, staging)
    right = tree(staging)
    for name in right.keys() - {"manifest.json"}:
        flipped = bytearray(right[name])
        flipped[len(flipped) // 2] ^= 1
        for wrong in (bytes(flipped), right[name][:-1]):
            (staging / name).write_bytes(wrong)
            with pytest.raises(RecordError, match="not the file that was packed"):
                check_staged(staging, read_staged(staging))
        (staging / name).unlink()
        with pytest.raises(MissingFileError, match="pack the set again"):
            check_staged(staging, read_staged(staging))
        (staging / name).write_bytes(right[name])
    manifest = right["manifest.json"]
    for wrong in (manifest.replace(b"Our model", b"Our m0del"), manifest[:-3], b""):
        (staging / "manifest.json").write_bytes(wrong)
        with pytest.raises(RecordError, match="manifest"):
            read_staged(staging)
        with pytest.raises(RecordError, match="manifest"):
            pack_train(maps, OWN, staging)


# Stopped at every step.


class Stopped(BaseException):
    """As Ctrl-C is: no Exception."""


STEPS = ("mkdir", "open", "replace", "unlink", "write_bytes", "write_text")


class Saboteur:
    """Counts the steps that change a folder, and stops at one of them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, at: int | None = None) -> None:
        self.folder = folder
        self.at = at
        self.steps: list[str] = []
        for name in STEPS:
            patch.setattr(Path, name, self._watched(name, getattr(Path, name)))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Path, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            writes = name != "open" or set("wax") & set(str(arguments or options.get("mode")))
            if writes and path.is_relative_to(self.folder):
                self.steps.append(f"{name} {path.name}")
                if len(self.steps) - 1 == self.at:
                    raise Stopped(self.steps[-1])
            return function(path, *arguments, **options)

        return watched


def stopped_everywhere(
    make: Callable[[Path], object], prepare: Callable[[Path], object], home: Path
) -> Iterator[tuple[str, Path]]:
    """Each step of `make`, and the folder after it was stopped there; `home / "whole"` is right."""
    home.mkdir()
    prepare(home / "whole")
    with pytest.MonkeyPatch.context() as patch:
        watching = Saboteur(home / "whole", patch)
        make(home / "whole")
    for number, step in enumerate(watching.steps):
        folder = home / f"{number}"
        prepare(folder)
        with pytest.MonkeyPatch.context() as patch:
            Saboteur(folder, patch, number)
            with pytest.raises(Stopped):
                make(folder)
        yield step, folder


def test_stopped_anywhere_a_first_set_is_not_taken_for_packed(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", saliency_maps())

    def make(staging: Path) -> None:
        pack_train(maps, OWN, staging)

    stopped = list(stopped_everywhere(make, lambda _: None, tmp_path / "runs"))
    whole = tree(tmp_path / "runs" / "whole")
    assert len(stopped) > 5
    for step, staging in stopped:
        if (staging / "manifest.json").exists():
            assert tree(staging) == whole, step
        else:
            assert read_staged(staging).sets == (), step
        make(staging)
        assert tree(staging) == whole, step


def test_stopped_anywhere_what_was_packed_before_is_not_lost(tmp_path: Path) -> None:
    before = write_maps(tmp_path / "before", saliency_maps())
    after = write_maps(tmp_path / "after", saliency_maps(salt="other"))
    other = describe("voc2012/saliency/other", maker="Another")

    def prepare(staging: Path) -> None:
        pack_train(before, OWN, staging)
        pack_train(before, other, staging)

    def make(staging: Path) -> None:
        pack_train(after, OWN, staging)

    prepare(tmp_path / "old")
    old = tree(tmp_path / "old")
    stopped = list(stopped_everywhere(make, prepare, tmp_path / "runs"))
    new = tree(tmp_path / "runs" / "whole")
    assert old.keys() == new.keys()
    assert old != new
    for step, staging in stopped:
        found = tree(staging)
        assert found["manifest.json"] in (old["manifest.json"], new["manifest.json"]), step
        assert found[f"{other.id}/{SHARD}"] == old[f"{other.id}/{SHARD}"], step
        if found not in (old, new):
            with pytest.raises(RecordError, match="pack the set again"):
                check_staged(staging, read_staged(staging))
        make(staging)
        assert tree(staging) == new, step


def test_sets_packed_at_once_are_all_in_the_manifest(tmp_path: Path) -> None:
    ids = [f"voc2012/saliency/mine_{number}" for number in range(6)]
    maps = write_maps(tmp_path / "maps", saliency_maps())
    listed = ImageLabels(LABELS, "a test")

    def pack_one(set_id: str) -> None:
        pack(maps, describe(set_id, maker="me"), tmp_path / "staging", split="train", labels=listed)

    with ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(pack_one, ids))
    manifest = read_staged(tmp_path / "staging")
    assert [one.record.id for one in manifest.sets] == ids
    check_staged(tmp_path / "staging", manifest)
