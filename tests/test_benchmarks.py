from __future__ import annotations

import dataclasses
import re

import pytest

from wsss_assets.benchmarks import Benchmark, Layout, get_benchmark, list_benchmarks
from wsss_assets.benchmarks.coco2014 import CATEGORY_IDS
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.storage.label_maps import label_palette


@pytest.fixture(params=list_benchmarks())
def benchmark_facts(request: pytest.FixtureRequest) -> Benchmark:
    return get_benchmark(request.param)


def test_the_registry_names_what_is_there() -> None:
    assert {"coco2014", "mini", "voc2012"} <= set(list_benchmarks())


def test_each_file_tells_its_own_name(benchmark_facts: Benchmark) -> None:
    assert get_benchmark(benchmark_facts.name) is benchmark_facts
    assert benchmark_facts.title
    assert benchmark_facts.note.endswith(".")


def test_classes_are_distinct_and_leave_room_for_the_ignore_label(
    benchmark_facts: Benchmark,
) -> None:
    names = benchmark_facts.label_names
    assert len(set(names)) == len(names) < 255
    assert names[0] == "background"
    palette = label_palette(len(names))
    colours = {palette[3 * index : 3 * index + 3] for index in (*range(len(names)), 255)}
    assert len(colours) == len(names) + 1


def test_every_split_has_its_place_in_the_layout(benchmark_facts: Benchmark) -> None:
    layout = benchmark_facts.layout
    for name, split in benchmark_facts.splits.items():
        assert split.name == name
        assert {name} <= set(layout.photos) & set(layout.masks)
        assert split.file_names
    named = {*layout.photos.values(), *layout.masks.values(), *layout.annotations.values()}
    assert set(layout.help) <= named | {layout.ids}
    assert not any(path.startswith("/") or ".." in path for path in named)


def test_lists_are_pinned_to_a_commit_and_a_digest(benchmark_facts: Benchmark) -> None:
    for split in benchmark_facts.splits.values():
        assert (split.list_url is None) == (split.list_sha256 is None)
        if split.list_url and split.list_sha256:
            assert re.fullmatch(r"https://\S+/[0-9a-f]{40}/\S+_cls\.txt", split.list_url)
            assert re.fullmatch(r"[0-9a-f]{64}", split.list_sha256)


def test_a_benchmark_cannot_be_changed(benchmark_facts: Benchmark) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        benchmark_facts.name = "other"  # type: ignore[misc]


def test_voc_facts() -> None:
    voc = get_benchmark("voc2012")
    assert len(voc.classes) == 20
    assert (voc.classes[0], voc.classes[14], voc.classes[19]) == (
        "aeroplane",
        "person",
        "tvmonitor",
    )
    assert list(voc.classes) == sorted(voc.classes)
    assert {name: split.images for name, split in voc.splits.items()} == {
        "train": 1464,
        "train_aug": 10582,
        "val": 1449,
    }
    assert voc.split("train_aug").file_names == ("train_aug", "trainaug")
    assert voc.layout.masks["train_aug"] == "SegmentationClassAug"


def test_coco_facts() -> None:
    coco = get_benchmark("coco2014")
    assert len(coco.classes) == len(CATEGORY_IDS) == 80
    assert list(CATEGORY_IDS) == sorted(set(CATEGORY_IDS))
    numbered = dict(zip(CATEGORY_IDS, coco.classes, strict=True))
    # Some pairs from COCO's own table, on both sides of each of its gaps.
    assert {number: numbered[number] for number in (1, 11, 13, 25, 27, 44, 46, 67, 70, 84, 90)} == {
        1: "person",
        11: "fire hydrant",
        13: "stop sign",
        25: "giraffe",
        27: "backpack",
        44: "bottle",
        46: "wine glass",
        67: "dining table",
        70: "toilet",
        84: "book",
        90: "toothbrush",
    }
    assert {name: split.images for name, split in coco.splits.items()} == {
        "train": 82081,
        "val": 40137,
    }


def test_unknown_names_offer_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean voc2012"):
        get_benchmark("voc2021")
    with pytest.raises(UnknownNameError, match="train_aug"):
        get_benchmark("voc2012").split("trainaug")


def test_more_classes_than_a_label_map_can_hold_are_refused() -> None:
    layout = Layout(photos={}, masks={})
    names = tuple(f"class {index}" for index in range(255))
    assert len(Benchmark("most", "most", names[:254], {}, layout).label_names) == 255
    with pytest.raises(UsageError, match="255 classes"):
        Benchmark("more", "more", names, {}, layout)
