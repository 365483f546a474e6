"""What a benchmark's folder holds, what it lacks, and what will go wrong with it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from wsss_assets.devkit.image_labels import (
    find_ids_file,
    label_classes,
    labels_from_instances,
    read_ids,
    read_label_list,
)
from wsss_assets.errors import DataError, MissingFileError
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import check_label_header, image_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark, Split
    from wsss_assets.devkit.image_labels import Classes
    from wsss_assets.parallel import Progress

__all__ = ["Checkup", "Finding", "Level", "MaskFacts", "examine"]

Level: TypeAlias = Literal["ok", "warning", "problem"]
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `warning`, something works less well or not at all but nothing is wrong;
            `problem`, numbers made with this folder would be wrong or cannot be made.
        what: the finding.
        todo: what to do about it; empty where nothing is to be done.
    """

    level: Level
    what: str
    todo: str = ""


@dataclass(frozen=True)
class Checkup:
    """All findings about a folder, in the order in which they were made."""

    benchmark: str
    root: str
    quick: bool
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        return asdict(self) | {
            "problems": self.count("problem"),
            "warnings": self.count("warning"),
        }


@dataclass(frozen=True)
class MaskFacts:
    """What was seen of one mask.

    Attributes:
        image_id: which image's mask.
        error: why it cannot be used, without its path; empty where it can.
        classes: 0-based classes in it; None if not looked at.
        fits_photo: False if its photo is of another size.
    """

    image_id: str
    error: str = ""
    classes: Classes | None = None
    fits_photo: bool = True


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
                    f"{len(shared)} images are in {name} and in val: {_some(shared)}",
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
                    f"in {folder}: {_some(lacking)}",
                    self.advice(folder) or f"add them, or take the ids out of {name}",
                )
            else:
                self.note("ok", f"{folder}: all {len(self.ids[name])} {kind}s of {name}")

    def look_into_masks(self, folder: str, files: Mapping[str, Path]) -> None:
        def look(item: tuple[str, Path]) -> MaskFacts:
            return _look_at_mask(*item, self.photos.get(item[0]), self.benchmark, self.quick)

        facts = list(map_with_progress(look, files.items(), self.workers, self.progress))
        self.mask_classes[folder] = {
            one.image_id: one.classes for one in facts if one.classes is not None
        }
        before = len(self.findings)
        self.report_masks(folder, facts)
        if len(self.findings) == before:
            depth = "readable by their headers" if self.quick else "readable, values as they should"
            self.note("ok", f"{folder}: {len(files)} masks {depth}, sizes as of the photos")

    def report_masks(self, folder: str, facts: Sequence[MaskFacts]) -> None:
        broken: dict[str, list[str]] = defaultdict(list)
        for one in facts:
            if one.error:
                broken[one.error].append(one.image_id)
        for error, ids in broken.items():
            self.note(
                "problem",
                f"{folder}: {len(ids)} of {len(facts)} masks cannot be used: {_some(ids)}: {error}",
                self.todo_for_broken(error),
            )
        unfit = [one.image_id for one in facts if not one.fits_photo]
        if unfit:
            self.note(
                "problem",
                f"{folder}: {len(unfit)} masks are not of their photo's size: {_some(unfit)}",
                "take masks and photos from one source; resized masks score wrongly",
            )
        empty = [one.image_id for one in facts if one.classes == ()]
        if empty:
            self.note(
                "warning",
                f"{folder}: {len(empty)} masks show no class: {_some(empty)}",
                "fine if those images show none",
            )

    def todo_for_broken(self, error: str) -> str:
        if "no class indices" in error:
            return "masks in colours must be written again with class indices (mode P or L)"
        if "no class" not in error:
            return "get the masks again"
        if self.layout.ids is None:
            return (
                "values up to 90 are raw category ids: make the masks with "
                "'wsss-assets ground-truth'"
            )
        return f"label maps hold 0..{len(self.benchmark.classes)} and 255; get the masks again"

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
                f"{name} and the id list of {split.name} differ in {len(odd)} images: {_some(odd)}",
                "make one of them from the other",
            )
        seen = self.mask_classes.get(self.layout.masks[split.name], {})
        both = [image_id for image_id in labels if image_id in seen]
        apart = [image_id for image_id in both if labels[image_id] != seen[image_id]]
        if apart:
            self.note(
                "warning",
                f"{name} and the masks name different classes in {len(apart)} of {len(both)} "
                f"images: {_some(apart)}",
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


def _look_at_mask(
    image_id: str, path: Path, photo: Path | None, benchmark: Benchmark, quick: bool
) -> MaskFacts:
    try:
        fits = photo is None or image_size(photo) == image_size(path)
        if quick:
            check_label_header(path)
            return MaskFacts(image_id, fits_photo=fits)
        return MaskFacts(image_id, classes=label_classes(path, benchmark), fits_photo=fits)
    except DataError as error:
        text = error.summary.replace(str(path), "").strip()
        return MaskFacts(image_id, error=f"{text} ({error.found})" if error.found else text)


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


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
