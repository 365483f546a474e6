"""The labels that oracles and label-free rules lead to, counted in one pass over the images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.evaluation.tau_counts import confusions_of
from wsss_assets.evaluation.thresholds.choosing import choose_tau
from wsss_assets.evaluation.thresholds.oracles import best_tau_by_class, miou_of
from wsss_assets.evaluation.thresholds.own import quantile
from wsss_assets.evaluation.thresholds.selectors import SELECTORS
from wsss_assets.labels.make import lowest_winners

if TYPE_CHECKING:
    from wsss_assets.evaluation.sweep import TauCurve, TauSweep
    from wsss_assets.evaluation.thresholds.choosing import Choosing
    from wsss_assets.evaluation.thresholds.selectors import Selector
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = [
    "FAILS",
    "LEVELS",
    "Choice",
    "ChoiceTally",
]

Int64: TypeAlias = NDArray[np.int64]

LEVELS = ("dataset", "class", "image")
"""What has a threshold of its own: nothing; each strongest class; each image."""

FAILS = 0.02
"""A rule fails where it loses more mIoU than that against the best one tau."""

_ORACLES = ("image", "pair")


@dataclass(frozen=True)
class Choice:
    """What a label-free rule chose, and what came of it.

    Attributes:
        selector: name of the rule; `recipe`: the recipe's own tau.
        source: who published it.
        level: one of `LEVELS`.
        tau: the tau chosen, or the median of those chosen; None where the rule chose none.
        miou: mIoU of the labels, 0..1; NaN where there are none.
        regret: the mIoU of the best one tau for all less that; below 0 where several thresholds
            are better than any single one.
        undefined: for how many things of its level the rule says nothing; they keep the recipe's.
        chosen: for how many it chooses.
        needs_saliency: whether it needs saliency.
        has_saliency: whether there were saliency maps.
    """

    selector: str
    source: str
    level: str
    tau: float | None
    miou: float
    regret: float
    undefined: int
    chosen: int
    needs_saliency: bool
    has_saliency: bool

    @property
    def verdict(self) -> str:
        """`undefined: …`, `fails here`, `better than any one tau`, or nothing."""
        if self.tau is None:
            if self.needs_saliency and not self.has_saliency:
                return "undefined: no saliency maps"
            no_salient = ", or no pixel is salient" if self.needs_saliency else ""
            return f"undefined: maps of one value{no_salient}"
        if self.regret > FAILS:
            return "fails here"
        return "better than any one tau" if self.regret < 0 else ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, named as the attributes, and `verdict`."""
        values = asdict(self) | {"miou": plain(self.miou), "regret": plain(self.regret)}
        del values["has_saliency"]
        return values | {"verdict": self.verdict or None}


class ChoiceTally:
    """Adds up what oracles and selectors lead to.

    Args:
        classes: how many the benchmark has.
    """

    def __init__(self, classes: int) -> None:
        count = len(_ORACLES) + len(SELECTORS)
        self._confusions = np.zeros((count, classes + 1, classes + 2), np.int64)
        self._pooled = np.zeros((2, classes, 256), np.int64)
        self._taus = np.zeros((len(SELECTORS), 256), np.int64)
        self._undefined = np.zeros(len(SELECTORS), np.int64)

    def add(self, image: Choosing) -> None:
        """Add an image."""
        self._pooled[:, image.present] += image.pooled
        columns = [*image.values, self._confusions.shape[2] - 1]
        self._confusions[np.ix_(range(len(self._confusions)), image.values, columns)] += (
            image.confusions
        )
        if image.pooled.any():  # an image without maps has nothing to choose for
            for row, tau in enumerate(image.taus):
                self._taus[row, tau] += tau >= 0
                self._undefined[row] += tau < 0

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted."""
        ranks.add_up(self._confusions, self._pooled, self._taus, self._undefined)

    def oracles(self, swept: TauSweep, curve: TauCurve, histograms: Int64) -> dict[str, float]:
        """MIoU of labels with the best tau of each image, class, and pair of both."""
        policy = curve.ignored or "miss"
        image, pair = (miou_of(each, policy) for each in self._confusions[: len(_ORACLES)])
        taus = best_tau_by_class(curve, swept.confusions)
        cuts = lowest_winners(swept.recipe, TAUS)
        by_class = confusions_of(histograms, cuts[np.array([taus])])[0]
        return {"image": image, "class": miou_of(by_class, policy), "pair": pair}

    def choices(
        self, swept: TauSweep, curve: TauCurve, histograms: Int64, has_saliency: bool
    ) -> tuple[Choice, ...]:
        """What each selector leads to at each level, after the recipe's own tau.

        Args:
            swept: of all images.
            curve: its curve.
            histograms: int64 (2, C + 1, C, 256) of all images; see `TauCounts`.
            has_saliency: whether there were saliency maps.
        """
        cuts, best = lowest_winners(swept.recipe, TAUS), float(curve.miou[curve.best])
        own = float(curve.miou[curve.recommended])
        made = [_own_choice(swept.recipe, own, best - own)]
        for level in LEVELS:
            for number, selector in enumerate(SELECTORS):
                if level == "image":
                    outcome = self._of_images(number)
                else:
                    found = self._found(selector, level, cuts)
                    outcome = _of_classes(found, curve.recommended, cuts, histograms)
                chosen = int(outcome.taus.sum())
                miou = float("nan")
                if chosen:
                    miou = miou_of(outcome.confusion, curve.ignored or "miss")
                made.append(
                    Choice(
                        selector=selector.name,
                        source=selector.source,
                        level=level,
                        tau=TAUS[quantile(outcome.taus, 1, 2)] if chosen else None,
                        miou=miou,
                        regret=best - miou,
                        undefined=outcome.undefined,
                        chosen=chosen,
                        needs_saliency=selector.needs_saliency,
                        has_saliency=has_saliency,
                    )
                )
        return tuple(made)

    def _of_images(self, number: int) -> _Outcome:
        confusion = self._confusions[len(_ORACLES) + number]
        return _Outcome(self._taus[number], int(self._undefined[number]), confusion)

    def _found(self, selector: Selector, level: str, cuts: Int64) -> list[tuple[list[int], int]]:
        """Classes that share a threshold, and the index of the tau found for them, or -1."""
        classes = range(self._pooled.shape[1])
        if level == "dataset":
            return [([*classes], choose_tau(selector, self._pooled.sum(axis=1), cuts))]
        return [
            ([index], choose_tau(selector, self._pooled[:, index], cuts))
            for index in classes
            if self._pooled[:, index].any()
        ]


@dataclass(frozen=True)
class _Outcome:
    """Of one selector at one level: int64 (256,) choices by index of tau, and the labels."""

    taus: Int64
    undefined: int
    confusion: Int64


def _of_classes(
    found: list[tuple[list[int], int]], own: int, cuts: Int64, histograms: Int64
) -> _Outcome:
    """The labels with a threshold by strongest class; where none was found, the recipe's own."""
    each = np.full(histograms.shape[2], own)
    taus = np.zeros(256, np.int64)
    for classes, tau in found:
        if tau >= 0:
            each[classes] = tau
            taus[tau] += 1
    confusion = confusions_of(histograms, cuts[each[None]])[0]
    return _Outcome(taus, len(found) - int(taus.sum()), confusion)


def _own_choice(recipe: Recipe, miou: float, regret: float) -> Choice:
    return Choice(
        selector="recipe",
        source=recipe.name,
        level="dataset",
        tau=recipe.tau,
        miou=miou,
        regret=regret,
        undefined=0,
        chosen=1,
        needs_saliency=False,
        has_saliency=True,
    )
