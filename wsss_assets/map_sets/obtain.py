"""A map set on this machine: found in the cache, or fetched, imported and checked.

Three origins, in this order when nothing is said: the repository on the Hub that the record pins
(or that the user names), the authors' archive, or a place that the user names: another address of
the archive, a mirror of the repository, or the maps themselves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import NAME_PATTERN
from wsss_assets.errors import (
    ChecksumError,
    FetchError,
    MissingFileError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.map_sets.choose import choose_by_id
from wsss_assets.map_sets.feedback import SILENT, Terminal
from wsss_assets.map_sets.places import fetch_from_place
from wsss_assets.map_sets.published import fetch_published, published_set
from wsss_assets.map_sets.repository import MANIFEST_NAME, chosen_repository
from wsss_assets.map_sets.store import list_held
from wsss_assets.map_sets.upstream import import_archive

if TYPE_CHECKING:
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.store import HeldSet

__all__ = [
    "USUAL_SPLITS",
    "check_split_name",
    "choose_split",
    "download",
    "obtain",
    "plan",
    "resolve_source",
]

_MEANS_EVERY_SPLIT = "all"

USUAL_SPLITS = ("train_aug", "train")

_NAMED_SOURCES = ("auto", "hub", "upstream")


def download(
    name: str,
    *,
    split: str | None = None,
    source: str | Path = "auto",
    repo_id: str | None = None,
    revision: str | None = None,
    feedback: Feedback | None = None,
) -> Path:
    """Have a map set on this machine, whole and checked.

    Args:
        name: its id, e.g. `voc2012/saliency/vst_duts`, or upstream name.
        split: which split; None: the one that maps are usually made for.
        source: `auto`, `hub`, `upstream`, an address or a path.
        repo_id: another repository on the Hub than the one that the record pins.
        revision: branch, tag or commit of it.
        feedback: who waits; None: bars and lines on standard error.

    Returns:
        The folder of its shards.

    Raises:
        UnknownNameError: no such map set or split.
        UsageError: it cannot be had from that source.
        FetchError: the network failed; `ChecksumError`: what came is not what was promised.
        DataError: archive or maps cannot be used; `MissingFileError`: the source is not there.
        MissingDependencyError: the extra `hub` is not installed.
    """
    if split is not None:
        check_split_name(split)
    source = resolve_source(source)
    record = choose_by_id(name, chosen_repository(repo_id, revision, source))
    who = Terminal() if feedback is None else feedback
    return obtain(record, split, source=source, feedback=who).paths[0].parent


def obtain(
    record: MapSet,
    split: str | None = None,
    *,
    source: str | Path = "auto",
    labels: ImageLabels | None = None,
    feedback: Feedback = SILENT,
) -> HeldSet:
    """Have a split of a map set here, whole and checked; what is here already is not asked for.

    Args:
        record: the map set.
        split: which split; None: the one that maps are usually made for.
        source: `auto`, `hub`, `upstream`, an address or a path.
        labels: the images, their order and classes, for imports; None: WSSS-BED's list.
        feedback: who waits.

    Raises:
        UnknownNameError: the set has no such split.
        UsageError: it cannot be had from that source, or not with a list of one's own.
        FetchError: the network failed; `ChecksumError`: what came is not what was promised.
        DataError: archive or maps cannot be used; `MissingFileError`: the source is not there.
    """
    source = resolve_source(source)
    split = choose_split(record, split)
    if labels is not None and _is_published(record, source):
        raise UsageError(
            f"the rows of {record.id} are those that were published: they cannot be chosen by a "
            "list",
            done="nothing was fetched",
            hint="choose images with --ids of 'wsss-assets export' or labels= of load_dataset, or "
            "import the authors' archive: --source upstream",
        )
    if source == "auto":
        return _from_anywhere(record, split, labels, feedback)
    if source == "hub":
        return fetch_published(published_set(record, split), feedback)
    if source == "upstream":
        return import_archive(record, split, labels, feedback)
    return fetch_from_place(record, split, source, labels, feedback)


def resolve_source(source: str | Path) -> str:
    """A source as it is used: a path with `~` expanded, anything else as it is.

    >>> resolve_source("auto"), resolve_source("https://example.org/maps")
    ('auto', 'https://example.org/maps')

    Raises:
        MissingFileError: it is a path, and nothing is there.
    """
    source = os.fspath(source)
    if source in _NAMED_SOURCES or "://" in source:
        return source
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise MissingFileError(
            f"no file or folder {source!r} to take maps from",
            expected=f"{', '.join(_NAMED_SOURCES)}, an address, or a path that exists",
        )
    return str(path)


def check_split_name(split: str) -> None:
    """Refuse what can be no split's name: it becomes part of paths and of records.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(NAME_PATTERN, split) or split == _MEANS_EVERY_SPLIT:
        raise UsageError(
            f"{split!r} can be no split's name",
            expected="up to 64 lower-case letters, digits and underscores, e.g. train_aug, but for "
            f"{_MEANS_EVERY_SPLIT!r}, which `datasets` keeps for itself",
        )


def _is_published(record: MapSet, source: str) -> bool:
    """Whether what a source has is packed already, so that its rows are fixed."""
    if source in _NAMED_SOURCES:
        return source == "hub" or (source == "auto" and record.published is not None)
    return "://" not in source and (Path(source) / MANIFEST_NAME).is_file()


def plan(
    record: MapSet, split: str | None = None, source: str | Path = "auto"
) -> tuple[str, int | None, bool]:
    """Where `obtain` would take a set from, how many bytes, and whether it is here already."""
    source = resolve_source(source)
    split = choose_split(record, split)
    if source == "hub" or (source == "auto" and record.published is not None):
        held = published_set(record, split)
        return f"hub: {held.holding.source}", held.holding.content.size, not held.damaged()
    if source in {"auto", "upstream"} and record.archive is not None:
        imports = [one for one in list_held(record.id, split) if one.holding.archive_sha256]
        here = any(not one.damaged() for one in imports)
        return f"upstream: {record.archive.url}", record.archive.size, here
    return "nowhere" if source == "auto" else source, None, False


def choose_split(record: MapSet, split: str | None) -> str:
    """The split that is asked for, or the usual one.

    Raises:
        UnknownNameError: the set has no such split.
        UsageError: none was asked for, and it has several.
    """
    known = tuple(record.published.splits if record.published is not None else record.splits)
    if split is None:
        usual = known if len(known) == 1 else [one for one in USUAL_SPLITS if one in known]
        if not usual:
            raise UsageError(f"which split of {record.id}?", expected=f"one of {', '.join(known)}")
        return usual[0]
    if split not in known:
        raise UnknownNameError(f"split of {record.id}", split, known)
    return split


def _from_anywhere(
    record: MapSet, split: str, labels: ImageLabels | None, feedback: Feedback
) -> HeldSet:
    if record.published is None:
        return import_archive(record, split, labels, feedback)
    try:
        return fetch_published(published_set(record, split), feedback)
    except ChecksumError:
        raise
    except FetchError as error:
        if record.archive is None:
            raise
        feedback.say(f"{error}\ntaking {record.id} from the authors' archive instead")
        return import_archive(record, split, labels, feedback)
