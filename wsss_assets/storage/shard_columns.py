"""Rows of maps as columns of pyarrow, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from wsss_assets.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized
    from types import ModuleType

    import numpy.typing as npt
    import pyarrow

    Buffer: TypeAlias = bytes | npt.NDArray[Any]

__all__ = ["COLUMNS", "Kind", "Row", "RowGroup", "parquet_library", "rows_to_table", "shard_schema"]

Kind: TypeAlias = Literal["saliency", "activation"]

_ID: dict[str, Any] = {"dtype": "string", "_type": "Value"}
_UINT8: dict[str, Any] = {"dtype": "uint8", "_type": "Value"}
_IMAGE: dict[str, Any] = {"_type": "Image"}
_FEATURES: dict[Kind, dict[str, dict[str, Any]]] = {
    "saliency": {"image_id": _ID, "map": _IMAGE},
    "activation": {
        "image_id": _ID,
        "classes": {"feature": _UINT8, "_type": "List"},
        "maps": {"feature": {"class_id": _UINT8, "map": _IMAGE}, "_type": "List"},
    },
}
"""What `datasets` writes into the schema, kept here so that its version changes no byte."""

_LONGEST_COLUMN = 2**31 - 1

COLUMNS: dict[Kind, list[str]] = {kind: list(features) for kind, features in _FEATURES.items()}
"""Names of the columns; the maps are in the last one."""


@dataclass(frozen=True)
class Row:
    """The maps of one image.

    Attributes:
        image_id: which image.
        maps: PNG bytes by 0-based class; a saliency map has the key None. Without a map: empty.
    """

    image_id: str
    maps: Mapping[int | None, bytes]

    @property
    def size(self) -> int:
        """Bytes of its maps."""
        return sum(map(len, self.maps.values()))


class RowGroup:
    """Rows that were read together; a map is copied only when its row is asked for.

    Args:
        table: the columns `image_id` and that of the maps.
    """

    def __init__(self, table: pyarrow.Table) -> None:
        self.ids: list[str] = table.column(0).to_pylist()
        images = table.column(1).combine_chunks()
        self._offsets: list[int] | None = None
        if hasattr(images, "offsets"):
            self._offsets = images.offsets.to_pylist()
            self._classes: list[int] = images.values.field("class_id").to_pylist()
            images = images.values.field("map")
        self._bytes = images.field("bytes")

    def row(self, position: int) -> Row:
        """The row at a position of this group."""
        found: dict[int | None, bytes]
        if self._offsets is None:
            value = self._bytes[position].as_py()
            found = {} if value is None else {None: value}
        else:
            span = range(self._offsets[position], self._offsets[position + 1])
            found = {self._classes[index]: self._bytes[index].as_py() for index in span}
        return Row(self.ids[position], found)


def parquet_library() -> ModuleType:
    """pyarrow.parquet.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "hub", "reading and writing shards") from error
    parquet: ModuleType = pyarrow.parquet
    return parquet


def shard_schema(kind: Kind) -> pyarrow.Schema:
    """The columns of a shard, with what makes `datasets` see images in them."""
    import pyarrow as arrow

    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    one = arrow.struct([("class_id", arrow.uint8()), ("map", image)])
    types = {
        "image_id": arrow.string(),
        "map": image,
        "classes": arrow.list_(arrow.uint8()),
        "maps": arrow.list_(one),
    }
    features = json.dumps({"info": {"features": _FEATURES[kind]}})
    columns = [(name, types[name]) for name in COLUMNS[kind]]
    return arrow.schema(columns, {"huggingface": features})


def rows_to_table(rows: Sequence[Row], kind: Kind) -> pyarrow.Table:
    """Rows as a table of that schema.

    The columns are put together from their buffers: that takes half the time of letting pyarrow
    look at every value, which also imports pandas.

    Raises:
        DataError: their maps have 2 GiB or more.
    """
    import pyarrow as arrow

    schema = shard_schema(kind)
    ids = _texts([row.image_id.encode() for row in rows], schema.field("image_id").type)
    columns = _saliency_columns if kind == "saliency" else _activation_columns
    return arrow.Table.from_arrays([ids, *columns(rows, schema)], schema=schema)


def _saliency_columns(rows: Sequence[Row], schema: pyarrow.Schema) -> list[pyarrow.Array]:
    maps = [row.maps.get(None) for row in rows]
    names = [f"{row.image_id}.png" for row in rows]
    return [_images(maps, names, schema.field("map").type)]


def _activation_columns(rows: Sequence[Row], schema: pyarrow.Schema) -> list[pyarrow.Array]:
    classes = [sorted(index for index in row.maps if index is not None) for row in rows]
    pairs = [(row, index) for row, own in zip(rows, classes, strict=True) for index in own]
    kind = schema.field("maps").type
    images = _images(
        [row.maps[index] for row, index in pairs],
        [f"{row.image_id}_{index}.png" for row, index in pairs],
        kind.value_type.field("map").type,
    )
    numbers = np.array([index for _, index in pairs], np.uint8)
    ids = _column(schema.field("classes").type.value_type, len(pairs), [None, numbers])
    maps = _column(kind.value_type, len(pairs), [None], [ids, images])
    starts = _starts(classes)
    return [
        _column(schema.field("classes").type, len(rows), [None, starts], [ids]),
        _column(kind, len(rows), [None, starts], [maps]),
    ]


def _images(
    maps: Sequence[bytes | None], names: Sequence[str], kind: pyarrow.DataType
) -> pyarrow.Array:
    """A column of images; None is null."""
    there = np.array([one is not None for one in maps], bool)
    fields = [
        _texts([one or b"" for one in maps], kind.field("bytes").type),
        _texts([name.encode() for name in names], kind.field("path").type),
    ]
    return _column(kind, len(maps), [np.packbits(there, bitorder="little")], fields)


def _texts(values: Sequence[bytes], kind: pyarrow.DataType) -> pyarrow.Array:
    """A column of bytes or of UTF-8."""
    return _column(kind, len(values), [None, _starts(values), b"".join(values)])


def _starts(values: Sequence[Sized]) -> npt.NDArray[np.int32]:
    """Where each value begins among all of them, and where the last one ends.

    Raises:
        DataError: that is beyond what a column can hold.
    """
    starts = np.cumsum([0, *map(len, values)], dtype=np.int64)
    if starts[-1] > _LONGEST_COLUMN:
        raise DataError(
            "these maps are too large for a row group of a shard",
            expected=f"at most {_LONGEST_COLUMN:,} bytes",
            found=f"{starts[-1]:,}",
        )
    return starts.astype(np.int32)


def _column(
    kind: pyarrow.DataType,
    length: int,
    buffers: Sequence[Buffer | None],
    children: Sequence[pyarrow.Array] = (),
) -> pyarrow.Array:
    import pyarrow as arrow

    wrapped = [None if buffer is None else arrow.py_buffer(buffer) for buffer in buffers]
    return arrow.Array.from_buffers(kind, length, wrapped, children=list(children) or None)
