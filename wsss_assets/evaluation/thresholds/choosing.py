"""What oracles and label-free rules make of one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.evaluation.tau_counts import tau_index
from wsss_assets.evaluation.thresholds.oracles import ImageConfusions
from wsss_assets.evaluation.thresholds.selectors import SELECTORS
from wsss_assets.labels.make import byte_rule, lowest_winners, strongest

if TYPE_CHECKING:
    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.tau_counts import TauCounts
    from wsss_assets.evaluation.thresholds.selectors import Selector
    from wsss_assets.labels.recipes import Recipe

__all__ = ["Chooser", "Choosing", "choose_tau"]

Int64: TypeAlias = NDArray[np.int64]

_SOFT = 0.5
"""Saliency above it is salient where the recipe has no threshold."""


@dataclass(frozen=True)
class Choosing:
    """What one image adds.

    Attributes:
        present: 0-based classes of its maps.
        pooled: int64 (2, n, 256): not salient or salient; strongest class; its byte. All pixels.
        values: the label values that it has, m of them.
        confusions: int64 (N, m, m + 1) of its labels by oracles and then by selectors.
        taus: index of the tau of each selector; -1 where it says nothing.
    """

    present: list[int]
    pooled: Int64
    values: list[int]
    confusions: Int64
    taus: list[int]


@dataclass(frozen=True)
class Chooser:
    """Labels one image as oracles and selectors would.

    Attributes:
        cuts: int64 (256,), the lowest byte that wins, by index of tau.
        own: index that acts as the recipe's tau.
        policy: what a label of 255 counts as.
        salient_above: saliency that counts as salient, 0..1.
        salient_byte: bytes above it are salient.
    """

    cuts: Int64
    own: int
    policy: Policy
    salient_above: float
    salient_byte: int

    @classmethod
    def of(cls, recipe: Recipe, policy: Policy | None) -> Chooser:
        """The chooser for a recipe that can be swept."""
        cuts = lowest_winners(recipe, TAUS)
        level = recipe.saliency_threshold if recipe.saliency_threshold > 0 else _SOFT
        salient = byte_rule(replace(recipe, saliency_threshold=level, ignore_saliency=None))
        own = tau_index(cuts, int(lowest_winners(recipe, [recipe.tau])[0]))
        return cls(cuts, own, policy or "miss", level, salient.ignore_saliency)

    def __call__(self, image: AlignedImage, counts: TauCounts) -> Choosing:
        """Look at an image.

        Args:
            image: with saliency where there is any.
            counts: of the image, by the recipe.
        """
        labels = ImageConfusions(counts, self.cuts, self.policy)
        pooled = self._pooled(image)
        taus = [choose_tau(one, pooled.sum(axis=1), self.cuts) for one in SELECTORS]
        chosen = [labels.best_tau(), *(self.own if tau < 0 else tau for tau in taus)]
        confusions = labels.of_tau[chosen]
        pair = labels.of_taus(labels.best_tau_by_class())
        return Choosing(
            present=counts.present,
            pooled=pooled,
            values=labels.values,
            confusions=np.concatenate([confusions[:1], pair[None], confusions[1:]]),
            taus=taus,
        )

    def _pooled(self, image: AlignedImage) -> Int64:
        maps = list(image.activations.values())
        if not maps:
            return np.zeros((2, 1, 256), np.int64)
        winner, byte = strongest(maps, [*range(len(maps))])
        joint = winner.astype(np.int64)
        joint <<= 8
        joint += byte
        size = len(maps) << 8
        if image.saliency is not None:
            joint[image.saliency > self.salient_byte] += size
        counts = np.bincount(joint.ravel(), minlength=2 * size)
        return counts.reshape(2, len(maps), 256).astype(np.int64, copy=False)


def choose_tau(selector: Selector, histograms: Int64, cuts: Int64) -> int:
    """Index of the tau that a selector chooses; -1 where it says nothing.

    Args:
        selector: the rule.
        histograms: int64 (2, 256), what it sees.
        cuts: int64 (256,), the lowest byte that wins, by index of tau.
    """
    byte = selector.choose(histograms)
    return -1 if byte is None else tau_index(cuts, byte)
