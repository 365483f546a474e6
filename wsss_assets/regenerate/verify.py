"""Is a map set what its weights make? A sample is remade and compared, pixel by pixel."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.errors import DataError, SizeMismatchError, UsageError
from wsss_assets.evaluation.confusion import confusion_matrix, empty_confusion
from wsss_assets.evaluation.scores import score
from wsss_assets.labels.make import make_label
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.parallel import default_workers, ordered_map
from wsss_assets.regenerate.from_weights import regenerate
from wsss_assets.regenerate.job import IMAGES
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.storage.shard_maps import ShardActivations
from wsss_assets.storage.stamps import differences, read_stamp
from wsss_assets.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.confusion import Int64
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Comparison", "Labelling", "compare", "sample", "verify"]

_NO_DEPARTURES = {"work.labels", "work.label_threshold", "work.output"}
"""Settings that differ because maps are compared, and change no pixel."""

_SHOWN = (0, 1, 2, 5, 10, 50)
"""Differences, in grey levels, of which a report gives the share of pixels within."""


@dataclass(frozen=True)
class Labelling:
    """How pseudo-labels are made of maps, to see what a difference does to them.

    Attributes:
        activation: the activation maps to go with saliency maps; None: none are at hand, and it
            is only counted which pixels become salient or cease to be.
        classes: 0-based classes by image id.
        recipe: the rule.
        benchmark: whose classes they are.
        saliency: the saliency maps to go with activation maps; None: none are at hand.
    """

    activation: ActivationSource | None = None
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=get_recipe)
    benchmark: Benchmark = field(default_factory=lambda: get_benchmark("voc2012"))
    saliency: SaliencySource | None = None


@dataclass(frozen=True)
class Comparison:
    """How maps differ from those that they should be.

    Attributes:
        images: how many were compared.
        differences: pixels by how many grey levels they differ, int64 (256,).
        salience_changed: pixels that are salient in one alone, by the recipe's threshold; None
            of activation maps.
        labels_changed: pixels whose pseudo-label differs; None where none can be made.
        labels_miou: mIoU of the new pseudo-labels, the others being the truth (a new 255 is a
            miss, an old one is left out); None where none can be made.
        failed: why an image was not compared, by image id.
        image_pixels: how many the images have, of which there may be several maps.
        departures: settings that were not as recorded: (recorded, here) by name.
    """

    images: int
    differences: Int64
    salience_changed: int | None
    labels_changed: int | None
    labels_miou: float | None
    failed: dict[str, str]
    image_pixels: int
    departures: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """How many were compared."""
        return int(self.differences.sum())

    @property
    def mean(self) -> float:
        """Mean difference, in grey levels."""
        return float(self.differences @ np.arange(256)) / self.pixels

    @property
    def largest(self) -> int:
        """Largest difference, in grey levels."""
        return int(np.flatnonzero(self.differences).max())

    def share_within(self, levels: int) -> float:
        """Share of the pixels that differ by at most that many grey levels."""
        return int(self.differences[: levels + 1].sum()) / self.pixels

    def is_reproduction(self, levels: int, share: float) -> bool:
        """Whether so many pixels differ by so little, and no image is left out."""
        return not self.failed and self.share_within(levels) >= share

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        counts = self.differences.tolist()
        return {
            "images": self.images,
            "pixels": self.pixels,
            "mean_difference": self.mean,
            "largest_difference": self.largest,
            "pixels_by_difference": counts[: self.largest + 1],
            "salience_changed": self._share(self.salience_changed),
            "labels_changed": self._share(self.labels_changed),
            "labels_miou": self.labels_miou,
            "failed": self.failed,
            "departures": {
                name: {"recorded": recorded, "here": here}
                for name, (recorded, here) in self.departures.items()
            },
        }

    def describe(self) -> str:
        """The same in sentences."""
        compared = f"{counted(self.images, 'image')}, {counted(self.pixels, 'pixel')}"
        if self.largest == 0:
            lines = [f"{compared}: all are equal"]
        else:
            within = ", ".join(f"{self.share_within(one):.3%} within {one}" for one in _SHOWN)
            lines = [
                f"{compared}: mean difference {self.mean:.3f} grey levels, largest {self.largest}",
                f"pixels by difference: {within}",
            ]
            if self.salience_changed is not None:
                salient = self._share(self.salience_changed)
                lines.append(f"salient in one alone: {salient:.3%} of the pixels")
        if self.labels_changed is not None:
            agreement = "–" if self.labels_miou is None else f"{self.labels_miou:.4f}"
            lines.append(
                f"pseudo-labels: {self._share(self.labels_changed):.3%} of the pixels change, "
                f"mIoU between the two {agreement}"
            )
        return "\n".join(lines)

    def _share(self, pixels: int | None) -> float | None:
        """Of the pixels of the images."""
        return None if pixels is None else pixels / self.image_pixels


def sample(ids: Sequence[str], images: int) -> list[str]:
    """So many of the ids, in their order: the same ones every time, spread at random."""
    chosen = set(sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())[:images])
    return [one for one in ids if one in chosen]


def verify(
    maps: SaliencySource | ActivationSource,
    model: str | Architecture | ActivationMethod,
    images: Path | str,
    ids: Sequence[str],
    *,
    labelling: Labelling | None = None,
    recorded: Mapping[str, Any] | None = None,
    feedback: Feedback = SILENT,
    **options: Any,  # noqa: ANN401 (those of `regenerate`)
) -> Comparison:
    """Remake the maps of some images, and compare.

    Args:
        maps: what they should be.
        model: name or alias of a network, an architecture or a method.
        images: a folder of photos.
        ids: which images.
        labelling: what the maps are for; None: the recipe `wsss-bed`, without activation maps.
        recorded: the settings that are recorded to have made them; what is not so here is said.
        feedback: who waits.
        options: of `wsss_assets.regenerate.regenerate`, such as `weights` and `device`.

    Raises:
        UsageError: no image is to be compared, or none could be.
        WsssAssetsError: whatever `regenerate` raises.
    """
    if not ids:
        raise UsageError("there is no image to compare")
    with tempfile.TemporaryDirectory(prefix="wsss-assets-verify-") as folder:
        out = Path(folder) / "maps"
        summary = regenerate(model, images, out, ids=ids, feedback=feedback, **options)
        if not summary.written:
            image_id, reason = next(iter(summary.failed.items()))
            raise DataError(f"no map could be remade; {image_id}: {reason}")
        here = {key: value for key, value in (read_stamp(out) or {}).items() if key != IMAGES}
        apart = {} if recorded is None else differences(recorded, here)
        departures = {
            key: (one, other)
            for key, (one, other) in apart.items()
            if key not in _NO_DEPARTURES and one != other  # what is not there is as good as None
        }
        made = [one for one in ids if one not in summary.failed]
        remade = ActivationFolder(out) if options.get("activation") else SaliencyFolder(out)
        found = compare(maps, remade, made, labelling or Labelling())
    failed = {**summary.failed, **found.failed}
    return replace(found, failed=failed, departures=departures)


def compare(
    expected: SaliencySource | ActivationSource,
    found: SaliencySource | ActivationSource,
    ids: Sequence[str],
    labelling: Labelling,
) -> Comparison:
    """Compare two sets of maps of one kind.

    Args:
        expected: what the maps should be.
        found: what they are; a folder or shards of saliency maps, or of activation maps.
        ids: which images.
        labelling: what the maps are for; of activation maps, it must have the classes.

    Raises:
        UsageError: not one image could be compared.
    """
    pair = _pair_of(expected, found, labelling)

    def one(image_id: str) -> _Pair | str:
        try:
            return pair(image_id)
        except DataError as error:
            return str(error)

    pairs = dict(zip(ids, ordered_map(one, ids, default_workers()), strict=True))
    failed = {image_id: pair for image_id, pair in pairs.items() if isinstance(pair, str)}
    counted = [pair for pair in pairs.values() if isinstance(pair, _Pair)]
    if not counted:
        raise DataError("no image could be compared", found=next(iter(failed.values()), "none"))
    differences: Int64 = sum((pair.differences for pair in counted), np.zeros(256, np.int64))
    names = labelling.benchmark.label_names
    confusion = sum((pair.confusion for pair in counted), empty_confusion(len(names) - 1))
    labels = _total(pair.labels_changed for pair in counted)
    miou = None
    if labels is not None:
        miou = score(confusion, names, ignored="miss", images=len(counted)).miou
    return Comparison(
        len(counted),
        differences,
        _total(pair.salience_changed for pair in counted),
        labels,
        miou,
        failed,
        sum(pair.pixels for pair in counted),
    )


@dataclass(frozen=True)
class _Pair:
    """The same as `Comparison`, of one image; of labels there may be none."""

    pixels: int
    differences: Int64
    salience_changed: int | None
    confusion: Int64
    labels_changed: int | None


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum of counts of which all are known, or none is."""
    known = [one for one in counts if one is not None]
    return sum(known) if known else None


