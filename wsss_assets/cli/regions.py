"""Commands about discriminative and non-discriminative regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import (
    FILE,
    FOLDER,
    json_option,
    label_options,
    named_places,
    open_maps,
    print_table,
    progress_bar,
    shared_by_ranks,
    workers_option,
    write_json,
    write_text,
)
from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.evaluation.regions.analyse import RegionScores
    from wsss_assets.ranks import Ranks

__all__ = ["COMMANDS"]

_SHOWN = {
    "dr_recall": "DR-recall",
    "ndr_recall": "NDR-recall",
    "ndr_fpr": "NDR-FPR",
    "fp_retention": "FP kept",
    "ndr_iou": "NDR-IoU",
    "gain": "gain",
    "net_gain": "net",
    "auc": "AUC",
}
"""Columns of the tables, by measure."""

_AREA_TOLERANCE = 0.05
"""From which share on it is said that the areas compared are not equal."""


@click.command("evaluate-regions")
@shared_by_ranks
@label_options
@click.option(
    "--reference",
    metavar="DIR|SET",
    required=True,
    help="The reference CAM: a folder of <image id>_<class>.png (0-based) or <image id>.npy, "
    "or a map set.",
)
@click.option(
    "--activation",
    metavar="[NAME=]DIR|SET",
    multiple=True,
    help="Maps to compare with it, in the same form; as often as there are.",
)
@click.option(
    "--predictions",
    metavar="[NAME=]DIR",
    multiple=True,
    help="Pseudo-labels to compare with it, <image id>.png; as often as there are.",
)
@click.option("--ground-truth", type=FOLDER, required=True, help="Folder of masks <image id>.png.")
@click.option(
    "--eta",
    type=float,
    help="Threshold of the reference, 0 to 1.  [default: where its mean IoU is best]",
)
@click.option(
    "--threshold",
    type=float,
    help="Threshold of every --activation, 0 to 1.  [default: where its own mean IoU is best]",
)
@click.option("--per-class", is_flag=True, help="A table for each set, class by class.")
@click.option(
    "--per-image-means", is_flag=True, help="Means over images, too: reads all maps again."
)
@click.option("--plot", type=FILE, help="Draw NDR-recall over NDR-FPR there, as SVG.")
@workers_option
@json_option
def evaluate_regions(
    labels: ImageLabels,
    benchmark: Benchmark,
    split: str | None,
    reference: str,
    activation: Sequence[str],
    predictions: Sequence[str],
    per_class: bool,
    plot: Path | None,
    json_target: Path | None,
    ranks: Ranks,
    **options: Any,  # noqa: ANN401 (ground_truth, eta, threshold, per_image_means, workers)
) -> None:
    """Measure what maps add to a reference CAM, and what they lose of it.

    The reference covers a part of each object, its discriminative region (DR), where it is at
    least eta; the rest of the object is the non-discriminative region (NDR). The table says how
    much of both each set finds, how much of the background it takes where the reference does
    not (NDR-FPR), how many of the reference's false positives it keeps, and what it would find
    in the NDR with just as many pixels as the reference (gain; net of what it then loses in the
    DR). AUC is that of NDR-recall over NDR-FPR, 50 being chance. All in percent, means over
    classes.

    These definitions are this package's own, inspired by "Beyond Discriminative Regions"
    (arXiv 2308.11052), whose formulas they are not; see docs/regions.md.

    \b
    Example:
      wsss-assets evaluate-regions --labels train_cls.txt --reference maps/cam \\
        --activation maps/oaa --activation maps/eps \\
        --ground-truth VOCdevkit/VOC2012/SegmentationClass
    """
    tested = _opened(activation, predictions, benchmark, split, ranks)
    source = open_maps(reference, "activation", benchmark, split, ranks=ranks)
    analysed = {
        name: _analyse(labels, source, maps, name, benchmark, split, ranks, **options)
        for name, maps in tested.items()
    }
    if not ranks.is_first:
        return  # the first process speaks for all
    if json_target is not None:
        sets = {name: scores.to_dict() for name, scores in analysed.items()}
        write_json(json_target, {"reference": str(source), "sets": sets})
    if plot is not None:
        write_text(plot, _svg(analysed, reference))
    if "-" not in {str(json_target), str(plot)}:
        _print_summary(analysed)
        if options["per_image_means"]:
            _print_image_means(analysed)
        for name, scores in analysed.items() if per_class else ():
            _print_classes(name, scores)


COMMANDS: tuple[click.Command, ...] = (evaluate_regions,)


def _opened(
    activation: Sequence[str],
    predictions: Sequence[str],
    benchmark: Benchmark,
    split: str | None,
    ranks: Ranks,
) -> dict[str, Any]:
    """All that is compared with the reference, by name."""
    from wsss_assets.evaluation.regions.counts import LabelMasks

    maps = named_places(activation, "activation")
    masks = named_places(predictions, "predictions")
    if not maps and not masks:
        raise UsageError(
            "there is nothing to compare with the reference",
            expected="--activation or --predictions, at least once",
        )
    if twice := sorted(maps.keys() & masks.keys()):
        name = twice[0]
        raise UsageError(
            f"{name} names both maps and predictions",
            hint=f"give one another name: --predictions NAME={masks[name]}",
        )
    return {
        **{
            name: open_maps(at, "activation", benchmark, split, ranks=ranks)
            for name, at in maps.items()
        },
        **{name: LabelMasks(Path(at), benchmark) for name, at in masks.items()},
    }


def _analyse(
    labels: ImageLabels,
    reference: Any,  # noqa: ANN401 (a folder, or a source of maps)
    tested: Any,  # noqa: ANN401
    name: str,
    benchmark: Benchmark,
    split: str | None,
    ranks: Ranks,
    *,
    ground_truth: Path,
    threshold: float | None,
    **options: Any,  # noqa: ANN401
) -> RegionScores:
    from wsss_assets.evaluation.regions.analyse import analyse_regions
    from wsss_assets.evaluation.regions.counts import LabelMasks

    return analyse_regions(
        labels,
        reference,
        tested,
        ground_truth,
        benchmark=benchmark,
        split=split,
        threshold=None if isinstance(tested, LabelMasks) else threshold,
        progress=progress_bar(name, ranks),
        ranks=ranks,
        **options,
    )


def _print_summary(analysed: dict[str, RegionScores]) -> None:
    print_table(
        ("set", "t", *_SHOWN.values()),
        [
            (
                name if len(name) <= 20 else f"{name[:19]}…",
                "–" if scores.threshold is None else f"{scores.threshold:.3f}",
                *(_percent(scores.means[measure].mean) for measure in _SHOWN),
            )
            for name, scores in analysed.items()
        ],
    )
    first = next(iter(analysed.values()))
    classes = first.means["dr_recall"].count
    click.echo(
        f"\nthe reference has a mean IoU of {_percent(first.reference_iou)} at eta "
        f"{first.eta:.3f}, without background\n"
        f"{first.benchmark} {first.split or '(split not named)'}: {first.images} images, "
        f"{first.pairs} pairs of an image and a class; means over {classes} classes\n"
        f"ground truth {first.ground_truth_digest[:16]}"
    )
    for name, scores in analysed.items():
        area = scores.means["matched_area"].mean
        if area is not None and abs(area - 1) > _AREA_TOLERANCE:
            click.echo(
                f"{name}: its gain is at {area:.2f} times the reference's pixels; "
                "no threshold comes nearer"
            )
    if first.synthetic:
        click.echo("SYNTHETIC: drawn by a program")


def _print_image_means(analysed: dict[str, RegionScores]) -> None:
    shown = [name for name in _SHOWN if name not in {"gain", "net_gain", "auc"}]
    click.echo("\nmeans over pairs of an image and a class")
    print_table(
        ("set", *(_SHOWN[name] for name in shown)),
        [
            (name, *(_percent((scores.image_means or {})[one].mean) for one in shown))
            for name, scores in analysed.items()
        ],
    )


def _print_classes(name: str, scores: RegionScores) -> None:
    click.echo(f"\n{name}")
    rows = []
    for label, measures in scores.per_class.items():
        pixels = scores.pixels[label]
        if not any(pixels.values()):
            continue
        found, missed = pixels["discriminative"], pixels["non_discriminative"]
        share = found / (found + missed) if found + missed else None
        rows.append((label, _percent(share), *(_percent(measures[one]) for one in _SHOWN)))
    print_table(("class", "DR share", *_SHOWN.values()), rows)


def _svg(analysed: dict[str, RegionScores], reference: str) -> str:
    from wsss_assets.report.region_curve import regions_svg

    return regions_svg(analysed, reference=Path(reference).name)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.2f}"
