"""Two sets of saliency or activation maps side by side, grey level by grey level.

All numbers follow from one joint histogram, int64 (256, 256), of the bytes that the two sets have
at the same pixel; it is a sum over images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import ImageFormatError, MissingFileError, SizeMismatchError, UsageError
from wsss_assets.evaluation.comparing.kinds import ACTIVATION_NAME
from wsss_assets.evaluation.comparing.pairing import Worst, common_images
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks

__all__ = ["ChangedMap", "MapComparison", "MapKind", "compare_maps"]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]
MapKind: TypeAlias = Literal["saliency", "activation"]
MapKey: TypeAlias = "tuple[str, int | None]"
"""An image and, of activation maps, a 0-based class."""

_SALIENT_ABOVE = 51
"""The byte of WSSS-BED's saliency threshold, 0.2."""


@dataclass(frozen=True)
class ChangedMap:
    """An image whose maps differ, those of all its classes together.

    Attributes:
        image_id: its id.
        pixels: how many were compared.
        differing: how many of them differ at all.
        mean_difference: mean absolute difference in grey levels.
    """

    image_id: str
    pixels: int
    differing: int
    mean_difference: float


@dataclass(frozen=True)
class MapComparison:
    """Two sets of maps, compared.

    Attributes:
        kind: of maps.
        joint: int64 (256, 256): pixels by the first set's byte (rows) and the second's (columns).
        images: how many were compared.
        maps: how many; images can have several activation maps, or none.
        missing_in_first: names of the maps that the first set lacks, `<id>` or `<id>_<class>`.
        missing_in_second: names of those that the second set lacks.
        same_maps: how many are equal in every pixel.
        changed: images with the largest mean absolute difference.
        benchmark: its name.
        split: its name, or None where unknown.
        synthetic: whether the images were drawn by a program.
    """

    kind: MapKind
    joint: Int64
    images: int
    maps: int
    missing_in_first: tuple[str, ...]
    missing_in_second: tuple[str, ...]
    same_maps: int
    changed: tuple[ChangedMap, ...]
    benchmark: str
    split: str | None
    synthetic: bool

    @property
    def differences(self) -> Int64:
        """Pixels by second less first, int64 (511,): entry 255 + d for a difference of d levels."""
        steps = np.arange(256)[None, :] - np.arange(256)[:, None] + 255
        return _weighted_counts(steps, self.joint, 511)

    @property
    def pixels_by_difference(self) -> Int64:
        """Pixels by absolute difference, int64 (256,)."""
        signed = self.differences
        result: Int64 = signed[255:].copy()
        result[1:] += signed[254::-1]
        return result

    @property
    def correlation(self) -> float:
        """Pearson's, of the bytes of all pixels pooled; NaN where a set is of one grey."""
        return _correlation(self.joint)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/comparing.md."""
        counts = [int(count) for count in self.pixels_by_difference]
        signed = [int(count) for count in self.differences]
        pixels = sum(counts)
        correlation = self.correlation
        salient = np.arange(256) > _SALIENT_ABOVE
        changed = int(self.joint[salient[:, None] != salient[None, :]].sum())
        return {
            "kind": self.kind,
            "benchmark": self.benchmark,
            "synthetic": self.synthetic,
            "split": self.split,
            "images": self.images,
            "maps": self.maps,
            "missing_in_first": list(self.missing_in_first),
            "missing_in_second": list(self.missing_in_second),
            "pixels": pixels,
            "equal": _share(counts[0], pixels),
            "within_one_level": _share(counts[0] + counts[1], pixels),
            "mean_difference": _share(sum(d * n for d, n in enumerate(counts)), pixels),
            "mean_signed_difference": _share(
                sum((d - 255) * n for d, n in enumerate(signed)), pixels
            ),
            "largest_difference": max((d for d, n in enumerate(counts) if n), default=None),
            "correlation": None if math.isnan(correlation) else correlation,
            "salience_changed": _share(changed, pixels) if self.kind == "saliency" else None,
            "same_maps": self.same_maps,
            "pixels_by_difference": counts,
            "changed": [vars(one) for one in self.changed],
        }


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
        ids: some images of those; None: all.
        benchmark: its name, to be said with the numbers.
        split: its name, to be said with the numbers.
        skip_missing: pass over maps that only one set has, and list them in the result.
        most: how many images are listed.
        workers: threads; None: one per core. The result is the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the images; all get the same result.

    Raises:
        MissingFileError: a map is missing in a set.
        SizeMismatchError: two maps of an image differ in size.
        ImageFormatError: a file is no map.
        UsageError: a set cannot say which maps it has, and there is no label list.
        DataError: there is no map to compare.
    """
    known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    sides = (_opened(first, kind), _opened(second, kind))
    listed = [_listed(side, kind, labels) for side in sides]
    chosen = None if ids is None else set(ids)
    wanted = (
        sorted({*listed[0], *listed[1]}, key=_by_name) if labels is None else _keys(labels, kind)
    )
    names = {_name(key): key for key in wanted if chosen is None or key[0] in chosen}
    common, missing = common_images(
        names, map(_name, listed[0]), map(_name, listed[1]), skip_missing
    )
    images: dict[str, list[int | None]] = {}
    for name in common:
        images.setdefault(names[name][0], []).append(names[name][1])
    counter = _Counter(sides, images, skip_missing)
    joint: Int64 = np.zeros((256, 256), np.int64)
    changed: Worst[ChangedMap] = Worst(most)
    maps = same = 0
    holes: tuple[list[str], list[str]] = ([], [])
    for counts in map_with_progress(counter, ranks.stretch(list(images)), workers, progress):
        joint += counts.joint
        maps += counts.maps
        same += counts.same
        for side, found in zip(holes, counts.holes, strict=True):
            side.extend(found)
        if (one := counts.changed()) is not None:
            changed.add(one.mean_difference, one.image_id, one)
    ranks.add_up(joint)
    changed.add_up(ranks)
    everyone = ranks.everyone((maps, same, holes))
    late = [[name for _, _, found in everyone for name in found[side]] for side in (0, 1)]
    return MapComparison(
        kind=kind,
        joint=joint,
        images=len(images),
        maps=sum(one for one, _, _ in everyone),
        missing_in_first=(*missing[0], *late[0]),
        missing_in_second=(*missing[1], *late[1]),
        same_maps=sum(one for _, one, _ in everyone),
        changed=tuple(changed.ordered()),
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
            counts = _joint(first, second, _name((image_id, class_id)))
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
            holes.append(_name((image_id, class_id)))
            return None


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


def _listed(side: Any, kind: MapKind, labels: Mapping[str, Sequence[int]] | None) -> list[MapKey]:  # noqa: ANN401
    """The maps that a source has; all that are wanted where it cannot say."""
    if isinstance(side, SaliencyFolder):
        return [(image_id, None) for image_id in side.files]
    if isinstance(side, ActivationFolder):
        return _in_folder(side, labels)
    if kind == "saliency" and hasattr(side, "ids"):
        return [(image_id, None) for image_id in side.ids()]
    if kind == "activation" and hasattr(side, "ids") and hasattr(side, "classes"):
        return [(image_id, one) for image_id in side.ids() for one in side.classes(image_id)]
    if labels is None:
        raise UsageError(
            f"{side} cannot say which maps it has", hint="say which images with --labels FILE"
        )
    return _keys(labels, kind)


def _in_folder(side: ActivationFolder, labels: Mapping[str, Sequence[int]] | None) -> list[MapKey]:
    keys: list[MapKey] = []
    for stem, path in side.files.items():
        match = ACTIVATION_NAME.fullmatch(stem)
        if path.suffix.lower() == ".npy":
            if labels is None:
                raise UsageError(
                    f"{side.folder} holds dictionaries, which are read by class",
                    hint="say which classes each image has with --labels FILE",
                )
            keys += [(stem, index) for index in labels.get(stem, ())]
        elif match is not None:
            keys.append((match[1], int(match[2])))
        elif labels is None:
            raise ImageFormatError(
                f"{path} is not named as an activation map",
                expected="<image id>_<0-based class>.png",
                hint="if these are saliency maps or label maps, say so with --kind",
            )
    return keys


def _keys(labels: Mapping[str, Sequence[int]], kind: MapKind) -> list[MapKey]:
    if kind == "saliency":
        return [(image_id, None) for image_id in labels]
    return [(image_id, index) for image_id, found in labels.items() for index in sorted(found)]


def _name(key: MapKey) -> str:
    return key[0] if key[1] is None else f"{key[0]}_{key[1]}"


def _by_name(key: MapKey) -> tuple[str, int]:
    return key[0], -1 if key[1] is None else key[1]


def _weighted_counts(values: Int64, counts: Int64, size: int) -> Int64:
    """Sums of counts by value; exact, in integers."""
    result = np.zeros(size, np.int64)
    np.add.at(result, values.ravel(), counts.ravel())
    return result


def _correlation(joint: Int64) -> float:
    """Pearson's correlation from exact sums: rounded at the end alone."""
    rows = [int(count) for count in joint.sum(axis=1)]
    columns = [int(count) for count in joint.sum(axis=0)]
    pixels = sum(rows)
    weighted = (joint @ np.arange(256)).tolist()  # at most 255 times the pixels of a row
    product = sum(byte * int(total) for byte, total in enumerate(weighted))
    mean = [sum(byte * n for byte, n in enumerate(side)) for side in (rows, columns)]
    square = [sum(byte * byte * n for byte, n in enumerate(side)) for side in (rows, columns)]
    spread = [pixels * square[side] - mean[side] ** 2 for side in (0, 1)]
    if not spread[0] or not spread[1]:
        return float("nan")
    covariance = pixels * product - mean[0] * mean[1]
    root = math.isqrt(spread[0] * spread[1] << 64)  # sqrt times 2**32: no float is that exact
    return (covariance << 32) / root


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
