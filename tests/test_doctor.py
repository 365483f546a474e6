from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.voc_folder import TRAIN, VAL, make_voc, mask_of, write_list
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.doctor import examine
from wsss_assets.errors import MissingFileError
from wsss_assets.storage.images import write_photo
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wsss_assets.devkit.findings import Checkup, Finding
    from wsss_assets.devkit.mask_checks import MaskFacts

VOC = get_benchmark("voc2012")
COCO = get_benchmark("coco2014")


def look(root: Path, quick: bool = False) -> Checkup:
    return examine(root, VOC, quick=quick, workers=2)


def matching(checkup: Checkup, *words: str) -> list[Finding]:
    return [one for one in checkup.findings if all(word in one.what for word in words)]


def only(checkup: Checkup, *words: str) -> Finding:
    found = matching(checkup, *words)
    assert len(found) == 1, checkup.findings
    return found[0]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_voc(tmp_path / "VOCdevkit" / "VOC2012")


@pytest.mark.parametrize("quick", [False, True])
def test_a_sound_part_of_a_devkit_gives_warnings_for_its_counts_alone(
    root: Path, quick: bool
) -> None:
    checkup = look(root, quick)
    assert checkup.count("problem") == 0
    warnings = [one for one in checkup.findings if one.level == "warning"]
    assert len(warnings) == 3
    assert all("PASCAL VOC 2012 has" in one.what for one in warnings)
    assert only(checkup, "SegmentationClass: all 3 masks of train").level == "ok"
    assert only(checkup, "JPEGImages: all 4 photos of train_aug").level == "ok"
    agreement = matching(checkup, "val_cls.txt", "2 agree with the masks")
    assert len(agreement) == (0 if quick else 1)


def test_full_counts_are_fine_and_larger_ones_a_problem(root: Path) -> None:
    write_list(root, "val.txt", {f"v{number}": () for number in range(1449)})
    assert only(look(root), "val.txt: 1449 images").level == "ok"
    write_list(root, "val.txt", {f"v{number}": () for number in range(1450)})
    assert only(look(root), "val.txt: 1450 images").level == "problem"


def test_missing_sbd_masks_are_a_warning_that_says_where_to_get_them(tmp_path: Path) -> None:
    checkup = look(make_voc(tmp_path, aug=False))
    finding = only(checkup, "no masks", "SegmentationClassAug")
    assert finding.level == "warning"
    assert "SBD" in finding.todo
    assert "work without" in finding.todo
    assert checkup.count("problem") == 0


def test_no_masks_at_all_are_a_problem(root: Path) -> None:
    for name in ("SegmentationClass", "SegmentationClassAug"):
        (root / name).rename(root / f"{name}.away")
    assert [one.level for one in matching(look(root), "no masks")] == ["problem", "problem"]


def test_missing_lists_photos_and_annotations(root: Path) -> None:
    (root / "ImageSets" / "Segmentation" / "train_aug.txt").unlink()
    (root / "JPEGImages").rename(root / "photos")
    (root / "Annotations").rename(root / "xml")
    checkup = look(root)
    missing_list = only(checkup, "has no list of the images of voc2012 train_aug")
    assert missing_list.level == "warning"
    assert "wsss-assets labels --split train_aug" in missing_list.todo
    assert only(checkup, "no folder", "JPEGImages").level == "problem"
    assert only(checkup, "no folder", "Annotations").level == "warning"


def test_ids_without_photo_or_mask_are_counted_and_named(root: Path) -> None:
    write_list(root, "val.txt", VAL | {f"2010_{number}": () for number in range(5)})
    checkup = look(root)
    for kind in ("photo", "mask"):
        finding = only(checkup, f"5 of the 7 images of val have no {kind}")
        assert finding.level == "problem"
        assert "2010_0, 2010_1, 2010_2, …" in finding.what


def test_malformed_lists_are_problems(root: Path) -> None:
    write_list(root, "train.txt", {"2007_000001": (), "../x": ()})
    write_list(root, "val_cls.txt", {"2009_000001": (20,)})
    checkup = look(root)
    assert "is no image id" in only(checkup, "train.txt:2").what
    assert "0-based" in only(checkup, "val_cls.txt:1: voc2012 has no class 20").todo
    assert checkup.count("problem") == 2


def test_label_lists_are_compared_with_ids_and_masks(root: Path) -> None:
    write_list(root, "train_cls.txt", TRAIN | {"2007_000003": (7, 14)})
    write_list(root, "val_cls.txt", {"2009_000001": (11,)})
    checkup = look(root)
    apart = only(checkup, "train_cls.txt", "different classes in 1 of 3 images: 2007_000003")
    assert apart.level == "warning"
    assert "818 of the 10,582" in apart.todo
    assert only(checkup, "val_cls.txt", "differ in 1 images: 2009_000002").level == "problem"


