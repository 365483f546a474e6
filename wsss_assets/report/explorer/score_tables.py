"""The tables of scores, which read without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets.evaluation.anatomy.counts import KINDS
from wsss_assets.evaluation.scores import plain
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.report.explorer.digests import SHORT
from wsss_assets.report.explorer.sections import POLICY_WORDS, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsss_assets.report.explorer.pairings import Pairing
    from wsss_assets.report.explorer.report import Report

__all__ = [
    "anatomy_table",
    "class_order",
    "class_table",
    "comparison_table",
    "curve_table",
    "digest_table",
    "error_kinds",
    "summary_table",
]

KIND_WORDS = {
    "missed_object": "objects all but missed",
    "missed_part": "parts of found objects called background",
    "confused": "objects called another class",
    "ignored": "objects and background called 255",
    "spill": "background around an object called its class",
    "phantom": "background called a class that is not there",
}
SHOWN_TAUS = range(0, 256, 17)


def error_kinds(pairing: Pairing) -> list[dict[str, Any]] | None:
    """Kinds of errors by what they cost, the dearest first."""
    if pairing.labels.anatomy is None:
        return None
    total = pairing.labels.anatomy["total"]
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


def _gain(value: float | None) -> str:
    """Points of mIoU with their sign; a dash where there is none."""
    return "–" if value is None else f"{100 * value:+.2f}".replace("-", "−")


def _kind(one: Mapping[str, Any]) -> str:
    return str(one["name"]).replace(" ", "_")


def _cell(value: float | None, note: str = "", *, top: bool = False) -> str:
    mark = '<span class="tag">best</span>' if top else ""
    shown = f'<span class="{"top-value" if top else ""}">{percent(value)}</span>{mark}'
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
    policy = POLICY_WORDS[report.job.policy]
    ignored = f"a predicted 255 is {policy}" if report.job.policy else "no label is 255"
    over = report.over_classes()
    classes = f"{over} and" if over else " over"
    caption = (
        f"mIoU in per cent{classes} {len(report.job.labels):,} images; {ignored}. "
        "Below a name: the first digits of the digest of its maps. Choose a line to look at."
        '<span class="goes-on">The table goes on to the right: move it sideways →</span>'
    )
    return f'<div class="scores">{_table(caption, head, lines, name="The scores")}</div>'


def _summary_line(report: Report, number: int, top: Mapping[str, float]) -> str:
    one = report.pairings[number]

    def value(name: str, note: str = "") -> str:
        score = one.at(getattr(one, name))
        return _cell(score, note, top=len(report.pairings) > 1 and score == top[name])

    activation = escape(one.activation)
    digest = _digest(one.labels.activation_digest)
    choose = f'<button type="button" class="choose" aria-pressed="false">{activation}</button>'
    cells = [f'<th scope="row" data-key="{activation}">{choose}{digest}</th>']
    if one.saliency is not None:
        name = escape(one.saliency)
        cells.append(
            f'<td class="words" data-key="{name}">{name}{_digest(one.labels.saliency_digest)}</td>'
        )
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


def _digest(digest: str) -> str:
    """The first digits; all of them when pointed at, and in the table of digests."""
    return f'<span class="note-cell"><code title="{digest}">{digest[:SHORT]}</code></span>'


def digest_table(report: Report) -> str:
    """Which maps were scored, in full."""
    sets = [
        *(("activation", name, digest) for name, digest in report.activation_digests.items()),
        *(("saliency", name, digest) for name, digest in report.saliency_digests.items()),
    ]
    lines = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="words">{kind}</td>'
        f'<td class="words"><code class="whole">{digest}</code></td></tr>'
        for kind, name, digest in sets
    )
    head = '<th scope="col">Set</th><th scope="col" class="words">Maps of</th>'
    head += '<th scope="col" class="words">Digest</th>'
    caption = (
        "Digests of the pixels of all maps that were read, whatever files they came in: "
        "equal digests, equal maps."
    )
    return _table(caption, head, lines, name="Which maps were scored")


def comparison_table(report: Report) -> str:
    """The mIoU of each activation set with each saliency set; nothing without several of both."""
    if not report.is_grid:
        return ""
    width = len(report.saliency_digests)  # pairings come activation by activation
    lines = "\n".join(
        f'<tr><th scope="row">{escape(activation)}</th>'
        + "".join(_choice(report, width * row + column) for column in range(width))
        + "</tr>"
        for row, activation in enumerate(report.activation_digests)
    )
    head = _heads(["Activation \\ saliency", *map(escape, report.saliency_digests)])
    caption = 'mIoU in per cent <span id="matrix-setting">at the recipe’s thresholds</span>.'
    return _table(caption, head, lines, name="mIoU of each pairing", identity="matrix")


def _choice(report: Report, number: int) -> str:
    one = report.pairings[number]
    return (
        f'<td><button type="button" data-pairing="{number}" aria-pressed="false">'
        f"{percent(one.at(one.own))}</button></td>"
    )


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
        + "".join(f"<td>{percent(plain(one.curve[k]), 1)}</td>" for k in SHOWN_TAUS)
        + "</tr>"
        for one in report.pairings
    )
    head = _heads(["Maps \\ tau", *(f"{TAUS[k]:.2f}" for k in SHOWN_TAUS)])
    caption = "mIoU in per cent at some of the 256 values of tau, by the recipe otherwise"
    return _table(caption, head, lines, name="The curves as a table", identity="curve-table")


def class_order(pairing: Pairing) -> list[int]:
    """Label values that have an IoU at some setting shown, by the one at the recipe's."""
    own = np.nan_to_num(pairing.per_class["own"], nan=-1)
    shown = np.column_stack([pairing.class_curves, pairing.per_class["best"]])
    known = np.flatnonzero(~np.isnan(shown).all(axis=1))
    return sorted(known.tolist(), key=lambda value: (-own[value], value))


