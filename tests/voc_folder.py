"""A tiny VOC devkit, drawn for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.storage.images import UInt8, write_photo
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRAIN = {"2007_000001": (0, 14), "2007_000002": (19,), "2007_000003": (7,)}
ADDED = {"2008_000001": (2, 3)}
VAL = {"2009_000001": (11,), "2009_000002": (5, 6)}


def mask_of(classes: tuple[int, ...]) -> UInt8:
    """uint8 (12, 16): a column per class, the last column 255, background elsewhere."""
    mask = np.zeros((12, 16), dtype=np.uint8)
    for column, index in enumerate(classes):
        mask[2:, column] = index + 1
    mask[:, -1] = 255
    return mask


def make_voc(root: Path, aug: bool = True, xml: bool = True) -> Path:
    """Write a devkit with three train, four train_aug and two val images."""
    splits = {"train": TRAIN, "train_aug": TRAIN | ADDED, "val": VAL}
    for name, labels in splits.items():
        write_list(root, f"{name}.txt", dict.fromkeys(labels, ()))
        write_list(root, f"{name}_cls.txt", labels)
    for image_id, classes in (TRAIN | ADDED | VAL).items():
        photo = np.full((12, 16, 3), 90, dtype=np.uint8)
        write_photo(root / "JPEGImages" / f"{image_id}.jpg", photo)
        if image_id not in ADDED:
            write_label(root / "SegmentationClass" / f"{image_id}.png", mask_of(classes), 21)
        if aug and image_id not in VAL:
            write_label(root / "SegmentationClassAug" / f"{image_id}.png", mask_of(classes), 21)
        if xml:
            write_xml(root, image_id, "<object><name>person</name></object>")
    return root


def write_list(root: Path, name: str, labels: Mapping[str, tuple[int, ...]]) -> None:
    """Write `id c c …` lines into ImageSets/Segmentation."""
    folder = root / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (" ".join((image_id, *map(str, classes))) for image_id, classes in labels.items())
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_xml(root: Path, image_id: str, objects: str) -> None:
    """Write an annotation with the given objects."""
    folder = root / "Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    text = f"<annotation><filename>{image_id}.jpg</filename>{objects}</annotation>"
    (folder / f"{image_id}.xml").write_text(text, encoding="utf-8")
