"""One task in a fresh process or several, for scale.py: prints time and memory as JSON.

Usage: [torchrun --nproc-per-node N] scale_point.py TASK FOLDER
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_point import peak_memory

from wsss_assets import evaluate, evaluate_saliency, get_recipe, pseudo_label, sweep
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.ranks import Ranks
from wsss_assets.storage.shard_maps import ShardActivations, ShardSaliency

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPE = get_recipe(method="cam")


def _evaluate(folder: Path, _: Path, ranks: Ranks) -> object:
    labels = read_label_list(folder / "labels.txt", get_benchmark("voc2012"))
    truth = folder / "ground_truth"  # of the ground truth itself: labels like any other
    return evaluate(truth, truth, ids=labels, workers=1, ranks=ranks)


def _maps(folder: Path) -> dict[str, Any]:
    return {
        "labels": read_label_list(folder / "labels.txt", get_benchmark("voc2012")),
        "activation": folder / "activation",
        "saliency": folder / "saliency",
        "recipe": RECIPE,
        "workers": 1,
    }


def _sweep(folder: Path, _: Path, ranks: Ranks) -> object:
    return sweep(**_maps(folder), ground_truth=folder / "ground_truth", ranks=ranks).curve("miss")


def _sweep_shards(folder: Path, _: Path, ranks: Ranks) -> object:
    shards = {
        kind: sorted((folder / f"{kind}_shards").iterdir()) for kind in ("saliency", "activation")
    }
    options = {
        **_maps(folder),
        "saliency": ShardSaliency(shards["saliency"], "saliency"),
        "activation": ShardActivations(shards["activation"], "activation"),
    }
    return sweep(**options, ground_truth=folder / "ground_truth", ranks=ranks).curve("miss")


def _pseudo_label(folder: Path, scratch: Path, ranks: Ranks) -> object:
    return pseudo_label(**_maps(folder), out=scratch / "out", ranks=ranks)


def _evaluate_saliency(folder: Path, _: Path, ranks: Ranks) -> object:
    labels = read_label_list(folder / "labels.txt", get_benchmark("voc2012"))
    return evaluate_saliency(
        folder / "saliency",
        folder / "ground_truth",
        ids=labels,
        ground_truth_kind="classes",
        weighted_f=False,
        workers=1,
        ranks=ranks,
    )


TASKS: dict[str, Callable[[Path, Path, Ranks], object]] = {
    "evaluate": _evaluate,
    "sweep": _sweep,
    "sweep_shards": _sweep_shards,
    "pseudo_label": _pseudo_label,
    "evaluate_saliency": _evaluate_saliency,
}


def main(task: str, folder: str) -> None:
    """Print what the task needed: seconds, those of all cores, and bytes of each process."""
    get_benchmark("voc2012")
    with Ranks.open() as ranks:
        scratch = ranks.first(tempfile.mkdtemp)
        baseline = peak_memory()
        ranks.everyone(None)  # all begin together
        start, worked = time.perf_counter(), time.process_time()
        TASKS[task](Path(folder), Path(scratch), ranks)
        cpu = sum(ranks.everyone(time.process_time() - worked))
        seconds = time.perf_counter() - start
        memory = ranks.everyone(peak_memory() - baseline)
        if ranks.is_first:
            print(json.dumps({"seconds": seconds, "cpu": cpu, "bytes": memory, "scratch": scratch}))


if __name__ == "__main__":
    main(*sys.argv[1:])
