"""Measures of saliency maps from one histogram, against PySODMetrics where that is installed."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import common
import numpy as np

from wsss_assets import SaliencyEvaluator
from wsss_assets.evaluation.saliency.measures import Truth, measure
from wsss_assets.storage.images import read_map
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Pairs: TypeAlias = Sequence[tuple[NDArray[np.uint8], NDArray[np.bool_]]]

OURS, OURS_WEIGHTED = "MAE, F, S, E", "with weighted F"
BOUND = "bincount alone"
THEIRS, THEIRS_WEIGHTED = "PySODMetrics: MAE, F, S, E", "PySODMetrics: with weighted F"
MEASURES = ("MAE", "Fmeasure", "Smeasure", "Emeasure")


def ours(pairs: Pairs, *, weighted_f: bool) -> SaliencyEvaluator:
    """Each map and its mask, added up."""
    evaluator = SaliencyEvaluator(weighted_f=weighted_f)
    for saliency, mask in pairs:
        evaluator.update(saliency, mask)
    return evaluator


def bound(pairs: Pairs) -> None:
    """What counting bytes costs at least, without any index."""
    for saliency, _ in pairs:
        np.bincount(saliency.ravel(), minlength=256)


def theirs(pairs: Pairs, names: Sequence[str]) -> dict[str, Any]:
    """The same by PySODMetrics; results by the name of the measure."""
    import py_sod_metrics

    meters = {name: getattr(py_sod_metrics, name)() for name in names}
    for saliency, mask in pairs:
        truth = mask * np.uint8(255)
        for meter in meters.values():
            meter.step(pred=saliency, gt=truth)
    return {name: meter.get_results() for name, meter in meters.items()}


def check(pairs: Pairs) -> float:
    """The largest difference between the two, over all measures."""
    scores = ours(pairs, weighted_f=True).compute()
    found = theirs(pairs, [*MEASURES, "WeightedFmeasure"])
    f_measure, e_measure = found["Fmeasure"], found["Emeasure"]["em"]
    compared: list[tuple[Any, Any]] = [
        (scores.mae, found["MAE"]["mae"]),
        (scores.s_measure, found["Smeasure"]["sm"]),
        (scores.weighted_f, found["WeightedFmeasure"]["wfm"]),
        (scores.adaptive_f, f_measure["fm"]["adp"]),
        (scores.f_measure, f_measure["fm"]["curve"][::-1]),
        (scores.precision, f_measure["pr"]["p"][::-1]),
        (scores.recall, f_measure["pr"]["r"][::-1]),
        (scores.adaptive_e, e_measure["adp"]),
        (scores.e_measure, e_measure["curve"][::-1]),
    ]
    largest = max(float(np.abs(mine - other).max()) for mine, other in compared)
    if not largest <= 1e-9:
        raise click.ClickException(f"the measures differ by {largest}")
    return largest


def read(data: common.Data) -> Pairs:
    """Maps, and where there is an object."""
    pairs = []
    for image_id in data.labels:
        label = read_label(data.ground_truth / f"{image_id}.png")
        mask = (label > 0) & (label < 255)
        pairs.append((read_map(data.saliency / f"{image_id}.png"), mask))
    return pairs


def plain_pass(pairs: Pairs) -> None:
    """The measures of each image, not added up."""
    for saliency, mask in pairs:
        measure(saliency, Truth(mask), "min-max", weighted_f=False)


@click.command()
@common.data_option
@click.option("--images", type=click.IntRange(min=1), default=100, show_default=True)
@common.rounds_option(5)
@common.json_option
def main(data: Path | None, images: int, rounds: int, json_target: Path | None) -> None:
    """Measures of saliency maps in memory, in one pass, against PySODMetrics."""
    report = common.Report("saliency")
    with common.mini_data(data, images) as (drawn, _):
        pairs = read(drawn)
    ways: dict[str, Callable[[], object]] = {
        BOUND: partial(bound, pairs),
        "not added up": partial(plain_pass, pairs),
        OURS: partial(ours, pairs, weighted_f=False),
    }
    if importlib.util.find_spec("scipy") is not None:
        ways[OURS_WEIGHTED] = partial(ours, pairs, weighted_f=True)
    ratios = [common.Ratio(OURS, BOUND)]
    title = f"Measures of saliency maps, per image of {images}"
    if importlib.util.find_spec("py_sod_metrics") is not None:
        title += f"; largest difference {check(pairs):.1e}"
        ways[THEIRS] = partial(theirs, pairs, MEASURES)
        ways[THEIRS_WEIGHTED] = partial(theirs, pairs, [*MEASURES, "WeightedFmeasure"])
        ratios += [
            common.Ratio(THEIRS, OURS, at_least=5),
            common.Ratio(THEIRS_WEIGHTED, OURS_WEIGHTED),
        ]
    contenders = [common.Contender(name, run, len(pairs)) for name, run in ways.items()]
    report.timed(title, common.interleave(contenders, rounds), ratios)
    report.write(json_target)


if __name__ == "__main__":
    main()
