"""A recipe at every threshold as small integer tables, for a page that only compares bytes.

Whether a class wins is `strongest byte > floor[saliency byte]`, and the floor of a saliency
threshold and a tau is the larger of the floor of the one and the floor of the other: floors come
from float32 thresholds by a step that never falls, which keeps the larger of two. So two tables
of 256 rows stand for all 65,536 settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.aligned import check_sweepable
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.labels.make import byte_rule, lowest_winners

if TYPE_CHECKING:
    from wsss_assets.labels.recipes import Recipe

__all__ = ["RuleTables", "has_surface", "rule_tables"]

UInt8: TypeAlias = NDArray[np.uint8]

NOTHING_IS_ABOVE = 255


@dataclass(frozen=True)
class RuleTables:
    """A recipe at every setting; rows are saliency thresholds j/255, row 0 soft saliency.

    Where the recipe has no surface there is one row: its own saliency threshold, or none.

    Attributes:
        floors: uint8 (rows, 256): the byte above which a class wins, by saliency byte, tau apart.
        tau_floors: uint8 (256,): the same of tau = k/255, saliency apart.
        ignore_above: uint8 (rows,): saliency above it becomes 255 where no class wins; 255: none.
        own: row and k that act as the recipe's own thresholds.
    """

    floors: UInt8
    tau_floors: UInt8
    ignore_above: UInt8
    own: tuple[int, int]


def has_surface(recipe: Recipe) -> bool:
    """Whether both thresholds of a recipe can be swept, as `sweep_surface` does."""
    alone = (recipe.override_above, recipe.ignore_saliency) == (None, None)
    return recipe.uses_saliency and alone


def rule_tables(recipe: Recipe) -> RuleTables:
    """The tables of a recipe.

    Raises:
        NotSweepableError: its label does not follow from strongest byte and saliency alone.
        UsageError: its saliency threshold acts as none of j/255 does.
    """
    check_sweepable(recipe)
    own = replace(recipe, tau=0.0)
    rows = [own]
    if has_surface(recipe):
        rows = [replace(own, saliency_threshold=threshold) for threshold in TAUS]
    floors = np.stack([byte_rule(row).floor for row in rows])
    ignore_above = np.array([_ignored_above(row) for row in rows])
    same = (floors == byte_rule(own).floor).all(axis=1) & (ignore_above == _ignored_above(own))
    if not same.any():
        raise UsageError(
            f"the saliency threshold {recipe.saliency_threshold:g} acts as none of j/255 does",
            expected="0 for soft saliency, or 1/255 and more",
            hint="choose another with --saliency-threshold",
        )
    cuts = lowest_winners(recipe, TAUS)
    tau = np.searchsorted(cuts, lowest_winners(recipe, [recipe.tau])[0])
    return RuleTables(
        floors=floors,
        tau_floors=(cuts - 1).astype(np.uint8),
        ignore_above=ignore_above.clip(0).astype(np.uint8),
        own=(int(np.argmax(same)), min(int(tau), 255)),
    )


def _ignored_above(recipe: Recipe) -> int:
    return byte_rule(recipe).ignore_saliency if recipe.ignore else NOTHING_IS_ABOVE
