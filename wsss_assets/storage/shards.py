"""Shards: the maps of a split in parquet files, one row per image, PNG bytes embedded.

```
saliency    image_id: string, map: {bytes, path}                    null where there is no map
activation  image_id: string, classes: [uint8], maps: [{class_id: uint8, map: {bytes, path}}]
```

`datasets` reads them as `Image()` columns. Nothing is compressed, for PNG is already, and a small
change then stays small where storage is deduplicated. Every page carries a checksum, and the same
rows give the same bytes for one version of pyarrow.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.storage.files import temporary_folder
from wsss_assets.storage.hub import open_hub_file
from wsss_assets.storage.image_ids import check_image_id
from wsss_assets.storage.ranges import HeldRanges
from wsss_assets.storage.shard_columns import (
    COLUMNS,
    Kind,
    Row,
    RowGroup,
    parquet_library,
    shard_schema,
)
from wsss_assets.storage.shard_writer import ShardFile, ShardWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow.parquet

    from wsss_assets.storage.images import UInt8

__all__ = [
    "Kind",
    "PixelDigest",
    "Row",
    "RowGroup",
    "ShardFile",
    "ShardReader",
    "ids_digest",
    "read_ids",
    "read_rows",
    "write_shards",
]

_FAULTS = (OSError, ValueError, LookupError, TypeError, NotImplementedError, MemoryError)
"""What pyarrow raises on damaged files; its own errors are among them."""

_ROWS_PER_GROUP = 256
_BYTES_PER_GROUP = 1 << 27  # far above what 256 maps take; bounds memory whatever comes


class PixelDigest:
    """Digest of decoded maps: the same for any lossless encoding of the same maps.

    For each map, in the order of rows and classes: `<image id>\\t<class>\\t<height>x<width>\\n`
    (no class for a saliency map), then its pixels, row by row.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, image_id: str, class_id: int | None, pixels: UInt8) -> None:
        """Add a map, uint8 (H, W)."""
        height, width = pixels.shape
        name = "" if class_id is None else str(class_id)
        self._digest.update(f"{image_id}\t{name}\t{height}x{width}\n".encode())
        self._digest.update(pixels.tobytes())

    def hexdigest(self) -> str:
        """The digest of all maps so far."""
        return self._digest.hexdigest()


def ids_digest(ids: Iterable[str]) -> str:
    """Hex sha256 of image ids in their order, each with a line feed."""
    return hashlib.sha256("".join(f"{image_id}\n" for image_id in ids).encode()).hexdigest()


def write_shards(
    rows: Iterable[Row], folder: Path, split: str, kind: Kind, *, largest: int = 500_000_000
) -> tuple[ShardFile, ...]:
    """Write `<split>-00000-of-00001.parquet` and so on, all of them or none.

    Memory holds one row group, whatever the number of rows. Shards of the same split that are
    in the folder are replaced.

    Args:
        rows: the images, in their order.
        folder: where to; made if need be.
        split: name of the split.
        kind: what the maps are.
        largest: bytes that a shard may have, unless a single row group has more.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        DataError: there is no row, or one of 2 GiB.
    """
    with temporary_folder(folder / split) as temporary:
        written: list[ShardFile] = []
        groups = _grouped(rows)
        group = next(groups, None)
        while group is not None:
            with ShardWriter(temporary / f"{len(written)}", kind) as shard:
                while group is not None and shard.has_room(group, largest):
                    shard.write(group)
                    group = next(groups, None)
            written.append(shard.file())
        if not written:
            raise DataError(f"there are no rows to write to {folder}")
        for path in folder.iterdir():
            if re.fullmatch(rf"{re.escape(split)}-\d{{5}}-of-\d{{5}}\.parquet", path.name):
                path.unlink()
        return tuple(
            _moved(shard, folder / f"{split}-{number:05d}-of-{len(written):05d}.parquet")
            for number, shard in enumerate(written)
        )


def read_rows(paths: Sequence[Path], kind: Kind) -> Iterator[Row]:
    """The rows of shards in their order; memory holds one row group.

    Raises:
        MissingFileError: a shard is not there.
        DataError: one is damaged, or holds other things.
    """
    for path in paths:
        with ShardReader(path, kind) as shard:
            for number in range(len(shard.group_sizes)):
                group = shard.read_group(number)
                yield from map(group.row, range(len(group.ids)))


def read_ids(paths: Sequence[Path | str]) -> tuple[str, ...]:
    """The image ids of shards, in their order; maps are not read.

    Raises:
        MissingFileError: a shard is not there.
        DataError: one is damaged, or no shard.
    """
    found: list[str] = []
    for path in paths:
        with ShardReader(path, None) as shard:
            found += shard.read_ids()
    return tuple(found)


