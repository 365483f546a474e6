"""A GPU that is none: tensors that say they are on another device, and are computed by the CPU.

Where tensors of the two meet, it is an error as it would be on a GPU; NumPy is refused them; and
what is computed is what the CPU alone computes, to the bit. So all of a network's and a runner's
steps on a device can be tested where there is none.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["DEVICE", "PretendedGpu", "held_there", "moved"]

_NAME = "pretended"


class _Module:
    """What torch asks of a kind of device; half precision is that of GPUs."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


backend_registration._setup_privateuseone_for_python_backend(_NAME, _Module())

DEVICE = torch.device(_NAME, 0)

_ATEN = torch.ops.aten
_BETWEEN_DEVICES = {_ATEN._to_copy.default, _ATEN.copy_.default}


class _There(torch.Tensor):
    """A tensor on the pretended GPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, real: torch.Tensor) -> _There:  # noqa: ANN001
        made: _There = torch.Tensor._make_wrapper_subclass(
            cls,
            real.size(),
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=DEVICE,
            requires_grad=False,
        )
        made.held = real
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any) -> Any:  # noqa: ANN401
        raise AssertionError(f"{func} outside of a PretendedGpu")

    def tolist(self) -> Any:  # noqa: ANN401
        return self.held.tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"pretended {tuple(self.shape)} {self.dtype}"


class PretendedGpu(TorchDispatchMode):
    """While this lasts there is such a GPU, for tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __enter__(self) -> PretendedGpu:
        # What torch makes of a list, for an index say, passes through here on its way to a device.
        self._before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        torch._C._set_only_lift_cpu_tensors(self._before)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        kwargs = dict(kwargs or {})
        tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
        there = {id(one.held): one for one in tensors if isinstance(one, _There)}
        here = [one for one in tensors if not isinstance(one, _There)]
        goes = bool(there)
        device = kwargs.get("device")
        if device is not None:
            goes = torch.device(device).type == _NAME
            kwargs["device"] = torch.device("cpu")
        if func in _BETWEEN_DEVICES:
            kwargs.pop("pin_memory", None)
        elif there and any(one.ndim for one in here):
            raise RuntimeError(f"{func}: tensors on the GPU and on the CPU")
        args, kwargs = tree_map_only(_There, lambda one: one.held, (args, kwargs))
        found = func(*args, **kwargs)
        if func is _ATEN.copy_.default:
            return tensors[0]
        if not goes:
            return found
        return tree_map_only(
            torch.Tensor, lambda one: there[id(one)] if id(one) in there else _wrapped(one), found
        )


def _wrapped(real: torch.Tensor) -> _There:
    """Views of what was made outside of inference mode are no tensors of inference."""
    with torch.inference_mode(real.is_inference()):
        return _There(real)


@contextlib.contextmanager
def moved(net: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """A network whose parameters and buffers are on the pretended GPU meanwhile."""
    before: list[tuple[Any, dict[str, Any]]] = [
        (entries, dict(entries))
        for module in net.modules()
        for entries in (module._parameters, module._buffers)
    ]
    for entries, held in before:
        there = {name: _There(one.detach()) for name, one in held.items() if one is not None}
        for name, one in there.items():
            keep = isinstance(held[name], torch.nn.Parameter)
            entries[name] = torch.nn.Parameter(one, requires_grad=False) if keep else one
    try:
        yield net
    finally:
        for entries, held in before:
            entries.update(held)


def held_there(tensor: torch.Tensor) -> NDArray[Any]:
    """What a tensor on the pretended GPU holds; it must be there."""
    assert isinstance(tensor, _There)
    return tensor.held.numpy()
