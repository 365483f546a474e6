"""How `evaluate-errors` and `ceilings` show what they found: tables and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsss_assets.cli.options import print_table

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.anatomy.analyse import ErrorAnalysis
    from wsss_assets.evaluation.anatomy.boundaries import BandScores
    from wsss_assets.evaluation.anatomy.counts import AnatomyResult
    from wsss_assets.evaluation.ceilings import Ceilings
    from wsss_assets.evaluation.scores import Scores

__all__ = ["print_analysis", "print_ceilings", "unions_svg"]

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


def print_analysis(analysis: ErrorAnalysis) -> None:
    """Tables of classes, kinds, sizes and bands."""
    _print_classes(analysis.anatomy)
    click.echo()
    _print_kinds(analysis.anatomy)
    click.echo()
    _print_sizes(analysis.anatomy)
    click.echo()
    _print_bands(analysis.bands)
    click.echo(f"\n{_provenance(analysis.anatomy.scores)}")
    if analysis.missing:
        shown = ", ".join(analysis.missing[:5]) + (", …" if len(analysis.missing) > 5 else "")
        click.echo(f"passed over without a prediction: {len(analysis.missing)} ({shown})", err=True)


def _print_classes(anatomy: AnatomyResult) -> None:
    """What the union of each class is made of."""
    click.echo("of each class's union, %: hit, and lost to")
    rows = [
        (name, _percent(one["iou"]), *(_percent(one["lost"][loss]) for loss in _SHORT))
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
            _percent(count / pixels if pixels else None),
            _percent(repaired[kind]) if kind in repaired else _percent(miou),
            f"{(repaired[kind] - miou) * 100:+.2f}"
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
                _percent(one["found"]),
                *(_percent(count / whole if whole else None) for count in pixels.values()),
            )
        )
    heads = ("right", "object", "part", "confused", "ignored")
    print_table(("objects", "number", "found %", *heads), rows)


def _print_bands(bands: BandScores) -> None:
    rows = [
        (
            "whole images" if one["width"] is None else f"within {one['width']} px",
            str(one["pixels"]),
            _percent(one["miou"]),
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
                _percent(one.own.miou),
                *((_percent(best.miou), str(threshold), f"{best.tau:.3f}") if best else ()),
            )
        )
    heads = ("best", "saliency >", "tau") if result.searched else ()
    print_table(("mIoU", "own", *heads), rows)
    click.echo(
        {
            "both": "best: over all saliency thresholds and tau",
            "tau": "best: over all tau, the saliency threshold as it is",
            None: "at the recipe's own thresholds alone",
        }[result.searched]
    )
    given = result.variants["given"]
    if given.errors is not None:
        click.echo("\nmaps as given: ", nl=False)
        _print_classes(given.errors)
        click.echo("\n% of all pixels:")
        _print_variants(result)
    click.echo(f"\n{_provenance(given.own)}")


def _print_variants(result: Ceilings) -> None:
    """How much of each kind there is in each variant."""
    rows = []
    for name, one in result.variants.items():
        pixels = {} if one.errors is None else one.errors.pixels
        whole = sum(pixels.values()) or 1
        rows.append((_VARIANTS[name], *(_percent(pixels[kind] / whole) for kind in pixels)))
    heads = ["right", *(head for loss, head in _SHORT.items() if loss != "claimed")]
    print_table(("kind", *heads), rows)


def unions_svg(anatomy: AnatomyResult, benchmark: Benchmark) -> str:
    """A bar for each class: what its union is made of."""
    from wsss_assets.report.bars import Bar, bars_svg

    bars = [
        Bar(
            name,
            [one["iou"], *(one["lost"][loss] for loss in _SHORT)],
            f"IoU {_percent(one['iou'])}",
        )
        for name, one in anatomy.to_dict()["per_class"].items()
        if one["union"]
    ]
    return bars_svg(
        bars,
        ["hit (IoU)", *_LONG],
        title=f"{benchmark.title}: what each class's union is made of",
        subtitle=f"mIoU {_percent(anatomy.scores.miou)}; the union of a class is all that is it "
        "or is called it",
        footer=_provenance(anatomy.scores),
    )


def _provenance(scores: Scores) -> str:
    digest = scores.ground_truth_digest
    parts = [
        f"{scores.benchmark} {scores.split or '(split not named)'}",
        f"{scores.images} images",
        f"ground truth {digest[:16] if digest else 'unknown'}",
    ]
    if scores.ignored:
        parts.append(f"255 counted as: {scores.ignored}")
    if scores.synthetic:
        parts.append("SYNTHETIC: drawn by a program")
    return ", ".join(parts)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.2f}"
