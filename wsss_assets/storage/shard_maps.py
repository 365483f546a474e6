"""Maps of shards, one by one: the sources of `storage.maps` over parquet files."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from wsss_assets.errors import MissingFileError
from wsss_assets.storage.images import decode_map
from wsss_assets.storage.shards import ShardReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.shards import Kind, Row, RowGroup

__all__ = ["ShardActivations", "ShardSaliency"]

_GROUPS_KEPT = 4
"""Row groups in memory: images that are read in their order come out of the same one."""


class _Shards:
    """Rows by image id. Several threads may read; a row group is read by one of them.

    Reading a row group takes a few milliseconds, so images in their order cost next to nothing,
    and images at random about five times what decoding a map does.

    Args:
        paths: the shards of a split, in order.
        name: what `str` gives.
        kind: what the maps are.

    Raises:
        MissingFileError: a shard is not there.
        DataError: one is damaged, or holds other things.
    """

    def __init__(self, paths: Sequence[Path], name: str, kind: Kind) -> None:
        self._name = name
        self._places: dict[str, tuple[int, int, int]] = {}
        with contextlib.ExitStack() as opened:
            self._shards = [opened.enter_context(ShardReader(path, kind)) for path in paths]
            for number, shard in enumerate(self._shards):
                ids = iter(shard.read_ids())
                for group, size in enumerate(shard.group_sizes):
                    for position, image_id in zip(range(size), ids, strict=False):
                        self._places[image_id] = (number, group, position)
            opened.pop_all()
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], RowGroup] = OrderedDict()

    def __str__(self) -> str:
        return self._name

    def ids(self) -> tuple[str, ...]:
        """The image ids in the order of the rows."""
        return tuple(self._places)

    def close(self) -> None:
        """Let go of the files."""
        for shard in self._shards:
            shard.close()

    def _row(self, image_id: str) -> Row:
        place = self._places.get(image_id)
        if place is None:
            raise MissingFileError(
                f"no image {image_id} in {self._name}",
                found=f"{len(self._places)} images, e.g. {next(iter(self._places), None)}",
            )
        number, group, position = place
        return self._group(number, group).row(position)

    def _group(self, number: int, group: int) -> RowGroup:
        with self._lock:
            kept = self._kept.pop((number, group), None)
            found = self._shards[number].read_group(group) if kept is None else kept
            self._kept[number, group] = found
            if len(self._kept) > _GROUPS_KEPT:
                self._kept.popitem(last=False)
            return found

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

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        super().__init__(paths, name, "saliency")

    def read(self, image_id: str) -> UInt8:
        """uint8 (H, W); see `storage.maps.SaliencySource`.

        Raises:
            MissingFileError: no such image, or the set has no map of it.
        """
        return self._map(image_id, None, self._row(image_id))

    def version(self, image_id: str) -> str:
        """Digest of the map as it is stored; empty where there is none."""
        return _version(self._row(image_id), [None]) if image_id in self._places else ""


class ShardActivations(_Shards):
    """Activation maps of shards; an `ActivationSource`."""

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        super().__init__(paths, name, "activation")

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
        return _version(self._row(image_id), classes) if image_id in self._places else ""


def _version(row: Row, keys: Sequence[int | None]) -> str:
    """`<class>:<sha256>` of each map that is there."""
    found = ((key, row.maps[key]) for key in keys if key in row.maps)
    return " ".join(
        f"{'' if key is None else key}:{hashlib.sha256(data).hexdigest()}" for key, data in found
    )
