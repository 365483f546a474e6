from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.pictures import map_bytes, picture, pillow_bytes, pixels_of
from wsss_assets.errors import ArchiveError, DataError, FetchError, MissingFileError
from wsss_assets.map_sets.packing import pack_split
from wsss_assets.storage.archives import ZipMaps
from wsss_assets.storage.shards import read_rows
from wsss_assets.storage.stored_maps import StoredMaps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.catalog.records import Hole, Kind, SplitShards

IDS = [f"2007_{number:06d}" for number in range(40)]
SALIENCY = {image_id: map_bytes(number) for number, image_id in enumerate(IDS)}
CLASSES = {image_id: tuple(range(number % 4)) for number, image_id in enumerate(IDS)}
ACTIVATION = {
    f"{image_id}_{index}": map_bytes(index) for image_id in IDS for index in CLASSES[image_id]
}


class Stored(StoredMaps):
    """Maps in memory, or errors in their place."""

    def __init__(self, files: Mapping[str, bytes | Exception]) -> None:
        self.files = files

    def __str__(self) -> str:
        return "the test's maps"

    def stems(self) -> Collection[str]:
        return self.files.keys()

    def read(self, stem: str) -> bytes:
        found = self.files.get(stem, MissingFileError(f"no map {stem}"))
        if isinstance(found, Exception):
            raise found
        return found

    def fingerprint(self) -> str:
        return ""


def pack(
    folder: Path,
    files: dict[str, bytes] | dict[str, bytes | Exception] | StoredMaps,
    kind: Kind = "saliency",
    *,
    ids: Sequence[str] = IDS,
    classes: Mapping[str, Sequence[int]] | None = None,
    **options: Any,  # noqa: ANN401
) -> SplitShards:
    return pack_split(
        Stored(files) if isinstance(files, dict) else files,
        ids,
        kind=kind,
        folder=folder,
        split="train",
        prefix=f"voc2012/{kind}/x",
        classes=classes,
        most_classes=20,
        **{"recode": False, **options},
    )


def packed(folder: Path, kind: Kind = "saliency") -> dict[str, dict[int | None, bytes]]:
    rows = read_rows(sorted(folder.glob("*.parquet")), kind)
    return {row.image_id: dict(row.maps) for row in rows}


def shown(holes: Iterable[Hole]) -> list[tuple[str, int | None, str]]:
    return [(hole.image_id, hole.class_id, hole.reason) for hole in holes]


def test_saliency_maps_keep_their_bytes_and_the_order_of_the_ids(tmp_path: Path) -> None:
    made = pack(tmp_path, SALIENCY, ids=IDS[::-1])
    assert packed(tmp_path) == {image_id: {None: SALIENCY[image_id]} for image_id in IDS}
    assert list(packed(tmp_path)) == IDS[::-1]
    [file] = made.files
    content = (tmp_path / "train-00000-of-00001.parquet").read_bytes()
    assert file.path == "voc2012/saliency/x/train-00000-of-00001.parquet"
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (made.rows, made.maps, made.holes) == (40, 40, ())
    assert made.encoding == "PNG, 8-bit grey, the authors' bytes"
    assert made.pixels_sha256 is None
    lines = "".join(f"{image_id}\n" for image_id in reversed(IDS))
    assert made.ids_sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_activation_maps_are_packed_by_class(tmp_path: Path) -> None:
    made = pack(tmp_path, ACTIVATION, "activation", classes=CLASSES)
    assert packed(tmp_path, "activation") == {
        image_id: {index: map_bytes(index) for index in CLASSES[image_id]} for image_id in IDS
    }
    assert (made.rows, made.maps, made.holes) == (40, len(ACTIVATION), ())


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_change_no_byte(tmp_path: Path, workers: int) -> None:
    first = pack(tmp_path / "a", ACTIVATION, "activation", classes=CLASSES, workers=workers)
    second = pack(tmp_path / "b", ACTIVATION, "activation", classes=CLASSES)
    assert first == second


