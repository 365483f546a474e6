"""Semantic ground truth from a COCO instances file, by a named rule.

COCO publishes outlines of single objects, which overlap; a label map has one class per pixel.
Papers turn one into the other in different ways, seldom stated. `RULES` holds those in
circulation and one of ours that does not depend on the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from wsss_assets.benchmarks.coco2014 import BENCHMARK
from wsss_assets.devkit.instances import Annotation, InstancesFile, Picture, read_instances
from wsss_assets.devkit.outlines import OutlineError, draw_outline, require_pycocotools
from wsss_assets.errors import ListFormatError, MissingFileError, UnknownNameError, about
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.label_maps import write_label
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.devkit.outlines import Mask
    from wsss_assets.parallel import Progress
    from wsss_assets.storage.images import UInt8

__all__ = [
    "RULES",
    "GroundTruthSummary",
    "OverlapRule",
    "get_rule",
    "label_map",
    "write_ground_truth",
]

_IGNORE = 255


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
        with about(f"{instances_path}, image {picture.image_id}"):
            label = label_map(picture.annotations, picture.height, picture.width, chosen)
        write_label(path, label, len(BENCHMARK.label_names))
        return True

    written = sum(map_with_progress(write, drawn, workers, progress))
    return GroundTruthSummary(
        chosen.name, written, len(drawn) - written, len(pictures) - len(drawn)
    )


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
