"""Loose maps into a folder that is laid out as the repository will be, its manifest included."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.catalog import get_map_set, map_set_names
from wsss_assets.catalog.names import near_names, resolve_name
from wsss_assets.catalog.records import (
    SET_ID_PATTERN,
    Manifest,
    MapSet,
    PublishedSet,
    canonical_json,
    parse_record,
)
from wsss_assets.devkit.image_labels import write_label_list
from wsss_assets.errors import (
    ChecksumError,
    FolderInUseError,
    MissingFileError,
    RecordError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.lists import list_file
from wsss_assets.map_sets.packing import pack_split
from wsss_assets.map_sets.repository import MANIFEST_NAME
from wsss_assets.map_sets.store import local_name, staging_lock
from wsss_assets.publish.recorded import RecordedMaps, made_from, read_made
from wsss_assets.publish.remarks import tell_of_count, tell_of_record, tell_of_strangers
from wsss_assets.storage.files import (
    has_digest,
    remove_leftovers,
    sha256_file,
    temporary_folder,
    write_atomically,
)
from wsss_assets.storage.remote import open_stored_maps
from wsss_assets.words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsss_assets.catalog.records import Hole, LabelListFile, SplitShards
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback

__all__ = [
    "UNRELEASED",
    "check_staged",
    "describe",
    "new_holes",
    "pack",
    "read_staged",
    "said_by_record",
]

UNRELEASED = "unreleased"
"""The version of a staged manifest; publishing gives it a name."""

_TYPO = 0.85
"""How alike names are, by difflib, of which one is taken for a slip of the other."""


def describe(
    set_id: str,
    *,
    maker: str | None = None,
    supervision: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    note: str | None = None,
) -> MapSet:
    """The catalogue's record of a map set, or a new one from what its maker says.

    Args:
        set_id: `<benchmark>/<kind>/<name>`.
        maker: the model or method, in words.
        supervision: `none`, `image_labels` or `pixel_masks`.
        licence: of the maps.
        citation: a BibTeX entry.
        note: what a user must know.

    Raises:
        UsageError: the catalogue has a record of that id, which nothing can be said about; or it
            has none, and nobody says what made the maps.
        UnknownNameError: there is no such benchmark.
        RecordError: what is said does not make a record.
    """
    said = {
        "maker": maker,
        "supervision": supervision,
        "licence": licence,
        "citations": None if citation is None else (citation.strip(),),
        "note": note,
    }
    with contextlib.suppress(UnknownNameError):
        set_id = resolve_name(set_id)
    if not re.fullmatch(SET_ID_PATTERN, set_id):
        raise UsageError(
            f"{set_id!a} is no id of a map set",
            expected="BENCHMARK/saliency/NAME or BENCHMARK/activation/NAME, in lower-case letters, "
            "digits and _, e.g. voc2012/saliency/my_model",
        )
    given = {name: value for name, value in said.items() if value is not None}
    if set_id in map_set_names():
        if given:
            raise UsageError(
                f"{set_id} is in the catalogue, so its record is known",
                found=f"{', '.join(given)} given as well",
                hint="choose another id for maps of your own",
            )
        return get_map_set(set_id)
    get_benchmark(set_id.partition("/")[0])
    if maker is None:
        raise UsageError(f"{set_id} is not in the catalogue", hint=_one_s_own_or_a_slip(set_id))
    return parse_record(
        MapSet, json.dumps({"id": set_id, "splits": {}, **given}), "what was said of the set"
    )


def said_by_record(set_id: str, maps: str | Path) -> str | None:
    """What made a folder of maps, by the record that `regenerate` left in it.

    Args:
        set_id: what the maps are to be called; of a set of the catalogue, more is known.
        maps: the folder, or another place, which has no such record.

    Raises:
        RecordError: the record is damaged.
        DataError: `regenerate` has not finished there.
    """
    made = None if _is_known(set_id) else read_made(maps)
    return None if made is None else made.made_by


def pack(
    maps: str | Path,
    record: MapSet,
    staging: Path,
    *,
    split: str,
    labels: ImageLabels,
    recode: bool = True,
    workers: int | None = None,
    feedback: Feedback = SILENT,
) -> SplitShards:
    """Pack the maps of a split and add them to the manifest of a staging folder.

    Shards are moved into place when they are whole and the manifest is written last, so what a
    kill leaves behind is never taken for packed. What was packed under the same id and split is
    replaced. Maps that `regenerate` made are held to the record beside them, and what it says of
    them all goes into the manifest. Folders that were made for nothing are removed.

    Args:
        maps: a folder, zip or address of the maps.
        record: what they are.
        staging: the folder to publish later; made if need be.
        split: the split's name.
        labels: its images, in the order of the rows, and their classes.
        recode: decode every map, digest its pixels and store the smaller lossless encoding;
            otherwise the bytes are stored as they are and not decoded.
        workers: threads; None: one per core.
        feedback: who waits.

    Raises:
        FolderInUseError: the split was packed with another list of images or classes.
        ChecksumError: the maps are an archive of the authors, but not the one in the record.
        DataError: there are no maps of these images, or not those that `regenerate` made, or it
            has not finished.
    """
    record = _with_digest(record, maps)
    made = read_made(maps)
    _label_list(read_staged(staging), staging, record.benchmark, split, labels)
    tell_of_count(get_benchmark(record.benchmark), split, labels, feedback)
    remove_leftovers(staging)
    home = staging / record.id
    with (
        _made_in_vain_goes(home),
        open_stored_maps(maps) as source,
        temporary_folder(home / split) as folder,
    ):
        held = None if made is None else RecordedMaps(source, made, record, labels)
        with contextlib.nullcontext() if held is None else held.enforced():
            content = pack_split(
                held or source,
                tuple(labels),
                kind=record.kind,
                folder=folder,
                split=split,
                prefix=record.id,
                classes=labels if record.kind == "activation" else None,
                most_classes=len(get_benchmark(record.benchmark).classes),
                recode=recode,
                workers=workers,
                progress=feedback.items,
            )
        tell_of_strangers(source, labels, record, feedback)
        if held is not None:
            content = content.model_copy(update={"made": made_from(held.made)})
            tell_of_record(held, labels, feedback)
        with staging_lock(staging):  # others may have packed meanwhile
            before = read_staged(staging)
            listed = _label_list(before, staging, record.benchmark, split, labels)
            for file in content.files:
                (folder / local_name(file)).replace(home / local_name(file))
            write_label_list(staging / listed.path, labels)
            packed = PublishedSet(
                record=record.model_copy(update={"published": None}), splits={split: content}
            )
            lists = {f"{record.benchmark}/{split}": listed}
            _write_manifest(staging, before.merged([packed], lists, UNRELEASED))
            kept = {local_name(file) for file in content.files}
            for path in home.glob(f"{split}-?????-of-?????.parquet"):
                if path.name not in kept:
                    path.unlink()
    return content


def new_holes(content: SplitShards, record: MapSet, split: str) -> tuple[Hole, ...]:
    """The holes of a packed split that are not known from its publication.

    An image without classes needs no activation map and is no hole.

    Args:
        content: what `pack` gave.
        record: what it was packed as.
        split: the split's name.
    """
    published = None if record.published is None else record.published.splits.get(split)
    known = () if published is None else published.holes
    expected = {(hole.image_id, hole.class_id) for hole in known}
    return tuple(hole for hole in content.holes if (hole.image_id, hole.class_id) not in expected)


def read_staged(staging: Path) -> Manifest:
    """The manifest of a staging folder; an empty one where there is none yet.

    Raises:
        RecordError: there is one that is damaged.
    """
    path = staging / MANIFEST_NAME
    if not path.exists():
        return Manifest(format=1, version=UNRELEASED, sets=())
    manifest = parse_record(Manifest, path.read_bytes(), str(path))
    if not manifest.is_intact():
        raise RecordError(
            f"{path} was changed by hand or damaged",
            hint="remove it and pack the sets again",
        )
    return manifest


def check_staged(staging: Path, manifest: Manifest) -> None:
    """Hold every staged file to the manifest.

    Raises:
        MissingFileError: a file is not there.
        RecordError: one is not what the manifest says.
    """
    for file in manifest.files():
        path = staging / file.path
        if not path.is_file():
            raise MissingFileError(f"no file {path}", hint="pack the set again")
        if not has_digest(path, file.size, file.sha256):
            raise RecordError(
                f"{path} is not the file that was packed",
                expected=f"{file.size} bytes of sha256 {file.sha256}",
                done="nothing was published",
                hint="pack the set again",
            )


def _is_known(set_id: str) -> bool:
    """Whether the catalogue has a record of that name."""
    try:
        return resolve_name(set_id) in map_set_names()
    except UnknownNameError:
        return False


def _one_s_own_or_a_slip(set_id: str) -> str:
    """What may be meant by an id that is not in the catalogue; the likelier comes first."""
    benchmark, kind, name = set_id.split("/")
    slips = [
        f"{benchmark}/{kind}/{one}"
        for one in near_names(name, benchmark=benchmark, kind=kind)
        if difflib.SequenceMatcher(None, name, one).ratio() >= _TYPO
    ]
    if slips:
        return f"{did_you_mean(slips)} for maps of your own, say what made them with --made-by TEXT"
    return (
        "for maps of your own, say what made them with --made-by TEXT; 'wsss-assets list' shows "
        "the ids of the catalogue"
    )


@contextlib.contextmanager
def _made_in_vain_goes(folder: Path) -> Iterator[None]:
    """Make a folder; after a failure it goes again, with those above it that were made for it."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # somebody else put something there
            for path in new:
                path.rmdir()
        raise


