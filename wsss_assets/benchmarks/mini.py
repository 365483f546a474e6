"""The mini benchmark: drawn by a program at run time, so that everything can be tried offline.

Its numbers say something about this package and nothing about any method.
"""

from __future__ import annotations

from wsss_assets.benchmarks import Benchmark, Layout, Split
from wsss_assets.benchmarks.voc2012 import BENCHMARK as VOC2012

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    name="mini",
    title="mini (drawn by a program)",
    classes=VOC2012.classes,
    splits={"train": Split("train", None, file_names=("train",))},
    layout=Layout(
        photos={"train": "JPEGImages"},
        masks={"train": "SegmentationClass"},
        ids="ImageSets/Segmentation",
    ),
    synthetic=True,
    note=(
        "Photos, ground truth and maps are drawn by a program from a seed. "
        "Scores on them say nothing about any model or method."
    ),
)
