"""The card of a dataset repository: its README.md, which the Hub and `datasets` read as well.

`template.md` holds what every card says; what depends on the map sets is put in here.
"""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from wsss_assets.catalog.bibliography import whole_bibliography
from wsss_assets.map_sets.repository import DEFAULT_REPO_ID
from wsss_assets.publish.card.configurations import (
    benchmark_title,
    packed_configurations,
    planned_configurations,
)
from wsss_assets.publish.card.examples import checked, with_package, without_package
from wsss_assets.publish.card.front_matter import front_matter
from wsss_assets.publish.card.licences import licences
from wsss_assets.publish.card.lists import (
    annotation_table,
    bibliography,
    class_names,
    holes,
    licences_of_maps,
    makers_table,
    notes,
)
from wsss_assets.publish.card.markdown import fenced, plain
from wsss_assets.publish.card.set_tables import set_tables
from wsss_assets.publish.pack import UNRELEASED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.catalog.records import Manifest
    from wsss_assets.publish.card.configurations import Configuration

__all__ = ["dataset_card", "generated_files", "planned_card"]

_FIRST_VERSION = "v1.0.0"

_PLANNED = f"""\
> **Not released yet.** This card is made from the catalogue, before the maps are packed: numbers of
> rows are those of WSSS-BED's lists, maps are not counted yet, and `{_FIRST_VERSION}` below stands
> for the first version."""

_INFERRED = """\
Of WSSS-BED's maps two things are inferred, not stated by the authors: that 255 stands for 1, for
their code divides by it; and that a map has the size of its photo, for their code makes labels of
the size of the maps and resizes nothing. A map need not reach 255."""

_WSSS_BED = """\
Where the tables link to an archive of [WSSS-BED](https://github.com/clovaai/WSSS-BED)
([paper](https://arxiv.org/abs/2404.00918)), the maps are those in it, pixel for pixel, not made
again: a PNG is at most encoded anew, without loss, where that is smaller."""

_OWN = "All other maps come from those who published this repository."
_ALL_OWN = "The maps come from those who published this repository."

_ABOUT_WSSS_BED = (
    "Questions about the maps of WSSS-BED are for "
    "[its authors](https://github.com/clovaai/WSSS-BED)."
)


def dataset_card(manifest: Manifest, repo_id: str) -> str:
    """The README.md of a repository.

    Args:
        manifest: of the version to publish; at least one map set.
        repo_id: `org/name`.
    """
    return _card(packed_configurations(manifest), repo_id, manifest.version)


def planned_card() -> str:
    """The README.md of a repository with the whole catalogue, as far as it is known beforehand."""
    return _card(planned_configurations(), DEFAULT_REPO_ID, UNRELEASED)


def generated_files() -> dict[str, str]:
    """What `cards/` holds, by file name."""
    return {
        "CITATIONS.bib": whole_bibliography(),
        "LICENSES.md": licences(),
        "wsss-bed.md": planned_card(),
    }


def _card(configurations: Sequence[Configuration], repo_id: str, version: str) -> str:
    released = version != UNRELEASED
    pin = version if released else _FIRST_VERSION
    title = _title(configurations, repo_id)
    template = files("wsss_assets.publish.card").joinpath("template.md").read_text("utf-8")
    return Template(template).substitute(
        front_matter=front_matter(configurations, title, repo_id),
        title=plain(title),
        summary=_summary(configurations),
        version=plain(version),
        notice=_paragraph("" if released else _PLANNED),
        inferred=_paragraph(_INFERRED if _from_wsss_bed(configurations) else ""),
        classes=_paragraph(class_names(configurations), "The names of the classes, by `class_id`:"),
        with_package=fenced("python", with_package(configurations, repo_id, pin)),
        without_package=fenced("python", without_package(configurations, repo_id, pin)),
        checked=fenced("python", checked(configurations, repo_id, pin)),
        set_tables=set_tables(configurations),
        makers=_paragraph(makers_table(configurations), "### What made them"),
        annotation=annotation_table(configurations),
        notes=_paragraph(notes(configurations), "What else to know of some of them:"),
        provenance=_provenance(configurations),
        holes=holes(configurations),
        licences=licences_of_maps(configurations),
        benchmarks=_benchmarks(configurations),
        bibliography=fenced("bibtex", bibliography(configurations)),
        contact=_contact(configurations, repo_id),
    )


def _title(configurations: Sequence[Configuration], repo_id: str) -> str:
    if all(one.record.upstream for one in configurations):
        return f"WSSS-BED: {_kinds(configurations)}"
    return f"{repo_id.rpartition('/')[2]}: {_kinds(configurations)}"


def _summary(configurations: Sequence[Configuration]) -> str:
    count = len(configurations)
    return (
        f"{_kinds(configurations).capitalize()} of {_benchmarks(configurations)}, made for "
        f"weakly-supervised semantic segmentation: {count} set{'s' if count > 1 else ''} of maps, "
        "each a configuration that says what made it and what that was trained on."
    )


def _kinds(configurations: Sequence[Configuration]) -> str:
    kinds = dict.fromkeys(one.record.kind for one in configurations)
    return f"{' and '.join(kinds)} maps"


def _benchmarks(configurations: Sequence[Configuration]) -> str:
    return " and ".join(dict.fromkeys(benchmark_title(one.record) for one in configurations))


def _from_wsss_bed(configurations: Sequence[Configuration]) -> bool:
    return any(one.record.upstream for one in configurations)


def _provenance(configurations: Sequence[Configuration]) -> str:
    encodings = dict.fromkeys(
        part.encoding for one in configurations for part in one.parts.values()
    )
    upstream = [bool(one.record.upstream) for one in configurations]
    said = {
        _WSSS_BED: any(upstream),
        _OWN: any(upstream) and not all(upstream),
        _ALL_OWN: not any(upstream),
        f"How the maps are stored: {plain('; '.join(encodings))}.": bool(encodings),
    }
    return "\n\n".join(sentence for sentence, holds in said.items() if holds)


def _contact(configurations: Sequence[Configuration], repo_id: str) -> str:
    ours = repo_id == DEFAULT_REPO_ID
    said = [
        "Errors in this packaging: the discussions of this repository"
        f"{', or `wsss-assets`, the project that publishes it' if ours else ''}."
    ]
    if _from_wsss_bed(configurations):
        said.append(_ABOUT_WSSS_BED)
    return " ".join(said)


def _paragraph(text: str, lead: str = "") -> str:
    """Text with an empty line before and after it; nothing where there is no text."""
    return "\n" + "\n\n".join(part for part in (lead, text) if part) + "\n" if text else ""
