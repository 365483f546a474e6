"""Checkpoints that hold one tensor under several names.

A network that keeps a layer in two attributes saves its weights twice. Ours have one name for each
tensor; the others are folded into it, and must agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from wsss_assets.errors import WeightsError
from wsss_assets.models.refusing import MOST_NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.models.checkpoints import StateDict

__all__ = ["RESNET50_STAGES", "folded"]

RESNET50_STAGES = {
    alias + part: own
    for alias in ("stage1.", "backbone.0.")
    for part, own in (
        ("0.", "resnet50.conv1."),
        ("1.", "resnet50.bn1."),
        ("4.", "resnet50.layer1."),
    )
} | {
    f"{alias}{stage + shift}.0.": f"resnet50.layer{stage}."
    for alias, shift in (("stage", 0), ("backbone.", -1))
    for stage in (2, 3, 4)
}
"""Other names of the layers of `resnet50` in IRN's networks and those that were made from them."""


def folded(state: StateDict, names: Mapping[str, str]) -> StateDict:
    """Every tensor once, by the network's own name for it.

    Args:
        state: a checkpoint's entries.
        names: what other names begin with → what the network's own name begins with. Keys that
            begin otherwise stay as they are.

    Raises:
        WeightsError: names of one tensor hold different values.
    """
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        found.setdefault(_own_name(key, names), {})[key] = value
    at_odds = [key for group in found.values() if not _agree(group) for key in group]
    if at_odds:
        raise WeightsError(
            "names of one tensor hold different values: " + ", ".join(at_odds[:MOST_NAMED]),
            expected="the same values under all names of a tensor",
            found=f"{len(at_odds)} names whose values differ from those of their twins",
            done="nothing was loaded",
            hint="keep the entries that were trained and drop the others, or load the "
            "checkpoint as its authors publish it",
            unexpected=at_odds,
        )
    return {own: next(iter(group.values())) for own, group in found.items()}


def _own_name(key: str, names: Mapping[str, str]) -> str:
    for alias, own in names.items():
        if key.startswith(alias):
            return own + key.removeprefix(alias)
    return key


def _agree(group: Mapping[str, torch.Tensor]) -> bool:
    first, *others = group.values()
    return all(first.dtype == other.dtype and torch.equal(first, other) for other in others)
