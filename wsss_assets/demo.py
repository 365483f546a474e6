"""The main job end to end on the mini benchmark, through the code that real data goes through.

Maps are drawn, turned into pseudo-labels by each method's recipe, scored, and swept over all
thresholds; a table, a curve and a contact sheet show the outcome. All of it is synthetic.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.benchmarks.mini import BENCHMARK
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.errors import DataError
from wsss_assets.evaluation.evaluate import Evaluator, evaluate
from wsss_assets.evaluation.sweep import sweep
from wsss_assets.labels.folder import pseudo_label
from wsss_assets.labels.recipes import METHODS, Recipe
from wsss_assets.mini.folder import write_mini
from wsss_assets.mini.maps import ACTIVATION_METHODS, SALIENCY_MODELS
from wsss_assets.report.contact_sheet import SheetRow, contact_sheet
from wsss_assets.report.thresholds import curves_svg, provenance
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.images import read_map, read_photo
from wsss_assets.storage.label_maps import read_label
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.evaluation.sweep import TauCurve, TauSweep
    from wsss_assets.parallel import Progress

__all__ = ["DemoResult", "DemoRow", "run_demo"]

IGNORED = "miss"
SHEET_IMAGES = 6


@dataclass(frozen=True)
class DemoRow:
    """Scores of one pair of map sets.

    Attributes:
        method: simulated activation method.
        saliency: simulated saliency model; None where the method's recipe uses none.
        recipe: the rule, in a line.
        miou: mIoU of its pseudo-labels at the recommended tau, 0..1.
        best_miou: mIoU at the best tau.
        best_tau: that tau.
        plateau: lowest and highest tau within one point of the best.
    """

    method: str
    saliency: str | None
    recipe: str
    miou: float
    best_miou: float
    best_tau: float
    plateau: tuple[float, float]


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        rows: scores, method by method.
        data: the benchmark as a folder: photos, masks, lists, maps.
        labels: a folder of pseudo-labels for each row.
        contact_sheet: PNG.
        curve: SVG.
        json: all scores.
        provenance: what the numbers mean nothing without.
    """

    rows: tuple[DemoRow, ...]
    data: Path
    labels: Path
    contact_sheet: Path
    curve: Path
    json: Path
    provenance: str


