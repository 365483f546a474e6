"""Two sets of saliency or activation maps side by side, grey level by grey level.

What is counted is one joint histogram, int64 (256, 256), of the bytes that the two sets have at the
same pixel; it is a sum over images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import MissingFileError, SizeMismatchError
from wsss_assets.evaluation.comparing.map_comparison import ChangedMap, MapComparison
from wsss_assets.evaluation.comparing.map_keys import common_maps, map_name
from wsss_assets.evaluation.comparing.pairing import Worst
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.evaluation.comparing.map_keys import MapKind
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["compare_maps"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]


def compare_maps(
    first: Any,  # noqa: ANN401 (Path, str, or a source of the kind)
    second: Any,  # noqa: ANN401
    kind: MapKind,
    *,
    labels: Mapping[str, Sequence[int]] | None = None,
    ids: Iterable[str] | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    skip_missing: bool = False,
    most: int = 10,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> MapComparison:
    """Compare two sets of maps of one kind.

    Args:
        first: folder or source, see `wsss_assets.storage.maps`.
        second: another one.
        kind: of maps.
        labels: which images and, of activation maps, classes; None: all that either set has. Needed
            for `.npy` dictionaries, and for sources that cannot say what they have.
        ids: some images of those; None: all. Of saliency maps they are the list where there is
            no other.
        benchmark: its name, to be said with the numbers.
        split: its name, to be said with the numbers.
        skip_missing: pass over maps that only one set has, and list them in the result.
        most: how many images are listed.
        workers: threads; None: one per core. The result is the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the images; all get the same result.

    Raises:
        MissingFileError: a map is missing in a set, or an image of `ids` in both.
        SizeMismatchError: two maps of an image differ in size.
        ImageFormatError: a file is no map.
        UsageError: a set cannot say which maps it has, and there is no label list.
        DataError: there is no map to compare.
    """
    known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    sides = (_opened(first, kind), _opened(second, kind))
    images, missing = common_maps(sides, kind, labels, ids, skip_missing)
    counter, sums = _Counter(sides, images, skip_missing), _Sums(most)
    for counts in map_with_progress(counter, ranks.stretch(list(images)), workers, progress):
        sums.add(counts)
    sums.add_up(ranks)
    return MapComparison(
        kind=kind,
        joint=sums.joint,
        images=len(images),
        maps=sums.maps,
        missing_in_first=(*missing[0], *sums.holes[0]),
        missing_in_second=(*missing[1], *sums.holes[1]),
        same_maps=sums.same,
        changed=tuple(sums.changed.ordered()),
        benchmark=known.name,
        split=split,
        synthetic=known.synthetic,
    )


@dataclass(frozen=True)
class _Counts:
    """What the maps of one image add."""

    image_id: str
    joint: Int64
    maps: int
    same: int
    holes: tuple[list[str], list[str]]

    def changed(self) -> ChangedMap | None:
        pixels, same = int(self.joint.sum()), int(np.trace(self.joint))
        if pixels == same:
            return None
        first, second = np.nonzero(self.joint)
        total = int((np.abs(first - second) * self.joint[first, second]).sum())
        return ChangedMap(self.image_id, pixels, pixels - same, total / pixels)


@dataclass(frozen=True)
class _Counter:
    """Counts one image."""

    sides: tuple[Any, Any]
    images: Mapping[str, list[int | None]]
    skip_missing: bool

    def __call__(self, image_id: str) -> _Counts:
        joint: Int64 = np.zeros((256, 256), np.int64)
        holes: tuple[list[str], list[str]] = ([], [])
        maps = same = 0
        for class_id in self.images[image_id]:
            pair = [
                self._read(side, image_id, class_id, lacking)
                for side, lacking in zip(self.sides, holes, strict=True)
            ]
            first, second = pair
            if first is None or second is None:
                continue
            counts = _joint(first, second, map_name((image_id, class_id)))
            maps += 1
            same += int(np.trace(counts)) == first.size
            joint += counts
        return _Counts(image_id, joint, maps, same, holes)

    def _read(
        self,
        side: Any,  # noqa: ANN401 (a source)
        image_id: str,
        class_id: int | None,
        holes: list[str],
    ) -> UInt8 | None:
        """A map; None where there is none and that may be."""
        try:
            if class_id is None:
                return np.asarray(side.read(image_id))
            return np.asarray(side.read(image_id, [class_id])[class_id])
        except MissingFileError:
            if not self.skip_missing:
                raise
            holes.append(map_name((image_id, class_id)))
            return None


class _Sums:
    """What all images add up to."""

    def __init__(self, most: int) -> None:
        self.joint: Int64 = np.zeros((256, 256), np.int64)
        self.changed: Worst[ChangedMap] = Worst(most)
        self.maps = self.same = 0
        self.holes: tuple[list[str], list[str]] = ([], [])

    def add(self, one: _Counts) -> None:
        self.joint += one.joint
        self.maps += one.maps
        self.same += one.same
        for side, found in zip(self.holes, one.holes, strict=True):
            side.extend(found)
        if (changed := one.changed()) is not None:
            self.changed.add(changed.mean_difference, one.image_id, changed)

    def add_up(self, ranks: Ranks) -> None:
        ranks.add_up(self.joint)
        self.changed.add_up(ranks)
        everyone = ranks.everyone((self.maps, self.same, self.holes))
        self.maps = sum(maps for maps, _, _ in everyone)
        self.same = sum(same for _, same, _ in everyone)
        first, second = ([name for one in everyone for name in one[2][at]] for at in (0, 1))
        self.holes = (first, second)


def _joint(first: UInt8, second: UInt8, name: str) -> Int64:
    """Pixels by both bytes, int64 (256, 256)."""
    if first.shape != second.shape:
        raise SizeMismatchError(
            f"{name}: the two maps differ in size",
            expected=f"{first.shape} (height, width), as in A",
            found=f"{second.shape} in B",
            hint="resize one of them yourself: how maps are resized changes them",
        )
    cell = first.astype(np.uint16)
    cell <<= 8
    cell |= second
    return np.bincount(cell.ravel(), minlength=1 << 16).reshape(256, 256).astype(np.int64)


def _opened(side: Any, kind: MapKind) -> Any:  # noqa: ANN401 (a source)
    if not isinstance(side, str | Path):
        return side
    return (SaliencyFolder if kind == "saliency" else ActivationFolder)(Path(side))
