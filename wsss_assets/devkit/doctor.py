"""What a benchmark's folder holds, what it lacks, and what will go wrong with it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from wsss_assets.devkit.annotations import find_ids_file
from wsss_assets.devkit.findings import Checkup, Finding, Level, some
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.devkit.label_sources import labels_from_instances
from wsss_assets.devkit.mask_checks import MaskFacts, judge_masks, look_at_mask
from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.files import list_files
from wsss_assets.storage.image_ids import read_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark, Split
    from wsss_assets.devkit.image_labels import Classes
    from wsss_assets.parallel import Progress

__all__ = ["examine"]


def examine(
    root: Path,
    benchmark: Benchmark,
    *,
    quick: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Checkup:
    """Look at everything that a benchmark's layout names.

    Args:
        root: the folder, e.g. `…/VOCdevkit/VOC2012`.
        benchmark: what it should be.
        quick: read only the headers of masks, and no instances file.
        workers: threads; None for one per core.
        progress: wraps the masks of a folder with their number, to show a bar.

    Raises:
        MissingFileError: no such folder.
    """
    if not root.is_dir():
        raise MissingFileError(f"no folder {root}", found="a file" if root.exists() else None)
    examination = _Examination(root, benchmark, quick, workers, progress)
    if examination.finds_any_part():
        examination.look_at_splits()
        examination.look_at_photos()
        examination.look_at_masks()
        examination.look_at_label_lists()
        examination.look_for_annotations()
    return Checkup(benchmark.name, str(root), quick, tuple(examination.findings))


class _Examination:
    """One walk over a folder; what a step learns the later ones use."""

    def __init__(
        self,
        root: Path,
        benchmark: Benchmark,
        quick: bool,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        self.root = root
        self.benchmark = benchmark
        self.layout = benchmark.layout
        self.quick = quick
        self.workers = workers
        self.progress = progress
        self.findings: list[Finding] = []
        self.ids: dict[str, Sequence[str]] = {}
        self.photos: dict[str, Path] = {}
        self.mask_classes: dict[str, dict[str, Classes]] = {}

    def note(self, level: Level, what: str, todo: str = "") -> None:
        self.findings.append(Finding(level, what, todo))

    def advice(self, part: str | None) -> str:
        return self.layout.advice(part, self.root)

    def finds_any_part(self) -> bool:
        """False, with a finding, where nothing below the root looks like the benchmark."""
        parts = _parts(self.benchmark)
        if any((self.root / part).exists() for part in parts):
            return True
        below = {
            folder: sum((folder / part).exists() for part in parts)
            for pattern in ("*", "*/*")
            for folder in sorted(self.root.glob(pattern))
        }
        best = max(below, key=lambda folder: below[folder], default=self.root)
        todo = f"name a folder that holds {', '.join(parts)}"
        if below.get(best):
            todo = f"did you mean --root {best}?"
        self.note("problem", f"{self.root} holds no part of {self.benchmark.title}", todo)
        return False

    # Splits: which images there should be.

    def look_at_splits(self) -> None:
        for split in self.benchmark.splits.values():
            try:
                ids, source = self.split_ids(split)
            except MissingFileError as error:
                self.note("warning", error.summary, error.hint or "")
            except DataError as error:
                self.note("problem", str(error).partition("\n")[0], error.hint or "")
            else:
                self.ids[split.name] = ids
                self.note(*_judge_count(self.benchmark, split, len(ids), source))
        self.look_for_overlap()

    def split_ids(self, split: Split) -> tuple[Sequence[str], str]:
        if self.layout.ids is not None:
            path = find_ids_file(self.root, self.benchmark, split)
            return read_ids(path), str(path.relative_to(self.root))
        part = self.layout.annotations[split.name]
        path = self.root / part
        if path.exists() and not self.quick:
            return tuple(labels_from_instances(path, self.benchmark, split.name)), part
        if not path.exists():
            self.note("warning", f"no {part}", self.advice(part))
        folder = self.layout.masks[split.name]
        return tuple(list_files(self.root / folder, (".png",))), f"{folder}/*.png"

    def look_for_overlap(self) -> None:
        held_out = set(self.ids.get("val", ()))
        for name, ids in self.ids.items():
            if name != "val" and (shared := sorted(held_out.intersection(ids))):
                self.note(
                    "problem",
                    f"{len(shared)} images are in {name} and in val: {some(shared)}",
                    f"take them out of {name}; scores on val mean nothing otherwise",
                )

    # Photos and masks: whether each image has them.

    def look_at_photos(self) -> None:
        for folder, splits in _by_value(self.layout.photos).items():
            try:
                files = list_files(self.root / folder, (".jpg", ".jpeg", ".png"))
            except MissingFileError as error:
                self.note("problem", error.summary, self.advice(folder) or error.hint or "")
                continue
            self.photos.update(files)
            self.look_for_missing("photo", folder, files, splits)

    def look_at_masks(self) -> None:
        missing: list[str] = []
        for folder, splits in _by_value(self.layout.masks).items():
            try:
                files = list_files(self.root / folder, (".png",))
            except MissingFileError:
                missing.append(folder)
                continue
            self.look_for_missing("mask", folder, files, splits)
            wanted = {image_id for name in splits for image_id in self.ids.get(name, ())}
            listed = {name: path for name, path in files.items() if name in wanted or not wanted}
            self.look_into_masks(folder, listed)
        everything = len(missing) == len(set(self.layout.masks.values()))
        for folder in missing:
            self.note(
                "problem" if everything else "warning",
                f"no masks in {self.root / folder}",
                self.advice(folder),
            )

    def look_for_missing(
        self, kind: str, folder: str, files: Mapping[str, Path], splits: Sequence[str]
    ) -> None:
        for name in splits:
            if name not in self.ids:
                continue
            lacking = [image_id for image_id in self.ids[name] if image_id not in files]
            if lacking:
                self.note(
                    "problem",
                    f"{len(lacking)} of the {len(self.ids[name])} images of {name} have no {kind} "
                    f"in {folder}: {some(lacking)}",
                    self.advice(folder) or f"add them, or take the ids out of {name}",
                )
            else:
                self.note("ok", f"{folder}: all {len(self.ids[name])} {kind}s of {name}")

    def look_into_masks(self, folder: str, files: Mapping[str, Path]) -> None:
        def look(item: tuple[str, Path]) -> MaskFacts:
            return look_at_mask(*item, self.photos.get(item[0]), self.benchmark, self.quick)

        facts = list(map_with_progress(look, files.items(), self.workers, self.progress))
        self.mask_classes[folder] = {
            one.image_id: one.classes for one in facts if one.classes is not None
        }
        self.findings += judge_masks(folder, facts, self.benchmark, quick=self.quick)

    # Label lists beside the id lists: whether they speak of the same images.

    def look_at_label_lists(self) -> None:
        if self.layout.ids is None:
            return
        for split in self.benchmark.splits.values():
            for stem in split.file_names:
                path = self.root / self.layout.ids / f"{stem}_cls.txt"
                if path.is_file():
                    self.look_at_label_list(path, split)

    def look_at_label_list(self, path: Path, split: Split) -> None:
        name = str(path.relative_to(self.root))
        try:
            labels = read_label_list(path, self.benchmark)
        except DataError as error:
            self.note("problem", str(error).partition("\n")[0], error.hint or "")
            return
        ids = set(self.ids.get(split.name, labels))
        if odd := sorted(ids.symmetric_difference(labels)):
            self.note(
                "problem",
                f"{name} and the id list of {split.name} differ in {len(odd)} images: {some(odd)}",
                "make one of them from the other",
            )
        seen = self.mask_classes.get(self.layout.masks[split.name], {})
        both = [image_id for image_id in labels if image_id in seen]
        apart = [image_id for image_id in both if labels[image_id] != seen[image_id]]
        if apart:
            self.note(
                "warning",
                f"{name} and the masks name different classes in {len(apart)} of {len(both)} "
                f"images: {some(apart)}",
                "labels from XML annotations differ from those of masks (818 of the 10,582 "
                "images of VOC's train_aug); say which you use",
            )
        elif not odd:
            agreement = f", {len(both)} agree with the masks" if both else ""
            self.note("ok", f"{name}: labels of {len(labels)} images{agreement}")

    def look_for_annotations(self) -> None:
        if self.layout.ids is None:
            return  # an instances file: looked at with the splits
        for folder in _by_value(self.layout.annotations):
            if (self.root / folder).is_dir():
                self.note("ok", f"{folder}: there")
            else:
                self.note("warning", f"no folder {self.root / folder}", self.advice(folder))


def _judge_count(
    benchmark: Benchmark, split: Split, found: int, source: str
) -> tuple[Level, str, str]:
    what = f"{source}: {found} images of {split.name}"
    if split.images is None or found == split.images:
        return "ok", what, ""
    what += f", {benchmark.title} has {split.images}"
    if found < split.images:
        return "warning", what, "fine for a part of it; numbers do not compare with published ones"
    return "problem", what, "this is another list: numbers do not compare with published ones"


def _parts(benchmark: Benchmark) -> list[str]:
    layout = benchmark.layout
    named = [*layout.photos.values(), *layout.masks.values(), *layout.annotations.values()]
    return list(dict.fromkeys([*named, *([layout.ids] if layout.ids else [])]))


def _by_value(mapping: Mapping[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for key, value in mapping.items():
        grouped[value].append(key)
    return dict(grouped)
