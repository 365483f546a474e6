"""Label lists: the images of a split, in the order of the rows, and their classes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import LabelListFile
from wsss_assets.devkit.image_labels import format_label_list
from wsss_assets.devkit.label_sources import fetch_label_list

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels

__all__ = ["WantedList", "list_file"]

_ANOTHER_LIST = "pass a list with --labels FILE (in Python: labels=)"


class WantedList:
    """The list that somebody gives, or else the published one, which is fetched when it is needed.

    Args:
        benchmark: whose split.
        split: the split's name.
        labels: the list; None: the published one.
    """

    def __init__(self, benchmark: Benchmark, split: str, labels: ImageLabels | None) -> None:
        self._benchmark = benchmark
        self._split = split
        self._labels = labels

    @property
    def sha256(self) -> str:
        """Digest that it is known by: of the published file, or of the text of another one."""
        part = self._benchmark.splits.get(self._split)
        published = None if part is None else part.list_sha256
        if published is not None and (self._labels is None or self._labels.sha256 == published):
            return published
        return hashlib.sha256(format_label_list(self.labels()).encode()).hexdigest()

    def labels(self) -> ImageLabels:
        """The list.

        Raises:
            UsageError: none was given, and none is published.
            FetchError: it is not in the cache and cannot be fetched.
        """
        if self._labels is None:
            self._labels = fetch_label_list(self._benchmark, self._split, instead=_ANOTHER_LIST)
        return self._labels


def list_file(benchmark: str, split: str, labels: ImageLabels) -> tuple[LabelListFile, bytes]:
    """What a manifest says of a list, and the bytes of its file."""
    text = format_label_list(labels).encode()
    described = LabelListFile(
        path=f"{benchmark}/labels/{split}.txt",
        size=len(text),
        sha256=hashlib.sha256(text).hexdigest(),
        images=len(labels),
    )
    return described, text
