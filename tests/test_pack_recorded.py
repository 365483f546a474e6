"""What `pack` makes of maps that `regenerate` made, and says of maps that no list names."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.map_set_files import (
    CAM,
    LABELS,
    Told,
    activation_maps,
    draw,
    list_text,
    pixels_of,
    saliency_maps,
    tree,
    write_maps,
)
from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeMaps, canonical_json
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import DataError, MissingFileError, RecordError
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.publish.pack import describe, pack, read_staged, said_by_record
from wsss_assets.publish.recorded import RecordedMaps, read_made
from wsss_assets.storage.pngs import encode_map, png_bytes
from wsss_assets.storage.shards import ids_digest
from wsss_assets.storage.stamps import STAMP_NAME
from wsss_assets.storage.stored_maps import FolderMaps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wsss_assets.catalog.records import SplitShards
    from wsss_assets.storage.images import UInt8

IDS = list(LABELS)
SPLIT = "six"
OWN = describe("voc2012/saliency/own", maker="Our model")
LABELLING = {"source": "list list.txt", "images": 6}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def regenerated(folder: Path, maps: dict[str, bytes], **changes: Any) -> Path:  # noqa: ANN401
    """Maps, and the record that `regenerate` would have left beside them."""
    values: dict[str, Any] = {
        "model": "toy",
        "unknown": None,
        "made_by": "Toy with the weights toy.pth, run by wsss-assets 0.1.0",
        "weights": ({"file": "toy.pth", "sha256": "ab" * 32, "record": None},),
        "settings": {"torch": "2.13.0", "work": {"mean": [0.5, 0.5, 0.5]}},
        "python": "3.11.7",
        "devices": {"a CPU": len(maps)},
        "smallest_batch": None,
        "command": ("regenerate", "--images=/home/me/photos"),
        "benchmark": "voc2012",
        "split": SPLIT,
        "ids_sha256": ids_digest(IDS),
        "images": len(IDS),
        "maps": {stem: sha256(data) for stem, data in maps.items()},
        "failed": {},
    }
    record = MadeMaps(**{**values, **changes})
    write_maps(folder, maps)
    (folder / MADE_MAPS_NAME).write_text(canonical_json(record), "utf-8")
    return folder


def activations(folder: Path, maps: dict[str, bytes] | None = None, **changes: Any) -> Path:  # noqa: ANN401
    labels = {**LABELLING, "sha256": sha256(list_text(LABELS).encode())}
    changes = {"kind": "activation", "labels": labels, **changes}
    return regenerated(folder, activation_maps() if maps is None else maps, **changes)


def packed(
    maps: Path | str,
    staging: Path,
    name: str = OWN.id,
    told: Feedback | None = None,
    **options: Any,  # noqa: ANN401
) -> SplitShards:
    record = OWN if name == OWN.id else describe(name)
    labels = ImageLabels(LABELS, "a test")
    told = told or Feedback()
    return pack(maps, record, staging, split=SPLIT, labels=labels, feedback=told, **options)


@contextlib.contextmanager
def away(path: Path) -> Iterator[None]:
    """A file is gone, and then it is back."""
    path.rename(path.with_suffix(".away"))
    try:
        yield
    finally:
        path.with_suffix(".away").rename(path)


def stored_flat(pixels: UInt8) -> bytes:
    """The same pixels as a PNG without filter and hardly compressed."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png_bytes(pixels.shape, zlib.compress(rows, 1))


