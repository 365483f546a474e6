"""Records: frozen descriptions, stored as JSON in one canonical form.

A record that comes from outside, such as another repository's `manifest.json`, is checked here
and nowhere else: unknown fields, paths that leave their folder, digests that are none, names
that could not be file names are refused. What is not known is None (`null`), never a guess.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from wsss_assets.errors import RecordError, WsssAssetsError
from wsss_assets.storage.image_ids import check_image_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MADE_MAPS_NAME",
    "NAME_PATTERN",
    "NOT_THERE",
    "REPO_ID_PATTERN",
    "SET_ID_PATTERN",
    "Archive",
    "Holding",
    "Hole",
    "Kind",
    "LabelListFile",
    "LoadedWeights",
    "MadeMaps",
    "Maker",
    "Manifest",
    "MapSet",
    "Publication",
    "PublishedSet",
    "PublishedWeights",
    "RecommendedRecipe",
    "Record",
    "Regeneration",
    "RepoFile",
    "Result",
    "ResultTable",
    "SplitShards",
    "Supervision",
    "TrainingSet",
    "WeightsSource",
    "canonical_json",
    "parse_record",
]

AnyRecord = TypeVar("AnyRecord", bound="Record")

Kind: TypeAlias = Literal["saliency", "activation"]

Supervision: TypeAlias = Literal["none", "image_labels", "pixel_masks"]
"""The strongest annotation behind a map set, on any images: of its model, of what that model was
initialised with where that is known to matter, and of the saliency maps it was trained with."""


def _check_path(path: str) -> str:
    """Refuse what is no plain path below a repository's root."""
    parts = path.split("/")
    harmless = (
        path.isprintable()
        and not any(character in path for character in '\\:*?"<>|')
        and all(part and part != ".." and not part.startswith((".", " ")) for part in parts)
        and not any(part.endswith((".", " ")) for part in parts)
    )
    if not harmless:
        raise ValueError(f"{path!a} is no path below the root of a repository")
    return path


def _check_id(image_id: str) -> str:
    try:
        return check_image_id(image_id, "a record")
    except WsssAssetsError as error:
        raise ValueError(str(error)) from error


REPO_ID_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"

NOT_THERE = "not in the source"
"""The reason of a hole where there was no file."""

NAME_PATTERN = "[a-z0-9][a-z0-9_]{0,63}"
SET_ID_PATTERN = f"{NAME_PATTERN}/(saliency|activation)/{NAME_PATTERN}"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{NAME_PATTERN}\z")]
MapSetId: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{SET_ID_PATTERN}\z")]
UpstreamName: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_]{1,100}\z")]
Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Commit: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{40}\z")]
RepoId: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{REPO_ID_PATTERN}\z")]
RepoPath: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_path)
]
ImageId: TypeAlias = Annotated[str, AfterValidator(_check_id)]
Md5: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{32}\z")]
HttpsUrl: TypeAlias = Annotated[str, StringConstraints(pattern=r"\Ahttps://[!-~]+\z")]
DriveId: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_-]{20,60}\z")]
FileName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")
]
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
ClassIndex: TypeAlias = Annotated[int, Field(ge=0, le=253)]


