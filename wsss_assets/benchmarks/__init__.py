"""Benchmarks: one file each; the directory is the registry.

`get_benchmark("voc2012")` imports the file of that name and returns its `BENCHMARK`.

Class `c` of an image-level label (0-based, as in `id c c …` lists) has the value `c + 1` in
label maps; 0 is background and 255 the ignore label.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsss_assets.errors import ListFormatError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Benchmark", "Layout", "Split", "get_benchmark", "list_benchmarks"]


_MOST_CLASSES = 254


@dataclass(frozen=True)
class Split:
    """One named subset of a benchmark.

    Attributes:
        name: `train`, `train_aug` or `val`.
        images: how many images have at least one class; None where any number can be drawn.
        list_url: where WSSS-BED's list of it lies, pinned to a commit; None where there is none.
        list_sha256: digest of that list.
        file_names: stems under which a devkit may keep the ids of the split.
    """

    name: str
    images: int | None
    list_url: str | None = None
    list_sha256: str | None = None
    file_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where a devkit keeps its parts, as paths below its root, `{split}` being the split's name.

    Attributes:
        photos: folder of the JPEG photos.
        masks: folder of the palette PNG masks, by split name.
        ids: folder of the `<split>.txt` lists; None where ids come from elsewhere.
        annotations: folder of the VOC XML files, or path of the COCO instances file, by split
            name; empty where there are none.
        help: by any of the paths above, where people get that part and what works without it;
            `ROOT` stands for the devkit.
    """

    photos: Mapping[str, str]
    masks: Mapping[str, str]
    ids: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)

    def advice(self, part: str | None, root: object) -> str:
        """Where people get a part and what works without it; empty where nothing is known.

        Args:
            part: one of the paths above.
            root: the devkit it belongs to, for commands in the advice.
        """
        return self.help.get(part or "", "").replace("ROOT", str(root))


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's fixed facts.

    Attributes:
        name: how commands call it, e.g. `voc2012`.
        title: how people call it, e.g. `PASCAL VOC 2012`.
        classes: foreground class names; `classes[c]` has the value `c + 1` in label maps.
        splits: subsets by name.
        layout: where its devkit keeps photos, masks and lists.
        synthetic: True where images and maps are drawn by a program; printed with every number.
        note: one or two sentences that a reader of its numbers needs.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    layout: Layout
    synthetic: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) > _MOST_CLASSES:
            raise UsageError(
                f"{self.name} has {len(self.classes)} classes",
                expected=f"at most {_MOST_CLASSES}: label maps are 8-bit, and 255 is taken",
            )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names by label value: `background`, then the classes."""
        return ("background", *self.classes)

    def check_classes(self, labels: Mapping[str, Iterable[int]]) -> None:
        """Refuse image-level labels with a class that the benchmark does not have.

        Args:
            labels: 0-based classes by image id.

        Raises:
            ListFormatError: naming the first such image.
        """
        known = range(len(self.classes))
        for image_id, classes in labels.items():
            for index in classes:
                if index not in known:
                    raise ListFormatError(
                        f"{image_id} is labelled with class {index}, which {self.name} does not "
                        "have",
                        expected=f"0-based classes, 0..{len(self.classes) - 1}",
                        hint="is this list of another benchmark, or 1-based?",
                    )

    def split(self, name: str) -> Split:
        """The split called `name`.

        Raises:
            UnknownNameError: there is none; the error lists those there are.
        """
        if name not in self.splits:
            raise UnknownNameError(f"split of {self.name}", name, self.splits)
        return self.splits[name]


def list_benchmarks() -> tuple[str, ...]:
    """Names of all benchmarks, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def get_benchmark(name: str) -> Benchmark:
    """The benchmark called `name`.

    Raises:
        UnknownNameError: there is none; the error lists those there are.
    """
    if name not in list_benchmarks():
        raise UnknownNameError("benchmark", name, list_benchmarks())
    benchmark: Benchmark = importlib.import_module(f"{__name__}.{name}").BENCHMARK
    return benchmark