def run_demo(
    out: Path,
    *,
    images: int = 24,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> DemoResult:
    """Run the demo; what is there from an earlier run is kept.

    Args:
        out: folder for all that is made.
        images: how many scenes to draw.
        seed: of the drawing.
        workers: threads; None: one per core.
        progress: wraps an iterable of known length to show a bar.

    Raises:
        FolderInUseError: `out` holds something else, or the demo with other settings.
        UsageError: no images.
    """
    claim_folder(out, {"made_by": "wsss-assets demo", "images": images, "seed": seed})
    data = out / "mini"
    write_mini(data, images, seed, workers=workers, progress=progress)
    demo = _Demo(data, out / "labels", workers)
    pairs = [
        (method, saliency)
        for method in ACTIVATION_METHODS
        for saliency in (SALIENCY_MODELS if demo.recipe(method).uses_saliency else (None,))
    ]
    scored: Any = map(demo.score, pairs)
    results = list(progress(scored, len(pairs)) if progress else scored)
    curves: dict[str, tuple[TauSweep, TauCurve]] = {}
    for row, swept in results:
        curves.setdefault(row.method, swept)  # with the first saliency model
    sheet, curve, report = out / "contact_sheet.png", out / "curve.svg", out / "results.json"
    said = provenance(results[0][1][0], IGNORED)
    title = "mini: mIoU over the activation threshold, seven simulated methods"
    write_atomically(curve, curves_svg(curves, title=title))
    demo.draw_sheet(sheet, pairs[0], said)
    write_atomically(
        report,
        json.dumps({"provenance": said, "rows": [asdict(row) for row, _ in results]}, indent=2)
        + "\n",
    )
    return DemoResult(
        rows=tuple(row for row, _ in results),
        data=data,
        labels=demo.labels,
        contact_sheet=sheet,
        curve=curve,
        json=report,
        provenance=said,
    )


class _Demo:
    """The steps, on one drawn benchmark."""

    def __init__(self, data: Path, labels: Path, workers: int | None) -> None:
        self.data = data
        self.labels = labels
        self.workers = workers
        self.truth = data / "SegmentationClass"
        self.listed = read_label_list(data / "ImageSets/Segmentation/train_cls.txt", BENCHMARK)

    def recipe(self, method: str) -> Recipe:
        """WSSS-BED's settings for the method that is simulated."""
        return METHODS[method.removeprefix("simulated_")]

    def folders(self, pair: tuple[str, str | None]) -> tuple[Path, Path | None, Path]:
        """Activation maps, saliency maps and pseudo-labels of a pair of map sets."""
        method, saliency = pair
        maps = None if saliency is None else self.data / "saliency" / saliency
        name = method if saliency is None else f"{method}_{saliency}"
        return self.data / "activation" / method, maps, self.labels / name

    def score(self, pair: tuple[str, str | None]) -> tuple[DemoRow, tuple[TauSweep, TauCurve]]:
        """Make the labels of a pair, score them, sweep all thresholds."""
        activation, saliency, out = self.folders(pair)
        recipe = self.recipe(pair[0])
        made = pseudo_label(
            self.listed, activation, out, saliency=saliency, recipe=recipe, benchmark=BENCHMARK,
            workers=self.workers,
        )  # fmt: skip
        if made.failed:
            raise DataError(f"labels of {pair} failed", found=str(made.failed))
        scores = evaluate(
            out, self.truth, ids=self.listed, benchmark=BENCHMARK, split="train", ignored=IGNORED,
            workers=self.workers,
        )  # fmt: skip
        swept = sweep(
            self.listed, activation, self.truth, saliency=saliency, recipe=recipe,
            benchmark=BENCHMARK, split="train", workers=self.workers,
        )  # fmt: skip
        curve = swept.curve(IGNORED)
        first, last = curve.plateau
        row = DemoRow(
            method=pair[0],
            saliency=pair[1],
            recipe=recipe.describe(),
            miou=scores.miou or 0.0,
            best_miou=float(curve.miou[curve.best]),
            best_tau=curve.taus[curve.best],
            plateau=(curve.taus[first], curve.taus[last]),
        )
        return row, (swept, curve)

    def draw_sheet(self, path: Path, pair: tuple[str, str | None], footer: str) -> None:
        """A contact sheet of a few images with as many classes as possible between them."""
        activation, saliency, out = self.folders(pair)
        rows = []
        for image_id in _varied(self.listed, SHEET_IMAGES):
            label, truth = read_label(out / f"{image_id}.png"), self._truth(image_id)
            evaluator = Evaluator(BENCHMARK, ignored=IGNORED)
            evaluator.update(label, truth)
            miou = evaluator.compute().miou or 0.0
            rows.append(
                SheetRow(
                    image_id,
                    read_photo(self.data / "JPEGImages" / f"{image_id}.jpg"),
                    None if saliency is None else read_map(saliency / f"{image_id}.png"),
                    {
                        BENCHMARK.classes[index]: read_map(activation / f"{image_id}_{index}.png")
                        for index in self.listed[image_id]
                    },
                    label,
                    truth,
                    f"mIoU of this image {miou:.1%}",
                )
            )
        contact_sheet(
            rows,
            path,
            label_names=BENCHMARK.label_names,
            title=f"{pair[0]} with saliency {pair[1]}, {self.recipe(pair[0]).describe()}",
            footer=footer,
        )

    def _truth(self, image_id: str) -> Any:  # noqa: ANN401 (uint8 (H, W))
        return read_label(self.truth / f"{image_id}.png")


def _varied(labels: Mapping[str, Sequence[int]], count: int) -> list[str]:
    """Some ids that show many classes: each adds as many new ones as any other could."""
    chosen: list[str] = []
    seen: set[int] = set()
    left = list(labels)
    while left and len(chosen) < count:
        best = max(left, key=lambda image_id: len(set(labels[image_id]) - seen))
        left.remove(best)
        chosen.append(best)
        seen.update(labels[best])
    return chosen
