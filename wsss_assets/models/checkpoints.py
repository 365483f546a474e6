"""Checkpoints as their authors publish them, into networks; nothing in a file is ever run.

PyTorch files are read with torch's own restricted unpickler. What authors store beside the weights
(arguments, figures, paths) is built as empty objects of ours, so neither argparse nor NumPy is
handed anything from a file; every other name is refused.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from zipfile import ZIP_STORED, ZipFile

import torch

from wsss_assets.errors import MissingDependencyError, MissingFileError, WeightsError
from wsss_assets.models.safetensors_files import save_safetensors
from wsss_assets.storage.files import looks_like_a_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

__all__ = [
    "AdaptsCheckpoints",
    "StateDict",
    "Weights",
    "load",
    "read_state_dict",
    "save_safetensors",
]

StateDict: TypeAlias = "dict[str, torch.Tensor]"
Weights: TypeAlias = "Path | str | Mapping[str, torch.Tensor]"

WRAPPERS = ("state_dict", "model", "model_state_dict", "module", "teacher")
"""Where files keep the weights, the first that is there: most scripts write `state_dict`, MOVE and
the PFAN port `model`, torch's tutorial `model_state_dict`, DeepSpeed `module`, DINO's full
checkpoints `teacher`, which is what its authors evaluate."""

PREFIXES = ("module.", "_forward_module.")
"""What DataParallel and Lightning's or Accelerate's wrappers put before every key."""

MOST_NAMED = 10
"""Keys of a kind that a message names; the error's attributes have all."""

_MOST_WRAPPERS = 4
_MOST_PICKLED = 64 << 20
"""Bytes of the record that names and shapes are in; those of large networks are below one MiB."""

_COUNTER = "num_batches_tracked"
_NOTHING_LOADED = "nothing was loaded"
_AGAIN = "download it again and compare its size with that of the original"
_ZIP = b"PK\x03\x04"
_LFS = b"version https://git-lfs"


@runtime_checkable
class AdaptsCheckpoints(Protocol):
    """A network whose checkpoints need more than the common unwrapping."""

    def adapted(self, state: StateDict) -> StateDict:
        """The entries of a checkpoint, its parts in one, by the network's own keys.

        Raises:
            WeightsError: they cannot be this network's, or a part is missing.
        """


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
    read = _read_safetensors if path.suffix == ".safetensors" else _read_pytorch
    return _state_dict(read(path), str(path))


def load(net: nn.Module, *weights: Weights) -> None:
    """See `wsss_assets.models.load_weights`.

    Floating-point numbers of any precision become those of the network; the counters of batch
    norms may be missing or superfluous. All is checked before anything is copied.
    """
    parts: list[tuple[str, StateDict]] = []
    for part in weights:
        if isinstance(part, Mapping):
            parts.append(("the state dict", _state_dict(part, "the state dict")))
        else:
            parts.append((str(part), read_state_dict(Path(part))))
    source = " with ".join(name for name, _ in parts)
    state = _merged(parts)
    if isinstance(net, AdaptsCheckpoints):
        state = net.adapted(state)
    own: StateDict = net.state_dict()
    state = {key: value for key, value in state.items() if not _is_stray_counter(key, value, own)}
    _check_keys(source, net, state, own)
    fitting = {key: _as(key, value, own[key].dtype) for key, value in state.items()}
    _check_values(source, fitting, own)
    net.load_state_dict({**own, **fitting})


class _StandIn:
    """What takes the place of an object that is not needed: it keeps and does nothing."""

    __slots__ = ()

    def __new__(cls, *_: object) -> _StandIn:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Nothing is kept."""


_STOOD_IN_FOR = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.{name}"
        for core in ("core", "_core")
        for name in ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")
    ),
    *(f"pathlib.{kind}Path" for kind in ("", "Posix", "Windows", "PurePosix", "PureWindows")),
    *(f"pathlib._local.{kind}Path" for kind in ("Posix", "Windows")),
)
"""Names that authors' files use beside the weights: MOVE's arguments, PFAN's figures."""

_STAND_INS: list[Any] = [
    type(name, (_StandIn,), {"__module__": module, "__slots__": ()})
    for module, _, name in (full.rpartition(".") for full in _STOOD_IN_FOR)
]
"""Classes of these names, which is what torch goes by; torch 2.6 as well."""

_one_at_a_time = threading.Lock()
"""The names that torch allows are the process's, not a call's."""


def _refuse_other_files(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(512)
    if looks_like_a_page(start):
        raise WeightsError(
            f"{path} looks like a web page, not like weights",
            done=_NOTHING_LOADED,
            hint="the site answered with a page (a login, a warning, a quota): open its address "
            "in a browser and download the file from there",
        )
    if start.startswith(_LFS):
        raise WeightsError(
            f"{path} is a pointer of Git LFS, not the weights themselves",
            done=_NOTHING_LOADED,
            hint="run `git lfs pull` in its repository",
        )


def _read_pytorch(path: Path) -> object:
    with path.open("rb") as file:
        mapped = file.read(len(_ZIP)) == _ZIP
    try:
        if mapped:
            _refuse_bombs(path)
        with (
            _one_at_a_time,
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_STAND_INS),
        ):
            warnings.simplefilter("ignore")  # of old formats and protocols
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except WeightsError:
        raise
    except Exception as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused:
            raise _would_run_code(path, refused[1]) from None
        raise _unreadable(path, "a PyTorch", error) from error


