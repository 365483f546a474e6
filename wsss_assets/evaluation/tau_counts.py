"""What images add to a sweep of every tau: histograms of the strongest byte by the true class.

At a pixel only three things matter for every tau: which class is strongest, its byte, and
whether saliency lets it win at all. So the confusion matrices of all tau, or of a tau for each
class, are suffix sums of a histogram `[true class, strongest class, byte]`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.labels.make import ByteRule, byte_rule, strongest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = ["TauCounter", "TauCounts", "TauTally", "confusions_of", "suffix_sums", "tau_index"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]

BACKGROUND, IGNORED = range(2)
"""What a pixel is when no class wins."""


@dataclass(frozen=True)
class TauCounts:
    """What one image adds to a sweep.

    Attributes:
        present: 0-based classes of its activation maps.
        histograms: of the pixels that are BACKGROUND or IGNORED when no class wins, each int64
            (C + 1, n, 256): true class; strongest class, among those present; its byte, 0
            where saliency lets no class win. Pixels where no class can win and nothing is
            ignored are left out.
        true_values: all pixels by true value, int64 (256,).
        digest: of the ground truth.
    """

    present: list[int]
    histograms: dict[int, Int64]
    true_values: Int64
    digest: int

    def of_values(self, values: list[int]) -> Int64:
        """The histograms of some true values, all their pixels counted: int64 (2, m, n, 256).

        Args:
            values: m true values, ascending.
        """
        result = np.zeros((2, len(values), len(self.present), 256), np.int64)
        for kind, part in self.histograms.items():
            result[kind] = part[values]
        result[BACKGROUND, :, 0, 0] += self.true_values[values] - result.sum(axis=(0, 2, 3))
        return result


class TauTally:
    """Adds up what images add to a sweep.

    Args:
        classes: how many the benchmark has.

    Attributes:
        histograms: int64 (2, C + 1, C, 256), whole once `finish` was called; see `TauCounts`.
    """

    @staticmethod
    def bytes_for(classes: int) -> int:
        """How much memory the counts of that many classes take."""
        return 2 * (classes + 1) * classes * 256 * np.dtype(np.int64).itemsize

    def __init__(self, classes: int) -> None:
        self.histograms = np.zeros((2, classes + 1, classes, 256), np.int64)
        self._true_values, self._digest = np.zeros(256, np.int64), 0

    def add(self, counts: TauCounts) -> None:
        """Add an image."""
        for kind, part in counts.histograms.items():
            self.histograms[kind][:, counts.present] += part
        self._true_values += counts.true_values
        self._digest += counts.digest

    def finish(self, ranks: Ranks) -> str:
        """Add what all processes counted, and give the digest of the ground truth; once."""
        ranks.add_up(self.histograms, self._true_values)
        # Where saliency rules all classes out, a pixel counts by its true value alone.
        rest = self._true_values[: self.histograms.shape[1]] - self.histograms.sum(axis=(0, 2, 3))
        self.histograms[BACKGROUND, :, 0, 0] += rest
        return digest_text(ranks.everyone(self._digest))


@dataclass(frozen=True)
class TauCounter:
    """Counts one image for a sweep.

    Attributes:
        rule: of the recipe with tau 0.
        ignore: whether the recipe writes 255.
        classes: how many the benchmark has.
    """

    rule: ByteRule
    ignore: bool
    classes: int

    @classmethod
    def of(cls, recipe: Recipe, classes: int) -> TauCounter:
        """The counter for a recipe that can be swept."""
        return cls(byte_rule(replace(recipe, tau=0.0)), recipe.ignore, classes)

    def __call__(self, image: AlignedImage) -> TauCounts:
        """Count an image."""
        present = list(image.activations) or [0]
        maps = [*image.activations.values()] or [np.zeros_like(image.truth)]
        size = (self.classes + 2) * len(present) * 256
        winner, byte = strongest(maps, [*range(len(present))])
        # True class + 1 modulo 256: row 0 is the ignore label and is dropped at the end.
        joint = (image.truth + np.uint8(1)).astype(np.min_scalar_type(size))
        if len(present) > 1:
            joint *= len(present)
            joint += winner
        joint *= 256
        joint += byte if self._apart_is_enough else byte * self.rule.wins(byte, image.saliency)
        histograms = {
            kind: np.bincount(pixels, minlength=size).reshape(-1, len(present), 256)[1:]
            for kind, pixels in self._apart(joint, image.saliency)
        }
        return TauCounts(present, histograms, image.true_values, image.digest)

    @cached_property
    def _apart_is_enough(self) -> bool:
        """Whether saliency lets every byte above 0 win in all pixels that `_apart` gives."""
        return self.rule.step is not None and (
            not self.ignore or self.rule.ignore_saliency >= self.rule.step
        )

    def _apart(
        self, joint: NDArray[Any], saliency: UInt8 | None
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """The pixels that are background when no class wins, and those that are ignored.

        Pixels where no class can win and nothing is ignored are in neither; that saves most of
        the work.
        """
        if saliency is None:
            yield BACKGROUND, joint.ravel()
            return
        ignored_above = self.rule.ignore_saliency if self.ignore else 255
        if self.rule.unbeatable < ignored_above:
            unbeaten = saliency > self.rule.unbeatable
            yield BACKGROUND, joint[unbeaten & (saliency <= ignored_above)]
        if self.ignore:
            yield IGNORED, joint[saliency > ignored_above]


def confusions_of(histograms: Int64, cuts: Int64) -> Int64:
    """Confusion matrices from the histograms of `TauCounts`.

    Args:
        histograms: int64 (2, R, n, 256): BACKGROUND or IGNORED; true value; strongest class; byte.
        cuts: int64 (N,), the lowest byte that wins, by setting; or (N, n), by setting and class.

    Returns:
        int64 (N, R, n + 2): background, the n classes, ignored.
    """
    suffix = suffix_sums(histograms)
    if cuts.ndim == 1:
        chosen = suffix[..., cuts]  # (2, R, n, N)
    else:
        chosen = suffix[:, :, np.arange(suffix.shape[2])[:, None], cuts.T]
    won = np.moveaxis(chosen, -1, 0)  # (N, 2, R, n)
    lost = suffix[..., 0].sum(axis=-1) - won.sum(axis=-1)  # (N, 2, R)
    background, ignored = lost[:, BACKGROUND], lost[:, IGNORED]
    return np.concatenate([background[..., None], won.sum(axis=1), ignored[..., None]], axis=-1)


def suffix_sums(counts: Int64) -> Int64:
    """Suffix sums along the last axis with a 0 behind: (..., 256) to (..., 257)."""
    result = np.zeros((*counts.shape[:-1], 257), np.int64)
    result[..., :256] = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
    return result


def tau_index(cuts: Int64, byte: int) -> int:
    """Index of the tau with which this byte is the lowest that wins; the highest tau there is.

    Args:
        cuts: int64 (N,), the lowest byte that wins, by index of tau, ascending.
        byte: 1..256.
    """
    return min(int(np.searchsorted(cuts, byte)), len(cuts) - 1)
