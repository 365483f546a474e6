from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wsss_assets.errors import ListFormatError
from wsss_assets.storage.image_ids import check_image_id, read_ids

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


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
