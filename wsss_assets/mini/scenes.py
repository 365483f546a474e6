"""Scenes of the mini benchmark: photo and exact ground truth, drawn from a seed.

Nothing that is drawn here was ever in front of a camera. Scene `index` depends on the seed and
on its index alone, not on how many scenes are drawn, in which order or by how many workers;
array arithmetic is limited to +, −, ×, ÷ and comparisons, which give the same bits everywhere.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.benchmarks.mini import BENCHMARK
from wsss_assets.errors import UsageError
from wsss_assets.mini.clutter import CLUTTER
from wsss_assets.mini.furniture import FURNITURE
from wsss_assets.mini.grids import soften, value_noise
from wsss_assets.mini.living import LIVING
from wsss_assets.mini.vehicles import VEHICLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsss_assets.mini.shapes import Bool, Float32
    from wsss_assets.mini.silhouettes import Silhouette
    from wsss_assets.storage.images import UInt8

__all__ = ["Placement", "Scene", "draw_scene", "image_name", "stream"]

LONG_SIDE = 500
SHORT_SIDES = (333, 375)
PORTRAIT_SHARE = 0.25

SILHOUETTES: Mapping[str, Silhouette] = {**LIVING, **VEHICLES, **FURNITURE}


@dataclass(frozen=True)
class Placement:
    """Where one silhouette stands.

    Attributes:
        silhouette: what is drawn.
        class_index: its 0-based class; -1 for clutter.
        x: column of its origin.
        y: row of its origin.
        scale: pixels per unit of its plane, downwards.
        stretch: how much wider a unit is across than downwards; negative looks right.
        lean: columns its origin moves per row down.
    """

    silhouette: Silhouette
    class_index: int
    x: float
    y: float
    scale: float
    stretch: float
    lean: float = 0.0

    def locate(self, u: float, v: float) -> tuple[float, float]:
        """Column and row of a point of the silhouette's plane."""
        across = (u - self.lean * v) * self.scale * self.stretch
        return self.x + across, self.y + v * self.scale


@dataclass(frozen=True)
class Scene:
    """One drawn image and all that is known of it.

    Attributes:
        image_id: e.g. `mini_000012`.
        photo: uint8 (H, W, 3).
        label: uint8 (H, W): 0 background, class + 1, 255 along the rims of objects.
        classes: 0-based classes that `label` holds, ascending.
        index: its number.
        seed: what it was drawn with.
        objects: what stands in it, the farthest first.
        instances: uint8 (H, W): 0 background, else 1 + the position in `objects`.
        distractor: bool (H, W), the visible pixels of the piece of clutter that looks most
            like an object.
    """

    image_id: str
    photo: UInt8
    label: UInt8
    classes: tuple[int, ...]
    index: int
    seed: int
    objects: tuple[Placement, ...]
    instances: UInt8
    distractor: Bool


def draw_scene(index: int, seed: int = 0) -> Scene:
    """Draw scene `index`.

    Within every 20 scenes that start at a multiple of 20, each class leads once.

    Args:
        index: number of the scene, 0 or more.
        seed: 0 or more; another seed gives other scenes.

    Raises:
        UsageError: a negative number.
    """
    if index < 0 or seed < 0:
        raise UsageError(
            "a scene's index and seed are not negative", found=f"index {index}, seed {seed}"
        )
    random = stream(seed, index, "scene")
    height, width = _size(random)
    chosen = _choose_classes(index, seed, random)
    setting = SILHOUETTES[BENCHMARK.classes[chosen[0]]].setting
    horizon = height * random.uniform(0.42, 0.62)
    photo = _backdrop(setting, height, width, horizon, random)
    clutter = _scatter(setting, height, width, horizon, random)
    distractor = np.zeros((height, width), dtype=np.bool_)
    for piece in clutter:
        rows, columns, covered = _paint(photo, piece, random)
        distractor[:] = False
        distractor[rows, columns] = covered
    objects = _arrange(chosen, height, width, horizon, random)
    instances = np.zeros((height, width), dtype=np.uint8)
    for position, placed in enumerate(objects):
        if not placed.silhouette.flies:
            _cast_shadow(photo, placed)
        rows, columns, covered = _paint(photo, placed, random)
        instances[rows, columns][covered] = position + 1
    label = _label(instances, objects)
    present = np.flatnonzero(np.bincount(label.ravel(), minlength=256))
    return Scene(
        image_id=image_name(index),
        photo=_expose(photo, random),
        label=label,
        classes=tuple(int(value) - 1 for value in present if 0 < value < 255),
        index=index,
        seed=seed,
        objects=objects,
        instances=instances,
        distractor=distractor & (instances == 0),
    )


def image_name(index: int) -> str:
    """The image id of scene `index`."""
    return f"mini_{index:06d}"


def stream(seed: int, index: int, *names: str) -> np.random.Generator:
    """Random numbers of their own for one purpose of one scene."""
    return np.random.default_rng([seed, index, *(zlib.crc32(name.encode()) for name in names)])


