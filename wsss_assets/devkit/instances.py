"""A COCO instances file: the pictures in it and the outlines of their objects, checked."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wsss_assets.benchmarks.coco2014 import BENCHMARK, CATEGORY_IDS
from wsss_assets.errors import ListFormatError, MissingFileError
from wsss_assets.storage.image_ids import check_image_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = ["Annotation", "InstancesFile", "Picture", "read_instances"]

_LONGEST_SIDE = 1 << 14


@dataclass(frozen=True)
class Annotation:
    """One object or crowd region.

    Attributes:
        id: COCO's number of it.
        class_index: 0-based class.
        segmentation: polygons, or a run-length code as a dict, as in the file.
        area: area as annotated; None where the file gives none.
        crowd: True for a crowd region.
    """

    id: int
    class_index: int
    segmentation: Any
    area: float | None = None
    crowd: bool = False


@dataclass(frozen=True)
class Picture:
    """One image of the file: its id (the stem of its file name) and size in pixels."""

    image_id: str
    height: int
    width: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class InstancesFile:
    """What an instances file holds: pictures sorted by image id, and the file's digest."""

    path: Path
    sha256: str
    pictures: tuple[Picture, ...]


def read_instances(path: Path) -> InstancesFile:
    """Read and check a COCO instances file; outlines are checked when they are drawn.

    Raises:
        MissingFileError: no such file.
        ListFormatError: no JSON, other categories than COCO's, an annotation of an image or
            category that is not there, an id that occurs twice.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise MissingFileError(
            f"no file {path}", hint=BENCHMARK.layout.help["annotations/instances_train2014.json"]
        ) from None
    try:
        content = json.loads(data)
        _check_categories(path, content.get("categories", []))
        pictures = _collect(path, content["images"], content["annotations"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ListFormatError(
            f"{path} is no COCO instances file",
            expected="JSON with the lists images, annotations and categories",
            found=f"{type(error).__name__}: {error}",
        ) from error
    return InstancesFile(path, hashlib.sha256(data).hexdigest(), pictures)


def _check_categories(path: Path, categories: Iterable[Mapping[str, Any]]) -> None:
    names = dict(zip(CATEGORY_IDS, BENCHMARK.classes, strict=True))
    for category in categories:
        number, name = category["id"], category["name"]
        if names.get(number) != name:
            raise ListFormatError(
                f"{path} has other categories than COCO 2014",
                expected=f"category {number} to be {names.get(number, 'absent')}",
                found=str(name),
            )


def _collect(
    path: Path, images: Iterable[Mapping[str, Any]], annotations: Iterable[Mapping[str, Any]]
) -> tuple[Picture, ...]:
    of_image: dict[int, list[Annotation]] = {}
    sizes: dict[int, tuple[str, int, int]] = {}
    for image in images:
        image_id = check_image_id(PurePosixPath(str(image["file_name"])).stem, str(path))
        height, width = image["height"], image["width"]
        if image["id"] in sizes:
            raise ListFormatError(f"{path} has two images with the id {image['id']}")
        if not all(isinstance(side, int) and 0 < side <= _LONGEST_SIDE for side in (height, width)):
            raise ListFormatError(
                f"{path} gives image {image_id} an impossible size", found=f"{height}×{width}"
            )
        sizes[image["id"]] = (image_id, height, width)
        of_image[image["id"]] = []
    if len({image_id for image_id, _, _ in sizes.values()}) != len(sizes):
        raise ListFormatError(f"{path} has two images with the same file name")
    seen: set[int] = set()
    for entry in annotations:
        annotation = _annotation(path, entry)
        if annotation.id in seen:
            raise ListFormatError(f"{path} has two annotations with the id {annotation.id}")
        seen.add(annotation.id)
        if entry["image_id"] not in of_image:
            raise ListFormatError(
                f"{path} has annotation {annotation.id} of image {entry['image_id']}, "
                "which is not among its images"
            )
        of_image[entry["image_id"]].append(annotation)
    pictures = (Picture(*size, tuple(of_image[number])) for number, size in sizes.items())
    return tuple(sorted(pictures, key=lambda picture: picture.image_id))


def _annotation(path: Path, entry: Mapping[str, Any]) -> Annotation:
    number, category, area = entry["id"], entry["category_id"], entry.get("area")
    if not isinstance(number, int):
        raise ListFormatError(f"{path} has the annotation id {number!r}", expected="an integer")
    if category not in _CLASS_OF:
        raise ListFormatError(
            f"{path} has annotation {number} of category {category!r}",
            expected="one of COCO's 80 category ids (1..90 with ten gaps)",
        )
    if area is not None and not (isinstance(area, (int, float)) and math.isfinite(area)):
        raise ListFormatError(f"{path} has annotation {number} of area {area!r}")
    return Annotation(
        number, _CLASS_OF[category], entry["segmentation"], area, bool(entry.get("iscrowd", 0))
    )


_CLASS_OF = {number: index for index, number in enumerate(CATEGORY_IDS)}
