"""Where a network runs, and how exactly: device, precision, layout in memory.

All of torch's settings that belong to the whole process are put back at the end.
"""

from __future__ import annotations

import contextlib
import platform
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import torch

from wsss_assets.errors import DataError, UsageError
from wsss_assets.regenerate.torch_settings import torch_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from wsss_assets.regenerate.work import Arrays, Values, Work

__all__ = [
    "PRECISIONS",
    "Outputs",
    "Precision",
    "Runner",
    "choose_device",
    "device_name",
    "does_not_fit",
    "too_large",
]

Precision: TypeAlias = Literal["fp32", "tf32", "bf16", "fp16"]

PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16")

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}

_NO_MEMORY = (
    "CUDA error: out of memory",
    "CUDA failure 2: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "Failed to allocate memory for requested buffer",
)
"""How libraries say it; the last is onnxruntime's."""


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of a name.

    Args:
        name: `auto` (a GPU where there is one), `cpu`, `cuda`, or `cuda:N`.
        local_rank: which process of this machine asks; `auto` and `cuda` give each its own GPU.

    Raises:
        UsageError: there is no such device.
    """
    kind, colon, number = name.partition(":")
    if kind not in {"auto", "cpu", "cuda"} or (
        colon and not (kind == "cuda" and number.isdecimal())
    ):
        raise UsageError(f"{name!a} is no device", expected="auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (kind == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    index = int(number) if colon else local_rank
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= there:
        raise UsageError(
            f"there is no GPU {index}",
            found=f"{there} that PyTorch {torch.__version__} can use",
            hint="one process per GPU: lower --nproc-per-node"
            if there
            else "--device cpu works everywhere; for a GPU, install a CUDA build of PyTorch",
        )
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """What people call it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.backends.cpu.get_cpu_capability()}"


class Outputs(Protocol):
    """What a batch gives, once it is there."""

    def of(self, position: int) -> Arrays:
        """Arrays of one image; waits until they are here."""


class _FromGpu:
    """What a batch gave, on its way from a GPU."""

    def __init__(self, values: Values, device: torch.device) -> None:
        self._copies = [
            _copied(value) if isinstance(value, torch.Tensor) else [_copied(one) for one in value]
            for value in values
        ]
        # Threads that wait for it sleep; otherwise each would keep a core from those that work.
        self._event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._event.record(torch.cuda.current_stream(device))

    def of(self, position: int) -> Arrays:
        self._event.synchronize()
        return tuple(copy[position].numpy() for copy in self._copies)


def _copied(value: torch.Tensor) -> torch.Tensor:
    """A copy in pinned memory, which will be whole when the device has come to it."""
    copy = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    return copy.copy_(value, non_blocking=True)


@dataclass(frozen=True)
class _Here:
    """What a batch gives that is run by a thread, or was."""

    values: Future[Values]

    def of(self, position: int) -> Arrays:
        return tuple(value[position].numpy() for value in self.values.result())


@dataclass(frozen=True)
class Runner:
    """Runs batches of a network on a device; see `open`.

    Attributes:
        work: what is made.
        net: the network, on the device.
        device: where.
        precision: how exactly.
        channels_last: whether the channels of a pixel lie together.
        lanes: threads that run a batch each, on the CPU; None: batches are run one by one.
    """

    work: Work
    net: nn.Module
    device: torch.device
    precision: Precision
    channels_last: bool
    lanes: ThreadPoolExecutor | None

    @staticmethod
    def layout(device_type: str, precision: Precision) -> bool:
        """Whether channels come last, which is faster except for full precision on GPUs."""
        return device_type == "cpu" or precision in _HALF

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        work: Work,
        files: Sequence[Path],
        device: torch.device,
        precision: Precision,
        *,
        compiled: bool,
        lanes: int,
    ) -> Iterator[Runner]:
        """A runner; torch's own settings are as they were afterwards.

        On the CPU a batch is run by one thread and several batches at once: that is faster than
        many threads on one batch, and results do not depend on the number of cores.

        Args:
            work: what is made.
            files: the weights.
            device: where to run.
            precision: `fp32` (no TF32 anywhere), `tf32` (on GPUs), `bf16` or `fp16` (autocast).
            compiled: whether torch compiles the network first.
            lanes: how many batches are run at once on the CPU.

        Raises:
            UsageError: the device knows no such precision, or nothing is compiled for it.
            WeightsError: the weights are not those of the network.
        """
        if precision == "tf32" and device.type != "cuda":
            raise UsageError("TF32 is a precision of NVIDIA's GPUs", hint="use --precision fp32")
        if compiled and device.type == "cpu":
            raise UsageError(
                "on the CPU compiling takes longer than it saves", hint="leave out --compile"
            )
        channels_last = cls.layout(device.type, precision)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch_settings(device, tf32=precision == "tf32"))
            layout = torch.channels_last if channels_last else torch.contiguous_format
            net: Any = work.create(files)
            net = net.to(device=device, memory_format=layout)
            if compiled:
                # Told from the start whether sizes differ, a kernel does not depend on which came
                # first.
                net = torch.compile(net, dynamic=work.bucket(None) is None)
            pool = None
            if device.type == "cpu" and lanes > 1:
                pool = ThreadPoolExecutor(lanes, "running")
                stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            yield cls(work, net, device, precision, channels_last, pool)

    def __call__(self, inputs: tuple[torch.Tensor, ...]) -> Outputs:
        """Begin to run a batch.

        Args:
            inputs: on the CPU, in pinned memory where the device is a GPU.

        Returns:
            What it gives, in float32. An error of a batch that does not fit into the memory of a
            GPU is raised here, see `does_not_fit`.
        """
        if self.device.type == "cuda":
            return _FromGpu(self._run(inputs), self.device)
        if self.lanes is not None:
            return _Here(self.lanes.submit(self._run, inputs))
        done: Future[Values] = Future()
        done.set_result(self._run(inputs))
        return _Here(done)

    def buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Memory for a batch that can be copied to the device while it is busy."""
        return torch.empty(shape, dtype=dtype, pin_memory=self.device.type == "cuda")

    @torch.inference_mode()
    def _run(self, inputs: tuple[torch.Tensor, ...]) -> Values:
        there = tuple(self._moved(one) for one in inputs)
        dtype = _HALF.get(self.precision)
        if dtype is None:
            return self.work.run(self.net, there)
        with torch.autocast(self.device.type, dtype):
            return self.work.run(self.net, there)

    def _moved(self, batch: torch.Tensor) -> torch.Tensor:
        there = batch.to(self.device, non_blocking=True)
        if self.channels_last and there.ndim == 4:
            return there.contiguous(memory_format=torch.channels_last)
        return there


def does_not_fit(error: Exception) -> bool:
    """Whether an error says that the memory of a GPU is too small for a batch.

    Torch has a class for that, but the libraries beside it (cuBLAS, cuDNN, onnxruntime) that find
    no memory for themselves say so in words alone.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in _NO_MEMORY)


def too_large(path: object) -> DataError:
    """The error of a photo for which the memory of the GPU is too small by itself."""
    return DataError(
        f"{path} needs more memory than the GPU has free",
        hint="make the photo smaller, free the GPU, or use --device cpu in another folder",
    )
