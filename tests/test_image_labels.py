from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voc_folder import ADDED, TRAIN, VAL, make_voc, write_list, write_xml
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import (
    ImageLabels,
    fetch_label_list,
    format_label_list,
    labels_from_devkit,
    labels_from_instances,
    read_ids,
    read_label_list,
    resolve_labels,
    write_label_list,
)
from wsss_assets.errors import (
    FetchError,
    ImageFormatError,
    ListFormatError,
    MissingFileError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.storage.image_ids import check_image_id
from wsss_assets.storage.images import write_label

VOC = get_benchmark("voc2012")
COCO = get_benchmark("coco2014")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# Label lists.


@pytest.mark.parametrize(
    "text",
    [
        "a 0 14\nb\nc 19\n",
        "a 0 14 \nb \nc 19 ",
        "a 0 14\r\nb\r\nc 19\r\n",
        BOM + "a 0 14\nb\nc 19",
        "a\t0  14\nb\nc 19\n\n \r\n\n",
        "a 14 0\nb\nc 19\n",
    ],
    ids=["plain", "trailing blanks", "windows", "byte-order mark", "blank end", "unsorted"],
)
def test_a_label_list_is_read_however_it_was_saved(listed: Path, text: str) -> None:
    labels = read_label_list(put(listed, text), VOC)
    assert list(labels.items()) == [("a", (0, 14)), ("b", ()), ("c", (19,))]
    assert labels.source == "label list list.txt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 0\nb 1\na 2\n", r":3: a is there twice.*line 1"),
        ("a 0\nb 1 2 1\n", r":2: a class is named twice"),
        ("a 0\nb 20\n", r":2: voc2012 has no class 20; expected 0\.\.19"),
        ("a -1\n", r":1: '-1' is no class"),
        ("a 1.0\n", r":1: '1\.0' is no class"),
        ("a 0,14\n", r":1: '0,14' is no class"),
        ("a \N{FULLWIDTH DIGIT ONE}\n", r":1: '\\uff11' is no class"),
        ("a 99999999999999999999\n", r":1: '9+' is no class"),
        ("a 0\n\nb 1\n", r":2: a blank line"),
        ("../a 0\n", r":1: this is no image id"),
        ("a/b 0\n", r":1: this is no image id"),
        ("C:a 0\n", r":1: this is no image id"),
        ("a\x07 0\n", r":1: this is no image id"),
        ("a\x00 0\n", r":1: this is no image id"),
        (".a 0\n", r":1: this is no image id"),
        ("", "names no image"),
        (" \n\n", "names no image"),
    ],
)
def test_a_malformed_label_list_is_refused_with_its_line(
    listed: Path, text: str, message: str
) -> None:
    with pytest.raises(ListFormatError, match=message) as caught:
        read_label_list(put(listed, text), VOC)
    assert "list.txt" in str(caught.value)


def test_a_list_that_is_no_text_or_not_there(listed: Path, tmp_path: Path) -> None:
    listed.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(ListFormatError, match="no text"):
        read_label_list(listed, VOC)
    with pytest.raises(MissingFileError, match="absent"):
        read_label_list(tmp_path / "absent.txt", VOC)
    with pytest.raises(MissingFileError, match="a folder"):
        read_label_list(tmp_path, VOC)


def test_a_label_list_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a 3\n")))
    labels = read_label_list(Path("-"), VOC)
    assert dict(labels) == {"a": (3,)}
    assert labels.source == "label list standard input"


_ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,20}", fullmatch=True)
_classes = st.sets(st.integers(0, 19)).map(lambda found: tuple(sorted(found)))


@given(st.dictionaries(_ids, _classes, min_size=1))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, tuple[int, ...]]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    write_label_list(path, entries)
    assert list(read_label_list(path, VOC).items()) == list(entries.items())


def test_labels_are_equal_whatever_their_source_and_cannot_be_changed() -> None:
    labels = ImageLabels({"a": (0,)}, "masks")
    assert labels == ImageLabels({"a": (0,)}, "XML")
    assert labels != ImageLabels({"a": (1,)}, "masks")
    with pytest.raises(AttributeError):
        labels.source = "other"  # type: ignore[misc]


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\u202ea", 'a"', "a\\b", "..", "x" * 201])
def test_what_can_be_no_file_name_is_no_image_id(text: str) -> None:
    with pytest.raises(ListFormatError, match=r"here:7: this is no image id"):
        check_image_id(text, "here:7")
    assert check_image_id("COCO_val2014_000000000042", "here:7")


