from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import map_bytes
from wsss_assets.errors import DataError, FetchError
from wsss_assets.map_sets.packing import pack_split
from wsss_assets.storage import shards
from wsss_assets.storage.archives import ZipMaps
from wsss_assets.storage.remote import open_stored_maps
from wsss_assets.storage.shards import Row, ShardReader, write_shards
from wsss_assets.storage.steady import SteadyFile, read_steadily

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 10
MAPS = {f"2007_{number:06d}": map_bytes(number) for number in range(12)}
SHORT = object()
"""A fault: less comes than was asked for."""
FAULTS = [
    ValueError("unexpected end of a chunk"),
    RuntimeError("the session is closed"),
    OSError("reset"),
    FileNotFoundError("503"),
    EOFError(),
    SHORT,
]


class Flaky(io.BytesIO):
    """A file whose reading goes wrong as often as told, from a read on.

    Args:
        content: what it holds.
        fault: what is raised; or SHORT.
        times: how often.
        after: how many reads go well before that.
    """

    def __init__(self, content: bytes, fault: object, times: int, after: int = 0) -> None:
        super().__init__(content)
        self.fault = fault
        self.times = times
        self.after = after
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        data = super().read(size)
        if self.after:
            self.after -= 1
        elif self.times:
            self.times -= 1
            if isinstance(self.fault, Exception):
                raise self.fault
            return data[:-1]
        return data


