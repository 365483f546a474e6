from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.errors import MissingDependencyError, MissingFileError, WeightsError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from wsss_assets.models.checkpoints import (  # noqa: E402
    MOST_NAMED,
    load,
    read_state_dict,
    save_safetensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsss_assets.models.checkpoints import StateDict


def toy() -> nn.Sequential:
    """A network with every kind of entry; its weights differ from call to call."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)).eval()


def copied(net: nn.Module) -> StateDict:
    return {key: value.clone() for key, value in net.state_dict().items()}


def assert_same(net: nn.Module, state: StateDict) -> None:
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


class Runs:
    """Unpickled without care, it makes a file."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


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


def test_a_state_dict_is_taken_as_it_is() -> None:
    state = copied(toy())
    net = toy()
    load(net, {f"module.{key}": value for key, value in state.items()})
    assert_same(net, state)


def test_weights_are_copies(tmp_path: Path) -> None:
    state = copied(toy())
    torch.save(state, tmp_path / "net.pth")
    net = toy()
    load(net, tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes(b"")
    assert_same(net, state)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [os.system, subprocess.call, eval, Path.touch])
def test_no_code_is_run(tmp_path: Path, function: Callable[..., object], legacy: bool) -> None:
    trap = tmp_path / "trap"
    argument: object = {eval: f"open({str(trap)!r}, 'w')", Path.touch: trap}.get(
        function, f"touch {trap}"
    )
    state = {**copied(toy()), "more": Runs(function, argument)}
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="refused and nothing was loaded"):
        read_state_dict(path)
    assert not trap.exists()


def test_a_refused_name_is_named(tmp_path: Path) -> None:
    torch.save(toy(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"asks for torch\.nn\.modules\.container\.Sequential"):
        read_state_dict(tmp_path / "net.pth")


def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(Runs(os.system, f"touch {trap}"), 2))
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "net.pkl")
    assert not trap.exists()


def test_numpy_is_handed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"state_dict": copied(toy()), "best": np.float64(1)}, tmp_path / "net.pth")
    monkeypatch.setattr(np, "dtype", None)
    assert len(read_state_dict(tmp_path / "net.pth")) == 9


