"""Published results, cut down to what somebody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_result_table, list_result_tables
from wsss_assets.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsss_assets.catalog.records import MapSet, Result, ResultTable

__all__ = ["narrow_results", "results_of"]


def results_of(map_set: MapSet) -> tuple[Result, ...]:
    """The published results with a map set; empty where there are none."""
    if map_set.benchmark not in list_result_tables():
        return ()
    table = get_result_table(map_set.benchmark)
    if map_set.kind == "saliency":
        return tuple(one for one in table.results if one.saliency == map_set.name)
    saliency = map_set.saliency and map_set.saliency.rpartition("/")[2]
    return tuple(
        one
        for one in table.results
        if one.method == map_set.maker and saliency in {None, one.saliency}
    )


def narrow_results(
    table: ResultTable, methods: Iterable[str] = (), saliency: Iterable[str] = ()
) -> ResultTable:
    """The same table with the results of some methods and saliency sets.

    Args:
        table: a table.
        methods: keys of methods; none: all.
        saliency: names of saliency sets, e.g. `vst_duts`, or of models, e.g. `vst`, for all sets
            of a model; none: all.

    Raises:
        UnknownNameError: the table has no such method or saliency set.
    """
    columns = {one.method for one in table.results}
    rows = {one.saliency for one in table.results}
    wanted = {method.lower() for method in methods} or columns
    for method in wanted - columns:
        raise UnknownNameError(f"method in the table of {table.benchmark}", method, columns)
    chosen = {row for name in saliency for row in _rows(table.benchmark, name.lower(), rows)}
    kept = (
        one for one in table.results if one.method in wanted and one.saliency in (chosen or rows)
    )
    return table.model_copy(update={"results": tuple(kept)})


def _rows(benchmark: str, name: str, rows: set[str]) -> set[str]:
    """The rows that a name stands for: the one of that name, else those of the model."""
    found = {row for row in rows if row == name} or {
        row for row in rows if row.startswith(f"{name}_")
    }
    if not found:
        raise UnknownNameError(f"saliency set in the table of {benchmark}", name, rows)
    return found
