"""Small networks for tests of the runner; `tests.toy_command` is `wsss-assets` with them.

What is prepared needs no torch, so nothing here imports it before a network is built.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from wsss_assets.models.architecture import Architecture, Normalisation
from wsss_assets.storage.files import write_atomically

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from wsss_assets.storage.images import UInt8

SIDE = 24
NORMALISATION = Normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def tell(what: str) -> None:
    """Leave the number of this process where a test finds it."""
    if "TOY_PIDS" in os.environ:
        path = Path(os.environ["TOY_PIDS"], f"{what}.{os.environ.get('RANK', 0)}")
        if not path.exists():
            write_atomically(path, str(os.getpid()))


def fixed(photo: UInt8) -> UInt8:
    """Every photo at one size."""
    tell("preparing")
    if os.environ.get("TOY_FAILS") == str(photo.shape[0]):
        raise ZeroDivisionError("as asked for")
    if os.environ.get("TOY_ENDS") == str(photo.shape[0]):
        os._exit(9)
    resized = Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


class Unloadable:
    """A preparation that another process can be sent and cannot load."""

    def __call__(self, photo: UInt8) -> UInt8:
        return fixed(photo)

    def __reduce__(self) -> tuple[Any, ...]:
        return _end, ()


def _end() -> None:
    if os.environ["TOY_ENDS"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ImportError("gone")


def fixed_size(height: int, width: int) -> tuple[int, int]:
    del height, width
    return SIDE, SIDE


def native(photo: UInt8) -> NDArray[np.float32]:
    """Every photo at its own size."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1), np.float32)


def native_size(height: int, width: int) -> tuple[int, int]:
    return height, width


def heavy(photo: UInt8) -> UInt8:
    """Fails where torch is loaded beside it."""
    assert "torch" not in sys.modules
    return fixed(photo)


def build() -> nn.Module:
    """A few convolutions, the same weights each time."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    for parameter in net.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return net


def read_out(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    import torch

    tell("running")
    time.sleep(float(os.environ.get("TOY_RUN_SECONDS", "0")))
    if len(x) > int(os.environ.get("TOY_FITS", "1000")):
        raise torch.OutOfMemoryError("as asked for")
    values: torch.Tensor = torch.sigmoid(net(x))[:, 0]
    return values


def finish(values: NDArray[np.float32], size: tuple[int, int], *, own_frame: bool = False) -> UInt8:
    levels: UInt8 = np.rint(255 * values).astype(np.uint8)
    if own_frame:
        return levels
    height, width = size
    return np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR))


def toy(name: str = "toy", **changes: Any) -> Architecture:  # noqa: ANN401
    values: dict[str, Any] = {
        "name": name,
        "title": "a toy",
        "citation": "u2net",
        "reference": "This file.",
        "build": build,
        "prepare": fixed,
        "prepared_size": fixed_size,
        "normalisation": NORMALISATION,
        "read_out": read_out,
        "finish": finish,
        "own_frame": f"{SIDE} × {SIDE}",
        "steps": {"resize": "bilinear"},
        "batch": 4,
    }
    return Architecture(**{**values, **changes})


TOYS = {
    "toy": partial(toy),
    "toy_native": partial(toy, "toy_native", prepare=native, prepared_size=native_size),
    "toy_unloadable": partial(toy, "toy_unloadable", prepare=Unloadable()),
    "toy_heavy": partial(toy, "toy_heavy", prepare=heavy),
}


def write_weights(path: Path) -> Path:
    """The toys' own weights as a checkpoint."""
    import torch

    torch.save(build().state_dict(), path)
    return path
