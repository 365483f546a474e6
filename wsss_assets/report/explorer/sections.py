"""The parts of the page that read without scripts: facts, tables, legends."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets import __version__
from wsss_assets.evaluation.anatomy.counts import KINDS
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.report.explorer.sample import GROUPS
from wsss_assets.storage.images import label_palette

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsss_assets.report.explorer.pairings import Pairing
    from wsss_assets.report.explorer.report import Report

__all__ = [
    "anatomy_table",
    "class_table",
    "curve_table",
    "error_kinds",
    "fact_list",
    "image_cards",
    "images_words",
    "label_colours",
    "lead_words",
    "palette_list",
    "summary_table",
    "summary_words",
    "synthetic_mark",
    "thresholds_words",
]

POLICY_WORDS = {
    "miss": "a miss of the true class",
    "background": "background, class 0",
    "drop": "not counted at all",
    None: "the recipe writes none",
}
KIND_WORDS = {
    "missed_object": "objects all but missed",
    "missed_part": "parts of found objects called background",
    "confused": "objects called another class",
    "ignored": "objects and background called 255",
    "spill": "background around an object called its class",
    "phantom": "background called a class that is not there",
}
_FACT_WIDTHS = {"Recipe": "long", "Digest of the ground truth": "digest"}
GROUP_WORDS = {"worst": "The worst", "best": "The best", "between": "Between, evenly by rank"}
SHOWN_TAUS = range(0, 256, 17)


def error_kinds(pairing: Pairing) -> list[dict[str, Any]] | None:
    """Kinds of errors by what they cost, the dearest first."""
    if pairing.anatomy is None:
        return None
    total = pairing.anatomy["total"]
    pixels = sum(total["pixels"].values())
    kinds = [
        {
            "name": kind.replace("_", " "),
            "words": KIND_WORDS[kind],
            "share": total["pixels"][kind] / pixels if pixels else 0.0,
            "gain": None
            if total["repaired"][kind] is None
            else total["repaired"][kind] - total["miou"],
        }
        for kind in KINDS[1:]
        if kind != "ignored" or total["pixels"][kind]
    ]
    return sorted(kinds, key=lambda one: (-(one["gain"] or 0.0), KINDS.index(_kind(one))))


def _kind(one: Mapping[str, Any]) -> str:
    return str(one["name"]).replace(" ", "_")


def synthetic_mark(report: Report) -> str:
    """That all this was drawn by a program, where it was; else nothing."""
    if not report.benchmark.synthetic:
        return ""
    note = escape(report.benchmark.note)
    return f'<p class="synthetic"><strong>SYNTHETIC</strong> {note}</p>'


def lead_words(report: Report) -> str:
    """What the page is about, in a sentence; plain text."""
    settings = "every saliency threshold and every tau" if report.has_rows else "every tau"
    count = len(report.pairings)
    sets = "one set of maps" if count == 1 else f"{count} pairings of maps"
    return f"{sets[0].upper()}{sets[1:]} at {settings}, counted exactly in whole pixels."


def fact_list(report: Report) -> str:
    """What the numbers mean nothing without."""
    job = report.job
    facts = [
        ("Benchmark", escape(report.benchmark.name)),
        ("Split", escape(job.split or "not named")),
        ("Images", f"{len(job.labels):,}"),
        ("Recipe", escape(job.recipe.describe())),
        ("A predicted 255 is", POLICY_WORDS[job.policy]),
        ("Made by", f"wsss-assets {escape(__version__)}"),
        ("Digest of the ground truth", f"<code>{report.ground_truth_digest}</code>"),
    ]
    return "\n".join(
        f'    <div class="{_FACT_WIDTHS.get(name, "short")}"><dt>{name}</dt><dd>{words}</dd></div>'
        for name, words in facts
    )


def summary_words(report: Report) -> str:
    """What the columns of the summary are."""
    both = ", and at the best saliency threshold with the best tau" if report.has_rows else ""
    return (
        "mIoU of the pseudo-labels at the recipe’s thresholds, at the best tau" + both + ". "
        "<em>Loss</em> is what the recipe’s tau costs against the best one; the <em>plateau</em> "
        "is the run of tau within one point of the best."
    )


def thresholds_words(report: Report) -> str:
    """Which thresholds there are, and why not more."""
    if report.has_rows:
        return "The sliders move charts and images together."
    if report.job.recipe.uses_saliency:
        return (
            "The saliency threshold of this recipe does not decide alone what may be foreground "
            "or ignored, so it stays as it is."
        )
    return "This recipe uses no saliency, so tau is its one threshold."


def images_words(report: Report) -> str:
    """Which images are shown."""
    if not report.sample:
        return "No images were asked for."
    leading = escape(report.pairings[report.leading].name)
    return (
        f"Chosen by each image’s own mIoU with {leading} at the recipe’s thresholds, over the "
        "classes that occur in its ground truth or label. The labels below are made in this page, "
        "by the same rule on the same bytes, at the thresholds of the sliders."
    )


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _cell(value: float | None, note: str = "", *, top: bool = False) -> str:
    mark = '<span class="tag">best</span>' if top else ""
    shown = f'<span class="{"top-value" if top else ""}">{_percent(value)}</span>{mark}'
    note = f'<span class="note-cell">{note}</span>' if note else ""
    return f'<td data-key="{-1 if value is None else value}">{shown}{note}</td>'


def summary_table(report: Report) -> str:
    """A row for each pairing, the best first."""
    heads = ["Activation", *(["Saliency"] if report.uses_saliency else []), "At the recipe"]
    heads += ["At the best tau", *(["At the best of both"] if report.has_rows else [])]
    heads += ["Loss (points)", "Plateau (width)"]
    words = {"Activation", "Saliency"}
    head = "".join(
        f'<th scope="col"{" class=words" if name in words else ""}'
        f"{' aria-sort=descending' if name == 'At the recipe' else ''}>"
        f'<button type="button">{name}</button></th>'
        for name in heads
    )
    top = {
        name: max(one.at(getattr(one, name)) or 0.0 for one in report.pairings)
        for name in ("own", "best_tau", "best")
    }
    order = sorted(
        range(len(report.pairings)),
        key=lambda number: (-(report.pairings[number].at(report.job.own) or 0.0), number),
    )
    lines = "\n".join(_summary_line(report, number, top) for number in order)
    caption = f"mIoU in per cent over {len(report.job.labels):,} images; choose a line to look at."
    return _table(caption, head, lines, name="The scores")


def _summary_line(report: Report, number: int, top: Mapping[str, float]) -> str:
    one = report.pairings[number]

    def value(name: str, note: str = "") -> str:
        score = one.at(getattr(one, name))
        return _cell(score, note, top=len(report.pairings) > 1 and score == top[name])

    activation = escape(one.activation)
    cells = [
        f'<th scope="row" data-key="{activation}">'
        f'<button type="button" class="choose" aria-pressed="false">{activation}</button></th>'
    ]
    if one.saliency is not None:
        name = escape(one.saliency)
        cells.append(f'<td class="words" data-key="{name}">{name}</td>')
    first, last = (TAUS[k] for k in one.plateau)
    cells += [value("own"), value("best_tau", f"tau {TAUS[one.best_tau[1]]:.3f}")]
    if report.has_rows:
        row, tau = one.best
        threshold = f"saliency &gt; {TAUS[row]:.3f}" if row else "soft saliency"
        cells.append(value("best", f"{threshold}, tau {TAUS[tau]:.3f}"))
    cells.append(f'<td data-key="{one.loss}">{100 * one.loss:.2f}</td>')
    cells.append(
        f'<td data-key="{last - first}">{last - first:.3f}'
        f'<span class="note-cell">{first:.3f} to {last:.3f}</span></td>'
    )
    return f'<tr data-pairing="{number}">{"".join(cells)}</tr>'


def _table(
    caption: str, head: str, lines: str, *, name: str, body: str = "", identity: str = ""
) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    mark = f' id="{identity}"' if identity else ""
    rows = f' id="{body}"' if body else ""
    return (
        f'<div class="scroll" role="region" aria-label="{name}" tabindex="0"><table{mark}>'
        f"<caption><span>{caption}</span></caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody{rows}>\n{lines}\n</tbody></table></div>"
    )


def _heads(names: Iterable[str]) -> str:
    return "".join(f'<th scope="col">{name}</th>' for name in names)


def curve_table(report: Report) -> str:
    """Some values of each curve."""
    lines = "\n".join(
        f'<tr><th scope="row">{escape(one.name)}</th>'
        + "".join(f"<td>{_percent(plain(one.curve[k]), 1)}</td>" for k in SHOWN_TAUS)
        + "</tr>"
        for one in report.pairings
    )
    head = _heads(["Maps \\ tau", *(f"{TAUS[k]:.2f}" for k in SHOWN_TAUS)])
    caption = "mIoU in per cent at some of the 256 values of tau, by the recipe otherwise"
    return _table(caption, head, lines, name="The curves as a table", identity="curve-table")


def class_table(report: Report) -> str:
    """The IoU of each class, of the leading pairing."""
    leading = report.pairings[report.leading]
    names = report.benchmark.label_names
    settings = ["own", "best_tau", *(["best"] if report.has_rows else [])]
    own = leading.per_class["own"]
    order = sorted(range(len(names)), key=lambda value: (-np.nan_to_num(own[value], nan=-1), value))
    lines = "\n".join(
        f'<tr><th scope="row">{escape(names[value])}</th><td class="bar-cell"></td>'
        + "".join(
            f"<td>{_percent(plain(leading.per_class[name][value]))}</td>" for name in settings
        )
        + "</tr>"
        for value in order
        if not np.isnan([leading.per_class[name][value] for name in ("own", "best")]).all()
    )
    head = _heads(["Class", "", "Recipe", "Best tau", *(["Best"] if report.has_rows else [])])
    caption = "IoU in per cent; the bar is the recipe’s, the line in it the best setting’s."
    return _table(caption, head, lines, name="IoU by class", body="class-rows")


def anatomy_table(report: Report) -> str:
    """The kinds of errors of the leading pairing, or how to get them."""
    kinds = error_kinds(report.pairings[report.leading])
    if kinds is None:
        return (
            '<p class="note">Taking errors apart needs SciPy: '
            "<code>pip install 'wsss-assets[analysis]'</code>, then make this page again.</p>"
        )
    lines = "\n".join(
        f'<tr><th scope="row">{one["name"]}<span class="note-cell">{one["words"]}</span></th>'
        f'<td class="bar-cell"></td><td>{_percent(one["share"])}</td>'
        f"<td>{'–' if one['gain'] is None else '+' + _percent(one['gain'])}</td></tr>"
        for one in kinds
    )
    head = _heads(["Kind", "", "Pixels (%)", "mIoU, repaired"])
    caption = (
        "Errors at the recipe’s thresholds: their share of all pixels, and how many points of "
        "mIoU there were to gain if just these were right."
    )
    return _table(
        caption, head, lines, name="What goes wrong", body="anatomy-rows", identity="anatomy-table"
    )


def image_cards(report: Report) -> str:
    """A card for each image, to be filled by scripts."""
    parts = []
    for group in GROUPS:
        chosen = [(number, one) for number, one in enumerate(report.sample) if one.group == group]
        if chosen:
            parts.append(f'<h3 class="group-title">{GROUP_WORDS[group]}</h3>')
        for number, one in chosen:
            image_id = escape(one.image_id)
            parts.append(
                f'<article class="card" data-image="{number}" aria-labelledby="image-{number}">'
                f'<div class="card-head"><h4 id="image-{number}">{image_id}</h4>'
                f'<p class="card-score">mIoU of this image <data class="live-score" '
                f'value="{one.score}">{_percent(one.score)}</data> % '
                f"(ranked by {_percent(one.score)})</p></div>"
                '<div class="panels"></div><div class="chips"></div>'
                '<details class="closer needs-script"><summary>Look closer</summary>'
                '<div class="closer-body"></div></details></article>'
            )
    return "\n".join(parts)


def label_colours(names: Sequence[str]) -> list[tuple[int, list[int]]]:
    """Label values and their colours (red, green, blue)."""
    table = np.frombuffer(label_palette(len(names)), np.uint8).reshape(256, 3)
    return [(value, table[value].tolist()) for value in [*range(len(names)), 255]]


def palette_list(names: Sequence[str]) -> str:
    """The legend of label maps."""
    words = {**dict(enumerate(names)), 255: "255: not counted, or ignored"}
    return "\n".join(
        '<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" '
        f'fill="#{red:02x}{green:02x}{blue:02x}"/></svg>{escape(words[value])}</li>'
        for value, (red, green, blue) in label_colours(names)
    )