def test_what_torch_allows_is_left_as_it_was(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save(copied(toy()), tmp_path / "net.pth")
    read_state_dict(tmp_path / "net.pth")
    with pytest.raises(WeightsError):
        load(toy(), {})
    assert set(torch.serialization.get_safe_globals()) == before


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


def bomb(path: Path, **changes: int) -> Path:
    """A checkpoint whose pickle is followed by zeros, written anew."""
    torch.save(copied(toy()), path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", changes.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in records.items():
            zeros = changes.get("zeros", 0) if name.endswith("data.pkl") else 0
            archive.writestr(name, data + bytes(zeros))
    return path


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"compression": zipfile.ZIP_DEFLATED}, r"compressed \(.*data\.pkl"),
        ({"compression": zipfile.ZIP_DEFLATED, "zeros": 1 << 24}, r"bytes of records in a file of"),
        ({"zeros": (64 << 20) + 1}, "a pickle of 67,"),
    ],
)
def test_a_file_that_unpacks_to_more_than_it_is(
    tmp_path: Path, changes: dict[str, int], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", None)  # not even begun
    with pytest.raises(WeightsError, match=match) as caught:
        read_state_dict(bomb(tmp_path / "net.pth", **changes))
    assert "nothing was loaded" in str(caught.value)


def test_records_written_anew_are_read_as_long_as_they_are_not_compressed(tmp_path: Path) -> None:
    assert len(read_state_dict(bomb(tmp_path / "net.pth"))) == len(toy().state_dict())


def test_an_archive_of_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net/readme.txt", "weights")
    with pytest.raises(WeightsError, match="unpack it"):
        read_state_dict(tmp_path / "net.zip")


@pytest.mark.parametrize("legacy", [False, True])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damaged_files(
    tmp_path_factory: pytest.TempPathFactory, legacy: bool, data: st.DataObject
) -> None:
    """Cut or changed anywhere, a file is refused or read; nothing else happens."""
    path = tmp_path_factory.mktemp("damaged") / "net.pth"
    torch.save({"model": copied(toy())}, path, _use_new_zipfile_serialization=not legacy)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        state = read_state_dict(path)
    except WeightsError:
        return
    assert all(isinstance(value, torch.Tensor) for value in state.values())


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 2000))
def test_truncated_files(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "net.pth"
    torch.save(copied(toy()), path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(WeightsError, match="download it again"):
        read_state_dict(path)


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


@pytest.mark.parametrize("counters", [False, True])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_precisions(name: str, counters: bool) -> None:
    dtype = getattr(torch, name)
    state = {
        key: value.to(dtype) if counters or value.is_floating_point() else value
        for key, value in copied(toy()).items()
    }
    net = toy()
    load(net, state)
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    torch.testing.assert_close(net.state_dict()["0.weight"], state["0.weight"].float())


def test_counters_do_not_matter() -> None:
    state = copied(toy())
    del state["1.num_batches_tracked"]
    state["0.num_batches_tracked"] = torch.tensor(3)
    net = toy()
    load(net, state)
    assert_same(net, {**state, "1.num_batches_tracked": torch.tensor(0)})
    load(net, {**state, "1.num_batches_tracked": torch.tensor([7])})
    load(net, {**state, "1.num_batches_tracked": torch.tensor(7)})
    assert net.state_dict()["1.num_batches_tracked"] == 7


def test_every_fault_is_named_and_nothing_loaded() -> None:
    net = toy()
    before = copied(net)
    state = copied(toy())
    del state["0.bias"], state["1.running_mean"]
    state["2.weight"] = torch.zeros(2, 4, 1, 1)
    state.update({f"head.{number}": torch.zeros(1) for number in range(MOST_NAMED + 5)})
    with pytest.raises(WeightsError, match="does not fit Sequential") as caught:
        load(net, state)
    error = caught.value
    assert error.missing == ("0.bias", "1.running_mean")
    assert error.unexpected == tuple(f"head.{number}" for number in range(MOST_NAMED + 5))
    assert error.misshapen == {"2.weight": ((2, 4, 1, 1), (1, 4, 1, 1))}
    assert "2 missing (0.bias, 1.running_mean), 15 unexpected (head.0, " in str(error)
    assert "head.9 and 5 more), 1 of another shape (2.weight (2, 4, 1, 1) for" in str(error)
    assert pickle.loads(pickle.dumps(error)).missing == error.missing  # noqa: S301
    assert_same(net, before)


@given(faulty=st.sets(st.sampled_from(list(toy().state_dict())), min_size=1))
def test_any_missing_entries(faulty: set[str]) -> None:
    state = {key: value for key, value in copied(toy()).items() if key not in faulty}
    lacking = tuple(key for key in toy().state_dict() if key in faulty and "tracked" not in key)
    if not lacking:
        load(toy(), state)
        return
    with pytest.raises(WeightsError) as caught:
        load(toy(), state)
    assert caught.value.missing == (lacking if state else ())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("half", [False, True])
def test_values_that_are_not_finite(value: float, half: bool) -> None:
    net = toy()
    before = copied(net)
    state = copied(toy())
    state["1.running_var"] = torch.tensor([1, value, 1, 1], dtype=torch.float16 if half else None)
    with pytest.raises(WeightsError, match=r"not finite; .* 1 such of 9 entries \(1\.running_var"):
        load(net, state)
    assert_same(net, before)


def test_values_too_large_for_the_network() -> None:
    state = copied(toy())
    state["0.bias"] = torch.full((4,), 1e300, dtype=torch.float64)
    with pytest.raises(WeightsError, match="not finite"):
        load(toy(), state)


def test_whole_numbers_are_no_weights() -> None:
    state = copied(toy())
    state["0.bias"] = torch.zeros(4, dtype=torch.int8)
    with pytest.raises(WeightsError, match="numbers of another kind"):
        load(toy(), state)


def test_parts(tmp_path: Path) -> None:
    state = copied(toy())
    torch.save({"model": {k: v for k, v in state.items() if k < "1"}}, tmp_path / "one.pth")
    rest = {f"module.{key}": value for key, value in state.items() if key >= "1"}
    net = toy()
    load(net, tmp_path / "one.pth", rest)
    assert_same(net, state)
    load(net, str(tmp_path / "one.pth"), rest, {"0.bias": state["0.bias"].clone()})
    before = copied(net)
    with pytest.raises(WeightsError, match=r"holds another 0\.bias"):
        load(net, tmp_path / "one.pth", rest, {"0.bias": state["0.bias"] + 1})
    with pytest.raises(WeightsError, match=r"one\.pth does not fit"):
        load(net, tmp_path / "one.pth")
    assert_same(net, before)


def test_networks_may_adapt_checkpoints() -> None:
    class Renamed(nn.Sequential):
        def adapted(self, state: StateDict) -> StateDict:
            return {key.removeprefix("old."): value for key, value in state.items()}

    state = copied(toy())
    net = Renamed(*toy())
    load(net, {f"old.{key}": value for key, value in state.items()})
    assert_same(net, state)


def test_shared_and_strided_tensors(tmp_path: Path) -> None:
    weight = torch.randn(1, 4, 3, 3).expand(4, 4, 3, 3)[:, :3]
    state = {**copied(toy()), "0.weight": weight}
    torch.save(state, tmp_path / "net.pth")
    save_safetensors(state, tmp_path / "net.safetensors", {})
    for name in ("net.pth", "net.safetensors"):
        net = toy()
        load(net, tmp_path / name)
        assert_same(net, state)


NUMBERS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8]


@settings(max_examples=40, deadline=None)
@given(
    entries=st.dictionaries(
        st.text('abc.é"', min_size=1, max_size=6),
        st.tuples(st.sampled_from(NUMBERS), st.lists(st.integers(0, 3), max_size=3)),
        min_size=1,
        max_size=5,
    ),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5),
)
def test_safetensors(
    tmp_path_factory: pytest.TempPathFactory,
    entries: dict[str, tuple[Any, list[int]]],
    metadata: dict[str, str],
) -> None:
    safetensors = pytest.importorskip("safetensors")
    path = tmp_path_factory.mktemp("safe") / "net.safetensors"
    state = {key: torch.randn(shape).mul(50).to(kind) for key, (kind, shape) in entries.items()}
    save_safetensors(state, path, metadata)
    found = read_state_dict(path)
    assert found.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)
    with safetensors.safe_open(path, "pt") as file:
        assert (file.metadata() or {}) == metadata
    first = path.read_bytes()
    save_safetensors(dict(reversed(state.items())), path, dict(reversed(metadata.items())))
    assert path.read_bytes() == first


def test_safetensors_of_a_network(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    net, other = toy(), toy()
    save_safetensors(net, tmp_path / "net.safetensors", {"model": "toy"})
    load(other, tmp_path / "net.safetensors")
    assert_same(other, copied(net))


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
