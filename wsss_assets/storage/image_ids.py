"""Image ids: what may be one, and lists of them."""

from __future__ import annotations

import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wsss_assets.errors import ListFormatError, MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["check_image_id", "read_ids", "read_words", "refuse_twice"]

_LONGEST = 200
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}")
_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_BLANKS = re.compile(r"[ \t]+")
_CLASS = re.compile(r"-1|0|[1-9][0-9]?")
"""A class of a label list, or the presence of one; not `0012`, which counts photos."""


def check_image_id(text: str, where: str) -> str:
    """Return `text` if it can be an image id; it becomes a file name, so not every text will do.

    Args:
        text: what was read.
        where: the file, and line if it has lines, for the error.

    Raises:
        ListFormatError: it is empty or too long, begins with a dot, or holds a path separator,
            a drive, `..`, white space or a control character.
    """
    if _PLAIN.fullmatch(text):
        return text  # as nearly all are
    if " " in text:
        raise _no_id(text, where)
    return _check_name(text, where)


def read_ids(path: Path) -> tuple[str, ...]:
    """Image ids from a list with one image per line, in its order; `-` is standard input.

    The id is the whole line, without folder and suffix, for photos may have spaces in their names.
    Label lists will do: where all lines are a word and classes, the id is the word (names such as
    `photo 1` are told from these by a suffix, `photo 1.jpg`). The devkit form
    `/JPEGImages/x.jpg /SegmentationClassAug/x.png` gives the id `x`.

    Raises:
        MissingFileError: no such file.
        ListFormatError: no id at all, an id twice, something that is no image id, or a line
            that pairs two images; the error names the line.
    """
    lines = list(_read_lines(path))
    labelled = all(_is_labelled(line) for _, line in lines)
    found: dict[str, None] = {}
    for where, line in lines:
        image_id = _check_name(_named_in(line, where, labelled=labelled), where)
        try:
            refuse_twice(image_id, found, where)
        except ListFormatError as error:
            if line != image_id and labelled:
                error.hint = f"if {line!r} is the name of a photo, write it with its suffix"
            raise
        found[image_id] = None
    return tuple(found)


def read_words(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(file:line, words) of each line up to the blank ones at the end; `-` is standard input.

    Raises:
        MissingFileError: no such file.
        ListFormatError: no UTF-8, nothing but blank lines, or a blank line amid the others.
    """
    for where, line in _read_lines(path):
        yield where, _BLANKS.split(line)


def _read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, line without blanks around it); raises as `read_words`."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise MissingFileError(
            f"no file {path}", found="a folder" if path.is_dir() else None
        ) from None
    except UnicodeDecodeError as error:
        raise ListFormatError(f"{name} is no text in UTF-8", found=str(error)) from error
    lines = [line.removesuffix("\r").strip(" \t") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ListFormatError(f"{name} names no image", found=f"{len(data)} bytes")
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        if not line:
            raise ListFormatError(f"{where}: a blank line amid the list", expected="an image id")
        yield where, line


def refuse_twice(image_id: str, seen: Mapping[str, object], where: str) -> None:
    """Raise a ListFormatError if `image_id` is among the ids `seen` in the lines before."""
    if image_id in seen:
        first = list(seen).index(image_id) + 1
        raise ListFormatError(
            f"{where}: {image_id} is there twice",
            expected="each image once",
            found=f"it is in line {first} as well",
        )


def _is_labelled(line: str) -> bool:
    """Whether a line may be of a label list, with or without classes."""
    return all(map(_CLASS.fullmatch, _BLANKS.split(line)[1:]))


def _named_in(line: str, where: str, *, labelled: bool) -> str:
    """The image that a line names, without folder and suffix."""
    words = _BLANKS.split(line)
    if labelled:
        return _stem(words[0])
    if not all("/" in word for word in words):
        return _stem(line)
    stems = {_stem(word) for word in words}
    if len(stems) > 1:
        raise ListFormatError(f"{where}: the line pairs different images", found=str(words))
    return stems.pop()


def _check_name(text: str, where: str) -> str:
    """Return `text` if a file may be called so; spaces in it do no harm."""
    harmless = (
        0 < len(text) <= _LONGEST
        and text.isprintable()
        and not any(character in '/\\:"' for character in text)
        and not text.startswith(".")
        and ".." not in text
    )
    if not harmless:
        raise _no_id(text, where)
    return text


def _no_id(text: str, where: str) -> ListFormatError:
    return ListFormatError(
        f"{where}: this is no image id",
        expected="a file name without folder and suffix, e.g. 2007_000032",
        found=ascii(text[:_LONGEST]),
    )


def _stem(token: str) -> str:
    path = PurePosixPath(token)
    if ".." in path.parts:
        return token  # refused by the check of ids
    return path.stem if path.suffix.lower() in _PICTURE_SUFFIXES else path.name
