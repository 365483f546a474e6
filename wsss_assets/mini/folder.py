"""The mini benchmark as a folder: a devkit and map sets that look like real ones from outside."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wsss_assets.benchmarks.mini import BENCHMARK
from wsss_assets.devkit.annotations import label_classes
from wsss_assets.devkit.image_labels import format_label_list
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.mini.maps import (
    ACTIVATION_METHODS,
    SALIENCY_MODELS,
    draw_activation,
    draw_saliency,
)
from wsss_assets.mini.scenes import draw_scene, image_name
from wsss_assets.parallel import map_with_progress
from wsss_assets.storage.files import write_atomically
from wsss_assets.storage.images import write_map, write_photo
from wsss_assets.storage.label_maps import write_label
from wsss_assets.storage.stamps import claim_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wsss_assets.parallel import Progress

__all__ = ["DRAWING", "NOTICE", "Drawn", "write_mini"]

NOTICE = "SYNTHETIC.txt"

# Raised when the same seed would draw other pixels than before: old and new must not mix.
DRAWING = 1

Drawn: TypeAlias = tuple[str, tuple[int, ...]]


def write_mini(
    root: Path,
    images: int,
    seed: int = 0,
    *,
    saliency: Sequence[str] = tuple(SALIENCY_MODELS),
    methods: Sequence[str] = tuple(ACTIVATION_METHODS),
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Drawn]:
    """Draw the first `images` scenes and their maps below `root`.

    Files that are there are kept, so a run that was stopped goes on, and later runs can add
    images or map sets. The lists of ids name the images of this run.

    ```
    SYNTHETIC.txt                          what this is, and the seed
    JPEGImages/<id>.jpg                    photos
    SegmentationClass/<id>.png             ground truth with VOC's palette
    ImageSets/Segmentation/train.txt       ids
    ImageSets/Segmentation/train_cls.txt   `id c c …`, 0-based classes
    saliency/<set>/<id>.png                saliency maps
    activation/<method>/<id>_<class>.png   activation maps, 0-based class
    ```

    Args:
        root: a folder that does not exist, is empty, or was made with the same seed.
        images: how many, at least 1.
        seed: 0 or more.
        saliency: simulated saliency models to draw maps of.
        methods: simulated activation methods to draw maps of.
        workers: threads; None for one per core. They do not change a byte.
        progress: wraps the images as they get done, given their number.

    Returns:
        (image id, 0-based classes) of every image, in order.

    Raises:
        UsageError: no images, or a negative seed.
        UnknownNameError: no simulated model or method has that name.
        FolderInUseError: `root` holds something else.
    """
    if images < 1 or seed < 0:
        raise UsageError(
            "nothing to draw",
            expected="at least one image and a seed of 0 or more",
            found=f"{images} images, seed {seed}",
        )
    _check_names("simulated saliency model", saliency, SALIENCY_MODELS)
    _check_names("simulated activation method", methods, ACTIVATION_METHODS)
    _claim(root, seed)
    draw = partial(_draw, root, seed, tuple(saliency), tuple(methods))
    done = list(map_with_progress(draw, range(images), workers, progress))
    lists = root / "ImageSets" / "Segmentation"
    write_atomically(lists / "train.txt", "".join(f"{image_id}\n" for image_id, _ in done))
    write_atomically(
        lists / "train_cls.txt",
        format_label_list(dict(done)),
    )
    return done


def _check_names(kind: str, names: Sequence[str], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _claim(root: Path, seed: int) -> None:
    """Stamp a new folder and say in words what is in it."""
    claim_folder(root, {"made_by": "wsss-assets mini", "seed": seed, "drawing": DRAWING})
    write_atomically(
        root / NOTICE,
        "Everything below this folder is drawn by a program, wsss-assets' mini benchmark: no "
        "camera, no trained model, no real method. Scores on it say nothing about any of them.\n"
        f"Drawn with seed {seed} by drawing program {DRAWING}.\n",
    )


def _draw(
    root: Path, seed: int, saliency: tuple[str, ...], methods: tuple[str, ...], index: int
) -> Drawn:
    """Write what is missing of one image."""
    image_id = image_name(index)
    photo = root / "JPEGImages" / f"{image_id}.jpg"
    label = root / "SegmentationClass" / f"{image_id}.png"
    classes = label_classes(label, BENCHMARK) if label.is_file() and photo.is_file() else None
    if classes is not None and all(
        path.is_file() for path in _map_paths(root, image_id, classes, saliency, methods)
    ):
        return image_id, classes
    scene = draw_scene(index, seed)
    for name in saliency:
        path = root / "saliency" / name / f"{image_id}.png"
        if not path.is_file():
            write_map(path, draw_saliency(scene, name))
    for method in methods:
        for class_index in scene.classes:
            path = root / "activation" / method / f"{image_id}_{class_index}.png"
            if not path.is_file():
                write_map(path, draw_activation(scene, class_index, method))
    if classes is None:
        write_photo(photo, scene.photo)
        write_label(label, scene.label, colours=len(BENCHMARK.label_names))
    return image_id, scene.classes


def _map_paths(
    root: Path,
    image_id: str,
    classes: tuple[int, ...],
    saliency: tuple[str, ...],
    methods: tuple[str, ...],
) -> Iterable[Path]:
    for name in saliency:
        yield root / "saliency" / name / f"{image_id}.png"
    for method in methods:
        for class_index in classes:
            yield root / "activation" / method / f"{image_id}_{class_index}.png"
