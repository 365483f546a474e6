"""Saliency maps, activation maps, pseudo-labels and exact scores for weak supervision.

Importing this package costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark, get_benchmark, list_benchmarks
    from wsss_assets.catalog.catalog import get_map_set, list_map_sets
    from wsss_assets.catalog.records import MapSet
    from wsss_assets.dataset import load_dataset
    from wsss_assets.errors import WsssAssetsError
    from wsss_assets.evaluation.anatomy.analyse import analyse_errors
    from wsss_assets.evaluation.anatomy.counts import ErrorAnatomy
    from wsss_assets.evaluation.comparing.labels import compare_labels
    from wsss_assets.evaluation.comparing.maps import compare_maps
    from wsss_assets.evaluation.evaluate import Evaluator, evaluate
    from wsss_assets.evaluation.grid.run import benchmark_grid
    from wsss_assets.evaluation.regions.analyse import RegionScores, analyse_regions
    from wsss_assets.evaluation.saliency.evaluate import evaluate_saliency
    from wsss_assets.evaluation.saliency.evaluator import SaliencyEvaluator
    from wsss_assets.evaluation.saliency.scores import SaliencyScores
    from wsss_assets.evaluation.scores import Scores
    from wsss_assets.evaluation.surface import sweep_surface
    from wsss_assets.evaluation.sweep import sweep
    from wsss_assets.evaluation.thresholds.analyse import ThresholdAnalysis, analyse_thresholds
    from wsss_assets.labels.folder import pseudo_label
    from wsss_assets.labels.make import make_label
    from wsss_assets.labels.recipes import Recipe, get_recipe, list_recipes
    from wsss_assets.map_sets.obtain import download
    from wsss_assets.report.explorer.report import write_report

__version__ = "0.1.0"

__all__ = [
    "Benchmark",
    "ErrorAnatomy",
    "Evaluator",
    "MapSet",
    "Recipe",
    "RegionScores",
    "SaliencyEvaluator",
    "SaliencyScores",
    "Scores",
    "ThresholdAnalysis",
    "WsssAssetsError",
    "__version__",
    "analyse_errors",
    "analyse_regions",
    "analyse_thresholds",
    "benchmark_grid",
    "compare_labels",
    "compare_maps",
    "download",
    "evaluate",
    "evaluate_saliency",
    "get_benchmark",
    "get_map_set",
    "get_recipe",
    "list_benchmarks",
    "list_map_sets",
    "list_recipes",
    "load_dataset",
    "make_label",
    "pseudo_label",
    "sweep",
    "sweep_surface",
    "write_report",
]

_HOMES = {
    "wsss_assets.benchmarks": ("Benchmark", "get_benchmark", "list_benchmarks"),
    "wsss_assets.catalog.catalog": ("get_map_set", "list_map_sets"),
    "wsss_assets.catalog.records": ("MapSet",),
    "wsss_assets.dataset": ("load_dataset",),
    "wsss_assets.errors": ("WsssAssetsError",),
    "wsss_assets.evaluation.anatomy.analyse": ("analyse_errors",),
    "wsss_assets.evaluation.anatomy.counts": ("ErrorAnatomy",),
    "wsss_assets.evaluation.comparing.labels": ("compare_labels",),
    "wsss_assets.evaluation.comparing.maps": ("compare_maps",),
    "wsss_assets.evaluation.evaluate": ("Evaluator", "evaluate"),
    "wsss_assets.evaluation.grid.run": ("benchmark_grid",),
    "wsss_assets.evaluation.regions.analyse": ("RegionScores", "analyse_regions"),
    "wsss_assets.evaluation.saliency.evaluate": ("evaluate_saliency",),
    "wsss_assets.evaluation.saliency.evaluator": ("SaliencyEvaluator",),
    "wsss_assets.evaluation.saliency.scores": ("SaliencyScores",),
    "wsss_assets.evaluation.scores": ("Scores",),
    "wsss_assets.evaluation.surface": ("sweep_surface",),
    "wsss_assets.evaluation.sweep": ("sweep",),
    "wsss_assets.evaluation.thresholds.analyse": ("ThresholdAnalysis", "analyse_thresholds"),
    "wsss_assets.labels.folder": ("pseudo_label",),
    "wsss_assets.labels.make": ("make_label",),
    "wsss_assets.labels.recipes": ("Recipe", "get_recipe", "list_recipes"),
    "wsss_assets.map_sets.obtain": ("download",),
    "wsss_assets.report.explorer.report": ("write_report",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
