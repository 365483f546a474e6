"""How `evaluate-errors` and `ceilings` show what they found: tables and a picture."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import click

from wsss_assets.cli.output import percent, print_table, print_words, signed
from wsss_assets.words import over_classes, some_of

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.anatomy.analyse import ErrorAnalysis
    from wsss_assets.evaluation.anatomy.boundaries import BandScores
    from wsss_assets.evaluation.anatomy.counts import AnatomyResult
    from wsss_assets.evaluation.ceilings import Ceilings
    from wsss_assets.evaluation.scores import Scores

__all__ = ["ceilings_svg", "print_analysis", "print_ceilings", "unions_svg"]

_SHORT = {
    "missed_object": "object",
    "missed_part": "part",
    "confused": "confused",
    "claimed": "claimed",
    "ignored": "ignored",
    "spill": "spill",
    "phantom": "phantom",
}
"""Heads of columns, in the order of columns."""

_LONG = (
    "missed object",
    "missed part",
    "called another class",
    "another class called it",
    "ignored (255)",
    "spill",
    "phantom",
)
"""The same in full."""

_VARIANTS = {
    "given": "maps as given",
    "perfect_activation": "perfect activation",
    "perfect_saliency": "perfect saliency",
    "perfect_maps": "both perfect",
}


_SEARCHED = {
    "both": "best: over all saliency thresholds and tau",
    "tau": "best: over all tau, the saliency threshold as it is",
    None: "at the recipe's own thresholds alone",
}
"""Which thresholds the best ones are the best of."""


def print_analysis(analysis: ErrorAnalysis) -> None:
    """Tables of classes, kinds, sizes and bands."""
    _print_classes(analysis.anatomy)
    click.echo()
    _print_kinds(analysis.anatomy)
    click.echo()
    _print_sizes(analysis.anatomy)
    click.echo()
    _print_bands(analysis.bands)
    click.echo()
    print_words(_provenance(analysis.anatomy.scores))
    if analysis.missing:
        count = len(analysis.missing)
        click.echo(
            f"passed over without a prediction: {count} ({some_of(analysis.missing)})", err=True
        )


def _print_classes(anatomy: AnatomyResult) -> None:
    """What the union of each class is made of."""
    click.echo("of each class's union, %: hit, and lost to")
    rows = [
        (name, percent(one["iou"]), *(percent(one["lost"][loss]) for loss in _SHORT))
        for name, one in anatomy.to_dict()["per_class"].items()
        if one["union"]
    ]
    print_table(("class", "IoU", *_SHORT.values()), rows)


def _print_kinds(anatomy: AnatomyResult) -> None:
    """How much there is of each kind, and what it costs."""
    total = anatomy.to_dict()["total"]
    pixels = sum(total["pixels"].values())
    miou, repaired = total["miou"], total["repaired"]
    rows = [
        (
            kind.replace("_", " "),
            str(count),
            percent(count / pixels if pixels else None),
            percent(repaired[kind]) if kind in repaired else percent(miou),
            signed((repaired[kind] - miou) * 100, 2)
            if kind in repaired and miou is not None
            else "",
        )
        for kind, count in total["pixels"].items()
    ]
    print_table(("kind", "pixels", "% of all", "mIoU if repaired", "gain"), rows)


def _print_sizes(anatomy: AnatomyResult) -> None:
    """What became of the objects of each size."""
    rows = []
    for name, one in anatomy.to_dict()["per_size"].items():
        pixels, whole = one["pixels"], sum(one["pixels"].values())
        end = (
            f"below {one['below_pixels']}" if one["below_pixels"] else f"from {one['from_pixels']}"
        )
        rows.append(
            (
                f"{name} ({end} px)",
                str(one["objects"]),
                percent(one["found"]),
                *(percent(count / whole if whole else None) for count in pixels.values()),
            )
        )
    heads = ("right", "object", "part", "confused", "ignored")
    print_table(("objects", "number", "found %", *heads), rows)


def _print_bands(bands: BandScores) -> None:
    rows = [
        (
            "whole images" if one["width"] is None else f"within {one['width']} px",
            str(one["pixels"]),
            percent(one["miou"]),
        )
        for one in bands.to_dict()
    ]
    print_table(("of a boundary", "pixels", "mIoU"), rows)


def print_ceilings(result: Ceilings) -> None:
    """A row for each variant, and what their errors are where that was asked for."""
    rows = []
    for name, one in result.variants.items():
        best = one.best
        threshold = best and (
            f"{best.saliency_threshold:.3f}" if best.saliency_threshold else "soft"
        )
        rows.append(
            (
                _VARIANTS[name],
                percent(one.own.miou),
                *((percent(best.miou), str(threshold), f"{best.tau:.3f}") if best else ()),
            )
        )
    heads = ("best", "saliency >", "tau") if result.searched else ()
    print_table(("mIoU", "own", *heads), rows)
    click.echo(_SEARCHED[result.searched])
    for words in _counted_classes(result):
        click.echo(words)
    given = result.variants["given"]
    if given.errors is not None:
        click.echo("\nmaps as given: ", nl=False)
        _print_classes(given.errors)
        click.echo("\n% of all pixels:")
        _print_variants(result)
    click.echo()
    print_words(_provenance(given.own))


def _counted_classes(result: Ceilings) -> list[str]:
    """Over how many classes each mIoU is, where it is not over all; once where all are alike."""
    words: dict[str, dict[str, str]] = {}
    for name, one in result.variants.items():
        counts = {"own": one.own.classes_in_mean}
        if one.best is not None:
            counts["best"] = one.best.classes_in_mean
        known = len(one.own.per_class)
        words[_VARIANTS[name]] = {
            which: over_classes(count, known) for which, count in counts.items()
        }
    different = {over for each in words.values() for over in each.values()}
    if len(different) == 1:
        return [f"mIoU{over}" for over in different if over]
    told = {
        name: ", ".join(f"{which}{over}" for which, over in each.items() if over)
        for name, each in words.items()
    }
    return [f"{name}: mIoU {said}" for name, said in told.items() if said]


def _print_variants(result: Ceilings) -> None:
    """How much of each kind there is in each variant."""
    rows = []
    for name, one in result.variants.items():
        pixels = {} if one.errors is None else one.errors.pixels
        whole = sum(pixels.values()) or 1
        rows.append((_VARIANTS[name], *(percent(pixels[kind] / whole) for kind in pixels)))
    heads = ["right", *(head for loss, head in _SHORT.items() if loss != "claimed")]
    print_table(("kind", *heads), rows)


def unions_svg(anatomy: AnatomyResult, benchmark: Benchmark) -> str:
    """A bar for each class: what its union is made of."""
    from wsss_assets.report.bars import Bar, bars_svg

    bars = [
        Bar(
            name,
            [one["iou"], *(one["lost"][loss] for loss in _SHORT)],
            f"IoU {percent(one['iou'])}",
        )
        for name, one in anatomy.to_dict()["per_class"].items()
        if one["union"]
    ]
    return bars_svg(
        bars,
        ["hit (IoU)", *_LONG],
        title=f"{benchmark.title}: what each class's union is made of",
        subtitle=f"mIoU {percent(anatomy.scores.miou)}; the union of a class is all that is it "
        "or is called it",
        footer=_provenance(anatomy.scores),
    )


def ceilings_svg(result: Ceilings, benchmark: Benchmark) -> str:
    """A bar for each variant: its mIoU at the recipe's own thresholds, and more at the best."""
    from wsss_assets.report.bars import Bar, bars_svg

    bars = []
    for name, one in result.variants.items():
        own = one.own.miou or 0.0
        best = own if one.best is None or isnan(one.best.miou) else one.best.miou
        notes = dict.fromkeys(percent(value, 1) for value in (one.own.miou, best))
        bars.append(Bar(_VARIANTS[name], [own, max(best - own, 0.0)], " → ".join(notes)))
    parts = ["at the recipe's own thresholds", "more at the best thresholds"]
    return bars_svg(
        bars if result.searched else [Bar(one.name, one.shares[:1], one.note) for one in bars],
        parts if result.searched else parts[:1],
        title=f"{benchmark.title}: mIoU with the maps as given, and with perfect ones",
        subtitle=f"{result.recipe.describe()}; {_SEARCHED[result.searched]}",
        footer=_provenance(result.variants["given"].own),
    )


def _provenance(scores: Scores) -> str:
    from wsss_assets.report.provenance import provenance_line

    return provenance_line(
        scores.benchmark,
        scores.split,
        scores.images,
        scores.ground_truth_digest,
        ignored=scores.ignored,
        synthetic=scores.synthetic,
    )
