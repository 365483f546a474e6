"""Maps of activation methods when they have left the device; no torch here.

`wsss_assets.models.protocols` makes the maps of a batch; here they are told apart by image and
become bytes, or what the `.npy` files of IRN and AMN hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wsss_assets.errors import DataError
from wsss_assets.models import finishing, resizing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from numpy.typing import NDArray

    from wsss_assets.models.activation import Protocol
    from wsss_assets.storage.images import UInt8

    FloatMaps: TypeAlias = Mapping[int, NDArray[np.float32]]
    """Maps of one image by class, float32 (H, W)."""

__all__ = ["by_image", "irn_dictionary", "strided_size", "to_bytes"]

_STRIDE = 4
"""Of the smaller maps in IRN's files."""


def strided_size(size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) → that of the smaller maps of IRN's files."""
    return -(-size[0] // _STRIDE), -(-size[1] // _STRIDE)


def by_image(maps: torch.Tensor, labels: torch.Tensor) -> list[dict[int, NDArray[np.float32]]]:
    """Maps of a batch in main memory, by image and class.

    Args:
        maps: float32 (P, H, W), as `class_maps` gives them.
        labels: bool or uint8 (N, classes), as it takes them.

    Returns:
        For each of N images {class: float32 (H, W)}, classes ascending.
    """
    found: list[dict[int, NDArray[np.float32]]] = [{} for _ in range(len(labels))]
    pairs = labels.nonzero().tolist()
    for (image, index), values in zip(pairs, maps.cpu().numpy(), strict=True):
        found[image][index] = values
    return found


def to_bytes(maps: FloatMaps, size: tuple[int, int], protocol: Protocol) -> dict[int, UInt8]:
    """Maps of one image as bytes, by the method's rule.

    Args:
        maps: by class, as `by_image` gives them.
        size: (H, W) of the photo.
        protocol: of the method.

    Returns:
        uint8 (H, W) by class.

    Raises:
        DataError: a map holds values that are no numbers.
    """
    for index, values in maps.items():
        if np.isnan(values).any():
            raise DataError(
                f"the map of class {index} holds values that are no numbers",
                expected="a finite score at every pixel",
                found=f"NaN at {int(np.isnan(values).sum())} of {values.size} pixels",
                done="no byte was made of it",
                hint="are the weights finite, and is the network run in float32?",
            )
    if protocol.to_8_bit == "round":
        return {index: finishing.rounded(values) for index, values in maps.items()}
    return {
        index: resizing.opencv_cubic(finishing.truncated(values), size)
        for index, values in maps.items()
    }


def irn_dictionary(high_res: FloatMaps, strided: FloatMaps) -> dict[str, NDArray[Any]]:
    """Maps of one image as the `.npy` files of IRN and AMN hold them.

    Args:
        high_res: by channel, of the photo's size.
        strided: those of the same channels, of the size that `strided_maps` gives.

    Returns:
        `keys` int64 (n,), `cam` float32 (n, h, w), `high_res` float32 (n, H, W); `keys` alone
        where there is no map.
    """
    keys = np.array(list(high_res), np.int64)
    if not len(keys):
        return {"keys": keys}
    return {
        "keys": keys,
        "cam": np.stack([strided[key] for key in high_res]),
        "high_res": np.stack(list(high_res.values())),
    }
