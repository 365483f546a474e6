"""Where a report goes: a folder with a page and its data beside it, or one file."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import FolderInUseError
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.stamps import claim_folder, release_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Place"]

_GENERATOR = b'<meta name="generator" content="wsss-assets report">'
_DATA_FOLDER = re.compile(r"data-[0-9a-f]{12}")


class Place:
    """A folder, or a file whose name ends with `.html`.

    The data lie in a folder named by what is in them, and the page, which names that folder, is
    replaced last: a reader sees the old report or the new one, whole.

    Args:
        out: where to.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.is_file = out.suffix.lower() in {".html", ".htm"}
        self._new = not out.exists()

    def claim(self, stamp: Mapping[str, Any]) -> None:
        """Refuse, before anything is done, a place that holds something else.

        Raises:
            FolderInUseError: it does.
        """
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
