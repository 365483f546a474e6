"""A held map set as loose files, laid out as existing code reads them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets.errors import DataError, ListFormatError, UnknownNameError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.pngs import decode_map
from wsss_assets.storage.shards import ids_digest, read_ids, read_rows
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.store import HeldSet
    from wsss_assets.storage.shards import Row

__all__ = ["LAYOUTS", "Exported", "export"]

LAYOUTS = ("wsss-bed", "npy")
"""`wsss-bed`: `<image id>.png`, `<image id>_<class>.png`. `npy`: `<image id>.npy`, a dictionary
of float32 (H, W) maps, 0..1, by 0-based class, as PSA, SEAM and their descendants read it."""


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        written: files that were made.
        kept: files that were there already, with the same bytes.
        missing: images without any map.
    """

    written: int
    kept: int
    missing: tuple[str, ...]


def export(
    held: HeldSet,
    folder: Path,
    *,
    layout: str = "wsss-bed",
    ids: Sequence[str] | None = None,
    feedback: Feedback = SILENT,
) -> Exported:
    """Write the maps of a set as loose files; what is there already is kept.

    The PNG bytes are those of the shards. A run that was stopped goes on when it is started again.

    Args:
        held: the set.
        folder: where to; stamped with the set and its digests.
        layout: one of `LAYOUTS`.
        ids: only these images; None: all.
        feedback: who waits.

    Raises:
        UnknownNameError: no such layout.
        UsageError: the layout is not for this kind of maps.
        ListFormatError: images that the set does not have.
        FolderInUseError: the folder holds something else.
    """
    holding = held.holding
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if layout == "npy" and holding.record.kind == "saliency":
        raise UsageError("the layout npy is one of activation maps", expected="wsss-bed")
    wanted = _wanted(held, ids)
    claim_folder(
        folder,
        {
            "made_by": "wsss-assets export",
            "set": holding.record.id,
            "split": holding.split,
            "shards": [file.sha256 for file in holding.content.files],
            "layout": layout,
        },
    )
    rows = read_rows(held.paths, holding.record.kind)
    written, kept = 0, 0
    missing = []
    for row in feedback.items(rows, holding.content.rows):
        if row.image_id not in wanted:
            continue
        if not row.maps:
            missing.append(row.image_id)
        for path, data in _files(row, folder, layout):
            if path.is_file() and path.read_bytes() == data:
                kept += 1
            else:
                write_atomically(path, data)
                written += 1
    return Exported(written, kept, tuple(missing))


def _wanted(held: HeldSet, ids: Sequence[str] | None) -> set[str]:
    listed = read_ids(held.paths)
    if ids_digest(listed) != held.holding.content.ids_sha256:
        raise DataError(
            f"the shards of {held.holding.record.id} hold other images than their record says",
            done="nothing was written",
        )
    known = set(listed)
    if ids is None:
        return known
    strangers = [image_id for image_id in ids if image_id not in known]
    if strangers:
        raise ListFormatError(
            f"the list does not fit {held.holding.record.id} {held.holding.split}",
            expected=f"some of its {len(known):,} images, e.g. {min(known)}",
            found=f"{len(strangers):,} that it does not have, e.g. {strangers[0]}",
            done="nothing was written",
        )
    return set(ids)


def _files(row: Row, folder: Path, layout: str) -> list[tuple[Path, bytes]]:
    """The files of an image and what is in them."""
    if layout == "npy":
        path = folder / f"{row.image_id}.npy"
        return [(path, _dictionary(row))] if row.maps else []
    return [
        (folder / f"{row.image_id}{'' if index is None else f'_{index}'}.png", data)
        for index, data in row.maps.items()
    ]


def _dictionary(row: Row) -> bytes:
    maps = {
        index: decode_map(data, f"{row.image_id}_{index}").astype(np.float32) / np.float32(255)
        for index, data in row.maps.items()
    }
    buffer = io.BytesIO()
    np.save(buffer, np.array(maps, dtype=object), allow_pickle=True)  # this form is a pickle
    return buffer.getvalue()
