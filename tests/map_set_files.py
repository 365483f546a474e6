"""Map sets for tests: tiny maps, what they come in, and the servers they come from."""

from __future__ import annotations

import builtins
import dataclasses
import errno
import hashlib
import io
import os
import time
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image

from wsss_assets.benchmarks import voc2012
from wsss_assets.catalog import catalog
from wsss_assets.catalog.records import Manifest, MapSet, parse_record
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.map_sets import upstream
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.publish.pack import describe, pack
from wsss_assets.storage.fetch import fetch_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt
    import pytest

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer

REPO = "wsss-assets/wsss-bed"
SPLIT = "train_aug"
VST = "voc2012/saliency/vst_duts"
CAM = "voc2012/activation/cam"
EPS = "voc2012/activation/eps_vst_duts"
NO_WAIT = 0.0

LABELS: dict[str, tuple[int, ...]] = {
    "2007_000032": (0, 14),
    "2007_000039": (19,),
    "2007_000063": (8, 11),
    "2008_000002": (19,),
    "2008_000003": (14, 18),
    "2011_003276": (7,),
}
"""Six images of train_aug, not in the order of a sorted list of files' digests."""


def draw(name: str, size: tuple[int, int] = (6, 8)) -> bytes:
    """An 8-bit grey PNG of (height, width); every name gives another picture."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(data: bytes) -> npt.NDArray[np.uint8]:
    """uint8 (H, W) of a picture's bytes."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def saliency_maps(labels: Iterable[str] = LABELS, salt: str = "") -> dict[str, bytes]:
    """PNG bytes by stem, one for every image."""
    return {one: draw(f"{salt}{one}") for one in labels}


def activation_maps(
    labels: Mapping[str, tuple[int, ...]] = LABELS, salt: str = ""
) -> dict[str, bytes]:
    """PNG bytes by stem, one for every class of every image."""
    stems = [f"{one}_{index}" for one, classes in labels.items() for index in classes]
    return {stem: draw(f"{salt}{stem}") for stem in stems}


def list_text(labels: Mapping[str, tuple[int, ...]]) -> str:
    """A label list."""
    return "".join(" ".join((one, *map(str, classes))) + "\n" for one, classes in labels.items())


def write_maps(folder: Path, maps: Mapping[str, bytes]) -> Path:
    """Loose files."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, data in maps.items():
        (folder / f"{stem}.png").write_bytes(data)
    return folder


def zip_of(maps: Mapping[str, bytes], folder: str = "VOC2012_MAPS/maps") -> bytes:
    """An archive as WSSS-BED's are: nested folders, and what macOS leaves behind."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__MACOSX/._maps"), b"junk")
        for stem, data in maps.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{stem}.png"), data)
            archive.writestr(zipfile.ZipInfo(f"__MACOSX/{folder}/._{stem}.png"), b"junk")
        archive.writestr(zipfile.ZipInfo(f"{folder}/.DS_Store"), b"junk")
    return buffer.getvalue()


