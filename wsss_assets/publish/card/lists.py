"""What a card says of its map sets together: makers, annotation, notes, holes, licences, papers."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from wsss_assets.catalog.bibliography import citation_keys, citations
from wsss_assets.catalog.catalog import get_maker, get_map_set, map_set_names
from wsss_assets.catalog.prose import describe_licence
from wsss_assets.publish.card.configurations import benchmark_of, maker_of
from wsss_assets.publish.card.licences import code_cells
from wsss_assets.publish.card.markdown import bullets, code, plain, table
from wsss_assets.publish.card.set_tables import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wsss_assets.catalog.records import Maker, MapSet, SplitShards, Supervision
    from wsss_assets.publish.card.configurations import Configuration

__all__ = [
    "annotation_table",
    "bibliography",
    "class_names",
    "holes",
    "licences_of_maps",
    "makers_table",
    "notes",
]

_MEANING: dict[Supervision | None, str] = {
    "none": "no annotation by people that is known of",
    "image_labels": "which classes a photo shows: the usual meaning of weakly supervised",
    "pixel_masks": "masks drawn by people, of these photos or of others",
    None: "nobody states it",
}
_LISTED = "Each is in `manifest.json`, under `holes` of its split, with image, class and reason."
_MOST_REASONS = 3


def makers_table(configurations: Sequence[Configuration]) -> str:
    """The models and methods of the catalogue that are behind the maps; empty: none is."""
    keys = {maker.key for one in configurations if (maker := maker_of(one.record)) is not None}
    behind = {one.record.saliency for one in configurations} & {*map_set_names()}
    keys |= {get_map_set(name).maker for name in behind if name is not None}
    makers = sorted(map(get_maker, keys), key=lambda one: (one.kind != "saliency", one.key))
    rows = [
        (plain(one.title), one.kind, _what(one), plain(one.paper), *code_cells(one))
        for one in makers
    ]
    header = ("", "maps", "what it is", "paper", "code", "licence of the code")
    return table(header, rows) if rows else ""


def annotation_table(configurations: Iterable[Configuration]) -> str:
    """How many configurations have which annotation behind them."""
    count = Counter(one.record.supervision for one in configurations)
    rows = [
        (said, _MEANING[supervision], str(count[supervision]))
        for supervision, said in ANNOTATION.items()
        if count[supervision]
    ]
    return table(("strongest annotation behind the maps", "what that is", "configurations"), rows)


def notes(configurations: Sequence[Configuration]) -> str:
    """What a user must know of some sets; empty: nothing."""
    noted = [one for one in configurations if one.record.note]
    return _statements(noted, len(configurations), lambda record: record.note or "")


def licences_of_maps(configurations: Sequence[Configuration]) -> str:
    """Which maps have which licence."""
    return _statements(configurations, len(configurations), describe_licence)


def holes(configurations: Sequence[Configuration]) -> str:
    """How many maps are missing of which set, and why."""
    if not all(one.is_packed for one in configurations):
        return f"How many there are is not known before the sets are packed. {_LISTED}"
    found = [
        (one, split, part)
        for one in configurations
        for split, part in one.parts.items()
        if part.holes
    ]
    if not found:
        return "There are none: every map of every set is there."
    total = sum(len(part.holes) for _, _, part in found)
    entries = (f"{code(one.name)}, {code(split)}: {_missing(part)}" for one, split, part in found)
    return (
        f"In all {total:,}; sets that are not named here have none. {_LISTED}\n\n{bullets(entries)}"
    )


def class_names(configurations: Iterable[Configuration]) -> str:
    """Names of the `class_id`s of each benchmark that has activation maps; empty: none does."""
    benchmarks = {
        benchmark.title: benchmark.classes
        for one in configurations
        if one.record.kind == "activation" and (benchmark := benchmark_of(one.record)) is not None
    }
    return bullets(
        f"{plain(title)}: {', '.join(f'{index} {name}' for index, name in enumerate(classes))}"
        for title, classes in benchmarks.items()
    )


def bibliography(configurations: Iterable[Configuration]) -> str:
    """BibTeX of what is behind the maps: whole entries of the records, then the catalogue's."""
    cited = dict.fromkeys(key for one in configurations for key in one.record.citations)
    own = [key for key in cited if key.lstrip().startswith("@")]
    known = sorted({*citation_keys()} & cited.keys())
    unknown = [key for key in cited if key not in {*own, *known}]
    remarks = [f"% No entry is known here of the key {key}\n" for key in unknown]
    return "\n".join(part for part in (citations([*own, *known]), *remarks) if part)


def _what(maker: Maker) -> str:
    learns = "" if maker.trained_with is None else f" Trained with {maker.trained_with}."
    return plain(maker.what + learns)


def _missing(part: SplitShards) -> str:
    reasons = Counter(hole.reason for hole in part.holes)
    shown = [f"{plain(reason)} ({count:,})" for reason, count in reasons.most_common(_MOST_REASONS)]
    if len(reasons) > _MOST_REASONS:
        shown.append("and other reasons")
    total = part.maps + len(part.holes)
    return f"{len(part.holes):,} of {total:,} maps: {', '.join(shown)}"


def _statements(chosen: Iterable[Configuration], most: int, state: Callable[[MapSet], str]) -> str:
    """What is said of sets, each statement once, with those it is said of; of `most`: all."""
    said: dict[str, list[Configuration]] = {}
    for one in chosen:
        said.setdefault(state(one.record), []).append(one)
    return bullets(
        f"{plain(statement)} ({'all sets' if len(some) == most > 1 else _names(some)})"
        for statement, some in said.items()
    )


def _names(configurations: Sequence[Configuration]) -> str:
    """Configurations by prefix, for there may be many: `voc2012-saliency-{vst_duts, move}`."""
    names = {
        prefix: [one.record.name for one in group]
        for prefix, group in groupby(configurations, key=lambda one: one.prefix)
    }
    return ", ".join(
        code(prefix + (short[0] if len(short) == 1 else f"{{{', '.join(short)}}}"))
        for prefix, short in names.items()
    )