def _with_digest(record: MapSet, maps: str | Path) -> MapSet:
    """The record, naming the bytes of the authors' archive if that is what is packed.

    Raises:
        ChecksumError: it is another archive than the record names.
    """
    path = Path(maps)
    if record.archive is None or path.name != f"{record.upstream}.zip" or not path.is_file():
        return record
    known, sha256 = record.archive.sha256, sha256_file(path)
    if known not in {None, sha256}:
        raise ChecksumError(
            f"{path} is not the archive that the record of {record.id} names",
            expected=f"sha256 {known}",
            found=f"sha256 {sha256}",
            done="nothing was packed",
        )
    seen = record.archive.model_copy(update={"size": path.stat().st_size, "sha256": sha256})
    return record.model_copy(update={"archive": seen})


def _label_list(
    manifest: Manifest, staging: Path, benchmark: str, split: str, labels: ImageLabels
) -> LabelListFile:
    listed, _ = list_file(benchmark, split, labels)
    packed = manifest.lists.get(f"{benchmark}/{split}")
    if packed not in {None, listed}:
        others = [
            one.record.id
            for one in manifest.sets
            if one.record.benchmark == benchmark and split in one.splits
        ]
        raise FolderInUseError(
            f"{benchmark} {split} was packed with another list in {staging}",
            expected="the same images, order and classes for every set of a split",
            found=f"{len(labels):,} images, where {', '.join(others)} has another list",
            done="nothing was packed",
            hint="use the same --labels, another name for --split, or another --staging",
        )
    return listed


def _write_manifest(staging: Path, manifest: Manifest) -> None:
    write_atomically(staging / MANIFEST_NAME, canonical_json(manifest))
