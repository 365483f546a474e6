"""A data set on disk: shards and loose files joined by columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsss_assets.dataset.features import features_of, library
from wsss_assets.dataset.parts import LooseMaps, PackedMaps
from wsss_assets.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import datasets

    from wsss_assets.catalog.records import Kind

__all__ = ["SHARD_COLUMN", "join_table"]

SHARD_COLUMN: Mapping[Kind, str] = {"saliency": "map", "activation": "maps"}
"""What the column of maps is called in shards."""


def join_table(
    parts: Sequence[PackedMaps | LooseMaps],
    columns: Mapping[str, Sequence[Any]],
    split: str,
) -> datasets.Dataset:
    """Join maps and other columns, row by row.

    Args:
        parts: maps; each has every image of the column `image_id`.
        columns: `image_id` and other columns in its order.
        split: name of the split.

    Raises:
        DataError: shards hold other ids than they should.
    """
    lib = library()
    ids = list(columns["image_id"])
    features = features_of(columns)
    named = lib.NamedSplit(split)
    arrays = {name: _array(values, name) for name, values in columns.items()}
    tables = [lib.Dataset.from_dict(arrays, features=features, split=named)]
    tables += [_maps(part, ids, named) for part in parts]
    joined: datasets.Dataset = lib.concatenate_datasets(tables, axis=1, split=named)
    return joined


def _array(values: Sequence[Any], name: str) -> Any:  # noqa: ANN401 (an array of pyarrow's)
    """Columns that need no encoding, as arrays, which `datasets` takes over at once."""
    import pyarrow

    kinds = {"image_id": pyarrow.string(), "labels": pyarrow.list_(pyarrow.uint8())}
    return pyarrow.array(values, kinds[name]) if name in kinds else list(values)


def _maps(
    part: PackedMaps | LooseMaps, ids: list[str], split: datasets.NamedSplit
) -> datasets.Dataset:
    if isinstance(part, LooseMaps):
        values = _loose_values(part, ids)
        loose: datasets.Dataset = library().Dataset.from_dict(
            {part.kind: values}, features=features_of([part.kind]), split=split
        )
        return loose
    column = SHARD_COLUMN[part.kind]
    rows = part.rows(ids)
    table = library().Dataset.from_parquet(
        list(map(str, part.shards)), split=split, columns=["image_id", column]
    )
    if rows is not None:
        table = table.select(rows)
    if table["image_id"][:] != ids:
        raise DataError(
            f"the shards of {part.name} hold other images than their record says",
            hint="'wsss-assets verify' looks over what is here; "
            f"'wsss-assets cache prune {part.name}' removes it",
        )
    renamed: datasets.Dataset = table.remove_columns("image_id").rename_column(column, part.kind)
    return renamed


def _loose_values(part: LooseMaps, ids: Sequence[str]) -> list[Any]:
    if part.kind == "saliency":
        return [part.saliency.get(image_id) for image_id in ids]
    return [
        [{"class_id": index, "map": path} for index, path in part.activation.get(image_id, ())]
        for image_id in ids
    ]
