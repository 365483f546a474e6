"""What became of a comparison of maps, and whether these are a reproduction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wsss_assets.words import counted, some_of

if TYPE_CHECKING:
    from wsss_assets.evaluation.confusion import Int64
    from wsss_assets.regenerate.made_files import FilesFound

__all__ = ["MOST_OF_A_MAP", "Comparison", "MapApart"]

MOST_OF_A_MAP = 0.5
"""Share of the pixels of any one map that may be beyond the tolerance in a reproduction."""

_SHOWN = (0, 1, 2, 5, 10, 50)
"""Differences, in grey levels, of which a report gives the share of pixels within."""

_WORST = 5


class MapApart(NamedTuple):
    """A map of which some pixels differ by more than the tolerance.

    Attributes:
        image: which image.
        class_index: 0-based; None of a saliency map.
        pixels: of the map.
        beyond: how many of them are beyond the tolerance.
        largest: largest difference, in grey levels.
    """

    image: str
    class_index: int | None
    pixels: int
    beyond: int
    largest: int

    @property
    def share(self) -> float:
        """Share of the pixels that are beyond the tolerance."""
        return self.beyond / self.pixels

    def __str__(self) -> str:
        return self.image if self.class_index is None else f"{self.image} class {self.class_index}"


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
        levels: grey levels by which a pixel of a reproduction may differ.
        apart: of each image with pixels beyond that the map with the largest share of them, the
            worst first: by share, then by image.
        departures: settings that were not as recorded: (recorded, here) by name.
        files: the files of the folder, held to its record; None: there is none.
    """

    images: int
    differences: Int64
    salience_changed: int | None
    labels_changed: int | None
    labels_miou: float | None
    failed: dict[str, str]
    image_pixels: int
    levels: int
    apart: tuple[MapApart, ...]
    departures: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    files: FilesFound | None = None

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

    @property
    def worst(self) -> tuple[MapApart, ...]:
        """The first five of `apart`."""
        return self.apart[:_WORST]

    def share_within(self, levels: int) -> float:
        """Share of the pixels that differ by at most that many grey levels."""
        return int(self.differences[: levels + 1].sum()) / self.pixels

    def is_reproduction(self, share: float) -> bool:
        """Whether these are the same maps.

        They are if so many of all pixels are within the tolerance, and half the pixels of each
        map; no image is left out; and the files of the folder are those of its record.
        """
        return not self.shortcomings(share)

    def shortcomings(self, share: float) -> list[str]:
        """Why these are not the same maps, rule by rule; none where they are.

        Args:
            share: of all pixels that must be within the tolerance, 0..1.
        """
        found = [] if self.files is None else self.files.shortcomings()
        if self.failed:
            names = some_of(list(self.failed))
            found.append(f"{counted(len(self.failed), 'image')} could not be compared: {names}")
        if self.share_within(self.levels) < share:
            found.append(self._within(share))
        bad = [str(one) for one in self.apart if one.share > MOST_OF_A_MAP]
        if bad:
            found.append(
                f"more than half of the pixels differ by more than {self.levels} in "
                f"{counted(len(bad), 'image')}: {some_of(bad)}"
            )
        return found

    def verdict(self, share: float) -> str:
        """Whether it is a reproduction, and what decides it; a line for each rule that fails."""
        wanting = self.shortcomings(share)
        if wanting:
            return "\n".join(f"no reproduction: {one}" for one in wanting)
        return f"a reproduction: {self._within(share)}"

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        counts = self.differences.tolist()
        return {
            "images": self.images,
            "pixels": self.pixels,
            "mean_difference": self.mean,
            "largest_difference": self.largest,
            "pixels_by_difference": counts[: self.largest + 1],
            "worst": [
                {
                    "image": one.image,
                    "class": one.class_index,
                    "share_beyond": one.share,
                    "largest_difference": one.largest,
                }
                for one in self.worst
            ],
            "salience_changed": self._share(self.salience_changed),
            "labels_changed": self._share(self.labels_changed),
            "labels_miou": self.labels_miou,
            "failed": self.failed,
            "files": None if self.files is None else self.files.to_dict(),
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
                *self._worst_in_words(),
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

    def _within(self, share: float) -> str:
        """How many pixels are within the tolerance, and how many are to be."""
        of = "of the others " if self.failed else ""
        within = self.share_within(self.levels)
        return (
            f"{of}{within:.3%} of the pixels differ by at most {self.levels}, "
            f"{share:.1%} are asked for"
        )

    def _worst_in_words(self) -> list[str]:
        if not self.apart:
            return []
        of = f", the worst {_WORST} of {len(self.apart):,}" if len(self.apart) > _WORST else ""
        return [
            f"images with pixels that differ by more than {self.levels}{of}:",
            *(f"  {one}: {one.share:.3%}, largest {one.largest}" for one in self.worst),
        ]

    def _share(self, pixels: int | None) -> float | None:
        """Of the pixels of the images."""
        return None if pixels is None else pixels / self.image_pixels
