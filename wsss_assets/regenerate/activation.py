"""What is asked of an activation method besides photos and weights, and whether it makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsss_assets.devkit.image_labels import write_label_list
from wsss_assets.errors import MissingFileError, UsageError
from wsss_assets.models.activation import photos_alone
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.regenerate.amn_work import SEEDS, AmnWork
from wsss_assets.regenerate.attribution_work import Attributed, AttributionWork
from wsss_assets.regenerate.mcis_work import McisWork, draw_partners
from wsss_assets.regenerate.photos import find_photos
from wsss_assets.regenerate.predicting import ScoresWork, predicted_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.ranks import Ranks
    from wsss_assets.regenerate.activation_work import Dictionaries
    from wsss_assets.regenerate.amn_work import Fallback
    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.run import Summary
    from wsss_assets.regenerate.work import Work

__all__ = [
    "LABELS_NAME",
    "ActivationOptions",
    "Predicted",
    "activation_maps",
    "activation_work",
    "check_options",
]

LABELS_NAME = "wsss-assets.labels.txt"
"""The list of predicted labels, beside the maps."""

_AMN, _MCIS = "amn", "mcis"

_WRITE_IRN = ("irn_cam", _AMN)
"""Methods whose authors' code writes dictionaries with keys, and maps of two sizes."""


@dataclass(frozen=True)
class Predicted:
    """The classes of an image are those that the network itself says it shows.

    Attributes:
        threshold: the sigmoid of a class's score must be above it. An image without such a
            class has none; the best one is not taken in its place.
    """

    threshold: float = 0.5


@dataclass(frozen=True, kw_only=True)
class ActivationOptions:
    """How activation maps are to be made.

    Attributes:
        labels: which classes images show.
        num_classes: how many there are, without background.
        dictionaries: write `<image id>.npy` instead of `<image id>_<class>.png`: `classes` is
            `{class: float32 (H, W)}`; `irn`, of IRN-CAM and AMN, what their authors' code writes,
            `{keys, cam, high_res}`, AMN's background first. None: PNGs.
        seeds: of AMN: folder of `<image id>.png`.
        without_seeds: of AMN: what to make without them, under another name; None: nothing.
        official_dropout: of AMN: leave dropout on, as its authors' code does by mistake, with
            this seed; None: off.
        partner_seed: of MCIS: by which the images are drawn that an image is compared with;
            None: 0.
    """

    labels: ImageLabels | Predicted
    num_classes: int = 20
    dictionaries: Dictionaries | None = None
    seeds: Path | None = None
    without_seeds: Fallback | None = None
    official_dropout: int | None = None
    partner_seed: int | None = None


def check_options(
    method: ActivationMethod,
    options: ActivationOptions | None,
    *,
    precision: Precision = "fp32",
    compiled: bool = False,
    own_frame: bool = False,
) -> ActivationOptions:
    """The options, if they make sense for a method.

    Args:
        method: whose maps are wanted.
        options: what was asked for.
        precision: how exactly the network is to run.
        compiled: torch is to compile the network.
        own_frame: maps are to stay at another size than the photo's.

    Raises:
        UsageError: there are no labels, an option is of another method, or two exclude each other.
        MissingFileError: there is no such folder of seeds.
    """
    if options is None:
        raise UsageError(
            f"maps of {method.name} need the classes of each image",
            expected="a label list, a split that has one, or labels predicted by the network",
            hint="--labels FILE, --split NAME or --labels predicted",
        )
    if own_frame:
        raise UsageError(f"maps of {method.name} are always of the photo's size")
    method.check_classes(options.num_classes)
    if isinstance(method, Attributed):
        method.check(precision, compiled=compiled)
    of_amn = {
        "seeds": options.seeds,
        "fallback without seeds": options.without_seeds,
        "official dropout": options.official_dropout,
    }
    if method.name == _AMN:
        _check_amn(options, compiled=compiled)
    else:
        _refuse(method, _AMN, of_amn)
    if options.dictionaries == "irn" and method.name not in _WRITE_IRN:
        raise UsageError(
            f"the authors of {method.name} write no files as IRN does",
            expected=f"one of {', '.join(_WRITE_IRN)}",
            hint="--npy classes writes dictionaries of maps by class",
        )
    if method.name != _MCIS:
        _refuse(method, _MCIS, {"partner seed": options.partner_seed})
    elif compiled:
        raise UsageError(
            "the network of MCIS is run in parts, which compiling it would not change",
            hint="leave that out",
        )
    if isinstance(options.labels, Predicted):
        _check_prediction(method, options.labels)
    return options


