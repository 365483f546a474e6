"""What the activation threshold does: to single maps, to labels, and chosen without ground truth.

One pass over the images gives, per image and class, what a threshold of its own could reach
(`own_thresholds`); the curve of the labels over tau and what one tau for all loses against oracles
(`oracles`); and the tau that label-free rules choose (`selectors`), with their regret. The
definitions are this project's own, inspired by "Threshold Matters in WSSS" (AMN, arXiv 2203.16045).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.aligned import AlignedImage, AlignedImages, check_sweepable
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.sweep import TAUS, provenance, require_policy, require_score, sweep_of
from wsss_assets.evaluation.tau_counts import TauCounter, TauCounts, TauTally
from wsss_assets.evaluation.thresholds.choices import ChoiceTally
from wsss_assets.evaluation.thresholds.choosing import Chooser, Choosing
from wsss_assets.evaluation.thresholds.oracles import Plateau, plateau_of
from wsss_assets.evaluation.thresholds.own import (
    PairStatistics,
    PairTally,
    macro_mean,
    measure_pair,
)
from wsss_assets.labels.make import lowest_winners
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.sweep import TauCurve, TauSweep
    from wsss_assets.evaluation.thresholds.choices import Choice
    from wsss_assets.evaluation.thresholds.own import OwnThreshold
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["ThresholdAnalysis", "analyse_thresholds"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class ThresholdAnalysis:
    """What the threshold does on a set of images.

    Attributes:
        swept: confusion matrices of the labels of every tau.
        curve: their mIoU; its `best` is the global tau, the best one for all images.
        winner: the lowest byte that wins at the global tau, 0..256.
        pairs: mean over all pairs of an image and a class in it.
        macro: mean over classes.
        per_class: by class name, those without a pair included.
        best_thresholds: int64 (C, 256), pairs by class and best own threshold (a byte).
        common: the byte that cuts all maps best on average, and their mean IoU there (NaN
            without a pair).
        without_pixels: pairs of the label list whose class has no pixel in the ground truth; they
            are in no mean.
        oracles: mIoU of labels with the best tau of each `image`, `class`, and `pair` of both.
        plateau: how much the choice of one tau matters.
        choices: what label-free rules choose; the recipe's own tau is the first.
        salient_above: saliency that counts as salient for those rules.
    """

    swept: TauSweep
    curve: TauCurve
    winner: int
    pairs: PairStatistics
    macro: PairStatistics
    per_class: dict[str, PairStatistics]
    best_thresholds: Int64
    common: tuple[int, float]
    without_pixels: int
    oracles: dict[str, float]
    plateau: Plateau
    choices: tuple[Choice, ...]
    salient_above: float

    @property
    def best_miou(self) -> float:
        """The mIoU of the best one tau for all images, 0..1."""
        return float(self.curve.miou[self.curve.best])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/thresholds.md."""
        curve, best = self.curve, self.best_miou
        common, iou = self.common
        return {
            **provenance(self.swept, curve.ignored),
            "taus": list(curve.taus),
            "miou": [plain(value) for value in curve.miou],
            "global": {"tau": curve.taus[curve.best], "miou": best},
            "recommended": {
                "tau": self.swept.recipe.tau,
                "miou": plain(curve.miou[curve.recommended]),
                "loss": plain(curve.loss),
            },
            "oracles": {
                name: {"miou": plain(value), "loss_of_global": plain(value - best)}
                for name, value in self.oracles.items()
            },
            "plateau": asdict(self.plateau),
            "pairs": self.pairs.to_dict(),
            "macro": self.macro.to_dict(),
            "per_class": {name: row.to_dict() for name, row in self.per_class.items()},
            "common": {"threshold": common / 255, "iou": iou} if self.pairs.n else None,
            "without_pixels": self.without_pixels,
            "best_thresholds": {
                name: row.tolist()
                for name, row in zip(self.per_class, self.best_thresholds, strict=True)
            },
            "selectors": [choice.to_dict() for choice in self.choices],
            "salient_above": self.salient_above,
        }


