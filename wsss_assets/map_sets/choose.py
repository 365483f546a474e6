"""Which map set a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import find_map_set, get_map_set
from wsss_assets.errors import UnknownNameError

if TYPE_CHECKING:
    from wsss_assets.catalog.records import Kind, MapSet
    from wsss_assets.map_sets.repository import LocalCopy, Repository

__all__ = ["choose_by_id", "choose_map_set"]


def choose_map_set(
    name: str,
    *,
    benchmark: str,
    kind: Kind,
    saliency: str | None = None,
    repository: Repository | LocalCopy | None = None,
) -> MapSet:
    """A map set by its short name, id or upstream name.

    Args:
        name: e.g. `vst_duts`, `cam`, `eps`, `voc2012/activation/cam`, `VOC2012_CAM`.
        benchmark: name of the benchmark.
        kind: which kind of maps.
        saliency: name of the saliency set to go with it, for methods trained with one.
        repository: where to look; None: in the catalogue.

    Raises:
        UnknownNameError: there is none; the error lists what there is.
        UsageError: it is of another benchmark or kind.
    """
    if repository is None:
        return find_map_set(name, benchmark=benchmark, kind=kind, saliency=saliency)
    known = {
        record.name: record
        for record in repository.records()
        if (record.benchmark, record.kind) == (benchmark, kind)
    }
    aliases = {
        alias: record
        for record in known.values()
        for alias in (record.id, (record.upstream or record.id).lower())
    }
    wanted = name.strip().lower()
    for one in (wanted, f"{wanted}_{_last_part(saliency or '', benchmark, repository)}"):
        if one in known or one in aliases:
            return known.get(one) or aliases[one]
    raise UnknownNameError(f"{kind} set of {benchmark} in {repository.repo_id}", name, known)


def _last_part(saliency: str, benchmark: str, repository: Repository | LocalCopy) -> str:
    """The last part of the id of a saliency set, from its short name, id or upstream name."""
    wanted = saliency.strip().lower()
    for record in repository.records():
        of_it = record.benchmark == benchmark and record.kind == "saliency"
        if of_it and (record.upstream or "").lower() == wanted:
            return record.name
    return wanted.rpartition("/")[2]


def choose_by_id(name: str, repository: Repository | LocalCopy | None = None) -> MapSet:
    """A map set by its id or upstream name.

    Raises:
        UnknownNameError: there is none; the error lists what there is.
    """
    if repository is None:
        return get_map_set(name)
    known = {record.id: record for record in repository.records()}
    named = {record.upstream.lower(): record for record in known.values() if record.upstream}
    found = known.get(name.strip().lower()) or named.get(name.strip().lower())
    if found is None:
        raise UnknownNameError(f"map set in {repository.repo_id}", name, known)
    return found
