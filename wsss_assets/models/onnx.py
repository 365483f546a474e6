"""Any saliency network that is at hand as an ONNX file, run by onnxruntime.

```python
architecture = onnx_architecture(Path("isnet.onnx"), OnnxSettings(std=(1, 1, 1)))
net = architecture.create()
```

Photos are stretched to the network's size with one of Pillow's filters; maps become bytes by
`rint(255 p)` and are stretched back with the same filter. The file must hold the whole network:
weights in files beside it are refused, for the digest of the file would not cover them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from wsss_assets.errors import MissingDependencyError, UsageError, WeightsError
from wsss_assets.models.architecture import Architecture, Normalisation
from wsss_assets.models.finishing import finite, rounded
from wsss_assets.models.onnx_settings import LARGEST_SIDE, OnnxSettings, can_be_shown, prepared
from wsss_assets.models.preparing import one_size
from wsss_assets.models.resizing import pillow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from wsss_assets.models.resizing import PillowRule
    from wsss_assets.storage.images import UInt8

__all__ = ["OnnxNetwork", "onnx_architecture"]

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_SLACK = 1e-3
"""How far a probability may lie outside 0..1 by arithmetic alone."""


def onnx_architecture(path: Path, settings: OnnxSettings | None = None) -> Architecture:
    """The network of an ONNX file, with all that belongs to it.

    Args:
        path: the file; one input (N, 3, h, w) of floats, N being any number or 1.
        settings: what the file does not say; None: as for most networks.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        WeightsError: the file is no ONNX network, or not one of this kind.
        UsageError: the file does not say its size and the settings neither, or they contradict
            each other; or there is no such output.
    """
    settings = settings or OnnxSettings()
    net = OnnxNetwork(path, settings.output)
    size = _size(net, settings, path)
    prepare = partial(prepared, size=size, rule=settings.resize, scale=settings.scale)
    normalisation = Normalisation(
        settings.mean,
        settings.std,
        1.0 if settings.scale == "max" else settings.scale,
        settings.channels,
    )
    sigmoid = settings.activation == "sigmoid" or (
        settings.activation == "auto" and _gives_logits(net, prepare, normalisation)
    )
    height, width = size
    own_scale = settings.scale == "max"
    return Architecture(
        name="onnx",
        title=f"the ONNX network {path.name}",
        citation=None,
        reference="Run by onnxruntime as the file has it.",
        unknown="Whether its authors prepare photos like this, the file does not say.",
        build=partial(OnnxNetwork, path, settings.output),
        prepare=prepare,
        prepared_size=partial(one_size, size=size),
        normalisation=normalisation,
        read_out=partial(_read_out, sigmoid=sigmoid),
        finish=partial(_finish, rule=settings.resize, min_max=settings.min_max),
        steps={
            "resize": f"Pillow {settings.resize} to {height} x {width}",
            "divided_by": "the largest byte of the photo" if own_scale else f"{settings.scale:g}",
            "output": net.output,
            "read_out": "sigmoid" if sigmoid else "as it is",
            "min_max": "each map stretched to 0..1" if settings.min_max else "no",
            "to_8_bit": "rint(255 p)",
            "resize_back": f"bytes by Pillow {settings.resize}",
            "runtime": net.runtime,
        },
        batch=1 if net.one_by_one else 8,
    )


class OnnxNetwork(nn.Module):
    """An ONNX network as a module: it runs on whatever device the module is on.

    A network whose file fixes the batch at 1 is shown its images one by one.

    Attributes:
        output: name of the output that is read.
        one_by_one: whether the file fixes the batch at 1.
        fixed_size: (h, w) of its input; None where the file leaves it open.
        runtime: what runs it, with its version.
    """

    _place: torch.Tensor

    def __init__(self, path: Path, output: str | int | None = None) -> None:
        super().__init__()
        self.register_buffer("_place", torch.empty(0), persistent=False)
        self._path = path
        self._sessions: dict[torch.device, Any] = {}
        session = self._session()
        self._input, self.one_by_one, self.fixed_size = _only_input(session, path)
        self._dtype = _TYPES[self._input.type]
        self.output = _chosen_output(session, output, path)
        self.runtime = f"onnxruntime {_onnxruntime().__version__}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the output holds: float32 (N, 3, h, w) → float32 (N, 1, h', w')."""
        values = np.ascontiguousarray(x.float().cpu().numpy(), self._dtype)
        parts = np.split(values, len(values)) if self.one_by_one else [values]
        session = self._session()
        found = [session.run([self.output], {self._input.name: part})[0] for part in parts]
        maps = np.concatenate(found).astype(np.float32)
        if maps.ndim == 3:
            maps = maps[:, None]
        if maps.ndim != 4 or maps.shape[:2] != (len(values), 1):
            raise WeightsError(
                f"output {self.output} of {self._path} is no saliency map",
                expected="(N, 1, h, w) or (N, h, w)",
                found=str(tuple(np.shape(found[0]))),
                hint=f"choose another output: {', '.join(_outputs(session))}",
            )
        return torch.from_numpy(maps).to(x.device)

    def _session(self) -> Any:  # noqa: ANN401 (a class of an optional package)
        device = self._place.device
        if device not in self._sessions:
            self._sessions[device] = _opened(self._path, device)
        return self._sessions[device]


