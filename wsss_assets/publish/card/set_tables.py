"""The tables of map sets in a card: one for each benchmark and kind of maps."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_training_set, list_training_sets
from wsss_assets.catalog.prose import describe_licence
from wsss_assets.publish.card.configurations import benchmark_title, maker_of
from wsss_assets.publish.card.markdown import code, link, plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.catalog.records import MapSet, SplitShards, Supervision
    from wsss_assets.publish.card.configurations import Configuration

__all__ = ["ANNOTATION", "set_tables"]

ANNOTATION: dict[Supervision | None, str] = {
    "none": "none known",
    "image_labels": "image labels",
    "pixel_masks": "pixel masks",
    None: "not known",
}
"""The strongest annotation behind maps, in words."""

_NONE = "no data set with annotations"


def set_tables(configurations: Sequence[Configuration]) -> str:
    """A section for each benchmark and kind of maps, in the order of the configurations."""
    groups = groupby(configurations, key=lambda one: one.prefix)
    return "\n\n".join(_section(list(group)) for _, group in groups)


def _section(group: Sequence[Configuration]) -> str:
    record = group[0].record
    alone = [one for one in group if one.record.saliency is None]
    variants = [one for one in group if one.record.saliency is not None]
    return "\n\n".join(
        (
            f"### {benchmark_title(record)}: {record.kind} maps ({len(group)})",
            *([_one_each(alone)] if alone else []),
            *([_variants(variants)] if variants else []),
        )
    )


def _one_each(group: Sequence[Configuration]) -> str:
    """A row for each set."""
    header = (
        "configuration",
        "made by",
        "trained on",
        "annotation behind",
        "licence of the maps",
        "authors' archive",
        "rows, maps, holes",
    )
    return table(header, map(_row, group))


def _row(one: Configuration) -> tuple[str, ...]:
    record = one.record
    return (
        code(one.name),
        _made_by(record),
        _training_sets(record) or _labels_used(record),
        ANNOTATION[record.supervision],
        plain(describe_licence(record)),
        _to_archive(record, code(record.upstream or "archive")) or "none",
        _content(one),
    )


def _variants(group: Sequence[Configuration]) -> str:
    """A row for each set of saliency maps, a column for each method trained with them."""
    methods = list(dict.fromkeys(_made_by(one.record) for one in group))
    rows: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for one in group:
        cells = rows.setdefault(_saliency_behind(one.record), {})
        cells.setdefault(_made_by(one.record), []).append(_variant(one))
    header = ("saliency maps", "which were trained on", "annotation behind", *methods)
    body = [
        (*row, *(", ".join(cells.get(method, ["none"])) for method in methods))
        for row, cells in rows.items()
    ]
    licences = {describe_licence(one.record) for one in group}
    licence = licences.pop() if len(licences) == 1 else "see Licences"
    return (
        f"Of {' and '.join(methods)} there is a set for each set of saliency maps that the "
        f"method was trained with. The configuration is {code(group[0].prefix)} and the name in "
        f"the table; links lead to the authors' archives. Licence of the maps: {plain(licence)}."
        f"{_rows_of_all(group)}\n\n{table(header, body)}"
    )


def _rows_of_all(group: Sequence[Configuration]) -> str:
    """The rows of sets that are not packed yet; those that are say it in their cells."""
    contents = dict.fromkeys(_content(one) for one in group if not one.parts)
    return f" Rows of each: {' or '.join(contents)}." if contents else ""


def _saliency_behind(record: MapSet) -> tuple[str, ...]:
    name = (record.saliency or "").rpartition("/")[2]
    return code(name), _training_sets(record) or _NONE, ANNOTATION[record.supervision]


def _variant(one: Configuration) -> str:
    name = code(one.record.name)
    shown = _to_archive(one.record, name) or name
    return f"{shown} ({_content(one)})" if one.parts else shown


def _made_by(record: MapSet) -> str:
    maker = maker_of(record)
    return plain(record.maker if maker is None else maker.title)


def _training_sets(record: MapSet) -> str:
    """The annotated data sets behind maps; empty: there are none."""
    if record.trained_on is None:
        return "not stated"
    known = list_training_sets()
    titles = [get_training_set(key).title if key in known else key for key in record.trained_on]
    return plain(" + ".join(titles))


def _labels_used(record: MapSet) -> str:
    """What a method was trained with that needs no further data set."""
    maker = maker_of(record)
    if maker is None or maker.kind == "saliency":
        return _NONE
    return plain(maker.trained_with or _NONE)


def _to_archive(record: MapSet, label: str) -> str:
    return "" if record.archive is None else link(label, record.archive.url)


def _content(one: Configuration) -> str:
    return "; ".join(
        f"{code(split)}: {_counted(one.rows(split), part)}" for split, part in one.splits.items()
    )


def _counted(rows: int | None, part: SplitShards | None) -> str:
    if part is not None:
        holes = len(part.holes)
        return f"{part.rows:,} rows, {part.maps:,} maps, {holes:,} hole{'' if holes == 1 else 's'}"
    return "number not known" if rows is None else f"{rows:,} rows"
