"""Scores cells of a grid, and says what each is made from."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.grid.cells import Cell, KeptCell, cell_name, policies_of, policy_name
from wsss_assets.evaluation.grid.sweeps import sweep_pairs
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.labels.make import RULE_VERSION
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.grid.sweeps import Pair
    from wsss_assets.evaluation.sweep import TauSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, LabelFolder, SaliencySource

__all__ = ["CellScorer"]

_CELL_VERSION = 2
"""Raised when cells hold other things than before: old ones are made again."""


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
        self, pairs: Sequence[Pair], recipes: Mapping[str, Recipe]
    ) -> Iterator[tuple[Pair, KeptCell | str]]:
        """The scores of some cells, or why one has none; the same in all processes.

        They are swept together, and given one by one when both thresholds of one are done.

        Args:
            pairs: which cells.
            recipes: the rule by name of the activation set.
        """
        columns = list(dict.fromkeys(column for _, column in pairs))
        swept = sweep_pairs(
            self.labels,
            pairs,
            self.saliency,
            self.activation,
            self.truth.folder,
            recipes,
            self.benchmark,
            self.workers,
            self._bar(columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"),
            self.ranks,
        )
        for pair in pairs:
            one = swept[pair]
            yield pair, one if isinstance(one, str) else self._cell(*pair, one)

    def _cell(self, row: str | None, column: str, swept: TauSweep) -> KeptCell:
        cell = KeptCell(
            {policy_name(policy): _swept(swept, policy) for policy in policies_of(swept.recipe)}
        )
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
        for policy in policies_of(recipe):
            planes = swept.surface(policy)
            name = policy_name(policy)
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
