"""Where image-level labels come from: a list, a devkit, an instances file, or what is published.

The same split has different labels by different sources: on VOC 2012's train_aug, those made from
masks and those made from XML annotations differ on 818 of 10,582 images, so a source is always
named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wsss_assets.devkit.annotations import find_ids_file, label_classes, xml_classes
from wsss_assets.devkit.image_labels import Classes, ImageLabels, read_label_list
from wsss_assets.errors import ListFormatError, MissingFileError, UsageError
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.fetch import cache_folder, fetch_file
from wsss_assets.storage.files import list_files
from wsss_assets.storage.image_ids import read_ids

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.parallel import Progress

__all__ = [
    "ANOTHER_LIST",
    "fetch_label_list",
    "labels_from_devkit",
    "labels_from_instances",
    "resolve_labels",
]

ANOTHER_LIST = "pass a list with --labels FILE"
"""What most commands can do without the published list of a split, for errors."""

_SOURCES_DIFFER = (
    "labels from masks and from XML annotations are not the same: on voc2012 train_aug they "
    "differ on 818 of 10,582 images"
)


def labels_from_devkit(
    root: Path,
    benchmark: Benchmark,
    split: str,
    source: Literal["masks", "xml"] = "masks",
    *,
    masks: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ImageLabels:
    """Labels of a split from a devkit's masks or XML annotations.

    The two differ on 818 of VOC 2012's 10,582 train_aug images: boxes and masks were drawn by
    different people. WSSS-BED's lists agree with the masks; `cls_labels.npy` of IRN and its
    descendants with the XML files. Objects flagged as difficult count, as they do there; the
    parts of an object (head, hand, foot) do not.

    Args:
        root: the devkit, e.g. `…/VOCdevkit/VOC2012`.
        benchmark: what it is the devkit of.
        split: name of the split; its ids come from `ImageSets`, or, for a benchmark without
            such lists, from the names of the masks.
        source: `masks` or `xml`.
        masks: another folder of masks than the devkit's own.
        workers: threads; None for one per core.
        progress: wraps the results with their number, to show a bar.

    Raises:
        UnknownNameError: no such split.
        UsageError: the benchmark has no XML annotations.
        MissingFileError: an id list, mask or XML file is missing.
        ListFormatError: an id list or XML file is malformed.
        ImageFormatError: a mask is no label map.
    """
    part = benchmark.split(split)
    layout = benchmark.layout
    has_xml = layout.ids is not None and split in layout.annotations
    if source == "masks":
        folder = masks or root / layout.masks[split]
        advice = "" if masks else layout.advice(layout.masks[split], root)
        _expect_folder(folder, "masks", advice, has_xml=has_xml)
    else:
        if layout.ids is None or split not in layout.annotations:
            raise UsageError(f"{benchmark.name} has no XML annotations")
        folder = root / layout.annotations[split]
        advice = layout.advice(layout.annotations[split], root)
        _expect_folder(folder, "XML annotations", advice, has_xml=has_xml)
    if layout.ids is None:
        ids = tuple(list_files(folder, (".png",)))
    else:
        ids = read_ids(find_ids_file(root, benchmark, part))

    def read(image_id: str) -> Classes:
        if source == "masks":
            return label_classes(folder / f"{image_id}.png", benchmark)
        return xml_classes(folder / f"{image_id}.xml", benchmark)

    entries = dict(zip(ids, map_with_progress(read, ids, workers, progress), strict=True))
    text = f"masks of {folder.name}" if source == "masks" else "XML annotations"
    return ImageLabels(entries, text)


def labels_from_instances(
    path: Path, benchmark: Benchmark, split: str | None = None
) -> ImageLabels:
    """Labels from a COCO instances file: classes with at least one annotation, crowds included.

    Images in which nothing is annotated are left out, ids are the stems of the file names, in
    ascending order.

    Args:
        path: `instances_train2014.json` or the like.
        benchmark: `coco2014`.
        split: which split the file is meant to hold; the number of images is checked then,
            unless the file is a part of it.

    Raises:
        UsageError: the benchmark has no instances file.
        UnknownNameError: no such split.
        MissingFileError: no such file.
        ListFormatError: the file is malformed, or whole but of another number of images.
    """
    from wsss_assets.benchmarks.coco2014 import CATEGORY_IDS
    from wsss_assets.devkit.instances import read_instances

    if len(benchmark.classes) != len(CATEGORY_IDS):
        raise UsageError(f"{benchmark.name} has no instances file", expected="coco2014")
    pictures = read_instances(path).pictures
    entries = {
        picture.image_id: tuple(sorted({one.class_index for one in picture.annotations}))
        for picture in pictures
        if picture.annotations
    }
    expected = benchmark.split(split).images if split else None
    if expected is not None and len(pictures) >= expected and len(entries) != expected:
        raise ListFormatError(
            f"{path} is not the instances file of {benchmark.name} {split}",
            expected=f"{expected} images with annotations",
            found=f"{len(entries)}, of {len(pictures)} images",
            hint="is it of another split or year?",
        )
    return ImageLabels(entries, path.name)


def fetch_label_list(
    benchmark: Benchmark, split: str, *, instead: str = ANOTHER_LIST
) -> ImageLabels:
    """WSSS-BED's list of a split, from its repository at a fixed commit, or from the cache.

    Args:
        benchmark: whose.
        split: which.
        instead: what the caller can do without it, for errors.

    Raises:
        UnknownNameError: no such split.
        UsageError: the split has no published list.
        FetchError: no network, or it failed; `ChecksumError`: another file came.
    """
    part = benchmark.split(split)
    if part.list_url is None or part.list_sha256 is None:
        raise UsageError(f"no label list of {benchmark.name} {split} is published", hint=instead)
    path = cache_folder() / "lists" / benchmark.name / part.list_url.rpartition("/")[2]
    fetch_file(part.list_url, part.list_sha256, path, instead=instead)
    labels = read_label_list(path, benchmark)
    return ImageLabels(
        labels.entries, f"upstream list (sha256 {part.list_sha256})", part.list_sha256
    )


def resolve_labels(
    benchmark: Benchmark,
    split: str | None = None,
    *,
    labels: Path | None = None,
    root: Path | None = None,
    source: Literal["masks", "xml"] = "masks",
    masks: Path | None = None,
    instances: Path | None = None,
    instead: str = ANOTHER_LIST,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ImageLabels:
    """Labels from whichever source is given: a list, a devkit or an instances file.

    With none of them, WSSS-BED's published list of the split is used.

    Raises:
        UsageError: more than one source, or no split where one is needed.
        WsssAssetsError: what the chosen source raises.
    """
    if sum(one is not None for one in (labels, root, instances)) > 1:
        raise UsageError("labels can come from one source only", found="two or more were given")
    if masks is not None and root is None:
        raise UsageError("a folder of masks needs the devkit's root, for the list of images")
    if labels is not None:
        listed = read_label_list(labels, benchmark)
        if not any(listed.values()):
            raise ListFormatError(
                f"the {listed.source} names {len(listed)} images and no class",
                expected="lines `id c c …`, classes 0-based",
                hint="a list of ids alone is not enough: is there one called …_cls.txt beside it? "
                "'wsss-assets labels' makes one",
            )
        return listed
    if instances is not None:
        return labels_from_instances(instances, benchmark, split)
    if split is None:
        raise UsageError(
            "which split?",
            expected=f"one of {', '.join(benchmark.splits)}",
            hint="name it with --split, or a list of your own with --labels FILE",
        )
    if root is not None:
        return labels_from_devkit(
            root, benchmark, split, source, masks=masks, workers=workers, progress=progress
        )
    return fetch_label_list(benchmark, split, instead=instead)


def _expect_folder(folder: Path, content: str, advice: str, *, has_xml: bool) -> None:
    if not folder.is_dir():
        differ = f"; no other source is used in its place: {_SOURCES_DIFFER}" if has_xml else ""
        hint = f"{advice}{differ}" if advice else None
        raise MissingFileError(f"no folder {folder} of {content}", hint=hint)
