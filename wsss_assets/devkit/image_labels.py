"""Image-level labels: which classes an image shows, and where that knowledge comes from.

A label list has a line `id c c …` per image, classes 0-based. The same split has different
labels by different sources: on VOC 2012's train_aug, those made from masks and those made from
XML annotations differ on 818 of 10,582 images, so a source is always named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree

import numpy as np

from wsss_assets.errors import (
    ImageFormatError,
    ListFormatError,
    MissingFileError,
    UsageError,
)
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.fetch import cache_folder, fetch_file
from wsss_assets.storage.files import list_files, sha256_file, write_atomically
from wsss_assets.storage.image_ids import check_image_id, read_ids, read_words, refuse_twice
from wsss_assets.storage.images import read_label

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark, Split
    from wsss_assets.parallel import Progress

__all__ = [
    "Classes",
    "ImageLabels",
    "fetch_label_list",
    "find_ids_file",
    "format_label_list",
    "given_labels",
    "label_classes",
    "labels_from_devkit",
    "labels_from_instances",
    "read_ids",
    "read_label_list",
    "resolve_labels",
    "write_label_list",
]

Classes: TypeAlias = tuple[int, ...]

_SOURCES_DIFFER = (
    "labels from masks and from XML annotations are not the same: on voc2012 train_aug they "
    "differ on 818 of 10,582 images"
)
_IGNORE = 255
_NUMBERS = {str(number): number for number in range(_IGNORE)}


@dataclass(frozen=True, eq=False)
class ImageLabels(Mapping[str, Classes]):
    """Classes by image id, in the order of their source.

    A mapping; two are equal when they say the same of the same images, wherever they come from.

    Attributes:
        entries: 0-based classes, ascending, by image id; empty for an image without classes.
        source: where the labels come from, in words.
        sha256: digest of the file that they were read from; None where there is none.
    """

    entries: Mapping[str, Classes]
    source: str
    sha256: str | None = None

    def __getitem__(self, image_id: str) -> Classes:
        return self.entries[image_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def read_label_list(path: Path, benchmark: Benchmark) -> ImageLabels:
    """Read lines `id c c …` with 0-based classes; `-` stands for standard input.

    A byte-order mark, Windows line ends, trailing blanks and blank lines at the end are
    passed over; a line with an id alone is an image without classes.

    Raises:
        MissingFileError: no such file.
        ListFormatError: no image at all, an id twice, a class twice, a class that is no number
            or not of the benchmark, something that is no image id; the error names the line.
    """
    entries: dict[str, Classes] = {}
    for where, tokens in read_words(path):
        image_id = check_image_id(tokens[0], where)
        refuse_twice(image_id, entries, where)
        entries[image_id] = _classes_of(tokens[1:], benchmark, where)
    if str(path) == "-":
        return ImageLabels(entries, "label list standard input")
    return ImageLabels(entries, f"label list {path.name}", sha256_file(path))


def format_label_list(labels: Mapping[str, Classes]) -> str:
    """The text of a label list: a line `id c c …` per image."""
    return "".join(
        " ".join((image_id, *map(str, classes))) + "\n" for image_id, classes in labels.items()
    )


def write_label_list(path: Path, labels: Mapping[str, Classes]) -> None:
    """Write a label list, whole or not at all."""
    write_atomically(path, format_label_list(labels))


def find_ids_file(root: Path, benchmark: Benchmark, split: Split) -> Path:
    """The file with the ids of `split` in a devkit.

    Raises:
        MissingFileError: there is none, or the benchmark's devkit has no such files.
    """
    folder = benchmark.layout.ids
    names = [f"{folder}/{stem}.txt" for stem in split.file_names] if folder else []
    for name in names:
        if (root / name).is_file():
            return root / name
    raise MissingFileError(
        f"{root} has no list of the images of {benchmark.name} {split.name}",
        expected=" or ".join(names) if names else "nothing: this benchmark has no such lists",
        hint=benchmark.layout.advice(folder, root) or None,
    )


def label_classes(path: Path, benchmark: Benchmark) -> Classes:
    """0-based classes in a mask: its values less background and ignore label.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: no label map, or values that are no class.
    """
    counts = np.bincount(read_label(path).ravel(), minlength=256)
    values = np.flatnonzero(counts[1:_IGNORE])
    unknown = values[values >= len(benchmark.classes)] + 1
    if unknown.size:
        raise ImageFormatError(
            f"{path} holds values that are no class of {benchmark.name}",
            expected=f"0..{len(benchmark.classes)} and {_IGNORE}",
            found=", ".join(map(str, unknown[:10])),
        )
    return tuple(int(value) for value in values)


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
        return _xml_classes(folder / f"{image_id}.xml", benchmark)

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


def given_labels(labels: Mapping[str, Iterable[int]], benchmark: Benchmark) -> ImageLabels:
    """Labels that a caller gives as a mapping of classes by image id, held to the same rules.

    Raises:
        ListFormatError: no image at all, something that is no image id, a class that the
            benchmark does not have, or one twice.
    """
    if not labels:
        raise ListFormatError("the labels given name no image")
    benchmark.check_classes(labels)
    entries = {}
    for image_id, classes in labels.items():
        check_image_id(image_id, "the labels given")
        entries[image_id] = tuple(sorted(classes))
        if len(set(entries[image_id])) < len(entries[image_id]):
            raise ListFormatError(
                f"{image_id} is labelled with a class twice", found=str(entries[image_id])
            )
    return ImageLabels(entries, "labels given")


def fetch_label_list(benchmark: Benchmark, split: str) -> ImageLabels:
    """WSSS-BED's list of a split, from its repository at a fixed commit, or from the cache.

    Raises:
        UnknownNameError: no such split.
        UsageError: the split has no published list.
        FetchError: no network, or it failed; `ChecksumError`: another file came.
    """
    part = benchmark.split(split)
    if part.list_url is None or part.list_sha256 is None:
        raise UsageError(
            f"no label list of {benchmark.name} {split} is published", hint="pass --labels FILE"
        )
    path = cache_folder() / "lists" / benchmark.name / part.list_url.rpartition("/")[2]
    fetch_file(part.list_url, part.list_sha256, path, instead="pass a list with --labels")
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
    return fetch_label_list(benchmark, split)


def _classes_of(tokens: list[str], benchmark: Benchmark, where: str) -> Classes:
    known = len(benchmark.classes)
    plain = [_NUMBERS.get(token, known) for token in tokens]
    if max(plain, default=0) < known and len(set(plain)) == len(plain):
        return tuple(sorted(plain))  # as nearly all are
    for token in tokens:
        if not re.fullmatch(r"[0-9]{1,4}", token):
            raise ListFormatError(
                f"{where}: {token[:40]!a} is no class", expected=f"a number 0..{known - 1}"
            )
        if int(token) >= known:
            raise ListFormatError(
                f"{where}: {benchmark.name} has no class {token}",
                expected=f"0..{known - 1} (0 is {benchmark.classes[0]})",
                hint="label lists are 0-based; in label maps, class 0 has the value 1",
            )
    classes = tuple(sorted(int(token) for token in tokens))
    if len(set(classes)) < len(classes):
        raise ListFormatError(f"{where}: a class is named twice", found=" ".join(tokens))
    return classes


def _expect_folder(folder: Path, content: str, advice: str, *, has_xml: bool) -> None:
    if not folder.is_dir():
        differ = f"; no other source is used in its place: {_SOURCES_DIFFER}" if has_xml else ""
        hint = f"{advice}{differ}" if advice else None
        raise MissingFileError(f"no folder {folder} of {content}", hint=hint)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses what an annotation never has and what attacks on XML readers begin with."""

    def doctype(self, *_: str | None) -> None:
        raise ElementTree.ParseError("it declares a document type or entities")


def _xml_classes(path: Path, benchmark: Benchmark) -> Classes:
    parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314 (see _NoDoctype)
    try:
        parser.feed(path.read_bytes())
        tree: ElementTree.Element = parser.close()
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ListFormatError(f"{path} is no VOC annotation", found=str(error)) from error
    found = set()
    for item in tree.findall("object"):
        name = (item.findtext("name") or "").strip()
        if name not in benchmark.classes:
            raise ListFormatError(
                f"{path} has an object that is no class of {benchmark.name}", found=ascii(name)
            )
        found.add(benchmark.classes.index(name))
    return tuple(sorted(found))
