"""Which weights a network is to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.weights_files import BODY, DIGEST, OTHER, resolve_dino, serve_weights, use_cache
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.errors import ChecksumError, DataError, MissingFileError, UsageError
from wsss_assets.regenerate.weights import copy_weights, resolve
from wsss_assets.regenerate.weights_cache import WeightsFile, kept_at

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


def test_what_only_a_person_can_get_is_said_with_the_command_to_go_on() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("dss")
    said = str(caught.value)
    assert "https://pan.baidu.com/s/10XmHVMAOp1ewoJXhI0nRgA" in said
    assert "--weights FILE" in said
    with pytest.raises(UsageError, match="--weights FILE --weights dino_vits8"):
        resolve("move")


def test_networks_without_published_weights_ask_for_some() -> None:
    with pytest.raises(UsageError, match="no published weights of poolnet_vgg16") as caught:
        resolve("poolnet_vgg16")
    assert "--weights FILE" in str(caught.value)


def test_own_files_are_told_by_their_digest(served: FileServer, tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(BODY)
    assert resolve("move", [str(own)]) == [WeightsFile(own, DIGEST, None)]
    resolve_dino()
    assert resolve("move", [str(own)]) == [WeightsFile(own, DIGEST, "dino_vits8")]
    with pytest.raises(MissingFileError, match="u2netp, u2netp_onnx"):
        resolve("u2netp", [str(tmp_path / "absent.pth")])
    with pytest.raises(MissingFileError, match=r"found a folder without model\.safetensors"):
        resolve("u2netp", [str(tmp_path)])
    (tmp_path / "model.safetensors").write_bytes(OTHER)
    (inside,) = resolve("u2netp", [str(tmp_path)])
    assert inside.path == tmp_path / "model.safetensors"
    assert len(served.gets()) == 1


def test_weights_of_another_network_are_refused(served: FileServer) -> None:
    with pytest.raises(UsageError, match=r"are weights of vst, not of dss; .* dss_port"):
        resolve("dss", ["vst"])
    with pytest.raises(UsageError, match="none of the catalogue"):
        resolve("poolnet_vgg16", ["vst"])
    with pytest.raises(UsageError, match="not of onnx"):
        resolve("onnx", ["vst"])
    onnx = get_weights("u2netp_onnx")
    served.add(onnx.file_name, b"no such bytes")
    with pytest.raises(ChecksumError):
        resolve("onnx", ["u2netp_onnx"])


def test_a_copy_is_made_once_and_never_over_another_file(
    served: FileServer, tmp_path: Path
) -> None:
    found = resolve_dino()
    copied = copy_weights(found, tmp_path / "to")
    assert copied.read_bytes() == BODY
    assert copy_weights(found, tmp_path / "to") == copied
    copied.write_bytes(OTHER)
    with pytest.raises(DataError, match="is another file"):
        copy_weights(found, tmp_path / "to")
    assert copied.read_bytes() == OTHER
    assert len(served.gets()) == 1


def test_weights_are_for_so_many_classes(served: FileServer) -> None:
    drs = get_weights("drs")
    served.add(drs.file_name, BODY)
    assert resolve("drs", classes=20) == [WeightsFile(kept_at(drs), DIGEST, "drs")]
    assert resolve("drs", ["drs"]) == resolve("drs", ["drs"], classes=20)
    with pytest.raises(UsageError, match="no published weights of drs for 80 classes"):
        resolve("drs", classes=80)
    with pytest.raises(UsageError, match=r"are weights for 20 classes.* expected weights for 80"):
        resolve("drs", ["drs"], classes=80)
