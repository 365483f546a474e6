"""What comes of a grid: its cells, and what is best and usual in rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.grid.cells import NOTICE, Cell, cell_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe

__all__ = ["Grid", "whole_mean"]


@dataclass(frozen=True)
class Grid:
    """All cells of a benchmark, those that could be scored.

    Attributes:
        rows: names of the saliency sets.
        columns: recipes by the name of the activation set.
        cells: by row and column. A column whose recipe uses no saliency has the same in each row.
        failed: why a cell has no score, by row and column.
        kept: how many cells were there already, made from the same maps.
        images: how many are listed.
        benchmark: class names.
        split: its name, or None where unknown.
        ignored: what a label of 255 counts as; None where no recipe writes one.
        surface: whether both thresholds were swept.
        others: names of other sets, by kind, that the folder keeps cells of.
    """

    rows: tuple[str, ...]
    columns: dict[str, Recipe]
    cells: dict[tuple[str, str], Cell]
    failed: dict[tuple[str, str], str]
    kept: int
    images: int
    benchmark: Benchmark
    split: str | None
    ignored: Policy | None
    surface: bool
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many cells have a score; one for all rows where the recipe uses no saliency."""
        return len(
            {
                (row if self.columns[column].uses_saliency else None, column)
                for row, column in self.cells
            }
        )

    @property
    def ground_truth_digest(self) -> str | None:
        """64 hex digits; None where no cell could be scored."""
        return next((cell.ground_truth_digest for cell in self.cells.values()), None)

    def values(self, of: str = "miou") -> list[list[float | None]]:
        """An attribute of all cells, rows of columns; None where there is no score.

        Args:
            of: name of an attribute of `Cell`.
        """
        return [
            [
                None if (cell := self.cells.get((row, column))) is None else getattr(cell, of)
                for column in self.columns
            ]
            for row in self.rows
        ]

    def row_means(self, of: str = "miou") -> list[float | None]:
        """Means over the columns; None where a cell is missing: other means would not compare."""
        return [whole_mean(line) for line in self.values(of)]

    def column_means(self, of: str = "miou") -> list[float | None]:
        """Means over the rows; None where a cell is missing."""
        return [whole_mean(line) for line in zip(*self.values(of), strict=True)]

    def best_rows(self, of: str = "miou") -> list[int | None]:
        """The row with the highest value of each column, the first of equal ones.

        None where the recipe uses no saliency, or fewer than two rows have a score.
        """
        return [
            _highest(line) if recipe.uses_saliency else None
            for line, recipe in zip(
                zip(*self.values(of), strict=True), self.columns.values(), strict=True
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/comparing.md."""
        return {
            "notice": NOTICE,
            "benchmark": self.benchmark.name,
            "synthetic": self.benchmark.synthetic,
            "split": self.split,
            "images": self.images,
            "ground_truth_digest": self.ground_truth_digest,
            "ignored": self.ignored,
            "surface": self.surface,
            "saliency": list(self.rows),
            "activation": [
                {"name": name, "recipe": recipe.settings(), "described": recipe.describe()}
                for name, recipe in self.columns.items()
            ],
            "cells": [
                {"saliency": row, "activation": column, **cell_scores(cell)}
                for (row, column), cell in self.cells.items()
            ],
            "mean_by_saliency": dict(zip(self.rows, self.row_means(), strict=True)),
            "mean_by_activation": dict(zip(self.columns, self.column_means(), strict=True)),
            "best_saliency": {
                column: None if row is None else self.rows[row]
                for column, row in zip(self.columns, self.best_rows(), strict=True)
            },
            "failed": [
                {"saliency": row, "activation": column, "reason": reason}
                for (row, column), reason in self.failed.items()
            ],
        }


def whole_mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where a value is missing, or there is none: other means would not compare."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if values and len(known) == len(values) else None


def _highest(values: Sequence[float | None]) -> int | None:
    known = [(-value, index) for index, value in enumerate(values) if value is not None]
    return min(known)[1] if len(known) > 1 else None
