"""Saliency and activation maps of drawn scenes, wrong in the ways in which real ones are wrong.

No network made them. Each simulated model is a row of a table: which objects it overlooks,
how far it spills, how coarse it is. Each simulated method is named after the real method
whose way of failing it imitates; it says nothing about that method's quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.mini.grids import (
    block_mean,
    enlarge,
    grid_shape,
    smooth,
    spread,
    value_noise,
)
from wsss_assets.mini.scenes import stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.mini.scenes import Placement, Scene
    from wsss_assets.mini.shapes import Float32
    from wsss_assets.storage.images import UInt8

__all__ = [
    "ACTIVATION_METHODS",
    "SALIENCY_MODELS",
    "SimulatedMethod",
    "SimulatedModel",
    "draw_activation",
    "draw_saliency",
]


@dataclass(frozen=True)
class SimulatedModel:
    """How a simulated saliency model errs.

    Attributes:
        stride: pixels per cell of the grid it works on.
        blur: smoothing passes on that grid.
        overlooks: chance that an object is not found.
        dims: how much fainter than the brightest an object may be, 0..1.
        holes: how deep the gaps inside objects are, 0..1.
        mistakes: chance that a piece of the background is taken for an object.
        spill: how much of the object's surroundings glows, 0..1.
        noise: grey levels (of 255) of grain.
    """

    stride: int
    blur: int
    overlooks: float
    dims: float
    holes: float
    mistakes: float
    spill: float
    noise: float


@dataclass(frozen=True)
class SimulatedMethod:
    """How the activation maps of a simulated method err.

    Attributes:
        stride: pixels per cell of the grid it works on.
        blur: smoothing passes on that grid.
        focus: weight of the part by which the class is known, e.g. the head.
        cover: weight of the whole object.
        holes: how uneven the whole object is, 0..1.
        confusion: highest share that a class takes of another class's object.
        spill: share of the object's evidence that its surroundings get.
        haze: height of the noise all over the image.
        mistakes: highest share that goes to a piece of the background.
    """

    stride: int
    blur: int
    focus: float
    cover: float
    holes: float
    confusion: float
    spill: float
    haze: float
    mistakes: float


SALIENCY_MODELS: Mapping[str, SimulatedModel] = {
    "sharp": SimulatedModel(2, 3, 0.10, 0.50, 0.40, 0.60, 0.12, 2),
    "soft": SimulatedModel(8, 2, 0.12, 0.55, 0.45, 0.65, 0.24, 4),
    "partial": SimulatedModel(4, 4, 0.20, 0.65, 0.90, 0.70, 0.18, 6),
}

ACTIVATION_METHODS: Mapping[str, SimulatedMethod] = {
    "simulated_cam": SimulatedMethod(16, 1, 1.0, 0.16, 0.8, 0.9, 0.12, 0.05, 1.5),
    "simulated_oaa": SimulatedMethod(8, 4, 0.6, 0.60, 0.8, 0.7, 0.32, 0.20, 0.9),
    "simulated_mcis": SimulatedMethod(8, 4, 0.3, 0.90, 0.6, 0.8, 0.55, 0.35, 1.0),
    "simulated_drs": SimulatedMethod(16, 1, 0.15, 0.95, 0.6, 0.7, 0.65, 0.35, 1.0),
    "simulated_edam": SimulatedMethod(8, 2, 0.15, 1.0, 0.5, 0.7, 0.50, 0.30, 0.9),
    "simulated_eps": SimulatedMethod(8, 1, 0.3, 0.85, 0.85, 0.65, 0.22, 0.12, 0.7),
    "simulated_l2g": SimulatedMethod(4, 2, 0.3, 0.80, 0.75, 0.7, 0.28, 0.16, 0.8),
}


def draw_saliency(scene: Scene, name: str) -> UInt8:
    """A saliency map as one might get it for the scene: uint8 (H, W), from 0 to 255.

    Raises:
        UnknownNameError: no simulated model has that name.
    """
    if name not in SALIENCY_MODELS:
        raise UnknownNameError("simulated saliency model", name, SALIENCY_MODELS)
    model = SALIENCY_MODELS[name]
    random = stream(scene.seed, scene.index, "saliency", name)
    shape = scene.label.shape
    found = np.zeros(grid_shape(shape, model.stride), dtype=np.float32)
    strengths = 1 - model.dims * random.random(len(scene.objects))
    strengths[random.random(len(scene.objects)) < model.overlooks] *= 0.12
    strengths[int(random.integers(len(scene.objects)))] = 1
    for position, strength in enumerate(strengths):
        found += block_mean(scene.instances == position + 1, model.stride) * np.float32(strength)
    gaps = np.clip(value_noise(random, _shape(found), 96 // model.stride) * 2 - 0.3, 0, 1)
    found *= 1 - np.float32(model.holes) * gaps
    if random.random() < model.mistakes:
        mistake = _mistaken(scene, model.stride) * np.float32(random.uniform(0.35, 1))
        found = np.maximum(found, mistake)
    glow = _below(spread(found, 20 // model.stride), 16 // model.stride)
    uneven = np.clip(value_noise(random, _shape(found), 64 // model.stride) + 0.4, 0, 1)
    found = np.maximum(smooth(found, model.blur), glow * uneven * np.float32(4 * model.spill))
    return _quantise(enlarge(found, shape, model.stride), random, model.noise)


def draw_activation(scene: Scene, class_index: int, method: str) -> UInt8:
    """An activation map as one might get it for a class of the scene: uint8 (H, W), 0 to 255.

    Args:
        scene: the scene.
        class_index: a 0-based class that occurs in it.
        method: name of a simulated method.

    Raises:
        UnknownNameError: no simulated method has that name.
        UsageError: the class does not occur in the scene.
    """
    if method not in ACTIVATION_METHODS:
        raise UnknownNameError("simulated activation method", method, ACTIVATION_METHODS)
    if class_index not in scene.classes:
        raise UsageError(
            f"{scene.image_id} has no object of class {class_index}",
            expected=f"one of {', '.join(map(str, scene.classes))}",
        )
    simulated = ACTIVATION_METHODS[method]
    random = stream(scene.seed, scene.index, "activation", method, str(class_index))
    shape = scene.label.shape
    evidence = _evidence(scene, class_index, simulated, random)
    around = _below(spread(evidence, max(2, 28 // simulated.stride)), 24 // simulated.stride)
    evidence = smooth(evidence, simulated.blur) + around * np.float32(simulated.spill)
    haze = value_noise(random, _shape(evidence), max(2, 48 // simulated.stride))
    highest = max(float(evidence.max()), 1e-3)
    evidence += np.clip(haze, 0, 1) * np.float32(simulated.haze * highest)
    return _quantise(enlarge(evidence, shape, simulated.stride), random, noise=0)


def _evidence(
    scene: Scene, class_index: int, simulated: SimulatedMethod, random: np.random.Generator
) -> Float32:
    """What speaks for the class in each cell, before it blurs."""
    stride = simulated.stride
    evidence = np.zeros(grid_shape(scene.label.shape, stride), dtype=np.float32)
    others: dict[int, float] = {}
    for position, placed in enumerate(scene.objects):
        cover = block_mean(scene.instances == position + 1, stride)
        if placed.class_index == class_index:
            near = smooth(cover, 2)
            bump = _blob(scene, placed, stride) * near
            strength = random.uniform(0.4, 1.0)
        else:
            bump = np.zeros_like(cover)
            strength = others.setdefault(
                placed.class_index, simulated.confusion * 1.4 * random.random()
            )
        uneven = np.clip(value_noise(random, _shape(cover), max(2, 80 // stride)) + 0.2, 0, 1)
        whole = cover * (1 - np.float32(simulated.holes) * uneven)
        evidence += (simulated.focus * bump + simulated.cover * whole) * np.float32(strength)
    share = np.float32(simulated.mistakes * random.random() * simulated.cover)
    seen: Float32 = np.maximum(evidence, _mistaken(scene, stride) * share)
    return seen


def _blob(scene: Scene, placed: Placement, stride: int) -> Float32:
    """A soft round spot on the most telling part of a silhouette, 0..1 on the grid."""
    u, v, radius = placed.silhouette.focus
    column, row = placed.locate(u, v)
    rows, columns = grid_shape(scene.label.shape, stride)
    reach = np.float32(radius * placed.scale)
    down = (np.arange(rows, dtype=np.float32) * stride + np.float32(stride / 2 - row)) / reach
    across = (np.arange(columns, dtype=np.float32) * stride + np.float32(stride / 2 - column)) / (
        reach
    )
    inside = np.clip(1 - (down * down)[:, None] - across * across, 0, 1)
    spot: Float32 = inside * (2 - inside)
    return spot


def _mistaken(scene: Scene, stride: int) -> Float32:
    """The piece of background that passes for an object, somewhat swollen, 0..1 on the grid."""
    piece = block_mean(scene.distractor, stride)
    swollen: Float32 = np.minimum(spread(piece, max(1, 10 // stride)) * np.float32(1.6), 1)
    return swollen


def _shape(grid: Float32) -> tuple[int, int]:
    return grid.shape[0], grid.shape[1]


def _below(grid: Float32, cells: int) -> Float32:
    """The greater of the grid and itself moved down: the ground goes with its objects."""
    moved: Float32 = grid.copy()
    moved[cells:] = np.maximum(moved[cells:], grid[:-cells])
    return moved


def _quantise(values: Float32, random: np.random.Generator, noise: float) -> UInt8:
    """Stretch to 0..255 with some grain; the least and the greatest are exactly 0 and 255."""
    least, most = values.min(), values.max()
    scaled = (values - least) * (np.float32(255) / max(most - least, np.float32(1e-6)))
    if noise:
        grain = random.random(values.shape, dtype=np.float32) - np.float32(0.5)
        # A network's map is flat where it is certain: grain lies on the slopes between.
        slope = scaled * (255 - scaled) * np.float32(4 / 255**2)
        scaled += grain * slope * np.float32(2 * noise)
    scaled += np.float32(0.5)
    drawn: UInt8 = np.clip(scaled, 0, 255).astype(np.uint8)
    return drawn
