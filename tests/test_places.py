from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import fsspec
import pytest

from tests.faults import status
from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    Authors,
    Told,
    activation_maps,
    draw,
    flip,
    list_text,
    saliency_maps,
    stage,
    stored_ids,
    stored_maps,
    tree,
    waiting_is_quick,
    write_maps,
    zip_of,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.errors import (
    ArchiveError,
    ChecksumError,
    DataError,
    FetchError,
    MissingFileError,
    UnknownNameError,
)
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.store import list_held
from wsss_assets.storage.fetch import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from wsss_assets.map_sets.store import HeldSet

SALIENCY, ACTIVATION = saliency_maps(), activation_maps()
ARCHIVE = zip_of(SALIENCY)
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()
NAME = "VOC2012_VST_DUTS.zip"


@pytest.fixture(autouse=True)
def authors(
    hub: FakeHub, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Authors:
    """The authors' label list; no archive."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    hub.clear_log()
    waiting_is_quick(monkeypatch)
    return Authors(files, monkeypatch)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A copy of a repository."""
    return stage(tmp_path / "mirror", {VST: SALIENCY, CAM: ACTIVATION})


def fetch(source: str | Path, set_id: str = VST, told: Told | None = None) -> HeldSet:
    return obtain(get_map_set(set_id), source=str(source), feedback=told or Told())


def nothing_half_done() -> bool:
    return not [path for path in tree(cache_folder()) if path.startswith("sets/")]


# Copies of the authors' archive.


@pytest.mark.parametrize(
    "address", ["mirror/VOC2012_VST_DUTS.zip", "mirror", "mirror/", "other-name.ZIP"]
)
def test_a_mirror_of_the_archive_may_be_named(authors: Authors, address: str) -> None:
    name = address if address.lower().endswith(".zip") else f"mirror/{NAME}"
    authors.files.add(name, ARCHIVE)
    held = fetch(f"{authors.files.url}/{address}")
    assert stored_maps(held.paths) == SALIENCY
    assert stored_ids(held.paths) == list(LABELS)
    assert (held.holding.origin, held.holding.archive_sha256) == ("archive", DIGEST)


def test_a_mirror_of_another_archive_is_refused_after_the_first(authors: Authors) -> None:
    authors.files.add(f"a/{NAME}", ARCHIVE)
    authors.files.add(f"b/{NAME}", zip_of(saliency_maps(salt="changed")))
    held = fetch(f"{authors.files.url}/a")
    shutil.rmtree(held.folder)
    with pytest.raises(ChecksumError, match=DIGEST):
        fetch(f"{authors.files.url}/b")
    assert stored_maps(fetch(f"{authors.files.url}/a").paths) == SALIENCY


def test_a_mirror_without_the_archive_is_an_error(authors: Authors) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch(f"{authors.files.url}/nowhere")
    assert nothing_half_done()


@pytest.mark.parametrize(
    ("name", "source"), [(NAME, NAME), (NAME, ""), (NAME.lower(), NAME.lower())]
)
def test_a_copy_on_disk_may_be_named_by_file_or_folder(
    authors: Authors, tmp_path: Path, name: str, source: str
) -> None:
    (tmp_path / "Downloads").mkdir()
    copy = tmp_path / "Downloads" / name
    copy.write_bytes(ARCHIVE)
    held = fetch(tmp_path / "Downloads" / source)
    assert stored_maps(held.paths) == SALIENCY
    assert (held.holding.origin, held.holding.archive_sha256) == ("archive", DIGEST)
    assert copy.read_bytes() == ARCHIVE
    assert not authors.files.gets(NAME)


# Copies of a repository.


@pytest.mark.parametrize("set_id", [VST, CAM])
def test_a_copy_of_a_repository_may_be_named(authors: Authors, mirror: Path, set_id: str) -> None:
    held = fetch(mirror, set_id)
    assert stored_maps(held.paths) == (SALIENCY if set_id == VST else ACTIVATION)
    assert held.holding.origin == "place"
    assert held.damaged(again=True) == ()
    assert held.label_list().read_bytes() == (mirror / "voc2012/labels/train_aug.txt").read_bytes()
    assert authors.files.requests == []
    (shard,) = (mirror / set_id).glob("*.parquet")
    assert held.paths[0].read_bytes() == shard.read_bytes()
    shutil.rmtree(mirror)
    assert held.damaged(again=True) == (), "the copy is a copy"


def test_a_copy_of_a_repository_is_copied_once(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = fetch(mirror)
    before = {path: path.stat().st_ino for path in held.files()}
    monkeypatch.chdir(mirror.parent)
    assert fetch("mirror").folder == held.folder
    assert {path: path.stat().st_ino for path in held.files()} == before
    assert len(list_held()) == 1


def test_a_copy_that_was_replaced_is_copied_anew(mirror: Path) -> None:
    fetch(mirror)
    shutil.rmtree(mirror)
    changed = saliency_maps(salt="changed")
    stage(mirror, {VST: changed})
    assert stored_maps(fetch(mirror).paths) == changed


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("shard", "flipped"),
        ("shard", "truncated"),
        ("shard", "gone"),
        ("list", "flipped"),
        ("list", "truncated"),
        ("list", "gone"),
        ("manifest", "flipped"),
        ("manifest", "truncated"),
    ],
)
def test_a_damaged_copy_is_refused_and_nothing_is_kept(
    mirror: Path, what: str, damage: str
) -> None:
    path = {
        "shard": next((mirror / VST).glob("*.parquet")),
        "list": mirror / "voc2012/labels/train_aug.txt",
        "manifest": mirror / "manifest.json",
    }[what]
    if damage == "flipped":
        flip(path, 300 if what != "list" else 3)
    elif damage == "truncated":
        os.truncate(path, path.stat().st_size - 20)
    else:
        path.unlink()
    with pytest.raises((ChecksumError, DataError), match=str(path.name)):
        fetch(mirror)
    assert list_held() == ()
    assert nothing_half_done()


