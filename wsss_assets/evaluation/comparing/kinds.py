"""Whether a folder holds label, saliency or activation maps: as far as stamp and files tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from wsss_assets.catalog.names import is_place, map_set_names
from wsss_assets.errors import FolderInUseError, ImageFormatError, MissingFileError, UsageError
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, read_map
from wsss_assets.storage.label_maps import read_label, shows_label_colours
from wsss_assets.storage.stamps import read_stamp

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark

__all__ = ["ACTIVATION_NAME", "KINDS", "Kind", "common_kind", "find_kind", "refuse_other_kind"]

Kind: TypeAlias = Literal["labels", "saliency", "activation"]

KINDS: tuple[Kind, ...] = get_args(Kind)

ACTIVATION_NAME = re.compile(r"(.+)_(0|[1-9][0-9]*)")
"""`<image id>_<0-based class>`."""

_MAKES_LABELS = ("wsss-assets pseudo-label", "wsss-assets ground-truth")
_SUFFIXES = (*MAP_SUFFIXES, ".npy")

_LOOKED_AT = 8
"""Files of a folder; it need not be read whole for this."""


def common_kind(first: str, second: str, benchmark: Benchmark, *, scored: bool = False) -> Kind:
    """What two folders or map sets both hold.

    Args:
        first: folder, or name of a map set.
        second: another one.
        benchmark: whose.
        scored: whether both are to be scored, as only labels can: they are what is not certain.

    Raises:
        UsageError: that is not certain, or not the same.
        MissingFileError: there is no such folder or map set, or it is empty.
    """
    told = [_kind_of(one, benchmark) for one in (first, second)]
    kinds = [one or ("labels" if scored else None) for one in told]
    if kinds[0] is None or kinds[0] != kinds[1]:
        raise UsageError(
            "what is to be compared cannot be told from the files"
            if None in kinds
            else "A and B are of different kinds",
            expected="two folders of labels, or two sets of saliency or of activation maps",
            found=" and ".join(
                f"{one or 'nothing certain'} ({name})"
                for one, name in zip(kinds, (first, second), strict=True)
            ),
            hint="say what they are with --kind labels, saliency or activation"
            if None in kinds
            else "compare what is of one kind; where files mislead, say with --kind what they are",
        )
    return kinds[0]


def refuse_other_kind(name: str, kind: Kind, benchmark: Benchmark) -> None:
    """Refuse a folder that certainly holds something else than was said.

    A label map in greys (VOC's colour of cars is one) could be read as a saliency map.

    Args:
        name: folder, or name of a map set.
        kind: what was said.
        benchmark: whose.

    Raises:
        UsageError: it does.
    """
    folder = Path(name)
    if not folder.is_dir():
        return
    found = _stamped_kind(folder)
    if found is None and any(
        shows_label_colours(path, len(benchmark.label_names)) for path in _some_files(folder)
    ):
        found = "labels"
    if found not in (None, kind):
        raise UsageError(
            f"{name} does not hold what --kind says",
            expected=kind,
            found=f"{found}, by its stamp or the colours of its files",
            hint=f"say --kind {found}, or leave it out",
        )


def _kind_of(name: str, benchmark: Benchmark) -> Kind | None:
    if Path(name).is_dir() or is_place(name):
        return find_kind(Path(name), len(benchmark.classes))
    known = map_set_names()
    maps: tuple[Kind, ...] = ("saliency", "activation")
    found = [
        kind for kind in maps if f"{benchmark.name}/{kind}/{name}" in known or f"/{kind}/" in name
    ]
    if not found:
        raise MissingFileError(
            f"no folder {name}",
            found="nothing there, and no map set is called so",
            hint="see the names of map sets: wsss-assets list",
        )
    return found[0] if len(found) == 1 else None


def find_kind(folder: Path, classes: int) -> Kind | None:
    """What a folder holds; None where that is not certain.

    Its stamp says it, if it has one. Else a few of its files do: pictures with the palette of label
    maps or in colours of another one, and `.npy` files of one array, are label maps. Pictures with
    grey levels that are no class are maps: activation maps if all are named `<id>_<class>`, else
    saliency maps. Dictionaries are activation maps.

    Args:
        folder: where they lie.
        classes: number of foreground classes.

    Raises:
        MissingFileError: no such folder, or it holds none.
    """
    files = list_files(folder, _SUFFIXES)
    stamped = _stamped_kind(folder)
    if stamped is not None:
        return stamped
    found = {_file_kind(path, classes) for path in _some_files(folder)} - {None}
    if found == {"labels"}:
        return "labels"
    if found == {"dictionary"}:
        return "activation"
    if found != {"map"}:
        return None
    named = (ACTIVATION_NAME.fullmatch(stem) for stem in files)
    fits = all(match is not None and int(match[2]) < classes for match in named)
    return "activation" if fits else "saliency"


def _stamped_kind(folder: Path) -> Kind | None:
    """What the stamp of a folder says that it holds; None where it says nothing."""
    try:
        stamp = read_stamp(folder) or {}
    except FolderInUseError:
        return None
    made_by = stamp.get("made_by")
    if made_by in _MAKES_LABELS:
        return "labels"
    work = stamp.get("work")
    if made_by == "wsss-assets regenerate" and isinstance(work, dict):
        if "output" in work:  # activation maps come in several forms, saliency maps in one
            return None if work["output"] == "scores" else "activation"
        return "saliency"
    name = str(stamp.get("set", ""))
    if made_by == "wsss-assets export" and "/" in name:
        return next((kind for kind in KINDS if f"/{kind}/" in name), None)
    return None


def _some_files(folder: Path) -> list[Path]:
    """A few files of a folder, from all over it."""
    files = list_files(folder, _SUFFIXES)
    stems = sorted(files)
    step = max(1, len(stems) // _LOOKED_AT)
    return [files[stem] for stem in stems[::step][:_LOOKED_AT]]


def _file_kind(path: Path, classes: int) -> str | None:
    """`labels`, `dictionary` or `map`; None where a file could be either."""
    if path.suffix.lower() == ".npy":
        return "labels" if _is_readable(path, read_label) else "dictionary"
    if shows_label_colours(path, classes + 1):
        return "labels"
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
