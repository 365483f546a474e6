"""Settings of torch that hold for the whole process, made for a run and put back afterwards."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["torch_settings"]

_CUDNN = {"enabled": True, "benchmark": False, "deterministic": True}


@contextlib.contextmanager
def torch_settings(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """Settings for a run that gives the same numbers each time, whatever the program had before.

    On a GPU it becomes the current one; on the CPU a batch is run by one thread.

    Args:
        device: where networks run.
        tf32: products of float32 may be computed as TF32; else they are float32's, of matrices and
            of convolutions (for which torch takes TF32 unless it is told not to).
    """
    threads = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        stack.enter_context(_exactness(tf32=tf32))
        for name, value in _CUDNN.items():
            stack.enter_context(_set(torch.backends.cudnn, name, value))
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
        else:
            torch.set_num_threads(1)
        yield


@contextlib.contextmanager
def _exactness(*, tf32: bool) -> Iterator[None]:
    """How products of float32 are computed.

    Since torch 2.9 every backend has a setting of its own, which counts. The older ones are made to
    say the same, for compiling reads them and refuses settings that contradict each other; for the
    same reason what the program had cannot always be read, and then it had torch's defaults.
    """
    with _older_settings():
        matmul = _read(torch.get_float32_matmul_precision, "highest")
        cudnn = _read(lambda: torch.backends.cudnn.allow_tf32, True)
    owners = _owners()
    before = [owner.fp32_precision for owner in owners]
    try:
        with _older_settings():
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
        for owner in owners:
            owner.fp32_precision = "tf32" if tf32 else "ieee"
        yield
    finally:
        with _older_settings():
            torch.set_float32_matmul_precision(matmul)
            torch.backends.cudnn.allow_tf32 = cudnn
        for owner, value in zip(owners, before, strict=True):
            owner.fp32_precision = value


def _owners() -> list[Any]:
    """What has a `fp32_precision` that products obey, on GPUs and here; none before torch 2.9."""
    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):
        return []
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    return [cudnn, cudnn.conv, backends.cuda.matmul, mkldnn, mkldnn.conv, mkldnn.matmul]


@contextlib.contextmanager
def _older_settings() -> Iterator[None]:
    """Some versions of torch warn of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _read(setting: Any, default: Any) -> Any:  # noqa: ANN401 (of torch)
    try:
        return setting()
    except RuntimeError:  # it contradicts the newer settings
        return default


@contextlib.contextmanager
def _set(owner: Any, name: str, value: object) -> Iterator[None]:  # noqa: ANN401 (a module of torch)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
