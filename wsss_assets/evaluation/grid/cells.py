"""One cell of a grid: its scores, what they were made from, and the file they are kept in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.dialects import POLICIES
from wsss_assets.evaluation.grid.sweeps import sweep_rows
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.labels.make import RULE_VERSION
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.sweep import TauSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, LabelFolder, SaliencySource

__all__ = [
    "NOTICE",
    "NO_SALIENCY",
    "Cell",
    "CellScorer",
    "KeptCell",
    "cell_name",
    "cell_scores",
    "cell_text",
    "other_sets",
    "read_cell",
]

NOTICE = (
    "mIoU of the pseudo-labels themselves, not of a network trained on them: "
    "does not compare with WSSS-BED's tables"
)
"""Stands on everything that shows the numbers of a grid."""

NO_SALIENCY = "(no saliency)"
"""The row of a grid without saliency maps."""

_CELL_VERSION = 2
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


@dataclass
class CellScorer:
    """Scores cells.

    Attributes:
        labels: 0-based classes by image id.
        saliency: sources by name.
        activation: sources by name.
        truth: folder of label maps.
        benchmark: class names.
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
    surface: bool
    workers: int | None
    progress: Callable[[str], Progress] | None
    ranks: Ranks

    def __post_init__(self) -> None:
        self._versions: dict[tuple[str, str], str | None] = {}

    def score(
        self, rows: Sequence[str | None], column: str, recipe: Recipe
    ) -> Iterator[tuple[str | None, KeptCell | str]]:
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

    def _cell(self, row: str | None, column: str, swept: TauSweep) -> KeptCell:
        cell = KeptCell({_key(policy): _swept(swept, policy) for policy in _all(swept.recipe)})
        if not self.surface or row is None:
            return cell
        return self.with_surface(cell, row, column, swept.recipe)

    def with_surface(self, cell: KeptCell, row: str, column: str, recipe: Recipe) -> KeptCell:
        """The same cell with both thresholds swept.

        Args:
            cell: one without that.
            row: name of the saliency set.
            column: name of the activation set.
            recipe: the rule.
        """
        swept = sweep_surface(
            self.labels,
            self.activation[column],
            self.truth.folder,
            saliency=self.saliency[row],
            recipe=recipe,
            benchmark=self.benchmark,
            workers=self.workers,
            progress=self._bar(f"{cell_name(row, column)}, surface"),
            ranks=self.ranks,
        )
        found = {}
        for policy in _all(recipe):
            planes = swept.surface(policy)
            name = _key(policy)
            found[name] = replace(
                cell.scores[name],
                surface_saliency_threshold=planes.saliency_thresholds[planes.best[0]],
                surface_tau=planes.taus[planes.best[1]],
                surface_miou=plain(planes.miou[planes.best]),
            )
        return KeptCell(found)

    def _bar(self, name: str) -> Progress | None:
        return None if self.progress is None else self.progress(name)

    def made_from(self, row: str | None, column: str, recipe: Recipe) -> str:
        """What a cell depends on, in short; a policy is no part of it, nor is the surface.

        Where that is not known it is another text each time, so that no cell is kept.
        """
        versions = {
            "ground_truth": self._version("ground truth", ""),
            "activation": self._version("activation", column),
        }
        if row is not None:
            versions["saliency"] = self._version("saliency", row)
        settings = {
            "cell": _CELL_VERSION,
            "rule": RULE_VERSION,
            "recipe": recipe.settings(),
            "benchmark": [self.benchmark.name, *self.benchmark.classes],
            "labels": {image_id: sorted(found) for image_id, found in self.labels.items()},
            "unknown": secrets.token_hex() if None in versions.values() else None,
            **versions,
        }
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _version(self, kind: str, name: str) -> str | None:
        """A digest that changes when a map of the listed images does, taken once.

        None where a source does not say what it has.
        """
        contents = getattr(self._sets(kind).get(name), "contents", None)
        if contents is not None:  # shards that are known; they need not be read for this
            return str(contents)
        if (kind, name) not in self._versions:
            mine = self.ranks.stretch(list(self.labels))
            total, is_known = 0, True
            number = partial(self._image_number, kind, name)
            for one in map_with_progress(number, mine, self.workers, None):
                total += one or 0
                is_known &= one is not None
            totals = self.ranks.everyone(total if is_known else None)
            known = [one for one in totals if one is not None]
            whole = len(known) == len(totals)
            self._versions[kind, name] = digest_text(known) if whole else None
        return self._versions[kind, name]

    def _image_number(self, kind: str, name: str, image_id: str) -> int | None:
        """What stands for an image's maps in a sum over images; None: nothing is known of them."""
        version = self._image_version(kind, name, image_id)
        if not version and (kind != "activation" or self.labels[image_id]):
            return None
        text = f"{image_id}\n{version}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")

    def _sets(self, kind: str) -> Mapping[str, Any]:
        return {"saliency": self.saliency, "activation": self.activation}.get(kind, {})

    def _image_version(self, kind: str, name: str, image_id: str) -> str:
        if kind == "saliency":
            return self.saliency[name].version(image_id)
        if kind == "activation":
            return self.activation[name].version(image_id, sorted(self.labels[image_id]))
        return files_version([self.truth.files.get(image_id)])


def cell_name(row: str | None, column: str) -> str:
    """What a cell is called; `row` None: the recipe uses no saliency."""
    return column if row is None else f"{row} × {column}"


def read_cell(path: Path, made_from: str, recipe: Recipe) -> KeptCell | None:
    """A cell that was made from just this with this recipe; None where there is none."""
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["made_from"] != made_from or _digest(values) != values["sha256"]:
            return None
        shared = {name: values[name] for name in _SHARED}
        found = {}
        for policy in _all(recipe):
            scores = {name: values["scores"][_key(policy)][name] for name in _BY_POLICY}
            plateau = scores["plateau"]
            scores["plateau"] = (plateau["first_tau"], plateau["last_tau"])
            found[_key(policy)] = Cell(**scores, **shared)
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


def cell_scores(cell: Cell) -> dict[str, Any]:
    """The attributes of a cell, JSON-ready."""
    first, last = cell.plateau
    return {**asdict(cell), "plateau": {"first_tau": first, "last_tau": last}}


_SHARED = ("images", "ground_truth_digest")
_BY_POLICY = tuple(one.name for one in fields(Cell) if one.name not in _SHARED)


def _all(recipe: Recipe) -> tuple[Policy | None, ...]:
    """The policies that a recipe can be scored under; None where it writes no 255."""
    return POLICIES if recipe.ignore else (None,)


def _key(policy: Policy | None) -> str:
    """What scores are kept under."""
    return policy or "none"


def _swept(swept: TauSweep, policy: Policy | None) -> Cell:
    """What a sweep says under a policy."""
    curve = swept.curve(policy)
    first, last = (curve.taus[index] for index in curve.plateau)
    return Cell(
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


def _digest(values: Mapping[str, Any]) -> str:
    """Of all but itself."""
    known = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
