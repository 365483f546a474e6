"""Pseudo-labels for a whole list of images, from maps to palette PNGs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import DataError, UsageError
from wsss_assets.labels.make import RULE_VERSION, make_label
from wsss_assets.labels.recipes import Recipe, get_recipe
from wsss_assets.parallel import map_with_progress
from wsss_assets.ranks import ALONE
from wsss_assets.storage.label_maps import write_label
from wsss_assets.storage.maps import (
    ActivationFolder,
    SaliencyFolder,
    open_activations,
    open_saliency,
)
from wsss_assets.storage.receipts import Receipts
from wsss_assets.storage.stamps import claim_folder, place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Summary", "open_saliency_for", "pseudo_label"]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        written: how many labels were made.
        kept: how many were there already, made from the same maps and classes.
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
    ranks: Ranks = ALONE,
) -> Summary:
    """Make the pseudo-label of every image of a list.

    A label is written whole or not at all, and one that was made from the same maps and classes
    is kept, so a run that was stopped goes on when it is started again. The folder is stamped
    with the recipe and the sources; other ones are refused.

    Args:
        labels: 0-based classes by image id.
        activation: a folder of `<image id>_<class>.png` or `<image id>.npy`, or a source.
        out: where to; `<image id>.png` with the benchmark's palette.
        saliency: a folder of `<image id>.png`, or a source; None for recipes without saliency.
        recipe: the rule; None: `wsss-bed` with its defaults.
        benchmark: class names and palette.
        workers: threads; None: one per core. The files are the same for any number.
        progress: wraps an iterable of known length to show a bar.
        ranks: which process this is, where several share the list.

    Returns:
        What was done, by all processes. An image whose maps are missing or unusable is listed,
        not raised.

    Raises:
        UsageError: the recipe needs saliency maps, or the list is empty.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty.
        FolderInUseError: `out` was made with other settings.
    """
    recipe = get_recipe() if recipe is None else recipe
    benchmark = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    benchmark.check_classes(labels)
    if not labels:
        raise UsageError("the label list is empty, so there is no label to make")
    maker = _Maker(
        labels,
        open_saliency_for(recipe, saliency),
        open_activations(activation),
        Path(out),
        recipe,
        benchmark,
        ranks,
    )
    written, kept, failed = 0, 0, {}
    for outcome in map_with_progress(maker, ranks.stretch(list(labels)), workers, progress):
        if outcome.error is not None:
            failed[outcome.image_id] = outcome.error
        elif outcome.written:
            written += 1
        else:
            kept += 1
    everyone = ranks.everyone(Summary(written, kept, failed))
    if ranks.count == 1:
        maker.receipts.sort()
    elif ranks.is_first:
        parts = [str(rank) for rank in range(ranks.count)]
        Receipts(maker.out, others=parts).sort()  # with what the others noted
    reasons = {image_id: why for one in everyone for image_id, why in one.failed.items()}
    return Summary(
        sum(one.written for one in everyone),
        sum(one.kept for one in everyone),
        {image_id: reasons[image_id] for image_id in labels if image_id in reasons},
    )


def open_saliency_for(
    recipe: Recipe, saliency: Path | str | SaliencySource | None
) -> SaliencySource | None:
    """The saliency maps that a recipe reads; None where it uses none.

    Raises:
        UsageError: it needs some and there are none.
        MissingFileError: the folder is missing or empty.
    """
    if not recipe.uses_saliency:
        return None
    if saliency is None:
        raise UsageError(
            f"recipe {recipe.name} needs saliency maps",
            hint="name their folder with --saliency DIR, or do without with --no-saliency",
        )
    return open_saliency(saliency)


@dataclass(frozen=True)
class _Outcome:
    image_id: str
    written: bool = False
    error: str | None = None


class _Maker:
    """Makes the label of one image."""

    def __init__(
        self,
        labels: Mapping[str, Sequence[int]],
        saliency: SaliencySource | None,
        activation: ActivationSource,
        out: Path,
        recipe: Recipe,
        benchmark: Benchmark,
        ranks: Ranks,
    ) -> None:
        self.labels = labels
        self.saliency = saliency
        self.activation = activation
        self.out = out
        self.recipe = recipe
        self.colours = len(benchmark.label_names)
        stamp = {
            "made_by": "wsss-assets pseudo-label",
            "rule_version": RULE_VERSION,
            "benchmark": benchmark.name,
            "recipe": recipe.settings(),
            "saliency": None if saliency is None else _place(saliency, out),
            "activation": _place(activation, out),
        }
        ranks.first(lambda: claim_folder(out, stamp))
        self.receipts = Receipts(out, None if ranks.count == 1 else str(ranks.rank))

    def __call__(self, image_id: str) -> _Outcome:
        path = self.out / f"{image_id}.png"
        made_from = self._made_from(image_id)
        if path.exists() and self.receipts.has(image_id, made_from):
            return _Outcome(image_id)
        try:
            saliency = None if self.saliency is None else self.saliency.read(image_id)
            maps = self.activation.read(image_id, self.labels[image_id])
            label = make_label(saliency, maps, self.recipe)
        except DataError as error:
            kept = " (an older label stays in place)" if path.exists() else ""
            return _Outcome(image_id, error=f"{error}{kept}")
        write_label(path, label, self.colours)
        self.receipts.add(image_id, made_from)
        return _Outcome(image_id, written=True)

    def _made_from(self, image_id: str) -> str:
        """Classes and maps of the image, in short."""
        classes = sorted(self.labels[image_id])
        parts = [f"classes {classes}", self.activation.version(image_id, classes)]
        if self.saliency is not None:
            parts.append(self.saliency.version(image_id))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _place(source: object, out: Path) -> str:
    """How the stamp names a source."""
    if not isinstance(source, SaliencyFolder | ActivationFolder):
        return str(source)
    return place(source.folder, out)
