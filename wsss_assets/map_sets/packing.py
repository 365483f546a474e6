"""The maps of a split, from wherever they are stored into shards."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from wsss_assets.catalog.records import NOT_THERE, Hole, RepoFile, SplitShards
from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.map_sets.wanted import map_stem, wanted_activations, wanted_saliency
from wsss_assets.parallel import default_workers, ordered_map
from wsss_assets.storage.pngs import RECODING, checked_map, map_size, recoded_map
from wsss_assets.storage.shards import PixelDigest, Row, ids_digest, write_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.catalog.records import Kind
    from wsss_assets.parallel import Progress
    from wsss_assets.storage.images import UInt8
    from wsss_assets.storage.stored_maps import StoredMaps

__all__ = ["pack_split"]

_IMAGES_PER_TASK, _RECODED_PER_TASK = 16, 4
"""A task for a thread is several images, since one takes little time; decoded ones take space."""


def pack_split(
    source: StoredMaps,
    ids: Sequence[str],
    *,
    kind: Kind,
    folder: Path,
    split: str,
    prefix: str,
    classes: Mapping[str, Sequence[int]] | None,
    most_classes: int,
    recode: bool,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SplitShards:
    """Pack maps into shards, one row per image, in the order of the ids.

    A map that is missing or cannot be used becomes a hole, with the reason; all others are
    8-bit grey PNG afterwards. Memory holds some images for each thread, however many there are.

    Args:
        source: where the maps are: `<image id>.png`, or `<image id>_<0-based class>.png`.
        ids: the images of the split.
        kind: what the maps are.
        folder: where the shards go; made if need be.
        split: name of the split.
        prefix: the folder that the shards will have inside the repository.
        classes: for activation maps, the classes that each image must have maps of; maps of
            other classes are kept as well. None: an image must have at least one.
        most_classes: how many classes the benchmark has.
        recode: decode every map and encode it anew where that pays; the digest of all pixels is
            taken on the way.
        workers: threads; None: as many as are of use.
        progress: shows how far it is, in images; None: nothing does.

    Returns:
        What a record says of the shards.

    Raises:
        DataError: not one map of these images can be used, an id is there twice, or a map is of
            a class that the benchmark does not have; nothing is written.
        FetchError: the source cannot be reached any more; nothing is written.
        MissingDependencyError: pyarrow is not installed.
    """
    wanted: Mapping[str, Sequence[int | None]]
    if kind == "saliency":
        wanted = wanted_saliency(source, ids)
    else:
        wanted = wanted_activations(source, ids, classes, most_classes)
    images = (_Image(image_id, wanted[image_id]) for image_id in ids)
    needs_one = kind == "activation" and classes is None
    fill = partial(_fill, source=source, recode=recode, needs_one=needs_one)
    if workers is None:
        workers = default_workers() if recode else source.threads
    packed = _in_batches(fill, images, workers, _RECODED_PER_TASK if recode else _IMAGES_PER_TASK)
    tally = _Tally(PixelDigest() if recode else None)
    counted = packed if progress is None else progress(packed, len(ids))
    shards = write_shards(_rows(counted, tally, source), folder, split, kind)
    return SplitShards(
        rows=len(ids),
        maps=tally.maps,
        encoding=_encoding(recode, tally.rewritten),
        ids_sha256=ids_digest(ids),
        pixels_sha256=None if tally.digest is None else tally.digest.hexdigest(),
        files=tuple(
            RepoFile(path=f"{prefix}/{shard.path.name}", size=shard.size, sha256=shard.sha256)
            for shard in shards
        ),
        holes=tuple(tally.holes),
    )


@dataclass
class _Image:
    """One image on its way: what is wanted of it, and then what was found.

    Attributes:
        image_id: which image.
        keys: classes of its maps; None stands for a saliency map.
        maps: PNG bytes of those that can be used.
        pixels: the same maps decoded, where that was asked for.
        holes: the others.
        rewritten: how many have other bytes than in the source.
    """

    image_id: str
    keys: Sequence[int | None]
    maps: dict[int | None, bytes] = field(default_factory=dict)
    pixels: dict[int | None, UInt8] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    rewritten: int = 0

    def miss(self, key: int | None, reason: str) -> None:
        """Note a map that is not there or cannot be used."""
        self.holes.append(Hole(image_id=self.image_id, class_id=key, reason=reason))


@dataclass
class _Tally:
    """What is known of all images in the end."""

    digest: PixelDigest | None
    maps: int = 0
    rewritten: int = 0
    holes: list[Hole] = field(default_factory=list)

    def add(self, image: _Image) -> None:
        """Count an image, in the order of the rows."""
        self.maps += len(image.maps)
        self.rewritten += image.rewritten
        self.holes += image.holes
        if self.digest is not None:
            for key, pixels in image.pixels.items():
                self.digest.update(image.image_id, key, pixels)


def _in_batches(
    fill: Callable[[_Image], None], images: Iterable[_Image], workers: int, size: int
) -> Iterator[_Image]:
    """Fill images on threads, `size` of them at a time."""

    def work(batch: list[_Image]) -> list[_Image]:
        for image in batch:
            fill(image)
        return batch

    left = iter(images)
    batches = iter(lambda: list(islice(left, size)), [])
    for batch in ordered_map(work, batches, workers):
        yield from batch


def _fill(image: _Image, *, source: StoredMaps, recode: bool, needs_one: bool) -> None:
    """Read and check the maps of an image."""
    for key in image.keys:
        stem = map_stem(image.image_id, key)
        try:
            data = source.read(stem)
            if recode:
                image.maps[key], image.pixels[key] = recoded_map(data, stem)
            else:
                image.maps[key] = checked_map(data, stem)
        except MissingFileError:
            image.miss(key, NOT_THERE)
        except DataError as error:
            image.miss(key, _reason(error))
        else:
            image.rewritten += image.maps[key] is not data
    if needs_one and not image.keys:
        image.miss(None, NOT_THERE)
    _refuse_sizes(image)


def _refuse_sizes(image: _Image) -> None:
    """Maps of one image that differ in size are of different images: none can be trusted."""
    sizes = {map_size(data) for data in image.maps.values()}
    if len(sizes) > 1:
        shown = ", ".join(f"{height}×{width}" for height, width in sorted(sizes))
        for key in image.maps:
            image.miss(key, f"the maps of this image differ in size: {shown}")
        image.maps.clear()
        image.pixels.clear()


def _rows(images: Iterable[_Image], tally: _Tally, source: StoredMaps) -> Iterator[Row]:
    """The rows; without a single map in them an error, so that nothing is written."""
    for image in images:
        tally.add(image)
        yield Row(image.image_id, image.maps)
    if not tally.maps:
        raise DataError(
            f"not one map of {source} can be used",
            found=f"{len(tally.holes)} faults, e.g. {tally.holes[0].reason}",
            done="nothing was written",
        )


def _reason(error: DataError) -> str:
    text = f"{error.summary}: {error.found}" if error.found else error.summary
    return " ".join(text.split())[:300]


def _encoding(recode: bool, rewritten: int) -> str:
    """How the maps are stored, in words."""
    if not rewritten:
        return "PNG, 8-bit grey, the authors' bytes"
    if recode:
        return f"PNG, 8-bit grey, pixels unchanged: {rewritten:,} maps with {RECODING}"
    return f"PNG, 8-bit grey, the authors' bytes but for {rewritten:,} maps in other formats"
