from __future__ import annotations

import contextlib
import hashlib
import io
import json
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.faults import Gate, block, drop, pause, rst, status, swap
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
    go_offline,
    list_text,
    saliency_maps,
    stored_ids,
    stored_maps,
    tree,
    waiting_is_quick,
    write_maps,
    zip_of,
)
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.catalog.records import Archive, MapSet
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.devkit.label_sources import fetch_label_list
from wsss_assets.errors import (
    ArchiveError,
    ChecksumError,
    DataError,
    FetchError,
    UsageError,
    WsssAssetsError,
)
from wsss_assets.map_sets.cache import list_garbage, remove_held
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.store import list_held
from wsss_assets.storage.fetch import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from wsss_assets.map_sets.store import HeldSet

SALIENCY, ACTIVATION = saliency_maps(), activation_maps()
ARCHIVE = zip_of(SALIENCY)
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()
RECORD = get_map_set(VST)
NAME = "VOC2012_VST_DUTS"
ARCHIVE_URL = f"https://github.com/clovaai/WSSS-BED/releases/download/sal_maps/{NAME}.zip"


@pytest.fixture(autouse=True)
def authors(
    hub: FakeHub, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Authors:
    """The authors' servers, with one archive."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    hub.clear_log()
    waiting_is_quick(monkeypatch)
    authors = Authors(files, monkeypatch)
    authors.publish(RECORD, ARCHIVE)
    return authors


def fetch(record: MapSet = RECORD, told: Told | None = None) -> HeldSet:
    return obtain(record, source="upstream", feedback=told or Told())


def note_path() -> Path:
    return cache_folder() / "archives" / f"{NAME}.json"


def note() -> dict[str, object]:
    """What is on record of the archive."""
    path = note_path()
    found: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return found


# What is imported.


def test_saliency_maps_are_imported_byte_for_byte() -> None:
    held = fetch()
    assert stored_ids(held.paths) == list(LABELS)
    assert stored_maps(held.paths) == SALIENCY
    assert held.paths[0].is_relative_to(cache_folder() / "sets" / VST / SPLIT)
    holding = held.holding
    assert (holding.record, holding.split, holding.origin) == (RECORD, SPLIT, "archive")
    assert (holding.source, holding.archive_sha256) == (ARCHIVE_URL, DIGEST)
    assert (holding.content.rows, holding.content.maps) == (6, 6)
    assert holding.content.holes == ()
    ids = "".join(f"{one}\n" for one in LABELS).encode()
    assert holding.content.ids_sha256 == hashlib.sha256(ids).hexdigest()
    for file, path in zip(holding.content.files, held.paths, strict=True):
        data = path.read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_activation_maps_are_imported_byte_for_byte(authors: Authors) -> None:
    authors.publish(get_map_set(CAM), zip_of(ACTIVATION, "VOC2012_CAM"))
    held = fetch(get_map_set(CAM))
    assert stored_ids(held.paths) == list(LABELS)
    assert stored_maps(held.paths) == ACTIVATION
    assert held.holding.content.maps == sum(map(len, LABELS.values()))


def test_a_second_time_nothing_is_asked(authors: Authors) -> None:
    told = Told()
    held = fetch(told=told)
    assert f"fetching {ARCHIVE_URL}" in told.text
    authors.files.clear_log()
    assert fetch(told=(quiet := Told())) == held
    assert (authors.files.requests, quiet.lines) == ([], [])
    assert list_held() == (held,)


def test_the_archive_goes_and_its_digest_stays() -> None:
    fetch()
    assert [path.name for path in note_path().parent.iterdir()] == [f"{NAME}.json"]
    assert note() == {"url": ARCHIVE_URL, "size": len(ARCHIVE), "sha256": DIGEST}
    assert list_garbage() == []


def test_images_of_one_s_own_choice_are_another_import() -> None:
    whole = fetch()
    chosen = dict(list(LABELS.items())[3:1:-1])
    part = obtain(RECORD, source="upstream", labels=ImageLabels(chosen, "a test"))
    assert stored_ids(part.paths) == list(chosen)
    assert stored_maps(part.paths) == {one: SALIENCY[one] for one in chosen}
    assert len(list_held()) == 2
    assert stored_ids(fetch().paths) == stored_ids(whole.paths)


# Holes.


def test_missing_and_unusable_maps_are_holes_with_reasons(authors: Authors) -> None:
    gone, cut, grey16, page = list(LABELS)[:4]
    maps = dict(SALIENCY)
    del maps[gone]
    maps[cut] = maps[cut][:-20]
    maps[grey16] = maps[grey16].replace(b"\x08\x00\x00\x00\x00", b"\x10\x00\x00\x00\x00", 1)
    maps[page] = b"<html>"
    authors.publish(RECORD, zip_of(maps))
    told = Told()
    held = fetch(told=told)
    content = held.holding.content
    assert stored_ids(held.paths) == list(LABELS)
    assert stored_maps(held.paths) == {one: SALIENCY[one] for one in list(LABELS)[4:]}
    assert (content.rows, content.maps) == (6, 2)
    assert [(one.image_id, one.class_id) for one in content.holes] == [
        (one, None) for one in (gone, cut, grey16, page)
    ]
    assert content.holes[0].reason == "not in the source"
    assert all(one.reason for one in content.holes)
    assert "4 maps are missing or unusable" in told.text
    assert gone in told.text


def test_a_missing_class_is_a_hole_and_one_more_is_kept(authors: Authors) -> None:
    maps = dict(ACTIVATION)
    del maps["2007_000032_14"]
    maps["2007_000039_3"] = draw("one more")
    maps["2007_000999_3"] = draw("a stranger")
    authors.publish(get_map_set(CAM), zip_of(maps))
    content = (held := fetch(get_map_set(CAM))).holding.content
    del maps["2007_000999_3"]
    assert stored_maps(held.paths) == maps
    assert [(one.image_id, one.class_id) for one in content.holes] == [("2007_000032", 14)]
    assert content.maps == len(maps)


def test_an_archive_of_other_images_is_refused_and_nothing_is_kept(authors: Authors) -> None:
    authors.publish(RECORD, zip_of({"COCO_train_1": draw("coco")}))
    with pytest.raises(DataError, match="no map of any of these images"):
        fetch()
    assert list_held() == ()
    authors.publish(RECORD, ARCHIVE)
    assert stored_maps(fetch().paths) == SALIENCY


# Digests.


def test_a_changed_archive_is_refused(authors: Authors) -> None:
    held = fetch()
    changed = zip_of(saliency_maps(salt="changed"))
    authors.publish(RECORD, changed)
    assert fetch() == held, "what is here stays usable"
    remove_held([held])
    with pytest.raises(ChecksumError, match=DIGEST) as error:
        fetch()
    assert hashlib.sha256(changed).hexdigest() in str(error.value)
    assert note()["sha256"] == DIGEST
    assert list_held() == ()
    assert list_garbage() == []
    authors.publish(RECORD, ARCHIVE)
    assert stored_maps(fetch().paths) == SALIENCY


def test_a_changed_copy_is_refused_with_what_to_do(tmp_path: Path) -> None:
    remove_held([fetch()])
    copy = tmp_path / f"{NAME}.zip"
    copy.write_bytes(zip_of(saliency_maps(salt="changed")))
    with pytest.raises(ChecksumError, match=DIGEST) as error:
        obtain(RECORD, source=str(copy))
    assert f"archives/{NAME}.json" in str(error.value)
    copy.write_bytes(ARCHIVE)
    assert stored_maps(obtain(RECORD, source=str(copy)).paths) == SALIENCY


def test_a_digest_in_the_record_is_enforced_from_the_first_time(authors: Authors) -> None:
    archive = Archive(url=ARCHIVE_URL, sha256=DIGEST, size=len(ARCHIVE))
    pinned = RECORD.model_copy(update={"archive": archive})
    authors.publish(RECORD, zip_of(saliency_maps(salt="changed")))
    with pytest.raises(FetchError):
        fetch(pinned)
    assert list_held() == ()
    authors.publish(RECORD, ARCHIVE)
    assert stored_maps(fetch(pinned).paths) == SALIENCY


@pytest.mark.parametrize("secretly", [False, True])
def test_a_damaged_shard_is_imported_again(secretly: bool) -> None:
    held = fetch()
    flip(held.paths[0], 200, secretly=secretly)
    assert [file.path for file in held.damaged(again=True)] == [held.holding.content.files[0].path]
    healed = fetch()
    assert healed.damaged(again=True) == ()
    assert stored_maps(healed.paths) == SALIENCY
    assert list_held() == (healed,)


def test_a_damaged_note_of_an_import_is_made_anew() -> None:
    held = fetch()
    for damaged in (b"", b"{}", b"\xff\xfe"):
        (held.folder / "holding.json").write_bytes(damaged)
        assert list_held() == ()
        assert stored_maps(fetch().paths) == SALIENCY
    assert list_held() == (held,)


@pytest.mark.parametrize("content", [ARCHIVE[:-100], b"<html>Log in</html>", b""])
def test_what_is_no_archive_is_not_taken_for_the_first_one_seen(
    tmp_path: Path, content: bytes
) -> None:
    copy = tmp_path / f"{NAME}.zip"
    copy.write_bytes(content)
    with pytest.raises(ArchiveError):
        obtain(RECORD, source=str(copy))
    assert stored_maps(fetch().paths) == SALIENCY
    assert note()["sha256"] == DIGEST


@pytest.mark.parametrize("answer", [b"<html>Log in</html>", ARCHIVE[:-100], b"{}"])
def test_what_a_portal_answers_is_not_taken_for_the_first_archive_seen(
    authors: Authors, answer: bytes
) -> None:
    authors.files.fault(NAME, swap(answer))
    with pytest.raises(WsssAssetsError):
        fetch()
    assert stored_maps(fetch().paths) == SALIENCY
    assert note()["sha256"] == DIGEST


# The network.


def test_a_download_that_breaks_goes_on(authors: Authors) -> None:
    authors.files.fault(NAME, rst(200))
    authors.files.fault(NAME, status(503))
    authors.files.fault(NAME, drop(200))
    assert stored_maps(fetch().paths) == SALIENCY
    assert note()["sha256"] == DIGEST


def test_a_missing_archive_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FetchError, match="404") as error:
        fetch(get_map_set(CAM))
    assert "VOC2012_CAM.zip with --source" in str(error.value)


def test_without_a_network_what_is_here_is_used(
    authors: Authors, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = fetch()
    authors.files.clear_log()
    go_offline(monkeypatch)
    assert fetch() == held
    with pytest.raises(FetchError, match=r"VOC2012_CAM\.zip is not in the cache") as error:
        fetch(get_map_set(CAM))
    assert "--source" in str(error.value)
    assert authors.files.requests == []


def test_without_a_network_a_copy_is_imported(
    authors: Authors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / f"{NAME}.zip"
    copy.write_bytes(ARCHIVE)
    go_offline(monkeypatch)
    held = obtain(RECORD, source=str(copy), labels=ImageLabels(LABELS, "a test"))
    assert stored_maps(held.paths) == SALIENCY
    assert authors.files.requests == []


@pytest.mark.parametrize("source", ["upstream", "loose"])
def test_without_a_network_no_list_is_asked_for_either(
    authors: Authors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    write_maps(tmp_path / "loose", SALIENCY)
    monkeypatch.chdir(tmp_path)
    go_offline(monkeypatch)
    with contextlib.suppress(FetchError):
        obtain(RECORD, source=source)
    assert authors.files.requests == []
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        obtain(RECORD, source=source)


def test_a_set_without_an_archive_is_an_error_that_says_what_to_do(authors: Authors) -> None:
    with pytest.raises(UsageError, match="no archive of its authors") as error:
        fetch(MapSet(id="voc2012/saliency/mine", maker="me", splits={SPLIT: None}))
    assert "--repo-id" in str(error.value)
    assert authors.files.requests == []


# Others at the same time.


def test_threads_may_want_the_same_list(authors: Authors) -> None:
    gate = Gate()
    authors.files.fault("lists/", pause(20, gate), times=4)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(fetch_label_list, get_benchmark("voc2012"), SPLIT) for _ in range(4)]
        assert gate.reached.wait(60)
        gate.release.set()
        assert all(one.result() == LABELS for one in found)


def test_threads_that_want_the_same_set_fetch_it_once(authors: Authors) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(fetch) for _ in range(4)]
        held = {one.result().folder for one in found}
    assert len(held) == 1
    assert len(authors.files.gets(NAME)) == 1
    assert stored_maps(list_held()[0].paths) == SALIENCY


CHILD = """
import os, signal, sys
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.map_sets import imports
from wsss_assets.map_sets.obtain import obtain
from pathlib import Path

def keep(folder, holding):
    kept(folder, holding)
    os.kill(os.getpid(), signal.SIGKILL)

name, source, labels, how = sys.argv[1:]
if how == "killed at the very end":
    kept, imports.keep = imports.keep, keep
listed = read_label_list(Path(labels), get_benchmark("voc2012"))
print(obtain(get_map_set(name), source=source, labels=listed).folder)
"""


def child(authors: Authors, tmp_path: Path, how: str) -> subprocess.Popen[str]:
    """A process that imports the archive from a mirror."""
    labels = tmp_path / "labels.txt"
    labels.write_text(list_text(LABELS))
    url = authors.here(ARCHIVE_URL)
    arguments = [sys.executable, "-c", CHILD, VST, url, str(labels), how]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_want_the_same_set_fetch_it_once(authors: Authors, tmp_path: Path) -> None:
    gate = Gate()
    authors.files.fault(NAME, block(gate))
    processes = [child(authors, tmp_path, "whole") for _ in range(2)]
    assert gate.reached.wait(30)
    gate.release.set()
    results = [one.communicate(timeout=60) for one in processes]
    assert [one.returncode for one in processes] == [0, 0], results
    assert len({out for out, _ in results}) == 1
    assert len(authors.files.gets(NAME)) == 1
    (held,) = list_held()
    assert results[0][0].strip() == str(held.folder)
    assert stored_maps(held.paths) == SALIENCY
    assert list_garbage() == []


def test_what_a_killed_process_left_is_not_taken_for_a_set(
    authors: Authors, tmp_path: Path
) -> None:
    with child(authors, tmp_path, "killed at the very end") as process:
        assert process.wait(60) == -signal.SIGKILL
    left = {path.rpartition("/")[2] for path in tree(cache_folder() / "sets")}
    assert left >= {"holding.json", f"{SPLIT}-00000-of-00001.parquet"}
    assert list_held() == ()
    assert any(VST in str(one.path) for one in list_garbage())
    assert stored_maps(fetch().paths) == SALIENCY
    assert len(list_held()) == 1


def test_a_foreign_record_never_stands_for_the_catalogue_s(tmp_path: Path) -> None:
    foreign = zip_of({stem: draw("foreign") for stem in saliency_maps()})
    elsewhere = Archive(url="https://example.org/VOC2012_VST_DUTS.zip")
    record = RECORD.model_copy(update={"archive": elsewhere})
    (tmp_path / f"{NAME}.zip").write_bytes(foreign)
    theirs = obtain(record, source=str(tmp_path / f"{NAME}.zip"))
    ours = fetch()
    assert ours.paths != theirs.paths
    assert stored_maps(ours.paths) != stored_maps(theirs.paths)
    assert fetch() == ours


def test_a_damaged_copy_is_not_pinned_as_the_authors(tmp_path: Path) -> None:
    damaged = bytearray(ARCHIVE)
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as archive:
        member = next(one for one in archive.infolist() if one.filename.endswith(".png"))
    damaged[member.header_offset + 60 + len(member.filename)] ^= 1
    (tmp_path / f"{NAME}.zip").write_bytes(damaged)
    told = Told()
    held = obtain(RECORD, source=str(tmp_path / f"{NAME}.zip"), feedback=told)
    assert held.holding.content.has_damage
    assert "not recorded" in told.text
    assert not fetch().holding.content.has_damage
