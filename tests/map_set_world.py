"""Two map sets that can be had: from their authors, and from the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow.parquet

from tests.map_set_files import (
    CAM,
    VST,
    Authors,
    activation_maps,
    commit_staged,
    pinned_records,
    saliency_maps,
    use_records,
    waiting_is_quick,
    zip_of,
)
from wsss_assets.catalog.catalog import get_map_set

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer

MAPS = {VST: saliency_maps(), CAM: activation_maps()}


def maps_in(folder: Path) -> dict[str, bytes]:
    """PNG bytes by stem, of all shards in a folder, as pyarrow alone reads them."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            if row.get("map"):
                found[row["image_id"]] = row["map"]["bytes"]
            for one in row.get("maps") or ():
                found[f"{row['image_id']}_{one['class_id']}"] = one["map"]["bytes"]
    return found


class World(NamedTuple):
    """The authors' server and the Hub."""

    authors: Authors
    files: FileServer
    hub: FakeHub
    cache: Path

    def clear_log(self) -> None:
        self.files.clear_log()
        self.hub.clear_log()

    @property
    def requests(self) -> list[str]:
        return [visit.path for visit in (*self.files.requests, *self.hub.requests)]


def world_of_authors(
    hub: FakeHub, files: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    """Two sets as archives of their authors, nothing on the Hub."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(cache))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    authors = Authors(files, monkeypatch)
    for set_id, maps in MAPS.items():
        authors.publish(get_map_set(set_id), zip_of(maps))
    return World(authors, files, hub, cache)


def published_too(world: World, staging: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same sets on the Hub as well, and the catalogue knows."""
    commit = commit_staged(world.hub, staging, "v1.0.0")
    use_records(monkeypatch, pinned_records(world.hub, commit))
    return world
