"""Map sets as sources of maps, for rules and evaluations that read folders as well."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wsss_assets.errors import ChecksumError, UsageError
from wsss_assets.map_sets.choose import choose_map_set
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.obtain import choose_split, obtain
from wsss_assets.map_sets.published import published_set
from wsss_assets.map_sets.repository import chosen_repository
from wsss_assets.ranks import ALONE
from wsss_assets.storage.hub import open_hub_file
from wsss_assets.storage.row_groups import read_sizes
from wsss_assets.storage.shard_maps import Layout, ShardActivations, ShardSaliency
from wsss_assets.storage.shards import ids_digest, read_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.catalog.records import Kind, MapSet
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.map_sets.store import HeldSet
    from wsss_assets.ranks import Ranks

__all__ = ["open_held", "open_map_set"]


def open_map_set(
    name: str,
    kind: Kind,
    benchmark: str,
    split: str | None = None,
    *,
    saliency: str | None = None,
    feedback: Feedback = SILENT,
    stream: bool = False,
    ids: Sequence[str] = (),
    ranks: Ranks = ALONE,
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
        stream: read it from the Hub as it is needed, row group by row group, and keep nothing;
            what this machine holds already is read from here.
        ids: the images that will be read, by all processes, in this order; for streams, which
            read ahead by it.
        ranks: which process this is, where several open the same set: one looks it up, and what
            has to be fetched is fetched once for a machine.

    Raises:
        WsssAssetsError: what choosing and obtaining a map set raise.
        UsageError: it is to be streamed and not published, or is listed in another order.
        FetchError: it is to be streamed, and cannot be reached; later, what is read.
    """
    record = ranks.first(
        lambda: choose_map_set(
            name,
            benchmark=benchmark,
            kind=kind,
            saliency=saliency,
            repository=chosen_repository(None, None),
        )
    )
    if stream:
        held = _on_the_hub(record, split)
        is_afar = bool(held.damaged())
        # Processes look it up together, also where some machines have a copy of their own.
        layout = _layout(held, kind, ids, ranks) if any(ranks.everyone(is_afar)) else None
        return open_held(held, layout if is_afar else None)
    ranks.first(lambda: _have(record, split, feedback))
    # Another machine has a cache of its own, or the same; the first of its processes fetches.
    return open_held(obtain(record, split, feedback=SILENT))


def open_held(held: HeldSet, layout: Layout | None = None) -> ShardSaliency | ShardActivations:
    """A map set that is here, as a source of maps.

    Args:
        held: the set; its files are not checked.
        layout: what is known of its shards, which are then read from the Hub; None: they are here.
    """
    record, content = held.holding.record, held.holding.content
    source = ShardSaliency if record.kind == "saliency" else ShardActivations
    digests = "\n".join(file.sha256 for file in content.files)
    return source(
        held.paths if layout is None else held.addresses(),
        record.id,
        layout,
        contents=hashlib.sha256(digests.encode()).hexdigest(),
    )


def _have(record: MapSet, split: str | None, feedback: Feedback) -> None:
    obtain(record, split, feedback=feedback)


def _on_the_hub(record: MapSet, split: str | None) -> HeldSet:
    """A published set.

    Raises:
        UsageError: it is none.
    """
    if record.published is None:
        raise UsageError(
            f"{record.id} cannot be streamed: it is not on the Hub, but in an archive of its "
            "authors, which is fetched as a whole",
            expected="a published map set: 'wsss-assets list' says which are",
            done="nothing was fetched",
            hint="leave out --stream; or name a repository that has it: WSSS_ASSETS_REPO=ORG/NAME",
        )
    return published_set(record, choose_split(record, split))


def _layout(held: HeldSet, kind: Kind, ids: Sequence[str], ranks: Ranks) -> Layout:
    """Where the rows of a published set are, with as few requests as there can be."""
    addresses = held.addresses()
    content = held.holding.content
    every: Sequence[str] = ids
    if ids_digest(ids) != content.ids_sha256:
        every = ranks.first(lambda: _listed_ids(held)) or _stored_ids(addresses, ranks)
        if ids_digest(every) != content.ids_sha256:
            raise ChecksumError(
                f"the images of {held.holding.record.id} are not those of its record",
                expected=f"image ids of digest {content.ids_sha256}",
                done="no map was read",
            )
    return Layout(every, read_sizes(addresses, kind, ranks), ranks.stretch(ids))


def _listed_ids(held: HeldSet) -> tuple[str, ...]:
    """The ids of all rows by the list that is published beside them; none where there is none."""
    file = held.holding.labels
    if file is None:
        return ()
    root = f"hf://datasets/{held.holding.source}@{held.holding.revision}"
    with open_hub_file(f"{root}/{file.path}") as opened:
        text = opened.read()
    if hashlib.sha256(text).hexdigest() != file.sha256:
        raise ChecksumError(
            f"{file.path} of {held.holding.source} is not the file it should be",
            expected=f"{file.size} bytes of sha256 {file.sha256}",
            found=f"{len(text)} bytes",
            done="no map was read",
            hint="run the same command again",
        )
    return tuple(line.split()[0] for line in text.decode().splitlines())


def _stored_ids(addresses: Sequence[str], ranks: Ranks) -> tuple[str, ...]:
    """The ids of all rows out of the shards themselves, a request for each row group."""
    shares = ranks.everyone([read_ids([address]) for address in ranks.share(addresses)])
    return tuple(
        image_id
        for number in range(len(addresses))
        for image_id in shares[number % ranks.count][number // ranks.count]
    )
