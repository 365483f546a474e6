"""Commands about published weights: which there are, having them, and making them portable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.catalog import (
    complete_weights,
    print_columns,
    print_wrapped,
    record_values,
)
from wsss_assets.cli.options import FOLDER, json_option
from wsss_assets.cli.output import write_json
from wsss_assets.errors import MissingDependencyError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.catalog.records import PublishedWeights

__all__ = ["COMMANDS"]


@click.group()
def weights() -> None:
    """Look up, fetch and convert published weights.

    \b
    Example:
      wsss-assets weights list
    """


@weights.command("list")
@click.option("--model", metavar="NAME", help="Only of this network, e.g. vst.")
@json_option
def list_(model: str | None, json_target: Path | None) -> None:
    """List published weights.

    Which network loads them, what they were trained on, where they can be had: fetched from an
    address (url) or from Google Drive (drive), or by a person from a page; and whether they are
    here: yes, no, or damaged where the file is not what it should be.

    \b
    Examples:
      wsss-assets weights list
      wsss-assets weights list --model u2netp --json -
    """
    from wsss_assets.catalog.catalog import list_weights
    from wsss_assets.regenerate.weights_cache import is_here

    found = list_weights(model)
    if model is not None and not found:
        found = _of_alias(model)
    if json_target is not None:
        write_json(json_target, [_values(one) for one in found])
        return
    rows = [
        (
            one.id,
            one.model,
            "not stated" if one.trained_on is None else "+".join(one.trained_on) or "–",
            one.supervision or "not_known",
            "+".join(dict.fromkeys(_way(source) for source in one.sources)),
            is_here(one),
        )
        for one in found
    ]
    print_columns(("weights", "network", "trained on", "supervision", "from", "here"), rows)


@weights.command()
@click.argument("name", metavar="ID", shell_complete=complete_weights)
@json_option
def info(name: str, json_target: Path | None) -> None:
    """Show all that is recorded of published weights.

    Where they can be had, their digest and licence where these are known, what they were trained
    on, which map sets they may remake, and whether they are here.

    \b
    Examples:
      wsss-assets weights info u2netp_onnx
      wsss-assets weights info move --json -
    """
    from wsss_assets.catalog.catalog import get_weights
    from wsss_assets.catalog.weights import weights_facts
    from wsss_assets.regenerate.weights_cache import first_seen, is_here, kept_at

    record = get_weights(name)
    if json_target is not None:
        write_json(json_target, _values(record))
        return
    for label, value in weights_facts(record):
        print_wrapped(value, label=label)
    path, digest = kept_at(record), first_seen(record).digest()
    here = is_here(record)
    print_wrapped(str(path) if here == "yes" else f"{here}; its place is {path}", label="here")
    if record.sha256 is None and digest is not None:
        print_wrapped(f"sha256 {digest}", label="first seen")


@weights.command()
@click.argument("name", metavar="ID", shell_complete=complete_weights)
@click.option("--to", "folder", type=FOLDER, help="Copy the files there, too.")
def fetch(name: str, folder: Path | None) -> None:
    """Have published weights on this machine, whole and checked.

    Prints the paths: of MOVE there are two, for it needs DINO's. A digest that nobody published
    is recorded when the file is first seen and enforced ever after. What is here already costs no
    request. Weights that only a person can get are an error that says where.

    \b
    Examples:
      wsss-assets weights fetch u2netp_onnx
      wsss-assets weights fetch vst --to checkpoints
    """
    from wsss_assets.catalog.catalog import get_weights
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.regenerate.weights import copy_weights
    from wsss_assets.regenerate.weights_fetching import obtain_weights

    for file in obtain_weights(get_weights(name), Terminal()):
        click.echo(str(file.path if folder is None else copy_weights(file, folder)))


@weights.command()
@click.argument(
    "sources", metavar="ID|FILE...", nargs=-1, required=True, shell_complete=complete_weights
)
@click.option(
    "--model",
    metavar="NAME",
    help="Which network loads them.  [default: that of ID or FILE if known]",
)
@click.option(
    "--classes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of an activation method: how many its network knows.  [default: those of the ID]",
)
@click.option("--to", "folder", type=FOLDER, required=True, help="Folder for the two files.")
def convert(sources: tuple[str, ...], model: str | None, classes: int | None, folder: Path) -> None:
    """Convert weights to safetensors, with a model card.

    They are loaded into the network, which proves that they fit, and written as
    `model.safetensors` beside a README.md that says where they come from. Nothing is overwritten.

    \b
    Examples:
      wsss-assets weights convert u2netp_onnx --to u2netp
      wsss-assets weights convert final.pth --model poolnet_resnet50 --to poolnet
      wsss-assets weights convert move.pth dino_vits8 --model move --to move
      wsss-assets weights convert res38.pth --model eps --classes 20 --to eps
    """
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.regenerate.conversion import convert_weights

    for path in convert_weights(sources, model, folder, Terminal(), classes=classes):
        click.echo(str(path))


COMMANDS = (weights,)


def _values(record: PublishedWeights) -> Any:  # noqa: ANN401 (JSON)
    """A record as its file has it, with what is known on this machine."""
    from wsss_assets.regenerate.weights_cache import first_seen, is_here, kept_at

    path, here = kept_at(record), is_here(record)
    return {
        **record_values(record),
        "held_to": first_seen(record).digest(),
        "here": here,
        "path": None if here == "no" else str(path),
    }


def _of_alias(model: str) -> tuple[PublishedWeights, ...]:
    """Published weights of a network that no record names: by its alias, or none.

    Only networks' own files know aliases, and these need torch: it is loaded for such names alone.

    Raises:
        UsageError: there is no such network, or none that can be told without torch.
    """
    from wsss_assets.catalog.catalog import list_weights
    from wsss_assets.models import get_architecture

    networks = ", ".join(dict.fromkeys(one.model for one in list_weights()))
    said = f"no published weights of {model} are known"
    try:
        found = list_weights(get_architecture(model).name)
    except MissingDependencyError as error:
        raise UsageError(
            said,
            expected=f"one of {networks}",
            hint="other names of networks are known where torch is installed: "
            "pip install 'wsss-assets[regenerate]'",
        ) from error
    if not found:
        click.echo(f"{said}; of {networks}, some are", err=True)
    return found


def _way(source: Any) -> str:  # noqa: ANN401 (a WeightsSource; its module is imported late)
    return "drive" if source.drive else "url" if source.url else "page"
