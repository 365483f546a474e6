"""What the processes of a run have to agree on; `python -m tests.rank_work DATA` is one of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets import evaluate, get_recipe, sweep, sweep_surface
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = "ImageSets/Segmentation/train_cls.txt"


def maps(data: Path) -> dict[str, Path]:
    """Folders of maps by their kind."""
    return {
        "saliency": data / "saliency" / "soft",
        "activation": data / "activation" / "simulated_cam",
    }


def truth(data: Path) -> Path:
    return data / "SegmentationClass"


def _evaluate(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    folder = truth(data)
    return evaluate(folder, folder, benchmark="mini", ranks=ranks).to_dict()


def _sweep(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return sweep(**_swept(data, ranks)).to_dict("miss")


def _surface(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return sweep_surface(**_swept(data, ranks)).to_dict("miss")


def _swept(data: Path, ranks: Ranks) -> dict[str, Any]:
    return {
        "labels": read_label_list(data / LIST, get_benchmark("mini")),
        **maps(data),
        "ground_truth": truth(data),
        "recipe": get_recipe(method="cam"),
        "benchmark": "mini",
        "ranks": ranks,
    }


WORK: dict[str, Callable[[Path, Ranks], Any]] = {
    "evaluate": _evaluate,
    "sweep": _sweep,
    "surface": _surface,
}


def results(data: Path, ranks: Ranks) -> dict[str, Any]:
    """What this process has to say, by the name of the evaluation."""
    return {name: work(data, ranks) for name, work in WORK.items()}


if __name__ == "__main__":
    with Ranks.open() as here:
        print(json.dumps(results(Path(sys.argv[1]), here)))  # noqa: T201
