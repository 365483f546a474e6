"""Where a report goes: a folder with a page and its data beside it, or one file."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import FolderInUseError, UsageError
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.stamps import claim_folder, release_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Place"]

_GENERATOR = b'<meta name="generator" content="wsss-assets report">'
_PAGES = {".html", ".htm"}
_OTHER_FILES = {
    *(".csv", ".gif", ".jpeg", ".jpg", ".js", ".json", ".md", ".npy", ".pdf", ".png", ".svg"),
    *(".tar", ".tex", ".txt", ".webp", ".xml", ".yaml", ".yml", ".zip"),
}
"""Names that are meant for files; a folder may well have another dot in its name, as in v1.0."""
_DATA_FOLDER = re.compile(r"data-[0-9a-f]{12}")


class Place:
    """A folder, or a file whose name ends with `.html`.

    The data lie in a folder named by what is in them, and the page, which names that folder, is
    replaced last: a reader sees the old report or the new one, whole.

    Args:
        out: where to.

    Raises:
        UsageError: its name is that of another kind of file.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        suffix = out.suffix.lower()
        if suffix in _OTHER_FILES and not out.is_dir():
            raise UsageError(
                f"a report is no {suffix} file: {out}",
                expected="a folder, or a file .html that holds everything",
                done="nothing was written",
                hint=f"name it {out.with_suffix('.html')}, or {out.with_suffix('')} for a folder",
            )
        self.is_file = suffix in _PAGES
        self._new = not out.exists()

    def claim(self, stamp: Mapping[str, Any]) -> None:
        """Refuse, before anything is done, a place that holds something else.

        Raises:
            FolderInUseError: it does.
            OSError: it cannot be written to.
        """
        self._look()
        if not self.is_file:
            claim_folder(self.out, stamp)
            return
        if self.out.is_dir():
            raise FolderInUseError(
                f"{self.out} is a folder", expected="a file", hint="choose another name"
            )
        if self.out.is_file():
            with self.out.open("rb") as file:
                start = file.read(512)
            if _GENERATOR not in start:
                raise FolderInUseError(
                    f"{self.out} is no report of this command",
                    expected="a new file, or an older report",
                    done="nothing was written",
                    hint="choose another name",
                )

    def _look(self) -> None:
        """Refuse a place where nothing can be written."""
        whole = self.out.absolute()
        there = next(one for one in (whole, *whole.parents) if one.exists())
        if there == whole and (self.is_file or not there.is_dir()):
            there = there.parent  # a file is replaced in its folder; others are told below
        why = None if there.is_dir() else f"{there} is no folder"
        try:
            if why is None:
                TemporaryFile(dir=there).close()  # rights alone do not tell it of every disk
        except OSError as error:
            why = f"{there} takes no files ({error.strerror})"
        if why is not None:
            raise OSError(f"{self.out} cannot be written: {why}; choose another place")

    def release(self) -> None:
        """Give an unfinished folder back as it was."""
        if not self.is_file:
            release_folder(self.out, new=self._new)

    def write(self, page: Callable[[str | None], str], stored: Mapping[str, Any]) -> None:
        """Write the report.

        Args:
            page: makes the HTML, given the name of the folder of data; None: data go into it.
            stored: what is loaded when it is looked at, by key.
        """
        if self.is_file:
            write_atomically(self.out, _encoded(page(None)))
            return
        files = {
            f"{key}.js": f"wsssData({json.dumps(key)}, {json.dumps(value)});\n".encode()
            for key, value in stored.items()
        }
        data = f"data-{_digest(files)}"
        for name, content in files.items():
            write_atomically(self.out / data / name, content)
        write_atomically(self.out / "index.html", _encoded(page(data)))
        for old in self.out.iterdir():
            if old.is_dir() and old.name != data and _DATA_FOLDER.fullmatch(old.name):
                shutil.rmtree(old)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _digest(files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in files.items():
        total.update(f"{name} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()[:12]