def _opened(path: Path, device: torch.device) -> Any:  # noqa: ANN401
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise UsageError(
                "the onnxruntime installed here cannot use a GPU",
                hint="pip install onnxruntime-gpu in its place, or pass --device cpu",
            )
        # By default convolutions are tried out, and the one that happens to be fastest is taken.
        options.use_deterministic_compute = True
        cuda = {
            "device_id": device.index or 0,
            "use_tf32": 0,
            "cudnn_conv_algo_search": "HEURISTIC",
        }
        providers.insert(0, ("CUDAExecutionProvider", cuda))
    try:  # from bytes: nothing beside the file is read
        return runtime.InferenceSession(path.read_bytes(), options, providers=providers)
    except OSError:
        raise
    except Exception as error:  # onnxruntime's own have no base in common
        raise WeightsError(
            f"{path} is no network that onnxruntime can run",
            expected="an ONNX file that holds its weights itself",
            found=" ".join(str(error).split())[:300],
        ) from error


def _onnxruntime() -> Any:  # noqa: ANN401
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError("onnxruntime", "onnx", "running ONNX files") from error
    return onnxruntime


def _only_input(session: Any, path: Path) -> tuple[Any, bool, tuple[int, int] | None]:  # noqa: ANN401
    """The input, whether it takes one image at a time, and its size if that is fixed."""
    inputs = session.get_inputs()
    shapes = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
    if len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _TYPES:
        batch, channels, height, width = inputs[0].shape
        fits = channels in {3, None} or isinstance(channels, str)
        if fits and (batch == 1 or not isinstance(batch, int)):
            fixed = isinstance(height, int) and isinstance(width, int)
            return inputs[0], batch == 1, (height, width) if fixed else None
    raise WeightsError(
        f"{path} is not shown photos alone",
        expected="one input of floats (N, 3, h, w), N being any number or 1",
        found=shapes,
    )


def _outputs(session: Any) -> list[str]:  # noqa: ANN401
    return [one.name for one in session.get_outputs()]


def _chosen_output(session: Any, output: str | int | None, path: Path) -> str:  # noqa: ANN401
    """The name of an output, given by name or number."""
    names = _outputs(session)
    if output in names:
        return str(output)
    number = "0" if output is None else str(output)
    if number.isdecimal() and int(number) < len(names):
        return names[int(number)]
    raise UsageError(f"{path} has no output {output!r}", expected=f"one of {', '.join(names)}")


def _size(net: OnnxNetwork, settings: OnnxSettings, path: Path) -> tuple[int, int]:
    if net.fixed_size is None:
        if settings.size is None:
            raise UsageError(
                f"{path} takes photos of any size",
                hint="say which its authors use with --onnx-size, e.g. --onnx-size 1024 1024",
            )
        return settings.size
    if settings.size not in {None, net.fixed_size}:
        raise UsageError(
            f"{path} takes photos of one size only",
            expected=str(net.fixed_size),
            found=str(settings.size),
        )
    if not can_be_shown(net.fixed_size):
        raise WeightsError(
            f"{path} takes photos of a size that cannot be",
            expected=f"sides of 1 to {LARGEST_SIDE} pixels",
            found=" x ".join(map(str, net.fixed_size)),
        )
    return net.fixed_size


def _gives_logits(
    net: OnnxNetwork, prepare: Callable[[UInt8], NDArray[Any]], normalisation: Normalisation
) -> bool:
    """Whether random pixels give values that are no probabilities."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    return not _are_probabilities(net(normalisation(torch.from_numpy(prepare(noise))[None])))


def _are_probabilities(values: torch.Tensor) -> bool:
    """What is no finite number is passed over: it is the fault of a photo, not of the kind."""
    there = values[values.isfinite()]
    return not len(there) or bool(there.min() >= -_SLACK and there.max() <= 1 + _SLACK)


def _read_out(net: nn.Module, x: torch.Tensor, *, sigmoid: bool) -> torch.Tensor:
    values: torch.Tensor = net(x)[:, 0]
    if sigmoid:
        return torch.sigmoid(values)
    if not _are_probabilities(values):
        raise UsageError(
            "the output of the ONNX network is no probability",
            expected="values in 0..1",
            found=f"{float(values.min()):g} to {float(values.max()):g}",
            hint="choose --onnx-activation sigmoid",
        )
    return torch.where(values.isfinite(), values.clamp(0, 1), torch.nan)


def _finish(
    values: NDArray[np.float32],
    size: tuple[int, int],
    *,
    rule: PillowRule,
    min_max: bool,
    **_: bool,
) -> UInt8:
    """See `Finish`; a map of one value becomes black where it is to be stretched to 0..1."""
    if min_max:
        low, high = finite(values).min(), values.max()
        values = (values - low) / (high - low if high > low else 1)
    return pillow(rounded(values), size, rule)
