"""Which images are to be scored, and which of them are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.errors import MissingFileError, UsageError
from wsss_assets.words import first_few

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from wsss_assets.storage.maps import ActivationFolder, LabelFolder, SaliencyFolder

    Folder: TypeAlias = ActivationFolder | LabelFolder | SaliencyFolder

__all__ = ["Lack", "check_all_there", "lack", "lack_of_classes", "unique_ids", "unpredicted"]


@dataclass(frozen=True)
class Lack:
    """What a folder has no file for.

    Attributes:
        what: what is lacking, e.g. `saliency map`.
        folder: where it should be.
        ids: images that lack it.
    """

    what: str
    folder: Folder
    ids: Sequence[str]


def unique_ids(ids: Iterable[str]) -> list[str]:
    """The ids of a list, in order.

    Raises:
        UsageError: it is one text, or names an image twice.
    """
    if isinstance(ids, str):
        raise UsageError("ids is one text", expected="several image ids", hint=f"ids=[{ids!r}]")
    listed = list(ids)
    repeated = len(listed) - len(set(listed))
    if repeated:
        raise UsageError(
            f"{repeated} image ids are listed twice",
            hint="an image may count only once: remove the repeated lines",
        )
    return listed


def unpredicted(
    wanted: Sequence[str], there: Container[str], passed_over: bool, done: str, instead: str
) -> tuple[str, ...]:
    """The images that nothing was predicted for.

    Args:
        wanted: all images.
        there: those with a prediction.
        passed_over: whether there may be any.
        done: what has been done where there may not.
        instead: what `--skip-missing` would do.

    Raises:
        MissingFileError: there are some and may not be.
    """
    missing = tuple(image_id for image_id in wanted if image_id not in there)
    if missing and not passed_over:
        raise MissingFileError(
            f"{len(missing)} of {len(wanted)} images have no prediction: {first_few(missing)}",
            done=done,
            hint=f"{instead} with --skip-missing (in Python: skip_missing=True)",
        )
    return missing


def lack(what: str, ids: Iterable[str], folder: LabelFolder | SaliencyFolder) -> Lack:
    """Which images have no file `<image id>.png` in a folder; nothing is opened.

    Args:
        what: what the files are.
        ids: all images.
        folder: the files.
    """
    return Lack(what, folder, [image_id for image_id in ids if image_id not in folder.files])


def lack_of_classes(
    what: str, labels: Mapping[str, Sequence[int]], folder: ActivationFolder
) -> Lack:
    """Which images lack the map of one of their classes; nothing is opened.

    What a dictionary holds is not known before it is read: an image that has one lacks nothing.

    Args:
        what: what the files are.
        labels: 0-based classes by image id.
        folder: the maps.
    """
    files = folder.files

    def is_whole(image_id: str, classes: Sequence[int]) -> bool:
        if image_id in files and files[image_id].suffix.lower() == ".npy":
            return True
        return all(f"{image_id}_{index}" in files for index in classes)

    ids = [image_id for image_id, classes in labels.items() if not is_whole(image_id, classes)]
    return Lack(f"{what} of every class", folder, ids)


def check_all_there(images: int, lacks: Iterable[Lack]) -> None:
    """Refuse images that lack something, before any of them is read.

    Args:
        images: how many there are.
        lacks: what they may lack; all of it is said in one error, with five names of each kind.

    Raises:
        MissingFileError: one lacks something.
    """
    found = [one for one in lacks if one.ids]
    if not found:
        return
    count = "1 image" if images == 1 else f"{images:,} images"
    files = found[0].folder.files
    whole_list = len(found[0].ids) == images
    raise MissingFileError(
        "; ".join(
            f"{len(one.ids):,} of {count} {'has' if len(one.ids) == 1 else 'have'} no {one.what} "
            f"in {one.folder.folder}: {first_few(one.ids)}"
            for one in found
        ),
        found=f"{len(files):,} files there, e.g. {next(iter(files.values())).name}"
        if whole_list
        else None,
        done="no score was given",
        hint="name the folder whose files are called after the images of the list"
        if whole_list
        else "score the images that lack nothing: a shorter list with --labels (in Python: labels)",
    )