def test_a_copy_damaged_since_is_copied_again(mirror: Path) -> None:
    held = fetch(mirror)
    flip(held.paths[0], 300)
    held.label_list().unlink()
    healed = fetch(mirror)
    assert healed.damaged(again=True) == ()
    assert stored_maps(healed.paths) == SALIENCY


def test_a_copy_without_the_set_is_an_error_that_lists_what_there_is(mirror: Path) -> None:
    with pytest.raises(UnknownNameError, match=CAM) as error:
        fetch(mirror, "voc2012/activation/drs")
    assert VST in str(error.value)
    record = get_map_set(VST).model_copy(update={"splits": {SPLIT: None, "val": None}})
    with pytest.raises(UnknownNameError, match=SPLIT):
        obtain(record, "val", source=str(mirror))


# The maps themselves.


def in_memory(name: str, maps: dict[str, bytes]) -> str:
    """The address of a folder in the memory of fsspec."""
    system = fsspec.filesystem("memory")
    for stem, data in maps.items():
        system.pipe_file(f"/{name}/{stem}.png", data)
    return f"memory://{name}"


def as_folder(folder: Path, maps: dict[str, bytes]) -> str:
    return str(write_maps(folder / "loose", maps))


def as_zip(folder: Path, maps: dict[str, bytes]) -> str:
    (folder / "mine.zip").write_bytes(zip_of(maps))
    return str(folder / "mine.zip")


def as_folder_of_a_zip(folder: Path, maps: dict[str, bytes]) -> str:
    return f"zip://VOC2012_MAPS/maps::{as_zip(folder, maps)}"


def as_address(folder: Path, maps: dict[str, bytes]) -> str:
    return in_memory(folder.name, maps)


