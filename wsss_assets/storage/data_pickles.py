"""Reads pickles of arrays and tensors as data: no code from the file, nor numpy's or torch's own.

A pickle is a program, and numpy trusts it: a crafted type description makes it take bytes for
the address of an object, a crafted array makes it read past its memory. So every name a pickle
may use stands here for a small class of ours that takes numbers and bytes and checks them, all
other names are refused, and the program is looked over before it runs.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PickledArray", "load_data"]

Array: TypeAlias = "np.ndarray[Any, Any]"

MOST_STEPS = 50_000
"""Steps of a pickle: a map takes about 30; nesting deep enough to exhaust the stack, more."""

MOST_ELEMENTS = 1 << 27
"""Elements of a tensor, which may be larger than its storage where a stride is 0."""

_NUMBERS = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}
_OBJECTS = {"O", "O8", "O4"}


def load_data(file: BinaryIO) -> object:
    """What the pickle that begins here holds: plain Python values and `PickledArray`.

    Raises:
        UnpicklingError: it names something else, or is out of bounds.
        Exception: whatever a malformed pickle leads to, of any kind.
    """
    return _load(file, _Unpickler)


def _load(file: BinaryIO, kind: type[pickle.Unpickler]) -> Any:  # noqa: ANN401
    start = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(start)
    for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if step > MOST_STEPS:
            raise pickle.UnpicklingError("more steps than maps need")
        number = argument if isinstance(argument, int) else 0
        if opcode.name == "FRAME" and number > size:
            raise pickle.UnpicklingError("a frame larger than the file")
        if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and number > MOST_STEPS:
            raise pickle.UnpicklingError("a memo larger than maps need")
    file.seek(start)
    return kind(file).load()


class _Name:
    """What a name in a pickle stands for; it can be called and nothing else."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a change of what a name stands for")


class _Type:
    """A description of an array's elements."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        if code not in _NUMBERS | _OBJECTS:
            raise pickle.UnpicklingError(f"elements of the type {code!r:.40}")
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields, *_ = state
        if order not in {"<", ">", "=", "|"} or (subarray, names, fields) != (None, None, None):
            raise pickle.UnpicklingError("elements of a compound type")
        self.order = order

    def numbers(self) -> np.dtype[Any]:
        if self.code in _OBJECTS:
            raise pickle.UnpicklingError("an array of objects")
        return np.dtype(self.order + self.code)


class PickledArray:
    """An array in a pickle; `np.asarray` makes it one, `item` is the object of an object array."""

    __slots__ = ("item", "values")

    def __init__(self, *_: object) -> None:
        self.values: Array = np.zeros(0)
        self.item: object = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if kind.code in _OBJECTS:
            if shape != ():
                raise pickle.UnpicklingError("an array of objects")
            (self.item,) = data
        else:
            self.values = _shaped(data, kind, shape, "F" if fortran else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # noqa: ANN401
        return np.array(self.values, dtype) if copy else np.asarray(self.values, dtype)


def _from_buffer(data: object, kind: _Type, shape: object, order: object) -> PickledArray:
    """How protocol 5 stores arrays."""
    array = PickledArray()
    array.values = _shaped(data, kind, shape, order)
    return array


def _shaped(data: Any, kind: _Type, shape: Any, order: Any) -> Array:  # noqa: ANN401
    if not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("an array without its bytes")
    dtype = kind.numbers()
    if any(type(length) is not int or length < 0 for length in shape):
        raise pickle.UnpicklingError("an array of a strange shape")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise pickle.UnpicklingError("an array that is not as long as its shape")
    values: Array = np.frombuffer(bytes(data), dtype) if data else np.zeros(0, dtype)
    shaped: Array = values.reshape(shape, order=order)
    return shaped


def _scalar(kind: _Type, data: bytes) -> object:
    return _shaped(data, kind, (1,), "C")[0]


def _latin1(text: str, _encoding: str) -> bytes:
    """How protocol 2 stores bytes."""
    return text.encode("latin1")


class _Storage:
    """The elements that tensors are views of."""

    __slots__ = ("values",)

    def __init__(self, data: bytes) -> None:
        file = io.BytesIO(data)
        for _ in range(3):  # magic number, protocol version, system information
            _load(file, _StorageUnpickler)
        dtype, count = _load(file, _StorageUnpickler)
        _load(file, _StorageUnpickler)  # the storage's key
        (stored,) = struct.unpack("<q", file.read(8))
        content = file.read()
        if stored != count or count < 0 or len(content) < count * dtype.itemsize:
            raise pickle.UnpicklingError("a tensor that is cut short")
        self.values: Array = np.frombuffer(content[: count * dtype.itemsize], dtype)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a change of a storage")


def _tensor(storage: object, offset: int, size: Any, stride: Any, *_: object) -> PickledArray:  # noqa: ANN401
    """A strided view of a storage, copied; the bounds are checked."""
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise pickle.UnpicklingError("a tensor with a negative stride")
    values = storage.values
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if math.prod(size) > MOST_ELEMENTS or (0 not in size and last >= values.size):
        raise pickle.UnpicklingError("a tensor larger than its storage")
    array = PickledArray()
    if 0 not in size:
        steps = tuple(step * values.itemsize for step in stride)
        view = np.lib.stride_tricks.as_strided(values[offset:], tuple(size), steps)
        array.values = np.array(view)
    return array


class _Unpickler(pickle.Unpickler):
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
        if kind != "storage" or not isinstance(dtype, np.dtype) or type(count) is not int:
            raise pickle.UnpicklingError("a tensor of an unknown kind")
        return dtype, count


_ALLOWED = {
    **{
        (f"numpy.{core}.{module}", name): _Name(function)
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", PickledArray),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
    ("numpy", "ndarray"): _Name(PickledArray),
    ("numpy", "dtype"): _Name(_Type),
    ("_codecs", "encode"): _Name(_latin1),
    ("collections", "OrderedDict"): _Name(dict),
    ("torch._utils", "_rebuild_tensor_v2"): _Name(_tensor),
    ("torch.storage", "_load_from_bytes"): _Name(_Storage),
}
