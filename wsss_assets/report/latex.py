"""The summary of a report as a LaTeX table (booktabs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.evaluation.sweep import TAUS

if TYPE_CHECKING:
    from wsss_assets.report.explorer.pairings import Pairing
    from wsss_assets.report.explorer.report import Report

__all__ = ["latex_table", "latex_text"]

_SPELT = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def latex_text(text: str) -> str:
    """Text as LaTeX sets it: nothing in it is a command, line ends are blanks."""
    return "".join(_SPELT.get(each, each) for each in " ".join(text.split()))


def latex_table(report: Report) -> str:
    """One row for each pairing, in the order given; the best of each column is bold.

    Needs `\\usepackage{booktabs}`; mIoU in per cent, the loss in points.
    """
    heads = ["Activation", *(["Saliency"] if report.uses_saliency else []), "Recipe", "Best tau"]
    heads += [r"$\tau$", *(["Best of both"] if report.has_rows else []), "Loss", "Plateau"]
    words = 2 if report.uses_saliency else 1
    top = {
        name: max(_shown(one, name) for one in report.pairings)
        for name in ("own", "best_tau", "best")
    }
    rows = [_row(report, one, top) for one in report.pairings]
    job = report.job
    comment = (
        f"{' '.join(filter(None, (report.benchmark.name, job.split)))}, {len(job.labels)} images, "
        f"{job.recipe.describe()}, 255 counted as: {job.policy or 'none is written'}, "
        f"ground truth {report.ground_truth_digest[:16]}, maps {report.digest_words()}"
        + (", SYNTHETIC: drawn by a program" if report.benchmark.synthetic else "")
    )
    return "\n".join(
        [
            f"% {' '.join(comment.split())}",
            rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(heads) - words)}}}",
            r"\toprule",
            rf"{' & '.join(heads)} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _row(report: Report, one: Pairing, top: dict[str, float]) -> str:
    def value(name: str) -> str:
        shown = _shown(one, name)
        bold = len(report.pairings) > 1 and shown == top[name]
        return rf"\textbf{{{shown:.2f}}}" if bold else f"{shown:.2f}"

    first, last = (TAUS[k] for k in one.plateau)
    cells = [latex_text(one.activation)]
    if report.uses_saliency:
        cells.append(latex_text(one.saliency or ""))
    cells += [value("own"), value("best_tau"), f"{TAUS[one.best_tau[1]]:.3f}"]
    if report.has_rows:
        cells.append(value("best"))
    cells += [f"{100 * one.loss:.2f}", f"{first:.2f}--{last:.2f}"]
    return rf"{' & '.join(cells)} \\"


def _shown(one: Pairing, name: str) -> float:
    """A score as the table has it, so that what looks equal is marked alike."""
    return round(100 * (one.at(getattr(one, name)) or 0.0), 2)
