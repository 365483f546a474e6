"""What the package should give, written again in the plainest way: slow, in floats, by pixel.

Nothing here calls the code that is tested. The label rules follow the published figures as
docs/recipes.md gives them; the counting follows the definitions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from wsss_assets.benchmarks import Benchmark, Layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

UInt8: TypeAlias = NDArray[np.uint8]
Int64: TypeAlias = NDArray[np.int64]
Float32: TypeAlias = NDArray[np.float32]
Maps: TypeAlias = dict[int, UInt8]
Pair: TypeAlias = "tuple[UInt8, UInt8]"
Tally: TypeAlias = "list[tuple[int, int, int]]"

VOC_COLOURS = [
    (0, 0, 0),
    (128, 0, 0),
    (0, 128, 0),
    (128, 128, 0),
    (0, 0, 128),
    (128, 0, 128),
    (0, 128, 128),
    (128, 128, 128),
    (64, 0, 0),
    (192, 0, 0),
    (64, 128, 0),
    (192, 128, 0),
    (64, 0, 128),
    (192, 0, 128),
    (64, 128, 128),
    (192, 128, 128),
    (0, 64, 0),
    (128, 64, 0),
    (0, 192, 0),
    (128, 192, 0),
    (0, 64, 128),
]
"""VOC's first 21 colours, as published."""

POLICIES = ("miss", "background", "drop")

THREE = Benchmark(
    name="three",
    title="Three classes",
    classes=("cat", "dog", "cow"),
    splits={},
    layout=Layout(photos={}, masks={}),
)
"""A benchmark small enough to count by hand."""


# What tests draw from


EDGES = (0, 1, 50, 51, 52, 101, 102, 103, 152, 153, 154, 203, 204, 205, 254, 255)
"""Bytes at which float32 comparisons with 0.2, 0.4, 0.6, 0.8 and 1 turn."""

BYTES = st.one_of(st.sampled_from(EDGES), st.integers(0, 255))
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
TAUS = st.one_of(
    st.sampled_from([0.0, 1.0]),
    st.integers(1, 9).map(lambda tenth: tenth / 10),
    st.integers(0, 255).map(lambda byte: byte / 255),
)
SALIENCY_THRESHOLDS = st.one_of(TAUS, st.sampled_from([-1.0, -0.2]))


def byte_maps(shape: tuple[int, int]) -> st.SearchStrategy[UInt8]:
    """uint8 maps of one size, rich in ties and in bytes where comparisons turn."""
    return hnp.arrays(np.uint8, shape, elements=BYTES, fill=st.nothing())


def label_maps(shape: tuple[int, int], classes: int = 3) -> st.SearchStrategy[UInt8]:
    """uint8 label maps of one size: 0..classes and 255."""
    values = st.sampled_from([*range(classes + 1), 255])
    return hnp.arrays(np.uint8, shape, elements=values, fill=st.nothing())


@dataclass(frozen=True)
class Sample:
    """The maps and the ground truth of one image."""

    saliency: UInt8
    maps: Maps
    truth: UInt8


@st.composite
def samples(draw: st.DrawFn, classes: int = 3, least: int = 0) -> Sample:
    """One image with at least `least` classes, in any order of insertion."""
    shape = draw(SHAPES)
    present = draw(st.lists(st.integers(0, classes - 1), unique=True, min_size=least, max_size=3))
    return Sample(
        draw(byte_maps(shape)),
        {index: draw(byte_maps(shape)) for index in present},
        draw(label_maps(shape, classes)),
    )


# Files and sources


def write_grey(path: Path, values: UInt8) -> None:
    """A grey PNG, written by Pillow alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


class Saliency:
    """Saliency maps in memory."""

    def __init__(self, maps: Mapping[str, UInt8]) -> None:
        self.maps = maps

    def read(self, image_id: str) -> UInt8:
        return self.maps[image_id]

    def version(self, image_id: str) -> str:  # noqa: ARG002 (the protocol has it)
        return ""


class Activations:
    """Activation maps in memory."""

    def __init__(self, maps: Mapping[str, Maps]) -> None:
        self.maps = maps

    def read(self, image_id: str, classes: Sequence[int]) -> Maps:
        return {index: self.maps[image_id][index] for index in classes}

    def version(self, image_id: str, classes: Sequence[int]) -> str:  # noqa: ARG002
        return ""


# Label rules


def unit(values: UInt8) -> Float32:
    """Bytes as float32 0..1."""
    scores: Float32 = values.astype(np.float32) / np.float32(255)
    return scores


def background_first(background: Any, scores: Mapping[int, Float32]) -> Float32:  # noqa: ANN401
    """float32 (C + 1, H, W): the background score, then each class's, zero where absent."""
    shape = np.shape(background) or next(iter(scores.values())).shape
    stack = np.zeros((max(scores, default=0) + 2, *shape), np.float32)
    stack[0] = background
    for index, values in scores.items():
        stack[index + 1] = values
    return stack


