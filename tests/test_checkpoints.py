from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.toy_weights import assert_same, copied, toy
from wsss_assets.errors import MissingDependencyError, MissingFileError, WeightsError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from wsss_assets.models.checkpoints import read_state_dict  # noqa: E402
from wsss_assets.models.loading import load  # noqa: E402
from wsss_assets.models.safetensors_files import save_safetensors  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsss_assets.models.checkpoints import StateDict

WRAPPED: list[Callable[[StateDict], object]] = [
    lambda state: state,
    OrderedDict,
    lambda state: {"state_dict": state},
    lambda state: {"epoch": 3, "model": state, "optimizer": {"state": {}, "param_groups": [{}]}},
    lambda state: {"model_state_dict": state},
    lambda state: {"module": state},
    lambda state: {"teacher": state, "student": {}},
    lambda state: {"model": {"state_dict": state}},
    lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    lambda state: {f"module.module.{key}": value for key, value in state.items()},
    lambda state: {f"_forward_module.module.{key}": value for key, value in state.items()},
    lambda state: {key: nn.Parameter(v, v.is_floating_point()) for key, v in state.items()},
    lambda state: {
        "model": state,
        "args": argparse.Namespace(rate=0.1, device="cuda", folder=Path("runs")),
        "best": np.float64(0.5),
        "curve": np.arange(3.0),
        "count": np.int64(3),
    },
]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", WRAPPED)
def test_every_wrapper(tmp_path: Path, wrap: Callable[[StateDict], object], legacy: bool) -> None:
    state = copied(toy())
    path = tmp_path / "net.pth"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not legacy)
    net = toy()
    load(net, path)
    assert_same(net, state)
    assert list(read_state_dict(path)) == list(state)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<!DOCTYPE html><html><head><title>Sign in", "looks like a web page"),
        (b"\xef\xbb\xbf\n <html>", "looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "pointer of Git LFS"),
        (b"", "cannot be read as a PyTorch file"),
        (b"not weights", "cannot be read as a PyTorch file"),
        (b"PK\x03\x04 nor a zip", "cannot be read as a PyTorch file"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=match):
        load(toy(), tmp_path / "net.pth")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nothing there"):
        load(toy(), tmp_path / "net.pth")
    with pytest.raises(MissingFileError, match="a folder"):
        load(toy(), tmp_path)


@pytest.mark.parametrize(
    ("found", "match"),
    [
        ({}, "nothing in it"),
        ({"state_dict": {}}, "nothing in it"),
        ([], "of the type list"),
        (torch.zeros(3), "of the type Tensor"),
        (3, "of the type int"),
        ({"a": torch.zeros(1), "epoch": 3, "names": []}, "no plain tensor: epoch, names"),
        ({1: torch.zeros(1)}, "no plain tensor: 1"),
        ({"a": torch.zeros(2).to_sparse()}, "no plain tensor: a"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "no plain tensor: a"),
        ({"a": torch.zeros(1), "module.a": torch.zeros(1)}, "holds a twice"),
    ],
)
def test_no_state_dict(tmp_path: Path, found: object, match: str) -> None:
    torch.save(found, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=match):
        read_state_dict(tmp_path / "net.pth")


def test_a_wrapper_within_itself(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    torch.save(endless, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no plain tensor: model"):
        read_state_dict(tmp_path / "net.pth")


def test_shared_and_strided_tensors(tmp_path: Path) -> None:
    weight = torch.randn(1, 4, 3, 3).expand(4, 4, 3, 3)[:, :3]
    state = {**copied(toy()), "0.weight": weight}
    torch.save(state, tmp_path / "net.pth")
    save_safetensors(state, tmp_path / "net.safetensors", {})
    for name in ("net.pth", "net.safetensors"):
        net = toy()
        load(net, tmp_path / name)
        assert_same(net, state)


@pytest.mark.parametrize("content", [b"", b"\x08" + bytes(7) + b"{}", bytes(100), b"junk" * 9])
def test_damaged_safetensors(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("safetensors")
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as a safetensors file"):
        read_state_dict(tmp_path / "net.safetensors")


def onnx_file(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Two convolutions, the second without a bias, and an initialiser of something else."""
    onnx = pytest.importorskip("onnx")
    random = np.random.default_rng(0)
    arrays = {
        "7": random.standard_normal((2, 3, 1, 1)).astype(np.float32),
        "3": random.standard_normal(2).astype(np.float32),
        "1": random.standard_normal((1, 2, 1, 1)).astype(np.float32),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "7", "3"], ["y"]),
        onnx.helper.make_node("Add", ["y", "other"], ["z"]),
        onnx.helper.make_node("Conv", ["z", "1"], ["out"]),
    ]
    stored = [onnx.numpy_helper.from_array(array, name) for name, array in sorted(arrays.items())]
    stored.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "other"))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [value("x", onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
        [value("out", onnx.TensorProto.FLOAT, None)],
        stored,
    )
    onnx.save(onnx.helper.make_model(graph), path)
    return arrays


def test_onnx(tmp_path: Path) -> None:
    arrays = onnx_file(tmp_path / "net.onnx")
    found = read_state_dict(tmp_path / "net.onnx")
    assert list(found) == ["7", "3", "1"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name].numpy(), array)


def test_onnx_does_not_read_other_files(tmp_path: Path) -> None:
    onnx_file(tmp_path / "net.onnx")
    import onnx

    model = onnx.load(tmp_path / "net.onnx")
    first = model.graph.initializer[0]
    first.ClearField("raw_data")
    first.data_location = onnx.TensorProto.EXTERNAL
    first.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="cannot be read as an ONNX file"):
        read_state_dict(tmp_path / "net.onnx")


@pytest.mark.parametrize("content", [b"junk", b""])
def test_damaged_onnx(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "net.onnx")


@pytest.mark.parametrize(("package", "extra"), [("onnx", "onnx"), ("safetensors", "regenerate")])
def test_packages_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.torch", None)
    path = tmp_path / f"net.{package}"
    path.write_bytes(b"any")
    with pytest.raises(MissingDependencyError, match=rf"wsss-assets\[{extra}\]"):
        read_state_dict(path)
