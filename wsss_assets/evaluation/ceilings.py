"""Ceilings: what a recipe would score if its saliency, its activation or both were perfect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import NotSweepableError, UsageError
from wsss_assets.evaluation.aligned import AlignedImage, AlignedImages, check_sweepable
from wsss_assets.evaluation.anatomy.counts import ErrorAnatomy
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.evaluation.evaluate import Evaluator
from wsss_assets.evaluation.perfect import (
    PerfectActivation,
    PerfectSaliency,
    perfect_activations,
    perfect_saliency,
)
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.surface import check_surface, sweep_surface
from wsss_assets.evaluation.sweep import require_policy, sweep
from wsss_assets.labels.make import make_label
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.anatomy.counts import AnatomyCounts, AnatomyResult
    from wsss_assets.evaluation.confusion import Int64, UInt8
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.scores import Scores
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = [
    "VARIANTS",
    "BestSetting",
    "Ceiling",
    "Ceilings",
    "ceilings",
]

VARIANTS = ("given", "perfect_activation", "perfect_saliency", "perfect_maps")
"""Which maps are perfect: none, the activation, the saliency, both."""


@dataclass(frozen=True)
class BestSetting:
    """The best thresholds of a variant.

    Attributes:
        saliency_threshold: 0 for soft saliency.
        tau: activation threshold.
        miou: what they score, 0..1; NaN where no class occurs.
        classes_in_mean: over how many classes that is.
    """

    saliency_threshold: float
    tau: float
    miou: float
    classes_in_mean: int


@dataclass(frozen=True)
class Ceiling:
    """What one of `VARIANTS` scores.

    Attributes:
        own: at the recipe's own thresholds.
        best: at the best ones; None where they were not asked for or the recipe allows no sweep.
        errors: the kinds of errors at the recipe's own; None where they were not asked for.
    """

    own: Scores
    best: BestSetting | None
    errors: AnatomyResult | None


@dataclass(frozen=True)
class Ceilings:
    """What a recipe scores with the maps as given and with perfect ones.

    Attributes:
        recipe: the rule.
        variants: by name, see `VARIANTS`.
        searched: which thresholds the best ones are the best of: `both`, `tau`, or None.
    """

    recipe: Recipe
    variants: dict[str, Ceiling]
    searched: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/errors.md."""
        return {
            **self.variants[VARIANTS[0]].own.provenance(),
            "recipe": self.recipe.settings(),
            "searched": self.searched,
            "variants": {
                name: {
                    "miou": one.own.miou,
                    "classes_in_mean": one.own.classes_in_mean,
                    "per_class": {label: each.iou for label, each in one.own.per_class.items()},
                    "best": one.best and {**vars(one.best), "miou": plain(one.best.miou)},
                    "errors": one.errors and one.errors.to_dict(),
                }
                for name, one in self.variants.items()
            },
        }