def strongest(stack: Float32) -> UInt8:
    """uint8 (H, W): the first of the highest scores."""
    label: UInt8 = stack.argmax(axis=0).astype(np.uint8)
    return label


def wsss_bed(
    saliency: UInt8 | None,
    maps: Mapping[int, UInt8],
    *,
    tau: float,
    saliency_threshold: float = 0.2,
    ignore: bool = False,
) -> UInt8:
    """WSSS-BED's rule; saliency None is its option `wo_sal`."""
    scores = {index: unit(values) for index, values in maps.items()}
    if saliency is None:
        return strongest(background_first(np.float32(tau), scores))
    grey = unit(saliency)
    if saliency_threshold > 0:
        grey = (grey > np.float32(saliency_threshold)).astype(np.float32)
    stack = background_first(np.float32(1) - grey, scores)
    if tau > 0:
        classes = stack[1:]
        classes[classes < np.float32(tau)] = 0
    label = strongest(stack)
    if ignore:
        label[(grey > np.float32(saliency_threshold)) & (label == 0)] = 255
    return label


def constant(maps: Mapping[int, UInt8], *, tau: float) -> UInt8:
    """IRN, SEAM, AMN and L2G: the strongest of a constant and the class scores."""
    scores = {index: unit(values) for index, values in maps.items()}
    return strongest(background_first(np.float32(tau), scores))


def winner(background: np.float32, scores: Mapping[int, np.float32]) -> int:
    """The label of one pixel: 0 unless a class is above the background and all before it."""
    label, highest = 0, background
    for index in sorted(scores):
        if scores[index] > highest:
            label, highest = index + 1, scores[index]
    return label


def stretched(values: UInt8) -> Float32:
    """A map by its own range, all zero where it is flat."""
    low, high = int(values.min()), int(values.max())
    steps = (values.astype(np.int64) - low).astype(np.float32)
    result: Float32 = steps / np.float32(high - low) if high > low else np.zeros_like(steps)
    return result


def accumulated(
    saliency: UInt8,
    maps: Mapping[int, UInt8],
    *,
    tau: float = 0.3,
    conflict: float,
    strong: float,
) -> UInt8:
    """OAA (0.9, 0.8) and MCIS (0.99, 0.95), pixel by pixel from their published figures."""
    raw = {index: stretched(values) for index, values in maps.items()}
    label = np.zeros(saliency.shape, np.uint8)
    for place in np.ndindex(saliency.shape):
        here = {index: values[place] for index, values in raw.items()}
        all_scores = {-1: np.float32(1) - unit(saliency)[place], **here}
        kept = {
            index: score if score >= np.float32(tau) else np.float32(0)
            for index, score in all_scores.items()
        }
        label[place] = winner(kept.pop(-1), kept)
        least = max(np.float32(conflict), np.nextafter(np.float32(tau), np.float32(-1)))
        rivals = sum(score > least for score in all_scores.values())
        noticed = saliency[place] >= 32 or any(s > np.float32(strong) for s in here.values())
        if rivals >= 2 or (label[place] == 0 and noticed):
            label[place] = 255
    claimed = sum(value not in {0, 255} for value in label.ravel().tolist())
    if claimed / label.size < 0.01:
        label[...] = 255
    return label


def drs(saliency: UInt8, maps: Mapping[int, UInt8], *, tau: float = 0.2) -> UInt8:
    """DRS, pixel by pixel from its published figures."""
    raw = {index: unit(values) for index, values in maps.items()}
    label = np.zeros(saliency.shape, np.uint8)
    for place in np.ndindex(saliency.shape):
        salient = saliency[place] > 50
        background = np.float32(0 if salient else 1)
        kept = {i: v[place] for i, v in raw.items() if v[place] >= np.float32(tau)}
        label[place] = winner(background, kept)
        rivals = sum(score > np.float32(0.9) for score in [background, *kept.values()])
        if rivals >= 3 or (salient and label[place] == 0):
            label[place] = 255
    return label


