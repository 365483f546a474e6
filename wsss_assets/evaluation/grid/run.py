"""The grid of methods × saliency maps: how good the pseudo-labels of each pair are.

It has the shape of Table 1 of WSSS-BED (arXiv 2404.00918) and other numbers: there a network
trained on the pseudo-labels is scored, here the pseudo-labels themselves are.

Each cell is one sweep, of which several are made in one pass over the images. They are written when
that is done, with what they were made from, so that a run that was stopped goes on, another map set
adds cells, and maps that changed are scored again. A cell holds the scores under every policy for
255. The folder is stamped with the recipe, the list and the ground truth: others are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.catalog.names import map_set_names
from wsss_assets.errors import UsageError
from wsss_assets.evaluation.aligned import check_sweepable
from wsss_assets.evaluation.grid.cell_files import cell_text, other_sets, read_cell
from wsss_assets.evaluation.grid.cells import NO_SALIENCY, KeptCell, cell_name
from wsss_assets.evaluation.grid.scorer import CellScorer
from wsss_assets.evaluation.grid.scores import Grid
from wsss_assets.evaluation.sweep import require_policy
from wsss_assets.evaluation.tau_counts import TauTally
from wsss_assets.labels.recipes import METHODS, Recipe, get_recipe
from wsss_assets.ranks import ALONE
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.maps import LabelFolder, is_afar, open_activations, open_saliency
from wsss_assets.storage.stamps import claim_folder, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.grid.sweeps import Pair
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["benchmark_grid", "recipe_for"]

SaliencySets: TypeAlias = "Mapping[str, Path | str | SaliencySource]"
ActivationSets: TypeAlias = "Mapping[str, Path | str | ActivationSource]"

_ROWS_AT_ONCE = 8
"""Saliency sets that are swept in one pass: each takes 2 MB for VOC's counts, 27 for COCO's."""

_MOST_COUNTS = 1 << 29
"""Bytes of counts in one pass where it takes several columns: all of VOC's, two of COCO's."""

_SIMULATED = "simulated_"
"""What the methods of the mini benchmark are called before the name of the method."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 80


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
    same maps, masks and labels is not made again, also under another policy. Cells with a surface
    do for a grid without, and one is added to those that have none. A map that is missing or
    unusable costs its cell alone.

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
        surface: also try every saliency threshold, of recipes that use saliency. Where all cells
            have that already, it is in the grid also without being asked for.
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
        FolderInUseError: `out` holds something else, or a grid of another recipe, list or ground
            truth.
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
        surface=surface,
        workers=workers,
        progress=progress,
        ranks=ranks,
    )
    stamp = {
        "made_by": "wsss-assets benchmark",
        "benchmark": known.name,
        "recipe": "as each method has it" if recipe is None else recipe.describe(),
        "recipe_sha256": None if recipe is None else _digest(recipe.settings()),
        "list": {"images": len(labels), "sha256": _digest(_listed(labels))},
        "ground_truth": place(Path(ground_truth), Path(out)),
    }
    ranks.first(lambda: claim_folder(Path(out), stamp))
    done: dict[Pair, KeptCell | str] = {}
    kept, count = 0, len(set(places.values()))
    for columns in _in_passes(scorer, rows, list(recipes)):
        files = {
            (row if recipes[column].uses_saliency else None, column): Path(out)
            / "cells"
            / places[row, column]
            for column in columns
            for row in rows
        }
        versions = {pair: scorer.made_from(*pair, recipes[pair[1]]) for pair in files}
        held = {
            pair: ranks.first(partial(read_cell, path, versions[pair], recipes[pair[1]]))
            for pair, path in files.items()
        }
        for pair, scored in _completed(scorer, held, recipes):
            done[pair] = scored
            if scored is held[pair]:
                kept += 1
                continue
            row, column = pair
            if isinstance(scored, KeptCell) and ranks.is_first:
                text = cell_text(scored, versions[pair], row or NO_SALIENCY, column)
                write_atomically(files[pair], text)
            if notify is not None:
                notify(cell_name(row, column), len(done), count)
    pairs = {
        pair: (pair[0] if recipes[pair[1]].uses_saliency else None, pair[1]) for pair in places
    }
    found = {pair: done[key] for pair, key in pairs.items()}
    cells = {pair: one.under(policy) for pair, one in found.items() if isinstance(one, KeptCell)}
    has_surface = all(
        cell.has_surface for (_, column), cell in cells.items() if recipes[column].uses_saliency
    )
    if not has_surface:
        cells = {pair: cell.without_surface() for pair, cell in cells.items()}
    return Grid(
        rows=rows,
        columns=recipes,
        cells=cells,
        failed={pair: one for pair, one in found.items() if isinstance(one, str)},
        kept=kept,
        images=len(labels),
        benchmark=known,
        split=split,
        ignored=policy,
        surface=surface or (has_surface and any(cell.has_surface for cell in cells.values())),
        others=ranks.first(lambda: other_sets(Path(out) / "cells", rows, recipes)),
    )


def _in_passes(
    scorer: CellScorer, rows: Sequence[str], columns: Sequence[str]
) -> list[Sequence[str]]:
    """The columns, by those that are swept in one pass; the same in all processes.

    A column by itself is done soonest, and a run that is stopped loses the least. Saliency maps
    that are read from afar would have to come anew for each, so as many columns share a pass then
    as there is room for.
    """
    at_once = 1
    if any(scorer.ranks.everyone(any(map(is_afar, scorer.saliency.values())))):
        counts = TauTally.bytes_for(len(scorer.benchmark.classes))
        at_once = max(1, _MOST_COUNTS // (counts * min(len(rows), _ROWS_AT_ONCE)))
    return [columns[start : start + at_once] for start in range(0, len(columns), at_once)]


def _completed(
    scorer: CellScorer, held: Mapping[Pair, KeptCell | None], recipes: Mapping[str, Recipe]
) -> Iterator[tuple[Pair, KeptCell | str]]:
    """All cells of some columns: those that are held as they are, the others as they get done.

    Args:
        scorer: makes what is missing.
        held: by pair of sets.
        recipes: the rule by name of the activation set.
    """
    missing = [pair for pair, cell in held.items() if cell is None]
    for (row, column), cell in held.items():
        if cell is None:
            continue
        if not scorer.surface or row is None or cell.has_surface:
            yield (row, column), cell
        else:
            yield (row, column), scorer.with_surface(cell, row, column, recipes[column])
    rows = list(dict.fromkeys(row for row, _ in missing))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        chosen = rows[start : start + _ROWS_AT_ONCE]
        yield from scorer.score([pair for pair in missing if pair[0] in chosen], recipes)


def _listed(labels: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    return {image_id: sorted(found) for image_id, found in labels.items()}


def _digest(values: Mapping[str, Any]) -> str:
    """Stands for some values, in whatever order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


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
        (row, column): f"{_file_name(row if recipe.uses_saliency else 'no_saliency')}"
        f"__{_file_name(column)}.json"
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


def _file_name(name: str) -> str:
    """A name as a part of a file name, which may have 255 bytes."""
    usual = _UNUSUAL.sub("-", name)
    if len(usual) <= _LONGEST_NAME:
        return usual
    return f"{usual[: _LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
