from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.voc_folder import ADDED, TRAIN, VAL, make_voc, write_list
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.label_sources import (
    fetch_label_list,
    labels_from_devkit,
    labels_from_instances,
    resolve_labels,
)
from wsss_assets.errors import (
    FetchError,
    ListFormatError,
    MissingFileError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from pathlib import Path

VOC = get_benchmark("voc2012")
COCO = get_benchmark("coco2014")


# Devkits.


@pytest.mark.parametrize(
    ("split", "expected"), [("train", TRAIN), ("train_aug", TRAIN | ADDED), ("val", VAL)]
)
def test_labels_from_masks(
    tmp_path: Path, split: str, expected: dict[str, tuple[int, ...]]
) -> None:
    labels = labels_from_devkit(make_voc(tmp_path), VOC, split, workers=2)
    assert list(labels.items()) == list(expected.items())
    assert labels.source == f"masks of {VOC.layout.masks[split]}"


def test_masks_may_lie_elsewhere_and_ids_under_the_other_name(tmp_path: Path) -> None:
    root = make_voc(tmp_path / "kit")
    (root / "SegmentationClassAug").rename(tmp_path / "sbd")
    folder = root / "ImageSets" / "Segmentation"
    (folder / "train_aug.txt").rename(folder / "trainaug.txt")
    with pytest.raises(MissingFileError, match="SBD") as caught:
        labels_from_devkit(root, VOC, "train_aug")
    assert "818" in str(caught.value)
    labels = labels_from_devkit(root, VOC, "train_aug", masks=tmp_path / "sbd")
    assert labels == TRAIN | ADDED
    assert labels.source == "masks of sbd"


def test_a_devkit_that_lacks_something(tmp_path: Path) -> None:
    root = make_voc(tmp_path, xml=False)
    with pytest.raises(MissingFileError, match="Annotations"):
        labels_from_devkit(root, VOC, "val", "xml")
    with pytest.raises(UnknownNameError):
        labels_from_devkit(root, VOC, "test")
    with pytest.raises(UsageError, match="no XML"):
        labels_from_devkit(root, COCO, "val", "xml")
    write_list(root, "val.txt", {"2009_000001": (), "2009_000009": ()})
    with pytest.raises(MissingFileError, match=r"2009_000009\.png"):
        labels_from_devkit(root, VOC, "val")
    (root / "ImageSets" / "Segmentation" / "val.txt").unlink()
    with pytest.raises(MissingFileError, match=r"ImageSets/Segmentation/val\.txt"):
        labels_from_devkit(root, VOC, "val")


def test_a_benchmark_without_id_lists_takes_the_names_of_its_masks(tmp_path: Path) -> None:
    mask = np.array([[0, 80, 255]], dtype=np.uint8)
    write_label(tmp_path / "SegmentationClass" / "val2014" / "COCO_val2014_7.png", mask, 81)
    assert labels_from_devkit(tmp_path, COCO, "val") == {"COCO_val2014_7": (79,)}


# Instances files.


def instances(path: Path, images: int, annotated: int) -> Path:
    square = [[0, 0, 2, 0, 2, 2]]
    content = {
        "images": [
            {"id": number, "file_name": f"{number:03}.jpg", "height": 4, "width": 4}
            for number in range(images)
        ],
        "annotations": [
            {
                "id": 2 * number + crowd,
                "image_id": number,
                "category_id": 90 - crowd,
                "iscrowd": crowd,
                "segmentation": square,
            }
            for number in range(annotated)
            for crowd in (0, 1)
        ],
        "categories": [],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_labels_from_instances_leave_out_images_without_annotation(tmp_path: Path) -> None:
    path = instances(tmp_path / "instances.json", images=3, annotated=2)
    labels = labels_from_instances(path, COCO)
    assert list(labels.items()) == [("000", (78, 79)), ("001", (78, 79))]
    assert labels.source == "instances.json"
    assert labels_from_instances(path, COCO, "val") == labels
    with pytest.raises(UsageError):
        labels_from_instances(path, VOC)


def test_a_whole_instances_file_of_another_split_is_refused(tmp_path: Path) -> None:
    small = dataclasses.replace(
        COCO, splits={"val": dataclasses.replace(COCO.split("val"), images=2)}
    )
    right = instances(tmp_path / "right.json", images=3, annotated=2)
    assert len(labels_from_instances(right, small, "val")) == 2
    wrong = instances(tmp_path / "wrong.json", images=4, annotated=3)
    with pytest.raises(ListFormatError, match="expected 2 images with annotations; found 3, of 4"):
        labels_from_instances(wrong, small, "val")
    assert len(labels_from_instances(wrong, small)) == 3


# Which source.


def test_resolve_takes_the_source_that_is_given(tmp_path: Path) -> None:
    root = make_voc(tmp_path)
    listed = root / "ImageSets" / "Segmentation" / "val_cls.txt"
    assert resolve_labels(VOC, labels=listed) == VAL
    assert resolve_labels(VOC, "val", root=root) == VAL
    assert resolve_labels(VOC, "val", root=root, source="xml")["2009_000001"] == (14,)
    path = instances(tmp_path / "instances.json", 1, 1)
    assert len(resolve_labels(COCO, instances=path)) == 1
    with pytest.raises(UsageError, match="one source"):
        resolve_labels(VOC, "val", labels=listed, root=root)
    with pytest.raises(UsageError, match="which split"):
        resolve_labels(VOC, root=root)
    with pytest.raises(UsageError, match="root"):
        resolve_labels(VOC, "val", masks=root)


def test_the_published_list_comes_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "2007_000032 0 14 \n"
    split = dataclasses.replace(
        VOC.split("val"),
        list_url="http://127.0.0.1:1/val_cls.txt",
        list_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    published = dataclasses.replace(VOC, splits={"val": split})
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path))
    with pytest.raises(FetchError, match=r"voc2012/val_cls\.txt, or pass a list with --labels"):
        fetch_label_list(published, "val")
    with pytest.raises(FetchError, match=r"_cls\.txt, or do without$"):
        resolve_labels(published, "val", instead="do without")
    (tmp_path / "lists" / "voc2012").mkdir(parents=True, exist_ok=True)
    (tmp_path / "lists" / "voc2012" / "val_cls.txt").write_text(text, encoding="utf-8")
    labels = resolve_labels(published, "val")
    assert labels == {"2007_000032": (0, 14)}
    assert labels.source == f"upstream list (sha256 {split.list_sha256})"
    with pytest.raises(UsageError, match="mini train"):
        fetch_label_list(get_benchmark("mini"), "train")
