"""Licences: what the records say of them, as `cards/LICENSES.md` shows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import (
    get_maker,
    get_training_set,
    list_makers,
    list_map_sets,
    list_training_sets,
)
from wsss_assets.catalog.prose import describe_licence
from wsss_assets.publish.card.markdown import bullets, link, plain, table

if TYPE_CHECKING:
    from wsss_assets.catalog.records import Maker

__all__ = ["code_cells", "licences"]

_INTRODUCTION = """\
Whose terms hold for what, as far as it is stated. What nobody states is said to be so; nothing
here is legal advice, and nothing here gives a permission that the authors have not given."""

_MAPS = """\
WSSS-BED, which published them, has its code under Apache-2.0; whether that is meant for the maps
is not said. Maps come from photos and from weights of networks, which have terms of their own."""

_OTHERS = (
    "The photos and masks of PASCAL VOC, SBD and MS COCO keep the terms of those who publish them. "
    "None of them is in here.",
    "The label lists of whole splits come from WSSS-BED's repository, which is under Apache-2.0.",
    "The tables of results are numbers from WSSS-BED's paper, arXiv 2404.00918.",
    "The program, its recipes and its records are under Apache-2.0: see `LICENSE`.",
)


def licences() -> str:
    """The licences of the whole catalogue and of what is behind it."""
    training_sets = (get_training_set(key).title for key in list_training_sets())
    parts = (
        "# Licences",
        _INTRODUCTION,
        "## Maps",
        _maps(),
        _MAPS,
        "## Code of the models and methods",
        table(
            ("", "maps", "paper", "code", "its licence"), map(_row, map(get_maker, list_makers()))
        ),
        "Of the terms of published weights, the records say nothing.",
        "## Training data of saliency models",
        f"Of the terms of {plain(', '.join(training_sets))}, the records say nothing. "
        "None of them is in here.",
        "## All else",
        bullets(_OTHERS),
    )
    return "\n\n".join(parts) + "\n"


def code_cells(maker: Maker) -> tuple[str, str]:
    """Where a maker's code lies, and the licence of that code."""
    place = "not published" if maker.code is None else link("code", maker.code)
    return place, plain(maker.code_licence or "none stated")


def _maps() -> str:
    count = Counter(map(describe_licence, list_map_sets()))
    return bullets(f"{number} map sets: {plain(said)}" for said, number in count.most_common())


def _row(maker: Maker) -> tuple[str, ...]:
    return plain(maker.title), maker.kind, plain(maker.paper), *code_cells(maker)