class Record(BaseModel):
    """What all records share: frozen, no unknown field, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RecommendedRecipe(Record):
    """Which recipe, with which settings, those who made the maps use on them.

    Attributes:
        method: name for `--method`; the recipe with its settings.
        recipe: name for `--recipe`.
        tau: activation threshold, 0..1.
        ignore: whether salient pixels of no class become 255.
        saliency: whether the recipe reads saliency maps.
        source: who recommends it.
    """

    method: Name
    recipe: Line
    tau: Annotated[float, Field(ge=0, le=1)]
    ignore: bool
    saliency: bool
    source: Line


class Regeneration(Record):
    """Whether the maps can be made again, and from which published weights.

    Attributes:
        possible: from weights that their authors published; None: not known.
        model: name for `regenerate --model`; None where there is no such network.
        weights: id of the record of published weights, trained on the same data; where there is
            no such record, which they are and where they lie; None where there are none.
        note: what stands in the way, or how close it can come.
    """

    possible: bool | None
    model: Name | None = None
    weights: Line | None = None
    note: Line


class Maker(Record):
    """A saliency model or an activation method.

    Attributes:
        key: its name in map set ids.
        kind: what kind of maps it makes.
        title: its name as papers write it.
        what: what it is, in a sentence or two.
        trained_with: annotation it needs for its own training, beyond a training set that a map
            set names; None where that is all.
        citations: keys of its papers' BibTeX entries.
        paper: author, year and venue in short.
        code: where its authors' code lies.
        code_licence: licence of that code; None: none stated.
        recommended: for activation maps.
        note: what a user must know.
    """

    key: Name
    kind: Kind
    title: Line
    what: Line
    trained_with: Line | None = None
    citations: tuple[Name, ...]
    paper: Line
    code: HttpsUrl | None
    code_licence: Line | None
    recommended: RecommendedRecipe | None = None
    note: Line | None = None


class TrainingSet(Record):
    """A data set that saliency models are trained on.

    Attributes:
        key: its name in records.
        title: its name as papers write it.
        supervision: what it is annotated with.
        what: what it is, in a sentence or two, and what that means for "weakly supervised".
        citations: keys of its papers' BibTeX entries.
    """

    key: Name
    title: Line
    supervision: Supervision
    what: Line
    citations: tuple[Name, ...]


class Archive(Record):
    """A zip archive of the authors.

    Attributes:
        url: where it lies.
        size: bytes; None: not known.
        sha256: its digest; None: not published, recorded when it is first fetched.
    """

    url: HttpsUrl
    size: PositiveInt | None = None
    sha256: Sha256 | None = None


class WeightsSource(Record):
    """A place of published weights; exactly one of the first three is given.

    Attributes:
        url: a file that anybody can fetch.
        drive: id of a file on Google Drive, or of a folder that holds it.
        page: a page from which only a person can get it.
        access_code: what that page asks for.
        member: what is there is a zip archive, and this the name, without folders, of the file
            in it; None: it is the file itself, or the person on the page sees to that.
        note: what to take there, or what is not known of it.
    """

    url: HttpsUrl | None = None
    drive: DriveId | None = None
    page: HttpsUrl | None = None
    access_code: Line | None = None
    member: FileName | None = None
    note: Line | None = None

    @model_validator(mode="after")
    def _one_place(self) -> WeightsSource:
        if sum(place is not None for place in (self.url, self.drive, self.page)) != 1:
            raise ValueError("a source is one of url, drive and page")
        return self

    @property
    def address(self) -> str:
        """What a browser opens."""
        if self.drive is not None:
            return f"https://drive.google.com/open?id={self.drive}"
        return str(self.url or self.page)


class PublishedWeights(Record):
    """The trained weights of a network, as somebody published them.

    Attributes:
        id: its name.
        model: name of the network that loads them.
        classes: how many classes that network has, without background; None: it makes saliency
            maps.
        title: what they are, in a few words.
        sources: where they lie, the best place first.
        file_name: what the file is called here.
        size: bytes; None: not known.
        sha256: its digest; None: not known, recorded when the file is first seen.
        md5: another digest of it, where one is published.
        licence: of the weights; None: not stated by their authors.
        code_licence: of the repository that publishes them; None: none stated.
        trained_on: keys of the annotated training sets; empty: none; None: not stated.
        supervision: the strongest annotation behind them; None: not known.
        saliency: id of the saliency maps that the method was trained with; None: with none, or
            it is not stated with which, as `note` then says.
        citations: keys of BibTeX entries.
        needs: ids of weights that the network needs besides.
        default: whether they are taken where no others are named; of a network for so many
            classes at most one is.
        regenerates: ids of map sets that a network of this kind made, with the same training
            set; whether with these weights is for the map set's `regeneration` to say.
        note: what a user must know.
    """

    id: Name
    model: Name
    classes: PositiveInt | None = None
    title: Line
    sources: Annotated[tuple[WeightsSource, ...], Field(min_length=1)]
    file_name: FileName
    size: PositiveInt | None = None
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    licence: Line | None = None
    code_licence: Line | None = None
    trained_on: tuple[Name, ...] | None = None
    supervision: Supervision | None = None
    saliency: MapSetId | None = None
    citations: tuple[Name, ...]
    needs: tuple[Name, ...] = ()
    default: bool
    regenerates: tuple[MapSetId, ...] = ()
    note: Line | None = None


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
    """

    rows: PositiveInt
    maps: NonNegativeInt
    encoding: Line
    ids_sha256: Sha256
    pixels_sha256: Sha256 | None
    files: Annotated[tuple[RepoFile, ...], Field(min_length=1)]
    holes: tuple[Hole, ...] = ()

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
    lists: dict[Name, LabelListFile] = {}


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
    lists: dict[str, LabelListFile] = {}
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