def _pair_of(
    expected: SaliencySource | ActivationSource,
    found: SaliencySource | ActivationSource,
    labelling: Labelling,
) -> Callable[[str], _Pair]:
    """What compares an image's maps, of one kind or of the other."""
    if isinstance(expected, ActivationFolder | ShardActivations):
        of_activation = cast("ActivationSource", found)
        return partial(_activation_pair, expected, of_activation, labelling)
    saliency = cast("tuple[SaliencySource, SaliencySource]", (expected, found))
    return partial(_saliency_pair, *saliency, labelling)


def _saliency_pair(
    expected: SaliencySource, found: SaliencySource, labelling: Labelling, image_id: str
) -> _Pair:
    old, new = expected.read(image_id), found.read(image_id)
    differences = _differences(f"the maps of {image_id}", old, new)
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    salient = levels > np.float32(labelling.recipe.saliency_threshold)
    labels = None
    if labelling.activation is not None:
        maps = labelling.activation.read(image_id, labelling.classes[image_id])
        labels = [make_label(one, maps, labelling.recipe) for one in (old, new)]
    changed = int(np.count_nonzero(salient[old] != salient[new]))
    return _Pair(old.size, differences, changed, *_labels_apart(labels, labelling))


def _activation_pair(
    expected: ActivationSource, found: ActivationSource, labelling: Labelling, image_id: str
) -> _Pair:
    classes = labelling.classes[image_id]
    if not classes:
        raise DataError(f"{image_id} shows no class by the labels", found="maps of it")
    old, new = expected.read(image_id, classes), found.read(image_id, classes)
    differences = np.zeros(256, np.int64)
    for index in classes:
        differences += _differences(
            f"the maps of class {index} of {image_id}", old[index], new[index]
        )
    labels = None
    if labelling.saliency is not None:
        saliency = labelling.saliency.read(image_id)
        labels = [make_label(saliency, maps, labelling.recipe) for maps in (old, new)]
    pixels = next(iter(old.values())).size
    return _Pair(pixels, differences, None, *_labels_apart(labels, labelling))


def _differences(what: str, old: UInt8, new: UInt8) -> Int64:
    """Pixels by how many grey levels two maps differ, int64 (256,)."""
    if old.shape != new.shape:
        raise SizeMismatchError(
            f"{what} differ in size",
            expected="×".join(map(str, old.shape[::-1])),
            found="×".join(map(str, new.shape[::-1])),
        )
    apart = np.maximum(old, new) - np.minimum(old, new)
    return np.bincount(apart.ravel(), minlength=256)


def _labels_apart(labels: Sequence[UInt8] | None, labelling: Labelling) -> tuple[Int64, int | None]:
    """The confusion of an old and a new pseudo-label, and how many pixels differ."""
    classes = len(labelling.benchmark.label_names) - 1
    if labels is None:
        return empty_confusion(classes), None
    old, new = labels
    return confusion_matrix(new, old, classes), int(np.count_nonzero(old != new))