def test_what_is_missing_or_unusable_is_a_hole_with_a_reason(tmp_path: Path) -> None:
    files: dict[str, bytes | Exception] = dict(SALIENCY)
    del files[IDS[1]]
    files[IDS[3]] = SALIENCY[IDS[3]][:-5]
    files[IDS[4]] = ArchiveError("maps/x.png in the archive is damaged", found="its CRC is wrong")
    files[IDS[39]] = pillow_bytes(Image.new("RGB", (9, 12), (200, 0, 0)))
    made = pack(tmp_path, files)
    assert shown(made.holes)[:3] == [
        (IDS[1], None, "not in the source"),
        (IDS[3], None, f"{IDS[3]} is damaged: only {len(SALIENCY[IDS[3]]) - 5} bytes"),
        (IDS[4], None, "maps/x.png in the archive is damaged: its CRC is wrong"),
    ]
    assert shown(made.holes)[3][:2] == (IDS[39], None)
    assert "coloured" in made.holes[3].reason
    assert (made.rows, made.maps) == (40, 36)
    rows = packed(tmp_path)
    assert list(rows) == IDS
    assert [image_id for image_id, maps in rows.items() if not maps] == [
        IDS[1], IDS[3], IDS[4], IDS[39],
    ]  # fmt: skip


def test_classes_that_an_image_should_have_are_holes_and_others_are_kept(tmp_path: Path) -> None:
    files = {stem: data for stem, data in ACTIVATION.items() if stem != f"{IDS[3]}_1"}
    files[f"{IDS[0]}_19"] = map_bytes(5)
    made = pack(tmp_path, files, "activation", classes=CLASSES)
    assert shown(made.holes) == [(IDS[3], 1, "not in the source")]
    rows = packed(tmp_path, "activation")
    assert rows[IDS[0]] == {19: map_bytes(5)}
    assert list(rows[IDS[3]]) == [0, 2]


def test_without_labels_an_image_without_any_map_is_a_hole(tmp_path: Path) -> None:
    made = pack(tmp_path, ACTIVATION, "activation")
    assert shown(made.holes) == [(image_id, None, "not in the source") for image_id in IDS[::4]]


def test_maps_of_one_image_that_differ_in_size_are_not_trusted(tmp_path: Path) -> None:
    files = {**ACTIVATION, f"{IDS[3]}_1": map_bytes(1, 13, 9)}
    for name, recode in (("a", False), ("b", True)):
        made = pack(tmp_path / name, files, "activation", classes=CLASSES, recode=recode)
        reason = "the maps of this image differ in size: 12×9, 13×9"
        assert shown(made.holes) == [(IDS[3], index, reason) for index in range(3)]
        assert packed(tmp_path / name, "activation")[IDS[3]] == {}


def test_other_formats_become_png_and_are_counted(tmp_path: Path) -> None:
    files = {**SALIENCY, IDS[2]: pillow_bytes(Image.fromarray(picture(2)).convert("RGB"))}
    made = pack(tmp_path, files)
    assert made.encoding == "PNG, 8-bit grey, the authors' bytes but for 1 maps in other formats"
    [data] = packed(tmp_path)[IDS[2]].values()
    np.testing.assert_array_equal(pixels_of(data), picture(2))


def test_recoding_changes_bytes_and_no_pixel(tmp_path: Path) -> None:
    large = {image_id: map_bytes(number, 75, 100) for number, image_id in enumerate(IDS)}
    digest = hashlib.sha256()
    for number, image_id in enumerate(IDS):
        digest.update(f"{image_id}\t\t75x100\n".encode() + picture(number, 75, 100).tobytes())
    plain = pack(tmp_path / "a", large)
    made = pack(tmp_path / "b", large, recode=True)
    assert made.pixels_sha256 == digest.hexdigest()
    assert made.encoding.startswith("PNG, 8-bit grey, pixels unchanged")
    assert made.files[0].sha256 != plain.files[0].sha256
    rows = packed(tmp_path / "b")
    for number, image_id in enumerate(IDS):
        [data] = rows[image_id].values()
        np.testing.assert_array_equal(pixels_of(data), picture(number, 75, 100))