def activation_maps(
    method: ActivationMethod,
    options: ActivationOptions,
    images: Path,
    ids: Sequence[str] | None,
    out: Path,
    make: Callable[[Work, Sequence[str], Path], Summary],
    ranks: Ranks,
    feedback: Feedback,
) -> Summary:
    """Make the maps of a method, and before that the labels, if those are to be predicted.

    Predicted labels are left in the folder of the maps as `wsss-assets.labels.txt`; the scores
    that they come from stay in `<out>.scores`, so that another threshold needs no second run.

    Args:
        method: the method.
        options: as `check_options` has let them pass.
        images: folder of photos.
        ids: which images; None: all of the label list, or of the folder.
        out: folder of the maps.
        make: runs a work on images into a folder.
        ranks: which process this is.
        feedback: who waits.

    Raises:
        WsssAssetsError: whatever a run raises.
    """
    if method.unknown is not None:
        feedback.say(method.unknown)
    if not isinstance(options.labels, Predicted):
        work = activation_work(method, options, images, labels=options.labels)
        return make(work, tuple(options.labels) if ids is None else ids, out)
    if ids is None:
        ids = [photo.image_id for photo in find_photos(images, None, feedback)]
    scores = out.with_name(f"{out.name}.scores")
    summary = make(ScoresWork(method=method, num_classes=options.num_classes), ids, scores)
    threshold, failed = options.labels.threshold, summary.failed
    labels, failed = ranks.first(
        lambda: (predicted_labels(scores, ids, failed, threshold, method.name), failed)
    )
    work = activation_work(method, options, images, labels=labels, unlabelled=failed)
    summary = make(work, ids, out)
    if ranks.is_first:
        _add_labels(out / LABELS_NAME, labels)
    return summary


def _add_labels(path: Path, labels: ImageLabels) -> None:
    """Write predicted labels beside the maps; those of other images, of earlier runs, stay."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    words = (line.split() for line in lines)
    before = {image_id: tuple(map(int, classes)) for image_id, *classes in words}
    write_label_list(path, {**before, **labels})


def activation_work(
    method: ActivationMethod,
    options: ActivationOptions,
    images: Path,
    *,
    labels: ImageLabels,
    unlabelled: Mapping[str, str] | None = None,
) -> ActivationWork:
    """What is to be made, by a method with these options.

    Args:
        method: whose maps.
        options: as `check_options` has let them pass.
        images: folder of photos.
        labels: which classes images show, be they given or predicted.
        unlabelled: why the classes of an image are not known, by image id.

    Raises:
        MissingFileError: MCIS finds none of the photos that it compares with.
    """
    labelled_by: dict[str, Any] = {"labels": "given"}
    if isinstance(options.labels, Predicted):
        labelled_by = {"labels": "predicted", "label_threshold": options.labels.threshold}
    common: dict[str, Any] = {
        "method": method,
        "num_classes": options.num_classes,
        "labels": labels,
        "labelled_by": labelled_by,
        "unlabelled": unlabelled or {},
        "dictionaries": options.dictionaries,
    }
    if isinstance(method, Attributed):
        return AttributionWork(**common)
    if method.name == _AMN:
        return AmnWork(
            **common,
            seeds=options.seeds,
            without=options.without_seeds or "plain",
            dropout=options.official_dropout,
        )
    if method.name == _MCIS:
        return McisWork(**common, partners=draw_partners(labels, images, options.partner_seed or 0))
    return ActivationWork(**common)


def _refuse(method: ActivationMethod, other: str, given: Mapping[str, object]) -> None:
    found = [name for name, value in given.items() if value is not None]
    if found:
        raise UsageError(
            f"{method.name} takes no {' and no '.join(found)}", hint=f"that is an option of {other}"
        )


def _check_prediction(method: ActivationMethod, labels: Predicted) -> None:
    if not 0 <= labels.threshold < 1:
        raise UsageError(
            f"a threshold of {labels.threshold:g} makes no sense for labels",
            expected="0 or more, and below 1",
        )
    if method.protocol is None or method.read_out is not photos_alone:
        raise UsageError(
            f"{method.name} cannot say which classes a photo shows",
            expected="a classifier of this package that is shown photos alone",
            hint="give a label list; another method can predict one with --labels predicted",
        )


def _check_amn(options: ActivationOptions, *, compiled: bool) -> None:
    if compiled and options.official_dropout is not None:
        raise UsageError("a compiled network cannot have the official dropout")
    if options.seeds is not None and options.without_seeds is not None:
        raise UsageError("seeds, or none: not both", hint="leave out one of the two")
    if options.seeds is None and options.without_seeds is None:
        raise UsageError(
            "maps of AMN need seeds",
            expected="--seeds DIR",
            done="nothing was made",
            hint=f"{SEEDS}; --without-seeds plain or stretched makes maps without them, which "
            "are not AMN's and are recorded under another name",
        )
    if options.seeds is not None and not options.seeds.is_dir():
        raise MissingFileError(f"no folder {options.seeds} of seeds", hint=SEEDS)
