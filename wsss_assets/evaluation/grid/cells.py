"""One cell of a grid: its scores, what they were made from, and the file they are kept in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.grid.sweeps import sweep_rows
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.labels.make import RULE_VERSION
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.sweep import TauSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, LabelFolder, SaliencySource

__all__ = ["NOTICE", "Cell", "CellScorer", "cell_name", "cell_scores", "cell_text", "read_cell"]

NOTICE = (
    "mIoU of the pseudo-labels themselves, not of a network trained on them: "
    "does not compare with WSSS-BED's tables"
)
"""Stands on everything that shows the numbers of a grid."""

_CELL_VERSION = 1
"""Raised when cells hold other things than before: old ones are made again."""


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


@dataclass
class CellScorer:
    """Scores cells.

    Attributes:
        labels: 0-based classes by image id.
        saliency: sources by name.
        activation: sources by name.
        truth: folder of label maps.
        benchmark: class names.
        policy: what a label of 255 counts as.
        surface: whether both thresholds are swept.
        workers: threads; None: one per core.
        progress: gives what shows a bar, from what is being read.
        ranks: which process this is.
    """

    labels: Mapping[str, Sequence[int]]
    saliency: Mapping[str, SaliencySource]
    activation: Mapping[str, ActivationSource]
    truth: LabelFolder
    benchmark: Benchmark
    policy: Policy | None
    surface: bool
    workers: int | None
    progress: Callable[[str], Progress] | None
    ranks: Ranks

    def __post_init__(self) -> None:
        self._versions: dict[tuple[str, str], str] = {}

    def score(
        self, rows: Sequence[str | None], column: str, recipe: Recipe
    ) -> Iterator[tuple[str | None, Cell | str]]:
        """The scores of some cells of a column, or why one has none; the same in all processes.

        They are swept together, and given one by one when both thresholds of one are done.

        Args:
            rows: names of saliency sets; None where the recipe uses none.
            column: name of the activation set.
            recipe: the rule.
        """
        names = {cell_name(row, column): row for row in rows}
        swept = sweep_rows(
            self.labels,
            {name: None if row is None else self.saliency[row] for name, row in names.items()},
            self.activation[column],
            self.truth.folder,
            recipe,
            self.benchmark,
            self.workers,
            self._bar(column),
            self.ranks,
        )
        for name, row in names.items():
            one = swept[name]
            yield row, one if isinstance(one, str) else self._cell(row, column, one)

    def _cell(self, row: str | None, column: str, swept: TauSweep) -> Cell:
        recipe = swept.recipe
        curve = swept.curve(self.policy if recipe.ignore else None)
        first, last = (curve.taus[index] for index in curve.plateau)
        cell = Cell(
            miou=plain(curve.miou[curve.recommended]),
            best_tau=curve.taus[curve.best],
            best_miou=plain(curve.miou[curve.best]),
            plateau=(first, last),
            surface_saliency_threshold=None,
            surface_tau=None,
            surface_miou=None,
            images=swept.images,
            ground_truth_digest=swept.ground_truth_digest,
        )
        if not self.surface or row is None:
            return cell
        planes = sweep_surface(
            self.labels,
            self.activation[column],
            self.truth.folder,
            saliency=self.saliency[row],
            recipe=recipe,
            benchmark=self.benchmark,
            workers=self.workers,
            progress=self._bar(f"{cell_name(row, column)}, surface"),
            ranks=self.ranks,
        ).surface(self.policy)
        return replace(
            cell,
            surface_saliency_threshold=planes.saliency_thresholds[planes.best[0]],
            surface_tau=planes.taus[planes.best[1]],
            surface_miou=plain(planes.miou[planes.best]),
        )

    def _bar(self, name: str) -> Progress | None:
        return None if self.progress is None else self.progress(name)

    def made_from(self, row: str | None, column: str, recipe: Recipe) -> str:
        """What a cell depends on, in short; the same in all processes."""
        saliency = None if row is None else self._version("saliency", row)
        settings = {
            "cell": _CELL_VERSION,
            "rule": RULE_VERSION,
            "recipe": recipe.settings(),
            "benchmark": [self.benchmark.name, *self.benchmark.classes],
            "ignored": self.policy if recipe.ignore else None,
            "surface": self.surface and recipe.uses_saliency,
            "labels": {image_id: sorted(found) for image_id, found in self.labels.items()},
            "ground_truth": self._version("ground truth", ""),
            "saliency": saliency,
            "activation": self._version("activation", column),
        }
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _version(self, kind: str, name: str) -> str:
        """A digest that changes when a map of the listed images does; taken once."""
        if (kind, name) not in self._versions:

            def digest(image_id: str) -> int:
                text = f"{image_id}\n{self._image_version(kind, name, image_id)}"
                return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")

            mine = self.ranks.stretch(list(self.labels))
            total = sum(map_with_progress(digest, mine, self.workers, None))
            self._versions[kind, name] = digest_text(self.ranks.everyone(total))
        return self._versions[kind, name]

    def _image_version(self, kind: str, name: str, image_id: str) -> str:
        if kind == "saliency":
            return self.saliency[name].version(image_id)
        if kind == "activation":
            return self.activation[name].version(image_id, sorted(self.labels[image_id]))
        return files_version([self.truth.files.get(image_id)])


def cell_name(row: str | None, column: str) -> str:
    """What a cell is called; `row` None: the recipe uses no saliency."""
    return column if row is None else f"{row} × {column}"


def read_cell(path: Path, made_from: str) -> Cell | None:
    """A cell that was made from just this; None where there is none."""
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["made_from"] != made_from:
            return None
        scores = {name: values[name] for name in Cell.__dataclass_fields__}
        if _digest(scores) != values["sha256"]:
            return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None  # not there, cut short or damaged
    return Cell(**{**scores, "plateau": tuple(scores["plateau"])})


def cell_text(cell: Cell, made_from: str, row: str, column: str) -> str:
    """What is written of a cell."""
    scores = cell_scores(cell)
    values = {
        "notice": NOTICE,
        "saliency": row,
        "activation": column,
        **scores,
        "sha256": _digest(scores),
        "made_from": made_from,
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def cell_scores(cell: Cell) -> dict[str, Any]:
    """The attributes of a cell, JSON-ready."""
    values = asdict(cell)
    return {**values, "plateau": list(values["plateau"])}


def _digest(scores: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(scores, sort_keys=True).encode()).hexdigest()
