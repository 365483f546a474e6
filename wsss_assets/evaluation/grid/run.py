"""The grid of methods × saliency maps: how good the pseudo-labels of each pair are.

It has the shape of Table 1 of WSSS-BED (arXiv 2404.00918) and other numbers: there a network
trained on the pseudo-labels is scored, here the pseudo-labels themselves are.

Each cell is one sweep. It is written as soon as it is done, with what it was made from, so that a
run that was stopped goes on, another map set adds cells, and maps that changed are scored again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.catalog.names import map_set_names
from wsss_assets.errors import UsageError
from wsss_assets.evaluation.aligned import check_sweepable
from wsss_assets.evaluation.grid.cells import (
    NOTICE,
    Cell,
    CellScorer,
    cell_name,
    cell_scores,
    cell_text,
    read_cell,
)
from wsss_assets.evaluation.sweep import require_policy
from wsss_assets.labels.recipes import METHODS, Recipe, get_recipe
from wsss_assets.ranks import ALONE
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.maps import LabelFolder, open_activations, open_saliency
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["NO_SALIENCY", "Grid", "benchmark_grid", "recipe_for"]

SaliencySets: TypeAlias = "Mapping[str, Path | str | SaliencySource]"
ActivationSets: TypeAlias = "Mapping[str, Path | str | ActivationSource]"

NO_SALIENCY = "(no saliency)"
"""The row of a grid without saliency maps."""

_ROWS_AT_ONCE = 8
"""Saliency sets that are swept in one pass: each takes 2 MB for VOC's counts, 27 for COCO's."""

_SIMULATED = "simulated_"
"""What the methods of the mini benchmark are called before the name of the method."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Grid:
    """All cells of a benchmark, those that could be scored.

    Attributes:
        rows: names of the saliency sets.
        columns: recipes by the name of the activation set.
        cells: by row and column. A column whose recipe uses no saliency has the same in each row.
        failed: why a cell has no score, by row and column.
        kept: how many cells were there already, made from the same maps and settings.
        images: how many are listed.
        benchmark: class names.
        split: its name, or None where unknown.
        ignored: what a label of 255 counts as; None where no recipe writes one.
        surface: whether both thresholds were swept.
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
        return [_mean(line) for line in self.values(of)]

    def column_means(self, of: str = "miou") -> list[float | None]:
        """Means over the rows; None where a cell is missing."""
        return [_mean(line) for line in zip(*self.values(of), strict=True)]

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


def recipe_for(name: str) -> Recipe:
    """WSSS-BED's settings where a set is called as one of its methods, else its plain recipe.

    Args:
        name: of an activation set: `cam`, `simulated_cam` of the mini benchmark, or `eps_vst_duts`
            of the catalogue.
    """
    method = name.lower().removeprefix(_SIMULATED)
    if any(one.endswith(f"/activation/{method}") for one in map_set_names()):
        method = method.partition("_")[0]
    return get_recipe(method=method) if method in METHODS else get_recipe()


def benchmark_grid(
    labels: Mapping[str, Sequence[int]],
    saliency: SaliencySets,
    activation: ActivationSets,
    ground_truth: Path | str,
    out: Path | str,
    *,
    recipe: Recipe | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    ignored: Policy | str | None = None,
    surface: bool = False,
    workers: int | None = None,
    progress: Callable[[str], Progress] | None = None,
    notify: Callable[[str, int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> Grid:
    """Score the pseudo-labels of every saliency set with every activation set.

    Cells are kept in `<out>/cells/`, each written whole when it is done; one that was made from the
    same maps, masks, labels and settings is not made again. A map that is missing or unusable costs
    its cell alone.

    Args:
        labels: 0-based classes by image id.
        saliency: folders or sources by name: the rows. It may be empty where no recipe uses any.
        activation: folders or sources by name: the columns.
        ground_truth: folder of label maps.
        out: where to; made if need be.
        recipe: the rule for all; None: for each activation set `recipe_for` its name.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        ignored: what a label of 255 counts as; needed where a recipe writes it.
        surface: also try every saliency threshold, of recipes that use saliency.
        workers: threads; None: one per core. No number depends on it.
        progress: gives what shows a bar, from what is being read.
        notify: is told of each cell that is done: its name, how many are, how many there are.
        ranks: which process this is, where several share the images of each cell.

    Raises:
        UsageError: the list is empty, a recipe needs saliency maps, or two names are too alike.
        IgnoredPixelsError: a recipe writes 255 and there is no policy.
        NotSweepableError: the recipe's structure does not allow a sweep.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty.
        FolderInUseError: `out` holds something else.
    """
    known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    known.check_classes(labels)
    recipes = {name: recipe_for(name) if recipe is None else recipe for name in activation}
    _check(labels, saliency, recipes)
    policy = require_policy(ignored, any(one.ignore for one in recipes.values()))
    rows = tuple(saliency) or (NO_SALIENCY,)
    places = _places(rows, recipes)
    scorer = CellScorer(
        labels=labels,
        saliency={name: open_saliency(one) for name, one in saliency.items()},
        activation={name: open_activations(one) for name, one in activation.items()},
        truth=LabelFolder(Path(ground_truth)),
        benchmark=known,
        policy=policy,
        surface=surface,
        workers=workers,
        progress=progress,
        ranks=ranks,
    )
    stamp = {"made_by": "wsss-assets benchmark", "benchmark": known.name}
    ranks.first(lambda: claim_folder(Path(out), stamp))
    done: dict[tuple[str | None, str], Cell | str] = {}
    kept, count = 0, len(set(places.values()))
    for column, one in recipes.items():
        wanted = {row if one.uses_saliency else None: places[row, column] for row in rows}
        made_from = {row: scorer.made_from(row, column, one) for row in wanted}
        missing: list[str | None] = []
        for row, file_name in wanted.items():
            path = Path(out) / "cells" / file_name
            held = ranks.first(partial(read_cell, path, made_from[row]))
            if held is None:
                missing.append(row)
                continue
            kept += 1
            done[row, column] = held
        for start in range(0, len(missing), _ROWS_AT_ONCE):
            some = missing[start : start + _ROWS_AT_ONCE]
            for row, scored in scorer.score(some, column, one):
                done[row, column] = scored
                if isinstance(scored, Cell) and ranks.is_first:
                    text = cell_text(scored, made_from[row], row or NO_SALIENCY, column)
                    write_atomically(Path(out) / "cells" / wanted[row], text)
                if notify is not None:
                    notify(cell_name(row, column), len(done), count)
    cells, failed = {}, {}
    for pair in places:
        result = done[pair[0] if recipes[pair[1]].uses_saliency else None, pair[1]]
        if isinstance(result, Cell):
            cells[pair] = result
        else:
            failed[pair] = result
    return Grid(rows, recipes, cells, failed, kept, len(labels), known, split, policy, surface)


def _check(
    labels: Mapping[str, Sequence[int]], saliency: SaliencySets, recipes: Mapping[str, Recipe]
) -> None:
    """Refuse what would fail in every cell.

    Raises:
        UsageError: see `benchmark_grid`; so for the others.
    """
    if not labels:
        raise UsageError("the label list is empty, so there is nothing to score")
    if not recipes:
        raise UsageError(
            "there is no activation set", hint="name one with --activation NAME=DIR, or --root DIR"
        )
    for name, recipe in recipes.items():
        check_sweepable(recipe)
        if recipe.uses_saliency and not saliency:
            raise UsageError(
                f"recipe {recipe.name} for {name} needs saliency maps",
                hint="name some with --saliency NAME=DIR, or do without with --no-saliency",
            )


def _places(rows: Sequence[str], recipes: Mapping[str, Recipe]) -> dict[tuple[str, str], str]:
    """File names of cells by row and column; one for all rows where saliency is not used.

    Raises:
        UsageError: two cells would have one file.
    """
    places = {
        (row, column): f"{_UNUSUAL.sub('-', row if recipe.uses_saliency else 'no_saliency')}"
        f"__{_UNUSUAL.sub('-', column)}.json"
        for row in rows
        for column, recipe in recipes.items()
    }
    taken: dict[str, tuple[str | None, str]] = {}
    for (row, column), name in places.items():
        pair = (row if recipes[column].uses_saliency else None, column)
        if taken.setdefault(name.lower(), pair) != pair:
            raise UsageError(
                f"the names {row} and {column} are too much like others: two cells would be {name}",
                hint="give the sets other names: --saliency NAME=DIR, --activation NAME=DIR",
            )
    return places


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if values and len(known) == len(values) else None


def _highest(values: Sequence[float | None]) -> int | None:
    known = [(-value, index) for index, value in enumerate(values) if value is not None]
    return min(known)[1] if len(known) > 1 else None