def test_the_pixel_digest_of_activation_maps_is_in_the_order_of_classes(tmp_path: Path) -> None:
    made = pack(tmp_path, ACTIVATION, "activation", ids=IDS[2:4], classes=CLASSES, recode=True)
    digest = hashlib.sha256()
    for image_id, index in ((IDS[2], 0), (IDS[2], 1), (IDS[3], 0), (IDS[3], 1), (IDS[3], 2)):
        digest.update(f"{image_id}\t{index}\t12x9\n".encode() + picture(index).tobytes())
    assert made.pixels_sha256 == digest.hexdigest()


@pytest.mark.parametrize(
    ("files", "kind", "texts"),
    [
        ({"000000000009": b""}, "saliency", ["names like 2007_000000", "000000000009", "another"]),
        (ACTIVATION, "saliency", ["these are activation maps"]),
        (SALIENCY, "activation", ["names like 2007_000000_0", "these are saliency maps"]),
        ({"2008_000001_3": b""}, "activation", ["2008_000001_3", "another benchmark"]),
        ({f"{IDS[1]}_00": b"", f"{IDS[1]}_x": b"", f"{IDS[1]}_": b""}, "activation", ["no map"]),
        ({f"{IDS[1]}_20": b""}, "activation", ["classes 0..19", "from 1"]),
    ],
)
def test_maps_of_other_images_are_an_error_that_shows_both_sides(
    tmp_path: Path, files: dict[str, bytes | Exception], kind: Kind, texts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        pack(tmp_path / "out", files, kind)
    for text in texts:
        assert text in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_ids_must_be_there_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        pack(tmp_path, SALIENCY, ids=[*IDS, IDS[5]])
    with pytest.raises(DataError, match="no image id"):
        pack(tmp_path, SALIENCY, ids=[])


def test_not_one_usable_map_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not one map") as caught:
        pack(tmp_path, dict.fromkeys(IDS, b"broken"))
    assert "no image" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_fails_is_no_hole(tmp_path: Path) -> None:
    files: dict[str, bytes | Exception] = {**SALIENCY, IDS[30]: FetchError("no network")}
    with pytest.raises(FetchError):
        pack(tmp_path, files)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_in_images(tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(images: Iterable[Any], length: int) -> Iterable[Any]:
        for number, image in enumerate(images):
            seen.append(number)
            yield image
        seen.append(-length)

    pack(tmp_path, SALIENCY, progress=progress)
    assert seen == [*range(40), -40]


def test_maps_come_out_of_a_zip_with_its_damage(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for stem, data in SALIENCY.items():
            target.writestr(f"maps/{stem}.png", data)
    content = bytearray(buffer.getvalue())
    content[content.index(SALIENCY[IDS[7]]) + 40] ^= 1
    with ZipMaps(io.BytesIO(content), "maps.zip") as maps:
        made = pack(tmp_path, maps)
    reason = f"maps/{IDS[7]}.png in the archive is damaged: its CRC is wrong"
    assert shown(made.holes) == [(IDS[7], None, reason)]


def test_few_images_are_under_way_at_a_time(tmp_path: Path) -> None:
    alive, most = 0, 0
    lock = threading.Lock()

    class Counted(bytes):
        def __new__(cls, data: bytes) -> Counted:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)
            return super().__new__(cls, data)

        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    class Many(Stored):
        def read(self, stem: str) -> bytes:
            return Counted(super().read(stem))

    ids = [f"image_{number}" for number in range(3000)]
    pack(tmp_path, Many(dict.fromkeys(ids, map_bytes())), ids=ids, workers=2)
    assert most < 1000
