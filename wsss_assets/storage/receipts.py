"""Receipts say what each output was made from, so that only what is current is kept.

`wsss-assets.receipts.jsonl` lies beside the outputs: a line `{"id": …, "from": …}` for each,
written after the output itself is in place. The last line of an id counts; a line that was cut
short by a kill counts for nothing, and its output is made again.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from wsss_assets.storage.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RECEIPTS_NAME", "Receipts"]

RECEIPTS_NAME = "wsss-assets.receipts.jsonl"


class Receipts:
    """The receipts of one folder; several threads may add to them."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECEIPTS_NAME
        self._lock = threading.Lock()
        self._made_from: dict[str, str] = {}
        text = self._path.read_text("utf-8", "replace") if self._path.is_file() else ""
        for line in text.splitlines():
            try:
                receipt = json.loads(line)
                self._made_from[receipt["id"]] = receipt["from"]
            except (ValueError, TypeError, KeyError):
                continue  # cut short
        # A line that was cut short must not swallow the next one.
        self._start = "\n" if text and not text.endswith("\n") else ""

    def has(self, output_id: str, made_from: str) -> bool:
        """Whether the output was made from just this."""
        return self._made_from.get(output_id) == made_from

    def add(self, output_id: str, made_from: str) -> None:
        """Note at once what the output, which is in place, was made from."""
        with self._lock:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._start + _line(output_id, made_from))
            self._start = ""
            self._made_from[output_id] = made_from

    def sort(self) -> None:
        """Write them anew in the order of the ids, so that threads change no byte."""
        if not self._made_from:
            return  # a run that made nothing leaves nothing behind
        lines = [_line(*receipt) for receipt in sorted(self._made_from.items())]
        write_atomically(self._path, "".join(lines))


def _line(output_id: str, made_from: str) -> str:
    return json.dumps({"id": output_id, "from": made_from}, ensure_ascii=False) + "\n"
