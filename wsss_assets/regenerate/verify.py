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
from wsss_assets.regenerate.comparison import Comparison, MapApart
from wsss_assets.regenerate.from_weights import regenerate
from wsss_assets.regenerate.job import IMAGES
from wsss_assets.storage.differing import differences
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.storage.shard_maps import ShardActivations
from wsss_assets.storage.stamps import read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.confusion import Int64
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Labelling", "compare", "sample", "verify"]

_NO_DEPARTURES = {"work.labels", "work.label_threshold", "work.output"}
"""Settings that differ because maps are compared, and change no pixel."""


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
    levels: int = 1,
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
        levels: grey levels by which a pixel of a reproduction may differ.
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
        found = compare(maps, remade, made, labelling or Labelling(), levels)
    failed = {**summary.failed, **found.failed}
    return replace(found, failed=failed, departures=departures)


def compare(
    expected: SaliencySource | ActivationSource,
    found: SaliencySource | ActivationSource,
    ids: Sequence[str],
    labelling: Labelling,
    levels: int = 1,
) -> Comparison:
    """Compare two sets of maps of one kind, in memory that grows by a few numbers per image.

    Args:
        expected: what the maps should be.
        found: what they are; a folder or shards of saliency maps, or of activation maps.
        ids: which images.
        labelling: what the maps are for; of activation maps, it must have the classes.
        levels: grey levels by which a pixel of a reproduction may differ.

    Raises:
        DataError: not one image could be compared.
    """
    compare_one = _pair_of(expected, found, labelling)

    def one(image_id: str) -> _Pair | str:
        try:
            return compare_one(image_id)
        except DataError as error:
            return str(error)

    total, failed, apart = _Total(labelling), {}, []
    for image_id, pair in zip(ids, ordered_map(one, ids, default_workers()), strict=True):
        if isinstance(pair, str):
            failed[image_id] = pair
        else:
            total.add(pair)
            worst = _worst(image_id, pair, levels)
            apart += [worst] if worst.beyond else []
    if not total.images:
        raise DataError("no image could be compared", found=next(iter(failed.values()), "none"))
    return Comparison(
        total.images,
        total.differences,
        total.salience_changed,
        total.labels_changed,
        total.miou(),
        failed,
        total.pixels,
        levels,
        tuple(sorted(apart, key=lambda one: (-one.share, one.image))),
    )


@dataclass(frozen=True)
class _Pair:
    """The same as `Comparison`, of one image; of labels there may be none.

    Attributes:
        differences: of each map, by its class; None: a saliency map.
    """

    pixels: int
    differences: Mapping[int | None, Int64]
    salience_changed: int | None
    confusion: Int64
    labels_changed: int | None


class _Total:
    """The sum of pairs; either all of them have labels, or none has."""

    def __init__(self, labelling: Labelling) -> None:
        self.names = labelling.benchmark.label_names
        self.images = self.pixels = 0
        self.differences: Int64 = np.zeros(256, np.int64)
        self.confusion = empty_confusion(len(self.names) - 1)
        self.salience_changed: int | None = None
        self.labels_changed: int | None = None

    def add(self, pair: _Pair) -> None:
        self.images += 1
        self.pixels += pair.pixels
        self.confusion += pair.confusion
        for counts in pair.differences.values():
            self.differences += counts
        if pair.salience_changed is not None:
            self.salience_changed = (self.salience_changed or 0) + pair.salience_changed
        if pair.labels_changed is not None:
            self.labels_changed = (self.labels_changed or 0) + pair.labels_changed

    def miou(self) -> float | None:
        """See `Comparison.labels_miou`."""
        if self.labels_changed is None:
            return None
        return score(self.confusion, self.names, ignored="miss", images=self.images).miou


def _worst(image_id: str, pair: _Pair, levels: int) -> MapApart:
    """The map of an image of which the largest share is beyond the tolerance."""
    maps = [
        MapApart(
            image_id,
            index,
            pixels=int(counts.sum()),
            beyond=int(counts[levels + 1 :].sum()),
            largest=int(np.flatnonzero(counts).max()),
        )
        for index, counts in pair.differences.items()
    ]
    return max(maps, key=lambda one: one.share)


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
    apart = _differences(f"the maps of {image_id}", old, new)
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    salient = levels > np.float32(labelling.recipe.saliency_threshold)
    labels = None
    if labelling.activation is not None:
        maps = labelling.activation.read(image_id, labelling.classes[image_id])
        labels = [make_label(one, maps, labelling.recipe) for one in (old, new)]
    changed = int(np.count_nonzero(salient[old] != salient[new]))
    return _Pair(old.size, {None: apart}, changed, *_labels_apart(labels, labelling))


def _activation_pair(
    expected: ActivationSource, found: ActivationSource, labelling: Labelling, image_id: str
) -> _Pair:
    classes = labelling.classes[image_id]
    if not classes:
        raise DataError(f"{image_id} shows no class by the labels", found="maps of it")
    old, new = expected.read(image_id, classes), found.read(image_id, classes)
    apart: dict[int | None, Int64] = {
        index: _differences(f"the maps of class {index} of {image_id}", old[index], new[index])
        for index in classes
    }
    labels = None
    if labelling.saliency is not None:
        saliency = labelling.saliency.read(image_id)
        labels = [make_label(saliency, maps, labelling.recipe) for maps in (old, new)]
    pixels = next(iter(old.values())).size
    return _Pair(pixels, apart, None, *_labels_apart(labels, labelling))


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
