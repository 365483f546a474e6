"""Saliency maps, activation maps, pseudo-labels and exact scores for weak supervision.

Importing this package costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsss_assets.benchmarks import Benchmark, get_benchmark, list_benchmarks
    from wsss_assets.errors import WsssAssetsError
    from wsss_assets.evaluation.evaluate import Evaluator, evaluate
    from wsss_assets.evaluation.scores import Scores
    from wsss_assets.evaluation.surface import sweep_surface
    from wsss_assets.evaluation.sweep import sweep
    from wsss_assets.labels.folder import pseudo_label
    from wsss_assets.labels.make import make_label
    from wsss_assets.labels.recipes import Recipe, get_recipe, list_recipes

__version__ = "0.1.0"

__all__ = [
    "Benchmark",
    "Evaluator",
    "Recipe",
    "Scores",
    "WsssAssetsError",
    "__version__",
    "evaluate",
    "get_benchmark",
    "get_recipe",
    "list_benchmarks",
    "list_recipes",
    "make_label",
    "pseudo_label",
    "sweep",
    "sweep_surface",
]

_HOMES = {
    "wsss_assets.benchmarks": ("Benchmark", "get_benchmark", "list_benchmarks"),
    "wsss_assets.errors": ("WsssAssetsError",),
    "wsss_assets.evaluation.evaluate": ("Evaluator", "evaluate"),
    "wsss_assets.evaluation.scores": ("Scores",),
    "wsss_assets.evaluation.surface": ("sweep_surface",),
    "wsss_assets.evaluation.sweep": ("sweep",),
    "wsss_assets.labels.folder": ("pseudo_label",),
    "wsss_assets.labels.make": ("make_label",),
    "wsss_assets.labels.recipes": ("Recipe", "get_recipe", "list_recipes"),
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