def test_how_maps_were_made_goes_with_them(tmp_path: Path) -> None:
    told = Told()
    content = packed(
        regenerated(tmp_path / "maps", saliency_maps()), tmp_path / "staging", OWN.id, told
    )
    assert told.lines == []
    assert content.made is not None
    assert content.made.model_dump() == {
        "model": "toy",
        "unknown": None,
        "made_by": "Toy with the weights toy.pth, run by wsss-assets 0.1.0",
        "weights": ({"file": "toy.pth", "sha256": "ab" * 32, "record": None},),
        "settings": {"torch": "2.13.0", "work": {"mean": [0.5, 0.5, 0.5]}},
        "python": "3.11.7",
        "devices": {"a CPU": 6},
        "smallest_batch": None,
        "labels": None,
    }
    manifest = read_staged(tmp_path / "staging")  # and it is intact
    assert manifest.sets[0].splits[SPLIT] == content
    assert b"/home/me" not in b"".join(tree(tmp_path / "staging").values())


def test_of_other_maps_nothing_is_known(tmp_path: Path) -> None:
    told = Told()
    maps = write_maps(tmp_path / "maps", saliency_maps())
    assert packed(maps, tmp_path / "staging", OWN.id, told).made is None
    assert told.lines == []


def test_activation_maps_keep_their_labels(tmp_path: Path) -> None:
    told = Told()
    content = packed(activations(tmp_path / "maps"), tmp_path / "staging", CAM, told)
    assert content.made is not None
    assert content.made.labels is not None
    assert content.made.labels.sha256 == sha256(list_text(LABELS).encode())
    assert told.lines == []


@pytest.mark.parametrize("recode", [True, False])
def test_a_map_that_is_not_the_one_that_was_made_is_named(tmp_path: Path, recode: bool) -> None:
    maps = regenerated(tmp_path / "maps", saliency_maps())
    (maps / f"{IDS[3]}.png").write_bytes(draw("another"))
    with pytest.raises(DataError, match=f"1 map with other pixels.*: {IDS[3]};") as caught:
        packed(maps, tmp_path / "staging", recode=recode)
    assert caught.value.exit_code == 3
    assert "wsss-assets regenerate" in str(caught.value.hint)
    assert not (tmp_path / "staging").exists()


@pytest.mark.parametrize("there", [b"", b"no png", draw("x")[:-20]])
def test_a_damaged_map_is_told_from_another_one(tmp_path: Path, there: bytes) -> None:
    maps = regenerated(tmp_path / "maps", saliency_maps())
    (maps / f"{IDS[3]}.png").write_bytes(there)
    with pytest.raises(DataError, match=f"1 map damaged .*: {IDS[3]};") as caught:
        packed(maps, tmp_path / "staging")
    assert "other pixels" not in str(caught.value)


@pytest.mark.parametrize("names_differ", [True, False])
def test_all_that_is_wrong_is_said_at_once(tmp_path: Path, names_differ: bool) -> None:
    found = saliency_maps()
    there = {one: data for one, data in found.items() if not (names_differ and one == IDS[5])}
    maps = regenerated(tmp_path / "maps", there)
    write_maps(maps, found)
    for image_id in IDS[:2]:
        (maps / f"{image_id}.png").write_bytes(b"no png")
    for image_id in IDS[2:4]:
        (maps / f"{image_id}.png").write_bytes(draw("another"))
    if names_differ:
        (maps / f"{IDS[4]}.png").unlink()
    with pytest.raises(DataError) as caught:
        packed(maps, tmp_path / "staging", workers=2)
    faults = [
        f"2 maps damaged (cannot be read as a map): {IDS[0]}, {IDS[1]}",
        f"2 maps with other pixels than were made: {IDS[2]}, {IDS[3]}",
    ]
    if names_differ:
        faults += [f"1 map gone: {IDS[4]}", f"1 map that the record does not know: {IDS[5]}"]
    assert caught.value.found == "; ".join(faults)
    assert ("move maps away" in str(caught.value.hint)) is names_differ
    assert not (tmp_path / "staging").exists()


