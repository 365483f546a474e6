"""The catalogue: map sets, what made them, what that was trained on, weights, published results.

Reading one record opens one file. Records are frozen and read once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from wsss_assets.benchmarks import list_benchmarks
from wsss_assets.catalog.bibliography import citation_keys
from wsss_assets.catalog.names import (
    find_name,
    is_full_name,
    map_set_names,
    read_file,
    resolve_name,
    stems,
    weights_names,
)
from wsss_assets.catalog.records import (
    Maker,
    MapSet,
    PublishedWeights,
    ResultTable,
    Supervision,
    TrainingSet,
    parse_record,
)
from wsss_assets.errors import UnknownNameError
from wsss_assets.words import did_you_mean, near

if TYPE_CHECKING:
    from wsss_assets.catalog.records import Kind
    from wsss_assets.catalog.records.base import AnyRecord

__all__ = [
    "AnySupervision",
    "find_map_set",
    "get_maker",
    "get_map_set",
    "get_result_table",
    "get_training_set",
    "get_weights",
    "keys_to_cite",
    "list_makers",
    "list_map_sets",
    "list_result_tables",
    "list_training_sets",
    "list_weights",
    "map_set_names",
    "weights_names",
]

AnySupervision: TypeAlias = Supervision | Literal["not_known"]


def list_map_sets(
    *,
    benchmark: str | None = None,
    kind: Kind | None = None,
    maker: str | None = None,
    trained_on: str | None = None,
    supervision: AnySupervision | None = None,
    regenerable: bool | None = None,
) -> tuple[MapSet, ...]:
    """The map sets of the catalogue that meet all conditions, by ascending id.

    Args:
        benchmark: only of this benchmark.
        kind: only `saliency` or only `activation`.
        maker: only made by this model or method.
        trained_on: only with this training set behind them.
        supervision: only with this as the strongest annotation behind them; `not_known`: those
            of which it is not known.
        regenerable: True: only those that can be made again from published weights; False: only
            those of which that is not known, or known not to be so.

    Raises:
        UnknownNameError: a benchmark, kind, maker, training set or supervision of no such name.
    """
    _check("benchmark", benchmark, list_benchmarks())
    _check("kind of maps", kind, ("activation", "saliency"))
    _check("maker", maker, list_makers())
    _check("training set", trained_on, list_training_sets())
    _check("supervision", supervision, ("none", "image_labels", "pixel_masks", "not_known"))
    asked = [
        name
        for name in map_set_names()
        if benchmark in {None, name.split("/")[0]} and kind in {None, name.split("/")[1]}
    ]
    return tuple(
        one
        for one in map(get_map_set, asked)
        if maker in {None, one.maker}
        and trained_on in {None, *(one.trained_on or ())}
        and supervision in {None, one.supervision or "not_known"}
        and regenerable
        in {None, one.regeneration is not None and one.regeneration.possible is True}
    )


def get_map_set(name: str) -> MapSet:
    """A map set.

    Args:
        name: its id, e.g. `voc2012/saliency/vst_duts`; or WSSS-BED's name of it, e.g.
            `VOC2012_VST_DUTS`; or, on VOC, the last part of the id. In any case of letters.

    Raises:
        UnknownNameError: there is none; the error says which there are instead.
    """
    return _map_set(resolve_name(name))


def find_map_set(name: str, *, benchmark: str, kind: Kind, saliency: str | None = None) -> MapSet:
    """A map set of a benchmark, by a short name.

    Args:
        name: the last part of its id, e.g. `vst_duts`, `cam`, `eps_move`; or its id; or WSSS-BED's
            name of it.
        benchmark: name of the benchmark.
        kind: `saliency` or `activation`.
        saliency: name of the saliency maps to be used with it: of a method that is trained with
            saliency maps (`eps`, `l2g`), the set that was trained with these is taken; other
            methods do not mind.

    Raises:
        UnknownNameError: there is none; the error says which there are instead.
        UsageError: it is of another benchmark or kind.
    """
    _check("benchmark", benchmark, list_benchmarks())
    return _map_set(find_name(name, benchmark=benchmark, kind=kind, saliency=saliency))


def list_makers() -> tuple[str, ...]:
    """Keys of all saliency models and activation methods, sorted."""
    return stems("manifests", "makers")


@cache
def get_maker(key: str) -> Maker:
    """A saliency model or activation method.

    Raises:
        UnknownNameError: there is none of that key.
    """
    _check("maker", key, list_makers())
    return _read(Maker, "makers", f"{key}.json")


def list_training_sets() -> tuple[str, ...]:
    """Keys of all data sets that saliency models were trained on, sorted."""
    return stems("manifests", "training_sets")


@cache
def get_training_set(key: str) -> TrainingSet:
    """A data set that saliency models were trained on.

    Raises:
        UnknownNameError: there is none of that key.
    """
    _check("training set", key, list_training_sets())
    return _read(TrainingSet, "training_sets", f"{key}.json")


def list_weights(model: str | None = None) -> tuple[PublishedWeights, ...]:
    """Published weights by ascending id; only those that a network loads, if one is named.

    Networks of which none were published have none: their names are not refused.
    """
    return tuple(one for one in map(get_weights, weights_names()) if model in {None, one.model})


@cache
def get_weights(name: str) -> PublishedWeights:
    """Published weights.

    Raises:
        UnknownNameError: there are none of that id.
    """
    _check("record of weights", name, weights_names())
    return _read(PublishedWeights, "weights", f"{name}.json")


def list_result_tables() -> tuple[str, ...]:
    """The benchmarks for which there is a table of published results, sorted."""
    return stems("manifests", "results")


@cache
def get_result_table(benchmark: str) -> ResultTable:
    """The published results on a benchmark.

    Raises:
        UnknownNameError: there are none for that benchmark.
    """
    _check("table of results", benchmark, list_result_tables())
    return _read(ResultTable, "results", f"{benchmark}.json")


def keys_to_cite(name: str) -> tuple[str, ...]:
    """Keys of the BibTeX entries to cite for something.

    Args:
        name: a map set, by id or WSSS-BED's name; a maker; a training set; or such a key.

    Raises:
        UnknownNameError: there is nothing of that name.
    """
    if name in citation_keys():
        return (name,)
    if name in list_makers():
        return get_maker(name).citations
    if name in list_training_sets():
        return get_training_set(name).citations
    known = {*citation_keys(), *list_makers(), *list_training_sets()}
    close = near(name.lower(), known)
    try:
        return get_map_set(name).citations
    except UnknownNameError as error:
        if close and not is_full_name(name):
            error.hint = did_you_mean(close)
        raise


@cache
def _map_set(set_id: str) -> MapSet:
    return _read(MapSet, "map_sets", f"{set_id}.json")


def _read(kind: type[AnyRecord], *path: str) -> AnyRecord:
    return parse_record(kind, read_file("manifests", *path), f"the catalogue's {'/'.join(path)}")


def _check(what: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is not None and name not in known:
        raise UnknownNameError(what, name, known)
