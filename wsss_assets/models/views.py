"""What of a photo an activation method shows its network.

No torch here, so processes that only prepare photos start quickly. Mirror images are not made
here: a batch is turned over on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wsss_assets.models.preparing import stretched

if TYPE_CHECKING:
    from wsss_assets.models.activation import Protocol
    from wsss_assets.storage.images import UInt8

__all__ = ["view_sizes", "views"]


def views(photo: UInt8, protocol: Protocol) -> tuple[UInt8, ...]:
    """A photo as a method's network is shown it, not yet normalised.

    For `squares` that is one picture: it becomes several on the device.

    Args:
        photo: uint8 RGB (H, W, 3).
        protocol: of the method.

    Returns:
        uint8 (3, h, w) for each of `view_sizes`.
    """
    rule: Literal["bilinear", "bicubic"] = "bilinear" if protocol.views == "squares" else "bicubic"
    sizes = view_sizes(photo.shape[0], photo.shape[1], protocol)
    return tuple(stretched(photo, size, rule) for size in sizes)


def view_sizes(height: int, width: int, protocol: Protocol) -> tuple[tuple[int, int], ...]:
    """(H, W) of a photo → (h, w) of each of its `views`.

    Sides are rounded to the nearest pixel, halves to even, and are one pixel at least.
    """
    if protocol.views == "squares":
        return ((protocol.square, protocol.square),)
    if protocol.views == "shorter_side":
        shorter, side = min(height, width), int(protocol.sizes[0])
        return ((round(height * side / shorter), round(width * side / shorter)),)
    return tuple((_scaled(height, scale), _scaled(width, scale)) for scale in protocol.sizes)


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))