class Result(Record):
    """mIoU in percent of a segmentation network trained on the pseudo-labels of a pair of sets.

    Attributes:
        method: key of the activation method.
        saliency: name of the saliency set, without benchmark and kind.
        mean: mean over the paper's runs.
        std: their standard deviation.
    """

    method: Name
    saliency: Name
    mean: float
    std: float


class ResultTable(Record):
    """A published table of results.

    Attributes:
        benchmark: which benchmark.
        title: what the numbers are, in a sentence.
        source: paper and table.
        supervised: the score of full supervision.
        own: what each method's own paper reports, by method.
        note: what a reader must know.
        results: the cells.
    """

    benchmark: Name
    title: Line
    source: Line
    supervised: float
    own: dict[Name, float]
    note: Line
    results: tuple[Result, ...]


MADE_MAPS_NAME = "wsss-assets.map-set.json"
"""Lies beside maps that this package made from weights."""


class LoadedWeights(Record):
    """A file of weights that maps were made with.

    Attributes:
        file: its name.
        sha256: its digest.
        record: id of the record of published weights that it is; None: of none.
    """

    file: Line
    sha256: Sha256
    record: Name | None = None


class LabelsUsed(Record):
    """Which classes images were said to show when their activation maps were made.

    Attributes:
        source: where that knowledge comes from, in words.
        sha256: of its lines `id c c …` in their order.
        images: how many.
    """

    source: Line
    sha256: Sha256
    images: Annotated[int, Field(ge=0)]


class MadeMaps(Record):
    """How the maps of a folder were made from weights: `wsss-assets.map-set.json` beside them.

    Attributes:
        format: version of this record.
        kind: `saliency` or `activation`.
        model: name of the network.
        unknown: what is not known of it, or was chosen here; None: nothing.
        made_by: model, weights and program in a sentence.
        weights: the files that were loaded, in order.
        settings: all else that decides the maps, versions of programs among it; the folder's
            stamp.
        python: version of the interpreter of the last run that changed this record.
        devices: how many of the maps were made on what, by what people call it.
        smallest_batch: to what size batches were halved, for want of memory, for any of the
            maps; None: they were not.
        command: the arguments of the last run that changed this record.
        benchmark: of which benchmark the images are; None: of none, or not of one alone.
        split: of which split.
        labels: by which activation maps were made; None: these are none.
        ids_sha256: digest of the image ids, sorted, each with a line feed.
        images: how many images were wanted, by all runs with these settings.
        maps: sha256 of each map's file that a run with these settings made, by its name without
            suffix.
        failed: why an image has no map, by image id.
    """

    format: Literal[1] = 1
    kind: Kind = "saliency"
    model: Line
    unknown: Line | None = None
    made_by: Line
    weights: tuple[LoadedWeights, ...]
    settings: dict[str, Any]
    python: Line
    devices: dict[str, PositiveInt]
    smallest_batch: PositiveInt | None
    command: tuple[str, ...]
    benchmark: Name | None
    split: Name | None
    labels: LabelsUsed | None = None
    ids_sha256: Sha256
    images: PositiveInt
    maps: dict[str, Sha256]
    failed: dict[str, str]


def canonical_json(record: Record) -> str:
    """The one way a record is written: fields as declared, two spaces, UTF-8, a line feed."""
    values = record.model_dump(mode="json")
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def parse_record(kind: type[AnyRecord], text: str | bytes, where: str) -> AnyRecord:
    """Read a record.

    Args:
        kind: which record.
        text: its JSON.
        where: the file or address, for the error.

    Raises:
        RecordError: it is no such record; the error names the first fields that are wrong.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RecordError(
            f"{where} is no {kind.__name__} record", found=_faults(error.errors())
        ) from error


def _faults(errors: list[Any]) -> str:
    """The first three faults, each with its place."""
    shown = [
        f"{'.'.join(str(part) for part in error['loc']) or 'record'}: {error['msg']}"
        for error in errors[:3]
    ]
    more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
    return "; ".join(shown) + more