class Waits(list[float]):
    """Takes the place of `time.sleep`."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def steady(file: Any, waits: Waits | None = None) -> SteadyFile:  # noqa: ANN401
    return SteadyFile(file, "x://maps", Waits() if waits is None else waits)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_what_fails_for_once_is_read_again_from_the_same_place(fault: object, times: int) -> None:
    waits = Waits()
    flaky = Flaky(CONTENT, fault, times, after=1)
    file = steady(flaky, waits)
    assert file.read(700) + file.read(700) == CONTENT[:1400]
    assert file.tell() == 1400
    assert flaky.reads == 2 + times
    assert len(waits) == times
    assert all(0.0 < wait <= 2.0 for wait in waits)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_for_ever_is_an_error_that_names_the_file(fault: object) -> None:
    flaky = Flaky(CONTENT, fault, 999)
    file = steady(flaky)
    with pytest.raises(FetchError, match="x://maps cannot be read") as caught:
        file.read(100)
    assert "tried 3 times" in str(caught.value)
    assert flaky.reads == 3
    assert file.tell() == 0
    flaky.times = 0
    assert file.read(100) == CONTENT[:100]


@given(
    st.lists(
        st.tuples(st.integers(-300, 300), st.sampled_from([0, 1, 2]), st.integers(-1, 300))
        | st.none(),
        max_size=20,
    )
)
def test_it_goes_and_reads_where_any_file_does(steps: list[tuple[int, int, int] | None]) -> None:
    plain, file = io.BytesIO(CONTENT[:256]), steady(io.BytesIO(CONTENT[:256]))
    for step in steps:
        if step is None:
            assert file.read() == plain.read()
            continue
        offset, whence, size = step
        base = {os.SEEK_SET: 0, os.SEEK_CUR: plain.tell(), os.SEEK_END: 256}[whence]
        if base + offset < 0:
            with pytest.raises(ValueError, match="before the beginning"):
                file.seek(offset, whence)
        else:
            assert file.seek(offset, whence) == plain.seek(offset, whence)
        assert file.tell() == plain.tell()
        assert file.read(size) == plain.read(size)
        assert file.tell() == plain.tell()


def test_no_byte_is_asked_for_where_there_is_none() -> None:
    flaky = Flaky(CONTENT, ValueError("unsatisfiable range"), 999)
    file = steady(flaky)
    assert file.read(0) == b""
    file.seek(0, os.SEEK_END)
    assert (file.read(), file.read(10)) == (b"", b"")
    file.seek(9999)
    assert file.read(None) == b""
    assert flaky.reads == 0


def test_it_is_closed_with_the_file_below() -> None:
    below = io.BytesIO(CONTENT)
    with steady(below) as file:
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
        file.flush()
        states = [file.closed]
    assert [*states, file.closed, below.closed] == [False, True, True]


def test_a_file_without_a_length_cannot_be_read() -> None:
    class Endless(io.BytesIO):
        def seek(self, *_: object) -> int:
            raise ValueError("no range requests")

    with pytest.raises(FetchError, match="x://maps cannot be read; found no range requests"):
        steady(Endless())


def test_what_has_no_known_length_is_taken_as_it_comes() -> None:
    assert read_steadily(lambda: b"abc", None, "x", Waits()) == b"abc"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for stem, data in MAPS.items():
            target.writestr(f"maps/{stem}.png", data)
    return buffer.getvalue()


ZIPPED = zipped()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", range(8))
def test_a_zip_comes_through_it_as_it_is(fault: object, after: int) -> None:
    flaky = Flaky(ZIPPED, fault, 2, after)
    with zipfile.ZipFile(cast("BinaryIO", steady(flaky))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"maps/{stem}.png": data for stem, data in MAPS.items()
        }
    flaky = Flaky(ZIPPED, fault, 2, after)
    with ZipMaps(cast("BinaryIO", steady(flaky)), "x://maps") as maps:
        assert {stem: maps.read(stem) for stem in maps.stems()} == MAPS
    assert flaky.closed


ROWS = [Row(f"image_{number:04d}", {None: list(MAPS.values())[number % 12]}) for number in range(9)]


@pytest.fixture
def shard(tmp_path: Path) -> bytes:
    [written] = write_shards(ROWS, tmp_path, "train", "saliency")
    return written.path.read_bytes()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", range(5))
def test_parquet_comes_through_it_as_it_is(shard: bytes, fault: object, after: int) -> None:
    direct = pyarrow.parquet.read_table(io.BytesIO(shard))
    file = steady(Flaky(shard, fault, 2, after))
    assert pyarrow.parquet.ParquetFile(file, pre_buffer=False).read().equals(direct)


ADDRESS = "hf://datasets/org/maps@0/train.parquet"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_shard_afar_is_read_or_is_no_damaged_one(
    shard: bytes, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(times: int, after: int) -> Flaky:
        flaky = Flaky(shard, fault, times, after)
        monkeypatch.setattr(shards, "open_hub_file", lambda _: steady(flaky))
        return flaky

    for after in range(4):
        flaky = put(2, after)
        with ShardReader(ADDRESS, "saliency") as reader:
            group = reader.read_group(0)
            assert [group.row(number) for number in range(len(group.ids))] == ROWS
        assert flaky.closed
    for after in range(2):  # the footer, and the row group as a whole
        flaky = put(999, after)
        with (
            pytest.raises(FetchError, match="x://maps cannot be read"),
            ShardReader(ADDRESS, "saliency") as reader,
        ):
            reader.read_group(0)
        assert flaky.closed


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 100])
def test_a_file_afar_that_is_no_shard_is_closed(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = io.BytesIO(content)
    monkeypatch.setattr(shards, "open_hub_file", lambda _: steady(below))
    with pytest.raises(DataError, match="is damaged"):
        ShardReader(ADDRESS, None)
    assert below.closed


def test_a_shard_afar_of_the_other_kind_is_closed(
    shard: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = io.BytesIO(shard)
    monkeypatch.setattr(shards, "open_hub_file", lambda _: steady(below))
    with pytest.raises(DataError, match="no shard of activation maps"):
        ShardReader(ADDRESS, "activation")
    assert below.closed


class OneFile:
    """A file system that holds one file."""

    def __init__(self, file: Flaky) -> None:
        self.file = file

    def open(self, *_: object, **__: object) -> Flaky:
        return self.file


def remote_zip(monkeypatch: pytest.MonkeyPatch, file: Flaky) -> None:
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda _: (OneFile(file), "maps.zip"))


@pytest.mark.parametrize("address", ["x://maps.zip", "zip://maps::x://maps.zip"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", range(8))
def test_a_zip_afar_survives_a_fault_that_passes(
    monkeypatch: pytest.MonkeyPatch, address: str, fault: object, after: int
) -> None:
    waits = Waits()
    remote_zip(monkeypatch, Flaky(ZIPPED, fault, 2, after))
    with open_stored_maps(address, sleep=waits) as maps:
        assert {stem: maps.read(stem) for stem in maps.stems()} == MAPS
    assert len(waits) == 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", range(3))
def test_a_zip_afar_whose_index_cannot_be_had_is_closed(
    monkeypatch: pytest.MonkeyPatch, fault: object, after: int
) -> None:
    flaky = Flaky(ZIPPED, fault, 999, after)
    remote_zip(monkeypatch, flaky)
    with pytest.raises(FetchError, match=r"x://maps\.zip cannot be read"):
        open_stored_maps("x://maps.zip", sleep=Waits())
    assert flaky.closed


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_a_map_of_a_zip_afar_that_cannot_be_had_is_no_hole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: object, after: int
) -> None:
    flaky = Flaky(ZIPPED, fault, 0)
    remote_zip(monkeypatch, flaky)
    with open_stored_maps("x://maps.zip", sleep=Waits()) as maps:
        flaky.times, flaky.after = 999, after
        with pytest.raises(FetchError, match=r"x://maps\.zip cannot be read"):
            pack_split(
                maps,
                list(MAPS),
                kind="saliency",
                folder=tmp_path / "shards",
                split="train",
                prefix="data",
                classes=None,
                most_classes=20,
                recode=False,
            )
    assert list(tmp_path.rglob("*.parquet")) == []