def _refuse_bombs(path: Path) -> None:
    """Refuse a zipped file of which more would come than it holds, by its index alone.

    Raises:
        WeightsError: records are compressed, larger together than the file, or the pickle among
            them is too large.
        zipfile.BadZipFile: there is no index.
    """
    with ZipFile(path) as archive:
        records = archive.infolist()
    compressed = [one.filename for one in records if one.compress_type != ZIP_STORED]
    pickled = max((one.file_size for one in records if _is_pickle(one.filename)), default=0)
    total, size = sum(one.file_size for one in records), path.stat().st_size
    faults = {
        f"{len(compressed)} compressed ({_some(compressed)})": bool(compressed),
        f"a pickle of {pickled:,} bytes": pickled > _MOST_PICKLED,
        f"{total:,} bytes of records in a file of {size:,}": total > size,
    }
    if any(faults.values()):
        raise WeightsError(
            f"{path} is no PyTorch file as torch writes them",
            expected="records that are not compressed, the pickle among them at most "
            f"{_MOST_PICKLED >> 20} MiB",
            found=", ".join(fault for fault, there in faults.items() if there),
            done=_NOTHING_LOADED,
            hint="unpack it if it is an archive of files; otherwise do not trust it",
        )


def _is_pickle(name: str) -> bool:
    return name.lower().endswith("data.pkl")


def _would_run_code(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path} asks for {name}, which only running code can make",
        expected="tensors in dictionaries",
        done=f"it was refused and {_NOTHING_LOADED}",
        hint="if you trust its maker, open it where it was made and save `net.state_dict()` alone",
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
        raise _unreadable(path, "a safetensors", error) from error


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
        raise _unreadable(path, "an ONNX", error) from error
    return _state_dict(state, str(path))


def _unreadable(path: Path, kind: str, error: Exception) -> WeightsError:
    reason = str(error).partition("\n")[0]
    return WeightsError(
        f"{path} cannot be read as {kind} file",
        found=f"{type(error).__name__}: {reason:.200}",
        done=_NOTHING_LOADED,
        hint=f"{_AGAIN}; unpack it if it is an archive of files",
    )


def _state_dict(found: object, source: str) -> StateDict:
    """The weights in what a file holds, by keys without prefixes."""
    inner = _unwrapped(found)
    if not isinstance(inner, Mapping):
        raise _no_state_dict(source, f"an object of the type {type(inner).__name__}")
    if others := [str(key) for key, value in inner.items() if not _is_plain(key, value)]:
        raise _no_state_dict(source, f"what is no plain tensor: {_some(others)}")
    if not inner:
        raise _no_state_dict(source, "nothing in it")
    state: StateDict = {}
    for key, value in inner.items():
        short = _without_prefixes(key)
        if short in state:
            raise WeightsError(
                f"{source} holds {short} twice, with and without a prefix", done=_NOTHING_LOADED
            )
        state[short] = value.detach()
    return state


def _no_state_dict(source: str, found: str) -> WeightsError:
    return WeightsError(
        f"{source} holds no state dict",
        expected=f"tensors by name, bare or under {', '.join(WRAPPERS)}",
        found=found,
        done=_NOTHING_LOADED,
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


def _merged(parts: Iterable[tuple[str, StateDict]]) -> StateDict:
    state: StateDict = {}
    for source, part in parts:
        for key in state.keys() & part.keys():
            if not torch.equal(state[key], part[key]):
                raise WeightsError(
                    f"{source} holds another {key} than the part before it",
                    done=_NOTHING_LOADED,
                    hint="give parts of one checkpoint, each once",
                )
        state.update(part)
    return state


def _is_stray_counter(key: str, value: torch.Tensor, own: StateDict) -> bool:
    return key.endswith(_COUNTER) and (key not in own or own[key].shape != value.shape)


def _check_keys(source: str, net: nn.Module, state: StateDict, own: StateDict) -> None:
    """Refuse a checkpoint whose keys or shapes are not the network's."""
    missing = [key for key in own if key not in state and not key.endswith(_COUNTER)]
    unexpected = [key for key in state if key not in own]
    misshapen = {
        key: (tuple(value.shape), tuple(own[key].shape))
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    }
    shapes = [f"{key} {found} for {right}" for key, (found, right) in misshapen.items()]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    faults = [f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in kinds.items() if keys]
    if faults:
        raise WeightsError(
            f"{source} does not fit {type(net).__name__}",
            expected=f"its {len(own)} entries",
            found=", ".join(faults),
            done=_NOTHING_LOADED,
            hint="is it the checkpoint of another network, or of another variant of this one?",
            missing=missing,
            unexpected=unexpected,
            misshapen=misshapen,
        )


def _as(key: str, value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """In the network's precision; whole numbers in place of weights stay, to be refused.

    Counters may have been halved with all the rest.
    """
    alike = value.is_floating_point() == dtype.is_floating_point
    return value.to(dtype) if alike or key.endswith(_COUNTER) else value


def _check_values(source: str, fitting: StateDict, own: StateDict) -> None:
    """Refuse numbers that cannot be weights."""
    other = [key for key, value in fitting.items() if value.dtype != own[key].dtype]
    broken = [key for key, value in fitting.items() if not bool(torch.isfinite(value).all())]
    for kind, keys in (("numbers of another kind", other), ("values that are not finite", broken)):
        if keys:
            raise WeightsError(
                f"{source} holds {kind}",
                expected="finite weights, real where the network's are",
                found=f"{len(keys)} such of {len(fitting)} entries ({_some(keys)})",
                done=_NOTHING_LOADED,
                hint=_AGAIN,
            )


def _some(names: list[str]) -> str:
    """The first few of many, in words."""
    shown = ", ".join(names[:MOST_NAMED])
    left = len(names) - MOST_NAMED
    return f"{shown} and {left} more" if left > 0 else shown
