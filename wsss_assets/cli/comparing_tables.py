"""What the commands that compare map sets and labels print."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.output import cut, number, percent, print_table, signed
from wsss_assets.words import counted, over_classes, some_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.evaluation.comparing.labels import LabelComparison
    from wsss_assets.evaluation.comparing.map_comparison import MapComparison
    from wsss_assets.evaluation.comparing.truth import TruthComparison
    from wsss_assets.evaluation.grid.scores import Grid

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
        f"labels of {counted(compared.images, 'image')}, {_of_what(compared)}\n\n"
        f"the same label: {percent(compared.agreement)} % of all pixels, "
        f"{percent(compared.agreement_without_ignored)} % of those that are 255 in neither\n"
        f"equal throughout: {counted(compared.same_images, 'image')}\n"
    )
    _print_classes(compared)
    confusions = compared.confusions(most)
    differing = int(compared.joint.sum() - compared.joint.trace())
    if confusions:
        click.echo()
        print_table(
            ("A → B", "pixels", "% of what differs"),
            [
                (f"{before} → {after}", str(pixels), percent(pixels / differing))
                for before, after, pixels in confusions
            ],
        )
    if compared.changed:
        click.echo()
        print_table(
            ("changed most", "pixels", "% of the image"),
            [
                (
                    cut(one.image_id, _LONGEST_ID),
                    str(one.differing),
                    percent(one.differing / one.pixels),
                )
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
        row = [name, percent(None if overlap != overlap else overlap)]  # NaN
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
    if truth is not None:
        scored = {"A": truth.first, "B": truth.second}
        over = {
            name: over_classes(one.classes_in_mean, len(one.per_class))
            for name, one in scored.items()
        }
        if any(over.values()):
            told = [f"{name}{words}" for name, words in over.items() if words]
            click.echo(f"mIoU of {', of '.join(told)}")


def _changes(one: dict[str, Any]) -> list[str]:
    return [
        percent(one["first"]),
        percent(one["second"]),
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
                        cut(one.image_id, _LONGEST_ID),
                        percent(one.first),
                        percent(one.second),
                        _signed(one.difference),
                    )
                    for one in changes
                ],
            )
    scores = truth.first
    digest = scores.ground_truth_digest or ""
    policy = f", 255 counted as: {scores.ignored}" if scores.ignored else ""
    click.echo(
        f"\nmIoU {percent(truth.first.miou)} → {percent(truth.second.miou)}: "
        f"{_signed(truth.difference)} points, {100 * truth.confidence:.4g} % interval "
        f"{_between(truth.interval)}"
    )
    if truth.second_higher is not None:
        click.echo(
            f"{counted(truth.replicates, 'replicate')} (seed {truth.seed}) of "
            f"{counted(scores.images, 'image')}, B higher in {percent(truth.second_higher)} % of "
            "them"
        )
    click.echo(f"ground truth {digest[:16]}{policy}")
    _print_caution(truth)


def _print_caution(truth: TruthComparison) -> None:
    """How far the interval is to be trusted, and what it says."""
    from wsss_assets.evaluation.comparing.truth import FEW_IMAGES, LEAST_IMAGES

    images = truth.first.images
    if images < LEAST_IMAGES:
        click.echo("no interval: of one image nothing is known about other images")
        return
    if images < FEW_IMAGES:
        click.echo(
            f"{counted(images, 'image')}: of fewer than {FEW_IMAGES} the intervals are too narrow "
            "to be relied on"
        )
    if not (truth.risen or truth.fallen) and truth.difference == 0:
        click.echo("no image scores differently")
    elif truth.interval is not None and truth.interval[0] <= 0 <= truth.interval[1]:
        click.echo("the interval holds 0: these images do not tell which is better")
    if truth.complete < truth.replicates:
        click.echo(
            f"in {counted(truth.replicates - truth.complete, 'replicate')} some class has no "
            "image: it has few, and the intervals are rough"
        )


def _print_maps(compared: MapComparison) -> None:
    values = compared.to_dict()
    counts = values["pixels_by_difference"]
    click.echo(
        f"{counted(compared.maps, f'{compared.kind} map')} of "
        f"{counted(compared.images, 'image')}, {_of_what(compared)}\n"
    )
    rows = [
        ("equal pixels (%)", percent(values["equal"])),
        ("within one grey level (%)", percent(values["within_one_level"])),
        ("mean absolute difference (levels)", number(values["mean_difference"], 4)),
        ("mean difference, B − A (levels)", number(values["mean_signed_difference"], 4)),
        ("largest difference (levels)", _whole(values["largest_difference"])),
        ("correlation", number(values["correlation"], 4)),
        ("maps that are equal throughout", str(compared.same_maps)),
    ]
    if compared.kind == "saliency":
        rows.append(("salient (> 0.2) in one alone (%)", percent(values["salience_changed"])))
    print_table(("A with B", ""), rows)
    bounds = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
    click.echo()
    print_table(
        ("difference (levels)", "pixels", "%"),
        [
            (
                str(low) if high == low + 1 else f"{low} to {high - 1}",
                str(sum(counts[low:high])),
                percent(sum(counts[low:high]) / max(values["pixels"], 1)),
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
                    cut(one.image_id, _LONGEST_ID),
                    number(one.mean_difference, 4),
                    percent(one.differing / one.pixels),
                )
                for one in compared.changed
            ],
        )


def _of_what(compared: LabelComparison | MapComparison) -> str:
    drawn = ", SYNTHETIC: drawn by a program" if compared.synthetic else ""
    return " ".join(filter(None, (compared.benchmark, compared.split))) + drawn


def print_grid(grid: Grid, out: Path) -> None:
    """Print the tables of a grid whose files lie in `out`."""
    from wsss_assets.evaluation.grid.cells import NOTICE
    from wsss_assets.report.grid_tables import grid_tables, provenance

    tables = grid_tables(grid)
    for table in tables:
        names = table.header
        click.echo(table.title)
        rows = [
            [cut(name, _LONGEST_NAME), *_starred(row, index, table.best)]
            for index, (name, row) in enumerate(zip(table.names, table.rows, strict=True))
        ]
        for columns in _blocks([cut(name, _LONGEST_NAME) for name in names]):
            chosen = [0, *(column + 1 for column in columns)]
            header = ["saliency", *(cut(name, _LONGEST_NAME) for name in names)]
            print_table([header[at] for at in chosen], [[row[at] for at in chosen] for row in rows])
            click.echo()
    starred = "* the best saliency of a column. " if any(one.best for one in tables) else ""
    click.echo(f"{starred}Recipes:")
    for name, recipe in grid.columns.items():
        click.echo(f"  {cut(name, _LONGEST_NAME)}: {recipe.describe()}")
    click.echo("\n" + NOTICE.replace(": ", ":\n") + f"\n{provenance(grid)}")
    click.echo(f"{_how_many(grid)}; tables and grid.svg in {out}")
    others = [
        f"{counted(len(names), f'other {kind} set')} ({some_of(names)})"
        for kind, names in grid.others.items()
        if names
    ]
    if others:
        click.echo(
            f"cells of {' and '.join(others)} are kept in {out}, and are not in these tables"
        )


def _how_many(grid: Grid) -> str:
    """Cells, and how many of them were there; a column without saliency has one cell."""
    were = "was" if grid.kept == 1 else "were"
    shared = any(not recipe.uses_saliency for recipe in grid.columns.values())
    one = " (one for all rows where no saliency is used)" if shared and len(grid.rows) > 1 else ""
    return f"{counted(grid.count, 'cell')}{one}, {grid.kept} {were} there already"


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


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(100 * value, 2)


def _between(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{_signed(ends[0])} to {_signed(ends[1])}"


def _whole(value: int | None) -> str:
    return "–" if value is None else str(value)
