"""Markdown from text that anybody may have written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["bullets", "code", "fenced", "link", "plain", "table"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>&|#!~$])")
_URL_CHARACTERS = ":/?#@!$&'*+,;=%~"


def plain(text: str) -> str:
    r"""Text that shows as it is and stays in its line, its cell and its sentence.

    >>> print(plain("a|b\n<script> `x`"))
    a\|b \<script\> \`x\`
    """
    return _SPECIAL.sub(r"\\\1", " ".join(_printable(text).split()))


def code(name: str) -> str:
    """A name as code; for names that records allow, which hold nothing special."""
    return f"`{name}`"


def link(label: str, url: str) -> str:
    """A link; the label is Markdown already."""
    return f"[{label}]({quote(url, safe=_URL_CHARACTERS)})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(entries: Iterable[str]) -> str:
    """A list; its entries are Markdown already."""
    return "\n".join(f"- {entry}" for entry in entries)


def fenced(language: str, text: str) -> str:
    """A block of code, whatever is in it."""
    shown = "\n".join(_printable(line).rstrip() for line in text.strip().splitlines())
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def _printable(text: str) -> str:
    """Without line feeds, control characters and what turns the direction of text."""
    return "".join(one if one.isprintable() else " " for one in text)