# Id lists.


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\n",
        "a 0 14\nb 3\n",
        "/JPEGImages/a.jpg /SegmentationClassAug/a.png\n/JPEGImages/b.jpg /x/b.png\n",
        "a.jpg\nb.JPG\n",
        "a -1\nb  1\n",
    ],
    ids=["plain", "label list", "devkit pairs", "file names", "presence"],
)
def test_ids_are_read_from_every_common_form(listed: Path, text: str) -> None:
    assert read_ids(put(listed, text)) == ("a", "b")


def test_ids_may_hold_spaces(listed: Path) -> None:
    text = "my photo.jpg\na  b\nphoto 1.webp\nDSC 0012\n  photos/my other.png \nc\n"
    expected = ("my photo", "a  b", "photo 1", "DSC 0012", "my other", "c")
    assert read_ids(put(listed, text)) == expected


def test_names_that_look_like_a_label_list_need_a_suffix(listed: Path) -> None:
    with pytest.raises(ListFormatError, match=r"photo is there twice(.|\n)*with its suffix"):
        read_ids(put(listed, "photo 1\nphoto 2\n"))
    assert read_ids(put(listed, "photo 1.jpg\nphoto 2\n")) == ("photo 1", "photo 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\na\n", ":2: a is there twice"),
        ("/J/a.jpg /S/b.png\n", ":1: the line pairs different images"),
        ("/J/../a.jpg\n", ":1: this is no image id"),
        ("/J/..\n", ":1: this is no image id"),
        ("a\n\nb\n", ":2: a blank line"),
        ("\n", "names no image"),
    ],
)
def test_a_malformed_id_list_is_refused(listed: Path, text: str, message: str) -> None:
    with pytest.raises(ListFormatError, match=message):
        read_ids(put(listed, text))


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


def test_labels_from_xml_count_difficult_objects_but_no_parts(tmp_path: Path) -> None:
    root = make_voc(tmp_path)
    write_xml(
        root,
        "2009_000001",
        "<object><name>sofa</name><difficult>1</difficult></object>"
        "<object><name>person</name><part><name>head</name></part></object>"
        "<object><name> sofa </name></object>",
    )
    write_xml(root, "2009_000002", "")
    labels = labels_from_devkit(root, VOC, "val", "xml")
    assert dict(labels) == {"2009_000001": (14, 17), "2009_000002": ()}
    assert labels.source == "XML annotations"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB.encode(), "document type"),
        (BOMB.encode("utf-16"), "document type"),
        (b"<annotation><object>", "no VOC annotation"),
        (b"", "no VOC annotation"),
        (b'<?xml version="1.0" encoding="no-such"?><annotation/>', "no VOC annotation"),
        (b"<annotation><object><name>head</name></object></annotation>", "'head'"),
        (b"<annotation><object/></annotation>", "found ''"),
    ],
)
def test_a_bad_annotation_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    root = make_voc(tmp_path)
    (root / "Annotations" / "2009_000002.xml").write_bytes(data)
    with pytest.raises(ListFormatError, match=message) as caught:
        labels_from_devkit(root, VOC, "val", "xml")
    assert "2009_000002.xml" in str(caught.value)


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


def test_a_mask_with_a_value_that_is_no_class(tmp_path: Path) -> None:
    root = make_voc(tmp_path)
    mask = np.array([[0, 21, 254, 255]], dtype=np.uint8)
    write_label(root / "SegmentationClass" / "2009_000001.png", mask, 21)
    with pytest.raises(ImageFormatError, match="found 21, 254"):
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
    (tmp_path / "lists" / "voc2012").mkdir(parents=True, exist_ok=True)
    (tmp_path / "lists" / "voc2012" / "val_cls.txt").write_text(text, encoding="utf-8")
    labels = resolve_labels(published, "val")
    assert labels == {"2007_000032": (0, 14)}
    assert labels.source == f"upstream list (sha256 {split.list_sha256})"
    with pytest.raises(UsageError, match="mini train"):
        fetch_label_list(get_benchmark("mini"), "train")


def test_the_text_of_a_list_is_plain() -> None:
    assert format_label_list({"a": (0, 14), "b": ()}) == "a 0 14\nb\n"
