"""Kinds of errors: what there is of each, and what each costs.

An object is an 8-connected part of one class in the ground truth. Instances are not at hand in
every benchmark: touching objects of one class count as one, and an object in two parts as two.

| kind | the pixel is | counted for |
|---|---|---|
| `right` | called what it is | its class |
| `missed_object` | of an object that is all but missed, called background | its class |
| `missed_part` | of another object, called background | its class |
| `confused` | of an object, called another class | its class |
| `ignored` | called 255 | its class |
| `spill` | background, called a class, in a part that reaches into that class | the class called |
| `phantom` | background, called a class, in a part that does not | the class called |

Pixels whose ground truth is 255 are of no kind; every other pixel is of exactly one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.evaluation.scores import apply_policy, iou, mean_iou, plain

if TYPE_CHECKING:
    from wsss_assets.evaluation.scores import Scores

__all__ = ["KINDS", "LOSSES", "OF_OBJECTS", "AnatomyCounts", "AnatomyResult"]

Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]

KINDS = ("right", "missed_object", "missed_part", "confused", "ignored", "spill", "phantom")
"""What a pixel can be, see the module."""

LOSSES = (*KINDS[1:], "claimed")
"""What a class's union has beside its hits; `claimed`: of another class, called this one."""

RIGHT, MISSED_OBJECT, MISSED_PART, CONFUSED, IGNORED, SPILL, PHANTOM = range(len(KINDS))
OF_OBJECTS = KINDS[:SPILL]
"""What a pixel of an object can be."""


