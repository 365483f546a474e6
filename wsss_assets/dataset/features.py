"""The columns of a data set, and those that are not maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import MissingDependencyError, MissingFileError
from wsss_assets.storage.files import list_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import datasets

    from wsss_assets.benchmarks import Benchmark

__all__ = ["features_of", "library", "picture_columns"]

_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


def library() -> Any:  # noqa: ANN401 (a module)
    """The package `datasets`.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError("datasets", "hub", "load_dataset") from error
    return datasets


def features_of(columns: Iterable[str]) -> datasets.Features:
    """The types of columns by their names."""
    lib = library()
    index = lib.Value("uint8")
    known = {
        "image_id": lib.Value("string"),
        "labels": lib.List(index),
        "image": lib.Image(),
        "segmentation": lib.Image(),
        "saliency": lib.Image(),
        "activation": lib.List({"class_id": index, "map": lib.Image()}),
    }
    return lib.Features({name: known[name] for name in columns})


def picture_columns(
    images: Path, benchmark: Benchmark, split: str, ids: Sequence[str]
) -> dict[str, list[str | None]]:
    """Paths of photos and, where there are some, of masks, by column.

    Args:
        images: a devkit, or its folder of photos.
        benchmark: whose devkit.
        split: which split; one that the benchmark does not know may lie in any of its folders.
        ids: image ids.

    Raises:
        MissingFileError: no photos there, or not of all images.
    """
    layout = benchmark.layout
    photos = _first_folder([images / part for part in _parts(layout.photos, split)]) or images
    root = images if photos != images else _devkit_of(images, _parts(layout.photos, split))
    found = list_files(photos, _PHOTO_SUFFIXES)
    missing = [image_id for image_id in ids if image_id not in found]
    if missing:
        raise MissingFileError(
            f"{photos} lacks {len(missing):,} of {len(ids):,} photos, e.g. {missing[0]}",
            expected=f"{benchmark.title}'s devkit, or its folder of photos",
            found=f"{len(found):,} photos, e.g. {next(iter(found.values())).name}",
        )
    columns: dict[str, list[str | None]] = {"image": [str(found[one].resolve()) for one in ids]}
    masks = _first_folder([root / part for part in _parts(layout.masks, split)])
    if masks is not None:
        stored = list_files(masks, (".png",))
        columns["segmentation"] = [
            str(stored[one].resolve()) if one in stored else None for one in ids
        ]
    return columns


def _parts(folders: Mapping[str, str], split: str) -> list[str]:
    return [folders[split]] if split in folders else sorted(set(folders.values()))


def _first_folder(candidates: Sequence[Path]) -> Path | None:
    return next((one for one in candidates if one.is_dir()), None)


def _devkit_of(photos: Path, parts: Sequence[str]) -> Path:
    """The devkit whose folder of photos is given."""
    for part in parts:
        depth = len(Path(part).parts)
        if photos.resolve().parts[-depth:] == Path(part).parts:
            return photos.resolve().parents[depth - 1]
    return photos
