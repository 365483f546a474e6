"""Instances files, whole and broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def rectangle(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    """Its outline, as a polygon."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def content() -> dict[str, Any]:
    """Three images: one with two objects that overlap, one with a crowd, one with nothing."""
    return {
        "images": [
            {"id": 2, "file_name": "COCO_val2014_000000000002.jpg", "height": 4, "width": 5},
            {"id": 1, "file_name": "COCO_val2014_000000000001.jpg", "height": 4, "width": 5},
            {"id": 3, "file_name": "COCO_val2014_000000000003.jpg", "height": 4, "width": 5},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 1,
                "category_id": 90,
                "iscrowd": 0,
                "area": 4.0,
                "segmentation": rectangle(0, 0, 2, 2),
            },
            {
                "id": 12,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "area": 6.0,
                "segmentation": rectangle(0, 0, 3, 2),
            },
            {
                "id": 13,
                "image_id": 2,
                "category_id": 13,
                "iscrowd": 1,
                "area": 20,
                "segmentation": {"size": [4, 5], "counts": [0, 20]},
            },
        ],
        "categories": [{"id": 13, "name": "stop sign"}, {"id": 90, "name": "toothbrush"}],
    }


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def changed(**places: object) -> dict[str, Any]:
    """`content()` with values put at `list__position__key`."""
    value = content()
    for place, replacement in places.items():
        part, position, key = place.split("__")
        value[part][int(position)][key] = replacement
    return value
