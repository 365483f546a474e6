"""Ground truth of saliency: which pixels are object, in binary masks and in masks of classes.

In a binary mask 255 is object; in a mask of classes it is void, neither object nor background. So
the two kinds are never taken for each other: where it is not plain which one a folder holds, that
is an error, and where one is found among the other, too.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.evaluation.confusion import IGNORE, check_counts, label_digest
from wsss_assets.evaluation.saliency.measures import Truth
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, is_grey, read_map
from wsss_assets.storage.label_maps import LABEL_SUFFIXES, read_label
from wsss_assets.words import first_few

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from wsss_assets.storage.images import UInt8

__all__ = ["KINDS", "VOIDS", "Kind", "Mask", "Masks", "Void", "masked"]

Kind: TypeAlias = Literal["binary", "classes"]
Void: TypeAlias = Literal["background", "foreground", "drop"]

KINDS: tuple[Kind, ...] = ("binary", "classes")
VOIDS: tuple[Void, ...] = ("background", "foreground", "drop")

_HIGHEST_BACKGROUND = 128
"""Of a binary mask, whose object is where it is brighter, as for PySODMetrics."""

_SUFFIXES = (*LABEL_SUFFIXES, *(one for one in MAP_SUFFIXES if one not in LABEL_SUFFIXES))

_CHOOSE = (
    "say which with --ground-truth-kind binary (object where a pixel is above 128) or classes "
    "(object where it is a class of --benchmark, 255 void)"
)


@dataclass(frozen=True)
class Mask:
    """The ground truth of one image.

    Attributes:
        values: uint8 (H, W), as they were given.
        truth: what is object in it.
        counts: pixels of objects and of void, and whether any pixel counts: int64 (3,).
    """

    values: UInt8
    truth: Truth
    counts: NDArray[np.int64]

    def digest(self, image_id: str) -> int:
        """The number that stands for it, whatever void counts as."""
        return label_digest(image_id, self.values)


def masked(values: UInt8, kind: Kind, void: Void, classes: int, name: str) -> Mask:
    """What is object in a mask.

    Args:
        values: uint8 (H, W).
        kind: how they are meant.
        void: what 255 counts as in a mask of classes.
        classes: number of foreground classes.
        name: what to call the mask in errors.

    Raises:
        ImageFormatError: a value is no class, or a binary mask has values and no object.
    """
    if kind == "binary":
        highest = int(values.max(initial=0))
        if 0 < highest <= _HIGHEST_BACKGROUND:
            raise ImageFormatError(
                f"the {name} is no binary mask: it has values, and none is object",
                expected=f"values above {_HIGHEST_BACKGROUND} where the object is, or 0 throughout",
                found=f"values up to {highest}",
                hint="a mask of class indices, or of 0 and 1, is read with "
                "--ground-truth-kind classes",
            )
        foreground = values > _HIGHEST_BACKGROUND
        counts = np.array([np.count_nonzero(foreground), 0, values.size > 0], np.int64)
        return Mask(values, Truth(foreground), counts)
    if values.size and int((values + np.uint8(1)).max()) > classes + 1:
        check_counts(np.bincount(values.ravel(), minlength=256), classes, name)
    foreground, unknown = values > 0, values == IGNORE
    known = values.size - np.count_nonzero(unknown)
    objects = np.count_nonzero(foreground) - np.count_nonzero(unknown)
    counted = known if void == "drop" else values.size
    if void != "foreground":
        foreground &= ~unknown
    return Mask(
        values,
        Truth(foreground, ~unknown if void == "drop" else None),
        np.array([objects, values.size - known, counted > 0], np.int64),
    )


@dataclass(frozen=True)
class Masks:
    """A folder of masks of one kind.

    Attributes:
        files: by image id.
        kind: how their values are meant.
        checked: whether the kind was found by looking, so that each mask has to show that it is
            of this kind.
        classes: number of foreground classes.
    """

    files: Mapping[str, Path]
    kind: Kind
    checked: bool
    classes: int

    @classmethod
    def open(
        cls,
        folder: Path,
        kind: Kind | Literal["auto"],
        classes: int,
        ids: Sequence[str] | None = None,
    ) -> Masks:
        """The masks of a folder.

        Args:
            folder: of `<image id>.png`, `.npy`, `.bmp` or `.jpg`.
            kind: `binary`, `classes`, or `auto`: the first mask with an object decides.
            classes: number of foreground classes.
            ids: which images; None: all.

        Raises:
            MissingFileError: no folder, or no mask in it.
            ImageFormatError: it is not plain which kind they are.
        """
        files = list_files(folder, _SUFFIXES)
        if kind != "auto":
            return cls(files, kind, checked=False, classes=classes)
        wanted = (files[one] for one in (files if ids is None else ids) if one in files)
        return cls(files, _kind_of(wanted, classes, folder), checked=True, classes=classes)

    def read(self, image_id: str) -> UInt8:
        """The values of a mask, uint8 (H, W).

        Raises:
            MissingFileError: there is none.
            ImageFormatError: it cannot be read as one of this kind.
        """
        path = self.files.get(image_id)
        if path is None:
            raise MissingFileError(
                f"no ground truth for {image_id}",
                found=f"{len(self.files)} masks, e.g. {next(iter(self.files.values()))}",
            )
        if not self.checked:
            return _read(path, self.kind)
        shown, values = _look(path, self.classes)
        if shown in {self.kind, "nothing"}:
            return values
        raise ImageFormatError(
            f"{path} does not look like the masks before it",
            expected={"binary": "0 and 255 alone", "classes": "class indices"}[self.kind],
            found=_range_of(values),
            done="no score was given",
            hint=_CHOOSE,
        )


def _kind_of(paths: Iterable[Path], classes: int, folder: Path) -> Kind:
    """The kind that the first mask shows that shows any."""
    for path in paths:
        shown, values = _look(path, classes)
        if shown == "unclear":
            raise ImageFormatError(
                f"{path} may be a binary mask or one of classes",
                found=_range_of(values),
                done="no score was given",
                hint=_CHOOSE,
            )
        if shown != "nothing":
            return shown
    raise ImageFormatError(
        f"no mask of {folder} that is wanted shows an object",
        expected="at least one, to tell binary masks from masks of classes",
        done="no score was given",
        hint=_CHOOSE,
    )


def _look(path: Path, classes: int) -> tuple[Kind | Literal["nothing", "unclear"], UInt8]:
    """What kind a mask shows itself to be, and its values read as of that kind."""
    if path.suffix.lower() != ".npy" and is_grey(path):
        values = _read_grey(path)
        return _kind_of_values(values, classes, "binary"), values
    try:
        values = read_label(path)
    except ImageFormatError:  # stored in colours
        values = _read_grey(path)
        shown = _kind_of_values(values, classes, "binary")
        return "unclear" if shown == "classes" else shown, values
    if values.max(initial=0) == 1:
        with contextlib.suppress(ImageFormatError):  # black and white: of 1 bit, or by a palette
            grey = read_map(path)
            if _kind_of_values(grey, classes, "binary") == "binary":
                return "binary", grey
    return _kind_of_values(values, classes, "unclear"), values


def _kind_of_values(
    values: UInt8, classes: int, of_two: Literal["binary", "unclear"]
) -> Kind | Literal["nothing", "unclear"]:
    """The kind by the values alone; `of_two` is that of 0 and 255."""
    shifted = values + np.uint8(1)  # modulo 256: 255 becomes 0
    highest = int(shifted.max(initial=1))
    if highest > 1:
        return "classes" if highest <= classes + 1 else "unclear"
    return of_two if int(shifted.min(initial=1)) == 0 else "nothing"


def _read(path: Path, kind: Kind) -> UInt8:
    if kind == "classes" or path.suffix.lower() == ".npy":
        return read_label(path)
    return _read_grey(path)


def _read_grey(path: Path) -> UInt8:
    try:
        return read_map(path)
    except ImageFormatError as error:
        error.hint = f"a mask is grey, or holds class indices: {_CHOOSE}"
        raise


def _range_of(values: UInt8) -> str:
    return f"values {first_few(np.unique(values).tolist())}"
