"""One cell of a grid: the scores of one pair of map sets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.dialects import POLICIES

if TYPE_CHECKING:
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe

__all__ = [
    "NOTICE",
    "NO_SALIENCY",
    "Cell",
    "KeptCell",
    "cell_name",
    "cell_scores",
    "policies_of",
    "policy_name",
]

NOTICE = (
    "mIoU of the pseudo-labels themselves, not of a network trained on them: "
    "does not compare with WSSS-BED's tables"
)
"""Stands on everything that shows the numbers of a grid."""

NO_SALIENCY = "(no saliency)"
"""The row of a grid without saliency maps."""


@dataclass(frozen=True)
class Cell:
    """Scores of one pair of map sets.

    Attributes:
        miou: of the labels that the recipe makes, 0..1; None where no class occurs.
        best_tau: the activation threshold with the best mIoU, the saliency threshold being the
            recipe's.
        best_miou: the mIoU there.
        plateau: first and last tau around it with an mIoU within one point of the best.
        surface_saliency_threshold: of the best pair of thresholds; None where no surface was made.
        surface_tau: of the best pair of thresholds.
        surface_miou: the mIoU there.
        images: how many were scored.
        ground_truth_digest: 64 hex digits.
    """

    miou: float | None
    best_tau: float
    best_miou: float | None
    plateau: tuple[float, float]
    surface_saliency_threshold: float | None
    surface_tau: float | None
    surface_miou: float | None
    images: int
    ground_truth_digest: str

    @property
    def best(self) -> float | None:
        """The best mIoU that any setting gives, of those that were tried."""
        return self.best_miou if self.surface_miou is None else self.surface_miou

    @property
    def has_surface(self) -> bool:
        """Whether both thresholds were swept."""
        return self.surface_tau is not None

    def without_surface(self) -> Cell:
        """The same without what needs both thresholds swept."""
        return replace(self, surface_saliency_threshold=None, surface_tau=None, surface_miou=None)


@dataclass(frozen=True)
class KeptCell:
    """A cell under every policy for 255, as it is kept: none is scored again for another policy.

    Attributes:
        scores: by policy; under `none` alone where the recipe writes no 255.
    """

    scores: dict[str, Cell]

    def under(self, policy: Policy | None) -> Cell:
        """The scores under a policy; without 255 all are the same."""
        return self.scores.get("none") or self.scores[policy or "miss"]

    @property
    def has_surface(self) -> bool:
        """Whether both thresholds were swept."""
        return all(cell.has_surface for cell in self.scores.values())


def cell_name(row: str | None, column: str) -> str:
    """What a cell is called; `row` None: the recipe uses no saliency."""
    return column if row is None else f"{row} × {column}"


def cell_scores(cell: Cell) -> dict[str, Any]:
    """The attributes of a cell, JSON-ready."""
    first, last = cell.plateau
    return {**asdict(cell), "plateau": {"first_tau": first, "last_tau": last}}


def policies_of(recipe: Recipe) -> tuple[Policy | None, ...]:
    """The policies that a recipe can be scored under; None where it writes no 255."""
    return POLICIES if recipe.ignore else (None,)


def policy_name(policy: Policy | None) -> str:
    """What scores are kept under."""
    return policy or "none"
