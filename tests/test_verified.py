from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.map_set_files import flip, make_read_only
from wsss_assets.storage import files, verified
from wsss_assets.storage.fetch import cache_folder
from wsss_assets.storage.verified import is_whole

if TYPE_CHECKING:
    from pathlib import Path


CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "shard.parquet"
    path.write_bytes(CONTENT)
    return path


def whole(path: Path, **options: bool) -> bool:
    return is_whole(path, len(CONTENT), SHA256, **options)


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose digests were taken."""
    taken: list[Path] = []
    real = files.sha256_file

    def counted(path: Path) -> str:
        taken.append(path)
        return real(path)

    monkeypatch.setattr(verified, "sha256_file", counted)
    return taken


def test_a_digest_is_taken_once(file: Path, digests: list[Path]) -> None:
    assert [whole(file) for _ in range(3)] == [True] * 3
    assert digests == [file]
    assert whole(file, again=True)
    assert digests == [file, file]


def test_a_file_that_was_touched_is_looked_at_again(file: Path, digests: list[Path]) -> None:
    assert whole(file)
    os.utime(file, ns=(1, 1))
    assert whole(file)
    flip(file)
    assert not whole(file)
    assert not whole(file)
    assert len(digests) == 4


def test_damage_behind_the_back_is_found_when_asked_for(file: Path) -> None:
    assert whole(file)
    flip(file, secretly=True)
    assert whole(file)
    assert not whole(file, again=True)
    assert not whole(file), "the note is refuted, so that a download heals what was found"


def test_a_note_speaks_of_one_digest(file: Path) -> None:
    assert whole(file)
    assert not is_whole(file, len(CONTENT), OTHER)
    assert whole(file)


def test_a_note_speaks_of_the_content_behind_a_link(
    file: Path, digests: list[Path], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert whole(file)
    assert whole(link)
    assert len(digests) == 1
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    assert not whole(link)


def test_files_of_another_size_or_none_are_not_read(
    file: Path, digests: list[Path], tmp_path: Path
) -> None:
    assert not is_whole(file, 5, SHA256)
    assert not whole(tmp_path / "nothing")
    assert not whole(file / "below a file")
    assert digests == []


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"nonsense"])
def test_a_damaged_note_is_written_anew(file: Path, digests: list[Path], note: bytes) -> None:
    assert whole(file)
    (place,) = (path for path in cache_folder().rglob("*") if path.is_file())
    place.write_bytes(note)
    assert whole(file)
    assert whole(file)
    assert len(digests) == 2


def test_without_a_place_for_notes_the_digest_is_taken_every_time(
    file: Path, digests: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patches:
        make_read_only(patches, cache_folder())
        assert whole(file)
        assert whole(file)
    assert len(digests) == 2


def test_threads_may_look_at_the_same_file(file: Path) -> None:
    barrier = threading.Barrier(4)

    def look() -> bool:
        barrier.wait()
        return whole(file)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(look) for _ in range(4)]
        assert all(one.result() for one in found)
