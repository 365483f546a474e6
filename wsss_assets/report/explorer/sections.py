"""The parts of the page that read without scripts: facts, sentences, images, the legend."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from wsss_assets import __version__
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.report.explorer.sample import GROUPS
from wsss_assets.storage.label_maps import label_palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.report.explorer.report import Report

__all__ = [
    "POLICY_WORDS",
    "fact_list",
    "image_cards",
    "images_words",
    "label_colours",
    "lead_words",
    "palette_list",
    "percent",
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
_FACT_WIDTHS = {"Recipe": "long", "Digest of the ground truth": "digest"}
GROUP_WORDS = {"worst": "The worst", "best": "The best", "between": "Between, evenly by rank"}


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
        *([("Split", escape(job.split))] if job.split else []),
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
    words = "This recipe uses no saliency, so tau is its one threshold."
    if report.has_rows:
        words = "The sliders move charts and images together."
    elif report.job.recipe.uses_saliency:
        words = (
            "The saliency threshold of this recipe does not decide alone what may be foreground "
            "or ignored, so it stays as it is."
        )
    return " ".join(filter(None, (words, _step_words(report))))


def _step_words(report: Report) -> str:
    """Why the slider has another number than the recipe, where it has."""
    tau, step = report.job.recipe.tau, report.job.own[1]
    first = int(report.rule.tau_floors[step]) + 1
    if tau == TAUS[step] or first != step:
        return ""
    return (
        f"The recipe’s tau {tau:g} stands at {TAUS[step]:.3f} ({step}/255): that is the first "
        "byte that counts under it."
    )


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


def percent(value: float | None, digits: int = 2) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


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
                f'value="{one.score}">{percent(one.score)}</data> % '
                f"(ranked by {percent(one.score)})</p></div>"
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
