"""Writes one shard."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.storage.shard_columns import parquet_library, rows_to_table, shard_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from wsss_assets.storage.shard_columns import Kind, Row

__all__ = ["ShardFile", "ShardWriter"]

_BYTES_PER_PAGE = 1 << 18
_VALUES_PER_BATCH = 8  # a page ends only where a batch does
_PAGES_WAITING = 16


@dataclass(frozen=True)
class ShardFile:
    """A shard that was written.

    Attributes:
        path: where it is.
        size: bytes.
        sha256: hex digest.
        rows: images.
    """

    path: Path
    size: int
    sha256: str
    rows: int


class ShardWriter:
    """Writes one shard; the digest is taken on the way."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self._path = path
        self._kind = kind
        self._rows = 0
        parquet = parquet_library()
        self._sink = _DigestingFile(path)
        self._writer = parquet.ParquetWriter(
            self._sink,
            shard_schema(kind),
            compression="none",
            use_dictionary=False,
            data_page_size=_BYTES_PER_PAGE,
            write_batch_size=_VALUES_PER_BATCH,
            write_page_index=True,
            write_page_checksum=True,
            write_statistics=["image_id"],
        )

    def has_room(self, group: Sequence[Row], largest: int) -> bool:
        """Whether a group fits, as the first one always does."""
        return not self._rows or self._sink.size + sum(row.size for row in group) <= largest

    def write(self, group: Sequence[Row]) -> None:
        """Add a row group."""
        self._writer.write_table(rows_to_table(group, self._kind), row_group_size=len(group))
        self._rows += len(group)

    def file(self) -> ShardFile:
        """What was written, after the end."""
        return ShardFile(self._path, self._sink.size, self._sink.hexdigest(), self._rows)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.closing(self._sink):
            self._writer.close()


class _DigestingFile:
    """What pyarrow needs of a file to write to; the digest is taken on a thread of its own.

    SHA-256 is slower than everything else that writing takes together.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        length = len(data)
        self._file.write(data)
        self._waiting.append(self._thread.submit(self._digest.update, data))
        if len(self._waiting) > _PAGES_WAITING:
            self._waiting.popleft().result()
        self.size += length
        return length

    def hexdigest(self) -> str:
        self._thread.shutdown(wait=True)
        return self._digest.hexdigest()

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
