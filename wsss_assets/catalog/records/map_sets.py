"""Records of map sets: in the catalogue, on this machine, on the Hub."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from wsss_assets.catalog.records.base import Record, canonical_json
from wsss_assets.catalog.records.fields import (
    Commit,
    Kind,
    Line,
    MapSetId,
    Name,
    Sha256,
    Supervision,
    UpstreamName,
)
from wsss_assets.catalog.records.files import LabelListFile, Publication, RepoFile, SplitShards
from wsss_assets.catalog.records.makers import Archive, RecommendedRecipe, Regeneration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Holding", "Manifest", "MapSet", "PublishedSet"]


class MapSet(Record):
    """The maps of one model over a benchmark.

    Attributes:
        id: `<benchmark>/<kind>/<name>`.
        upstream: WSSS-BED's name of its archive; None for sets that are not of WSSS-BED.
        maker: key of the model or method; for somebody's own set, its name.
        trained_on: keys of the annotated training sets behind the maps, those behind the saliency
            maps that the method was trained with included; empty: there are none; None: not
            stated by the authors.
        supervision: the strongest annotation behind the maps; None: not known.
        saliency: id of the saliency maps that the method was trained with.
        licence: of the maps; None: not stated by the authors.
        citations: keys of BibTeX entries, or whole entries for somebody's own set.
        recommended: recipe and tau.
        splits: images by split; None: not known.
        archive: the authors' archive.
        regeneration: whether it can be made again.
        used_by: papers that used these maps, where known.
        note: what a user must know; None: nothing.
        published: where on the Hub; None: nowhere yet.
    """

    id: MapSetId
    upstream: UpstreamName | None = None
    maker: Line
    trained_on: tuple[Name, ...] | None = None
    supervision: Supervision | None = None
    saliency: MapSetId | None = None
    licence: Line | None = None
    citations: tuple[Line, ...] = ()
    recommended: RecommendedRecipe | None = None
    splits: dict[Name, PositiveInt | None]
    archive: Archive | None = None
    regeneration: Regeneration | None = None
    used_by: tuple[Line, ...] = ()
    note: Line | None = None
    published: Publication | None = None

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.id.split("/")[0]

    @property
    def kind(self) -> Kind:
        """`saliency` or `activation`."""
        return "saliency" if self.id.split("/")[1] == "saliency" else "activation"

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.split("/")[2]


class Holding(Record):
    """What this machine holds of a map set.

    Attributes:
        record: the map set.
        split: which split.
        content: the shards and their digests.
        origin: where they came from: a `hub` repository, the authors' `archive`, or a `place`
            that the user named.
        source: that repository, address or folder.
        revision: commit of the repository; None for other origins.
        archive_sha256: digest of the archive; None for other origins.
        labels: the label list whose order the rows have.
        list_sha256: for imports, the digest that the list is known by: of the published file,
            or of the text of another one.
    """

    record: MapSet
    split: Name
    content: SplitShards
    origin: Literal["hub", "archive", "place"]
    source: Line
    revision: Commit | None = None
    archive_sha256: Sha256 | None = None
    labels: LabelListFile | None = None
    list_sha256: Sha256 | None = None


class PublishedSet(Record):
    """A map set in a repository's manifest: its record, and what is there of it."""

    record: MapSet
    splits: Annotated[dict[Name, SplitShards], Field(min_length=1)]

    @field_validator("record")
    @classmethod
    def _no_place(cls, record: MapSet) -> MapSet:
        if record.published is not None:
            raise ValueError("a manifest lies in the repository: its records name no other")
        return record


class Manifest(Record):
    """`manifest.json` of a repository: every map set, every file, every digest.

    Attributes:
        format: version of this layout.
        version: what the repository calls this state, e.g. `v1.0.0`.
        sets: the map sets, by ascending id.
        lists: label lists by `<benchmark>/<split>`.
        sha256: digest of this manifest in canonical form, this field being empty: a damaged
            manifest is found out without asking anybody.
    """

    format: Literal[1]
    version: Line
    sets: tuple[PublishedSet, ...]
    lists: dict[str, LabelListFile] = Field(default_factory=dict)
    sha256: Sha256 | Literal[""] = ""

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        ids = [one.record.id for one in self.sets]
        if ids != sorted(set(ids)):
            raise ValueError("the sets are not sorted by id, each once")
        for name in self.lists:
            if not re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+", name):
                raise ValueError(f"{name!a} is no <benchmark>/<split>")
        paths = [file.path for file in self.files()]
        if len(paths) != len(set(paths)):
            raise ValueError("a file belongs to two sets")
        return self

    def files(self) -> tuple[RepoFile, ...]:
        """Every file of the repository that the manifest vouches for."""
        shards = (file for one in self.sets for part in one.splits.values() for file in part.files)
        return (*shards, *self.lists.values())

    def merged(
        self,
        sets: Iterable[PublishedSet],
        lists: Mapping[str, LabelListFile],
        version: str,
    ) -> Manifest:
        """This manifest with sets and lists over its own, sealed; a split not given stays."""
        known = {one.record.id: one for one in self.sets}
        for one in sets:
            before = known.get(one.record.id)
            splits = {**(before.splits if before else {}), **one.splits}
            counted = {name: part.rows for name, part in splits.items()}
            known[one.record.id] = PublishedSet(
                record=one.record.model_copy(update={"splits": counted}),
                splits=dict(sorted(splits.items())),
            )
        return Manifest(
            format=1,
            version=version,
            sets=tuple(known[name] for name in sorted(known)),
            lists=dict(sorted({**self.lists, **lists}.items())),
        ).sealed()

    def sealed(self) -> Manifest:
        """The same manifest with its digest."""
        return self.model_copy(update={"sha256": self._digest()})

    def is_intact(self) -> bool:
        """Whether the digest is that of the rest."""
        return self.sha256 == self._digest()

    def _digest(self) -> str:
        text = canonical_json(self.model_copy(update={"sha256": ""}))
        return hashlib.sha256(text.encode()).hexdigest()

    def publication(self, set_id: str, repo_id: str, revision: str) -> Publication | None:
        """Where a set of this manifest lies, given where the manifest lies; None: not here."""
        for one in self.sets:
            if one.record.id == set_id:
                lists = {
                    split: self.lists[f"{one.record.benchmark}/{split}"]
                    for split in one.splits
                    if f"{one.record.benchmark}/{split}" in self.lists
                }
                return Publication(
                    repo_id=repo_id, revision=revision, splits=one.splits, lists=lists
                )
        return None
