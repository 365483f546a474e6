"""Map sets as a `datasets.Dataset`: fetched, verified, joined with labels and with each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.names import is_place
from wsss_assets.catalog.records import MapSet
from wsss_assets.dataset.features import library, picture_columns
from wsss_assets.dataset.parts import LooseMaps, PackedMaps, find_loose_maps
from wsss_assets.dataset.streams import join_stream
from wsss_assets.dataset.tables import join_table
from wsss_assets.devkit.image_labels import ImageLabels, given_labels, read_label_list
from wsss_assets.devkit.label_sources import fetch_label_list
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.map_sets.choose import choose_map_set
from wsss_assets.map_sets.feedback import Terminal
from wsss_assets.map_sets.lists import WantedList
from wsss_assets.map_sets.obtain import (
    USUAL_SPLITS,
    check_split_name,
    choose_split,
    obtain,
    resolve_source,
)
from wsss_assets.map_sets.places import import_place
from wsss_assets.map_sets.published import fetch_published, published_set
from wsss_assets.map_sets.repository import chosen_repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    import datasets

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.repository import LocalCopy, Repository
    from wsss_assets.map_sets.store import HeldSet

__all__ = ["load_dataset"]

_COLLECTION = "wsss-bed"


def load_dataset(
    name: str = _COLLECTION,
    *,
    saliency: str | Path | None = None,
    activation: str | Path | None = None,
    benchmark: str = "voc2012",
    split: str | None = None,
    images: str | Path | None = None,
    labels: str | Path | Mapping[str, Sequence[int]] | None = None,
    source: str | Path = "auto",
    repo_id: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    feedback: Feedback | None = None,
) -> datasets.Dataset | datasets.IterableDataset:
    """One row per image: its labels, its saliency map, its activation maps.

    Columns: `image_id`; `labels`, the 0-based classes; `saliency`, a grey picture (8-bit, 0..255
    for 0..1) or None; `activation`, a list of `{"class_id": …, "map": picture}`; with `images`
    also `image` and, where the devkit has masks, `segmentation` (palette pictures of class
    indices, None where there is no mask).

    Every file is held to the digest in its record before it is used; what is cached costs no
    request.

    Args:
        name: the collection, `wsss-bed`.
        saliency: a map set by its short name (`vst_duts`), id or upstream name; or a folder, zip
            or address of `<image id>.png`. A folder is read where it is if its maps are stored
            as 8-bit grey pictures, and else imported, as everything else is: grey maps in other
            modes become 8-bit grey, and what is coloured or 16-bit is left out.
        activation: likewise (`cam`), or of `<image id>_<class>.png`. `eps` and `l2g`, which
            exist once per saliency set, mean the one trained with `saliency`.
        benchmark: `voc2012`, `coco2014` or `mini`.
        split: which split; None: the one that the maps are usually made for.
        images: a devkit such as `VOCdevkit/VOC2012`, or its folder of photos.
        labels: a list `id c c …` or classes by image id: these images, in this order. None: the
            whole split with WSSS-BED's labels.
        source: `auto`, `hub`, `upstream`, an address or a path; where named sets come from.
        repo_id: another repository on the Hub than the default one; `$WSSS_ASSETS_REPO` does the
            same.
        revision: branch, tag or commit of it.
        streaming: give an `IterableDataset`; what is published on the Hub and not here yet is
            then read from there as it is needed, without a copy. Damage on the way is found by
            the checksum of each page.
        feedback: who waits; None: bars and lines on standard error.

    Raises:
        UnknownNameError: no such map set, benchmark or split; the error lists those there are.
        UsageError: neither saliency nor activation, a pair that was never made, or a split of a
            name that none can have.
        ListFormatError: the list names images that the maps do not have.
        FetchError: the network failed; `ChecksumError`: what came is not what was promised.
        DataError: maps cannot be used; `MissingFileError`: a path is not there.
        MissingDependencyError: the extra `hub` is not installed.
    """
    if name != _COLLECTION:
        raise UnknownNameError("collection", name, [_COLLECTION])
    if saliency is None and activation is None:
        raise UsageError(
            "neither saliency nor activation maps were asked for",
            expected='one of them or both, e.g. saliency="vst_duts"',
            hint="'wsss-assets list' shows what there is",
        )
    if split is not None:
        check_split_name(split)
    library()  # missed now rather than after all has been fetched
    source = resolve_source(source)
    wanted: dict[Kind, str | Path] = {}
    if saliency is not None:
        wanted["saliency"] = saliency
    if activation is not None:
        wanted["activation"] = activation
    loader = _Loader(
        get_benchmark(benchmark),
        chosen_repository(repo_id, revision, source),
        source,
        Terminal() if feedback is None else feedback,
        streaming=streaming,
    )
    return loader.load(wanted, split, images, labels)


class _Loader:
    """Builds one data set."""

    def __init__(
        self,
        benchmark: Benchmark,
        repository: Repository | LocalCopy | None,
        source: str,
        feedback: Feedback,
        *,
        streaming: bool,
    ) -> None:
        self.benchmark = benchmark
        self.repository = repository
        self.source = source
        self.feedback = feedback
        self.streaming = streaming

    def load(
        self,
        wanted: Mapping[Kind, str | Path],
        split: str | None,
        images: str | Path | None,
        labels: str | Path | Mapping[str, Sequence[int]] | None,
    ) -> datasets.Dataset | datasets.IterableDataset:
        records = self._records(wanted)
        split = self._split(records, split)
        given = self._given_labels(labels)
        # Loose files are joined on disk, which takes all parts to be here.
        remote = self.streaming and len(records) == len(wanted)
        held = {kind: self._held(record, split, remote) for kind, record in records.items()}
        listed = self._own_labels(held, split) if given is None else given
        ids = tuple(listed)
        parts = [
            self._packed(held[kind], ids)
            if kind in held
            else self._place(kind, place, split, listed)
            for kind, place in wanted.items()
        ]
        columns: dict[str, Sequence[Any]] = {"image_id": ids, "labels": list(listed.values())}
        if images is not None:
            columns |= picture_columns(Path(images), self.benchmark, split, ids)
            if "segmentation" not in columns:
                folder = self.benchmark.layout.masks.get(split, "folder of masks")
                self.feedback.say(f"{images} has no {folder}, so there is no column segmentation")
        data = self._join(parts, columns, split)
        _describe(data, records)
        return data

    def _records(self, wanted: Mapping[Kind, str | Path]) -> dict[Kind, MapSet]:
        """The map sets among what is wanted; the rest are places."""
        records: dict[Kind, MapSet] = {}
        for kind, name in wanted.items():
            if not isinstance(name, Path) and not is_place(name):
                beside = records.get("saliency")
                records[kind] = choose_map_set(
                    str(name),
                    benchmark=self.benchmark.name,
                    kind=kind,
                    saliency=None if beside is None else beside.name,
                    repository=self.repository,
                )
        return records

    def _split(self, records: Mapping[Kind, MapSet], split: str | None) -> str:
        """The split asked for, or the usual one of the map sets, or of the benchmark."""
        if records:
            chosen = [choose_split(record, split) for record in records.values()]
            if len(set(chosen)) > 1:
                raise UsageError("which split?", expected=f"one of {', '.join(chosen)}")
            return chosen[0]
        return split or next(one for one in USUAL_SPLITS if one in self.benchmark.splits)

    def _given_labels(
        self, labels: str | Path | Mapping[str, Sequence[int]] | None
    ) -> ImageLabels | None:
        if labels is None or isinstance(labels, ImageLabels):
            return labels
        if isinstance(labels, Mapping):
            return given_labels(labels, self.benchmark)
        return read_label_list(Path(labels), self.benchmark)

    def _held(self, record: MapSet, split: str, remote: bool) -> HeldSet:
        """The set on this machine; or, to be read from afar, as it will be found on the Hub."""
        if remote and self.source in {"auto", "hub"} and record.published is not None:
            return published_set(record, split)
        return obtain(record, split, source=self.source, feedback=self.feedback)

    def _own_labels(self, held: Mapping[Kind, HeldSet], split: str) -> ImageLabels:
        """The label list in whose order the rows are."""
        for one in held.values():
            if one.holding.labels is not None:
                path = one.label_list()
                return read_label_list(path, self.benchmark)
        return fetch_label_list(self.benchmark, split, instead="pass a list with labels=")

    def _packed(self, held: HeldSet, ids: Sequence[str]) -> PackedMaps:
        content = held.holding.content
        here = not held.damaged()
        part = PackedMaps(
            kind=held.holding.record.kind,
            name=held.holding.record.id,
            shards=held.paths if here else held.addresses(),
            ids_sha256=content.ids_sha256,
        )
        if here or part.is_in_order(ids):
            return part
        self.feedback.say(f"{part.name} is to be read in another order: fetching it first")
        return replace(part, shards=fetch_published(held, self.feedback).paths)

    def _place(
        self, kind: Kind, place: str | Path, split: str, labels: ImageLabels
    ) -> PackedMaps | LooseMaps:
        """One's own maps: a folder is read where it is, anything else is imported first."""
        ids = tuple(labels)
        if "://" not in str(place) and Path(place).expanduser().is_dir():
            most = len(self.benchmark.classes)
            loose, missing = find_loose_maps(Path(place).expanduser(), kind, ids, most)
            if missing:
                self.feedback.say(f"{place} has no map of {missing:,} of {len(ids):,} images")
            odd = loose.odd_one()
            if odd is None:
                return loose
            self.feedback.say(f"{odd} is no 8-bit grey picture: importing {place}")
        place = place if "://" in str(place) else str(Path(place).expanduser())
        name = hashlib.sha256(str(place).encode()).hexdigest()[:12]
        record = MapSet(
            id=f"{self.benchmark.name}/{kind}/own_{name}", maker=str(place), splits={split: None}
        )
        wanted = WantedList(self.benchmark, split, labels)
        imported = import_place(record, split, str(place), wanted, self.feedback)
        return self._packed(imported, ids)

    def _join(
        self,
        parts: Sequence[PackedMaps | LooseMaps],
        columns: Mapping[str, Sequence[Any]],
        split: str,
    ) -> datasets.Dataset | datasets.IterableDataset:
        packed = [part for part in parts if isinstance(part, PackedMaps)]
        if self.streaming and len(packed) == len(parts):
            return join_stream(packed, columns, split)
        table = join_table(parts, columns, split)
        return table.to_iterable_dataset() if self.streaming else table


def _describe(
    data: datasets.Dataset | datasets.IterableDataset, records: Mapping[Kind, MapSet]
) -> None:
    """Say in the data set's own information what it holds."""
    lines = []
    for record in records.values():
        published = record.published
        place = f" ({published.repo_id} at {published.revision})" if published else ""
        lines.append(f"{record.id}{place}; licence: {record.licence or 'not stated'}")
    data.info.description = "\n".join(lines)
    data.info.homepage = "https://arxiv.org/abs/2404.00918"