class ShardReader:
    """One shard, read by row groups; checksums of pages are verified.

    Args:
        path: the shard; or an address on the Hub, as a text, which is read as it is needed.
        kind: what it must hold; None: its maps are not read.

    Raises:
        MissingFileError: it is not there.
        DataError: damaged, or no shard of that kind.
        FetchError: it cannot be had from there; later, what is read.
    """

    def __init__(self, path: Path | str, kind: Kind | None) -> None:
        self._path = path
        self._kind = kind
        self._remote: HeldRanges | None = None
        parquet = parquet_library()
        with self._faults(), contextlib.ExitStack() as opened:
            if isinstance(path, str):
                self._remote = HeldRanges(opened.enter_context(open_hub_file(path)), path)
            self._file = parquet.ParquetFile(
                self._remote or path,
                memory_map=False,  # what was mapped would count as memory for as long as it is open
                page_checksum_verification=True,
                pre_buffer=False,
            )
            opened.callback(self.close)
            self.group_sizes = _group_sizes(self._file.metadata)
            self._refuse_others(self._file.schema_arrow)
            opened.pop_all()

    def read_ids(self) -> list[str]:
        """The image ids of all rows."""
        with self._faults():
            ids: list[str] = self._file.read(columns=["image_id"])["image_id"].to_pylist()
        return self._checked(ids)

    def read_group(self, number: int) -> RowGroup:
        """A row group, which is some megabytes.

        From afar it takes one request, and another one where what came was damaged on the way.
        """
        with self._faults():
            try:
                group = self._read_group(number)
            except _FAULTS:
                if self._remote is None:
                    raise
                group = self._read_group(number)
        self._checked(group.ids)
        return group

    def _read_group(self, number: int) -> RowGroup:
        columns = COLUMNS[self._kind or "saliency"]
        if self._remote is not None:
            self._remote.hold(*_span(self._file.metadata.row_group(number)))
        group = RowGroup(self._file.read_row_group(number, columns=[columns[0], columns[-1]]))
        if self._remote is not None:
            self._remote.forget()
        return group

    def _checked(self, ids: list[str]) -> list[str]:
        """Refuse ids that could be no file names, which they may become."""
        for image_id in ids:
            check_image_id(image_id, str(self._path))
        return ids

    def close(self) -> None:
        """Let go of the file."""
        self._file.close(force=True)

    def _refuse_others(self, schema: pyarrow.Schema) -> None:
        """Raise unless the columns are those of the kind."""
        kinds = [self._kind] if self._kind else list(COLUMNS)
        known = [shard_schema(kind) for kind in kinds]
        if not any(schema.equals(one) for one in known):
            raise DataError(
                f"{self._path} is no shard of {' or '.join(kinds)} maps",
                expected="the columns " + " or ".join(map(_columns, known)),
                found=_columns(schema),
            )

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise MissingFileError(f"no shard {self._path}") from None
        except _FAULTS as error:
            raise DataError(
                f"{self._path} is damaged",
                expected="a parquet file of maps",
                found=str(error),
                hint="remove it and get it again"
                if self._remote is None
                else "run the same command again; if it stays so, have a copy that is checked as a "
                "whole: wsss-assets download",
            ) from error


def _grouped(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += row.size
        if len(group) == _ROWS_PER_GROUP or size >= _BYTES_PER_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _group_sizes(footer: pyarrow.parquet.FileMetaData) -> tuple[int, ...]:
    """Rows of each group. No checksum covers the footer, so its numbers are compared."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    sizes = tuple(group.num_rows for group in groups)
    if sum(sizes) != footer.num_rows or sizes != tuple(
        group.column(0).num_values for group in groups
    ):
        raise ValueError("the footer contradicts itself")
    return sizes


def _span(group: pyarrow.parquet.RowGroupMetaData) -> tuple[int, int]:
    """Where the bytes of a row group begin and end."""
    columns = [group.column(number) for number in range(group.num_columns)]
    starts = [
        one.data_page_offset if one.dictionary_page_offset is None else one.dictionary_page_offset
        for one in columns
    ]
    stops = (start + one.total_compressed_size for start, one in zip(starts, columns, strict=True))
    return min(starts), max(stops)


def _columns(schema: pyarrow.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _moved(shard: ShardFile, path: Path) -> ShardFile:
    shard.path.replace(path)
    return ShardFile(path, shard.size, shard.sha256, shard.rows)
