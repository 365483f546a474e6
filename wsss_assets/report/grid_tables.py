"""Tables of a grid: Markdown, CSV, LaTeX, and rows for a terminal."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.evaluation.grid.cells import NOTICE
from wsss_assets.evaluation.grid.scores import whole_mean
from wsss_assets.report.latex import latex_text
from wsss_assets.report.provenance import provenance_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.evaluation.grid.scores import Grid

__all__ = ["GridTable", "grid_csv", "grid_markdown", "grid_tables", "grid_tex", "provenance"]

_MEAN = "mean"
_NOTHING = "–"

_CSV_COLUMNS = (
    "miou",
    "best_tau",
    "best_miou",
    "surface_saliency_threshold",
    "surface_tau",
    "surface_miou",
)


@dataclass(frozen=True)
class GridTable:
    """One number of all cells, as text.

    Attributes:
        title: which number.
        header: of the columns: activation sets, and the mean where there are several.
        names: of the rows: saliency sets, and the mean where there are several.
        rows: texts.
        best: (row, column) of the best cell of each column.
    """

    title: str
    header: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]]


def grid_tables(grid: Grid) -> list[GridTable]:
    """The tables of a grid: at the recipe's thresholds, at the best tau, at the best of both.

    The best thresholds are chosen on the masks that the labels are scored with, which the titles
    say: those numbers are upper bounds.
    """
    titles = {
        "miou": "mIoU (%) of the pseudo-labels at the recipes' thresholds",
        "best_miou": "mIoU (%) of the pseudo-labels at each cell's best tau, chosen on these masks",
    }
    if grid.surface:
        titles["best"] = (
            "mIoU (%) of the pseudo-labels at each cell's best saliency threshold and tau, "
            "chosen on these masks"
        )
    return [_table(grid, title, of) for of, title in titles.items()]


def grid_markdown(grid: Grid) -> str:
    """The tables as Markdown, with what the numbers mean nothing without."""
    parts = [
        f"# {_plain(grid.benchmark.title)}: pseudo-labels of every method with every saliency\n",
        f"**{NOTICE}.**\n",
        f"{_plain(provenance(grid))}.\n",
    ]
    tables = grid_tables(grid)
    for table in tables:
        header = ("saliency", *table.header)
        lines = [_row(map(_plain, header)), _row(["---", *["---:"] * (len(header) - 1)])]
        for index, (name, row) in enumerate(zip(table.names, table.rows, strict=True)):
            cells = [
                f"**{text}**" if (index, column) in table.best else text
                for column, text in enumerate(row)
            ]
            lines.append(_row([_plain(name), *cells]))
        parts.append(f"## {table.title}\n\n" + "\n".join(lines) + "\n")
    said = ["Bold: the best saliency of a column"] if any(one.best for one in tables) else []
    said += [f"{_NOTHING} : no score"] if any(_NOTHING in row for row in _lines(tables)) else []
    if said:
        parts.append(f"{'; '.join(said)}.\n")
    parts.append(
        "## Recipes\n\n"
        + "\n".join(
            f"- {_plain(name)}: {_plain(recipe.describe())}"
            for name, recipe in grid.columns.items()
        )
        + "\n"
    )
    if grid.failed:
        reasons = (
            f"- {_plain(row)} × {_plain(column)}: {_plain(reason)}"
            for (row, column), reason in grid.failed.items()
        )
        parts.append("## Without a score\n\n" + "\n".join(reasons) + "\n")
    return "\n".join(parts)


def grid_csv(grid: Grid) -> str:
    """A row for each cell, numbers in full; mIoU is that of the pseudo-labels, 0..1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = (f"pseudo_label_{name}" if name.endswith("miou") else name for name in _CSV_COLUMNS)
    writer.writerow(["saliency", "activation", "recipe", *names, "notice"])
    for row in grid.rows:
        for column, recipe in grid.columns.items():
            cell = grid.cells.get((row, column))
            values = [None if cell is None else getattr(cell, name) for name in _CSV_COLUMNS]
            numbers = ["" if value is None else repr(value) for value in values]
            writer.writerow([row, column, recipe.describe(), *numbers, NOTICE])
    return text.getvalue()


def grid_tex(grid: Grid) -> str:
    """The tables as LaTeX, for the packages booktabs and graphicx."""
    parts = [f"% {NOTICE}\n% needs \\usepackage{{booktabs,graphicx}}\n"]
    for table in grid_tables(grid):
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(table.title)}. {_tex(NOTICE)}. {_tex(provenance(grid))}.}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(table.header)}}}",
            r"\toprule",
            " & ".join(_tex(name) for name in ("saliency", *table.header)) + r" \\",
            r"\midrule",
        ]
        for index, (name, row) in enumerate(zip(table.names, table.rows, strict=True)):
            if index == len(grid.rows):
                lines.append(r"\midrule")
            cells = [
                rf"\textbf{{{text}}}" if (index, column) in table.best else _tex(text)
                for column, text in enumerate(row)
            ]
            lines.append(" & ".join([_tex(name), *cells]) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}}", r"\end{table}"]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def provenance(grid: Grid) -> str:
    """What a number means nothing without, in one line."""
    return provenance_line(
        grid.benchmark.name,
        grid.split,
        grid.images,
        grid.ground_truth_digest,
        ignored=grid.ignored,
        synthetic=grid.benchmark.synthetic,
    )


def _table(grid: Grid, title: str, of: str) -> GridTable:
    lines, header, names = grid.values(of), tuple(grid.columns), grid.rows
    if len(grid.rows) > 1:
        lines, names = [*lines, grid.column_means(of)], (*names, _MEAN)
    if len(grid.columns) > 1:
        means = grid.row_means(of)
        across = [*means, whole_mean(means)][: len(lines)]
        lines = [[*line, mean] for line, mean in zip(lines, across, strict=True)]
        header = (*header, _MEAN)
    rows = tuple(tuple(_percent(value) for value in line) for line in lines)
    best = {(row, column) for column, row in enumerate(grid.best_rows(of)) if row is not None}
    return GridTable(title, header, names, rows, frozenset(best))


def _lines(tables: Sequence[GridTable]) -> list[tuple[str, ...]]:
    return [row for table in tables for row in table.rows]


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.2f}"


def _row(cells: Sequence[str] | map[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text)


def _tex(text: str) -> str:
    return latex_text(text).replace("–", "--").replace("×", r"$\times$")
