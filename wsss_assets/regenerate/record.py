"""The record that lies beside maps made from weights: how exactly they were made."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from wsss_assets import __version__
from wsss_assets.catalog.records import MADE_MAPS_NAME, LoadedWeights, MadeMaps, canonical_json
from wsss_assets.regenerate.device import device_name
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.images import PILLOW_VERSION
from wsss_assets.storage.shards import ids_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.regenerate.job import Job
    from wsss_assets.regenerate.weights import WeightsFile

__all__ = ["Origin", "loaded_weights", "write_record"]


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        benchmark: of which benchmark the images are; None: of none.
        split: of which split.
        command: the arguments of the command.
    """

    benchmark: str | None = None
    split: str | None = None
    command: tuple[str, ...] = ()


def loaded_weights(files: Sequence[WeightsFile]) -> tuple[LoadedWeights, ...]:
    """What a record says of files of weights: their names and digests, and no path."""
    return tuple(
        LoadedWeights(file=file.path.name, sha256=file.sha256, record=file.record_id)
        for file in files
    )


def write_record(
    folder: Path,
    job: Job,
    origin: Origin,
    *,
    ids: Sequence[str],
    maps: Mapping[str, str | None],
    failed: Mapping[str, str],
    smallest_batch: int | None,
) -> None:
    """Write the record of a folder, whole or not at all; the same run gives the same bytes.

    Args:
        folder: where the maps lie.
        job: what made them.
        origin: where the run came from.
        ids: the images wanted, in order.
        maps: sha256 of each map's file, by name without suffix.
        failed: why an image has no map, by image id.
        smallest_batch: to what size batches were halved; None: they were not.
    """
    settings = job.settings()
    record = MadeMaps(
        **job.work.said(),
        model=settings["work"]["model"],
        made_by=_sentence(job.work.title, job.weights),
        weights=job.weights,
        settings=settings,
        versions=_versions(job.device.type),
        device=device_name(job.device),
        smallest_batch=smallest_batch,
        command=origin.command,
        benchmark=origin.benchmark,
        split=origin.split,
        ids_sha256=ids_digest(ids),
        images=len(ids),
        maps={stem: sha256 for stem, sha256 in maps.items() if sha256 is not None},
        failed=dict(failed),
    )
    write_atomically(folder / MADE_MAPS_NAME, canonical_json(record))


def _sentence(title: str, weights: Sequence[LoadedWeights]) -> str:
    """Model, weights and program in a sentence."""
    files = " and ".join(f"{one.file} (sha256 {one.sha256})" for one in weights)
    return f"{title} with the weights {files}, run by wsss-assets {__version__}"


def _versions(device_type: str) -> dict[str, str]:
    """Versions of the programs that have a part in a map."""
    found = {
        "wsss-assets": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "pillow": PILLOW_VERSION,
    }
    if device_type == "cuda":
        found["cuda"] = str(torch.version.cuda)
        found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return found
