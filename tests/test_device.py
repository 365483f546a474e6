"""What is ours of running on a GPU, without one: settings, devices, memory that is too small."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from tests import toys
from tests.activation_toys import TOY_CAM, TOY_MCIS
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import UsageError
from wsss_assets.models import onnx
from wsss_assets.regenerate import device as devices
from wsss_assets.regenerate.activation import ActivationOptions, check_options
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.regenerate.device import Runner, choose_device, does_not_fit
from wsss_assets.regenerate.loop import Loop
from wsss_assets.regenerate.torch_settings import torch_settings
from wsss_assets.regenerate.work import SaliencyWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.work import Work

GPU = torch.device("cuda", 1)
CPU = torch.device("cpu")

# Settings

NEWER = hasattr(torch.backends, "fp32_precision")
BACKENDS: Any = torch.backends


def nothing() -> None:
    """What a program has that leaves torch's settings alone."""


def new_all() -> None:
    BACKENDS.fp32_precision = "tf32"


def new_conv() -> None:
    BACKENDS.cudnn.conv.fp32_precision = "tf32"
    BACKENDS.cudnn.fp32_precision = "ieee"


def new_matmul() -> None:
    BACKENDS.cuda.matmul.fp32_precision = "tf32"


def older() -> None:
    torch.set_float32_matmul_precision("medium")
    BACKENDS.cudnn.allow_tf32 = True
    BACKENDS.cudnn.benchmark = True


