"""Activation dictionaries (`.npy` holding a dict) as IRN, AMN, SEAM and EDAM code saves them.

Such files are pickles, and a pickle can run any program. Here an unpickler is used that knows
nothing but arrays, numbers, strings, containers and CPU tensors, and refuses the rest; neither
code from the file nor torch is ever run.

Two shapes are read:

- SEAM, EDAM: `{class: (H, W) floats}`, 0-based classes.
- IRN, AMN: `{"keys": classes, "high_res": (n, H, W) floats, "cam": …}`; IRN's keys are 0-based
  classes, AMN's maps begin with the background and its keys are label values. With the classes
  of the image known, the two can be told apart.

Scores are floats in 0..1 and become bytes by `rint(255 x)`.
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wsss_assets.errors import ImageFormatError, MissingFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wsss_assets.storage.images import UInt8

__all__ = ["read_activation_dict"]

TOLERANCE = 1e-3
"""How far a score may lie outside 0..1: float noise of a normalisation."""


def read_activation_dict(path: Path, classes: Sequence[int]) -> dict[int, UInt8]:
    """The activation maps of one image as bytes.

    Args:
        path: an `.npy` file that holds a dict.
        classes: 0-based classes present in the image; each must be there.

    Returns:
        uint8 (H, W) by class, 255 standing for 1.0.

    Raises:
        MissingFileError: no such file, or a class has no map in it.
        ImageFormatError: not such a dictionary, something in it that is no data, scores outside
            0..1, or keys that fit neither convention.
    """
    content = _load(path)
    maps = _maps_by_class(path, content, classes)
    missing = [index for index in classes if index not in maps]
    if missing:
        raise MissingFileError(
            f"{path} has no map of class {', '.join(map(str, missing))}",
            found=f"classes {', '.join(map(str, sorted(maps))) or 'none'}",
        )
    return {index: _bytes(path, maps[index]) for index in classes}


def _maps_by_class(
    path: Path, content: dict[Any, Any], classes: Sequence[int]
) -> dict[int, np.ndarray[Any, Any]]:
    if "keys" not in content:
        if not all(isinstance(key, int | np.integer) for key in content):
            raise _not_activations(path, f"keys {sorted(map(str, content))}")
        return {int(key): np.asarray(value) for key, value in content.items()}
    keys = [int(key) for key in np.asarray(content["keys"]).ravel()]
    maps = content.get("high_res", content.get("cam"))
    if maps is None:
        return {}  # an image without classes: IRN code saves its keys alone
    present = set(classes)
    maps = np.asarray(maps)
    if len(keys) == len(maps) and set(keys) == present:
        return dict(zip(keys, maps, strict=True))
    if len(keys) == len(maps) and keys[:1] == [0] and {key - 1 for key in keys[1:]} == present:
        return {key - 1: values for key, values in zip(keys[1:], maps[1:], strict=True)}
    if len(keys) + 1 == len(maps) and set(keys) == present:
        return dict(zip(keys, maps[1:], strict=True))
    raise ImageFormatError(
        f"{path} does not fit the classes of the image",
        expected=f"maps of the classes {sorted(present)}",
        found=f"keys {keys} and {len(maps)} maps",
        hint="is this the label list that the maps were made with?",
    )


def _bytes(path: Path, scores: np.ndarray[Any, Any]) -> UInt8:
    if scores.ndim != 2 or scores.dtype.kind != "f":
        raise _not_activations(path, f"a map of {scores.dtype} and shape {scores.shape}")
    if not (np.isfinite(scores).all() and scores.size):
        raise _not_activations(path, "a map with NaN or infinity" if scores.size else "no pixel")
    low, high = float(scores.min()), float(scores.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ImageFormatError(
            f"{path} holds scores outside 0..1",
            expected="normalised activations",
            found=f"{low:.4g}..{high:.4g}",
            hint="divide each map by its maximum first; methods differ in how",
        )
    result: UInt8 = np.rint(255 * np.clip(scores, 0, 1)).astype(np.uint8)
    return result


def _load(path: Path) -> dict[Any, Any]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = header(file)
            if not dtype.hasobject or shape != ():
                raise _not_activations(path, f"an array of {dtype} and shape {shape}")
            content = _DataUnpickler(file).load().item()
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, KeyError, ValueError,
            IndexError, struct.error) as error:  # fmt: skip
        raise _not_activations(path, str(error) or type(error).__name__) from error
    if not isinstance(content, dict):
        raise _not_activations(path, f"a {type(content).__name__}")
    return content


def _not_activations(path: Path, found: str) -> ImageFormatError:
    return ImageFormatError(
        f"{path} is no activation dictionary",
        expected="an .npy file holding {class: map} or {keys, high_res}",
        found=found,
    )


class _DataUnpickler(pickle.Unpickler):
    """Builds arrays, tensors (as arrays) and plain containers; refuses all other names."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (what the name means)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which is refused")
        return _ALLOWED[module, name]


class _StorageUnpickler(pickle.Unpickler):
    """Reads torch's legacy description of one storage, as data."""

    TYPES: ClassVar[dict[str, str]] = {
        "DoubleStorage": "<f8",
        "FloatStorage": "<f4",
        "HalfStorage": "<f2",
        "LongStorage": "<i8",
        "IntStorage": "<i4",
        "ShortStorage": "<i2",
        "CharStorage": "i1",
        "ByteStorage": "u1",
        "BoolStorage": "?",
    }

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        if module in {"torch", "torch.storage"} and name in self.TYPES:
            return np.dtype(self.TYPES[name])
        raise pickle.UnpicklingError(f"the name {module}.{name}, which is refused")

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        kind, dtype, _key, _device, count, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("a tensor of an unknown kind")
        return dtype, int(count)


def _storage(data: bytes) -> np.ndarray[Any, Any]:
    """The elements of a storage that torch saved in its legacy format."""
    file = io.BytesIO(data)
    for _ in range(3):  # magic number, protocol version, system information
        pickle.Unpickler.load(_StorageUnpickler(file))
    dtype, count = _StorageUnpickler(file).load()
    _StorageUnpickler(file).load()  # the storage's key
    (stored,) = struct.unpack("<q", file.read(8))
    if stored != count:
        raise pickle.UnpicklingError("a tensor that is cut short")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _tensor(
    storage: np.ndarray[Any, Any],
    offset: int,
    size: Sequence[int],
    stride: Sequence[int],
    *_: object,
) -> np.ndarray[Any, Any]:
    """A strided view of a storage, copied; the bounds are checked."""
    if any(step < 0 for step in stride) or offset < 0 or any(length < 0 for length in size):
        raise pickle.UnpicklingError("a tensor with a negative stride")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.size:
        raise pickle.UnpicklingError("a tensor larger than its storage")
    steps = tuple(step * storage.itemsize for step in stride)
    view = np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), steps, writeable=False)
    return np.array(view)


def _array(kind: Any, shape: Any, code: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
    """The empty array that a pickled one is built from."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("an array of an unknown kind")
    empty: np.ndarray[Any, Any] = np.ndarray(shape, code)
    return empty


def _scalar(dtype: Any, data: Any) -> Any:  # noqa: ANN401
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise pickle.UnpicklingError("a scalar that is no number")
    return np.frombuffer(data, dtype, 1)[0]


def _latin1(text: str, _encoding: str) -> bytes:
    """How protocol 2 stores bytes."""
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}
