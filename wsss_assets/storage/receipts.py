"""Receipts say what each output was made from, so that only what is current is kept.

`wsss-assets.receipts.jsonl` lies beside the outputs: a line `{"id": …, "from": …}` for each,
written after the output itself is in place, with the `sha256` of the output and an object `how`
where its maker gave them. The last line of an id counts; one that was cut short by a kill, or is no
receipt, counts for nothing, and its output is made again.

Processes that share a folder write a part of their own each, `wsss-assets.receipts.<part>.jsonl`.
All parts are read after the file itself, and `sort` makes one file of them.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from wsss_assets.storage.files import replaced, sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["RECEIPTS_NAME", "Receipt", "Receipts", "files_version"]

RECEIPTS_NAME = "wsss-assets.receipts.jsonl"

_NOTHING: Mapping[str, Any] = {}
"""The one `how` of all receipts that have none."""


class Receipt(NamedTuple):
    """What is noted of an output.

    Attributes:
        made_from: what it was made from.
        sha256: its digest; None: not noted.
        how: what else its maker has to say of it; JSON types only.
    """

    made_from: str
    sha256: str | None
    how: Mapping[str, Any]


class Receipts:
    """The receipts of one folder; several threads may add to them.

    Args:
        folder: where the outputs lie.
        part: the name of the part that is written to; None: the file itself.
        others: names of parts that other machines wrote just now, which a listing of a folder that
            they share may not show yet.
    """

    def __init__(self, folder: Path, part: str | None = None, others: Iterable[str] = ()) -> None:
        self._folder = folder
        self._whole = folder / RECEIPTS_NAME
        self._path = self._whole if part is None else _part(folder, part)
        self._others = tuple(_part(folder, name) for name in others)
        self._lock = threading.Lock()
        self._receipts: dict[str, Receipt] = {}
        for path in (self._whole, *self._parts()):
            self._read(path)
        # A line that was cut short must not swallow the next one.
        self._start = "\n" if _ends_amid_a_line(self._path) else ""

    def has(self, output_id: str, made_from: str) -> bool:
        """Whether the output was made from just this."""
        receipt = self._receipts.get(output_id)
        return receipt is not None and receipt.made_from == made_from

    def vouches_for(self, output_id: str, made_from: str, output: Path) -> bool:
        """Whether the output was made from just this and its file is still what was written.

        A file without a digest in its receipt is not vouched for.
        """
        if not self.has(output_id, made_from):
            return False
        try:
            return sha256_file(output) == self._receipts[output_id].sha256
        except FileNotFoundError:
            return False

    def sha256(self, output_id: str) -> str | None:
        """Digest of an output; None where none was noted."""
        receipt = self._receipts.get(output_id)
        return None if receipt is None else receipt.sha256

    def all(self) -> dict[str, Receipt]:
        """Every receipt by the id of its output, sorted."""
        return dict(sorted(self._receipts.items()))

    def add(
        self,
        output_id: str,
        made_from: str,
        sha256: str | None = None,
        how: Mapping[str, Any] | None = None,
    ) -> None:
        """Note at once what the output, which is in place, was made from, and the rest."""
        receipt = Receipt(made_from, sha256, how or _NOTHING)
        with self._lock:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._start + _line(output_id, receipt))
            self._start = ""
            self._receipts[output_id] = receipt

    def outputs(self) -> tuple[str, ...]:
        """The ids of all outputs that there is a receipt of."""
        return tuple(self._receipts)

    def forget(self, output_id: str) -> None:
        """Drop a receipt; `sort` then leaves it out of the file."""
        self._receipts.pop(output_id, None)

    def sort(self) -> None:
        """Write them anew in the order of the ids, so that threads and parts change no byte."""
        if not self._receipts:
            return  # a run that made nothing leaves nothing behind
        with replaced(self._whole) as path, path.open("w", encoding="utf-8", newline="\n") as file:
            for output_id in sorted(self._receipts):
                file.write(_line(output_id, self._receipts[output_id]))
        for path in self._parts():
            path.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        listed = self._folder.glob(_part(self._folder, "*").name)
        return sorted({*listed, *self._others})

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _parsed(line)
                if found is not None:
                    self._receipts[found[0]] = found[1]


def files_version(paths: Sequence[Path | None]) -> str:
    """Name, size and time of change of each file that is there: what outputs are made from."""
    found = [(path.name, path.stat()) for path in paths if path is not None]
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in found)


def _part(folder: Path, name: str) -> Path:
    return folder / RECEIPTS_NAME.replace(".jsonl", f".{name}.jsonl")


def _ends_amid_a_line(path: Path) -> bool:
    data = path.read_bytes() if path.is_file() else b""
    return bool(data) and not data.endswith(b"\n")


def _parsed(line: str) -> tuple[str, Receipt] | None:
    """The id and the receipt of a line; None where it is cut short or damaged."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    output_id, made_from = values.get("id"), values.get("from")
    sha256, how = values.get("sha256"), values.get("how", {})
    if not (isinstance(output_id, str) and isinstance(made_from, str) and isinstance(how, dict)):
        return None
    receipt = Receipt(made_from, sha256, how or _NOTHING)
    if not isinstance(sha256, str | None) or not _can_be_written(_line(output_id, receipt)):
        return None
    return output_id, receipt


def _can_be_written(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return False
    return True


def _line(output_id: str, receipt: Receipt) -> str:
    values: dict[str, Any] = {"id": output_id, "from": receipt.made_from}
    if receipt.sha256 is not None:
        values["sha256"] = receipt.sha256
    if receipt.how:
        values["how"] = dict(receipt.how)
    return json.dumps(values, ensure_ascii=False) + "\n"
