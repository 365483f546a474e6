"""Pseudo-labels for a whole list of images, from maps to palette PNGs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import DataError, UsageError
from wsss_assets.labels.make import make_label
from wsss_assets.labels.recipes import Recipe, get_recipe
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.images import write_label
from wsss_assets.storage.maps import (
    ActivationFolder,
    SaliencyFolder,
    open_activations,
    open_saliency,
)
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.parallel import Progress
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Summary", "pseudo_label"]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        written: how many labels were made.
        kept: how many were there already, newer than the maps they are made from.
        failed: why an image has no label, by image id.
    """

    written: int
    kept: int
    failed: dict[str, str]


def pseudo_label(
    labels: Mapping[str, Sequence[int]],
    activation: Path | str | ActivationSource,
    out: Path | str,
    *,
    saliency: Path | str | SaliencySource | None = None,
    recipe: Recipe | None = None,
    benchmark: Benchmark | str = "voc2012",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Make the pseudo-label of every image of a list.

    A label is written whole or not at all, and one that is newer than its maps is kept, so a
    run that was stopped goes on when it is started again. The folder is stamped with the recipe
    and the sources; other ones are refused.

    Args:
        labels: 0-based classes by image id.
        activation: a folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        out: where to; `<image id>.png` with the benchmark's palette.
        saliency: a folder of `<image id>.png`, or a source; None for recipes without saliency.
        recipe: the rule; None: `wsss-bed` with its defaults.
        benchmark: class names and palette.
        workers: threads; None: one per core. The files are the same for any number.
        progress: wraps an iterable of known length to show a bar.

    Returns:
        What was done. An image whose maps are missing or unusable is listed, not raised.

    Raises:
        UsageError: the recipe needs saliency maps.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty.
        FolderInUseError: `out` was made with other settings.
    """
    recipe = get_recipe() if recipe is None else recipe
    benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    benchmark.check_classes(labels)
    if recipe.uses_saliency and saliency is None:
        raise UsageError(
            f"recipe {recipe.name} needs saliency maps",
            hint="name their folder with --saliency DIR, or do without with --no-saliency",
        )
    maker = _Maker(
        labels,
        open_saliency(saliency) if recipe.uses_saliency and saliency is not None else None,
        open_activations(activation),
        Path(out),
        recipe,
        benchmark,
    )
    claim_folder(Path(out), maker.stamp())
    written, kept, failed = 0, 0, {}
    for outcome in map_with_progress(maker, labels, workers, progress):
        written += outcome.written
        kept += outcome.kept
        if outcome.error is not None:
            failed[outcome.image_id] = outcome.error
    return Summary(written, kept, failed)


@dataclass(frozen=True)
class _Outcome:
    image_id: str
    written: bool = False
    kept: bool = False
    error: str | None = None


@dataclass(frozen=True)
class _Maker:
    """Makes the label of one image."""

    labels: Mapping[str, Sequence[int]]
    saliency: SaliencySource | None
    activation: ActivationSource
    out: Path
    recipe: Recipe
    benchmark: Benchmark

    def stamp(self) -> dict[str, object]:
        return {
            "made_by": "wsss-assets pseudo-label",
            "benchmark": self.benchmark.name,
            "recipe": self.recipe.settings(),
            "saliency": None if self.saliency is None else _place(self.saliency, self.out),
            "activation": _place(self.activation, self.out),
        }

    def __call__(self, image_id: str) -> _Outcome:
        path = self.out / f"{image_id}.png"
        try:
            if self._is_current(path, image_id):
                return _Outcome(image_id, kept=True)
            saliency = None if self.saliency is None else self.saliency.read(image_id)
            maps = self.activation.read(image_id, self.labels[image_id])
            label = make_label(saliency, maps, self.recipe)
        except DataError as error:
            kept = " (an older label stays in place)" if path.exists() else ""
            return _Outcome(image_id, error=f"{error}{kept}")
        write_label(path, label, len(self.benchmark.label_names))
        return _Outcome(image_id, written=True)

    def _is_current(self, path: Path, image_id: str) -> bool:
        if not path.exists():
            return False
        newest = self.activation.modified(image_id, self.labels[image_id])
        if self.saliency is not None:
            newest = max(newest, self.saliency.modified(image_id))
        return path.stat().st_mtime >= newest


def _place(source: object, out: Path) -> str:
    """How to find a source from the output folder, so that both can be moved together."""
    if not isinstance(source, SaliencyFolder | ActivationFolder):
        return str(source)
    try:
        return Path(os.path.relpath(source.folder.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return str(source.folder.resolve())
