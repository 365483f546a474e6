"""PyTorch files, read with torch's own restricted unpickler; nothing in a file is ever run.

What authors store beside the weights (arguments, figures, paths) is built as empty objects of ours,
so neither argparse nor NumPy is handed anything from a file; every other name is refused.
"""

from __future__ import annotations

import re
import threading
import warnings
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

import torch

from wsss_assets.errors import WeightsError
from wsss_assets.models.refusing import MOST_NAMED, NOTHING_LOADED, unreadable
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["read_pytorch"]

_MOST_PICKLED = 64 << 20
"""Bytes of the record that names and shapes are in; those of large networks are below one MiB."""

_ZIP = b"PK\x03\x04"


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


def read_pytorch(path: Path) -> object:
    """What a PyTorch file holds, zipped or legacy: tensors on the CPU, in whatever they are kept.

    Raises:
        WeightsError: it is unreadable, would run code, or unpacks to more than it is.
    """
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
        raise unreadable(path, "a PyTorch", error) from error


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
        f"{len(compressed)} compressed ({some_of(compressed, MOST_NAMED)})": bool(compressed),
        f"a pickle of {pickled:,} bytes": pickled > _MOST_PICKLED,
        f"{total:,} bytes of records in a file of {size:,}": total > size,
    }
    if any(faults.values()):
        raise WeightsError(
            f"{path} is no PyTorch file as torch writes them",
            expected="records that are not compressed, the pickle among them at most "
            f"{_MOST_PICKLED >> 20} MiB",
            found=", ".join(fault for fault, there in faults.items() if there),
            done=NOTHING_LOADED,
            hint="unpack it if it is an archive of files; otherwise do not trust it",
        )


def _is_pickle(name: str) -> bool:
    return name.lower().endswith("data.pkl")


def _would_run_code(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path} asks for {name}, which only running code can make",
        expected="tensors in dictionaries",
        done=f"it was refused and {NOTHING_LOADED}",
        hint="if you trust its maker, open it where it was made and save `net.state_dict()` alone",
    )
