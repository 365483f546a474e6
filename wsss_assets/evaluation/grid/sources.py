"""The map sets that are at hand for a grid: folders below one, or what this machine holds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wsss_assets.errors import MissingFileError, UnknownNameError
from wsss_assets.labels.recipes import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsss_assets.benchmarks import Benchmark

__all__ = ["AtHand", "folders_below", "held_sets"]


class AtHand(NamedTuple):
    """Map sets by name.

    Attributes:
        saliency: folders or sources.
        activation: folders or sources, WSSS-BED's methods first and in its order.
        damaged: ids of sets whose files are missing or not what they were; they are left out.
    """

    saliency: dict[str, Any]
    activation: dict[str, Any]
    damaged: tuple[str, ...] = ()


def folders_below(root: Path | str) -> AtHand:
    """The folders `saliency/*` and `activation/*` below one, as `wsss-assets mini` writes them.

    Raises:
        MissingFileError: there is none of one kind.
    """
    found: dict[str, dict[str, Path]] = {}
    for kind in ("saliency", "activation"):
        place = Path(root) / kind
        folders = sorted(place.iterdir()) if place.is_dir() else []
        found[kind] = {one.name: one for one in folders if one.is_dir() and one.name[0] != "."}
        if not found[kind]:
            raise MissingFileError(
                f"{place} holds no folder",
                expected=f"a folder of maps for each set, {place}/<name>/",
                hint="name the folders one by one with --saliency and --activation",
            )
    return AtHand(found["saliency"], _in_order(found["activation"]))


def held_sets(benchmark: Benchmark, split: str | None = None) -> AtHand:
    """The map sets of a benchmark that this machine holds whole; nothing is fetched.

    Args:
        benchmark: whose.
        split: which split; None: the one that maps are usually made for.

    Raises:
        MissingDependencyError: the extra `hub` is not installed.
    """
    from wsss_assets.map_sets.obtain import choose_split
    from wsss_assets.map_sets.sources import open_held
    from wsss_assets.map_sets.store import list_held

    found: dict[str, dict[str, Any]] = {"saliency": {}, "activation": {}}
    damaged: dict[str, None] = {}
    for held in list_held():
        record = held.holding.record
        if record.benchmark != benchmark.name:
            continue
        with contextlib.suppress(UnknownNameError):  # it has no such split
            if held.holding.split != choose_split(record, split):
                continue
            if held.damaged():
                damaged[record.id] = None
            elif record.name not in found[record.kind]:
                found[record.kind][record.name] = open_held(held)
    whole = {name for sets in found.values() for name in sets}
    lost = tuple(name for name in damaged if name.rpartition("/")[2] not in whole)
    return AtHand(found["saliency"], _in_order(found["activation"]), lost)


def _in_order(sets: dict[str, Any]) -> dict[str, Any]:
    """WSSS-BED's methods as its tables have them, then all others by name."""
    return {name: sets[name] for name in sorted(sets, key=lambda name: (_rank(name), name))}


def _rank(name: str) -> int:
    parts: Iterable[str] = name.lower().split("_")
    places = [place for place, method in enumerate(METHODS) if method in parts]
    return min(places, default=len(METHODS))
