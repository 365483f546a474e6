"""Every tau at once, exactly, from one pass of 8-bit histograms.

At a pixel only three things matter for every tau: which class is strongest, its byte, and
whether saliency lets it win at all. So the curve over tau is a histogram `[true class,
strongest class, byte]` and its suffix sums, and each entry equals making the labels with that
tau and scoring them. `wsss_assets.evaluation.surface` adds the saliency threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError, IgnoredPixelsError
from wsss_assets.evaluation.aligned import AlignedImages, check_sweepable
from wsss_assets.evaluation.dialects import POLICIES
from wsss_assets.evaluation.scores import (
    apply_policy,
    check_policy,
    classes_in_mean,
    iou,
    mean_iou,
    plain,
)
from wsss_assets.evaluation.tau_counts import (
    TauCounter,
    TauTally,
    confusions_of,
    tau_index,
)
from wsss_assets.labels.make import lowest_winners
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.surface import SurfaceSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = [
    "TAUS",
    "TauCurve",
    "TauSweep",
    "plateau_around",
    "provenance",
    "require_policy",
    "require_score",
    "sweep",
    "sweep_of",
]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

TAUS: tuple[float, ...] = tuple(byte / 255 for byte in range(256))
"""The thresholds that can make a difference to 8-bit maps."""

PLATEAU = 0.01
"""How far below the best mIoU the plateau reaches: one point."""


@dataclass(frozen=True)
class TauCurve:
    """mIoU over tau under one policy.

    Attributes:
        taus: 256 thresholds k/255.
        miou: float64 (256,), 0..1; NaN where no class occurs.
        per_class: float64 (256, C + 1) IoU, background first; NaN where a class occurs neither
            in the ground truth nor in the labels of that tau.
        best: index of the best mIoU, the lowest on a tie.
        plateau: first and last index around `best` with an mIoU within one point of it.
        recommended: index that acts as the recipe's tau.
        ignored: the policy; None where no label is 255.
    """

    taus: tuple[float, ...]
    miou: Float64
    per_class: Float64
    best: int
    plateau: tuple[int, int]
    recommended: int
    ignored: Policy | None

    @property
    def classes_in_mean(self) -> Int64:
        """Over how many classes each mIoU is, int64 (256,)."""
        return classes_in_mean(self.per_class)

    @property
    def loss(self) -> float:
        """What the recommended tau costs against the best, in mIoU (0..1); NaN without one."""
        return float(self.miou[self.best] - self.miou[self.recommended])


@dataclass(frozen=True)
class TauSweep:
    """Confusion matrices of all thresholds.

    Attributes:
        recipe: whose tau was swept.
        benchmark: class names.
        confusions: int64 (256, C + 1, C + 2) for tau = k/255; see
            `wsss_assets.evaluation.confusion`.
        images: how many were counted.
        split: name of the split; None where unknown.
        ground_truth_digest: 64 hex digits.
    """

    recipe: Recipe
    benchmark: Benchmark
    confusions: Int64
    images: int
    split: str | None
    ground_truth_digest: str

    def curve(self, ignored: Policy | str | None = None) -> TauCurve:
        """Scores of every tau.

        Args:
            ignored: what a label of 255 counts as; needed where there is one.

        Raises:
            IgnoredPixelsError: there is one and no policy.
        """
        policy = require_policy(ignored, bool(self.confusions[..., -1].any()))
        per_class = iou(*apply_policy(self.confusions, policy or "miss"))
        miou = mean_iou(per_class)
        best = int(np.argmax(np.nan_to_num(miou, nan=-1)))
        cuts = lowest_winners(self.recipe, TAUS)
        own = int(lowest_winners(self.recipe, [self.recipe.tau])[0])
        return TauCurve(
            taus=TAUS,
            miou=miou,
            per_class=per_class,
            best=best,
            plateau=plateau_around(miou, best),
            recommended=tau_index(cuts, own),
            ignored=policy,
        )

    def to_dict(self, ignored: Policy | str | None = None) -> dict[str, Any]:
        """JSON-ready curve; the fields are documented in docs/evaluation.md."""
        curve = self.curve(ignored)
        names = self.benchmark.label_names
        return {
            **provenance(self, curve.ignored),
            "best": self._point(curve, curve.best),
            "recommended": {
                **self._point(curve, curve.recommended),
                "tau": self.recipe.tau,
                "loss": plain(curve.loss),
            },
            "plateau": {
                "first_tau": curve.taus[curve.plateau[0]],
                "last_tau": curve.taus[curve.plateau[1]],
            },
            "taus": list(curve.taus),
            "miou": _listed(curve.miou),
            "per_class": {
                name: _listed(curve.per_class[:, index]) for index, name in enumerate(names)
            },
        }

    @staticmethod
    def _point(curve: TauCurve, index: int) -> dict[str, Any]:
        return {
            "tau": curve.taus[index],
            "miou": plain(curve.miou[index]),
            "classes_in_mean": int(curve.classes_in_mean[index]),
        }


def sweep(
    labels: Mapping[str, Sequence[int]],
    activation: Path | str | ActivationSource,
    ground_truth: Path | str,
    *,
    saliency: Path | str | SaliencySource | None = None,
    recipe: Recipe | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> TauSweep:
    """Score a recipe for every tau k/255 in one pass over the images.

    Args:
        labels: 0-based classes by image id.
        activation: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        ground_truth: folder of label maps.
        saliency: folder of `<image id>.png`, or a source; None for recipes without saliency.
        recipe: the rule; its own tau is the recommended one. None: `wsss-bed`.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        NotSweepableError: the recipe's structure does not allow it.
        UsageError: the list is empty, or the recipe needs saliency maps.
        DataError: a map is missing, unusable, or of another size; the error names it.
    """
    recipe = get_recipe() if recipe is None else recipe
    check_sweepable(recipe)
    images = AlignedImages(labels, saliency, activation, ground_truth, recipe, benchmark, ranks)
    classes = len(images.benchmark.classes)
    tally = TauTally(classes)
    for counts in images.map(TauCounter.of(recipe, classes), workers, progress):
        tally.add(counts)
    return sweep_of(tally, recipe, images, split)


def sweep_of(tally: TauTally, recipe: Recipe, images: AlignedImages, split: str | None) -> TauSweep:
    """The sweep, when all images of this process were added; every process gets the same."""
    digest = tally.finish(images.ranks)
    return TauSweep(
        recipe=recipe,
        benchmark=images.benchmark,
        confusions=confusions_of(tally.histograms, lowest_winners(recipe, TAUS)),
        images=len(images.labels),
        split=split,
        ground_truth_digest=digest,
    )


def provenance(swept: TauSweep | SurfaceSweep, ignored: Policy | None) -> dict[str, Any]:
    """What the numbers of a sweep mean nothing without, JSON-ready."""
    return {
        "benchmark": swept.benchmark.name,
        "synthetic": swept.benchmark.synthetic,
        "split": swept.split,
        "images": swept.images,
        "ground_truth_digest": swept.ground_truth_digest,
        "ignored": ignored,
        "recipe": swept.recipe.settings(),
    }


def require_policy(ignored: Policy | str | None, needed: bool) -> Policy | None:
    """The policy for labels of 255; None where there is none to apply it to.

    Raises:
        IgnoredPixelsError: one is needed and none is given.
        UnknownNameError: no such policy.
    """
    policy = None if ignored is None else check_policy(ignored)
    if not needed:
        return None
    if policy is None:
        raise IgnoredPixelsError(
            "the recipe writes 255, and evaluators disagree on what that means",
            expected=f"one of {', '.join(POLICIES)}",
            done="no score was given",
            hint="choose with --ignored miss|background|drop (in Python: ignored=…)",
        )
    return policy


def require_score(miou: Float64) -> None:
    """Refuse curves and surfaces without a single score.

    Args:
        miou: float64 of any shape, NaN where no class occurs.

    Raises:
        DataError: all are NaN.
    """
    if np.isnan(miou).all():
        raise DataError(
            "no class occurs in the ground truth or the labels, so there is no score",
            found="255 in every pixel of the ground truth",
        )


def plateau_around(miou: Float64, best: int) -> tuple[int, int]:
    """First and last index around `best` with an mIoU within one point of it."""
    near = miou >= miou[best] - PLATEAU
    first = last = best
    while first > 0 and near[first - 1]:
        first -= 1
    while last < len(miou) - 1 and near[last + 1]:
        last += 1
    return first, last


def _listed(values: Float64) -> list[float | None]:
    return [plain(value) for value in values]