@dataclass(frozen=True)
class AnatomyCounts:
    """What is counted, of one image or many; adds up.

    Attributes:
        confusion: int64 (C + 1, C + 2), see `wsss_assets.evaluation.confusion`.
        objects: by true class, size, and missed or found: int64 (C, sizes, 2).
        pixels: of objects, by true class, size and the first five of `KINDS`: int64
            (C, sizes, 5).
        strays: background pixels by the class they are called, spill or phantom: int64 (C, 2).
    """

    confusion: Int64
    objects: Int64
    pixels: Int64
    strays: Int64

    @classmethod
    def zeros(cls, classes: int, sizes: int) -> AnatomyCounts:
        """Nothing counted."""
        return cls(
            np.zeros((classes + 1, classes + 2), np.int64),
            np.zeros((classes, sizes, 2), np.int64),
            np.zeros((classes, sizes, len(OF_OBJECTS)), np.int64),
            np.zeros((classes, 2), np.int64),
        )

    @property
    def arrays(self) -> tuple[Int64, ...]:
        """All of them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def add(self, other: AnatomyCounts) -> None:
        """Add other counts, in place."""
        for mine, its in zip(self.arrays, other.arrays, strict=True):
            mine += its


@dataclass(frozen=True)
class AnatomyResult:
    """Which errors there are, and what each kind costs.

    Attributes:
        counts: all that was counted.
        sizes: from how many pixels on an object has a size, by name.
        found_from: the share of an object that must be hit for it to be found.
        scores: mIoU, IoU by class, images, policy for a predicted 255, digest.
    """

    counts: AnatomyCounts
    sizes: dict[str, int]
    found_from: float
    scores: Scores

    @cached_property
    def per_class(self) -> Int64:
        """Pixels of each kind by the class they are counted for: int64 (C + 1, kinds)."""
        confusion = self.counts.confusion
        kinds = np.zeros((len(confusion), len(KINDS)), np.int64)
        kinds[1:, : len(OF_OBJECTS)] = self.counts.pixels.sum(axis=1)
        kinds[1:, SPILL:] = self.counts.strays
        kinds[0, [RIGHT, IGNORED]] = confusion[0, [0, -1]]
        return kinds

    @property
    def pixels(self) -> dict[str, int]:
        """Pixels of each kind; together all whose ground truth is not 255."""
        return _named(self.per_class.sum(axis=0))

    @cached_property
    def losses(self) -> Int64:
        """What each class's union has beside its hits: int64 (C + 1, losses), see `LOSSES`.

        Under the policy: a predicted 255 is `ignored` where it counts against the class.
        """
        confusion, kinds = self.counts.confusion, self.per_class
        losses = np.zeros((len(confusion), len(LOSSES)), np.int64)
        losses[1:, :-1] = kinds[1:, 1:]
        losses[1:, -1] = confusion[1:, 1:-1].sum(axis=0) - np.diagonal(confusion)[1:]
        # The background's union: what it lost to classes, and the objects it swallowed.
        losses[0, :-1] = kinds[1:, 1:].sum(axis=0)
        losses[0, CONFUSED - 1] = 0
        ignored = losses[:, IGNORED - 1]
        if self.scores.ignored == "drop":
            ignored[:] = 0
        elif self.scores.ignored != "background":
            ignored[0] = confusion[0, -1]
        return losses

    def repaired(self, kind: str) -> Float64:
        """IoU by label value if every pixel of a kind were called what it is: float64 (C + 1,).

        Args:
            kind: one of `KINDS`.

        Returns:
            NaN where the class occurs neither in the ground truth nor in the labels.
        """
        confusion, kinds = self.counts.confusion.copy(), self.per_class
        moved = np.zeros_like(confusion)
        inner = moved[1:, 1:-1]
        if kind in {"missed_object", "missed_part"}:
            moved[1:, 0] = kinds[1:, KINDS.index(kind)]
        elif kind in {"spill", "phantom"}:
            moved[0, 1:-1] = kinds[1:, KINDS.index(kind)]
        elif kind == "confused":
            inner[...] = confusion[1:, 1:-1] * ~np.eye(len(inner), dtype=np.bool_)
        elif kind == "ignored":
            moved[:, -1] = confusion[:, -1]
        confusion -= moved
        np.einsum("ii->i", confusion[:, :-1])[...] += moved.sum(axis=1)
        return iou(*apply_policy(confusion, self.scores.ignored or "miss"))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/errors.md."""
        scores = self.scores
        repaired = {kind: self.repaired(kind) for kind in KINDS[1:]}
        return {
            **scores.provenance(),
            "found_from": self.found_from,
            "kinds": list(KINDS),
            "losses": list(LOSSES),
            "total": {
                "miou": scores.miou,
                "pixels": self.pixels,
                **_objects(self.counts.objects.sum(axis=(0, 1))),
                "repaired": {kind: plain(float(mean_iou(to))) for kind, to in repaired.items()},
            },
            "per_class": {
                name: self._class(index, name, repaired)
                for index, name in enumerate(scores.per_class)
            },
            "per_size": self._sizes(),
        }

    def _class(self, index: int, name: str, repaired: dict[str, Float64]) -> dict[str, Any]:
        one = self.scores.per_class[name]
        union = one.true_positives + int(self.losses[index].sum())
        objects = self.counts.objects[index - 1].sum(axis=0) if index else None
        return {
            "iou": one.iou,
            "pixels": _named(self.per_class[index]),
            "union": union,
            "lost": {
                loss: int(pixels) / union if union else None
                for loss, pixels in zip(LOSSES, self.losses[index], strict=True)
            },
            "repaired": {kind: plain(to[index]) for kind, to in repaired.items()},
            **({} if objects is None else _objects(objects)),
        }

    def _sizes(self) -> dict[str, Any]:
        below = [*self.sizes.values(), None][1:]
        counts = zip(self.counts.objects.sum(axis=0), self.counts.pixels.sum(axis=0), strict=True)
        return {
            name: {
                "from_pixels": start,
                "below_pixels": end,
                **_objects(objects),
                "pixels": _named(pixels),
            }
            for (name, start), end, (objects, pixels) in zip(
                self.sizes.items(), below, counts, strict=True
            )
        }


def _named(pixels: Int64) -> dict[str, int]:
    """Pixels by kind, of all kinds or the first few."""
    return dict(zip(KINDS, pixels.tolist(), strict=False))


def _objects(missed_and_found: Int64) -> dict[str, Any]:
    missed, found = missed_and_found.tolist()
    objects = missed + found
    return {
        "objects": objects,
        "missed_objects": missed,
        "found": found / objects if objects else None,
    }