def products() -> list[Any]:
    """How products of float32 are computed, of matrices and of convolutions on GPUs, and here."""
    owners = BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv
    return [one.fp32_precision for one in owners]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Which device became the current one, without a GPU."""
    seen: list[torch.device] = []

    @contextlib.contextmanager
    def current(device: torch.device) -> Iterator[None]:
        seen.append(device)
        yield

    monkeypatch.setattr(torch.cuda, "device", current)
    return seen


@pytest.fixture
def _torchs_own() -> Iterator[None]:
    """Settings as they were; the older ones are read where they can be."""
    yield
    BACKENDS.cudnn.benchmark = False
    if NEWER:
        BACKENDS.fp32_precision = "none"
        BACKENDS.cudnn.fp32_precision = "none"
        BACKENDS.mkldnn.fp32_precision = "none"
        for one in (BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul):
            one.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = True


@pytest.mark.skipif(not NEWER, reason="these settings are torch 2.9's")
@pytest.mark.usefixtures("_torchs_own")
@pytest.mark.parametrize("had", [nothing, new_all, new_conv, new_matmul, older])
def test_products_are_as_exact_as_asked_for_whatever_the_program_had(
    had: Callable[[], None], chosen: list[torch.device]
) -> None:
    had()
    before = [*products(), BACKENDS.cudnn.benchmark, torch.get_num_threads()]
    for tf32 in (False, True):
        with torch_settings(GPU, tf32=tf32):
            assert products()[:2] == (["tf32"] * 2 if tf32 else ["ieee"] * 2)
            # What compiling reads; it is refused where the two kinds of settings differ.
            assert BACKENDS.cuda.matmul.allow_tf32 is tf32
            assert BACKENDS.cudnn.allow_tf32 is tf32
            assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
            assert BACKENDS.cudnn.deterministic
            assert not BACKENDS.cudnn.benchmark
        assert [*products(), BACKENDS.cudnn.benchmark, torch.get_num_threads()] == before
    assert chosen == [GPU, GPU]
    with torch_settings(CPU, tf32=False):
        assert products()[2:] == ["ieee"] * 2
        assert torch.get_num_threads() == 1
    assert [*products(), BACKENDS.cudnn.benchmark, torch.get_num_threads()] == before


@pytest.mark.parametrize(
    ("work", "dynamic"),
    [
        (SaliencyWork(toys.toy()), False),
        (SaliencyWork(toys.TOYS["toy_native"]()), True),
        (ActivationWork(method=TOY_CAM, num_classes=20, labels=ImageLabels({}, "")), True),
    ],
)
def test_a_network_is_compiled_for_one_size_or_for_any(
    work: Work, dynamic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def compiled(net: Any, **options: Any) -> Any:  # noqa: ANN401
        asked.append(options)
        return net

    monkeypatch.setattr(torch, "compile", compiled)
    with Runner.open(work, (), torch.device("meta"), "fp32", compiled=True, lanes=1):
        assert asked == [{"dynamic": dynamic}]


def test_mcis_is_not_compiled() -> None:
    options = ActivationOptions(labels=ImageLabels({}, ""))
    with pytest.raises(UsageError, match="in parts"):
        check_options(TOY_MCIS, options, compiled=True)


# Devices


def test_processes_of_a_machine_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto", 1) == choose_device("cuda", 1) == torch.device("cuda", 1)
    assert choose_device("cuda:0", 1) == torch.device("cuda", 0)
    assert choose_device("cpu", 1) == CPU
    for name, rank in (("auto", 2), ("cuda", 2), ("cuda:2", 0)):
        with pytest.raises(UsageError, match="no GPU 2"):
            choose_device(name, rank)


def test_who_waits_for_a_gpu_sleeps_and_reads_when_all_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[Any] = []

    class Event:
        def __init__(self, **options: bool) -> None:
            said.append(options)

        def record(self, stream: object) -> None:
            said.append(f"recorded in {stream}")

        def synchronize(self) -> None:
            said.append("waited")
            copies[0][...] = 7

    copies = [torch.zeros(2, 3)]
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr(devices, "_copied", lambda _value: copies[0])
    outputs = devices._FromGpu((torch.ones(2, 3),), GPU)
    assert said == [{"blocking": True}, f"recorded in the stream of {GPU}"]
    (found,) = outputs.of(1)
    assert said[-1] == "waited"
    np.testing.assert_array_equal(found, np.full(3, 7))


def test_onnxruntime_is_asked_for_float32_and_the_same_convolutions_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime: Any = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    asked: list[Any] = []

    def session(_data: bytes, options: Any, providers: list[Any]) -> None:  # noqa: ANN401
        asked.extend((options.use_deterministic_compute, providers[0][1]))

    monkeypatch.setattr(runtime, "InferenceSession", session)
    (tmp_path / "a.onnx").write_bytes(b"")
    onnx._opened(tmp_path / "a.onnx", GPU)
    assert asked == [
        True,
        {"device_id": 1, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"},
    ]


# Memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        Exception("Failed to allocate memory for requested buffer of size 1073741824"),
    ],
)
def test_libraries_say_in_words_that_there_is_no_memory(error: Exception) -> None:
    assert does_not_fit(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"),
        ValueError("shapes differ"),
    ],
)
def test_other_errors_are_errors(error: Exception) -> None:
    assert not does_not_fit(error)
    loop = a_loop(lambda _inputs: _raise(error))
    with pytest.raises(type(error)):
        loop._attempt((torch.zeros(1),))


def _raise(error: Exception) -> Any:  # noqa: ANN401
    raise error


def a_loop(runner: Any) -> Loop:  # noqa: ANN401
    nobody: Any = None
    return Loop(runner, nobody, nobody, nobody, 1, 1, 1, nobody)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_batch_held_is_free_before_half_of_it_is_tried(precision: Precision) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def read_out(_net: object, x: torch.Tensor) -> torch.Tensor:
        mine = x + 1
        held.extend((weakref.ref(mine), weakref.ref(x)))
        return torch.cat(list(_parts(mine)))

    def _parts(x: torch.Tensor) -> Iterator[torch.Tensor]:
        for one in x:
            yield one
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")

    work = SaliencyWork(toys.toy(read_out=read_out))
    with Runner.open(work, (), CPU, precision, compiled=False, lanes=1) as runner:
        gc.collect()
        gc.disable()
        try:
            assert a_loop(runner)._attempt((torch.zeros(2, 3, 8, 8, dtype=torch.uint8),)) is None
            assert [one() for one in held] == [None, None]
        finally:
            gc.enable()
