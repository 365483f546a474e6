"""Two sets of label maps side by side: where they differ, and which is nearer to the ground truth.

Label maps are compared as they are, 255 being one more value. With ground truth both are scored,
see `wsss_assets.evaluation.comparing.truth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import SizeMismatchError
from wsss_assets.evaluation.comparing.bootstrap import PairedBootstrap, interval
from wsss_assets.evaluation.comparing.pairing import Worst, common_images
from wsss_assets.evaluation.comparing.truth import TruthCounter, TruthSums
from wsss_assets.evaluation.confusion import check_counts, count_values, digest_text, label_digest
from wsss_assets.evaluation.scores import check_policy, iou, plain
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import LabelFolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsss_assets.evaluation.comparing.truth import TruthComparison, TruthCounts
    from wsss_assets.evaluation.dialects import Policy
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["IGNORED_NAME", "ChangedLabel", "LabelComparison", "compare_labels", "joint_counts"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]

IGNORED_NAME = "ignored (255)"
"""What the ignore label is called beside the class names."""


@dataclass(frozen=True)
class ChangedLabel:
    """An image whose two labels differ.

    Attributes:
        image_id: its id.
        pixels: how many it has.
        differing: how many of them have another label.
    """

    image_id: str
    pixels: int
    differing: int


@dataclass(frozen=True)
class LabelComparison:
    """Two sets of label maps, compared.

    Attributes:
        joint: int64 (C + 2, C + 2): pixels by the first set's label (rows) and the
            second's (columns), 0..C and, last, 255.
        names: of its rows and columns.
        images: how many were compared.
        missing_in_first: ids that the first set has no label map of.
        missing_in_second: ids that the second set has no label map of.
        same_images: how many images are equal in every pixel.
        changed: those that differ in the most pixels.
        truth: the comparison with the ground truth; None without one.
        benchmark: its name.
        split: its name, or None where unknown.
        synthetic: whether the images were drawn by a program.
        first_digest: stands for the labels of the first set, 64 hex digits.
        second_digest: stands for those of the second set.
    """

    joint: Int64
    names: tuple[str, ...]
    images: int
    missing_in_first: tuple[str, ...]
    missing_in_second: tuple[str, ...]
    same_images: int
    changed: tuple[ChangedLabel, ...]
    truth: TruthComparison | None
    benchmark: str
    split: str | None
    synthetic: bool
    first_digest: str
    second_digest: str

    @property
    def agreement(self) -> float:
        """Share of all pixels that have the same label, 255 being one; NaN without a pixel."""
        return _share(int(np.trace(self.joint)), int(self.joint.sum()))

    @property
    def agreement_without_ignored(self) -> float:
        """The same of the pixels that are 255 in neither set."""
        square = self.joint[:-1, :-1]
        return _share(int(np.trace(square)), int(square.sum()))

    @property
    def overlap(self) -> NDArray[np.float64]:
        """IoU of each label's pixels in the two sets, float64 (C + 2,); NaN where in neither."""
        return iou(np.diagonal(self.joint), self.joint.sum(axis=0), self.joint.sum(axis=1))

    def confusions(self, most: int = 10) -> list[tuple[str, str, int]]:
        """What most often became what: names of first and second label, and pixels."""
        off = self.joint.copy()
        np.fill_diagonal(off, 0)
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        cells = (divmod(int(cell), len(off)) for cell in order)
        return [
            (self.names[row], self.names[column], int(off[row, column]))
            for row, column in cells
            if off[row, column]
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/comparing.md."""
        return {
            "kind": "labels",
            "benchmark": self.benchmark,
            "synthetic": self.synthetic,
            "split": self.split,
            "images": self.images,
            "missing_in_first": list(self.missing_in_first),
            "missing_in_second": list(self.missing_in_second),
            "first_digest": self.first_digest,
            "second_digest": self.second_digest,
            "pixels": int(self.joint.sum()),
            "agreement": plain(self.agreement),
            "agreement_without_ignored": plain(self.agreement_without_ignored),
            "same_images": self.same_images,
            "overlap": dict(zip(self.names, map(plain, self.overlap), strict=True)),
            "names": list(self.names),
            "joint": self.joint.tolist(),
            "changed": [vars(one) for one in self.changed],
            "truth": None if self.truth is None else self.truth.to_dict(),
        }


def compare_labels(
    first: Path | str,
    second: Path | str,
    *,
    ids: Iterable[str] | None = None,
    ground_truth: Path | str | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    ignored: Policy | str | None = None,
    skip_missing: bool = False,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    most: int = 10,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> LabelComparison:
    """Compare two folders of label maps, and both with the ground truth.

    Args:
        first: folder of `<image id>.png` or `.npy`.
        second: another one.
        ids: which images; None: all that either folder has.
        ground_truth: folder of label maps; None: the two are only compared with each other.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        ignored: what a predicted 255 counts as against the ground truth; needed where there is one.
        skip_missing: pass over images that only one folder has, and list them in the result.
        replicates: of the bootstrap over images.
        seed: of the bootstrap.
        confidence: of its intervals, between 0 and 1.
        most: how many images are listed.
        workers: threads; None: one per core. The result is the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the images; all get the same result.

    Raises:
        MissingFileError: an image is missing in a folder.
        SizeMismatchError: the label maps of an image differ in size.
        ImageFormatError: a file is no label map of this benchmark.
        IgnoredPixelsError: 255 was predicted against the ground truth and there is no policy.
        UsageError: the bootstrap's settings make no sense.
        DataError: there is no image to compare.
    """
    benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    policy = None if ignored is None else check_policy(ignored)
    interval(np.zeros(1), confidence)  # refused before the work is done
    classes = len(benchmark.classes)
    bootstrap = PairedBootstrap(classes, replicates, seed)
    sums, truth_sums = _Sums(classes, most), TruthSums(bootstrap, most)
    folders = (LabelFolder(Path(first)), LabelFolder(Path(second)))
    truth = None
    if ground_truth is not None:
        truth = TruthCounter(LabelFolder(Path(ground_truth)), bootstrap, policy or "miss")
    common, missing = common_images(ids, folders[0].files, folders[1].files, skip_missing)
    counter = _Counter(folders, truth, classes)
    for counts in map_with_progress(counter, ranks.stretch(common), workers, progress):
        sums.add(counts)
        if counts.truth is not None:
            truth_sums.add(counts.truth)
    sums.add_up(ranks)
    truth_sums.add_up(ranks)
    passed_over = tuple(sorted({*missing[0], *missing[1]}))
    return LabelComparison(
        joint=sums.joint,
        names=(*benchmark.label_names, IGNORED_NAME),
        images=len(common),
        missing_in_first=missing[0],
        missing_in_second=missing[1],
        same_images=sums.same_images,
        changed=tuple(sums.changed.ordered()),
        truth=None
        if truth is None
        else truth_sums.result(benchmark, split, policy, passed_over, confidence),
        benchmark=benchmark.name,
        split=split,
        synthetic=benchmark.synthetic,
        first_digest=digest_text([sums.digests[0]]),
        second_digest=digest_text([sums.digests[1]]),
    )


def joint_counts(first: UInt8, second: UInt8, classes: int, image_id: str) -> Int64:
    """Pixels by both labels.

    Args:
        first: uint8 (H, W), values 0..classes and 255.
        second: uint8 of the same shape.
        classes: number of foreground classes.
        image_id: whose labels they are, for errors.

    Returns:
        int64 (classes + 2, classes + 2): rows the first's values, columns the second's, 255 last.

    Raises:
        SizeMismatchError: the shapes differ.
        ImageFormatError: a value is no class.
    """
    if first.shape != second.shape:
        raise SizeMismatchError(
            f"{image_id}: the two label maps differ in size",
            expected=f"{first.shape} (height, width), as in A",
            found=f"{second.shape} in B",
            hint="nothing is resized here: write both at the size of the image",
        )
    side = classes + 2
    shifted = [label + np.uint8(1) for label in (first, second)]  # modulo 256: 255 becomes 0
    for name, label, values in zip("AB", (first, second), shifted, strict=True):
        if values.size and values.max() > classes + 1:
            check_counts(
                np.bincount(label.ravel(), minlength=256), classes, f"label of {image_id} in {name}"
            )
    joint = np.multiply(shifted[0], side, dtype=np.uint16)
    joint += shifted[1]
    counts = count_values(joint.ravel(), side * side).reshape(side, side)
    return np.roll(counts, -1, axis=(0, 1))


@dataclass(frozen=True)
class _Counts:
    """What one image adds."""

    image_id: str
    joint: Int64
    digests: tuple[int, int]
    truth: TruthCounts | None


@dataclass(frozen=True)
class _Counter:
    """Counts one image."""

    folders: tuple[LabelFolder, LabelFolder]
    truth: TruthCounter | None
    classes: int

    def __call__(self, image_id: str) -> _Counts:
        first, second = (folder.read(image_id) for folder in self.folders)
        joint = joint_counts(first, second, self.classes, image_id)
        digests = (label_digest(image_id, first), label_digest(image_id, second))
        truth = None if self.truth is None else self.truth(image_id, (first, second))
        return _Counts(image_id, joint, digests, truth)


class _Sums:
    """What all images add up to."""

    def __init__(self, classes: int, most: int) -> None:
        self.joint: Int64 = np.zeros((classes + 2, classes + 2), np.int64)
        self.digests = (0, 0)
        self.same_images = 0
        self.changed: Worst[ChangedLabel] = Worst(most)

    def add(self, one: _Counts) -> None:
        self.joint += one.joint
        self.digests = (self.digests[0] + one.digests[0], self.digests[1] + one.digests[1])
        pixels, same = int(one.joint.sum()), int(np.trace(one.joint))
        if same == pixels:
            self.same_images += 1
        else:
            changed = ChangedLabel(one.image_id, pixels, pixels - same)
            self.changed.add(changed.differing, one.image_id, changed)

    def add_up(self, ranks: Ranks) -> None:
        ranks.add_up(self.joint)
        self.changed.add_up(ranks)
        everyone = ranks.everyone((*self.digests, self.same_images))
        first, second, self.same_images = (sum(column) for column in zip(*everyone, strict=True))
        self.digests = (first, second)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
