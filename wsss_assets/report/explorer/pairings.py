"""The numbers of each pairing of a saliency and an activation set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError
from wsss_assets.evaluation import shapes
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.anatomy.counts import AnatomyCounts, ErrorAnatomy
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.evaluation.scores import apply_policy, iou, mean_iou, plain
from wsss_assets.evaluation.surface import sweep_surface
from wsss_assets.evaluation.sweep import plateau_around, sweep
from wsss_assets.labels.make import make_label
from wsss_assets.report.explorer.digests import SetDigests
from wsss_assets.report.explorer.tables import has_surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["Job", "OwnLabels", "Pairing", "measure", "own_labels"]

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
class OwnLabels:
    """What the labels at the recipe's thresholds gave, read from the same maps.

    Attributes:
        image_scores: float64 (images,), each image's own mIoU in the order of the list; NaN where
            nothing is counted.
        anatomy: `AnatomyResult.to_dict()`; None without SciPy.
        saliency_digest: 64 hex digits of the saliency maps; of nothing where there are none.
        activation_digest: 64 hex digits of the activation maps.
    """

    image_scores: Float64
    anatomy: dict[str, Any] | None
    saliency_digest: str
    activation_digest: str


@dataclass(frozen=True)
class Pairing:
    """The scores of one pairing at every setting.

    Attributes:
        saliency: name of the saliency set; None where the recipe uses none.
        activation: name of the activation set.
        miou: float64 (rows, 256), `[row, k]` for tau k/255; 256 rows are saliency thresholds
            j/255, one row is the recipe's own.
        per_class: IoU by label value at `own`, `best_tau` and `best`, each float64 (C + 1,).
        class_curves: IoU at the recipe's row, float64 (C + 1, 256), `[label value, k]`.
        own: row and k that act as the recipe's thresholds.
        best_tau: the best of the recipe's row, the lowest tau on a tie.
        best: the best of all, the lowest on a tie.
        labels: what was found in the labels at the recipe's thresholds.
        ground_truth_digest: 64 hex digits.
    """

    saliency: str | None
    activation: str
    miou: Float64
    per_class: dict[str, Float64]
    class_curves: Float64
    own: tuple[int, int]
    best_tau: tuple[int, int]
    best: tuple[int, int]
    labels: OwnLabels
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
    miou, class_curves, iou_at, digest = _swept(job, maps, activation[1])
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
    return Pairing(
        saliency=None if saliency is None else saliency[0],
        activation=activation[0],
        miou=miou,
        per_class={name: iou_at(setting) for name, setting in settings.items()},
        class_curves=class_curves,
        **settings,
        labels=own_labels(job, maps, activation[1]),
        ground_truth_digest=digest,
    )


def _swept(
    job: Job,
    saliency: Any,  # noqa: ANN401 (a folder or a source)
    activation: Any,  # noqa: ANN401
) -> tuple[Float64, Float64, Any, str]:
    """All scores of a pairing.

    Returns:
        mIoU (rows, 256); IoU by label value at the recipe's row (C + 1, 256); IoU by label value
        as a function of the setting; and the digest of the ground truth.
    """
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
        ious = curve.per_class[None]
        miou = curve.miou[None]
        digest = swept.ground_truth_digest
    else:
        planes = sweep_surface(job.labels, activation, job.ground_truth, **options)
        values = range(len(job.benchmark.label_names))
        ious = np.stack([planes.iou(value, job.policy) for value in values], axis=-1)
        miou = mean_iou(ious)
        digest = planes.ground_truth_digest
    return miou, ious[job.own[0]].T.copy(), lambda setting: ious[setting].copy(), digest


def own_labels(
    job: Job,
    saliency: Any,  # noqa: ANN401 (a folder or a source)
    activation: Any,  # noqa: ANN401
) -> OwnLabels:
    """Make the labels at the recipe's thresholds, score each, and take all errors apart."""
    images = AlignedImages(
        job.labels,
        saliency,
        activation,
        job.ground_truth,
        job.recipe,
        job.benchmark,
        job.ranks,
    )
    anatomy = ErrorAnatomy(job.benchmark) if shapes.is_there() else None
    classes = len(job.benchmark.classes)

    def look(
        image: AlignedImage,
    ) -> tuple[float, AnatomyCounts | None, int, tuple[int, int]]:
        label = np.zeros_like(image.truth)  # of an image without any map, as in sweeps
        if image.activations or image.saliency is not None:
            label = make_label(image.saliency, image.activations, job.recipe)
        if anatomy is None:
            counts, confusion = None, confusion_matrix(label, image.truth, classes)
        else:
            counts = anatomy.count(label, image.truth)
            confusion = counts.confusion
        ious = iou(*apply_policy(confusion, job.policy or "miss"))
        return float(mean_iou(ious)), counts, image.digest, SetDigests.of(image)

    scores, digests = [], SetDigests()
    for score, counts, truth_digest, map_digests in images.map(look, job.workers, job.progress):
        scores.append(score)
        digests.add(*map_digests)
        if anatomy is not None and counts is not None:
            anatomy.add(counts, truth_digest)
    gathered = np.concatenate(job.ranks.everyone(np.array(scores, np.float64)))
    taken_apart = None
    if anatomy is not None:
        anatomy.add_up(job.ranks)
        taken_apart = anatomy.compute(ignored=job.policy, split=job.split).to_dict()
    return OwnLabels(gathered, taken_apart, *digests.texts(job.ranks))