def test_a_map_that_goes_or_changes_meanwhile_is_no_hole(tmp_path: Path) -> None:
    maps = regenerated(tmp_path / "maps", saliency_maps())
    made = read_made(maps)
    assert made is not None
    held = RecordedMaps(FolderMaps(maps), made, OWN, ImageLabels(LABELS, "a test"))
    image = maps / f"{IDS[0]}.png"
    with pytest.raises(DataError, match=f"1 map gone: {IDS[0]}"), away(image), held.enforced():
        held.read(IDS[0])
    with pytest.raises(DataError, match=f"1 map changed .*{IDS[0]}"), held.enforced(), away(image):
        held.read(IDS[0])


@pytest.mark.parametrize("recode", [True, False])
def test_the_same_pixels_in_other_bytes_are_packed_as_they_were_made(
    tmp_path: Path, recode: bool
) -> None:
    pixels = {stem: pixels_of(data) for stem, data in saliency_maps().items()}
    maps = regenerated(tmp_path / "maps", {one: encode_map(map_) for one, map_ in pixels.items()})
    expected = packed(maps, tmp_path / "expected", recode=recode)
    for stem in IDS[:4]:
        (maps / f"{stem}.png").write_bytes(stored_flat(pixels[stem]))
    told = Told()
    assert packed(maps, tmp_path / "staging", OWN.id, told, recode=recode) == expected
    assert tree(tmp_path / "staging") == tree(tmp_path / "expected")
    assert told.lines == [
        "4 maps with the pixels that were made, but other bytes: packed as they were made, "
        f"e.g. {', '.join(sorted(IDS[:4])[:3])}"
    ]


@pytest.mark.parametrize("record", [True, False])
def test_a_folder_that_regenerate_has_not_finished_is_refused(tmp_path: Path, record: bool) -> None:
    maps = regenerated(tmp_path / "maps", saliency_maps())
    stamp = {"made_by": "wsss-assets regenerate", "version": "0.1.0"}
    (maps / STAMP_NAME).write_text(json.dumps(stamp), "utf-8")
    if record:
        assert packed(maps, tmp_path / "staging").maps == 6
        return
    (maps / MADE_MAPS_NAME).unlink()
    for attempt in (
        lambda: said_by_record(OWN.id, maps),
        lambda: packed(maps, tmp_path / "staging"),
    ):
        with pytest.raises(DataError, match="a 'wsss-assets regenerate' that has not") as caught:
            attempt()
        assert caught.value.hint == "run the same command again"
    assert not (tmp_path / "staging").exists()


def test_an_address_is_longer_than_any_path(tmp_path: Path) -> None:
    assert read_made(f"https://example.org/{'x' * 5000}") is None
    assert read_made(tmp_path / "maps.zip") is None


def test_a_map_that_is_gone_is_no_silent_hole(tmp_path: Path) -> None:
    maps = regenerated(tmp_path / "maps", saliency_maps())
    (maps / f"{IDS[2]}.png").unlink()
    with pytest.raises(DataError, match=f"found 1 map gone: {IDS[2]};"):
        packed(maps, tmp_path / "staging")
    assert tree(tmp_path / "staging") == {}


def test_a_map_that_the_record_does_not_know_is_refused(tmp_path: Path) -> None:
    found = saliency_maps()
    maps = regenerated(tmp_path / "maps", {one: found[one] for one in IDS[:-2]})
    write_maps(maps, found)
    with pytest.raises(DataError, match=f"2 maps that the record does not know: {min(IDS[-2:])},"):
        packed(maps, tmp_path / "staging")
    cams = activations(tmp_path / "cams")
    (cams / f"{IDS[0]}_19.png").write_bytes(draw("stray"))
    with pytest.raises(DataError, match=f"does not know: {IDS[0]}_19"):
        packed(cams, tmp_path / "staging", CAM)


def test_maps_of_images_that_are_not_packed_are_not_looked_at(tmp_path: Path) -> None:
    maps = regenerated(tmp_path / "maps", {**saliency_maps(), "z1": b"1", "z2": b"2"})
    (maps / "z1.png").unlink()
    (maps / "z2.png").write_bytes(b"another")
    (maps / "z3.png").write_bytes(b"no record")
    told = Told()
    assert packed(maps, tmp_path / "staging", OWN.id, told).maps == 6
    assert told.lines == ["2 maps of none of these images: left out, e.g. z2, z3"]