def _size(random: np.random.Generator) -> tuple[int, int]:
    short = int(random.integers(SHORT_SIDES[0], SHORT_SIDES[1], endpoint=True))
    return (LONG_SIDE, short) if random.random() < PORTRAIT_SHARE else (short, LONG_SIDE)


def _choose_classes(index: int, seed: int, random: np.random.Generator) -> list[int]:
    """Classes of the objects, the leading one first; a class may occur several times."""
    names = BENCHMARK.classes
    lap, turn = divmod(index, len(names))
    leader = int(stream(seed, lap, "leaders").permutation(len(names))[turn])
    companions = SILHOUETTES[names[leader]].companions
    others = int(random.choice(3, p=(0.48, 0.4, 0.12)))
    guests = random.permutation(len(companions))[:others]
    repeats = int(random.choice(3, p=(0.68, 0.24, 0.08))) if others < 2 else 0
    return [leader] * (1 + repeats) + [names.index(companions[guest]) for guest in guests]


def _arrange(
    chosen: list[int], height: int, width: int, horizon: float, random: np.random.Generator
) -> tuple[Placement, ...]:
    """Side by side with some overlap, farther ones higher up and hidden by nearer ones."""
    count = len(chosen)
    reach = min(height, width) * {1: 0.70, 2: 0.56, 3: 0.46}.get(count, 0.40)
    placed = []
    for slot, turn in enumerate(random.permutation(count)):
        silhouette = SILHOUETTES[BENCHMARK.classes[chosen[turn]]]
        left, top, right, bottom = silhouette.bounds
        nearness = random.uniform(0.75, 1.2)
        extent = max(bottom - top, 0.8 * (right - left))
        scale = reach * silhouette.size * nearness / extent
        stretch = random.uniform(0.88, 1.12) * (1 if random.random() < 0.5 else -1)
        half = abs(stretch) * scale * (right - left) / 2
        x = width * (slot + 0.5) / count + random.uniform(-0.12, 0.12) * width
        x = min(max(x, 0.7 * half), width - 0.7 * half)
        if silhouette.flies:
            y = height * random.uniform(0.25, 0.5)
        else:
            foot = horizon + (height - horizon) * min(1.0, nearness * random.uniform(0.6, 0.85))
            y = max(foot - bottom * scale, -0.9 * top * scale)
        lean = random.uniform(-0.06, 0.06)
        placed.append(Placement(silhouette, chosen[turn], x, y, scale, stretch, lean))
    return tuple(sorted(placed, key=lambda one: one.y + one.silhouette.bounds[3] * one.scale))


def _scatter(
    setting: str, height: int, width: int, horizon: float, random: np.random.Generator
) -> tuple[Placement, ...]:
    placed = []
    for _ in range(int(random.integers(2, 5))):
        silhouette = CLUTTER[setting][int(random.integers(len(CLUTTER[setting])))]
        scale = min(height, width) * random.uniform(0.12, 0.24)
        bottom = silhouette.bounds[3]
        foot = horizon + random.uniform(-0.02, 0.16) * height
        y = foot - bottom * scale
        if silhouette.flies or setting == "room":
            y = min(y, height * random.uniform(0.1, 0.35))
        x = width * random.uniform(0.04, 0.96)
        placed.append(Placement(silhouette, -1, x, y, scale, random.uniform(0.8, 1.3)))
    return tuple(placed)


# Colours above and below the horizon, and how coarse (pixels) and strong (grey levels) the
# texture below it is.
_SETTINGS = {
    "sky": ((112, 160, 214), (206, 222, 236), (150, 150, 146), (118, 118, 116), 24, 10),
    "meadow": ((138, 178, 220), (214, 224, 226), (124, 150, 78), (78, 112, 50), 7, 22),
    "sea": ((150, 182, 208), (222, 222, 214), (88, 124, 142), (46, 84, 110), 10, 16),
    "road": ((176, 190, 204), (214, 214, 208), (138, 136, 132), (96, 96, 98), 5, 14),
    "room": ((206, 194, 172), (190, 176, 152), (142, 108, 78), (104, 76, 54), 40, 12),
}


def _backdrop(
    setting: str, height: int, width: int, horizon: float, random: np.random.Generator
) -> Float32:
    """Float32 (H, W, 3), 0..255: sky or wall above the horizon, ground below."""
    *colours, grain, strength = _SETTINGS[setting]
    tint = random.uniform(-16, 16, size=3)
    top, low, near, bottom = (np.asarray(colour, dtype=np.float32) + tint for colour in colours)
    rows = np.arange(height, dtype=np.float32)[:, None]
    up = np.clip(rows / np.float32(horizon), 0, 1)
    down = np.clip((rows - np.float32(horizon)) / np.float32(height - horizon), 0, 1)
    is_ground = rows >= horizon
    ramp = np.where(is_ground, near + (bottom - near) * down, top + (low - top) * up)
    above = value_noise(random, (height, width), 90) * 14
    below = value_noise(random, (height, width), int(grain)) * np.float32(strength)
    texture = np.where(is_ground, above * 0.5 + below, above)
    backdrop: Float32 = (ramp[:, None, :] + texture[:, :, None]).astype(np.float32)
    return backdrop


