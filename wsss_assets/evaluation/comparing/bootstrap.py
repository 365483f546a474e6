"""How sure a difference between two sets of labels is: a paired bootstrap over images.

Had other images of the same kind been in the set, the difference would be another one. The
bootstrap draws such sets from the images at hand (Efron, "Bootstrap methods: another look at the
jackknife", 1979). Here each image counts Poisson(1) times in each replicate, whatever the other
images do (Chamandy, Muralidharan, Najmi and Naidu, "Estimating uncertainty for massive data
streams", 2012). So replicates are sums over a stream: memory does not grow with the images, and
neither their order nor how processes share them changes a bit. An image weighs the same in both
sets, which makes the bootstrap a paired one.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import UsageError
from wsss_assets.evaluation.scores import iou, mean_iou

if TYPE_CHECKING:
    from wsss_assets.ranks import Ranks

__all__ = ["PairedBootstrap", "image_weights", "interval"]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

COUNTS = 3
"""Numbers of a class: hit, predicted and true pixels, as `scores.apply_policy` gives them."""

_BITS = 64


class PairedBootstrap:
    """Replicates of two sets of labels over the same images.

    Args:
        classes: number of foreground classes.
        replicates: how many sets of images are drawn.
        seed: chooses the drawing; 0 or more.

    Attributes:
        state: int64 (2, C + 1, 3, replicates): set; class; hit, predicted and true pixels;
            replicate. It is a sum over images.

    Raises:
        UsageError: no replicate, or a negative seed.
    """

    def __init__(self, classes: int, replicates: int = 1000, seed: int = 0) -> None:
        if replicates < 1 or seed < 0:
            raise UsageError(
                "no bootstrap can be drawn",
                expected="at least one replicate, and a seed of 0 or more",
                found=f"{replicates} replicates, seed {seed}",
            )
        self.replicates = replicates
        self.seed = seed
        self.state: Int64 = np.zeros((2, classes + 1, COUNTS, replicates), np.int64)

    def weights(self, image_id: str) -> Int64:
        """How often an image counts in each replicate: `image_weights` with this one's settings."""
        return image_weights(image_id, self.replicates, self.seed)

    def add(self, counts: Int64, weights: Int64) -> None:
        """Add one image.

        Args:
            counts: int64 (2, C + 1, 3); see `state`.
            weights: its `weights`, int64 (replicates,).
        """
        flat = counts.reshape(-1)
        present = np.flatnonzero(flat)  # an image has few classes
        self.state.reshape(flat.size, -1)[present] += flat[present, None] * weights

    def add_up(self, ranks: Ranks) -> None:
        """Add what all processes counted; every one has the sums then."""
        ranks.add_up(self.state)

    def ious(self) -> Float64:
        """IoU in each replicate, float64 (2, replicates, C + 1).

        NaN where the class occurs neither in the ground truth nor in the labels of the replicate.
        """
        hit, predicted, true = np.moveaxis(self.state, 2, 0)
        return np.ascontiguousarray(iou(hit, predicted, true).swapaxes(1, 2))

    def complete(self) -> int:
        """How many replicates have images of every class of the ground truth.

        In the others the mean is over fewer classes: where they are many, there are too few images.
        """
        there = self.state[0, :, 2] > 0
        return int(there[there.any(axis=1)].all(axis=0).sum())

    def mious(self) -> Float64:
        """MIoU in each replicate, float64 (2, replicates); NaN where no class occurs."""
        return mean_iou(self.ious())


def image_weights(image_id: str, replicates: int, seed: int) -> Int64:
    """How often an image counts in each replicate: independent draws from Poisson(1).

    They follow from id and seed alone: the bits are those of NumPy's PCG64, whose stream is
    promised to stay what it is, seeded by the SHA-256 of both.

    Args:
        image_id: its id.
        replicates: how many.
        seed: chooses the drawing.

    Returns:
        int64 (replicates,).
    """
    digest = hashlib.sha256(f"{seed}\n{image_id}".encode()).digest()
    raw = np.random.PCG64(int.from_bytes(digest, "big")).random_raw(replicates)
    return np.searchsorted(_poisson_cuts(), raw, side="right").astype(np.int64)


def interval(values: Float64, confidence: float = 0.95) -> tuple[Float64, Float64]:
    """The ends between which the middle values lie, along the last axis.

    They are values themselves, the k-th smallest and the k-th largest with
    k = (n + 1) (1 - confidence) / 2, rounded down, so that the interval of the negated values is
    the negated interval to the last bit. NaN is left out.

    Args:
        values: float64 (..., n).
        confidence: between 0 and 1.

    Returns:
        Lower and upper ends, float64 (...); NaN where there are too few values for the confidence.

    Raises:
        UsageError: the confidence is no share.
    """
    if not 0 < confidence < 1:
        raise UsageError(
            f"the confidence is {confidence}", expected="a number between 0 and 1, e.g. 0.95"
        )
    ordered = np.sort(values, axis=-1)  # NaN comes last
    known = (~np.isnan(ordered)).sum(axis=-1)
    # Rounded: (1 - 0.95) / 2 is not quite 0.025 in binary.
    place = np.floor(np.round((known + 1) * (1 - confidence) / 2, 9)).astype(np.int64)
    there = place > 0

    def end(index: Int64) -> Float64:
        found = np.take_along_axis(ordered, np.where(there, index, 0)[..., None], axis=-1)[..., 0]
        return np.where(there, found, np.nan)

    return end(place - 1), end(known - place)


@cache
def _poisson_cuts() -> NDArray[np.uint64]:
    """Of 2**64 equally likely numbers, how many mean 0, at most 1, at most 2 and so on."""
    with localcontext() as context:
        context.prec = 60
        share, total, cuts = Decimal(-1).exp(), Decimal(0), []
        for number in range(1, _BITS):
            total += share
            share /= number
            cut = int(total * (1 << _BITS))
            if cut >= (1 << _BITS) - 1:
                break
            cuts.append(cut)
    return np.array(cuts, np.uint64)
