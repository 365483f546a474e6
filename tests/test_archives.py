from __future__ import annotations

import contextlib
import io
import random
import struct
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pictures import map_bytes
from wsss_assets.errors import ArchiveError, DataError, MissingFileError
from wsss_assets.storage import archives
from wsss_assets.storage.archives import ZipMaps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAPS = {f"2007_{number:06d}": map_bytes(number) for number in range(5)}


def zipped(
    members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        target.comment = comment
        for name, content in members.items():
            target.writestr(name, content)
    return buffer.getvalue()


def named(entries: list[tuple[str, bytes]], **fields: int) -> bytes:
    """A zip of entries whose names and fields `zipfile` would not write by itself."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            for field, value in fields.items():
                setattr(entry, field, value)
            target.writestr(entry, content)
    return buffer.getvalue()


def opened(content: bytes, folder: str = "") -> ZipMaps:
    return ZipMaps(io.BytesIO(content), "maps.zip", folder)


def patched_index(content: bytes, offset: int, layout: str, value: int) -> bytes:
    """Change a field of the first entry of the index."""
    changed = bytearray(content)
    struct.pack_into(layout, changed, content.index(b"PK\1\2") + offset, value)
    return bytes(changed)


SIZE, PACKED, METHOD, FLAGS, CRC, START = 24, 20, 10, 8, 16, 42
"""Where fields lie in an entry of the index."""


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("pattern", ["{}.png", "maps/{}.png", "./a/b c/{}.PNG", "ü/{}.Png"])
def test_maps_are_found_wherever_they_lie(tmp_path: Path, method: int, pattern: str) -> None:
    path = tmp_path / "maps.zip"
    content = zipped({pattern.format(stem): data for stem, data in MAPS.items()}, method, b"hello")
    path.write_bytes(content)
    with ZipMaps(path) as maps:
        assert str(maps) == str(path)
        assert list(maps.stems()) == sorted(MAPS)
        assert {stem: maps.read(stem) for stem in maps.stems()} == MAPS
        with pytest.raises(MissingFileError, match="2099"):
            maps.read("2099")


def test_what_is_no_map_is_passed_over() -> None:
    junk = [
        "README.md", "maps/", "__MACOSX/maps/._2007_000001.png", "maps/._2007_000001.png",
        "maps/.DS_Store", "maps/Thumbs.db", ".git/a.png", "maps/a.npy", "png", "maps/.png",
    ]  # fmt: skip
    maps = opened(zipped({**dict.fromkeys(junk, b"junk"), "maps/a.png": b"a", "b.jpg": b"b"}))
    assert {stem: maps.read(stem) for stem in maps.stems()} == {"a": b"a", "b": b"b"}


def test_a_folder_of_the_archive_can_be_chosen() -> None:
    members = {"one/a.png": b"1", "two/a.png": b"2", "two/deep/b.png": b"3", "twofold/c.png": b"4"}
    maps = opened(zipped(members), "two/")
    assert {stem: maps.read(stem) for stem in maps.stems()} == {"a": b"2", "b": b"3"}
    with pytest.raises(ArchiveError, match="two different maps 'a'") as caught:
        opened(zipped(members))
    assert "zip://" in str(caught.value)


def test_the_same_map_twice_is_one_map() -> None:
    maps = opened(zipped({"one/a.png": b"1", "two/a.png": b"1"}))
    assert maps.read("a") == b"1"


def test_names_with_long_extra_fields_are_read() -> None:
    buffer = io.BytesIO()
    entry = zipfile.ZipInfo("a.png")
    entry.extra = struct.pack("<HH", 0x9999, 3000) + bytes(3000)
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr(entry, b"content")
        target.writestr("b.png", b"more")
    maps = opened(buffer.getvalue())
    assert (maps.read("a"), maps.read("b")) == (b"content", b"more")


def test_an_archive_behind_other_bytes_is_read() -> None:
    content = b"#!/bin/sh\n" + zipped({"a.png": b"content"})
    assert opened(content).read("a") == b"content"


@pytest.mark.parametrize(
    "name",
    ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "c:a.png", "a\\b.png", "..", "a/.."],
)
def test_a_name_that_leaves_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="outside of a folder"):
        opened(named([("a.png", b"1"), (name, b"2")]))


def test_links_and_secrets_are_refused() -> None:
    with pytest.raises(ArchiveError, match="is a link"):
        opened(named([("a.png", b"/etc/passwd")], external_attr=0o120777 << 16))
    content = zipped({"a.png": b"1"})
    with pytest.raises(ArchiveError, match="encrypted"):
        opened(patched_index(content, FLAGS, "<H", 1))


def test_bombs_are_refused_before_anything_is_inflated() -> None:
    with pytest.raises(ArchiveError, match="too large to be a map"):
        opened(zipped({"a.png": bytes(4 << 20)}))  # a thousand times smaller in the archive
    content = zipped({"a.png": b"1"}, zipfile.ZIP_STORED)
    with pytest.raises(ArchiveError, match="too large to be a map"):
        opened(patched_index(content, SIZE, "<I", (64 << 20) + 1))
    opened(zipped({"a.png": bytes(1 << 20), "weights.bin": bytes(4 << 20)}))


def test_too_many_and_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped({"a.png": b"1234", "b.png": b"5678"})
    for limit, value, text in (
        ("_MOST_MEMBERS", 1, "too many entries"),
        ("_LARGEST_TOTAL", 7, "too large"),
        ("_LONGEST_INDEX", 60, "index of the archive is too long"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(archives, limit, value)
            with pytest.raises(ArchiveError, match=text):
                opened(content)
    opened(content)


def with_large_end(content: bytes, size: int, announced: int | None = None) -> bytes:
    """A zip with the larger kind of end, which says how long the index is.

    Args:
        content: a zip without comment.
        size: the length that the larger end says.
        announced: the length that the usual end says; None: as it is.
    """
    body, end = content[:-22], bytearray(content[-22:])
    count, own, start = struct.unpack_from("<HII", end, 10)
    large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(body), 1)
    struct.pack_into("<I", end, 12, own if announced is None else announced)
    return body + large + locator + bytes(end)


@pytest.mark.parametrize("announced", [None, 0, 60, 0xFFFFFFFF])
def test_an_index_is_measured_where_its_length_counts(
    monkeypatch: pytest.MonkeyPatch, announced: int | None
) -> None:
    content = zipped({f"{stem}.png": data for stem, data in MAPS.items()})
    (size,) = struct.unpack_from("<I", content, len(content) - 10)
    content = with_large_end(content, size, announced)
    monkeypatch.setattr(archives, "_LONGEST_INDEX", size)
    maps = opened(content)
    assert {stem: maps.read(stem) for stem in maps.stems()} == MAPS
    monkeypatch.setattr(archives, "_LONGEST_INDEX", size - 1)
    with pytest.raises(ArchiveError, match="index of the archive is too long") as caught:
        opened(content)
    assert f"{size:,} bytes" in str(caught.value)


@pytest.mark.parametrize("announced", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [1 << 20, 1 << 32, 1 << 62, (1 << 64) - 1])
def test_an_index_longer_than_the_archive_is_refused(announced: int | None, size: int) -> None:
    with pytest.raises(ArchiveError):
        opened(with_large_end(zipped(MAPS), size, announced))


def test_an_index_of_twice_the_longest_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "maps.zip"
    large = with_large_end(zipped({}), 1 << 28, 0)
    with path.open("wb") as file:
        file.seek(1 << 28)  # a hole in the file, which takes no room on a disk
        file.write(large)
    with pytest.raises(ArchiveError, match="too long; found 268,435,456 bytes"):
        ZipMaps(path)


def test_a_member_that_takes_more_than_any_map_is_refused() -> None:
    content = zipped({"a.png": b"1"}, zipfile.ZIP_STORED)
    large = (64 << 20) + (1 << 20) + 1
    with_room = content.replace(b"PK\1\2", bytes(large) + b"PK\1\2")
    start = with_room.index(b"PK\1\2")
    moved = bytearray(patched_index(with_room, PACKED, "<I", large))
    struct.pack_into("<I", moved, len(moved) - 6, start)
    with pytest.raises(ArchiveError, match="too large to be a map") as caught:
        opened(bytes(moved))
    assert f"{large:,} bytes in the archive" in str(caught.value)


@pytest.mark.parametrize("announced", [0, 10, 999, 1001])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_another_size_than_announced_is_damaged(announced: int, method: int) -> None:
    content = zipped({"a.png": random.Random(0).randbytes(1000)}, method)
    maps = opened(patched_index(content, SIZE, "<I", announced))
    with pytest.raises(ArchiveError, match=r"a\.png in the archive is damaged"):
        maps.read("a")


def test_a_member_that_inflates_without_end_is_stopped_at_its_size() -> None:
    content = zipped({"a.png": bytes(50 << 20)})
    maps = opened(patched_index(content, SIZE, "<I", 1000))
    with pytest.raises(ArchiveError, match="more than the 1000 bytes"):
        maps.read("a")


@pytest.mark.parametrize(
    ("field", "layout", "value", "text"),
    [(CRC, "<I", 7, "CRC"), (METHOD, "<H", 9, "method 9"), (METHOD, "<H", 99, "method 99")],
)
def test_a_damaged_member_is_named(field: int, layout: str, value: int, text: str) -> None:
    content = zipped({"a.png": b"one" * 50, "b.png": b"two"})
    maps = opened(patched_index(content, field, layout, value))
    with pytest.raises(ArchiveError, match=text) as caught:
        maps.read("a")
    assert "a.png" in str(caught.value)
    assert maps.read("b") == b"two"


def test_entries_that_share_bytes_are_refused() -> None:
    content = zipped({"a.png": b"1" * 100, "b.png": b"2" * 100}, zipfile.ZIP_STORED)
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    changed = bytearray(content)
    struct.pack_into("<I", changed, second + START, 0)
    with pytest.raises(ArchiveError, match="shares bytes"):
        opened(bytes(changed))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no zip archive"),
        (b"\x89PNG and so on" * 100, "something else"),
        (b"<!DOCTYPE html><title>Sign in</title>" * 100, "web page"),
        (zipped(MAPS)[:-30], "cut short"),
        (zipped(MAPS)[:300], "cut short"),
    ],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "maps.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=text) as caught:
        ZipMaps(path)
    assert str(caught.value).startswith(str(path))


def test_what_holds_no_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"holds no \.png"):
        opened(zipped({"README.md": b"hello"}))
    with pytest.raises(MissingFileError, match=r"holds no \.png"):
        opened(zipped({}))
    with pytest.raises(MissingFileError, match="no file"):
        ZipMaps(tmp_path / "maps.zip")
    with pytest.raises(MissingFileError, match="no file"):
        ZipMaps(tmp_path)


def test_a_fingerprint_changes_with_the_content() -> None:
    first = {"a.png": b"1", "b.png": b"2"}
    prints = {
        opened(zipped(members)).fingerprint()
        for members in (first, {**first, "c.png": b"3"}, {**first, "b.png": b"3"}, {"a.png": b"1"})
    }
    assert len(prints) == 4
    same = opened(zipped({"b.png": b"2", "README": b"", "a.png": b"1"}, zipfile.ZIP_STORED))
    assert same.fingerprint() == opened(zipped(first)).fingerprint()


@pytest.mark.parametrize("on_disk", [True, False])
def test_many_threads_read_what_is_there(tmp_path: Path, on_disk: bool) -> None:
    noise = random.Random(0)
    members = {f"{number}.png": noise.randbytes(2000) for number in range(200)}
    path = tmp_path / "maps.zip"
    path.write_bytes(zipped(members))
    start = threading.Barrier(8)
    with ZipMaps(path if on_disk else io.BytesIO(path.read_bytes())) as maps:

        def read(part: int) -> None:
            start.wait()
            for number in range(part, 200, 3):
                assert maps.read(str(number)) == members[f"{number}.png"]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read, range(8)))


GOOD = zipped(MAPS)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_archive_gives_the_right_bytes_or_an_error(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    index = GOOD.index(b"PK\1\2")
    where = st.integers(0, len(GOOD) - 1) | st.integers(index, len(GOOD) - 1)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(where)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(GOOD)) | st.just(len(GOOD)))
    with contextlib.suppress(DataError):
        maps = opened(bytes(damaged[:cut]))
        for stem in maps.stems():
            with contextlib.suppress(DataError):
                content = maps.read(stem)
                # A name is covered by no checksum; what is read under the right one is right.
                assert content == MAPS.get(stem, content)


def entry(
    name: bytes, content: bytes, flags: int, method: int, sizes: tuple[int, int], mode: int
) -> tuple[bytes, bytes]:
    """A local entry, and its line of the index without the offset."""
    common = struct.pack(
        "<HHHHIIIHH", flags, method, 0, 0, zlib.crc32(content), *sizes, len(name), 0
    )
    local = b"PK\3\4\x14\0" + common + name + content
    index = b"PK\1\2\x14\3\x14\0" + common + struct.pack("<HHHI", 0, 0, 0, mode << 16)
    return local, index


SIZES = st.integers(0, 2**32 - 1) | st.integers(0, 2000)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.text("ab./\\:\0ü", min_size=1, max_size=12).map(
                lambda text: text.encode() + b".png"
            ),
            st.binary(max_size=60),
            st.sampled_from([0, 1, 8, 0x41, 0x800]),
            st.sampled_from([0, 8, 8, 9, 12, 14, 93]),
            st.none() | st.tuples(SIZES, SIZES),
            st.sampled_from([0, 0o100644, 0o120777, 0o040755]),
            st.none() | st.integers(0, 2**32 - 1) | st.integers(0, 500),
        ),
        max_size=5,
    ),
    st.none() | st.tuples(st.integers(0, 65535), SIZES, SIZES),
)
def test_a_hostile_archive_is_an_error_or_harmless(
    entries: list[Any], end: tuple[int, int, int] | None
) -> None:
    body, index = b"", b""
    for name, content, flags, method, sizes, mode, start in entries:
        packed = zlib.compress(content)[2:-4] if method == 8 else content
        local, line = entry(name, packed, flags, method, sizes or (len(packed), len(content)), mode)
        index += line + struct.pack("<I", len(body) if start is None else start) + name
        body += local
    count, size, offset = end or (len(entries), len(index), len(body))
    closing = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, offset, 0)
    with contextlib.suppress(DataError):
        maps = opened(body + index + closing)
        for stem in maps.stems():
            assert not {"/", "\\", "\0"} & set(stem)
            with contextlib.suppress(DataError):
                assert len(maps.read(stem)) <= 60
