"""Maps that are to be verified: a published set, or a folder, and what is recorded of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets.benchmarks import get_benchmark, list_benchmarks
from wsss_assets.catalog.names import is_place, weights_names
from wsss_assets.catalog.records import MadeMaps
from wsss_assets.errors import RecordError, UnknownNameError, UsageError
from wsss_assets.map_sets.choose import choose_by_id
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.repository import chosen_repository
from wsss_assets.regenerate.amn_work import FALLBACKS
from wsss_assets.regenerate.made_files import FilesFound, find_files
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.storage.shard_maps import ShardActivations, ShardSaliency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.devkit.image_labels import Classes
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.storage.maps import ActivationSource, SaliencySource

__all__ = ["Given", "open_given"]

_USUAL = "voc2012"
"""The benchmark that is meant where none is named."""


def _unseen(_image_id: str) -> None:
    return None


@dataclass(frozen=True)
class Given:
    """Maps that may or may not be what their weights make.

    Attributes:
        maps: the maps; of `kind`.
        ids: the images that have one, in order.
        model: the network that is recorded to have made them; None: none is.
        weights: name of the published weights that are recorded with it; None: none are, or the
            record beside the maps names files by their digests.
        benchmark: whose images these are; None: not recorded.
        split: which of them.
        kind: what maps they are.
        classes: image id → the classes of which it has a map; None where that cannot be seen.
        options: of activation maps, those of the method that are recorded, by the names that
            `ActivationOptions` has for them.
        made: the record that lies beside them; None: there is none.
        own_frame: whether they have the size at which the authors' script writes them, and not
            that of their photos; None: not recorded.
        num_classes: how many classes the network of activation maps knows; None: not recorded.
    """

    maps: SaliencySource | ActivationSource
    ids: tuple[str, ...]
    model: str | None = None
    weights: str | None = None
    benchmark: str | None = None
    split: str | None = None
    kind: Kind = "saliency"
    classes: Callable[[str], Classes | None] = _unseen
    options: Mapping[str, Any] = field(default_factory=dict)
    made: MadeMaps | None = None
    own_frame: bool | None = None
    num_classes: int | None = None

    def files(self, feedback: Feedback = SILENT) -> FilesFound | None:
        """All files of the folder, held to its record; None: there is no record.

        Args:
            feedback: who waits.
        """
        if self.made is None or not isinstance(self.maps, SaliencyFolder | ActivationFolder):
            return None
        return find_files(self.made.maps, self.maps.files, feedback)

    def of_benchmark(self, name: str | None = None) -> Benchmark:
        """Whose classes these are, as far as that can be known.

        Args:
            name: of the benchmark that a person named; None: the recorded one, or else one that
                has as many classes as are recorded.

        Raises:
            UnknownNameError: there is no such benchmark.
            UsageError: it has another number of classes, or none has so many.
        """
        named = name or self.benchmark
        names = (named,) if named else dict.fromkeys((_USUAL, *list_benchmarks()))
        known = [get_benchmark(one) for one in names]
        for one in known:
            if self.num_classes in {None, len(one.classes)}:
                return one
        raise UsageError(
            f"these are maps of a network that knows {self.num_classes} classes",
            expected="a benchmark of so many",
            found=", ".join(f"{one.name} of {len(one.classes)}" for one in known),
            hint="name another with --benchmark" if name is not None else None,
        )


def open_given(
    name: str, split: str | None = None, feedback: Feedback = SILENT, *, kind: Kind | None = None
) -> Given:
    """A published map set by its id, fetched if need be, or a folder of maps.

    Args:
        name: id or upstream name of a map set, or a path.
        split: which split of a map set; None: the one that maps are usually made for.
        feedback: who waits.
        kind: which maps they must be; None: either, and saliency maps in a folder that does not
            say.

    Raises:
        UnknownNameError: there is no such map set.
        UsageError: it is one of other maps.
        MissingFileError: there is no such folder, or no map in it.
        WsssAssetsError: what obtaining a map set raises.
    """
    if Path(name).is_dir() or is_place(name):
        return _open_folder(Path(name), kind)
    try:
        record = choose_by_id(name, chosen_repository(None, None))
    except UnknownNameError as error:
        raise UnknownNameError.saying(
            f"{error.summary}, and there is no folder {name}",
            expected=error.expected,
            hint=error.hint,
        ) from error
    _refuse_others(record.id, record.kind, kind)
    held = obtain(record, split, feedback=feedback)
    maps: ShardSaliency | ShardActivations
    classes: Callable[[str], Classes | None] = _unseen
    if record.kind == "saliency":
        maps = saliency = ShardSaliency(held.paths, record.id)
        ids = tuple(one for one in saliency.ids() if saliency.version(one))
    else:
        maps = activations = ShardActivations(held.paths, record.id)
        classes = activations.classes
        ids = tuple(one for one in activations.ids() if classes(one))
    model = weights = None
    if record.regeneration is not None:
        model, weights = record.regeneration.model, record.regeneration.weights
    published = weights if weights in weights_names() else None
    return Given(
        maps,
        ids,
        model,
        published,
        record.benchmark,
        held.holding.split,
        record.kind,
        classes,
        own_frame=False,
    )


def _refuse_others(name: str, found: Kind, kind: Kind | None) -> None:
    if kind not in (None, found):
        raise UsageError(f"{name} holds {found} maps", expected=f"a set of {kind} maps")


def _open_folder(folder: Path, kind: Kind | None) -> Given:
    record = _record(folder)
    if record is not None:
        _refuse_others(str(folder), record.kind, kind)
        kind = record.kind
    kind = kind or "saliency"
    classes: Callable[[str], Classes | None] = _unseen
    maps = SaliencyFolder(folder) if kind == "saliency" else ActivationFolder(folder)
    # What the record names and is not there any more is no reproduction.
    ids = names = tuple(maps.files) if record is None else tuple(record.maps)
    if kind == "activation":
        seen = _classes_in(names, maps.files)
        ids, classes = tuple(seen), seen.get
    if record is None:
        return Given(maps, ids, kind=kind, classes=classes)
    work = record.settings.get("work")
    settings = work if isinstance(work, dict) else {}
    fallback = FALLBACKS.get(record.model)
    return Given(
        maps,
        ids,
        record.model if fallback is None else "amn",
        None,
        record.benchmark,
        record.split,
        kind,
        classes,
        {
            "without_seeds": fallback,
            "official_dropout": settings.get("official_dropout"),
            "partner_seed": settings.get("partner_seed"),
        },
        record,
        settings["frame"] == "own" if "frame" in settings else None,
        _num_classes(settings),
    )


def _record(folder: Path) -> MadeMaps | None:
    """The record beside maps; None: there is none."""
    try:
        return MadeMaps.beside(folder)
    except RecordError as error:
        error.hint = (
            "the same 'wsss-assets regenerate' again writes it anew; or remove it, and name what "
            "made the maps with --model"
        )
        raise


def _num_classes(work: Mapping[str, Any]) -> int | None:
    """How many classes are recorded, of a method or of the classifier of attribution maps."""
    classifier = work.get("classifier")
    found = (classifier if isinstance(classifier, dict) else work).get("classes")
    return found if isinstance(found, int) else None


def _classes_in(names: Iterable[str], files: Mapping[str, Path]) -> dict[str, Classes | None]:
    """Classes by image id, as the names of maps have them; None of a dictionary.

    Args:
        names: of maps, without suffix.
        files: those that are there, by name.
    """
    found: dict[str, list[int]] = {}
    dictionaries: dict[str, Classes | None] = {}
    for stem in names:
        image_id, _, index = stem.rpartition("_")
        if stem in files and files[stem].suffix.lower() == ".npy":
            dictionaries[stem] = None
        elif image_id and index.isdecimal():
            found.setdefault(image_id, []).append(int(index))
    return {**dictionaries, **{one: tuple(sorted(each)) for one, each in found.items()}}