class Told(Feedback):
    """Remembers the lines it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Authors:
    """The authors' servers on loopback: the label list of train_aug and the archives.

    The addresses in the records stay what they are; a request for them goes to the file server.
    """

    def __init__(
        self,
        files: FileServer,
        monkeypatch: pytest.MonkeyPatch,
        labels: Mapping[str, tuple[int, ...]] = LABELS,
    ) -> None:
        self.files = files
        self.labels = dict(labels)
        text = list_text(labels).encode()
        self._use_list(files.add("lists/train_aug_cls.txt", text), text, monkeypatch)

        def fetch_here(url: str, path: Path, **options: Any) -> str:  # noqa: ANN401 (its own)
            return fetch_archive(self.here(url), path, **options)

        monkeypatch.setattr(upstream, "fetch_archive", fetch_here)

    def here(self, url: str) -> str:
        """Where the file server has what an address of the authors stands for."""
        return url.replace("https://github.com/clovaai/WSSS-BED/releases/download", self.files.url)

    def publish(self, record: MapSet, content: bytes) -> str:
        """Put an archive where the record says; returns its address here."""
        assert record.archive is not None
        name = self.here(record.archive.url).removeprefix(f"{self.files.url}/")
        return self.files.add(name, content)

    def _use_list(self, url: str, text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        benchmark = voc2012.BENCHMARK
        split = dataclasses.replace(
            benchmark.splits[SPLIT],
            images=len(self.labels),
            list_url=url,
            list_sha256=hashlib.sha256(text).hexdigest(),
        )
        splits = {**benchmark.splits, SPLIT: split}
        monkeypatch.setattr(voc2012, "BENCHMARK", dataclasses.replace(benchmark, splits=splits))


def stage(
    staging: Path,
    sets: Mapping[str, Mapping[str, bytes]],
    labels: Mapping[str, tuple[int, ...]] = LABELS,
) -> Path:
    """Pack maps by stem, by map set id, the bytes as they are."""
    for set_id, maps in sets.items():
        known = set_id in catalog.map_set_names()
        record = describe(set_id) if known else MapSet(id=set_id, maker="a test", splits={})
        loose = write_maps(staging.with_name(f"{staging.name}-loose") / set_id, maps)
        listed = ImageLabels(labels, "a test")
        pack(loose, record, staging, split=SPLIT, labels=listed, recode=False)
    return staging


def stored_ids(paths: Iterable[Path]) -> list[str]:
    """The image ids of shards, in their order, read by pyarrow alone."""
    ids: list[str] = []
    for path in paths:
        ids += parquet.read_table(path, columns=["image_id"])["image_id"].to_pylist()
    return ids


def stored_maps(paths: Iterable[Path]) -> dict[str, bytes]:
    """The PNG bytes of shards by stem, read by pyarrow alone."""
    found: dict[str, bytes] = {}
    for path in paths:
        for row in parquet.read_table(path).to_pylist():
            for one in row.get("maps", ()):
                assert one["map"]["path"] == f"{row['image_id']}_{one['class_id']}.png"
                found[f"{row['image_id']}_{one['class_id']}"] = one["map"]["bytes"]
            if row.get("map") is not None:
                assert row["map"]["path"] == f"{row['image_id']}.png"
                found[row["image_id"]] = row["map"]["bytes"]
    return found


def commit_staged(hub: FakeHub, staging: Path, tag: str | None = None, repo_id: str = REPO) -> str:
    """Put a staging folder on the Hub as it is; returns the commit."""
    paths = [path for path in staging.rglob("*") if path.is_file()]
    contents = {path.relative_to(staging).as_posix(): path.read_bytes() for path in paths}
    commit = hub.commit(repo_id, contents)
    if tag is not None:
        hub.move_tag(repo_id, tag, commit)
    return commit


def pinned_records(hub: FakeHub, commit: str, repo_id: str = REPO) -> dict[str, MapSet]:
    """The records that pin a commit, by id."""
    manifest = parse_record(Manifest, hub.repo(repo_id).files(commit)["manifest.json"], "a test")
    return {
        one.record.id: one.record.model_copy(
            update={"published": manifest.publication(one.record.id, repo_id, commit)}
        )
        for one in manifest.sets
    }


def use_records(monkeypatch: pytest.MonkeyPatch, records: Mapping[str, MapSet]) -> None:
    """Let the catalogue have these records in place of its own."""
    known = catalog._map_set
    monkeypatch.setattr(catalog, "_map_set", lambda name: records.get(name) or known(name))


def waiting_is_quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No client waits any more; returns what the Hub's library wanted to wait.

    The server's own `time.sleep`, by which faults take their time, is left alone.
    """
    import huggingface_hub.file_download
    import huggingface_hub.hf_file_system
    import huggingface_hub.utils._http

    waits: list[float] = []
    clock = types.SimpleNamespace(**{**vars(time), "sleep": waits.append})
    monkeypatch.setattr(huggingface_hub.file_download, "time", clock)
    monkeypatch.setattr(huggingface_hub.utils._http, "time", clock)
    monkeypatch.setattr("random.uniform", lambda _low, _high: NO_WAIT)
    return waits


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process had been started with HF_HUB_OFFLINE=1."""
    import datasets.config
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def make_read_only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let every attempt to write below the folders fail as on a file system mounted read-only."""
    roots = tuple(f"{folder.resolve()}{os.sep}" for folder in folders)

    def guard(path: object) -> None:
        if isinstance(path, (str, os.PathLike)) and f"{Path(path).absolute()}/".startswith(roots):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def guarded(function: Callable[..., Any], position: int = 0) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 (those of the function)
            guard(args[position])
            return function(*args, **options)

        return call

    def guarded_open(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:  # noqa: ANN401
        if set(mode) & set("wax+"):
            guard(file)
        return io_open(file, mode, *args, **options)

    def guarded_os_open(path: Any, flags: int, *args: Any, **options: Any) -> int:  # noqa: ANN401
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            guard(path)
        return os_open(path, flags, *args, **options)

    io_open, os_open = io.open, os.open
    for name in ("mkdir", "unlink", "remove", "rmdir", "utime"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))
    for name in ("replace", "rename", "symlink", "link"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), 1))
    monkeypatch.setattr(os, "open", guarded_os_open)
    monkeypatch.setattr(io, "open", guarded_open)
    monkeypatch.setattr(builtins, "open", guarded_open)


def flip(path: Path, offset: int = -1, *, secretly: bool = False) -> None:
    """Change one bit of a file, and its time of change unless it is done secretly."""
    path = path.resolve()
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    later = 0 if secretly else 1_000_000_000  # clocks of file systems may be coarse
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + later))


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
