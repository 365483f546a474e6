"""What several networks do with tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Outputs", "check_sides", "probabilities", "resized"]

Outputs: TypeAlias = "torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]"
"""What a network's `forward` gives: logits; and, with `side_outputs`, others by name."""


def resized(
    x: torch.Tensor, size: tuple[int, int] | torch.Size, *, align_corners: bool = True
) -> torch.Tensor:
    """Bilinear, (N, C, H, W) → (N, C, h, w) for a size (h, w)."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


def probabilities(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """`read_out` of networks with one logit: its sigmoid, (N, 3, h, w) → float32 (N, h', w').

    The sigmoid is taken in float32: in half precision it has a few hundred values.
    """
    logits: torch.Tensor = net(x)
    return torch.sigmoid(logits.float())[:, 0]


def check_sides(x: torch.Tensor, *, at_least: int = 1, multiple_of: int = 1) -> None:
    """Refuse a batch that a network cannot take.

    Args:
        x: (N, C, H, W).
        at_least: the shortest side that it can take, in pixels.
        multiple_of: what both sides must be multiples of.

    Raises:
        UsageError: a side is too short, or no multiple.
    """
    height, width = x.shape[-2:]
    if all(side >= at_least and side % multiple_of == 0 for side in (height, width)):
        return
    wanted = f"at least {at_least} pixels" if at_least > 1 else f"multiples of {multiple_of} pixels"
    raise UsageError(
        "this network cannot take a batch of that size",
        expected=f"sides of {wanted}",
        found=f"{height} × {width}",
        hint="prepare photos with `get_architecture(name).prepare`",
    )
