"""The plain form of each rule, as one would write it down from its formula.

Everything here is our own transcription, made to be compared with: in speed, and pixel by
pixel or count by count in the same run. No file of another project was copied. Where a plain
form could be written more or less wastefully, the less wasteful one is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss_assets.storage.label_maps import label_palette

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from common import Data

__all__ = [
    "CLASSES",
    "SALIENCY_THRESHOLD",
    "binarised",
    "class_sums",
    "decode",
    "float_label",
    "joint_bincount",
    "joint_index",
    "read_floats",
    "torch_class_sums",
    "write_plain_label",
]

UInt8: TypeAlias = NDArray[np.uint8]
Int64: TypeAlias = NDArray[np.int64]
Float32: TypeAlias = NDArray[np.float32]

CLASSES = 20
IGNORE = 255
SALIENCY_THRESHOLD = 0.2


def read_floats(path: Path) -> Float32:
    """A map as float32 (H, W) in 0..1."""
    grey = np.asarray(Image.open(path).convert("L"))
    scores: Float32 = grey.astype(np.float32) / np.float32(255)
    return scores


def binarised(saliency: Float32) -> Float32:
    """1 where saliency is above 0.2, else 0."""
    return (saliency > SALIENCY_THRESHOLD).astype(np.float32)


def float_label(
    salient: Float32 | None, scores: Mapping[int, Float32], tau: float, *, ignore: bool
) -> UInt8:
    """The float rule: a stack of all classes, scores below tau dropped, argmax, ignore.

    Args:
        salient: float32 (H, W), 0 or 1; None: the background score is the constant tau.
        scores: float32 (H, W) in 0..1 by 0-based class, at least one.
        tau: activation threshold.
        ignore: salient pixels that no class claims become 255.
    """
    shape = next(iter(scores.values())).shape
    stack = np.zeros((CLASSES + 1, *shape), np.float32)
    stack[0] = tau if salient is None else 1 - salient
    for index, values in scores.items():
        stack[index + 1] = values
        if salient is not None:
            stack[index + 1][values < np.float32(tau)] = 0
    label: UInt8 = stack.argmax(axis=0).astype(np.uint8)
    if ignore and salient is not None:
        label[(label == 0) & (salient == 1)] = IGNORE
    return label


def write_plain_label(data: Data, out: Path, image_id: str, tau: float) -> None:
    """One pseudo-label, files in, palette PNG with Pillow's defaults out."""
    salient = binarised(read_floats(data.saliency / f"{image_id}.png"))
    scores = {
        index: read_floats(data.activation_file(image_id, index)) for index in data.labels[image_id]
    }
    image = Image.fromarray(float_label(salient, scores, tau, ignore=True))
    image.putpalette(label_palette(CLASSES + 1))
    image.save(out / f"{image_id}.png")


def decode(data: Data) -> None:
    """Decode every file of every image, and nothing else."""
    for image_id in data.labels:
        for path in data.files(image_id):
            np.asarray(Image.open(path))


def joint_index(prediction: UInt8, truth: UInt8) -> Int64:
    """int64 cell of the confusion matrix (21, 22) of each pixel that counts."""
    valid = truth != IGNORE
    guess = prediction[valid].astype(np.int64)
    guess[guess == IGNORE] = CLASSES + 1
    joint: Int64 = (CLASSES + 2) * truth[valid].astype(np.int64) + guess
    return joint


def joint_bincount(joint: Int64) -> Int64:
    """Confusion matrix int64 (21, 22) of a joint index."""
    counts = np.bincount(joint, minlength=(CLASSES + 1) * (CLASSES + 2))
    return counts.reshape(CLASSES + 1, CLASSES + 2)


def class_sums(prediction: UInt8, truth: UInt8) -> Int64:
    """Hit, predicted and true pixels, class by class, as SEAM's evaluator counts: (3, 21)."""
    valid = truth != IGNORE
    sums = np.zeros((3, CLASSES + 1), np.int64)
    for index in range(CLASSES + 1):
        guessed = (prediction == index) & valid
        true = (truth == index) & valid
        sums[:, index] = np.sum(guessed & true), np.sum(guessed), np.sum(true)
    return sums


def torch_class_sums(prediction: Any, truth: Any) -> list[Any]:  # noqa: ANN401 (torch tensors)
    """The same loop on torch tensors; torch is optional."""
    valid = truth != IGNORE
    sums = []
    for index in range(CLASSES + 1):
        guessed = (prediction == index) & valid
        true = (truth == index) & valid
        sums.append(((guessed & true).sum().item(), guessed.sum().item(), true.sum().item()))
    return sums
