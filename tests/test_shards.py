from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import map_bytes, picture
from wsss_assets.errors import DataError, MissingDependencyError, MissingFileError
from wsss_assets.storage import shards
from wsss_assets.storage.shard_columns import rows_to_table
from wsss_assets.storage.shard_maps import ShardActivations, ShardSaliency
from wsss_assets.storage.shards import (
    PixelDigest,
    Row,
    ShardReader,
    ids_digest,
    read_ids,
    read_rows,
    write_shards,
)

if TYPE_CHECKING:
    from pathlib import Path

MAPS = [map_bytes(seed) for seed in range(7)]
SALIENCY = [
    Row(f"image_{number:04d}", {} if number % 5 == 3 else {None: MAPS[number % 7]})
    for number in range(600)
]
ACTIVATION = [
    Row(f"image_{number:04d}", {index: MAPS[(number + index) % 7] for index in range(number % 4)})
    for number in range(300)
]
KINDS: list[tuple[shards.Kind, list[Row]]] = [("saliency", SALIENCY), ("activation", ACTIVATION)]


def write(
    folder: Path, rows: list[Row], kind: shards.Kind, largest: int = 500_000_000
) -> list[Path]:
    return [shard.path for shard in write_shards(rows, folder, "train", kind, largest=largest)]


