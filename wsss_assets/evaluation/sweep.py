"""Every tau at once, exactly, from one pass of 8-bit histograms.

At a pixel only three things matter for every tau: which class is strongest, its byte, and
whether saliency lets it win at all. So the curve over tau is a histogram `[true class,
strongest class, byte]` and its suffix sums, and each entry equals making the labels with that
tau and scoring them. `wsss_assets.evaluation.surface` adds the saliency threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import IgnoredPixelsError
from wsss_assets.evaluation.aligned import AlignedImage, AlignedImages, check_sweepable
from wsss_assets.evaluation.confusion import digest_text
from wsss_assets.evaluation.dialects import POLICIES
from wsss_assets.evaluation.scores import apply_policy, check_policy, iou, mean_iou, plain
from wsss_assets.labels.make import ByteRule, byte_rule, lowest_winners, strongest
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.evaluation.surface import SurfaceSweep
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["TAUS", "TauCurve", "TauSweep", "provenance", "require_policy", "suffix_sums", "sweep"]

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
UInt8: TypeAlias = NDArray[np.uint8]

TAUS: tuple[float, ...] = tuple(byte / 255 for byte in range(256))
"""The thresholds that can make a difference to 8-bit maps."""

BACKGROUND, IGNORED = range(2)
"""What a pixel is when no class wins."""

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
        recommended = np.searchsorted(cuts, lowest_winners(self.recipe, [self.recipe.tau])[0])
        return TauCurve(
            taus=TAUS,
            miou=miou,
            per_class=per_class,
            best=best,
            plateau=_plateau(miou, best),
            recommended=min(int(recommended), 255),
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
        return {"tau": curve.taus[index], "miou": plain(curve.miou[index])}


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
    counter = _Counter(byte_rule(replace(recipe, tau=0.0)), recipe.ignore, classes)
    histograms = np.zeros((2, classes + 1, classes, 256), np.int64)
    true_values, digest = np.zeros(256, np.int64), 0
    for counts in images.map(counter, workers, progress):
        for kind, part in counts.histograms.items():
            histograms[kind][:, counts.present] += part
        true_values += counts.true_values
        digest += counts.digest
    ranks.add_up(histograms, true_values)
    # Where saliency rules all classes out, a pixel counts by its true value alone.
    histograms[BACKGROUND, :, 0, 0] += true_values[: classes + 1] - histograms.sum(axis=(0, 2, 3))
    return TauSweep(
        recipe=recipe,
        benchmark=images.benchmark,
        confusions=_confusions(histograms, lowest_winners(recipe, TAUS)),
        images=len(labels),
        split=split,
        ground_truth_digest=digest_text(ranks.everyone(digest)),
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
    """
    if not needed:
        return None
    if ignored is None:
        raise IgnoredPixelsError(
            "the recipe writes 255, and evaluators disagree on what that means",
            expected=f"one of {', '.join(POLICIES)}",
            done="no score was given",
            hint="choose with --ignored miss|background|drop (in Python: ignored=…)",
        )
    return check_policy(ignored)


@dataclass(frozen=True)
class _Counts:
    """What one image adds.

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


@dataclass(frozen=True)
class _Counter:
    """Counts one image."""

    rule: ByteRule
    ignore: bool
    classes: int

    def __call__(self, image: AlignedImage) -> _Counts:
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
        return _Counts(present, histograms, image.true_values, image.digest)

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


def _confusions(histograms: Int64, cuts: Int64) -> Int64:
    """int64 (256, C + 1, C + 2) from the histograms (2, C + 1, C, 256)."""
    suffix = suffix_sums(histograms)
    won = np.moveaxis(suffix[..., cuts], -1, 0)  # (256, 2, C + 1, C)
    lost = suffix[..., 0].sum(axis=-1) - won.sum(axis=-1)  # (256, 2, C + 1)
    background, ignored = lost[:, BACKGROUND], lost[:, IGNORED]
    return np.concatenate([background[..., None], won.sum(axis=1), ignored[..., None]], axis=-1)


def suffix_sums(counts: Int64) -> Int64:
    """Suffix sums along the last axis with a 0 behind: (..., 256) to (..., 257)."""
    result = np.zeros((*counts.shape[:-1], 257), np.int64)
    result[..., :256] = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
    return result


def _plateau(miou: Float64, best: int) -> tuple[int, int]:
    near = miou >= miou[best] - PLATEAU
    first = last = best
    while first > 0 and near[first - 1]:
        first -= 1
    while last < len(miou) - 1 and near[last + 1]:
        last += 1
    return first, last


def _listed(values: Float64) -> list[float | None]:
    return [plain(value) for value in values]