def _paint(
    photo: Float32, placed: Placement, random: np.random.Generator
) -> tuple[slice, slice, Bool]:
    """Draw a silhouette; where it lies: rows, columns and the pixels it covers there."""
    silhouette = placed.silhouette
    rows, columns = _window(placed, silhouette.bounds, photo.shape)
    tones = np.full((rows.stop - rows.start, columns.stop - columns.start), -1, dtype=np.int8)
    for shape, tone in silhouette.parts:
        high, across = _window(placed, shape.bounds, photo.shape)
        if high.stop > high.start and across.stop > across.start:
            u, v = _plane(placed, high, across)
            part = tones[
                high.start - rows.start : high.stop - rows.start,
                across.start - columns.start : across.stop - columns.start,
            ]
            part[shape.covers(u, v)] = tone
    main, second = silhouette.colours[int(random.integers(len(silhouette.colours)))]
    skin = ((232, 190, 160), (196, 144, 108), (126, 84, 60))[int(random.integers(3))]
    table = np.asarray([main, second, (46, 46, 50), (224, 222, 216), (110, 136, 152), skin])
    table = (table + random.uniform(-14, 14, size=(len(table), 3))).astype(np.float32)
    covered = tones >= 0
    light = np.float32(1.12) - np.float32(0.28) * np.linspace(
        0, 1, max(tones.shape[0], 1), dtype=np.float32
    )
    relief = value_noise(random, (tones.shape[0], tones.shape[1]), 14) * np.float32(0.12)
    coloured = table[np.maximum(tones, 0)] * (light[:, None] + relief)[:, :, None]
    window = photo[rows, columns]
    np.copyto(window, coloured, where=covered[:, :, None])
    return rows, columns, covered


def _cast_shadow(photo: Float32, placed: Placement) -> None:
    """Darken the ground below an object."""
    left, _, right, bottom = placed.silhouette.bounds
    half = 0.55 * (right - left)
    middle = (left + right) / 2
    bounds = (middle - half, bottom - 0.16, middle + half, bottom + 0.1)
    rows, columns = _window(placed, bounds, photo.shape)
    u, v = _plane(placed, rows, columns)
    across, down = (u - middle) / half, (v - (bottom - 0.03)) / 0.13
    depth = np.clip(1 - across * across - down * down, 0, 1) * np.float32(0.5)
    photo[rows, columns] *= (1 - depth)[:, :, None]


def _window(
    placed: Placement, bounds: tuple[float, float, float, float], shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """Rows and columns of the image that can hold what lies within `bounds`; may be empty."""
    left, top, right, bottom = bounds
    corners = [placed.locate(u, v) for u in (left, right) for v in (top, bottom)]
    across, down = zip(*corners, strict=True)
    return _clipped(min(down), max(down), shape[0]), _clipped(min(across), max(across), shape[1])


def _clipped(first: float, last: float, length: int) -> slice:
    start = min(max(int(first) - 1, 0), length)
    return slice(start, max(start, min(int(last) + 2, length)))


def _plane(placed: Placement, rows: slice, columns: slice) -> tuple[Float32, Float32]:
    """Coordinates of pixel centres in the plane of the silhouette: u (h, w) and v (h, 1)."""
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5 - placed.y)
    x = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - placed.x)
    v = y / np.float32(placed.scale)
    u = x / np.float32(placed.scale * placed.stretch) + np.float32(placed.lean) * v
    return u, v


def _label(instances: UInt8, objects: tuple[Placement, ...]) -> UInt8:
    """Class values, and 255 five pixels wide where one instance meets another or background."""
    values = np.asarray([0, *(placed.class_index + 1 for placed in objects)], dtype=np.uint8)
    label = values[instances]
    padded = np.pad(instances, ((2, 3), (2, 3)), mode="edge")
    least, most = padded, padded
    for axis in (0, 1):
        length = instances.shape[axis]
        shifted = [
            tuple(
                slice(offset, offset + length) if each == axis else slice(None) for each in (0, 1)
            )
            for offset in range(6)
        ]
        least = np.minimum.reduce([least[window] for window in shifted])
        most = np.maximum.reduce([most[window] for window in shifted])
    label[least != most] = 255
    return label


def _expose(photo: Float32, random: np.random.Generator) -> UInt8:
    """A camera's blur and grain."""
    blurred = soften(soften(photo, 0), 1)
    grain = (random.random(photo.shape[:2], dtype=np.float32) - np.float32(0.5)) * np.float32(14)
    exposed: UInt8 = np.clip(blurred + grain[:, :, None] + np.float32(0.5), 0, 255).astype(np.uint8)
    return exposed
