"""Records of published results."""

from __future__ import annotations

from wsss_assets.catalog.records.base import Record
from wsss_assets.catalog.records.fields import Line, Name

__all__ = ["Result", "ResultTable"]


class Result(Record):
    """mIoU in percent of a segmentation network trained on the pseudo-labels of a pair of sets.

    Attributes:
        method: key of the activation method.
        saliency: name of the saliency set, without benchmark and kind.
        mean: mean over the paper's runs.
        std: their standard deviation.
    """

    method: Name
    saliency: Name
    mean: float
    std: float


class ResultTable(Record):
    """A published table of results.

    Attributes:
        benchmark: which benchmark.
        title: what the numbers are, in a sentence.
        source: paper and table.
        supervised: the score of full supervision.
        own: what each method's own paper reports, by method.
        note: what a reader must know.
        results: the cells.
    """

    benchmark: Name
    title: Line
    source: Line
    supervised: float
    own: dict[Name, float]
    note: Line
    results: tuple[Result, ...]
