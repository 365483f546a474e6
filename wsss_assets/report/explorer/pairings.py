"""The numbers of each pairing of a saliency and an activation set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError
from wsss_assets.evaluation import shapes
from wsss_assets.evaluation.aligned import AlignedImages
from wsss_assets.evaluation.anatomy.counts import AnatomyCounts, ErrorAnatomy
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.evaluation.scores import apply_policy, classes_in_mean, iou, mean_iou, plain
from wsss_assets.evaluation.surface import SurfaceLocator, SurfaceTally, surface_of
from wsss_assets.evaluation.sweep import plateau_around, sweep_of
from wsss_assets.evaluation.tau_counts import TauCounter, TauTally
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

__all__ = ["Job", "OwnLabels", "Pairing", "measure"]

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

    def classes_in_mean(self, name: str) -> int:
        """Over how many classes the mIoU is at `own`, `best_tau` or `best`."""
        return int(classes_in_mean(self.per_class[name]))

    def at(self, setting: tuple[int, int]) -> float | None:
        """The mIoU at row and k; None where no class occurs."""
        return plain(self.miou[setting])


def measure(job: Job, saliency: tuple[str, Any] | None, activation: tuple[str, Any]) -> Pairing:
    """Sweep a pairing and make its labels at the recipe's thresholds, in one pass over the maps.

    Args:
        job: what is evaluated.
        saliency: name and maps; None where the recipe uses none.
        activation: name and maps.

    Raises:
        DataError: a map is missing or unusable, or no class occurs anywhere.
    """
    images = AlignedImages(
        job.labels,
        None if saliency is None else saliency[1],
        activation[1],
        job.ground_truth,
        job.recipe,
        job.benchmark,
        job.ranks,
    )
    sweep = _SurfaceSweep(job) if has_surface(job.recipe) else _TauSweep(job)
    own = _OwnLabels(job)

    def look(image: AlignedImage) -> tuple[Any, _OwnLabel]:
        return sweep.count(image), own.count(image)

    for swept, label in images.map(look, job.workers, job.progress):
        sweep.tally.add(swept)
        own.add(label)
    ious, miou, digest = sweep.finish(images)
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
        per_class={name: ious[setting].copy() for name, setting in settings.items()},
        class_curves=ious[job.own[0]].T.copy(),
        **settings,
        labels=own.finish(),
        ground_truth_digest=digest,
    )


class _TauSweep:
    """Every tau of a recipe that has no surface."""

    def __init__(self, job: Job) -> None:
        classes = len(job.benchmark.classes)
        self._job = job
        self.count = TauCounter.of(job.recipe, classes)
        self.tally = TauTally(classes)

    def finish(self, images: AlignedImages) -> tuple[Float64, Float64, str]:
        """IoU by label value (1, 256, C + 1), mIoU (1, 256), and the digest of the truth."""
        swept = sweep_of(self.tally, self._job.recipe, images, self._job.split)
        curve = swept.curve(self._job.policy)
        return curve.per_class[None], curve.miou[None], swept.ground_truth_digest


class _SurfaceSweep:
    """Every saliency threshold and tau."""

    def __init__(self, job: Job) -> None:
        classes = len(job.benchmark.classes)
        self._job = job
        self.count = SurfaceLocator(classes)
        self.tally = SurfaceTally(classes)

    def finish(self, images: AlignedImages) -> tuple[Float64, Float64, str]:
        """IoU by label value (256, 256, C + 1), mIoU (256, 256), and the digest of the truth."""
        planes = surface_of(self.tally, self._job.recipe, images, self._job.split)
        values = range(len(self._job.benchmark.label_names))
        ious = np.stack([planes.iou(value, self._job.policy) for value in values], axis=-1)
        return ious, mean_iou(ious), planes.ground_truth_digest


class _OwnLabel(NamedTuple):
    """What the label of one image at the recipe's thresholds gives.

    Attributes:
        score: its own mIoU; NaN where nothing is counted.
        counts: its errors; None without SciPy.
        truth_digest: of its ground truth.
        map_digests: of its maps, see `SetDigests`.
    """

    score: float
    counts: AnatomyCounts | None
    truth_digest: int
    map_digests: tuple[int, int]


class _OwnLabels:
    """Makes the labels at the recipe's thresholds, scores each, and takes all errors apart."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._anatomy = ErrorAnatomy(job.benchmark) if shapes.is_there() else None
        self._scores: list[float] = []
        self._digests = SetDigests()

    def count(self, image: AlignedImage) -> _OwnLabel:
        """Make and score the label of one image."""
        job = self._job
        label = np.zeros_like(image.truth)  # of an image without any map, as in sweeps
        if image.activations or image.saliency is not None:
            label = make_label(image.saliency, image.activations, job.recipe)
        if self._anatomy is None:
            classes = len(job.benchmark.classes)
            counts, confusion = None, confusion_matrix(label, image.truth, classes)
        else:
            counts = self._anatomy.count(label, image.truth)
            confusion = counts.confusion
        ious = iou(*apply_policy(confusion, job.policy or "miss"))
        return _OwnLabel(float(mean_iou(ious)), counts, image.digest, SetDigests.of(image))

    def add(self, label: _OwnLabel) -> None:
        """Add an image, in the order of the list."""
        self._scores.append(label.score)
        self._digests.add(*label.map_digests)
        if self._anatomy is not None and label.counts is not None:
            self._anatomy.add(label.counts, label.truth_digest)

    def finish(self) -> OwnLabels:
        """What all processes found; every process gets the same."""
        job = self._job
        gathered = np.concatenate(job.ranks.everyone(np.array(self._scores, np.float64)))
        taken_apart = None
        if self._anatomy is not None:
            self._anatomy.add_up(job.ranks)
            found = self._anatomy.compute(ignored=job.policy, split=job.split)
            taken_apart = found.to_dict()
        return OwnLabels(gathered, taken_apart, *self._digests.texts(job.ranks))
