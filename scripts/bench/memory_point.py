"""One task in a fresh process, for memory.py: prints the bytes above the import baseline.

Usage: memory_point.py TASK FOLDER WORKERS
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

from wsss_assets import evaluate, evaluate_saliency, get_recipe, pseudo_label, sweep
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.evaluation.surface import sweep_surface

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Largest resident size so far, in bytes.

    Linux counts the size of the parent at the fork into `getrusage`, so its own figure for
    this program alone is preferred.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def run(task: str, folder: Path, scratch: Path, workers: int) -> None:
    """Do the task on all images of the folder."""
    labels: dict[str, list[int]] = json.loads((folder / "labels.json").read_text())
    truth, saliency, activation = (
        folder / name for name in ("ground_truth", "saliency", "activation")
    )
    recipe = get_recipe(method="cam")
    if task == "pseudo_label":
        pseudo_label(
            labels, activation, scratch / "out", saliency=saliency, recipe=recipe, workers=workers
        )
    elif task == "evaluate":  # of the ground truth itself: labels like any other
        evaluate(truth, truth, workers=workers)
    elif task == "evaluate_saliency":
        evaluate_saliency(saliency, truth, weighted_f=False, workers=workers)
    elif task == "sweep":
        sweep(labels, activation, truth, saliency=saliency, recipe=recipe, workers=workers).curve(
            "miss"
        )
    elif task == "sweep_surface":
        sweep_surface(
            labels, activation, truth, saliency=saliency, recipe=recipe, workers=workers
        ).surface("miss")
    else:
        sys.exit(f"no task {task}")


def main(task: str, folder: str, workers: str) -> None:
    """Print how much the task needed."""
    get_benchmark("voc2012")
    baseline = peak_memory()
    with tempfile.TemporaryDirectory() as scratch:
        run(task, Path(folder), Path(scratch), int(workers))
    print(peak_memory() - baseline)


if __name__ == "__main__":
    main(*sys.argv[1:])
