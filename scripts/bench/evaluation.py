"""One confusion matrix per image, in memory, against other ways to count."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import common
import numpy as np
import plain
from numpy.typing import NDArray

from wsss_assets import get_recipe, pseudo_label
from wsss_assets.evaluation.confusion import confusion_matrix
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

UInt8: TypeAlias = NDArray[np.uint8]
Pairs: TypeAlias = "Sequence[tuple[UInt8, UInt8]]"

OURS = "wsss-assets"
JOINT = "mask, int64 joint index, bincount"
BARE = "bincount alone, joint index given"
LOOP = "loop over classes (SEAM's form)"
TORCH = "the same loop in torch, 1 thread"


def count_ours(pairs: Pairs) -> NDArray[np.int64]:
    """Sum of the confusion matrices."""
    return sum(
        (confusion_matrix(guess, truth, plain.CLASSES) for guess, truth in pairs),
        np.zeros((plain.CLASSES + 1, plain.CLASSES + 2), np.int64),
    )


def count_joint(pairs: Pairs) -> NDArray[np.int64]:
    """The same by a joint index."""
    return sum(
        (plain.joint_bincount(plain.joint_index(guess, truth)) for guess, truth in pairs),
        np.zeros((plain.CLASSES + 1, plain.CLASSES + 2), np.int64),
    )


def each(function: Callable[..., object], items: Sequence[Any]) -> None:
    """Call the function with every item."""
    for item in items:
        function(*item)


def contenders(pairs: Pairs) -> list[common.Contender]:
    """All ways to count these pairs of (prediction, ground truth)."""
    joints = [(plain.joint_index(guess, truth),) for guess, truth in pairs]
    ways: dict[str, Callable[[], object]] = {
        OURS: partial(count_ours, pairs),
        JOINT: partial(count_joint, pairs),
        BARE: partial(each, plain.joint_bincount, joints),
        LOOP: partial(each, plain.class_sums, pairs),
    }
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
        tensors = [
            (torch.from_numpy(guess), torch.from_numpy(truth.copy())) for guess, truth in pairs
        ]
        ways[TORCH] = partial(each, plain.torch_class_sums, tensors)
    return [common.Contender(name, run, len(pairs)) for name, run in ways.items()]


def check(pairs: Pairs) -> None:
    """All ways give the same integers."""
    ours = count_ours(pairs)
    looped = sum(plain.class_sums(guess, truth) for guess, truth in pairs)
    hit, predicted, true = np.diagonal(ours), ours.sum(axis=0)[:-1], ours.sum(axis=1)
    if not (
        np.array_equal(ours, count_joint(pairs))
        and np.array_equal(looped, np.stack([hit, predicted, true]))
    ):
        raise click.ClickException("the counts differ")


def real_pairs(data: common.Data, scratch: Path, *, ignore: bool) -> Pairs:
    """Pseudo-labels and ground truth."""
    out = scratch / f"ignore-{ignore}"
    recipe = get_recipe(method="cam").changed(ignore=ignore)
    pseudo_label(
        data.labels, data.activation, out, saliency=data.saliency, recipe=recipe, benchmark="mini"
    )
    return [
        (read_label(out / f"{image_id}.png"), read_label(data.ground_truth / f"{image_id}.png"))
        for image_id in data.labels
    ]


def noise_pairs(images: int) -> Pairs:
    """Labels without any structure: every value anywhere, 255 too."""
    random = np.random.default_rng(0)
    values = np.array([*range(plain.CLASSES + 1), 255], np.uint8)
    return [
        (values[random.integers(len(values), size=(375, 500))],
         values[random.integers(len(values), size=(375, 500))])
        for _ in range(images)
    ]  # fmt: skip


@click.command()
@common.data_option
@click.option("--images", type=click.IntRange(min=1), default=100, show_default=True)
@common.rounds_option(9)
@common.json_option
def main(data: Path | None, images: int, rounds: int, json_target: Path | None) -> None:
    """One confusion matrix per image, in memory, against other ways to count."""
    report = common.Report("evaluation")
    with common.mini_data(data, images) as (drawn, scratch):
        sets = {
            "pseudo-labels with 255": real_pairs(drawn, scratch, ignore=True),
            "pseudo-labels without 255": real_pairs(drawn, scratch, ignore=False),
            "uniform noise, the worst case": noise_pairs(images),
        }
    for name, pairs in sets.items():
        check(pairs)
        ways = contenders(pairs)
        report.timed(
            f"Confusion matrix of {name}, per image of {images}; equal counts",
            common.interleave(ways, rounds),
            [
                common.Ratio(OURS, JOINT, at_most=1),
                common.Ratio(OURS, BARE),
                *(common.Ratio(way.name, OURS) for way in ways if way.name in {LOOP, TORCH}),
            ],
        )
    report.write(json_target)


if __name__ == "__main__":
    main()
