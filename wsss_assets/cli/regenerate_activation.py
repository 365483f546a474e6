"""Options of `regenerate` for activation methods, which need to know what images show."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.regenerate import ActivationOptions, Predicted

__all__ = ["PREDICTED", "Asked", "activation_options", "kind_of"]

PREDICTED = Path("predicted")
"""What stands in the place of a label list where the network is to make one."""

_NAMES = {
    "npy": "--npy",
    "label_threshold": "--label-threshold",
    "seeds": "--seeds",
    "without_seeds": "--without-seeds",
    "official_dropout": "--official-dropout",
    "partner_seed": "--partner-seed",
}


@dataclass(frozen=True)
class Asked:
    """What was asked of an activation method; None: nothing."""

    npy: Any
    label_threshold: float | None
    seeds: Path | None
    without_seeds: Any
    official_dropout: int | None
    partner_seed: int | None

    def refuse(self, model: str, labels: Path | None) -> None:
        """Refuse all of it, for a network that makes saliency maps.

        Raises:
            UsageError: something was asked.
        """
        from wsss_assets.errors import UsageError

        found = [_NAMES[name] for name, value in vars(self).items() if value is not None]
        found += ["--labels predicted"] if labels == PREDICTED else []
        if found:
            raise UsageError(
                f"{model} makes saliency maps", found=f"{', '.join(found)}, of activation maps"
            )

    def recorded(self, options: Mapping[str, Any]) -> Asked:
        """The same, with what is recorded of maps where nothing else is asked."""
        seeds = {} if self.seeds is None else {"without_seeds": None}
        given = {name: value for name, value in vars(self).items() if value is not None}
        return replace(self, **{**options, **seeds, **given})

    def options(self, labels: ImageLabels | Predicted, num_classes: int) -> ActivationOptions:
        """The same for Python."""
        from wsss_assets.regenerate import ActivationOptions

        return ActivationOptions(
            labels=labels,
            num_classes=num_classes,
            dictionaries=self.npy,
            seeds=self.seeds,
            without_seeds=self.without_seeds,
            official_dropout=self.official_dropout,
            partner_seed=self.partner_seed,
        )

    def of(
        self, benchmark: Benchmark, split: str | None, labels: Path | None, ids: Path | None
    ) -> tuple[Sequence[str] | None, ActivationOptions | None]:
        """The images wanted (None: all there are), and the options with the labels.

        Args:
            benchmark: whose classes they are.
            split: whose list is meant where there is no other.
            labels: a list, or `PREDICTED`.
            ids: a list of some of the images.

        Returns:
            No options where there are no labels.
        """
        from wsss_assets.devkit.label_sources import resolve_labels
        from wsss_assets.errors import UsageError
        from wsss_assets.regenerate import Predicted
        from wsss_assets.storage.image_ids import read_ids

        wanted = None if ids is None else read_ids(ids)
        if labels == PREDICTED:
            if wanted is None and split is not None:
                wanted = tuple(resolve_labels(benchmark, split))
            threshold = 0.5 if self.label_threshold is None else self.label_threshold
            return wanted, self.options(Predicted(threshold), len(benchmark.classes))
        if self.label_threshold is not None:
            raise UsageError("--label-threshold is for --labels predicted")
        if labels is None and split is None:
            return wanted, None
        listed = resolve_labels(benchmark, split, labels=labels)
        return wanted, self.options(listed, len(benchmark.classes))


def kind_of(model: str) -> Kind:
    """Which maps the model of that name makes.

    Raises:
        UnknownNameError: there is none of that name.
    """
    from wsss_assets.models import find_model
    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.regenerate.attribution_work import ATTRIBUTION

    if model == ATTRIBUTION:
        return "activation"
    of_activation = model != "onnx" and isinstance(find_model(model), ActivationMethod)
    return "activation" if of_activation else "saliency"


def activation_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say how activation maps are made; the command gets `asked`, an `Asked`."""

    @functools.wraps(command)
    def run(**given: Any) -> object:  # noqa: ANN401 (handed on as they are)
        asked = Asked(**{name: given.pop(name) for name in _NAMES})
        return command(asked=asked, **given)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS = (
    click.option(
        "--label-threshold",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="P",
        help="With --labels predicted: how sure the network must be of a class.  [default: 0.5]",
    ),
    click.option(
        "--npy",
        type=click.Choice(["classes", "irn"]),
        is_flag=False,
        flag_value="classes",
        help="Write dictionaries <image id>.npy instead of PNGs: {class: float32 (H, W)}, or, of "
        "irn_cam and amn, their authors' {keys, cam, high_res}.  [--npy alone: classes]",
    ),
    click.option("--seeds", type=FOLDER, help="amn: folder of its refined seeds, <image id>.png."),
    click.option(
        "--without-seeds",
        type=click.Choice(["plain", "stretched"]),
        help="amn: what to make without seeds, which is recorded under another name.",
    ),
    click.option(
        "--official-dropout",
        type=click.IntRange(min=0),
        metavar="SEED",
        help="amn: leave dropout on, as its authors' code does, but by a seed.",
    ),
    click.option(
        "--partner-seed",
        type=click.IntRange(min=0),
        metavar="N",
        help="mcis: what draws the images that an image is compared with.  [default: 0]",
    ),
)
