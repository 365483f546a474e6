"""Tables of a grid: Markdown, CSV, LaTeX, and rows for a terminal."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss_assets.evaluation.grid.cells import NOTICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.evaluation.grid.run import Grid

__all__ = ["GridTable", "grid_csv", "grid_markdown", "grid_tables", "grid_tex", "provenance"]

_MEAN = "mean"
_NOTHING = "–"

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "–": "--",
    "×": r"$\times$",
}

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
        rows: texts, a row for each saliency set and one of means; the last column is of means.
        best: (row, column) of the best cell of each column.
    """

    title: str
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
    header = ("saliency", *grid.columns, _MEAN)
    for table in grid_tables(grid):
        lines = [_row(map(_plain, header)), _row(["---", *["---:"] * (len(header) - 1)])]
        for index, (name, row) in enumerate(zip((*grid.rows, _MEAN), table.rows, strict=True)):
            cells = [
                f"**{text}**" if (index, column) in table.best else text
                for column, text in enumerate(row)
            ]
            lines.append(_row([_plain(name), *cells]))
        parts.append(f"## {table.title}\n\n" + "\n".join(lines) + "\n")
    parts.append("Bold: the best saliency of a column; – : no score.\n")
    parts.append(
        "## Recipes\n\n"
        + "\n".join(
            f"- {_plain(name)}: {recipe.describe()}" for name, recipe in grid.columns.items()
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
    header = " & ".join(_tex(name) for name in ("saliency", *grid.columns, _MEAN))
    for table in grid_tables(grid):
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(table.title)}. {_tex(NOTICE)}. {_tex(provenance(grid))}.}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(grid.columns) + 1)}}}",
            r"\toprule",
            header + r" \\",
            r"\midrule",
        ]
        for index, (name, row) in enumerate(zip((*grid.rows, _MEAN), table.rows, strict=True)):
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
    digest = grid.ground_truth_digest
    parts = [
        f"{grid.benchmark.name} {grid.split or '(split not named)'}",
        f"{grid.images} images",
        f"ground truth {digest[:16] if digest else 'not read'}",
    ]
    if grid.ignored:
        parts.append(f"255 counted as: {grid.ignored}")
    if grid.benchmark.synthetic:
        parts.append("SYNTHETIC: drawn by a program")
    return ", ".join(parts)


def _table(grid: Grid, title: str, of: str) -> GridTable:
    lines = [*grid.values(of), grid.column_means(of)]
    means = grid.row_means(of)
    every = _mean_of(means)
    rows = tuple(
        tuple(_percent(value) for value in (*line, mean))
        for line, mean in zip(lines, (*means, every), strict=True)
    )
    best = {(row, column) for column, row in enumerate(grid.best_rows(of)) if row is not None}
    return GridTable(title, rows, frozenset(best))


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.1f}"


def _row(cells: Sequence[str] | map[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text)


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in " ".join(text.split()))
