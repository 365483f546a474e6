from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.instances_files import changed, content, save
from wsss_assets.devkit.instances import read_instances
from wsss_assets.errors import ListFormatError, MissingFileError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "instances_val2014.json", content())


def test_a_file_is_read_in_the_order_of_image_ids(source: Path) -> None:
    found = read_instances(source)
    assert [picture.image_id[-1] for picture in found.pictures] == ["1", "2", "3"]
    assert [len(picture.annotations) for picture in found.pictures] == [2, 1, 0]
    assert found.pictures[0].annotations[0].class_index == 79
    assert found.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no COCO instances file"),
        ({"images": [], "annotations": 3}, "no COCO instances file"),
        ({"annotations": []}, "KeyError: 'images'"),
        (changed(annotations__0__category_id=12), "annotation 11 of category 12"),
        (changed(annotations__0__category_id=[1]), "no COCO instances file"),
        (changed(annotations__0__image_id=7), "annotation 11 of image 7"),
        (changed(annotations__0__id=12), "two annotations with the id 12"),
        (changed(annotations__0__id="x"), "annotation id 'x'"),
        (changed(annotations__0__area="large"), "area 'large'"),
        (changed(images__0__id=1), "two images with the id 1"),
        (changed(images__0__height=0), "impossible size"),
        (changed(images__0__width=10**9), "impossible size"),
        (changed(images__0__file_name="../.."), "no image id"),
        (changed(images__0__file_name="COCO_val2014_000000000001.png"), "same file name"),
        (changed(categories__0__name="cat"), "expected category 13 to be stop sign; found cat"),
        (changed(categories__0__id=12), "expected category 12 to be absent"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(ListFormatError, match=message):
        read_instances(save(tmp_path / "bad.json", value))


def test_a_file_that_is_not_there_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="annotations_trainval2014"):
        read_instances(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_text('{"images": [', encoding="utf-8")
    with pytest.raises(ListFormatError, match="JSONDecodeError"):
        read_instances(tmp_path / "cut.json")