def test_training_images_that_are_in_val_too(root: Path) -> None:
    write_list(root, "train_aug.txt", TRAIN | {"2009_000002": ()})
    assert only(look(root), "1 images are in train_aug and in val: 2009_000002").level == "problem"


def test_coloured_masks(root: Path) -> None:
    for image_id, classes in VAL.items():
        path = root / "SegmentationClass" / f"{image_id}.png"
        write_label(path, mask_of(classes), 21)
        Image.open(path).convert("RGB").save(path)
    for quick in (False, True):
        finding = only(look(root, quick), "SegmentationClass: 2 of 5 masks cannot be used")
        assert "2009_000001, 2009_000002: holds no class indices" in finding.what
        assert finding.level == "problem"
        assert "class indices" in finding.todo


def test_values_that_are_no_class_are_seen_unless_quick(root: Path) -> None:
    path = root / "SegmentationClass" / "2009_000001.png"
    write_label(path, np.full((12, 16), 77, dtype=np.uint8), 21)
    assert "no class of voc2012 (77)" in only(look(root), "1 of 5 masks cannot be used").what
    assert look(root, quick=True).count("problem") == 0


def test_a_mask_that_is_cut_short_or_of_another_size_or_empty(root: Path) -> None:
    masks = root / "SegmentationClass"
    cut = masks / "2009_000001.png"
    cut.write_bytes(cut.read_bytes()[:-30])
    write_label(masks / "2009_000002.png", np.ones((24, 32), dtype=np.uint8), 21)
    write_label(masks / "2007_000003.png", mask_of(()), 21)
    checkup = look(root)
    assert "2009_000001: cannot be read" in only(checkup, "1 of 5 masks cannot be used").what
    assert only(checkup, "not of their photo's size: 2009_000002").level == "problem"
    assert only(checkup, "show no class: 2007_000003").level == "warning"


def test_a_folder_above_the_devkit_and_one_with_nothing(root: Path, tmp_path: Path) -> None:
    for above in (tmp_path, root.parent):
        (finding,) = look(above).findings
        assert finding.level == "problem"
        assert finding.todo == f"did you mean --root {root}?"
    empty = tmp_path / "empty"
    empty.mkdir()
    (finding,) = look(empty).findings
    assert finding.level == "problem"
    assert "JPEGImages" in finding.todo
    with pytest.raises(MissingFileError, match="no folder"):
        look(tmp_path / "absent")


def test_the_checkup_is_plain_values(root: Path) -> None:
    values = look(root).as_dict()
    assert json.loads(json.dumps(values))["problems"] == 0
    assert values["benchmark"] == "voc2012"


def test_progress_sees_every_mask(root: Path) -> None:
    seen: list[int] = []

    def progress(items: Iterable[MaskFacts], length: int) -> Iterator[MaskFacts]:
        seen.append(length)
        yield from items

    examine(root, VOC, progress=progress)
    assert seen == [5, 4]


# COCO, whose parts lie otherwise.


@pytest.fixture
def coco_root(tmp_path: Path) -> Path:
    root = tmp_path / "coco"
    content = {
        "images": [
            {"id": number, "file_name": f"v{number}.jpg", "height": 12, "width": 16}
            for number in (1, 2)
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 90, "segmentation": [[0, 0, 9, 0, 9, 9]]}
        ],
    }
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_val2014.json").write_text(json.dumps(content))
    write_photo(root / "val2014" / "v1.jpg", np.zeros((12, 16, 3), dtype=np.uint8))
    return root


def test_coco_without_masks_is_told_how_to_make_them(coco_root: Path) -> None:
    checkup = examine(coco_root, COCO)
    assert only(checkup, "instances_val2014.json: 1 images of val").level == "warning"
    assert only(checkup, "val2014: all 1 photos of val").level == "ok"
    finding = only(checkup, "no masks", "SegmentationClass/val2014")
    assert finding.level == "problem"
    assert f"--out {coco_root}/SegmentationClass/val2014" in finding.todo
    assert matching(checkup, "no annotations/instances_train2014.json")


def test_coco_masks_with_raw_category_ids(coco_root: Path) -> None:
    path = coco_root / "SegmentationClass" / "val2014" / "v1.png"
    write_label(path, np.full((12, 16), 90, dtype=np.uint8), 81)
    finding = only(examine(coco_root, COCO), "1 of 1 masks cannot be used")
    assert "raw category ids" in finding.todo
    write_label(path, np.full((12, 16), 80, dtype=np.uint8), 81)
    checkup = examine(coco_root, COCO)
    assert only(checkup, "SegmentationClass/val2014: all 1 masks of val").level == "ok"
    assert examine(coco_root, COCO, quick=True).count("problem") == checkup.count("problem")
