"""The numbers of each pairing of a saliency and an activation set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError, MissingDependencyError
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.anatomy.counts import AnatomyCounts, ErrorAnatomy
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.evaluation.scores import apply_policy, iou, mean_iou, plain
from wsss_assets.evaluation.shapes import components
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.evaluation.sweep import plateau_around, sweep
from wsss_assets.labels.make import make_label
from wsss_assets.report.explorer.tables import has_surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["Job", "Pairing", "analysis_is_there", "image_scores", "measure"]

Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """What is evaluated, the same for every pairing.

    Attributes:
        labels: 0-based classes by image id.
        ground_truth: folder of label maps.
        recipe: the rule.
        benchmark: class names.
        split: its name.
        policy: what a label of 255 counts as; None where there is none.
        own: row of the surface and k that act as the recipe's thresholds.
        workers: threads.
        progress: shows a bar.
        ranks: which process this is.
    """

    labels: Mapping[str, Sequence[int]]
    ground_truth: Any
    recipe: Recipe
    benchmark: Benchmark
    split: str | None
    policy: Policy | None
    own: tuple[int, int]
    workers: int | None
    progress: Progress | None
    ranks: Ranks


@dataclass(frozen=True)
class Pairing:
    """The scores of one pairing at every setting.

    Attributes:
        saliency: name of the saliency set; None where the recipe uses none.
        activation: name of the activation set.
        miou: float64 (rows, 256), `[row, k]` for tau k/255; 256 rows are saliency thresholds
            j/255, one row is the recipe's own.
        per_class: IoU by label value at `own`, `best_tau` and `best`, each float64 (C + 1,).
        own: row and k that act as the recipe's thresholds.
        best_tau: the best of the recipe's row, the lowest tau on a tie.
        best: the best of all, the lowest on a tie.
        image_scores: float64 (images,) at the recipe's thresholds, in the order of the list.
        anatomy: `AnatomyResult.to_dict()`; None without SciPy.
        ground_truth_digest: 64 hex digits.
    """

    saliency: str | None
    activation: str
    miou: Float64
    per_class: dict[str, Float64]
    own: tuple[int, int]
    best_tau: tuple[int, int]
    best: tuple[int, int]
    image_scores: Float64
    anatomy: dict[str, Any] | None
    ground_truth_digest: str

    @property
    def name(self) -> str:
        """How people call it."""
        return self.activation if self.saliency is None else f"{self.activation} + {self.saliency}"

    @property
    def curve(self) -> Float64:
        """The mIoU over tau at the recipe's saliency threshold, float64 (256,)."""
        curve: Float64 = self.miou[self.own[0]]
        return curve

    @cached_property
    def plateau(self) -> tuple[int, int]:
        """First and last k around the best tau with an mIoU within one point of it."""
        return plateau_around(self.curve, self.best_tau[1])

    @property
    def loss(self) -> float:
        """What the recipe's tau costs against the best one, in mIoU (0..1)."""
        return float(self.miou[self.best_tau] - self.miou[self.own])

    def at(self, setting: tuple[int, int]) -> float | None:
        """The mIoU at row and k; None where no class occurs."""
        return plain(self.miou[setting])


def measure(job: Job, saliency: tuple[str, Any] | None, activation: tuple[str, Any]) -> Pairing:
    """Sweep a pairing, then make its labels at the recipe's thresholds: two passes over the maps.

    Args:
        job: what is evaluated.
        saliency: name and maps; None where the recipe uses none.
        activation: name and maps.

    Raises:
        DataError: a map is missing or unusable, or no class occurs anywhere.
    """
    maps = None if saliency is None else saliency[1]
    miou, iou_at, digest = _swept(job, maps, activation[1])
    if np.isnan(miou[job.own]):
        raise DataError(
            "no class occurs in the ground truth or the labels, so there is no score",
            found="255 in every pixel of the ground truth",
        )
    curve = np.nan_to_num(miou[job.own[0]], nan=-1)
    best = np.unravel_index(int(np.argmax(np.nan_to_num(miou, nan=-1))), miou.shape)
    settings = {
        "own": job.own,
        "best_tau": (job.own[0], int(np.argmax(curve))),
        "best": (int(best[0]), int(best[1])),
    }
    scores, anatomy = image_scores(job, maps, activation[1])
    return Pairing(
        saliency=None if saliency is None else saliency[0],
        activation=activation[0],
        miou=miou,
        per_class={name: iou_at(setting) for name, setting in settings.items()},
        **settings,
        image_scores=scores,
        anatomy=anatomy,
        ground_truth_digest=digest,
    )


def _swept(job: Job, saliency: Any, activation: Any) -> tuple[Float64, Any, str]:  # noqa: ANN401
    """The mIoU (rows, 256), IoU by label value as a function of the setting, and the digest."""
    options: dict[str, Any] = {
        "saliency": saliency,
        "recipe": job.recipe,
        "benchmark": job.benchmark,
        "split": job.split,
        "workers": job.workers,
        "progress": job.progress,
        "ranks": job.ranks,
    }
    if not has_surface(job.recipe):
        swept = sweep(job.labels, activation, job.ground_truth, **options)
        curve = swept.curve(job.policy)
        return (
            curve.miou[None],
            lambda setting: curve.per_class[setting[1]],
            (swept.ground_truth_digest),
        )
    planes = sweep_surface(job.labels, activation, job.ground_truth, **options)
    values = range(len(job.benchmark.label_names))
    ious = np.stack([planes.iou(value, job.policy) for value in values], axis=-1)
    return mean_iou(ious), lambda setting: ious[setting].copy(), planes.ground_truth_digest


def image_scores(
    job: Job,
    saliency: Any,  # noqa: ANN401 (a folder or a source)
    activation: Any,  # noqa: ANN401
) -> tuple[Float64, dict[str, Any] | None]:
    """Each image's own mIoU at the recipe's thresholds, and the anatomy of all errors.

    Returns:
        float64 (images,) in the order of the list, NaN where nothing is counted; and the
        anatomy's fields, None without SciPy.
    """
    images = AlignedImages(
        job.labels,
        saliency,
        activation,
        job.ground_truth,
        job.recipe,
        job.benchmark,
        job.ranks,
    )
    anatomy = ErrorAnatomy(job.benchmark) if analysis_is_there() else None
    classes = len(job.benchmark.classes)

    def score(image: AlignedImage) -> tuple[float, AnatomyCounts | None, int]:
        label = np.zeros_like(image.truth)  # of an image without any map, as in sweeps
        if image.activations or image.saliency is not None:
            label = make_label(image.saliency, image.activations, job.recipe)
        if anatomy is None:
            counts, confusion = None, confusion_matrix(label, image.truth, classes)
        else:
            counts = anatomy.count(label, image.truth)
            confusion = counts.confusion
        ious = iou(*apply_policy(confusion, job.policy or "miss"))
        return float(mean_iou(ious)), counts, image.digest

    scores = []
    for value, counts, digest in images.map(score, job.workers, job.progress):
        scores.append(value)
        if anatomy is not None and counts is not None:
            anatomy.add(counts, digest)
    gathered = np.concatenate(job.ranks.everyone(np.array(scores, np.float64)))
    if anatomy is None:
        return gathered, None
    anatomy.add_up(job.ranks)
    return gathered, anatomy.compute(ignored=job.policy, split=job.split).to_dict()


def analysis_is_there() -> bool:
    """Whether SciPy, which the anatomy needs, is installed."""
    try:
        components(np.zeros((1, 1), np.bool_))
    except MissingDependencyError:
        return False
    return True
