"""The page: its parts put together, and what its scripts read."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from wsss_assets import __version__
from wsss_assets.evaluation.scores import plain
from wsss_assets.report.contact_sheet import heat_colours
from wsss_assets.report.explorer.sample import packed
from wsss_assets.report.explorer.score_tables import (
    anatomy_table,
    class_order,
    class_table,
    comparison_table,
    curve_table,
    digest_table,
    error_kinds,
    summary_table,
)
from wsss_assets.report.explorer.sections import (
    fact_list,
    image_cards,
    images_words,
    label_colours,
    lead_words,
    palette_list,
    summary_words,
    synthetic_mark,
    thresholds_words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wsss_assets.report.explorer.report import Report

__all__ = ["float_payload", "page"]

SCRIPTS = (
    "rule.js",
    "store.js",
    "charts.js",
    "images.js",
    "compare.js",
    "score_tables.js",
    "page.js",
)


def page(report: Report, *, data: str | None, stored: Mapping[str, Any]) -> str:
    """The HTML of a report.

    Args:
        report: the numbers.
        data: name of the folder beside the page where `stored` lies as scripts; None: it is put
            into the page.
        stored: what is loaded when it is looked at, by key.
    """
    script = "".join(_file(name) for name in SCRIPTS)
    style = _file("page.css")
    title = f"Pseudo-labels of {report.benchmark.title}"
    return Template(_file("template.html")).substitute(
        policy=_policy(script, style, beside=data is not None),
        title=escape(title),
        heading=escape(title),
        style=style,
        script=script,
        synthetic=synthetic_mark(report),
        lead=escape(lead_words(report)),
        facts=fact_list(report),
        summary=summary_table(report),
        summary_words=summary_words(report),
        digests=digest_table(report),
        comparison=comparison_table(report),
        comparison_mark="" if report.is_grid else "hidden",
        thresholds_words=thresholds_words(report),
        curves=curve_table(report),
        leading=escape(report.pairings[report.leading].name),
        classes=class_table(report),
        anatomy=anatomy_table(report),
        images=image_cards(report),
        images_words=images_words(report),
        palette=palette_list(report.benchmark.label_names),
        footer=escape(f"Made by wsss-assets {__version__}. The same input gives the same page."),
        report=_json(_page_data(report, data)),
        data="" if data is not None else _inline(stored),
    )


def float_payload(values: NDArray[np.float64]) -> str:
    """Values as float64: first bytes of all of them, then all second ones, and so on.

    Bytes of one kind lie side by side because they are alike, and deflate to less.
    """
    split = np.ascontiguousarray(values, "<f8").view(np.uint8)
    return packed(split.reshape(-1, 8).T)


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _policy(script: str, style: str, *, beside: bool) -> str:
    """Nothing is fetched from anywhere; of the scripts and styles in the page, ours run alone."""
    allowed = " 'self' file:" if beside else ""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'{allowed}; "
        f"style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value: object) -> str:
    """JSON that may stand in a script element, whatever is in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _inline(stored: Mapping[str, Any]) -> str:
    return "\n".join(
        f'<script type="application/json" id="data-{key}">{_json(value)}</script>'
        for key, value in stored.items()
    )


def _page_data(report: Report, data: str | None) -> dict[str, Any]:
    """What the scripts read."""
    rule, job = report.rule, report.job
    saliencies = list(dict.fromkeys(one.saliency for one in report.pairings if one.saliency))
    activations = list(dict.fromkeys(one.activation for one in report.pairings))
    return {
        "data": data,
        "photos": report.photos,
        "names": report.benchmark.label_names,
        "palette": [[value, *rgb] for value, rgb in label_colours(report.benchmark.label_names)],
        "heat": heat_colours().tobytes().hex(),
        "policy": job.policy,
        "recipe": {"tau": job.recipe.tau},
        "own": job.own,
        "rows": len(rule.floors),
        "rule": {
            "floors": packed(rule.floors),
            "tauFloors": rule.tau_floors.tolist(),
            "ignoreAbove": rule.ignore_above.tolist(),
        },
        "saliencies": saliencies,
        "activations": activations,
        "leading": report.leading,
        "pairings": [
            {
                "name": one.name,
                "saliency": None if one.saliency is None else saliencies.index(one.saliency),
                "activation": activations.index(one.activation),
                "curve": _listed(one.curve),
                "bestTau": one.best_tau[1],
                "best": one.best,
                "bestMiou": one.at(one.best),
                "plateau": one.plateau,
                "perClass": {name: _listed(values) for name, values in one.per_class.items()},
                "classes": class_order(one),
                "anatomy": error_kinds(one),
            }
            for one in report.pairings
        ],
        "images": [
            {
                "id": one.image_id,
                "classes": sorted(job.labels[one.image_id]),
                "height": truth.shape[0],
                "width": truth.shape[1],
            }
            for one, truth in zip(report.sample, report.truths, strict=True)
        ],
    }


def _listed(values: Any) -> list[float | None]:  # noqa: ANN401 (an array)
    return [plain(value) for value in values.tolist()]