def ceilings(
    labels: Mapping[str, Sequence[int]],
    activation: Path | str | ActivationSource,
    ground_truth: Path | str,
    *,
    saliency: Path | str | SaliencySource,
    recipe: Recipe | None = None,
    ignored: Policy | str | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    best: bool = True,
    errors: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Ceilings:
    """Score a recipe with the maps as given, with perfect activation, perfect saliency, and both.

    One pass gives the scores at the recipe's own thresholds; the best thresholds of each variant
    take a sweep each.

    Args:
        labels: 0-based classes by image id.
        activation: folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        ground_truth: folder of label maps.
        saliency: folder of `<image id>.png`, or a source.
        recipe: the rule, which must use saliency; None: `wsss-bed`.
        ignored: what a label of 255 counts as; needed where the recipe writes it.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        best: look for the best thresholds, too.
        errors: take the errors at the recipe's own thresholds apart, too; needs SciPy.
        workers: threads; None: one per core. The integers are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list; all get the same result.

    Raises:
        UsageError: the recipe uses no saliency, or the list is empty.
        IgnoredPixelsError: the recipe writes 255 and there is no policy.
        DataError: a map is missing, unusable, or of another size; the error names it.
        MissingDependencyError: errors were asked for, and SciPy is not installed.
    """
    recipe = get_recipe() if recipe is None else recipe
    if not recipe.uses_saliency:
        raise UsageError(
            f"recipe {recipe.name} uses no saliency, so perfect activation is a perfect label",
            hint="choose a recipe that uses saliency: 'wsss-assets recipes list' shows which do",
        )
    policy = require_policy(ignored, recipe.ignore)
    images = AlignedImages(labels, saliency, activation, ground_truth, recipe, benchmark, ranks)
    counted = _count(images, recipe, errors, ignored, workers, progress)
    perfect = PerfectActivation(ground_truth), PerfectSaliency(ground_truth)
    sources = ((activation, saliency), (perfect[0], saliency), (activation, perfect[1]), perfect)
    searched = _searched(recipe) if best else None
    variants = {}
    for name, (evaluator, anatomy), (maps, beside) in zip(VARIANTS, counted, sources, strict=True):
        own = evaluator.compute(split=split)
        kinds = None if anatomy is None else anatomy.compute(ignored=ignored, split=split)
        found = None
        if searched is not None:
            found = _SEARCHES[searched](
                labels,
                maps,
                ground_truth,
                policy,
                saliency=beside,
                recipe=recipe,
                benchmark=images.benchmark,
                workers=workers,
                progress=progress,
                ranks=ranks,
            )
        variants[name] = Ceiling(own, found, kinds)
    return Ceilings(recipe, variants, searched)


def _count(
    images: AlignedImages,
    recipe: Recipe,
    errors: bool,
    ignored: Policy | str | None,
    workers: int | None,
    progress: Progress | None,
) -> list[tuple[Evaluator, ErrorAnatomy | None]]:
    """What every variant scores at the recipe's own thresholds, in one pass."""
    benchmark = images.benchmark
    counted = [
        (Evaluator(benchmark, ignored=ignored), ErrorAnatomy(benchmark) if errors else None)
        for _ in VARIANTS
    ]
    counter = _Counter(recipe, len(benchmark.classes), counted[0][1])
    for variants, digest in images.map(counter, workers, progress):
        for (evaluator, anatomy), (confusion, counts) in zip(counted, variants, strict=True):
            evaluator.add_counts(confusion, 1, digest)
            if anatomy is not None and counts is not None:
                anatomy.add(counts, digest)
    for evaluator, anatomy in counted:
        evaluator.add_up(images.ranks)
        if anatomy is not None:
            anatomy.add_up(images.ranks)
    return counted


@dataclass(frozen=True)
class _Counter:
    """Counts the labels of every variant of one image; `anatomy` counts their errors, if given."""

    recipe: Recipe
    classes: int
    anatomy: ErrorAnatomy | None

    def __call__(self, image: AlignedImage) -> tuple[list[tuple[Int64, AnatomyCounts | None]], int]:
        given = image.activations, image.saliency
        perfect = perfect_activations(image.truth, given[0]), perfect_saliency(image.truth)
        counts = [
            self._counts(make_label(saliency, activations, self.recipe), image.truth)
            for activations, saliency in (
                given,
                (perfect[0], given[1]),
                (given[0], perfect[1]),
                perfect,
            )
        ]
        return counts, image.digest

    def _counts(self, label: UInt8, truth: UInt8) -> tuple[Int64, AnatomyCounts | None]:
        if self.anatomy is None:
            return confusion_matrix(label, truth, self.classes), None
        counts = self.anatomy.count(label, truth)
        return counts.confusion, counts


def _searched(recipe: Recipe) -> str | None:
    """Which thresholds of a recipe can be searched in one pass."""
    try:
        check_sweepable(recipe)
    except NotSweepableError:
        return None
    try:
        check_surface(recipe)
    except NotSweepableError:
        return "tau"
    return "both"


def _best_tau(
    labels: Any,  # noqa: ANN401 (as `sweep` takes them)
    activation: Any,  # noqa: ANN401
    ground_truth: Path | str,
    policy: Policy | None,
    **options: Any,  # noqa: ANN401
) -> BestSetting:
    swept = sweep(labels, activation, ground_truth, **options)
    curve = swept.curve(policy)
    threshold = swept.recipe.saliency_threshold
    return BestSetting(
        threshold,
        curve.taus[curve.best],
        float(curve.miou[curve.best]),
        int(curve.classes_in_mean[curve.best]),
    )


def _best_of_surface(
    labels: Any,  # noqa: ANN401 (as `sweep_surface` takes them)
    activation: Any,  # noqa: ANN401
    ground_truth: Path | str,
    policy: Policy | None,
    **options: Any,  # noqa: ANN401
) -> BestSetting:
    surface = sweep_surface(labels, activation, ground_truth, **options).surface(policy)
    row, column = surface.best
    return BestSetting(
        surface.saliency_thresholds[row],
        surface.taus[column],
        float(surface.miou[row, column]),
        int(surface.classes_in_mean[row, column]),
    )


_SEARCHES = {"tau": _best_tau, "both": _best_of_surface}