def as_address_of_a_zip(folder: Path, maps: dict[str, bytes]) -> str:
    fsspec.filesystem("memory").pipe_file(f"/{folder.name}.zip", zip_of(maps))
    return f"memory://{folder.name}.zip"


PLACES = [as_folder, as_zip, as_folder_of_a_zip, as_address, as_address_of_a_zip]


@pytest.mark.parametrize("make", PLACES)
@pytest.mark.parametrize("set_id", [VST, CAM])
def test_the_maps_themselves_may_be_named(
    tmp_path: Path, make: Callable[..., str], set_id: str
) -> None:
    maps = SALIENCY if set_id == VST else ACTIVATION
    place = make(tmp_path, maps)
    held = fetch(place, set_id)
    assert stored_ids(held.paths) == list(LABELS)
    assert stored_maps(held.paths) == maps
    assert (held.holding.origin, held.holding.source) == ("place", place)
    told = Told()
    assert fetch(place, set_id, told) == held
    assert told.lines == []
    assert list_held() == (held,)


@pytest.mark.parametrize("make", PLACES)
def test_maps_that_changed_are_imported_anew(tmp_path: Path, make: Callable[..., str]) -> None:
    few = dict(list(SALIENCY.items())[:2])
    place = make(tmp_path, few)
    first = fetch(place)
    assert len(first.holding.content.holes) == len(LABELS) - 2
    assert make(tmp_path, SALIENCY) == place
    assert stored_maps(fetch(place).paths) == SALIENCY


def test_a_map_that_is_replaced_by_one_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    place = write_maps(tmp_path / "loose", SALIENCY)
    fetch(place)
    path = place / f"{next(iter(LABELS))}.png"
    other = next(
        data
        for data in (draw(f"other {number}") for number in range(999))
        if len(data) == path.stat().st_size and data != path.read_bytes()
    )
    later = path.stat().st_mtime_ns + 1_000_000_000
    path.write_bytes(other)
    os.utime(path, ns=(later, later))
    assert stored_maps(fetch(place).paths)[path.stem] == other


def test_a_damaged_import_of_maps_is_made_again(tmp_path: Path) -> None:
    place = write_maps(tmp_path / "loose", SALIENCY)
    held = fetch(place)
    flip(held.paths[0], 300)
    assert stored_maps(fetch(place).paths) == SALIENCY
    held.paths[0].unlink()
    assert stored_maps(fetch(place).paths) == SALIENCY
    assert list_held() == (held,)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("nothing", MissingFileError),
        ("nothing.zip", MissingFileError),
        ("empty", MissingFileError),
        ("text.zip", ArchiveError),
        ("memory://nothing/here", MissingFileError),
        ("nosuch://place", FetchError),
        ("above", MissingFileError),
    ],
)
def test_a_place_without_maps_is_an_error_that_names_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: type[Exception],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_bytes(b"no archive")
    write_maps(tmp_path / "above" / "maps", SALIENCY)
    with pytest.raises(error, match=place):
        fetch(place)
    assert nothing_half_done()


def test_maps_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    place = write_maps(tmp_path / "loose", ACTIVATION)
    with pytest.raises(DataError, match="these are activation maps"):
        fetch(place)
    assert nothing_half_done()


def test_a_repository_at_an_address_that_is_down_is_an_error(authors: Authors) -> None:
    authors.files.add(NAME, ARCHIVE)
    authors.files.fault(NAME, status(503), times=None)
    with pytest.raises(FetchError, match="503"):
        fetch(authors.files.url)
    assert nothing_half_done()


def test_copies_with_other_labels_are_not_taken_for_each_other(tmp_path: Path) -> None:
    other = dict.fromkeys(LABELS, (1,))
    copies = [
        stage(tmp_path / name, {VST: SALIENCY}, labels)
        for name, labels in (("one", LABELS), ("two", other))
    ]
    held = [obtain(get_map_set(VST), source=str(copy)) for copy in copies]
    assert [one.label_list().read_text() for one in held] == [list_text(LABELS), list_text(other)]