def class_table(report: Report) -> str:
    """The IoU of each class, of the leading pairing."""
    leading = report.pairings[report.leading]
    names = report.benchmark.label_names
    settings = ["own", "best_tau", *(["best"] if report.has_rows else [])]
    lines = "\n".join(
        f'<tr><th scope="row">{escape(names[value])}</th>'
        '<td class="bar-cell needs-script"></td><td class="needs-script"></td>'
        + "".join(f"<td>{percent(plain(leading.per_class[name][value]))}</td>" for name in settings)
        + "</tr>"
        for value in class_order(leading)
    )
    head = (
        _heads(["Class"])
        + '<th scope="col" class="needs-script"><span class="hidden">Bar</span></th>'
        + '<th scope="col" class="needs-script">Here</th>'
        + _heads(["Recipe", "Best tau", *(["Best"] if report.has_rows else [])])
    )
    caption = "IoU in per cent, over all images."
    return _table(caption, head, lines, name="IoU by class", body="class-rows")


def anatomy_table(report: Report) -> str:
    """The kinds of errors of the leading pairing, or how to get them."""
    kinds = error_kinds(report.pairings[report.leading])
    if kinds is None:
        return (
            '<p class="note">Taking errors apart needs SciPy: '
            "<code>pip install 'wsss-assets[analysis]'</code> (in a copy of the repository: "
            "<code>pip install '.[analysis]'</code>), then make this page again.</p>"
        )
    lines = "\n".join(
        f'<tr><th scope="row">{one["name"]}<span class="note-cell">{one["words"]}</span></th>'
        f'<td class="bar-cell"></td><td>{percent(one["share"])}</td>'
        f"<td>{_gain(one['gain'])}</td></tr>"
        for one in kinds
    )
    bar = '<span class="hidden">Bar</span>'
    head = _heads(["Kind", bar, "Pixels (%)", "mIoU gain if repaired (points)"])
    caption = (
        "Errors at the recipe’s thresholds: their share of all pixels, and how many points of "
        "mIoU there were to gain if just these were right."
    )
    return _table(
        caption, head, lines, name="What goes wrong", body="anatomy-rows", identity="anatomy-table"
    )
