"""What the files of a devkit say: the images of a split, and the classes of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from wsss_assets.errors import ImageFormatError, ListFormatError, MissingFileError
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark, Split
    from wsss_assets.devkit.image_labels import Classes

__all__ = ["find_ids_file", "label_classes", "xml_classes"]

_IGNORE = 255


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


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses what an annotation never has and what attacks on XML readers begin with."""

    def doctype(self, *_: str | None) -> None:
        raise ElementTree.ParseError("it declares a document type or entities")


def xml_classes(path: Path, benchmark: Benchmark) -> Classes:
    """0-based classes of the objects in an XML annotation; the parts of an object do not count.

    Raises:
        MissingFileError: no such file.
        ListFormatError: no annotation, or an object that is no class.
    """
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
