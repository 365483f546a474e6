"""Map sets as sources of maps, for rules and evaluations that read folders as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.map_sets.choose import choose_map_set
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.repository import chosen_repository
from wsss_assets.storage.shard_maps import ShardActivations, ShardSaliency

if TYPE_CHECKING:
    from wsss_assets.catalog.records import Kind
    from wsss_assets.map_sets.feedback import Feedback

__all__ = ["open_map_set"]


def open_map_set(
    name: str,
    kind: Kind,
    benchmark: str,
    split: str | None = None,
    *,
    saliency: str | None = None,
    feedback: Feedback = SILENT,
) -> ShardSaliency | ShardActivations:
    """A map set, fetched if need be, as a source of maps.

    It is one of the catalogue or, where `$WSSS_ASSETS_REPO` names another repository, of that.

    Args:
        name: short name, id or upstream name.
        kind: `saliency` or `activation`.
        benchmark: name of the benchmark.
        split: which split; None: the one that maps are usually made for.
        saliency: name of the saliency maps to go with it, for methods trained with some.
        feedback: who waits.

    Raises:
        WsssAssetsError: what choosing and obtaining a map set raise.
    """
    record = choose_map_set(
        name,
        benchmark=benchmark,
        kind=kind,
        saliency=saliency,
        repository=chosen_repository(None, None),
    )
    paths = obtain(record, split, feedback=feedback).paths
    return (ShardSaliency if kind == "saliency" else ShardActivations)(paths, record.id)
