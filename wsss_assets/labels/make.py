"""From maps to one label map, in NumPy on bytes.

A recipe's float rule is first turned into tables over bytes, once. Whether a class wins at a
pixel then is one comparison: `strongest byte > floor[saliency byte]`, whatever the recipe does
with saliency, tau and ties; so the common recipes never leave uint8. Recipes that stretch each
map (`normalize`) run through the same lines on float32 scores and float32 tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import DataError, SizeMismatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.labels.recipes import Recipe

__all__ = [
    "IGNORE",
    "RULE_VERSION",
    "ByteRule",
    "byte_rule",
    "lowest_winners",
    "make_label",
    "strongest",
]

IGNORE = 255
"""The ignore label."""

RULE_VERSION = 1
"""Raised when the same recipe would give other labels than before: old and new must not mix."""

UInt8: TypeAlias = NDArray[np.uint8]
Float32: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = "NDArray[np.uint8 | np.float32]"

LEVELS: Float32 = np.arange(256, dtype=np.float32) / np.float32(255)
"""What each byte stands for."""

_ZERO, _ONE = np.float32(0), np.float32(1)


def make_label(saliency: UInt8 | None, activations: Mapping[int, UInt8], recipe: Recipe) -> UInt8:
    """The pseudo-label of one image.

    Args:
        saliency: uint8 (H, W), 0..255; may be None where the recipe uses none.
        activations: uint8 (H, W) by 0-based class index, the classes present in the image.
        recipe: the rule; see `wsss_assets.labels.recipes`.

    Returns:
        uint8 (H, W): 0 background, class index + 1, 255 ignored.

    Raises:
        UsageError: a map is not uint8, a class index is out of range, or the recipe needs a
            saliency map.
        SizeMismatchError: the maps differ in size.
        DataError: there is neither a saliency map nor an activation map.

    Example:
        >>> import numpy as np
        >>> from wsss_assets import get_recipe, make_label
        >>> saliency = np.array([[0, 255, 255]], np.uint8)
        >>> person = np.array([[255, 255, 0]], np.uint8)
        >>> make_label(saliency, {14: person}, get_recipe(method="cam")).tolist()
        [[0, 15, 255]]
    """
    shape = _common_shape(saliency, activations, recipe)
    rule = _rule(recipe)
    if not recipe.uses_saliency:
        saliency = None
    classes = sorted(activations)
    if not classes:
        label = np.zeros(shape, np.uint8)
        score: Scores = np.zeros(shape, np.uint8)
    else:
        maps = [_scores(activations[index], recipe) for index in classes]
        label, score = strongest(maps, [index + 1 for index in classes])
        label *= rule.wins(score, saliency)
    if rule.conflict is not None and classes:
        _mark_conflicts(label, maps, saliency, rule, recipe.conflict_channels)
    if recipe.ignore and saliency is not None:
        salient = saliency > rule.ignore_saliency
        if rule.ignore_activation is not None:
            salient |= score > rule.ignore_activation
        np.copyto(label, IGNORE, where=salient & (label == 0))
    if recipe.minimum_foreground:
        claimed = np.count_nonzero((label != 0) & (label != IGNORE))
        if claimed < recipe.minimum_foreground * label.size:
            label[...] = IGNORE
    return label


def strongest(maps: list[Any], values: list[int]) -> tuple[UInt8, Any]:
    """Which map is largest at each pixel, and how large.

    Args:
        maps: arrays (H, W) of one dtype, at least one; the earlier wins a tie.
        values: what stands for each map in the result, 0..255, ascending.

    Returns:
        uint8 (H, W) of `values`, and the largest score, of the maps' dtype.
    """
    score = maps[0]
    winner = np.full(score.shape, values[0], np.uint8)
    for challenger, value in zip(maps[1:], values[1:], strict=True):
        # Values ascend, so the maximum replaces what stood there (and is faster than a mask).
        np.maximum(winner, (challenger > score) * np.uint8(value), out=winner)
        score = np.maximum(score, challenger)
    return winner, score


@dataclass(frozen=True)
class ByteRule:
    """A recipe as comparisons of scores; scores are bytes, or float32 where maps are stretched.

    Attributes:
        floor: 256 values; a class wins where its score is above `floor[saliency]`.
        ignore_saliency: saliency bytes above it are salient where unclaimed pixels are ignored.
        ignore_activation: scores above it count as salient, too; None: none does.
        conflict: scores above it may conflict; None: they never do.
        conflict_background: 256 truth values: the background score counts for a conflict.
    """

    floor: NDArray[Any]
    ignore_saliency: int
    ignore_activation: Any
    conflict: Any
    conflict_background: NDArray[np.bool_]

    @cached_property
    def step(self) -> int | None:
        """The saliency byte above which alone a class can win, by its score alone; or None."""
        unbeatable = 255 if self.floor.dtype == np.uint8 else 1
        salient = self.floor != unbeatable
        first = int(np.argmax(salient))
        one_step = salient[first:].all() and (self.floor[first:] == self.floor[255]).all()
        return first - 1 if one_step and first else None

    @cached_property
    def unbeatable(self) -> int:
        """The largest saliency byte at which no byte beats the background; -1: there is none."""
        return int(np.count_nonzero(self.floor == 255)) - 1  # floors fall as saliency rises

    def wins(self, score: Any, saliency: UInt8 | None) -> NDArray[np.bool_]:  # noqa: ANN401
        """Where the strongest class beats the background.

        Args:
            score: largest score, uint8 or float32 (H, W).
            saliency: uint8 (H, W); None where the recipe uses none.
        """
        if saliency is None or self.step is not None:
            won: NDArray[np.bool_] = score > self.floor[255]
            if saliency is not None and self.step is not None:
                won &= saliency > self.step
            return won
        if self.floor.dtype == np.uint8:  # twice as fast as indexing
            floor = saliency.tobytes().translate(self.floor.tobytes())
            won = score > np.frombuffer(floor, np.uint8).reshape(saliency.shape)
        else:
            won = score > self.floor[saliency]
        return won


def byte_rule(recipe: Recipe) -> ByteRule:
    """The recipe in bytes.

    Raises:
        UsageError: the recipe stretches each map, so bytes of two maps cannot be compared.
    """
    if recipe.normalize:
        raise UsageError(f"recipe {recipe.name} stretches each map by its own range")
    return _rule(recipe)


def lowest_winners(recipe: Recipe, taus: Sequence[float]) -> NDArray[np.int64]:
    """For each tau the lowest byte with which a class wins where saliency is full.

    Args:
        recipe: its own tau does not matter.
        taus: thresholds, 0..1.

    Returns:
        int64, 1..256; 256: no byte does.
    """
    background = _background_scores(replace(recipe, tau=0.0))[255]
    floors = _floor(recipe, background, np.asarray(taus, np.float32))
    winners: NDArray[np.int64] = _byte_not_above(floors).astype(np.int64) + 1
    return winners


@lru_cache
def _rule(recipe: Recipe) -> ByteRule:
    rule = _float_rule(recipe)
    if recipe.normalize:
        return rule
    return replace(
        rule,
        floor=_byte_not_above(rule.floor).astype(np.uint8),
        ignore_activation=_optional_byte(rule.ignore_activation),
        conflict=_optional_byte(rule.conflict),
    )


def _float_rule(recipe: Recipe) -> ByteRule:
    tau = np.float32(recipe.tau)
    background = _background_scores(recipe)
    conflict = _optional_float(recipe.conflict_above)
    counts = np.zeros(256, np.bool_) if conflict is None else background > conflict
    if conflict is not None and recipe.uses_saliency:
        conflict = max(conflict, _below(tau))
    return ByteRule(
        floor=_floor(recipe, background, tau),
        ignore_saliency=_salient_above(recipe.saliency_above_ignored),
        ignore_activation=_optional_float(recipe.ignore_activation),
        conflict=conflict,
        conflict_background=counts,
    )


def _floor(recipe: Recipe, background: Any, tau: Any) -> Any:  # noqa: ANN401 (scalars or arrays)
    """The score above which a class wins over a background score."""
    if not recipe.uses_saliency:
        return np.maximum(background, tau)  # the background score is tau
    floor = np.maximum(background, _below(tau))
    if recipe.override_above is not None:
        floor = np.minimum(floor, np.maximum(np.float32(recipe.override_above), _below(tau)))
    return floor


def _below(tau: Any) -> Any:  # noqa: ANN401 (scalar or array)
    """A score below tau is dropped; "not below" is "above the float32 just under it"."""
    return np.nextafter(tau, np.float32(-1))


def _background_scores(recipe: Recipe) -> Float32:
    """Background score by saliency byte, float32 (256,)."""
    tau = np.float32(recipe.tau)
    if not recipe.uses_saliency:
        return np.full(256, tau, np.float32)
    if recipe.saliency_threshold > 0:
        salient = np.greater(LEVELS, np.float32(recipe.saliency_threshold))
        scores: Float32 = np.where(salient, _ZERO, _ONE)
    else:
        scores = _ONE - LEVELS
    if recipe.cut_background:
        scores = np.where(scores < tau, _ZERO, scores)
    return scores


def _byte_not_above(value: Any) -> Any:  # noqa: ANN401 (scalar or array)
    """The largest byte that stands for no more than `value`; -1 where none does."""
    return np.searchsorted(LEVELS, value, side="right") - 1


def _salient_above(threshold: float) -> int:
    return int(_byte_not_above(np.float32(threshold)))


def _optional_float(value: float | None) -> np.float32 | None:
    return None if value is None else np.float32(value)


def _optional_byte(value: np.float32 | None) -> int | None:
    return None if value is None else int(_byte_not_above(value))


def _scores(activation: UInt8, recipe: Recipe) -> Any:  # noqa: ANN401 (bytes or float32)
    if not recipe.normalize:
        return activation
    low, high = int(activation.min()), int(activation.max())
    if low == high:
        return np.zeros(activation.shape, np.float32)
    levels = np.clip(np.arange(256) - low, 0, high - low).astype(np.float32)
    return (levels / np.float32(high - low))[activation]


def _mark_conflicts(
    label: UInt8, maps: list[Any], saliency: UInt8 | None, rule: ByteRule, channels: int
) -> None:
    strong = sum((scores > rule.conflict).astype(np.uint8) for scores in maps)
    strong = strong + rule.conflict_background[0 if saliency is None else saliency]
    np.copyto(label, IGNORE, where=strong >= channels)


def _common_shape(
    saliency: UInt8 | None, activations: Mapping[int, UInt8], recipe: Recipe
) -> tuple[int, int]:
    if saliency is None and recipe.uses_saliency:
        raise UsageError(
            f"recipe {recipe.name} needs a saliency map",
            hint="pass one, or take recipe.changed(saliency=False)",
        )
    if not isinstance(activations, Mapping):
        raise UsageError("the activations are no mapping", expected="maps by 0-based class index")
    unknown = [
        index
        for index in activations
        if not (isinstance(index, int | np.integer)) or not 0 <= index < IGNORE - 1
    ]
    if unknown:
        raise UsageError(
            f"{unknown[0]} is no class index", expected=f"0-based classes, 0..{IGNORE - 2}"
        )
    named = {f"the activation map of class {index}": activations[index] for index in activations}
    if saliency is not None:
        named = {"the saliency map": saliency, **named}
    if not named:
        raise DataError("an image without classes needs a saliency map, for its size")
    for name, values in named.items():
        if values.dtype != np.uint8 or values.ndim != 2:
            raise UsageError(
                f"{name} is no 8-bit map",
                expected="uint8 of shape (H, W)",
                found=f"{values.dtype} of shape {values.shape}",
            )
    first, *others = named
    for other in others:
        if named[other].shape != named[first].shape:
            raise SizeMismatchError(
                f"{other} does not fit {first}",
                expected=_size(named[first]),
                found=_size(named[other]),
                hint="resize it yourself: how maps are resized changes the label",
            )
    height, width = named[first].shape
    return height, width


def _size(values: UInt8) -> str:
    return f"{values.shape[1]}×{values.shape[0]} (width × height)"
