"""Which maps a split should have, and which of them a source has by their names."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from wsss_assets.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wsss_assets.catalog.records import Kind
    from wsss_assets.storage.stored_maps import StoredMaps

__all__ = [
    "SortedOut",
    "map_stem",
    "sorted_out",
    "stored_classes",
    "wanted_activations",
    "wanted_saliency",
]

_MOST_DIGITS = 3


class SortedOut(NamedTuple):
    """Names of maps by what a label list says of them, in the order that they came in.

    Attributes:
        listed: of images of the list; of activation maps, of a class that it names.
        unlisted: of images of the list, and of a class that it does not name.
        others: of other images, or of the other kind of maps.
    """

    listed: list[str]
    unlisted: list[str]
    others: list[str]


def map_stem(image_id: str, class_id: int | None) -> str:
    """The name of a map's file without suffix; None: of a saliency map."""
    return image_id if class_id is None else f"{image_id}_{class_id}"


def wanted_saliency(source: StoredMaps, ids: Sequence[str]) -> dict[str, tuple[None]]:
    """One map for every image.

    Raises:
        DataError: an id is there twice, or the source has a map of none of them.
    """
    _refuse_twice(ids)
    stems = source.stems()
    if not any(image_id in stems for image_id in ids):
        mixed_up = any(_classes_by_name(stems, ids).values())
        raise _strangers(source, ids[0], "activation" if mixed_up else None)
    return dict.fromkeys(ids, (None,))


def wanted_activations(
    source: StoredMaps,
    ids: Sequence[str],
    classes: Mapping[str, Sequence[int]] | None,
    most_classes: int,
) -> dict[str, tuple[int, ...]]:
    """The classes of every image, ascending: those it should have and those that are there.

    Args:
        source: where the maps are.
        ids: the images.
        classes: what they should have; None: nothing is known.
        most_classes: how many classes the benchmark has.

    Raises:
        DataError: an id is there twice, the source has a map of none of them, or one of a class
            that the benchmark does not have.
    """
    _refuse_twice(ids)
    stems = source.stems()
    stored = stored_classes(stems, ids, most_classes, source)
    if not any(stored.values()):
        mixed_up = any(image_id in stems for image_id in ids)
        raise _strangers(source, map_stem(ids[0], 0), "saliency" if mixed_up else None)
    named = classes or {}
    return {
        image_id: tuple(sorted({*found, *named.get(image_id, ())}))
        for image_id, found in stored.items()
    }


def sorted_out(stems: Iterable[str], labels: Mapping[str, Sequence[int]], kind: Kind) -> SortedOut:
    """Tell the maps of a label list, by their names, from all others.

    Args:
        stems: names of maps without suffix.
        labels: 0-based classes by image id.
        kind: what maps are looked for.
    """
    found = SortedOut([], [], [])
    for stem in stems:
        image_id, class_id = (stem, None) if kind == "saliency" else _parts(stem)
        classes = labels.get(image_id)
        if classes is None or (kind == "activation" and class_id is None):
            found.others.append(stem)
        elif class_id is None or class_id in classes:
            found.listed.append(stem)
        else:
            found.unlisted.append(stem)
    return found


def stored_classes(
    stems: Collection[str], ids: Sequence[str], most_classes: int, where: object
) -> dict[str, list[int]]:
    """For every image the classes of which there are maps, by their names.

    A name counts as this package writes it: `x_7`, while `x_07` is the name of something else.

    Args:
        stems: names of maps without suffix.
        ids: the images.
        most_classes: how many classes the benchmark has.
        where: how messages call the place.

    Raises:
        DataError: there is a map of a class that the benchmark does not have.
    """
    stored = _classes_by_name(stems, ids)
    for image_id, found in stored.items():
        if found and max(found) >= most_classes:
            raise DataError(
                f"{map_stem(image_id, max(found))} in {where} is of no class of the benchmark",
                expected=f"classes 0..{most_classes - 1}",
                hint="do the names of these maps count the classes from 1, or are the maps of "
                "another benchmark?",
            )
    return stored


def _classes_by_name(stems: Collection[str], ids: Sequence[str]) -> dict[str, list[int]]:
    """For every image the classes that names of maps end in."""
    found: dict[str, list[int]] = {image_id: [] for image_id in ids}
    for stem in stems:
        image_id, class_id = _parts(stem)
        classes = found.get(image_id)
        if classes is not None and class_id is not None:
            classes.append(class_id)
    return found


def _parts(stem: str) -> tuple[str, int | None]:
    """Image and class that the name of an activation map stands for; None: it names no class."""
    image_id, _, number = stem.rpartition("_")
    return image_id, int(number) if _is_plain_number(number) else None


def _is_plain_number(text: str) -> bool:
    """Whether a text is a number as this package writes it, so that no two texts are the same."""
    short = len(text) <= _MOST_DIGITS
    return short and text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")


def _refuse_twice(ids: Sequence[str]) -> None:
    twice = [image_id for image_id, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(f"{twice[0]} is among the ids twice", expected="each image once")
    if not ids:
        raise DataError("there is no image id", expected="the images of a split")


def _strangers(source: StoredMaps, example: str, instead: str | None) -> DataError:
    """The error for a source without a single map of the images."""
    stems = source.stems()
    shown = ", ".join(islice(stems, 3))
    hint = "are they the maps of another benchmark or split?"
    if instead is not None:
        hint = f"by their names these are {instead} maps: the other kind of map set"
    return DataError(
        f"{source} has no map of any of these images",
        expected=f"names like {example}",
        found=f"{len(stems)} maps, e.g. {shown}",
        hint=hint,
    )