def test_a_record_of_other_maps_is_refused(tmp_path: Path) -> None:
    cams = activations(tmp_path / "cams")
    with pytest.raises(DataError, match="holds activation maps, says the record"):
        packed(cams, tmp_path / "staging")
    coco = regenerated(tmp_path / "coco", saliency_maps(), benchmark="coco2014")
    with pytest.raises(DataError, match="holds maps of coco2014"):
        packed(coco, tmp_path / "staging")
    unsaid = regenerated(tmp_path / "unsaid", saliency_maps(), benchmark=None, split=None)
    assert packed(unsaid, tmp_path / "staging").maps == 6
    (unsaid / MADE_MAPS_NAME).write_text("{}", "utf-8")
    with pytest.raises(RecordError, match=MADE_MAPS_NAME):
        packed(unsaid, tmp_path / "staging")


def test_classes_that_the_list_does_not_name_are_counted(tmp_path: Path) -> None:
    more = {f"{IDS[0]}_{index}": draw(str(index)) for index in (17, 18, 19, 16)}
    labels = {**LABELLING, "sha256": "cd" * 32, "source": "classes predicted by toy"}
    plain = write_maps(tmp_path / "plain", {**activation_maps(), **more, "z_1": draw("z")})
    made = activations(tmp_path / "made", {**activation_maps(), **more}, labels=labels)
    unlisted = (
        "4 maps of a class that the list does not name: packed like the others, e.g. "
        f"{IDS[0]}_16, {IDS[0]}_17, {IDS[0]}_18"
    )
    others = "1 map of none of these images: left out, e.g. z_1"
    by = "these maps were made by another list of classes: classes predicted by toy, 6 images"
    counts = len(activation_maps()) + 4
    for maps, said in ((plain, [unlisted, others]), (made, [unlisted, by])):
        told = Told()
        assert packed(maps, tmp_path / maps.name / "staging", CAM, told).maps == counts
        assert told.lines == said


def test_images_that_no_map_could_be_made_of_are_said(tmp_path: Path) -> None:
    found = saliency_maps()
    failed = {IDS[1]: "no photo\nof it", "z": "no photo"}
    kept = {one: data for one, data in found.items() if one != IDS[1]}
    told = Told()
    maps = regenerated(tmp_path / "maps", kept, failed=failed)
    content = packed(maps, tmp_path / "staging", OWN.id, told)
    assert [hole.image_id for hole in content.holes] == [IDS[1]]
    assert told.lines == [f"of 1 image no map could be made, e.g. {IDS[1]}: no photo of it"]


@pytest.mark.parametrize("where", ["folder", "zip", "address", "zip of a folder"])
def test_dictionaries_are_met_with_the_command_that_makes_pngs(tmp_path: Path, where: str) -> None:
    maps = {f"{image_id}.npy": b"a pickle" for image_id in IDS}
    if where in {"folder", "address"}:
        (tmp_path / "maps").mkdir()
        for name, data in maps.items():
            (tmp_path / "maps" / name).write_bytes(data)
    else:
        with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
            for name, data in maps.items():
                archive.writestr(name if where == "zip" else f"maps/{name}", data)
    places = {"folder": str(tmp_path / "maps"), "address": (tmp_path / "maps").as_uri()}
    with pytest.raises(MissingFileError, match=f"6 .npy, e.g. .*{min(IDS)}.npy") as caught:
        packed(places.get(where, str(tmp_path / "maps.zip")), tmp_path / "staging", CAM)
    assert "'wsss-assets regenerate' without --npy" in str(caught.value.hint)
    assert "one above it" not in str(caught.value)
