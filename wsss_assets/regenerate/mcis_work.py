"""MCIS's maps: each image is compared with others of its classes, which a seed chooses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.models.preparing import stretched
from wsss_assets.models.resizing import opencv_cubic
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.regenerate.photos import find_photos
from wsss_assets.storage.images import read_photo
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.devkit.image_labels import Classes, ImageLabels
    from wsss_assets.models.delivering import FloatMaps
    from wsss_assets.regenerate.work import Arrays, Prepare
    from wsss_assets.storage.images import UInt8

__all__ = ["McisWork", "Partners", "draw_partners"]


@dataclass(frozen=True)
class Partners:
    """Which images each image is compared with.

    Attributes:
        seed: what they were drawn by.
        ids: by image id, for each of its classes in order.
        paths: photos by image id; None: there is none.
        classes: the most that an image of the list has.
    """

    seed: int
    ids: Mapping[str, tuple[tuple[str, ...], ...]]
    paths: Mapping[str, Path | None]
    classes: int


def draw_partners(labels: ImageLabels, images: Path, seed: int) -> Partners:
    """Draw the partners of all images of a list.

    Args:
        labels: the list; all its images can be partners.
        images: folder of photos.
        seed: of the draw.

    Raises:
        MissingFileError: no such folder, or none of these photos.
    """
    from wsss_assets.models.mcis import partners

    by_class: dict[int, list[str]] = {}
    for image_id, classes in labels.items():
        for index in classes:
            by_class.setdefault(index, []).append(image_id)
    drawn = {
        image_id: tuple(partners(by_class, index, seed, image_id) for index in classes)
        for image_id, classes in labels.items()
    }
    paths = {photo.image_id: photo.path for photo in find_photos(images, tuple(labels))}
    return Partners(seed, drawn, paths, max(map(len, labels.values()), default=0))


@dataclass(frozen=True, kw_only=True)
class McisWork(ActivationWork):
    """MCIS's maps.

    Attributes:
        partners: of the images of `labels`.
    """

    partners: Partners

    @property
    def prepare(self) -> Prepare:
        """See `Work`."""
        from wsss_assets.models.mcis import SIDES

        return self.shown(partial(_squares, sides=SIDES), _Others(self.partners, SIDES[0]))

    def settings(self) -> dict[str, Any]:
        """See `Work`."""
        return {**super().settings(), "partner_seed": self.partners.seed}

    def version(self, image_id: str) -> str:
        """See `Work`: its classes, its partners and their photos."""
        version = super().version(image_id)
        for drawn in self.partners.ids[image_id]:
            version += "\npartners"
            for one in drawn:
                path = self.partners.paths[one]
                if path is None:
                    raise MissingFileError(
                        f"{image_id} is compared with {one}, of which there is no photo",
                        hint="the photos of the whole label list must lie in the folder",
                    )
                version += f" {one} {files_version([path])}"
        return version

    def bucket(self, size: tuple[int, int] | None) -> Hashable | None:  # noqa: ARG002
        """See `Work`: photos of all sizes become the same squares."""
        return "squares"

    def maps(
        self,
        net: nn.Module,
        arrays: Sequence[torch.Tensor],
        labels: torch.Tensor,
        size: tuple[int, int],  # noqa: ARG002
    ) -> tuple[torch.Tensor, ...]:
        """See `ActivationWork`: 32 × 32, in 0..255."""
        import torch

        from wsss_assets.models import mcis

        normalised = self.method.normalisation[self.num_classes]
        *squares, partners = arrays
        found = []
        network: Any = net
        for place, row in enumerate(labels):
            first, second, third = (normalised(one[place : place + 1]) for one in squares)
            classes = row.nonzero().flatten().tolist()
            others = {index: normalised(partners[place, k]) for k, index in enumerate(classes)}
            five = mcis.five_maps(network, first, second, third, others)
            found.append(mcis.merged(five.float()))
        return (torch.cat(found),)

    def to_bytes(self, maps: FloatMaps, size: tuple[int, int]) -> dict[int, UInt8]:
        """See `ActivationWork`: rounded down, then enlarged by OpenCV's cubic."""
        if any(np.isnan(one).any() for one in maps.values()):
            raise DataError(
                "the map of a class holds values that are no numbers",
                hint="are the weights finite, and is the network run in float32?",
            )
        return {index: opencv_cubic(_rounded_down(one), size) for index, one in maps.items()}

    def to_scores(self, maps: FloatMaps, as_bytes: Mapping[int, UInt8]) -> FloatMaps:  # noqa: ARG002
        """See `ActivationWork`: of bytes."""
        return {index: one / np.float32(255) for index, one in as_bytes.items()}


def _rounded_down(levels: Any) -> UInt8:  # noqa: ANN401 (float32 (h, w), in 0..255)
    whole: UInt8 = np.clip(levels, 0, 255).astype(np.uint8)
    return whole


def _squares(photo: UInt8, sides: Sequence[int]) -> tuple[UInt8, ...]:
    """The photo as squares, uint8 (3, side, side)."""
    return tuple(stretched(photo, (side, side), "bilinear") for side in sides)


@dataclass(frozen=True)
class _Others:
    """Partners of an image, uint8 (most classes, partners, 3, side, side); zeros fill it up."""

    partners: Partners
    side: int

    def __call__(self, _photo: UInt8, image_id: str, classes: Classes) -> Arrays:
        drawn = self.partners.ids[image_id]
        shape = (max(self.partners.classes, 1), len(drawn[0]), 3, self.side, self.side)
        found = np.zeros(shape, np.uint8)
        for row, ids in zip(found, drawn[: len(classes)], strict=False):
            for place, one in zip(row, ids, strict=True):
                place[...] = self._square(image_id, one)
        return (found,)

    def _square(self, image_id: str, partner: str) -> UInt8:
        path = self.partners.paths[partner]
        if path is None:
            raise MissingFileError(f"{image_id} is compared with {partner}, which has no photo")
        try:
            return _squares(read_photo(path), (self.side,))[0]
        except DataError as error:
            raise DataError(
                f"{image_id} is compared with {partner}, whose photo cannot be used",
                found=str(error),
            ) from error
