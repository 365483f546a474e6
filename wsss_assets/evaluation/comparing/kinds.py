"""Whether a folder holds label maps, saliency maps or activation maps: as far as its files tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from wsss_assets.catalog.names import is_place, map_set_names
from wsss_assets.errors import ImageFormatError, UsageError
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, read_label, read_map

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark

__all__ = ["ACTIVATION_NAME", "KINDS", "Kind", "common_kind", "find_kind"]

Kind: TypeAlias = Literal["labels", "saliency", "activation"]

KINDS: tuple[Kind, ...] = get_args(Kind)

ACTIVATION_NAME = re.compile(r"(.+)_(0|[1-9][0-9]*)")
"""`<image id>_<0-based class>`."""

_LOOKED_AT = 8
"""Files of a folder; it need not be read whole for this."""


def common_kind(first: str, second: str, benchmark: Benchmark) -> Kind:
    """What two folders or map sets both hold.

    Args:
        first: folder, or name of a map set.
        second: another one.
        benchmark: whose.

    Raises:
        UsageError: that is not certain, or not the same.
        MissingFileError: a folder is missing or empty.
    """
    kinds = [_kind_of(one, benchmark) for one in (first, second)]
    if kinds[0] is None or kinds[0] != kinds[1]:
        found = " and ".join(
            f"{one or 'no telling'} ({kind})"
            for one, kind in zip(kinds, (first, second), strict=True)
        )
        raise UsageError(
            "what is to be compared cannot be told from the files",
            expected="two folders of labels, or two sets of saliency or of activation maps",
            found=found,
            hint="say what they are with --kind labels, saliency or activation",
        )
    return kinds[0]


def _kind_of(name: str, benchmark: Benchmark) -> Kind | None:
    if Path(name).is_dir() or is_place(name):
        return find_kind(Path(name), len(benchmark.classes))
    known = map_set_names()
    maps: tuple[Kind, ...] = ("saliency", "activation")
    found = [
        kind for kind in maps if f"{benchmark.name}/{kind}/{name}" in known or f"/{kind}/" in name
    ]
    return found[0] if len(found) == 1 else None


def find_kind(folder: Path, classes: int) -> Kind | None:
    """What a folder holds, from a few of its files; None where that is not certain.

    Pictures in colours of a palette, and `.npy` files of one array, are label maps. Pictures with
    grey levels that are no class are maps: activation maps if all are named `<id>_<class>`, else
    saliency maps. Dictionaries are activation maps.

    Args:
        folder: where they lie.
        classes: number of foreground classes.

    Raises:
        MissingFileError: no such folder, or it holds none.
    """
    files = list_files(folder, (*MAP_SUFFIXES, ".npy"))
    stems = sorted(files)
    step = max(1, len(stems) // _LOOKED_AT)
    found = {_file_kind(files[stem], classes) for stem in stems[::step][:_LOOKED_AT]} - {None}
    if found == {"labels"}:
        return "labels"
    if found == {"dictionary"}:
        return "activation"
    if found != {"map"}:
        return None
    named = (ACTIVATION_NAME.fullmatch(stem) for stem in stems)
    fits = all(match is not None and int(match[2]) < classes for match in named)
    return "activation" if fits else "saliency"


def _file_kind(path: Path, classes: int) -> str | None:
    """`labels`, `dictionary` or `map`; None where a file could be either."""
    if path.suffix.lower() == ".npy":
        return "labels" if _is_readable(path, read_label) else "dictionary"
    if not _is_readable(path, read_map):
        return "labels" if _is_readable(path, read_label) else None
    values = read_map(path)
    return "map" if ((values > classes) & (values < 255)).any() else None


def _is_readable(path: Path, read: Any) -> bool:  # noqa: ANN401 (a function of a path)
    try:
        read(path)
    except ImageFormatError:
        return False
    return True
