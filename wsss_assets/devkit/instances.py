"""Semantic ground truth from a COCO instances file, by a named rule.

COCO publishes outlines of single objects, which overlap; a label map has one class per pixel.
Papers turn one into the other in different ways, seldom stated. `RULES` holds those in
circulation and one of ours that does not depend on the order of the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wsss_assets.benchmarks.coco2014 import BENCHMARK, CATEGORY_IDS
from wsss_assets.devkit.outlines import OutlineError, draw_outline, require_pycocotools
from wsss_assets.errors import (
    ListFormatError,
    MissingFileError,
    UnknownNameError,
)
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.image_ids import check_image_id
from wsss_assets.storage.images import write_label
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.devkit.outlines import Mask
    from wsss_assets.parallel import Progress
    from wsss_assets.storage.images import UInt8

__all__ = [
    "RULES",
    "Annotation",
    "GroundTruthSummary",
    "InstancesFile",
    "OverlapRule",
    "Picture",
    "get_rule",
    "label_map",
    "read_instances",
    "write_ground_truth",
]

_IGNORE = 255
_LONGEST_SIDE = 1 << 14


@dataclass(frozen=True)
class OverlapRule:
    """How objects that overlap become one label map.

    Attributes:
        name: how commands call it.
        order: objects are taken by number of `mask_pixels` (ties: lower annotation id first),
            by the annotation's `area` (ties: as in the file), or as in the `file`.
        wins: whether the `first` or the `last` object in that order keeps a shared pixel.
        crowd: crowd regions are an `object` like any other, left as `background`, or, where no
            object is, `ignored` (255).
        summary: the rule in a sentence.
    """

    name: str
    order: Literal["mask_pixels", "area", "file"]
    wins: Literal["first", "last"]
    crowd: Literal["object", "background", "ignored"]
    summary: str


RULES: Mapping[str, OverlapRule] = {
    rule.name: rule
    for rule in (
        OverlapRule(
            name="canonical",
            order="mask_pixels",
            wins="first",
            crowd="ignored",
            summary="the object of fewer pixels wins; pixels of crowds alone are 255; the order "
            "of the file does not matter",
        ),
        OverlapRule(
            name="coco2voc",
            order="area",
            wins="first",
            crowd="object",
            summary="the smaller annotated area wins, crowds are objects, no 255 (the script "
            "coco2voc, which AFA names)",
        ),
        OverlapRule(
            name="recam",
            order="file",
            wins="last",
            crowd="background",
            summary="later annotations cover earlier ones, crowds are background, no 255 "
            "(annToMask.py of ReCAM and LPCAM)",
        ),
    )
}


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


@dataclass(frozen=True)
class GroundTruthSummary:
    """What `write_ground_truth` did.

    Attributes:
        rule: name of the rule.
        written: label maps made now.
        kept: label maps that were there already.
        without_annotation: images passed over because nothing is annotated in them.
    """

    rule: str
    written: int
    kept: int
    without_annotation: int


def get_rule(name: str) -> OverlapRule:
    """The rule called `name`.

    Raises:
        UnknownNameError: there is none; the error lists those there are.
    """
    if name not in RULES:
        raise UnknownNameError("overlap rule", name, RULES)
    return RULES[name]


def label_map(
    annotations: Sequence[Annotation], height: int, width: int, rule: OverlapRule
) -> UInt8:
    """Draw one image's ground truth.

    Args:
        annotations: objects and crowd regions in the order of the file.
        height: of the image.
        width: of the image.
        rule: how overlaps are resolved.

    Returns:
        uint8 (height, width): 0 background, 1..80 classes, 255 ignored.

    Raises:
        ListFormatError: a polygon or run-length code is malformed; the error names the
            annotation.
        MissingDependencyError: pycocotools is not installed.
    """
    masks = {id(one): _mask_of(one, height, width) for one in annotations}
    objects = [one for one in annotations if rule.crowd == "object" or not one.crowd]
    if rule.order == "mask_pixels":
        objects.sort(key=lambda one: (np.count_nonzero(masks[id(one)]), one.id))
    elif rule.order == "area":
        objects.sort(
            key=lambda one: np.count_nonzero(masks[id(one)]) if one.area is None else one.area
        )
    if rule.wins == "first":
        objects.reverse()  # what is drawn last stays

    label = np.zeros((height, width), dtype=np.uint8, order="F")  # as the masks: run by column
    if rule.crowd == "ignored":
        for crowd in (one for one in annotations if one.crowd):
            label[masks[id(crowd)]] = _IGNORE
    for one in objects:
        label[masks[id(one)]] = one.class_index + 1
    return np.ascontiguousarray(label)


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


def write_ground_truth(
    instances_path: Path,
    out_dir: Path,
    rule: str = "canonical",
    *,
    ids: Iterable[str] | None = None,
    include_empty: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> GroundTruthSummary:
    """Write `<image id>.png` palette label maps; maps that are there already are kept.

    The folder is stamped with the rule and the digest of the instances file, so that maps of
    two kinds never mix and a stopped run goes on where it stopped.

    Args:
        instances_path: `instances_train2014.json` or the like.
        out_dir: where to.
        rule: name in `RULES`.
        ids: image ids to make; None for all.
        include_empty: also write all-background maps for images with no annotation, which
            the field's lists of 82,081 and 40,137 images leave out.
        workers: threads; None for one per core.
        progress: wraps the results with their number, to show a bar.

    Raises:
        UnknownNameError: no such rule.
        MissingFileError: no instances file, or it knows no image of some given id.
        ListFormatError: the instances file is malformed.
        FolderInUseError: the folder holds maps of another rule or file, or of unknown origin.
        MissingDependencyError: pycocotools is not installed.
    """
    chosen = get_rule(rule)
    require_pycocotools()
    instances = read_instances(instances_path)
    pictures = _selected(instances, ids)
    drawn = [one for one in pictures if one.annotations or include_empty]
    claim_folder(
        out_dir,
        {
            "made_by": "wsss-assets ground-truth",
            "rule": chosen.name,
            "instances_sha256": instances.sha256,
        },
    )

    def write(picture: Picture) -> bool:
        path = out_dir / f"{picture.image_id}.png"
        if path.exists():
            return False
        try:
            label = label_map(picture.annotations, picture.height, picture.width, chosen)
        except ListFormatError as error:
            error.summary = f"{instances_path}, image {picture.image_id}: {error.summary}"
            raise
        write_label(path, label, len(BENCHMARK.label_names))
        return True

    written = sum(map_with_progress(write, drawn, workers, progress))
    return GroundTruthSummary(
        chosen.name, written, len(drawn) - written, len(pictures) - len(drawn)
    )


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


def _selected(instances: InstancesFile, ids: Iterable[str] | None) -> list[Picture]:
    if ids is None:
        return list(instances.pictures)
    by_id = {picture.image_id: picture for picture in instances.pictures}
    wanted = list(dict.fromkeys(ids))
    unknown = [image_id for image_id in wanted if image_id not in by_id]
    if unknown:
        raise MissingFileError(
            f"{instances.path} has no image {unknown[0]}",
            found=f"{len(unknown)} of {len(wanted)} ids unknown to it",
            hint=f"its ids look like {next(iter(by_id), '(it has none)')}",
        )
    return [by_id[image_id] for image_id in wanted]


def _mask_of(annotation: Annotation, height: int, width: int) -> Mask:
    """The annotation's pixels as bool (height, width)."""
    try:
        return draw_outline(annotation.segmentation, height, width)
    except (OutlineError, KeyError, TypeError) as error:
        raise ListFormatError(
            f"annotation {annotation.id} is malformed", found=str(error)
        ) from error
