"""Which maps were scored: a digest of the pixels of a set."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.errors import DataError
from wsss_assets.evaluation.confusion import digest_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8

__all__ = ["SHORT", "SetDigests", "agreed", "map_digest"]

SHORT = 12
"""Hex digits of a digest that are shown where room is scarce."""


def map_digest(image_id: str, kind: str, values: UInt8) -> int:
    """A 256-bit number that stands for one map.

    It is the SHA-256 of the id, the class, the size and the bytes of the pixels, so how a file
    was compressed does not matter. Numbers of several maps are added modulo 2**256: the sum does
    not depend on their order, nor on threads and processes.

    Args:
        image_id: whose map it is.
        kind: its 0-based class, or `saliency`.
        values: uint8 (H, W).
    """
    height, width = values.shape
    digest = hashlib.sha256(f"{image_id}\n{kind}\n{height} {width}\n".encode())
    digest.update(np.ascontiguousarray(values).data)
    return int.from_bytes(digest.digest(), "big")


class SetDigests:
    """Adds up the digests of the maps of a saliency and an activation set."""

    def __init__(self) -> None:
        self._saliency, self._activation = 0, 0

    @staticmethod
    def of(image: AlignedImage) -> tuple[int, int]:
        """The numbers of one image: of its saliency map (0 without) and its activation maps."""
        activation = sum(
            map_digest(image.image_id, str(index), values)
            for index, values in image.activations.items()
        )
        if image.saliency is None:
            return 0, activation
        return map_digest(image.image_id, "saliency", image.saliency), activation

    def add(self, saliency: int, activation: int) -> None:
        """Add what `of` gave for an image."""
        self._saliency += saliency
        self._activation += activation

    def texts(self, ranks: Ranks) -> tuple[str, str]:
        """64 hex digits of the saliency and of the activation set, over all processes."""
        saliency, activation = zip(*ranks.everyone((self._saliency, self._activation)), strict=True)
        return digest_text(saliency), digest_text(activation)


def agreed(read: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The digest of each set, which is read once for each of its pairings.

    Args:
        read: names of sets and the digests found, in any order.

    Raises:
        DataError: two readings of a set differ, so its pairings cannot be compared.
    """
    found: dict[str, str] = {}
    for name, digest in read:
        if found.setdefault(name, digest) != digest:
            raise DataError(
                f"the maps of {name} changed while they were read",
                expected=f"the digest {found[name][:SHORT]} in every pairing",
                found=digest[:SHORT],
                hint="make the report again when nothing writes to that folder",
            )
    return found