def analyse_thresholds(
    labels: Mapping[str, Sequence[int]],
    activation: Path | str | ActivationSource,
    ground_truth: Path | str,
    *,
    saliency: Path | str | SaliencySource | None = None,
    recipe: Recipe | None = None,
    ignored: Policy | str | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> ThresholdAnalysis:
    """Measure what the activation threshold does, in one pass over the images.

    Definitions of this project, inspired by "Threshold Matters in WSSS" (AMN, arXiv 2203.16045);
    they are in docs/thresholds.md.

    Args:
        labels: 0-based classes by image id.
        activation: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        ground_truth: folder of label maps.
        saliency: folder of `<image id>.png`, or a source. A recipe without saliency makes its
            labels without it, and rules that choose a threshold by saliency still look at it.
        recipe: the rule that labels; None: `wsss-bed`.
        ignored: what a label of 255 counts as; needed for recipes that write it.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        workers: threads; None: one per core. They do not change a bit.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        NotSweepableError: the recipe's structure does not allow it.
        IgnoredPixelsError: the recipe writes 255, and there is no policy.
        UsageError: the list is empty, or the recipe needs saliency maps.
        DataError: a map is missing, unusable, or of another size, or no pixel can be counted.
    """
    recipe = get_recipe() if recipe is None else recipe
    check_sweepable(recipe)
    policy = require_policy(ignored, needed=recipe.ignore)
    read = recipe if saliency is None else recipe.changed(saliency=True)
    images = AlignedImages(labels, saliency, activation, ground_truth, read, benchmark, ranks)
    classes = len(images.benchmark.classes)
    worker = _Worker(
        TauCounter.of(recipe, classes), Chooser.of(recipe, policy), recipe.uses_saliency
    )
    tally, pairs, choices, without_pixels = _look(images, worker, workers, progress)
    swept = sweep_of(tally, recipe, images, split)
    curve = swept.curve(policy)
    require_score(curve.miou)
    winner = int(lowest_winners(recipe, [TAUS[curve.best]])[0])
    *rows, mean = pairs.statistics(winner)
    return ThresholdAnalysis(
        swept=swept,
        curve=curve,
        winner=winner,
        pairs=mean,
        macro=macro_mean(rows),
        per_class=dict(zip(images.benchmark.classes, rows, strict=True)),
        best_thresholds=pairs.best[:-1],
        common=pairs.common(),
        without_pixels=without_pixels,
        oracles=choices.oracles(swept, curve, tally.histograms),
        plateau=plateau_of(curve),
        choices=choices.choices(swept, curve, tally.histograms, saliency is not None),
        salient_above=worker.chooser.salient_above,
    )


def _look(
    images: AlignedImages, worker: _Worker, workers: int | None, progress: Progress | None
) -> tuple[TauTally, PairTally, ChoiceTally, int]:
    """What all images add; the first of them is not added up over processes yet."""
    classes = len(images.benchmark.classes)
    tally, pairs, choices = TauTally(classes), PairTally(classes), ChoiceTally(classes)
    without_pixels = np.zeros(1, np.int64)
    for seen in images.map(worker, workers, progress):
        tally.add(seen.counts)
        choices.add(seen.choosing)
        for index, pair in seen.pairs.items():
            pairs.add(index, pair)
        without_pixels += seen.without_pixels
    pairs.add_up(images.ranks)
    choices.add_up(images.ranks)
    images.ranks.add_up(without_pixels)
    return tally, pairs, choices, int(without_pixels[0])


@dataclass(frozen=True)
class _Seen:
    """What one image adds."""

    counts: TauCounts
    choosing: Choosing
    pairs: dict[int, OwnThreshold]
    without_pixels: int


@dataclass(frozen=True)
class _Worker:
    """Looks at one image."""

    counter: TauCounter
    chooser: Chooser
    uses_saliency: bool

    def __call__(self, image: AlignedImage) -> _Seen:
        counts = self.counter(image if self.uses_saliency else replace(image, saliency=None))
        pairs = dict(_pairs(image))
        return _Seen(
            counts,
            self.chooser(image, counts),
            pairs,
            len(image.activations) - len(pairs),
        )


def _pairs(image: AlignedImage) -> Iterator[tuple[int, OwnThreshold]]:
    """The classes with a map and with pixels in the truth, and what is measured of them."""
    counted = image.truth != 255
    for index, values in image.activations.items():
        inside = np.bincount(values[image.truth == index + 1], minlength=256).astype(np.int64)
        if inside.any():
            everywhere = np.bincount(values[counted], minlength=256).astype(np.int64)
            yield index, measure_pair(inside, everywhere - inside)
