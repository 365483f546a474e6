"""A data set that is read as it is needed, from here or from the Hub."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from wsss_assets.dataset.features import features_of, library
from wsss_assets.errors import DataError
from wsss_assets.storage.shards import ShardReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import datasets

    from wsss_assets.dataset.parts import PackedMaps
    from wsss_assets.storage.shard_columns import RowGroup
    from wsss_assets.storage.shards import Row

__all__ = ["join_stream"]


def join_stream(
    parts: Sequence[PackedMaps],
    columns: Mapping[str, Sequence[Any]],
    split: str,
) -> datasets.IterableDataset:
    """Join maps and other columns, row by row; workers and nodes share runs of rows.

    Whole row groups are read, so a list in the order of the shards is read fastest.

    Args:
        parts: maps in shards, each with every image of the column `image_id`.
        columns: `image_id` and other columns in its order.
        split: name of the split.

    Raises:
        ListFormatError: shards do not have an image.
        DataError: while iterating: shards hold other ids than they should, or a page is damaged.
    """
    lib = library()
    ids = columns["image_id"]
    rows = tuple(part.rows(ids) for part in parts)
    with _Rows(parts[0]) as first:
        runs = first.runs(range(len(ids)) if rows[0] is None else rows[0])
    stream: datasets.IterableDataset = lib.IterableDataset.from_generator(
        _joined_rows,
        features=features_of([*columns, *(part.kind for part in parts)]),
        gen_kwargs={
            "runs": runs,  # the one list: what workers and nodes divide among them
            "parts": tuple(parts),
            "rows": rows,
            "columns": {name: tuple(values) for name, values in columns.items()},
        },
        split=lib.NamedSplit(split),
    )
    return stream


def _joined_rows(
    runs: list[tuple[int, int]],
    parts: tuple[PackedMaps, ...],
    rows: tuple[tuple[int, ...] | None, ...],
    columns: Mapping[str, tuple[Any, ...]],
) -> Iterator[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(_Rows(part)) for part in parts]
        for start, stop in runs:
            for position in range(start, stop):
                joined = {name: values[position] for name, values in columns.items()}
                for part, source, places in zip(parts, sources, rows, strict=True):
                    row = source.row(position if places is None else places[position])
                    if row.image_id != joined["image_id"]:
                        raise DataError(
                            f"{part.name} holds {row.image_id} where {joined['image_id']} should be"
                        )
                    joined[part.kind] = _value(row, part.kind)
                yield joined


def _value(row: Row, kind: str) -> Any:  # noqa: ANN401 (what a column of maps holds)
    def picture(index: int | None) -> dict[str, Any]:
        name = row.image_id if index is None else f"{row.image_id}_{index}"
        return {"bytes": row.maps[index], "path": f"{name}.png"}

    if kind == "saliency":
        return picture(None) if row.maps else None
    return [{"class_id": index, "map": picture(index)} for index in row.maps]


class _Rows:
    """The rows of shards by their number."""

    def __init__(self, part: PackedMaps) -> None:
        with contextlib.ExitStack() as stack:
            self._readers = [
                stack.enter_context(ShardReader(shard, part.kind)) for shard in part.shards
            ]
            self._stack = stack.pop_all()
        sizes = [
            (reader, number, size)
            for reader in self._readers
            for number, size in enumerate(reader.group_sizes)
        ]
        stops = list(accumulate(size for _, _, size in sizes))
        self._count = stops[-1] if stops else 0
        self._places = [(reader, number) for reader, number, _ in sizes]
        self._starts = [stop - size for stop, (_, _, size) in zip(stops, sizes, strict=True)]
        self._name = part.name
        self._read: tuple[int, RowGroup] | None = None

    def row(self, number: int) -> Row:
        """One row; its row group stays in memory until another one is wanted."""
        index = self._group_of(number)
        if self._read is None or self._read[0] != index:
            reader, group = self._places[index]
            self._read = (index, reader.read_group(group))
        return self._read[1].row(number - self._starts[index])

    def runs(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Where the list of these rows can be divided: wherever another row group begins."""
        groups = [self._group_of(number) for number in numbers]
        begins = [at for at, group in enumerate(groups) if at == 0 or group != groups[at - 1]]
        return list(zip(begins, [*begins[1:], len(groups)], strict=True))

    def _group_of(self, number: int) -> int:
        if number >= self._count:
            raise DataError(
                f"the shards of {self._name} end too early",
                expected=f"a row {number}",
                found=f"{self._count} rows",
            )
        return bisect_right(self._starts, number) - 1

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
