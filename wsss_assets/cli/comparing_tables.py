"""What the commands that compare map sets and labels print."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.evaluation.comparing.labels import LabelComparison
    from wsss_assets.evaluation.comparing.maps import MapComparison
    from wsss_assets.evaluation.comparing.truth import TruthComparison
    from wsss_assets.evaluation.grid.run import Grid

__all__ = ["print_compared", "print_grid"]

_WIDTH = 100
_LONGEST_NAME, _LONGEST_ID = 18, 40


def print_compared(compared: LabelComparison | MapComparison, most: int) -> None:
    """Print a comparison.

    Args:
        compared: what to print.
        most: how many changes of class.
    """
    from wsss_assets.evaluation.comparing.labels import LabelComparison

    if isinstance(compared, LabelComparison):
        _print_labels(compared, most)
    else:
        _print_maps(compared)


def _print_labels(compared: LabelComparison, most: int) -> None:
    click.echo(
        f"labels of {compared.images} images, {_of_what(compared)}\n\n"
        f"the same label: {_percent(compared.agreement)} % of all pixels, "
        f"{_percent(compared.agreement_without_ignored)} % of those that are 255 in neither\n"
        f"equal throughout: {compared.same_images} images\n"
    )
    _print_classes(compared)
    confusions = compared.confusions(most)
    differing = int(compared.joint.sum() - compared.joint.trace())
    if confusions:
        click.echo()
        print_table(
            ("A → B", "pixels", "% of what differs"),
            [
                (f"{before} → {after}", str(pixels), _percent(pixels / differing))
                for before, after, pixels in confusions
            ],
        )
    if compared.changed:
        click.echo()
        print_table(
            ("changed most", "pixels", "% of the image"),
            [
                (_cut(one.image_id), str(one.differing), _percent(one.differing / one.pixels))
                for one in compared.changed
            ],
        )
    if compared.truth is not None:
        _print_truth(compared.truth)


def _print_classes(compared: LabelComparison) -> None:
    """IoU of the two sets with each other; with ground truth, also of each with that."""
    truth = compared.truth
    known = {} if truth is None else truth.per_class
    header = ["class", "A with B"]
    if truth is not None:
        header += ["images", "A", "B", "B − A", f"{100 * truth.confidence:.4g} % interval"]
    rows = []
    for name, overlap in zip(compared.names, compared.overlap.tolist(), strict=True):
        row = [name, _percent(None if overlap != overlap else overlap)]  # NaN
        if truth is not None:
            one = known.get(name)
            row += [""] * 5 if one is None else [str(one["images"]), *_changes(one)]
        if any(text not in {"–", "", "0"} for text in row[1:]):
            rows.append(row)
    if truth is not None:
        mean = {
            "first": truth.first.miou,
            "second": truth.second.miou,
            "difference": truth.difference,
            "interval": truth.interval,
        }
        rows.append(["mIoU", "", str(truth.first.images), *_changes(mean)])
    click.echo("IoU (%)" + ("" if truth is None else ", A and B: with the ground truth"))
    print_table(header, rows)


def _changes(one: dict[str, Any]) -> list[str]:
    return [
        _percent(one["first"]),
        _percent(one["second"]),
        _signed(one["difference"]),
        _between(one["interval"]),
    ]


def _print_truth(truth: TruthComparison) -> None:
    for title, changes in (("rose most", truth.risen), ("fell most", truth.fallen)):
        if changes:
            click.echo()
            print_table(
                (f"mIoU of the image {title}", "A", "B", "B − A"),
                [
                    (
                        _cut(one.image_id),
                        _percent(one.first),
                        _percent(one.second),
                        _signed(one.difference),
                    )
                    for one in changes
                ],
            )
    scores = truth.first
    digest = scores.ground_truth_digest or ""
    counted = f", 255 counted as: {scores.ignored}" if scores.ignored else ""
    click.echo(
        f"\nmIoU {_percent(truth.first.miou)} → {_percent(truth.second.miou)}: "
        f"{_signed(truth.difference)} points, {100 * truth.confidence:.4g} % interval "
        f"{_between(truth.interval)}\n"
        f"{truth.replicates} replicates (seed {truth.seed}) of {scores.images} images, B higher in "
        f"{_percent(truth.second_higher)} % of them\nground truth {digest[:16]}{counted}"
    )
    if not (truth.risen or truth.fallen) and truth.difference == 0:
        click.echo("no image scores differently")
    elif truth.interval is not None and truth.interval[0] <= 0 <= truth.interval[1]:
        click.echo("the interval holds 0: these images do not tell which is better")
    if truth.complete < truth.replicates:
        click.echo(
            f"in {truth.replicates - truth.complete} replicates some class has no image: "
            "it has few, and the intervals are rough"
        )


def _print_maps(compared: MapComparison) -> None:
    values = compared.to_dict()
    counts = values["pixels_by_difference"]
    click.echo(
        f"{compared.maps} {compared.kind} maps of {compared.images} images, {_of_what(compared)}\n"
    )
    rows = [
        ("equal pixels (%)", _percent(values["equal"])),
        ("within one grey level (%)", _percent(values["within_one_level"])),
        ("mean absolute difference (levels)", _number(values["mean_difference"])),
        ("mean difference, B − A (levels)", _number(values["mean_signed_difference"])),
        ("largest difference (levels)", str(values["largest_difference"])),
        ("correlation", _number(values["correlation"])),
        ("maps that are equal throughout", str(compared.same_maps)),
    ]
    if compared.kind == "saliency":
        rows.append(("salient (> 0.2) in one alone (%)", _percent(values["salience_changed"])))
    print_table(("A with B", ""), rows)
    bounds = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
    click.echo()
    print_table(
        ("difference (levels)", "pixels", "%"),
        [
            (
                str(low) if high == low + 1 else f"{low} to {high - 1}",
                str(sum(counts[low:high])),
                _percent(sum(counts[low:high]) / values["pixels"]),
            )
            for low, high in pairwise(bounds)
        ],
    )
    if compared.changed:
        click.echo()
        print_table(
            ("changed most", "mean absolute difference", "% of pixels differ"),
            [
                (
                    _cut(one.image_id),
                    _number(one.mean_difference),
                    _percent(one.differing / one.pixels),
                )
                for one in compared.changed
            ],
        )


def _of_what(compared: LabelComparison | MapComparison) -> str:
    drawn = ", SYNTHETIC: drawn by a program" if compared.synthetic else ""
    return f"{compared.benchmark} {compared.split or '(split not named)'}{drawn}"


def print_grid(grid: Grid, out: Path) -> None:
    """Print the tables of a grid whose files lie in `out`."""
    from wsss_assets.evaluation.grid.cells import NOTICE
    from wsss_assets.report.grid_tables import grid_tables, provenance

    names = [*grid.columns, "mean"]
    for table in grid_tables(grid):
        click.echo(table.title)
        rows = [
            [_cut(name, _LONGEST_NAME), *_starred(row, index, table.best)]
            for index, (name, row) in enumerate(zip((*grid.rows, "mean"), table.rows, strict=True))
        ]
        for columns in _blocks([_cut(name, _LONGEST_NAME) for name in names]):
            chosen = [0, *(column + 1 for column in columns)]
            header = ["saliency", *(_cut(name, _LONGEST_NAME) for name in names)]
            print_table([header[at] for at in chosen], [[row[at] for at in chosen] for row in rows])
            click.echo()
    click.echo("* the best saliency of a column. Recipes:")
    for name, recipe in grid.columns.items():
        click.echo(f"  {_cut(name, _LONGEST_NAME)}: {recipe.describe()}")
    click.echo("\n" + NOTICE.replace(": ", ":\n") + f"\n{provenance(grid)}")
    count = len(grid.cells)
    click.echo(
        f"{count} cells, {grid.kept} sweeps were there already; tables and grid.svg in {out}"
    )


def _starred(row: Sequence[str], index: int, best: frozenset[tuple[int, int]]) -> list[str]:
    return [f"{'*' if (index, at) in best else ''}{text}" for at, text in enumerate(row)]


def _blocks(names: Sequence[str]) -> list[list[int]]:
    """Columns that fit beside each other."""
    blocks: list[list[int]] = [[]]
    width = _LONGEST_NAME
    for index, name in enumerate(names):
        needed = max(len(name), 6) + 2
        if blocks[-1] and width + needed > _WIDTH:
            blocks.append([])
            width = _LONGEST_NAME
        blocks[-1].append(index)
        width += needed
    return blocks


def _cut(text: str, length: int = _LONGEST_ID) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _percent(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value * 100:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.2f}"


def _between(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{_signed(ends[0])} to {_signed(ends[1])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
