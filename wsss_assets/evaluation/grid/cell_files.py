"""The files that cells of a grid are kept in."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.grid.cells import (
    NO_SALIENCY,
    NOTICE,
    Cell,
    KeptCell,
    cell_scores,
    policies_of,
    policy_name,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from wsss_assets.labels.recipes import Recipe

__all__ = ["cell_text", "other_sets", "read_cell"]

_SHARED = ("images", "ground_truth_digest")
_BY_POLICY = tuple(one.name for one in fields(Cell) if one.name not in _SHARED)


def read_cell(path: Path, made_from: str, recipe: Recipe) -> KeptCell | None:
    """A cell that was made from just this with this recipe; None where there is none."""
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["made_from"] != made_from or _digest(values) != values["sha256"]:
            return None
        shared = {name: values[name] for name in _SHARED}
        found = {}
        for policy in policies_of(recipe):
            scores = {name: values["scores"][policy_name(policy)][name] for name in _BY_POLICY}
            plateau = scores["plateau"]
            scores["plateau"] = (plateau["first_tau"], plateau["last_tau"])
            found[policy_name(policy)] = Cell(**scores, **shared)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None  # not there, cut short or damaged
    return KeptCell(found)


def cell_text(cell: KeptCell, made_from: str, row: str, column: str) -> str:
    """What is written of a cell."""
    listed = {policy: cell_scores(one) for policy, one in cell.scores.items()}
    shared = next(iter(listed.values()))
    values = {
        "notice": NOTICE,
        "saliency": row,
        "activation": column,
        **{name: shared[name] for name in _SHARED},
        "scores": {
            policy: {name: one[name] for name in _BY_POLICY} for policy, one in listed.items()
        },
        "made_from": made_from,
    }
    return json.dumps({**values, "sha256": _digest(values)}, indent=2, ensure_ascii=False) + "\n"


def other_sets(
    folder: Path, rows: Collection[str], columns: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Which sets beside some a folder keeps cells of.

    Args:
        folder: of cells.
        rows: names of the saliency sets that are known.
        columns: names of the activation sets.

    Returns:
        Names by kind, sorted, of cells that can be read.
    """
    others: dict[str, set[str]] = {"saliency": set(), "activation": set()}
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            values = json.loads(path.read_text("utf-8"))
            others["saliency"] |= {str(values["saliency"])} - {*rows, NO_SALIENCY}
            others["activation"] |= {str(values["activation"])} - {*columns}
    return {kind: tuple(sorted(names)) for kind, names in others.items()}


def _digest(values: Mapping[str, Any]) -> str:
    """Of all but itself."""
    known = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
