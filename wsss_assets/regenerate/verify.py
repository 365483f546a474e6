"""Is a map set what its weights make? A sample is remade and compared, pixel by pixel."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.names import is_place, weights_names
from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeMaps, parse_record
from wsss_assets.errors import DataError, SizeMismatchError, UsageError
from wsss_assets.evaluation.confusion import confusion_matrix, empty_confusion
from wsss_assets.evaluation.scores import score
from wsss_assets.labels.make import make_label
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.map_sets.choose import choose_by_id
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.repository import chosen_repository
from wsss_assets.parallel import default_workers, ordered_map
from wsss_assets.regenerate.run import regenerate
from wsss_assets.storage.maps import SaliencyFolder
from wsss_assets.storage.shard_maps import ShardSaliency
from wsss_assets.storage.stamps import differences, read_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.confusion import Int64
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Comparison", "Given", "Labelling", "compare", "open_given", "sample", "verify"]

_SHOWN = (0, 1, 2, 5, 10, 50)
"""Differences, in grey levels, of which a report gives the share of pixels within."""


@dataclass(frozen=True)
class Given:
    """Maps that may or may not be what their weights make.

    Attributes:
        maps: the maps.
        ids: the images that have one, in order.
        model: the network that is recorded to have made them; None: none is.
        weights: name of the published weights that are recorded with it; None: none are, or the
            record beside the maps names files by their digests.
        benchmark: whose images these are; None: not recorded.
        split: which of them.
        made: the record that lies beside them; None: there is none.
        own_frame: whether they have the size at which the authors' script writes them, and not
            that of their photos; None: not recorded.
    """

    maps: SaliencySource
    ids: tuple[str, ...]
    model: str | None = None
    weights: str | None = None
    benchmark: str | None = None
    split: str | None = None
    made: MadeMaps | None = None
    own_frame: bool | None = None


def open_given(name: str, split: str | None = None, feedback: Feedback = SILENT) -> Given:
    """A published set of saliency maps by its id, fetched if need be, or a folder of maps.

    Args:
        name: id or upstream name of a map set, or a path.
        split: which split of a map set; None: the one that maps are usually made for.
        feedback: who waits.

    Raises:
        UnknownNameError: there is no such map set.
        UsageError: it is one of activation maps.
        MissingFileError: there is no such folder, or no map in it.
        WsssAssetsError: what obtaining a map set raises.
    """
    if Path(name).is_dir() or is_place(name):
        return _open_folder(Path(name))
    record = choose_by_id(name, chosen_repository(None, None))
    if record.kind != "saliency":
        raise UsageError(f"{record.id} holds activation maps", expected="a set of saliency maps")
    held = obtain(record, split, feedback=feedback)
    maps = ShardSaliency(held.paths, record.id)
    ids = tuple(one for one in maps.ids() if maps.version(one))
    model = weights = None
    if record.regeneration is not None:
        model, weights = record.regeneration.model, record.regeneration.weights
    published = weights if weights in weights_names() else None
    split = held.holding.split
    return Given(maps, ids, model, published, record.benchmark, split, own_frame=False)


def _open_folder(folder: Path) -> Given:
    maps = SaliencyFolder(folder)
    made = folder / MADE_MAPS_NAME
    if not made.is_file():
        return Given(maps, tuple(maps.files))
    record = parse_record(MadeMaps, made.read_bytes(), str(made))
    work = record.settings.get("work")
    return Given(
        maps,
        tuple(maps.files),
        record.model,
        None,
        record.benchmark,
        record.split,
        record,
        work.get("frame") == "own" if isinstance(work, dict) else None,
    )


@dataclass(frozen=True)
class Labelling:
    """How pseudo-labels are made of saliency maps, to see what a difference does to them.

    Attributes:
        activation: the activation maps to go with them; None: none are at hand, and it is only
            counted which pixels become salient or cease to be.
        classes: 0-based classes by image id.
        recipe: the rule.
        benchmark: whose classes they are.
    """

    activation: ActivationSource | None = None
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=get_recipe)
    benchmark: Benchmark = field(default_factory=lambda: get_benchmark("voc2012"))


@dataclass(frozen=True)
class Comparison:
    """How maps differ from those that they should be.

    Attributes:
        images: how many were compared.
        differences: pixels by how many grey levels they differ, int64 (256,).
        salience_changed: pixels that are salient in one alone, by the recipe's threshold.
        labels_changed: pixels whose pseudo-label differs; None without activation maps.
        labels_miou: mIoU of the new pseudo-labels, the others being the truth (a new 255 is a
            miss, an old one is left out); None without activation maps.
        failed: why an image was not compared, by image id.
        departures: settings that were not as recorded: (recorded, here) by name.
    """

    images: int
    differences: Int64
    salience_changed: int
    labels_changed: int | None
    labels_miou: float | None
    failed: dict[str, str]
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
            "salience_changed": self.salience_changed / self.pixels,
            "labels_changed": None
            if self.labels_changed is None
            else self.labels_changed / self.pixels,
            "labels_miou": self.labels_miou,
            "failed": self.failed,
            "departures": {
                name: {"recorded": recorded, "here": here}
                for name, (recorded, here) in self.departures.items()
            },
        }

    def describe(self) -> str:
        """The same in sentences."""
        within = ", ".join(f"{self.share_within(one):.3%} within {one}" for one in _SHOWN)
        lines = [
            f"{self.images:,} images, {self.pixels:,} pixels: mean difference {self.mean:.3f} "
            f"grey levels, largest {self.largest}",
            f"pixels by difference: {within}",
            f"salient in one alone: {self.salience_changed / self.pixels:.3%} of the pixels",
        ]
        if self.labels_changed is not None:
            agreement = "–" if self.labels_miou is None else f"{self.labels_miou:.4f}"
            lines.append(
                f"pseudo-labels: {self.labels_changed / self.pixels:.3%} of the pixels change, "
                f"mIoU between the two {agreement}"
            )
        return "\n".join(lines)


def sample(ids: Sequence[str], images: int) -> list[str]:
    """So many of the ids, in their order: the same ones every time, spread at random."""
    chosen = set(sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())[:images])
    return [one for one in ids if one in chosen]


def verify(
    maps: SaliencySource,
    model: str | Architecture,
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
        model: name or alias of a network, or an architecture.
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
        departures = {} if recorded is None else differences(recorded, read_stamp(out) or {})
        made = [one for one in ids if one not in summary.failed]
        found = compare(maps, SaliencyFolder(out), made, labelling or Labelling())
    failed = {**summary.failed, **found.failed}
    return replace(found, failed=failed, departures=departures)


def compare(
    expected: SaliencySource, found: SaliencySource, ids: Sequence[str], labelling: Labelling
) -> Comparison:
    """Compare two sets of saliency maps.

    Args:
        expected: what the maps should be.
        found: what they are.
        ids: which images.
        labelling: what the maps are for.

    Raises:
        UsageError: not one image could be compared.
    """

    def one(image_id: str) -> _Pair | str:
        try:
            return _pair(image_id, expected.read(image_id), found.read(image_id), labelling)
        except DataError as error:
            return str(error)

    pairs = dict(zip(ids, ordered_map(one, ids, default_workers()), strict=True))
    failed = {image_id: pair for image_id, pair in pairs.items() if isinstance(pair, str)}
    counted = [pair for pair in pairs.values() if isinstance(pair, _Pair)]
    if not counted:
        raise DataError("no image could be compared", found=next(iter(failed.values()), "none"))
    differences: Int64 = sum((pair.differences for pair in counted), np.zeros(256, np.int64))
    labels_changed, labels_miou = None, None
    if labelling.activation is not None:
        names = labelling.benchmark.label_names
        confusion = sum((pair.confusion for pair in counted), empty_confusion(len(names) - 1))
        labels_changed = sum(pair.labels_changed for pair in counted)
        labels_miou = score(confusion, names, ignored="miss", images=len(counted)).miou
    return Comparison(
        len(counted),
        differences,
        sum(pair.salience_changed for pair in counted),
        labels_changed,
        labels_miou,
        failed,
    )


@dataclass(frozen=True)
class _Pair:
    """The same as `Comparison`, of one image; of labels there may be none."""

    differences: Int64
    salience_changed: int
    confusion: Int64
    labels_changed: int


def _pair(image_id: str, expected: UInt8, found: UInt8, labelling: Labelling) -> _Pair:
    if expected.shape != found.shape:
        raise SizeMismatchError(
            f"the maps of {image_id} differ in size",
            expected="×".join(map(str, expected.shape[::-1])),
            found="×".join(map(str, found.shape[::-1])),
        )
    apart = np.maximum(expected, found) - np.minimum(expected, found)
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    salient = levels > np.float32(labelling.recipe.saliency_threshold)
    classes = len(labelling.benchmark.label_names) - 1
    confusion, labels_changed = empty_confusion(classes), 0
    if labelling.activation is not None:
        maps = labelling.activation.read(image_id, labelling.classes[image_id])
        old, new = (make_label(one, maps, labelling.recipe) for one in (expected, found))
        confusion = confusion_matrix(new, old, classes)
        labels_changed = int(np.count_nonzero(old != new))
    return _Pair(
        np.bincount(apart.ravel(), minlength=256),
        int(np.count_nonzero(salient[expected] != salient[found])),
        confusion,
        labels_changed,
    )
