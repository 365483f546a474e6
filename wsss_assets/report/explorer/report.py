"""From maps to a report: measure every pairing, choose images, write the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.benchmarks import Benchmark, get_benchmark
from wsss_assets.errors import UsageError
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.sweep import TAUS, require_policy
from wsss_assets.labels.folder import open_saliency_for
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE
from wsss_assets.report.explorer.digests import SHORT, agreed
from wsss_assets.report.explorer.page import float_payload, page
from wsss_assets.report.explorer.pairings import Job, Pairing, measure
from wsss_assets.report.explorer.sample import Chosen, PhotoFolder, choose, payloads
from wsss_assets.report.explorer.tables import RuleTables, rule_tables
from wsss_assets.report.explorer.writing import Place
from wsss_assets.storage.maps import LabelFolder, open_activations, open_saliency
from wsss_assets.words import over_classes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.images import UInt8

__all__ = ["SAMPLES", "Report", "write_report"]

SAMPLES = 24
"""How many images a page shows unless told otherwise."""


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        job: what was evaluated.
        rule: the recipe at every threshold.
        pairings: in the order given, activation by activation.
        leading: number of the pairing with the best mIoU at the recipe's thresholds.
        sample: the images shown.
        truths: their ground truth, uint8 (H, W).
        photos: whether there are photos of them.
    """

    job: Job
    rule: RuleTables
    pairings: tuple[Pairing, ...]
    leading: int
    sample: tuple[Chosen, ...]
    truths: tuple[UInt8, ...]
    photos: bool = False

    @property
    def benchmark(self) -> Benchmark:
        """Whose classes."""
        return self.job.benchmark

    @property
    def has_rows(self) -> bool:
        """Whether saliency thresholds were swept, too."""
        return len(self.rule.floors) > 1

    @property
    def uses_saliency(self) -> bool:
        """Whether pairings have a saliency set."""
        return self.job.recipe.uses_saliency

    @property
    def ground_truth_digest(self) -> str:
        """64 hex digits, of all images."""
        return self.pairings[0].ground_truth_digest

    @property
    def saliency_digests(self) -> Mapping[str, str]:
        """64 hex digits by name of a saliency set; empty where the recipe uses none."""
        return {
            one.saliency: one.labels.saliency_digest
            for one in self.pairings
            if one.saliency is not None
        }

    @property
    def activation_digests(self) -> Mapping[str, str]:
        """64 hex digits by name of an activation set."""
        return {one.activation: one.labels.activation_digest for one in self.pairings}

    def digest_words(self) -> str:
        """Names of all sets with the first digits of their digests."""
        sets = [*self.activation_digests.items(), *self.saliency_digests.items()]
        return ", ".join(f"{name} {digest[:SHORT]}" for name, digest in sets)

    @property
    def is_grid(self) -> bool:
        """Whether several activation sets meet several saliency sets."""
        return min(len(self.saliency_digests), len(self.activation_digests)) > 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; documented in docs/report.md."""
        job = self.job
        return {
            "benchmark": self.benchmark.name,
            "synthetic": self.benchmark.synthetic,
            "split": job.split,
            "images": len(job.labels),
            "ground_truth_digest": self.ground_truth_digest,
            "ignored": job.policy,
            "recipe": job.recipe.settings(),
            "leading": self.leading,
            "taus": list(TAUS),
            "pairings": [self._pairing(one) for one in self.pairings],
            "sample": [
                {"id": one.image_id, "group": one.group, "miou": one.score} for one in self.sample
            ],
        }

    def _pairing(self, one: Pairing) -> dict[str, Any]:
        names = self.benchmark.label_names
        first, last = (TAUS[k] for k in one.plateau)
        return {
            "activation": one.activation,
            "saliency": one.saliency,
            "activation_digest": one.labels.activation_digest,
            "saliency_digest": None if one.saliency is None else one.labels.saliency_digest,
            "recommended": {
                **self._point(one, "own"),
                "recipe_tau": self.job.recipe.tau,
                "tau_step": one.own[1],
                "loss": plain(one.loss),
            },
            "best_tau": self._point(one, "best_tau"),
            "best": self._point(one, "best"),
            "plateau": {"first_tau": first, "last_tau": last, "width": last - first},
            "miou": [plain(value) for value in one.curve.tolist()],
            "per_class": {
                name: {
                    "recommended": plain(one.per_class["own"][value]),
                    "best_tau": plain(one.per_class["best_tau"][value]),
                    "best": plain(one.per_class["best"][value]),
                }
                for value, name in enumerate(names)
            },
            "errors": one.labels.anatomy,
        }

    def _point(self, one: Pairing, name: str) -> dict[str, Any]:
        row, tau = setting = getattr(one, name)
        recipe = self.job.recipe
        threshold = recipe.saliency_threshold if recipe.uses_saliency else None
        return {
            "saliency_threshold": TAUS[row] if self.has_rows else threshold,
            "tau": TAUS[tau],
            "miou": one.at(setting),
            "classes_in_mean": one.classes_in_mean(name),
        }

    def over_classes(self) -> str:
        """Over how many classes each mIoU of the summary is, in words; nothing where over all."""
        counts = {
            one.classes_in_mean(name)
            for one in self.pairings
            for name in ("own", "best_tau", "best")
        }
        words = over_classes(min(counts), len(self.benchmark.label_names))
        return words if len(counts) == 1 else words.replace(" over ", " over at least ")


def write_report(
    labels: Mapping[str, Sequence[int]],
    activation: Mapping[str, Any],
    ground_truth: Path | str,
    out: Path | str,
    *,
    saliency: Mapping[str, Any] | None = None,
    images: Path | str | None = None,
    recipe: Recipe | None = None,
    benchmark: Benchmark | str = "voc2012",
    split: str | None = None,
    ignored: str | None = None,
    samples: int = SAMPLES,
    workers: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Report:
    """Write a page about every pairing of saliency and activation maps, at every threshold.

    The maps of each pairing are read once, for all thresholds and for the labels at the recipe's.
    Of the images shown every map is embedded, so that the page can re-make their labels.

    Args:
        labels: 0-based classes by image id.
        activation: folders of `<image id>_<class>.png` or `<image id>.npy`, or sources, by name.
        ground_truth: folder of label maps.
        out: a folder, or a file `….html` that holds everything.
        saliency: folders of `<image id>.png`, or sources, by name; not used by recipes without.
        images: folder of photos, of all images of the list; None: the page has none.
        recipe: the rule; None: `wsss-bed`.
        benchmark: name, or a `Benchmark` with class names of your own.
        split: its name, to be said with the numbers.
        ignored: what a label of 255 counts as; needed where the recipe writes it.
        samples: how many images the page shows.
        workers: threads; None: one per core. They change no byte of the page.
        progress: wraps an iterable of known length to show a bar; once for each pairing.
        ranks: which process this is; the first one writes.

    Raises:
        NotSweepableError: the recipe's structure does not allow it.
        IgnoredPixelsError: the recipe writes 255 and there is no policy.
        UsageError: nothing to evaluate, or the recipe needs saliency maps.
        DataError: a map or photo is missing, unusable, or of another size; the error names it.
        FolderInUseError: `out` holds something else; nothing in it is touched.
        OSError: `out` cannot be written to, which is found out before any map is read.
    """
    place = Place(Path(out))
    recipe = get_recipe() if recipe is None else recipe
    rule = rule_tables(recipe)
    known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    policy = require_policy(ignored, recipe.ignore)
    if not activation or not labels or samples < 0:
        raise UsageError(
            "nothing to report on",
            expected="activation maps, images, and a sample of 0 images or more",
            found=f"{len(activation)} sets, {len(labels)} images, a sample of {samples}",
        )
    used = saliency or {} if recipe.uses_saliency else {}
    if not used:
        open_saliency_for(recipe, None)  # refuses a recipe that needs some
    salience = {name: open_saliency(source) for name, source in used.items()}
    sets = {name: open_activations(source) for name, source in activation.items()}
    photos = None if images is None else PhotoFolder(Path(images))
    if photos is not None:
        photos.check(labels)
    job = Job(
        labels=labels,
        ground_truth=ground_truth,
        recipe=recipe,
        benchmark=known,
        split=split,
        policy=policy,
        own=rule.own,
        workers=workers,
        progress=progress,
        ranks=ranks,
    )
    stamp = {
        "made_by": "wsss-assets report",
        "benchmark": known.name,
        "split": split,
        "recipe": recipe.settings(),
        "ignored": policy,
        "saliency": list(salience),
        "activation": list(sets),
        "photos": photos is not None,
        "samples": samples,
    }
    ranks.first(lambda: place.claim(stamp))
    try:
        report = _measured(job, rule, salience, sets, samples)
        report = replace(report, photos=photos is not None)
        ranks.first(lambda: _write(report, place, salience, sets, photos))
    except BaseException:
        if ranks.is_first:
            place.release()
        raise
    return report


def _measured(
    job: Job,
    rule: RuleTables,
    saliency: Mapping[str, Any],
    activation: Mapping[str, Any],
    samples: int,
) -> Report:
    partners: list[Any] = [*saliency.items()] or [None]
    pairings = tuple(
        measure(job, partner, one) for one in activation.items() for partner in partners
    )
    agreed((one.activation, one.labels.activation_digest) for one in pairings)
    agreed((one.saliency or "", one.labels.saliency_digest) for one in pairings)
    leading = int(np.argmax([one.miou[one.own] for one in pairings]))
    sample = choose(list(job.labels), pairings[leading].labels.image_scores, samples)
    truth = LabelFolder(Path(job.ground_truth)) if sample else None
    truths = tuple(truth.read(one.image_id) for one in sample) if truth else ()
    return Report(job, rule, pairings, leading, tuple(sample), truths)


def _write(
    report: Report,
    place: Place,
    saliency: Mapping[str, Any],
    activation: Mapping[str, Any],
    photos: PhotoFolder | None,
) -> None:
    stored: dict[str, Any] = {}
    for number, one in enumerate(report.pairings):
        if report.has_rows:
            stored[f"surface-{number}"] = float_payload(one.miou)
        stored[f"classes-{number}"] = float_payload(one.class_curves)
    shown = [
        {"id": one.image_id, "classes": sorted(report.job.labels[one.image_id]), "truth": truth}
        for one, truth in zip(report.sample, report.truths, strict=True)
    ]
    stored |= payloads(saliency, activation, shown, photos)
    place.write(lambda data: page(report, data=data, stored=stored), stored)
