"""The masks of a benchmark's folder: what is seen of each, and what is found wrong with them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.devkit.annotations import label_classes
from wsss_assets.devkit.findings import Finding, some
from wsss_assets.errors import DataError
from wsss_assets.storage.images import image_size
from wsss_assets.storage.label_maps import check_label_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import Classes

__all__ = ["MaskFacts", "judge_masks", "look_at_mask"]


@dataclass(frozen=True)
class MaskFacts:
    """What was seen of one mask.

    Attributes:
        image_id: which image's mask.
        error: why it cannot be used, without its path; empty where it can.
        classes: 0-based classes in it; None if not looked at.
        fits_photo: False if its photo is of another size.
    """

    image_id: str
    error: str = ""
    classes: Classes | None = None
    fits_photo: bool = True


def look_at_mask(
    image_id: str, path: Path, photo: Path | None, benchmark: Benchmark, quick: bool
) -> MaskFacts:
    """What is seen of one mask.

    Args:
        image_id: which image's mask.
        path: the mask.
        photo: its photo; None: there is none.
        benchmark: whose classes it may show.
        quick: read its header alone.
    """
    try:
        fits = photo is None or image_size(photo) == image_size(path)
        if quick:
            check_label_header(path)
            return MaskFacts(image_id, fits_photo=fits)
        return MaskFacts(image_id, classes=label_classes(path, benchmark), fits_photo=fits)
    except DataError as error:
        text = error.summary.replace(str(path), "").strip()
        return MaskFacts(image_id, error=f"{text} ({error.found})" if error.found else text)


def judge_masks(
    folder: str, facts: Sequence[MaskFacts], benchmark: Benchmark, *, quick: bool
) -> list[Finding]:
    """What is wrong with the masks of a folder; where nothing is, that.

    Args:
        folder: its name below the root.
        facts: what was seen of each mask.
        benchmark: whose masks they should be.
        quick: whether only their headers were read.
    """
    wrong = [*_broken(folder, facts, benchmark), *_unfit(folder, facts), *_empty(folder, facts)]
    if wrong:
        return wrong
    depth = "readable by their headers" if quick else "readable, values as they should"
    return [Finding("ok", f"{folder}: {len(facts)} masks {depth}, sizes as of the photos")]


def _broken(folder: str, facts: Sequence[MaskFacts], benchmark: Benchmark) -> Iterator[Finding]:
    broken: dict[str, list[str]] = defaultdict(list)
    for one in facts:
        if one.error:
            broken[one.error].append(one.image_id)
    for error, ids in broken.items():
        yield Finding(
            "problem",
            f"{folder}: {len(ids)} of {len(facts)} masks cannot be used: {some(ids)}: {error}",
            _todo_for_broken(error, benchmark),
        )


def _unfit(folder: str, facts: Sequence[MaskFacts]) -> Iterator[Finding]:
    unfit = [one.image_id for one in facts if not one.fits_photo]
    if unfit:
        yield Finding(
            "problem",
            f"{folder}: {len(unfit)} masks are not of their photo's size: {some(unfit)}",
            "take masks and photos from one source; resized masks score wrongly",
        )


def _empty(folder: str, facts: Sequence[MaskFacts]) -> Iterator[Finding]:
    empty = [one.image_id for one in facts if one.classes == ()]
    if empty:
        yield Finding(
            "warning",
            f"{folder}: {len(empty)} masks show no class: {some(empty)}",
            "fine if those images show none",
        )


def _todo_for_broken(error: str, benchmark: Benchmark) -> str:
    if "no class indices" in error:
        return "masks in colours must be written again with class indices (mode P or L)"
    if "no class" not in error:
        return "get the masks again"
    if benchmark.layout.ids is None:
        return (
            "values up to 90 are raw category ids: make the masks with 'wsss-assets ground-truth'"
        )
    return f"label maps hold 0..{len(benchmark.classes)} and 255; get the masks again"
