"""Maps of shards, one by one: the sources of `storage.maps` over parquet files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.storage.images import decode_map
from wsss_assets.storage.row_groups import GroupSizes, RowGroups
from wsss_assets.storage.shards import ShardReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.shards import Kind, Row

__all__ = ["Layout", "ShardActivations", "ShardSaliency"]


@dataclass(frozen=True)
class Layout:
    """What is known of shards before any map is read.

    Attributes:
        ids: the image ids of all rows, in order.
        sizes: rows of each row group, by shard.
        wanted: the images that will be read, in this order; their row groups are read ahead.
    """

    ids: Sequence[str]
    sizes: Sequence[Sequence[int]]
    wanted: Sequence[str] = ()


class _Shards:
    """Rows by image id. Several threads may read; a row group is read by one of them.

    Reading a row group of VOC's size takes some ten milliseconds, so images in their order cost
    next to nothing, and images at random five to ten times what decoding a map does.

    Args:
        paths: the shards of a split, in order; or their addresses on the Hub, as texts, which are
            read as they are needed.
        name: what `str` gives.
        layout: what is known of them; None: they are looked through.
        contents: a text that changes when any map does, where one is known.

    Raises:
        MissingFileError: a shard is not there.
        DataError: one is damaged, holds other things, or is not what is known of it.
        UsageError: the images wanted are not in the order of the rows.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        paths: Sequence[Path | str],
        name: str,
        layout: Layout | None = None,
        *,
        contents: str | None = None,
    ) -> None:
        self._name = name
        self.contents = contents
        self.is_afar = any(isinstance(path, str) for path in paths)
        known = _look_through(paths, self.kind) if layout is None else layout
        sizes = GroupSizes(known.sizes)
        if sizes.rows != len(known.ids):
            raise DataError(
                f"the shards of {name} are not those of their record",
                expected=f"{len(known.ids):,} rows",
                found=f"{sizes.rows:,}",
            )
        self._rows = {image_id: row for row, image_id in enumerate(known.ids)}
        plan = sizes.in_order_of([self._rows[one] for one in known.wanted if one in self._rows])
        self._sizes = sizes
        self._groups = RowGroups(paths, self.kind, sizes, plan)

    def __str__(self) -> str:
        return self._name

    def ids(self) -> tuple[str, ...]:
        """The image ids in the order of the rows."""
        return tuple(self._rows)

    def close(self) -> None:
        """Let go of the files."""
        self._groups.close()

    def _row(self, image_id: str) -> Row:
        number = self._rows.get(image_id)
        if number is None:
            raise MissingFileError(
                f"no image {image_id} in {self._name}",
                found=f"{len(self._rows)} images, e.g. {next(iter(self._rows), None)}",
            )
        row = self._groups.of_row(number).row(self._sizes.position(number)[0])
        if row.image_id != image_id:
            raise DataError(f"{self._name} holds {row.image_id} where {image_id} should be")
        return row

    def _map(self, image_id: str, class_id: int | None, row: Row) -> UInt8:
        what = image_id if class_id is None else f"{image_id}_{class_id}"
        data = row.maps.get(class_id)
        if data is None:
            raise MissingFileError(
                f"{self._name} has no map {what}",
                found="a hole that is known: its record says why",
            )
        return decode_map(data, f"{what} in {self._name}")


class ShardSaliency(_Shards):
    """Saliency maps of shards; a `SaliencySource`."""

    kind = "saliency"

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); see `storage.maps.SaliencySource`.

        Raises:
            MissingFileError: no such image, or the set has no map of it.
        """
        return self._map(image_id, None, self._row(image_id))

    def version(self, image_id: str) -> str:
        """Digest of the map as it is stored; empty where there is none."""
        return _version(self._row(image_id), [None]) if image_id in self._rows else ""


class ShardActivations(_Shards):
    """Activation maps of shards; an `ActivationSource`."""

    kind = "activation"

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) by class; see `storage.maps.ActivationSource`.

        Raises:
            MissingFileError: no such image, or the set has no map of one of the classes.
        """
        row = self._row(image_id)
        return {index: self._map(image_id, index, row) for index in classes}

    def classes(self, image_id: str) -> tuple[int, ...]:
        """The 0-based classes of which there is a map of an image, ascending."""
        return tuple(sorted(key for key in self._row(image_id).maps if key is not None))

    def version(self, image_id: str, classes: Sequence[int]) -> str:
        """Digests of the maps as they are stored; empty where there is none."""
        return _version(self._row(image_id), classes) if image_id in self._rows else ""


def _look_through(paths: Sequence[Path | str], kind: Kind) -> Layout:
    """The ids and row groups of shards, by reading their columns of ids."""
    ids: list[str] = []
    sizes: list[tuple[int, ...]] = []
    for path in paths:
        with ShardReader(path, kind) as shard:
            ids += shard.read_ids()
            sizes.append(shard.group_sizes)
    return Layout(ids, sizes)


def _version(row: Row, keys: Sequence[int | None]) -> str:
    """`<class>:<sha256>` of each map that is there."""
    found = ((key, row.maps[key]) for key in keys if key in row.maps)
    return " ".join(
        f"{'' if key is None else key}:{hashlib.sha256(data).hexdigest()}" for key, data in found
    )
