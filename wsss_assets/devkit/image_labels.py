"""Image-level labels: which classes each image shows, and how that is written down.

A label list has a line `id c c …` per image, classes 0-based.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from wsss_assets.errors import ListFormatError
from wsss_assets.storage.files import sha256_file, write_atomically
from wsss_assets.storage.image_ids import check_image_id, read_words, refuse_twice

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark

__all__ = [
    "Classes",
    "ImageLabels",
    "format_label_list",
    "given_labels",
    "read_label_list",
    "write_label_list",
]

Classes: TypeAlias = tuple[int, ...]

_NUMBERS = {str(number): number for number in range(255)}
"""What stands in lists as it should: of label maps, 255 is the ignore label."""


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
