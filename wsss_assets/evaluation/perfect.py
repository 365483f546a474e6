"""Perfect maps, made of the ground truth.

Their sources stand wherever maps of a model do: `sweep(labels, PerfectActivation(masks), masks,
saliency=…)` is the curve with perfect activation. Pixels whose ground truth is 255 are 0 in them;
they are not counted anyway.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.storage.maps import LabelFolder
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsss_assets.evaluation.confusion import UInt8

__all__ = ["PerfectActivation", "PerfectSaliency", "perfect_activations", "perfect_saliency"]

_IGNORE = 255


def perfect_saliency(truth: UInt8) -> UInt8:
    """255 on every object and 0 elsewhere: uint8 of the shape of the ground truth."""
    silhouette: UInt8 = ((truth != 0) & (truth != _IGNORE)) * np.uint8(255)
    return silhouette


def perfect_activations(truth: UInt8, classes: Iterable[int]) -> dict[int, UInt8]:
    """By 0-based class, 255 where the ground truth is that class and 0 elsewhere: uint8."""
    return {index: (truth == index + 1) * np.uint8(255) for index in classes}


class _OfMasks:
    """What both sources have of the masks that they are made of."""

    _kind: str

    def __init__(self, ground_truth: Path | str) -> None:
        self._truth = LabelFolder(Path(ground_truth))

    def __str__(self) -> str:
        return f"perfect {self._kind} of {self._truth.folder}"

    def _version_of(self, image_id: str) -> str:
        """The same for as long as the mask is."""
        return files_version([self._truth.files.get(image_id)])


class PerfectSaliency(_OfMasks):
    """A source of saliency maps that are 255 on every object of the ground truth and 0 elsewhere.

    Objects of classes that the image-level labels lack are salient, too.

    Args:
        ground_truth: folder of label maps.

    Raises:
        MissingFileError: it is missing or empty.
    """

    _kind = "saliency"

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); see `SaliencySource`."""
        return perfect_saliency(self._truth.read(image_id))

    def version(self, image_id: str) -> str:
        """See `SaliencySource`."""
        return self._version_of(image_id)


class PerfectActivation(_OfMasks):
    """A source of activation maps that are 255 where the ground truth is the class, 0 elsewhere.

    Args:
        ground_truth: folder of label maps.

    Raises:
        MissingFileError: it is missing or empty.
    """

    _kind = "activation"

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) by class; see `ActivationSource`."""
        return perfect_activations(self._truth.read(image_id), classes)

    def version(self, image_id: str, classes: Sequence[int]) -> str:  # noqa: ARG002 (one file)
        """See `ActivationSource`."""
        return self._version_of(image_id)
