"""What comes of comparing two sets of maps: numbers that follow from pairs of grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wsss_assets.evaluation.comparing.map_keys import MapKind

__all__ = ["ChangedMap", "MapComparison"]

Int64: TypeAlias = NDArray[np.int64]

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
