"""Records of files of a repository, and of what they hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from wsss_assets.catalog.records.base import Record
from wsss_assets.catalog.records.fields import (
    NOT_THERE,
    ClassIndex,
    Commit,
    ImageId,
    Line,
    Name,
    RepoId,
    RepoPath,
    Sha256,
)
from wsss_assets.catalog.records.made import MadeFrom

__all__ = ["Hole", "LabelListFile", "Publication", "RepoFile", "SplitShards"]


class RepoFile(Record):
    """A file of a repository: path below its root, bytes, digest."""

    path: RepoPath
    size: NonNegativeInt
    sha256: Sha256


class LabelListFile(RepoFile):
    """A label list `id c c …` in the order of the rows of every map set of the split."""

    images: PositiveInt

    @field_validator("path")
    @classmethod
    def _is_text(cls, path: str) -> str:
        if not path.endswith(".txt"):
            raise ValueError(f"{path!a} is no text file")
        return path


class Hole(Record):
    """A map that is not there.

    Attributes:
        image_id: of which image.
        class_id: of which class, 0-based; None for a saliency map.
        reason: why, e.g. `not in the archive`.
    """

    image_id: ImageId
    class_id: ClassIndex | None = None
    reason: Line


class SplitShards(Record):
    """The maps of one split, packed.

    Attributes:
        rows: images of the split, those without a map included.
        maps: maps that are there.
        encoding: how they are stored, e.g. `PNG, 8-bit grey, the authors' bytes`.
        ids_sha256: digest of the image ids in their order, each with a line feed.
        pixels_sha256: digest of the decoded maps, as `storage.shards.PixelDigest` takes it; None
            where they were not decoded.
        files: the shards, in order.
        holes: the maps that are not there, in the order of the rows.
        made: how they were made, where that is on record; None: where it is not.
    """

    rows: PositiveInt
    maps: NonNegativeInt
    encoding: Line
    ids_sha256: Sha256
    pixels_sha256: Sha256 | None
    files: Annotated[tuple[RepoFile, ...], Field(min_length=1)]
    holes: tuple[Hole, ...] = ()
    made: MadeFrom | None = None

    @field_validator("files")
    @classmethod
    def _distinct_shards(cls, files: tuple[RepoFile, ...]) -> tuple[RepoFile, ...]:
        names = {file.path.rpartition("/")[2] for file in files}
        if len(names) < len(files) or not all(name.endswith(".parquet") for name in names):
            raise ValueError("these are not distinct .parquet files")
        return files

    @property
    def has_damage(self) -> bool:
        """Whether maps were there and could not be used."""
        return any(hole.reason != NOT_THERE for hole in self.holes)

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(file.size for file in self.files)


class Publication(Record):
    """Where a map set is published, for good: a commit never changes.

    Attributes:
        repo_id: dataset repository on the Hub.
        revision: the commit.
        splits: what is published, by name of the split.
        lists: label lists of these splits, where the repository has them.
    """

    repo_id: RepoId
    revision: Commit
    splits: dict[Name, SplitShards]
    lists: dict[Name, LabelListFile] = Field(default_factory=dict)