def edam(saliency: UInt8, maps: Mapping[int, UInt8], *, tau: float = 1e-6) -> UInt8:
    """EDAM, pixel by pixel from its published figures, as docs/recipes.md reads them."""
    raw = {index: unit(values) for index, values in maps.items()}
    label = np.zeros(saliency.shape, np.uint8)
    for place in np.ndindex(saliency.shape):
        kept = {i: v[place] for i, v in raw.items() if v[place] >= np.float32(tau)}
        certain = {i: score for i, score in kept.items() if score > np.float32(0.99999)}
        if certain:
            label[place] = min(certain) + 1
        elif saliency[place] > 20:
            label[place] = winner(np.float32(0), kept)
    return label


def skeleton(saliency: UInt8 | None, maps: Mapping[int, UInt8], recipe: Any) -> UInt8:  # noqa: ANN401
    """Any recipe, step by step as the documentation of its settings says."""
    tau = np.float32(recipe.tau)
    raw: dict[int, Float32] = {}
    for index, values in maps.items():
        raw[index] = unit(values)
        if recipe.normalize:
            low, high = np.float32(values.min()), np.float32(values.max())
            reach = high - low if high > low else np.float32(1)
            raw[index] = (values.astype(np.float32) - low) / reach
    kept = {index: values.copy() for index, values in raw.items()}
    background: Any = tau
    if recipe.background == "saliency":
        assert saliency is not None
        grey = unit(saliency)
        if recipe.saliency_threshold > 0:
            grey = (grey > np.float32(recipe.saliency_threshold)).astype(np.float32)
        background = np.float32(1) - grey
        if recipe.cut_background:
            background[background < tau] = 0
        for scores in kept.values():
            scores[scores < tau] = 0
    stack = background_first(background, kept)
    ranked = stack.copy()
    if recipe.override_above is not None:
        ranked[1:][stack[1:] > np.float32(recipe.override_above)] += 2
    label = strongest(ranked)
    if recipe.conflict_above is not None:
        strong = (stack > np.float32(recipe.conflict_above)).sum(axis=0)
        label[strong >= recipe.conflict_channels] = 255
    if recipe.ignore:
        assert saliency is not None
        least = recipe.ignore_saliency
        salient = unit(saliency) > np.float32(recipe.saliency_threshold if least is None else least)
        if recipe.ignore_activation is not None:
            for scores in raw.values():
                salient |= scores > np.float32(recipe.ignore_activation)
        label[salient & (label == 0)] = 255
    if ((label > 0) & (label < 255)).sum() / label.size < recipe.minimum_foreground:
        label[:] = 255
    return label


# Counting


def confusion(prediction: UInt8, truth: UInt8, classes: int) -> Int64:
    """int64 (C + 1, C + 2): rows true, columns predicted, the last one 255; pixel by pixel."""
    counts = [[0] * (classes + 2) for _ in range(classes + 1)]
    for guess, true in zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if true != 255:
            counts[true][classes + 1 if guess == 255 else guess] += 1
    return np.array(counts, np.int64)


def tally(pairs: Iterable[Pair], classes: int, policy: str) -> Tally:
    """Hits, predicted and true pixels by label value, counted on edited label maps."""
    counts = [[0, 0, 0] for _ in range(classes + 1)]
    for prediction, truth in pairs:
        guess, true = prediction.copy(), truth.copy()
        if policy == "drop":
            true[guess == 255] = 255
        if policy == "background":
            guess[guess == 255] = 0
        counted = true != 255
        for value, line in enumerate(counts):
            line[0] += int(((guess == value) & (true == value)).sum())
            line[1] += int(((guess == value) & counted).sum())
            line[2] += int((true == value).sum())
    return [(hit, predicted, true) for hit, predicted, true in counts]


def ious(counts: Tally) -> list[float | None]:
    """IoU by label value; None where there is no union."""
    return [
        hit / (predicted + true - hit) if predicted + true - hit else None
        for hit, predicted, true in counts
    ]


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is there, added up from the first to the last."""
    total, number = 0.0, 0
    for value in values:
        if value is not None:
            total += value
            number += 1
    return total / number if number else None


def digest(labels: Mapping[str, UInt8]) -> str:
    """Digest of a ground truth: SHA-256 of each image's id, size and runs, added up."""
    total = 0
    for image_id, label in labels.items():
        flat = label.ravel().tolist()
        last = [
            place for place in range(len(flat)) if flat[place : place + 1] != flat[place + 1 :][:1]
        ]
        content = f"{image_id}\n{label.shape}\n".encode()
        content += b"".join(place.to_bytes(4, "little") for place in last)
        content += bytes(flat[place] for place in last)
        total += int.from_bytes(hashlib.sha256(content).digest(), "big")
    return f"{total % 2**256:064x}"
