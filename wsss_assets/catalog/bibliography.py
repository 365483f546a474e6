"""BibTeX entries: one file each, `citations/<key>.bib`; the directory is the registry."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from wsss_assets.catalog.names import read_file, stems
from wsss_assets.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["citation", "citation_keys", "citations", "whole_bibliography"]

_COMMENT = "% Papers behind this package: maps, recipes, benchmarks and evaluation conventions.\n"


def citation_keys() -> tuple[str, ...]:
    """Keys of all entries, sorted."""
    return stems("citations")


@cache
def citation(key: str) -> str:
    """The BibTeX entry of that key, with a line feed at its end.

    Raises:
        UnknownNameError: there is none.
    """
    if key not in citation_keys():
        raise UnknownNameError("citation", key, citation_keys())
    return read_file("citations", f"{key}.bib")


def citations(keys: Iterable[str]) -> str:
    """BibTeX entries, each once, in the order given.

    Args:
        keys: keys of entries; or whole entries, as records of somebody's own map sets have them.

    Raises:
        UnknownNameError: there is no entry of some key.
    """
    entries = (
        key.strip() + "\n" if key.lstrip().startswith("@") else citation(key) for key in keys
    )
    return "\n".join(dict.fromkeys(entries))


def whole_bibliography() -> str:
    """All entries in one file, as `cards/CITATIONS.bib` has them."""
    return f"{_COMMENT}\n{citations(citation_keys())}"