@pytest.mark.parametrize(("kind", "rows"), KINDS)
@pytest.mark.parametrize("largest", [1, 50_000, 500_000_000])
def test_rows_come_back_as_they_were_from_any_number_of_shards(
    tmp_path: Path, kind: shards.Kind, rows: list[Row], largest: int
) -> None:
    written = write_shards(rows, tmp_path / "deep", "train", kind, largest=largest)
    paths = [shard.path for shard in written]
    count = len(paths)
    assert count == {1: (len(rows) + 255) // 256, 500_000_000: 1}.get(largest, count)
    assert [path.name for path in paths] == [
        f"train-{number:05d}-of-{count:05d}.parquet" for number in range(count)
    ]
    assert sorted((tmp_path / "deep").iterdir()) == paths
    assert list(read_rows(paths, kind)) == rows
    assert read_ids(paths) == tuple(row.image_id for row in rows)
    assert sum(shard.rows for shard in written) == len(rows)
    for shard in written:
        content = shard.path.read_bytes()
        assert (shard.size, shard.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
@given(
    st.lists(
        st.tuples(
            st.text("abc_\u00e4", min_size=1, max_size=5),
            st.dictionaries(st.integers(0, 253), st.binary(max_size=50), max_size=4),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_rows_come_back(tmp_path: Path, content: list[tuple[str, dict[int, bytes]]]) -> None:
    rows = [Row(name, dict(sorted(maps.items()))) for name, maps in content]
    assert list(read_rows(write(tmp_path, rows, "activation"), "activation")) == rows
    flat = [Row(name, {None: maps[min(maps)]} if maps else {}) for name, maps in content]
    assert list(read_rows(write(tmp_path, flat, "saliency"), "saliency")) == flat


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for kind, rows in KINDS:
        first, second = (write(tmp_path / name, rows, kind) for name in "ab")
        assert first[0].read_bytes() == second[0].read_bytes()


def test_shards_of_before_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002.parquet", "train_aug-00000-of-00001.parquet", "train.txt"):
        (tmp_path / name).write_bytes(b"before")
    write(tmp_path, SALIENCY, "saliency")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "train-00000-of-00001.parquet",
        "train.txt",
        "train_aug-00000-of-00001.parquet",
    ]


def test_rows_that_fail_leave_what_was_there(tmp_path: Path) -> None:
    def rows() -> Any:  # noqa: ANN401
        yield from SALIENCY
        raise ValueError("no more")

    old = write(tmp_path, SALIENCY[:2], "saliency")[0].read_bytes()
    with pytest.raises(ValueError, match="no more"):
        write_shards(rows(), tmp_path, "train", "saliency", largest=1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [old]
    with pytest.raises(DataError, match="no rows"):
        write_shards([], tmp_path, "train", "saliency")


def test_row_groups_are_of_256_rows_and_statistics_of_ids_alone(tmp_path: Path) -> None:
    from pyarrow import parquet

    [path] = write(tmp_path, SALIENCY, "saliency")
    metadata = parquet.ParquetFile(path).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [256, 256, 88]
    for group in groups:
        columns = [group.column(number) for number in range(group.num_columns)]
        assert {column.compression for column in columns} == {"UNCOMPRESSED"}
        assert not any(column.has_dictionary_page for column in columns)
        assert all(column.has_offset_index for column in columns)
        statistics = {column.path_in_schema: column.statistics for column in columns}
        assert statistics.pop("image_id").min == group.column(0).statistics.min
        assert set(statistics.values()) == {None}
    assert groups[1].column(0).statistics.min == "image_0256"


def test_a_row_group_ends_where_its_maps_become_too_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_BYTES_PER_GROUP", 10 * len(MAPS[0]))
    paths = write(tmp_path, SALIENCY, "saliency", largest=1)
    assert len(paths) > 40
    assert list(read_rows(paths, "saliency")) == SALIENCY


def test_datasets_sees_images(tmp_path: Path) -> None:
    from datasets import Dataset, Features, Image, List, Value

    def load(kind: shards.Kind, rows: list[Row]) -> Dataset:
        paths = [str(path) for path in write(tmp_path / kind, rows, kind)]
        return Dataset.from_parquet(paths, cache_dir=str(tmp_path / "cache"))

    saliency = load("saliency", SALIENCY)
    assert saliency.features == Features({"image_id": Value("string"), "map": Image()})
    assert saliency[3] == {"image_id": "image_0003", "map": None}
    np.testing.assert_array_equal(np.asarray(saliency[1]["map"]), picture(1))
    plain = saliency.cast_column("map", Image(decode=False))[1]["map"]
    assert plain == {"bytes": MAPS[1], "path": "image_0001.png"}

    activation = load("activation", ACTIVATION)
    one = {"class_id": Value("uint8"), "map": Image()}
    assert activation.features == Features(
        {"image_id": Value("string"), "classes": List(Value("uint8")), "maps": List(one)}
    )
    assert activation[0] == {"image_id": "image_0000", "classes": [], "maps": []}
    row = activation[7]
    assert row["classes"] == [0, 1, 2] == [one["class_id"] for one in row["maps"]]
    np.testing.assert_array_equal(np.asarray(row["maps"][2]["map"]), picture(2))


def test_a_flipped_byte_of_a_map_is_found(tmp_path: Path) -> None:
    [path] = write(tmp_path, SALIENCY, "saliency")
    content = bytearray(path.read_bytes())
    position = content.index(MAPS[4], len(content) // 2) + 30
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        list(read_rows([path], "saliency"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 100])
def test_what_is_no_shard_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet is damaged"):
        read_ids([path])
    with pytest.raises(MissingFileError, match=r"b\.parquet"):
        read_ids([tmp_path / "b.parquet"])


def test_a_shard_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    paths = write(tmp_path, SALIENCY, "saliency")
    with pytest.raises(DataError, match="no shard of activation maps"):
        list(read_rows(paths, "activation"))
    assert read_ids(paths)[:1] == ("image_0000",)


def test_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    image = pyarrow.array([{"bytes": MAPS[0], "path": "a.png"}])
    parquet.write_table(pyarrow.table({"image_id": [b"a"], "map": image}), path)
    with pytest.raises(DataError, match="image_id: binary"):
        read_ids([path])


@pytest.mark.parametrize(
    "image_id", ["../../../evil", "/abs", "..", "a/../../b", "", "C:\\a", "a\0b", "a\nb"]
)
@pytest.mark.parametrize("kind", ["saliency", "activation"])
def test_ids_that_lead_elsewhere_are_refused(
    tmp_path: Path, image_id: str, kind: shards.Kind
) -> None:
    key = None if kind == "saliency" else 3
    rows = [Row("good", {key: MAPS[0]}), Row(image_id, {key: MAPS[1]})]
    [path] = write(tmp_path, rows, kind)
    with pytest.raises(DataError) as caught:
        read_ids([path])
    assert str(path) in str(caught.value)
    with pytest.raises(DataError), ShardReader(path, kind) as shard:
        shard.read_group(0)
    with pytest.raises(DataError):
        list(read_rows([path], kind))
    with pytest.raises(DataError):
        (ShardSaliency if kind == "saliency" else ShardActivations)([path], "x")


def test_maps_beyond_what_a_column_holds_are_refused(tmp_path: Path) -> None:
    """Ranges take the place of maps of 1 GiB, which would take as much memory."""
    for sizes in ([2**30, 2**30], [2**31], [2**30] * 4):
        rows = [Row(f"a{n}", {None: cast("bytes", range(size))}) for n, size in enumerate(sizes)]
        with pytest.raises(DataError, match="too large") as caught:
            rows_to_table(rows, "saliency")
        assert f"{sum(sizes):,}" in str(caught.value)
        one: dict[int | None, bytes] = {
            n: cast("bytes", range(size)) for n, size in enumerate(sizes)
        }
        with pytest.raises(DataError, match="too large"):
            write(tmp_path, [Row("a", one)], "activation")
        assert list(tmp_path.iterdir()) == []


def test_shards_that_were_opened_are_closed_when_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[ShardReader] = []
    close = ShardReader.close

    def noted(reader: ShardReader) -> None:
        closed.append(reader)
        close(reader)

    monkeypatch.setattr(ShardReader, "close", noted)
    good = write(tmp_path / "a", SALIENCY, "saliency", largest=1)
    evil = write(tmp_path / "b", [Row("../evil", {None: MAPS[0]})], "saliency")
    (tmp_path / "c.parquet").write_bytes(b"no shard")
    for paths in ([*good, *evil], [*good, tmp_path / "c.parquet"], [*good, tmp_path / "none"]):
        closed.clear()
        with pytest.raises(DataError):
            ShardSaliency(paths, "x")
        assert len(closed) == len(good) + (paths[-1] == evil[0])


def test_without_pyarrow_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"wsss-assets\[hub\]"):
        read_ids([tmp_path / "a.parquet"])
    with pytest.raises(MissingDependencyError):
        write(tmp_path, SALIENCY, "saliency")


def test_digests_are_those_of_their_description() -> None:
    assert ids_digest(["a", "b"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    digest = PixelDigest()
    digest.update("x", None, np.array([[1, 2, 3]], np.uint8))
    digest.update("x", 14, np.array([[4], [5]], np.uint8))
    expected = b"x\t\t1x3\n\x01\x02\x03" + b"x\t14\t2x1\n\x04\x05"
    assert digest.hexdigest() == hashlib.sha256(expected).hexdigest()


def pixels(data: bytes) -> Any:  # noqa: ANN401
    return np.asarray(Image.open(io.BytesIO(data)))


def test_saliency_maps_are_read_by_image(tmp_path: Path) -> None:
    source = ShardSaliency(write(tmp_path, SALIENCY, "saliency", largest=1), "voc2012/saliency/x")
    assert str(source) == "voc2012/saliency/x"
    assert source.ids() == tuple(row.image_id for row in SALIENCY)
    for row in (SALIENCY[0], SALIENCY[599], SALIENCY[255], SALIENCY[256]):
        np.testing.assert_array_equal(source.read(row.image_id), pixels(row.maps[None]))
    with pytest.raises(MissingFileError, match="hole that is known"):
        source.read("image_0003")
    with pytest.raises(MissingFileError, match="no image image_x"):
        source.read("image_x")
    source.close()


def test_activation_maps_are_read_by_image_and_class(tmp_path: Path) -> None:
    source = ShardActivations(write(tmp_path, ACTIVATION, "activation"), "x")
    found = source.read("image_0007", [2, 0])
    assert list(found) == [2, 0]
    np.testing.assert_array_equal(found[2], pixels(MAPS[2]))
    assert source.read("image_0000", []) == {}
    with pytest.raises(MissingFileError, match="image_0007_3"):
        source.read("image_0007", [0, 3])


def test_a_version_is_that_of_the_map_and_of_nothing_else(tmp_path: Path) -> None:
    before = ShardSaliency(write(tmp_path / "a", SALIENCY, "saliency"), "x")
    rows = [Row("new", {None: MAPS[0]}), *SALIENCY[:300]]
    rows[20] = Row(rows[20].image_id, {None: MAPS[0] + b"other"})
    after = ShardSaliency(write(tmp_path / "b", rows, "saliency", largest=1), "y")
    changed = [row.image_id for row in rows[1:]
               if before.version(row.image_id) != after.version(row.image_id)]  # fmt: skip
    assert changed == [rows[20].image_id]
    assert before.version("image_0003") == before.version("unknown") == ""
    several = ShardActivations(write(tmp_path / "c", ACTIVATION, "activation"), "x")
    versions = {several.version("image_0007", classes) for classes in ([0], [1], [0, 1], [9])}
    assert len(versions) == 4
    assert several.version("image_0007", [9]) == ""


def test_many_threads_read_what_is_there(tmp_path: Path) -> None:
    source = ShardSaliency(write(tmp_path, SALIENCY, "saliency", largest=1), "x")
    order = np.random.default_rng(0).permutation(600)
    start = threading.Barrier(8)

    def read(part: int) -> None:
        start.wait()
        for number in order[part::8]:
            row = SALIENCY[number]
            if row.maps:
                np.testing.assert_array_equal(source.read(row.image_id), pixels(row.maps[None]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))
