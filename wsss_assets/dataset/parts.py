"""What a data set is joined from: the maps of one kind, in shards or as loose files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.errors import ListFormatError, MissingFileError
from wsss_assets.map_sets.wanted import map_stem, stored_classes
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, is_grey
from wsss_assets.storage.shards import ids_digest, read_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsss_assets.catalog.records import Kind

__all__ = ["LooseMaps", "PackedMaps", "find_loose_maps"]

_SHOWN = 3


@dataclass(frozen=True)
class PackedMaps:
    """Maps in shards.

    Attributes:
        kind: which kind of maps.
        name: how messages call them.
        shards: paths; or `hf://` addresses at a commit, as texts.
        ids_sha256: digest of the ids of their rows, in order.
    """

    kind: Kind
    name: str
    shards: tuple[Path | str, ...]
    ids_sha256: str

    def rows(self, ids: Sequence[str]) -> tuple[int, ...] | None:
        """The rows of these images; None where they are all rows, in order.

        Raises:
            ListFormatError: images that the shards do not have.
        """
        if ids_digest(ids) == self.ids_sha256:
            return None
        known = {image_id: row for row, image_id in enumerate(read_ids(self.shards))}
        strangers = [image_id for image_id in ids if image_id not in known]
        if strangers:
            raise ListFormatError(
                f"the list of images does not fit {self.name}",
                expected=f"some of its {len(known):,} images, e.g. {_examples(known)}",
                found=f"{len(strangers):,} of {len(ids):,} that it does not have, e.g. "
                f"{_examples(strangers)}",
                hint="is it the list of another split or benchmark?",
            )
        return tuple(known[image_id] for image_id in ids)

    def is_in_order(self, ids: Sequence[str]) -> bool:
        """Whether these images lie in the shards in this order, so that each is passed once."""
        rows = self.rows(ids)
        return rows is None or list(rows) == sorted(rows)


@dataclass(frozen=True)
class LooseMaps:
    """Maps as files of a folder; they are read where they are.

    Attributes:
        kind: which kind of maps.
        name: how messages call them.
        saliency: path by image id, for saliency maps.
        activation: (0-based class, path) pairs by image id, for activation maps.
    """

    kind: Kind
    name: str
    saliency: Mapping[str, str]
    activation: Mapping[str, tuple[tuple[int, str], ...]]

    def odd_one(self) -> str | None:
        """The first file that is no 8-bit grey picture, by its header; None: all are.

        Only such files give the same pixels whoever decodes them.
        """
        pairs = (pair for pairs in self.activation.values() for pair in pairs)
        paths = (*self.saliency.values(), *(path for _, path in pairs))
        return next((path for path in paths if not is_grey(Path(path))), None)


def find_loose_maps(
    folder: Path, kind: Kind, ids: Sequence[str], most_classes: int
) -> tuple[LooseMaps, int]:
    """The maps of these images in a folder, and how many images have none.

    Args:
        folder: of `<image id>.png` or `<image id>_<class>.png`.
        kind: which of the two.
        ids: image ids.
        most_classes: how many classes the benchmark has.

    Raises:
        DataError: a map is of a class that the benchmark does not have.
        MissingFileError: no such folder, or it holds no map of these images.
    """
    files = {stem: str(path.resolve()) for stem, path in list_files(folder, MAP_SUFFIXES).items()}
    saliency: dict[str, str] = {}
    activation: dict[str, tuple[tuple[int, str], ...]] = {}
    if kind == "saliency":
        saliency = {image_id: files[image_id] for image_id in ids if image_id in files}
    else:
        stored = stored_classes(files, ids, most_classes, folder)
        activation = {
            image_id: tuple((index, files[map_stem(image_id, index)]) for index in sorted(classes))
            for image_id, classes in stored.items()
            if classes
        }
    found = len(saliency) + len(activation)
    if not found:
        raise MissingFileError(
            f"{folder} holds no {kind} map of the images asked for",
            expected=f"files such as {ids[0]}{'' if kind == 'saliency' else '_14'}.png",
            found=f"{len(files):,} files, e.g. {_examples(files)}",
            hint="are they of another split or benchmark, or of the other kind of maps?",
        )
    return LooseMaps(kind, str(folder), saliency, activation), len(ids) - found


def _examples(names: object) -> str:
    return ", ".join(list(names)[:_SHOWN])  # type: ignore[call-overload]
