"""Checkpoints as their authors publish them, as state dicts: tensors by a network's own keys.

Whatever the format of the file, what it holds is unwrapped, and what wrappers put before every key
is taken off. Nothing in a file is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch

from wsss_assets.errors import MissingDependencyError, MissingFileError, WeightsError
from wsss_assets.models.pytorch_files import read_pytorch
from wsss_assets.models.refusing import MOST_NAMED, NOTHING_LOADED, unreadable
from wsss_assets.storage.files import looks_like_a_page
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["StateDict", "read_state_dict", "state_dict"]

StateDict: TypeAlias = "dict[str, torch.Tensor]"

WRAPPERS = ("state_dict", "model", "model_state_dict", "module", "teacher")
"""Where files keep the weights, the first that is there: most scripts write `state_dict`, MOVE and
the PFAN port `model`, torch's tutorial `model_state_dict`, DeepSpeed `module`, DINO's full
checkpoints `teacher`, which is what its authors evaluate."""

PREFIXES = ("module.", "_forward_module.")
"""What DataParallel and Lightning's or Accelerate's wrappers put before every key."""

_MOST_WRAPPERS = 4
_LFS = b"version https://git-lfs"


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a checkpoint file, unwrapped and without the prefixes that wrappers add.

    Args:
        path: `.safetensors`; `.onnx`, of which the weights and biases of all `Conv` nodes are
            read, in the graph's order and by the names in the file; anything else is read as a
            PyTorch file, zipped or legacy.

    Returns:
        Tensors on the CPU; they may be views of the file.

    Raises:
        MissingFileError: no such file.
        WeightsError: it is unreadable, would run code, or holds something else than tensors.
        MissingDependencyError: the package that reads such files is not installed.
    """
    if not path.is_file():
        raise MissingFileError(
            f"no weights at {path}", found="a folder" if path.is_dir() else "nothing there"
        )
    _refuse_other_files(path)
    if path.suffix == ".onnx":
        return _read_onnx(path)
    read = _read_safetensors if path.suffix == ".safetensors" else read_pytorch
    return state_dict(read(path), str(path))


def _refuse_other_files(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(512)
    if looks_like_a_page(start):
        raise WeightsError(
            f"{path} looks like a web page, not like weights",
            done=NOTHING_LOADED,
            hint="the site answered with a page (a login, a warning, a quota): open its address "
            "in a browser and download the file from there",
        )
    if start.startswith(_LFS):
        raise WeightsError(
            f"{path} is a pointer of Git LFS, not the weights themselves",
            done=NOTHING_LOADED,
            hint="run `git lfs pull` in its repository",
        )


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "safetensors", "regenerate", "reading .safetensors files"
        ) from error
    try:
        return load_file(path)
    except Exception as error:
        raise unreadable(path, "a safetensors", error) from error


def _read_onnx(path: Path) -> StateDict:
    """Weight, then bias, of every convolution that the graph itself holds."""
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingDependencyError("onnx", "onnx", "reading .onnx files") from error
    try:
        # What a file says of other files is not followed.
        graph = onnx.load(path, load_external_data=False).graph
        stored = {one.name: one for one in graph.initializer}
        names = [name for node in graph.node if node.op_type == "Conv" for name in node.input[1:]]
        state = {
            name: torch.tensor(numpy_helper.to_array(stored[name]))
            for name in names
            if name in stored
        }
    except Exception as error:
        raise unreadable(path, "an ONNX", error) from error
    return state_dict(state, str(path))


def state_dict(found: object, source: str) -> StateDict:
    """The weights in what a file holds, by keys without prefixes.

    Raises:
        WeightsError: it holds none, something else beside them, or one twice.
    """
    inner = _unwrapped(found)
    if not isinstance(inner, Mapping):
        raise _no_state_dict(source, f"an object of the type {type(inner).__name__}")
    if others := [str(key) for key, value in inner.items() if not _is_plain(key, value)]:
        raise _no_state_dict(source, f"what is no plain tensor: {some_of(others, MOST_NAMED)}")
    if not inner:
        raise _no_state_dict(source, "nothing in it")
    state: StateDict = {}
    for key, value in inner.items():
        short = _without_prefixes(key)
        if short in state:
            raise WeightsError(
                f"{source} holds {short} twice, with and without a prefix", done=NOTHING_LOADED
            )
        state[short] = value.detach()
    return state


def _no_state_dict(source: str, found: str) -> WeightsError:
    return WeightsError(
        f"{source} holds no state dict",
        expected=f"tensors by name, bare or under {', '.join(WRAPPERS)}",
        found=found,
        done=NOTHING_LOADED,
    )


def _unwrapped(found: object) -> object:
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(found, Mapping):
            break
        inner = [found[name] for name in WRAPPERS if isinstance(found.get(name), Mapping)]
        if not inner:
            break
        found = inner[0]
    return found


def _is_plain(key: object, value: object) -> bool:
    """Whether an entry is a tensor of real numbers that are there."""
    return (
        isinstance(key, str)
        and isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_quantized or value.is_complex() or value.is_nested)
    )


def _without_prefixes(key: str) -> str:
    while key.startswith(PREFIXES):
        key = key.partition(".")[2]
    return key
