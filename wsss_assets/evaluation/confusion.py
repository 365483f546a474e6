"""Counting: which class was predicted where which class is true.

A confusion matrix is int64 (C + 1, C + 2): rows are the true values 0..C, columns the predicted
values 0..C and, last, the ignore label 255. Pixels whose ground truth is 255 are not counted.
Matrices add up, so any split of the images over threads, processes or machines gives the same
integers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wsss_assets.errors import ImageFormatError, SizeMismatchError
from wsss_assets.words import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "as_array",
    "as_label",
    "check_counts",
    "confusion_matrix",
    "count_runs",
    "count_values",
    "digest_text",
    "empty_confusion",
    "label_digest",
    "run_ends",
]

Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]

IGNORE = 255


def empty_confusion(classes: int) -> Int64:
    """Zeros for `classes` foreground classes: int64 (classes + 1, classes + 2)."""
    return np.zeros((classes + 1, classes + 2), np.int64)


def confusion_matrix(prediction: UInt8, ground_truth: UInt8, classes: int) -> Int64:
    """Count one image (or a batch of equal shape).

    Args:
        prediction: uint8, values 0..classes and 255.
        ground_truth: uint8 of the same shape, values 0..classes and 255.
        classes: number of foreground classes, at most 254.

    Returns:
        int64 (classes + 1, classes + 2), see the module.

    Raises:
        SizeMismatchError: the shapes differ.
        ImageFormatError: a value is no class.
    """
    if prediction.shape != ground_truth.shape:
        raise SizeMismatchError(
            "prediction and ground truth differ in size",
            expected=f"{ground_truth.shape} (height, width), as the ground truth",
            found=f"{prediction.shape}",
            hint="nothing is resized here: write the prediction at the size of the image",
        )
    side = classes + 2
    # One more, modulo 256: 255 becomes 0 and all that is valid lies in 0..classes + 1.
    truth = ground_truth + np.uint8(1)
    guess = prediction + np.uint8(1)
    for name, label, shifted in (
        ("ground truth", ground_truth, truth),
        ("prediction", prediction, guess),
    ):
        if label.size and shifted.max() > classes + 1:
            check_counts(np.bincount(label.ravel(), minlength=256), classes, name)
    joint = np.multiply(truth, side, dtype=np.uint16)
    joint += guess
    counts = count_values(joint.ravel(), side * side).reshape(side, side)
    return np.concatenate([counts[1:, 1:], counts[1:, :1]], axis=1)


def check_counts(counts: Int64, classes: int, name: str) -> None:
    """Refuse a label map with values other than 0..classes and 255.

    Args:
        counts: how many pixels have each value, int64 (256,).
        classes: number of foreground classes.
        name: what to call the map in the error.

    Raises:
        ImageFormatError: with the first few such values.
    """
    values = np.flatnonzero(counts[classes + 1 : IGNORE]) + classes + 1
    if values.size:
        raise ImageFormatError(
            f"the {name} holds values that are no class",
            expected=f"0 (background), 1..{classes} and 255 (ignore label)",
            found=first_few(values.tolist()),
            hint="is this the right benchmark, and are these indices rather than grey levels?",
        )


def as_array(values: Any) -> NDArray[Any]:  # noqa: ANN401 (anything array-like)
    """An array, a nested sequence, or a tensor of torch on any device, which is not imported."""
    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)


def as_label(values: Any, name: str) -> UInt8:  # noqa: ANN401
    """An array-like of class indices as uint8: `as_array` of any integer or boolean type.

    Raises:
        ImageFormatError: not integers, or outside 0..255.
    """
    array = as_array(values)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iub":
        raise ImageFormatError(
            f"{name} is no label map",
            expected="integers (class indices)",
            found=str(array.dtype),
            hint="take the argmax over the class axis first",
        )
    if array.size and (array.min() < 0 or array.max() > IGNORE):
        raise ImageFormatError(
            f"{name} holds values that are no class",
            expected="0..255, 255 being the ignore label",
            found=f"{array.min()}..{array.max()}",
        )
    return array.astype(np.uint8)


def label_digest(image_id: str, label: UInt8, ends: NDArray[np.intp] | None = None) -> int:
    """A 256-bit number that stands for one image's ground truth.

    It is the SHA-256 of the id, the size and the runs of equal pixels (their last positions and
    their values, row by row), so how a PNG was compressed does not matter. Numbers of several
    images are added modulo 2**256: the sum does not depend on their order.

    Args:
        image_id: its id.
        label: uint8 (H, W).
        ends: `run_ends` of the flattened label, where the caller has it.
    """
    flat = label.ravel()
    ends = run_ends(flat) if ends is None else ends
    digest = hashlib.sha256(f"{image_id}\n{label.shape}\n".encode())
    digest.update(ends.astype("<u4").tobytes())
    digest.update(flat[ends].tobytes())
    return int.from_bytes(digest.digest(), "big")


def digest_text(digests: Sequence[int]) -> str:
    """The sum of image digests as 64 hex digits."""
    return f"{sum(digests) % (1 << 256):064x}"


def count_values(values: NDArray[Any], size: int) -> Int64:
    """`bincount`, by runs of equal values where there are few: label maps have long ones.

    Args:
        values: unsigned integers (N,) below `size`.
        size: length of the result.
    """
    if np.count_nonzero(values[1:] != values[:-1]) * 8 > values.size:
        return np.bincount(values, minlength=size).astype(np.int64, copy=False)
    return count_runs(values, run_ends(values), size)


def run_ends(values: NDArray[Any]) -> NDArray[np.intp]:
    """Last positions of the runs of equal values in (N,), the very last one included."""
    ends = np.flatnonzero(values[1:] != values[:-1])
    return np.append(ends, values.size - 1) if values.size else ends


def count_runs(values: NDArray[Any], ends: NDArray[np.intp], size: int) -> Int64:
    """`bincount` of (N,) values with known `run_ends`."""
    lengths = ends + 1
    lengths[1:] -= lengths[:-1].copy()
    # Weights are float64: exact, a run being shorter than 2**53 pixels.
    return np.bincount(values[ends], weights=lengths, minlength=size).astype(np.int64)
