from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.map_set_files import Told
from tests.weights_files import BODY, DIGEST, DINO, OTHER, resolve_dino, serve_weights, use_cache
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.errors import ChecksumError, DataError
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.weights_cache import first_seen, is_here, kept_at
from wsss_assets.regenerate.weights_fetching import fetch_weights

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:  # noqa: ARG001
    return use_cache(tmp_path / "cache", monkeypatch)


@pytest.fixture
def served(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    return serve_weights(files, monkeypatch)


def test_a_file_in_place_that_differs_from_the_note_is_told_before_anything_is_fetched(
    served: FileServer,
) -> None:
    path = resolve_dino().path
    path.write_bytes(OTHER)
    assert is_here(DINO) == "damaged"
    told = Told()
    with pytest.raises(ChecksumError) as caught:
        resolve_dino(told)
    said = str(caught.value)
    for part in (str(path), DIGEST, hashlib.sha256(OTHER).hexdigest(), "nothing was fetched"):
        assert part in said
    assert f"remove {first_seen(DINO).note} if the one seen before was" in said
    assert "if its authors have replaced theirs" in said
    assert told.text == ""
    assert len(served.gets()) == 1
    first_seen(DINO).note.unlink()
    assert resolve_dino().sha256 == hashlib.sha256(OTHER).hexdigest()
    assert is_here(DINO) == "yes"


def test_a_damaged_file_of_a_published_digest_is_fetched_anew(served: FileServer) -> None:
    record = DINO.model_copy(update={"sha256": DIGEST, "size": len(BODY)})
    assert is_here(record) == "no"
    path = fetch_weights(record).path
    for damaged in (BODY[:-1], OTHER, b"<html>"):
        path.write_bytes(damaged)
        assert is_here(record) == "damaged"
    assert fetch_weights(record).path.read_bytes() == BODY
    assert is_here(record) == "yes"
    assert len(served.gets()) == 2


def test_what_a_person_put_there_is_used_with_what_it_needs(served: FileServer) -> None:
    move = get_weights("move")
    kept_at(move).parent.mkdir(parents=True)
    kept_at(move).write_bytes(OTHER)
    found = resolve("move")
    assert [one.record_id for one in found] == ["move", "dino_vits8"]
    assert [one.path.read_bytes() for one in found] == [OTHER, BODY]
    kept_at(move).write_bytes(OTHER + b".")
    with pytest.raises(ChecksumError, match="that was seen before"):
        resolve("move")
    assert resolve("move", ["dino_vits8", "dino_vits8"]) == found[1:]
    assert len(served.gets()) == 1


def test_a_page_put_there_is_refused() -> None:
    record = get_weights("dss_port")
    kept_at(record).parent.mkdir(parents=True)
    kept_at(record).write_bytes(b"<html>Sign in")
    with pytest.raises(DataError, match="found a web page"):
        resolve("dss")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8\xff\xe0JFIF", "a JPEG picture"),
        (b"", "an empty file"),
        ("Größe: 4 MB\n".encode() * 99, "a text"),
        (b"\x08\x06pytorch", "bytes of no known kind: 08 06 70"),
        (b"\x02" + bytes(7) + b"{}", "a safetensors file"),
    ],
)
def test_the_digest_of_what_is_no_checkpoint_is_never_noted(content: bytes, said: str) -> None:
    record = get_weights("u2netp")
    kept_at(record).parent.mkdir(parents=True)
    kept_at(record).write_bytes(content)
    assert is_here(record) == "damaged"
    with pytest.raises(DataError) as caught:
        fetch_weights(record)
    assert f"found {said}" in str(caught.value)
    assert f"remove it; get it from {record.sources[0].address}" in str(caught.value)
    assert not first_seen(record).note.exists()
    kept_at(record).write_bytes(BODY)
    assert fetch_weights(record).sha256 == DIGEST
