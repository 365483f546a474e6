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

Both are written here.
"""

from __future__ import annotations

import ast
import io
import pickle
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from wsss_assets.errors import DataError, ImageFormatError, MissingFileError
from wsss_assets.storage.data_pickles import PickledArray, load_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.storage.images import UInt8

__all__ = ["encode_activation_dict", "encode_irn_dict", "read_activation_dict"]

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
    try:
        maps = _maps_by_class(path, content, classes)
    except (TypeError, ValueError) as error:  # keys that are no numbers, maps of several sizes
        raise _not_activations(path, str(error)) from error
    missing = [index for index in classes if index not in maps]
    if missing:
        raise MissingFileError(
            f"{path} has no map of class {', '.join(map(str, missing))}",
            found=f"classes {', '.join(map(str, sorted(maps))) or 'none'}",
        )
    return {index: _bytes(path, maps[index]) for index in classes}


def encode_activation_dict(maps: Mapping[int, np.ndarray[Any, Any]]) -> bytes:
    """Maps of an image as the bytes of an `.npy` file, `{class: float32 (H, W)}`.

    The same maps give the same bytes. NumPy's functions are named as NumPy 1 names them, which
    every version reads: the code that such files are for is older than NumPy 2.

    Args:
        maps: scores (H, W) in 0..1 by 0-based class.
    """
    return _encoded(
        {int(index): np.ascontiguousarray(values, np.float32) for index, values in maps.items()}
    )


def encode_irn_dict(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """The same of `{"keys": …, "cam": …, "high_res": …}`, as IRN's and AMN's code writes it.

    Args:
        arrays: as `wsss_assets.models.delivering.irn_dictionary` gives them.
    """
    return _encoded({name: np.ascontiguousarray(values) for name, values in arrays.items()})


def _encoded(maps: dict[Any, np.ndarray[Any, Any]]) -> bytes:
    content = np.empty((), object)
    content[()] = maps
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(content))
    data = pickle.dumps(content, protocol=3)  # names are lines of text in it
    file.write(data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    return file.getvalue()


def _maps_by_class(
    path: Path, content: dict[Any, Any], classes: Sequence[int]
) -> dict[int, np.ndarray[Any, Any]]:
    if "keys" not in content:
        if not all(isinstance(key, int | np.integer) for key in content):
            raise _not_activations(path, f"keys {sorted({type(key).__name__ for key in content})}")
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
            _skip_header(path, file)
            content = load_data(file)
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    except DataError:
        raise
    except Exception as error:  # a malformed header or pickle raises anything
        raise _not_activations(path, str(error) or type(error).__name__) from error
    content = content.item if isinstance(content, PickledArray) else content
    if not isinstance(content, dict):
        raise _not_activations(path, f"a {type(content).__name__}")
    return content


def _skip_header(path: Path, file: BinaryIO) -> None:
    version = np.lib.format.read_magic(file)
    form = {(1, 0): "<H", (2, 0): "<I"}[version]
    (length,) = struct.unpack(form, file.read(struct.calcsize(form)))
    header = ast.literal_eval(file.read(min(length, 10_000)).decode("latin1").strip())
    kind, shape = header["descr"], header["shape"]
    if kind != "|O" or shape != ():
        raise _not_activations(path, f"an array of {kind} and shape {shape}")


def _not_activations(path: Path, found: str) -> ImageFormatError:
    return ImageFormatError(
        f"{path} is no activation dictionary",
        expected="an .npy file holding {class: map} or {keys, high_res}",
        found=found,
    )
