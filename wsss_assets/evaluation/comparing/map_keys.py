"""Which maps two sets have: by image and, of activation maps, class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wsss_assets.errors import ImageFormatError, MissingFileError, UsageError
from wsss_assets.evaluation.comparing.kinds import ACTIVATION_NAME
from wsss_assets.evaluation.comparing.pairing import common_images
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MapKey", "MapKind", "common_maps", "map_name"]

MapKind: TypeAlias = Literal["saliency", "activation"]
MapKey: TypeAlias = "tuple[str, int | None]"
"""An image and, of activation maps, a 0-based class."""

Labels: TypeAlias = "Mapping[str, Sequence[int]]"


def common_maps(
    sides: Sequence[Any],
    kind: MapKind,
    labels: Labels | None,
    ids: Iterable[str] | None,
    skip_missing: bool,
) -> tuple[dict[str, list[int | None]], tuple[tuple[str, ...], tuple[str, ...]]]:
    """The maps that both of two sets have, as far as they can say without being read.

    Args:
        sides: the two sets, sources of maps.
        kind: of maps.
        labels: which images and classes, in order; None: all that either set has, sorted.
        ids: some images of those; None: all. They are the list of saliency maps where there is
            no other.
        skip_missing: whether a set may lack some.

    Returns:
        Classes by image id, None for the saliency map; and the names of the maps that the first
        and the second set lack.

    Raises:
        MissingFileError: a set lacks some and may not.
        ImageFormatError: a file is not named as a map.
        UsageError: a set cannot say which maps it has, and there is no label list.
        DataError: they have nothing in common.
    """
    chosen = None if ids is None else dict.fromkeys(ids, ())
    if labels is None and kind == "saliency":
        labels = chosen
    listed = [_listed(side, kind, labels) for side in sides]
    wanted = (
        sorted({*listed[0], *listed[1]}, key=_by_name) if labels is None else _keys(labels, kind)
    )
    nowhere: tuple[str, ...] = ()
    if chosen is not None:
        known = {image_id for image_id, _ in wanted} if labels is None else labels
        nowhere = tuple(image_id for image_id in chosen if image_id not in known)
        wanted = [key for key in wanted if key[0] in chosen]
    if nowhere and not skip_missing:
        raise MissingFileError(
            f"{len(nowhere)} of {len(chosen or ())} images are "
            + ("in neither set" if labels is None else "not in the label list"),
            found=some_of(nowhere, most=3),
            done="nothing was compared",
            hint="pass over them with --skip-missing (in Python: skip_missing=True)",
        )
    names = {map_name(key): key for key in wanted}
    common, (first, second) = common_images(
        names, map(map_name, listed[0]), map(map_name, listed[1]), skip_missing
    )
    images: dict[str, list[int | None]] = {}
    for name in common:
        image_id, class_id = names[name]
        images.setdefault(image_id, []).append(class_id)
    return images, ((*first, *nowhere), (*second, *nowhere))


def map_name(key: MapKey) -> str:
    """`<image id>`, or `<image id>_<class>`."""
    return key[0] if key[1] is None else f"{key[0]}_{key[1]}"


def _listed(side: Any, kind: MapKind, labels: Labels | None) -> list[MapKey]:  # noqa: ANN401
    """The maps that a source has; of those wanted, where to look is to read them.

    What is missing then shows when it is read.
    """
    if isinstance(side, SaliencyFolder):
        return [(image_id, None) for image_id in side.files]
    if isinstance(side, ActivationFolder):
        return _in_folder(side, labels)
    if labels is not None:
        there = set(side.ids()) if hasattr(side, "ids") else labels
        return [key for key in _keys(labels, kind) if key[0] in there]
    if kind == "saliency" and hasattr(side, "ids"):
        return [(image_id, None) for image_id in side.ids()]
    if kind == "activation" and hasattr(side, "ids") and hasattr(side, "classes"):
        return [(image_id, one) for image_id in side.ids() for one in side.classes(image_id)]
    raise UsageError(
        f"{side} cannot say which maps it has", hint="say which images with --labels FILE"
    )


def _in_folder(side: ActivationFolder, labels: Labels | None) -> list[MapKey]:
    keys: list[MapKey] = []
    for stem, path in side.files.items():
        match = ACTIVATION_NAME.fullmatch(stem)
        if path.suffix.lower() == ".npy":
            if labels is None:
                raise UsageError(
                    f"{side.folder} holds dictionaries, which are read by class",
                    hint="say which classes each image has with --labels FILE",
                )
            keys += [(stem, index) for index in labels.get(stem, ())]
        elif match is not None:
            keys.append((match[1], int(match[2])))
        elif labels is None:
            raise ImageFormatError(
                f"{path} is not named as an activation map",
                expected="<image id>_<0-based class>.png",
                hint="if these are saliency maps or label maps, say so with --kind",
            )
    return keys


def _keys(labels: Labels, kind: MapKind) -> list[MapKey]:
    if kind == "saliency":
        return [(image_id, None) for image_id in labels]
    return [(image_id, index) for image_id, found in labels.items() for index in sorted(found)]


def _by_name(key: MapKey) -> tuple[str, int]:
    return key[0], -1 if key[1] is None else key[1]
