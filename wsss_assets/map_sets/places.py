"""Map sets from a place that the user names: a mirror, a copy of a repository, the maps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.records import Holding, Manifest, canonical_json
from wsss_assets.errors import ChecksumError, MissingFileError, UnknownNameError
from wsss_assets.map_sets.imports import import_maps
from wsss_assets.map_sets.lists import WantedList
from wsss_assets.map_sets.repository import MANIFEST_NAME, open_copy
from wsss_assets.map_sets.store import (
    HeldSet,
    holding_key,
    keep,
    list_held,
    local_name,
    locked,
    new_folder,
    sets_folder,
)
from wsss_assets.map_sets.upstream import import_archive
from wsss_assets.storage.files import has_digest
from wsss_assets.storage.remote import open_stored_maps

if TYPE_CHECKING:
    from wsss_assets.catalog.records import MapSet, RepoFile, SplitShards
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["fetch_from_place", "import_place"]


def fetch_from_place(
    record: MapSet, split: str, place: str, labels: ImageLabels | None, feedback: Feedback
) -> HeldSet:
    """A mirror of the archive or of the repository, or the maps themselves.

    Args:
        record: the map set.
        split: the split's name.
        place: an address or a path.
        labels: the images, their order and classes, for imports; None: WSSS-BED's list.
        feedback: who waits.

    Raises:
        FetchError: the network failed; `ChecksumError`: it is not what it should be.
        DataError: there are no maps of these images.
    """
    archive = _archive_at(place, f"{record.upstream}.zip") if record.upstream else None
    if archive is not None:
        return import_archive(record, split, labels, feedback, archive)
    if "://" not in place and (Path(place) / MANIFEST_NAME).is_file():
        return _from_mirror(record, split, Path(place))
    wanted = WantedList(get_benchmark(record.benchmark), split, labels)
    return import_place(record, split, place, wanted, feedback)


def import_place(
    record: MapSet, split: str, place: str, wanted: WantedList, feedback: Feedback
) -> HeldSet:
    """Import maps from a folder, a zip or any address, unless the same ones are here already.

    Args:
        record: what they are.
        split: the split's name.
        place: a path or an address.
        wanted: the images, their order and classes.
        feedback: who waits.

    Raises:
        MissingFileError: nothing is there.
        FetchError: it cannot be read.
        DataError: there are no maps of these images.
    """
    with open_stored_maps(place) as maps:
        key = holding_key("place", place, maps.fingerprint(), wanted.sha256)
        held = _held_place(record, split, key)
        if held is not None:
            return held
        with locked(record.id):
            held = _held_place(record, split, key)
            if held is not None:
                return held
            origin = {"origin": "place", "source": place}
            return import_maps(record, split, maps, wanted, key, origin, feedback)


def _archive_at(place: str, name: str) -> str | None:
    """Where a copy of the authors' archive is, if that is what a place holds or is."""
    if place.startswith(("http://", "https://")):
        is_zip = urlsplit(place).path.lower().endswith(".zip")
        return place if is_zip else f"{place.rstrip('/')}/{name}"
    if "://" in place:
        return None
    if (Path(place) / name).is_file():
        return str(Path(place) / name)
    return place if Path(place).name.lower() == name.lower() else None


def _from_mirror(record: MapSet, split: str, root: Path) -> HeldSet:
    """Copy a set from a local copy of a repository, held to the manifest that lies in it."""
    manifest = open_copy(root).manifest
    content = _content(manifest, record, split, root)
    listed = manifest.lists.get(f"{record.benchmark}/{split}")
    key = holding_key("mirror", canonical_json(content), None if listed is None else listed.sha256)
    holding = Holding(
        record=record,
        split=split,
        content=content,
        origin="place",
        source=str(root.resolve()),
        labels=listed,
    )
    copied = HeldSet(sets_folder() / record.id / split / key, holding)
    with locked(record.id):
        if _held_place(record, split, key) is None:
            with new_folder(record.id, split, key) as folder:
                for file in copied.vouched:
                    _copy(root, file, folder)
                keep(folder, holding)
    return copied


def _content(manifest: Manifest, record: MapSet, split: str, root: Path) -> SplitShards:
    for one in manifest.sets:
        if one.record.id == record.id:
            if split not in one.splits:
                raise UnknownNameError(f"split of {record.id} in {root}", split, one.splits)
            return one.splits[split]
    raise UnknownNameError(
        f"map set in {root}", record.id, [one.record.id for one in manifest.sets]
    )


def _copy(root: Path, file: RepoFile, folder: Path) -> None:
    target = folder / local_name(file)
    try:
        shutil.copyfile(root / file.path, target)
    except FileNotFoundError:
        raise MissingFileError(
            f"no file {root / file.path}, which {MANIFEST_NAME} speaks of", done="nothing was kept"
        ) from None
    if not has_digest(target, file.size, file.sha256):
        raise ChecksumError(
            f"{root / file.path} is not the file that the manifest speaks of",
            expected=f"{file.size} bytes of sha256 {file.sha256}",
            done="nothing was kept",
        )


def _held_place(record: MapSet, split: str, key: str) -> HeldSet | None:
    found = [one for one in list_held(record.id, split) if one.folder.name == key]
    return found[0] if found and not found[0].damaged() else None
