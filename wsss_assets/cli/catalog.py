"""Commands about the catalogue: which map sets there are, and what is known of them."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import benchmark_option, json_option
from wsss_assets.cli.output import print_table, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wsss_assets.catalog.records import MapSet, Record, ResultTable

__all__ = [
    "COMMANDS",
    "complete_map_set",
    "complete_weights",
    "print_columns",
    "print_wrapped",
    "record_values",
]

_WIDEST = 100


_FOLDERS = {
    "maker": ("manifests", "makers"),
    "training set": ("manifests", "training_sets"),
    "table": ("manifests", "results"),
    "citation": ("citations",),
    "weights": ("manifests", "weights"),
}


def _complete(*kinds: str) -> Callable[..., list[str]]:
    """What makes a shell complete names of some kinds: map sets, or those of a folder above."""

    def complete(_: object, __: object, incomplete: str) -> list[str]:
        from wsss_assets.catalog.names import map_set_names, stems

        known: set[str] = set()
        for kind in kinds:
            known.update(map_set_names() if kind == "map set" else stems(*_FOLDERS[kind]))
        return sorted(name for name in known if name.startswith(incomplete))

    return complete


complete_map_set = _complete("map set")
complete_weights = _complete("weights")


@click.command("list")
@click.option(
    "--benchmark",
    metavar="NAME",
    shell_complete=_complete("table"),
    help="Only of this benchmark: voc2012 or coco2014.",
)
@click.option("--kind", type=click.Choice(["saliency", "activation"]), help="Only of this kind.")
@click.option(
    "--maker",
    metavar="NAME",
    shell_complete=_complete("maker"),
    help="Only made by this model or method, e.g. vst, eps.",
)
@click.option(
    "--trained-on",
    metavar="NAME",
    shell_complete=_complete("training set"),
    help="Only with this training set behind them, e.g. duts.",
)
@click.option(
    "--supervision",
    type=click.Choice(["none", "image_labels", "pixel_masks", "not_known"]),
    help="Only with this as the strongest annotation behind them.",
)
@click.option("--regenerable", is_flag=True, help="Only those that published weights can remake.")
@click.option("-q", "--quiet", is_flag=True, help="Only the ids, one per line.")
@json_option
def list_(quiet: bool, json_target: Path | None, regenerable: bool, **conditions: Any) -> None:  # noqa: ANN401
    """List the map sets.

    Who made them, which annotated data sets and which annotation are behind them, whether
    published weights can make them again, and where they can be had.

    \b
    Examples:
      wsss-assets list --benchmark voc2012 --kind saliency
      wsss-assets list --supervision image_labels --quiet
    """
    from wsss_assets.catalog.catalog import list_map_sets

    found = list_map_sets(**conditions, regenerable=True if regenerable else None)
    if json_target is not None:
        write_json(json_target, [record_values(one) for one in found])
    if quiet and str(json_target) != "-":
        for one in found:
            click.echo(one.id)
    elif json_target is None:
        header = ("map set", "made by", "trained on", "supervision", "made again", "where")
        print_columns(header, [_row(one) for one in found])
        count = f"{len(found)} map set{'' if len(found) == 1 else 's'}"
        click.echo(f"{count}; {_licences(found)}" if found else count, err=True)


@click.command()
@click.argument("map_set", shell_complete=complete_map_set)
@json_option
def info(map_set: str, json_target: Path | None) -> None:
    """Show all that is recorded of a map set.

    MAP_SET is its id or WSSS-BED's name of it, in any case.

    \b
    Examples:
      wsss-assets info voc2012/saliency/vst_duts
      wsss-assets info VOC2012_EPS_VST_DUTS --json -
    """
    from wsss_assets.catalog.catalog import get_map_set
    from wsss_assets.catalog.prose import facts

    found = get_map_set(map_set)
    if json_target is not None:
        write_json(json_target, record_values(found))
        return
    for name, value in facts(found):
        print_wrapped(value, label=name)


@click.command()
@click.argument(
    "names",
    nargs=-1,
    required=True,
    shell_complete=_complete("map set", "maker", "training set", "citation"),
)
def cite(names: tuple[str, ...]) -> None:
    """Print the BibTeX entries to cite for map sets.

    Those of what made them, of what that was trained on, of the benchmark and of WSSS-BED, each
    once. NAMES are map sets, makers, training sets or keys of entries.

    \b
    Examples:
      wsss-assets cite voc2012/saliency/vst_duts voc2012/activation/cam > maps.bib
      wsss-assets cite vst duts
    """
    from wsss_assets.catalog.bibliography import citations
    from wsss_assets.catalog.catalog import keys_to_cite

    keys = [key for name in names for key in keys_to_cite(name)]
    click.echo(citations(keys), nl=False)


@click.command()
@click.argument("map_set", shell_complete=complete_map_set)
def why(map_set: str) -> None:
    """Tell what a map set is, and what is behind it.

    What made it, what that was trained on, what this means for "weakly supervised", who used it;
    then what is not known, and what to mind.

    \b
    Example:
      wsss-assets why voc2012/saliency/vst_duts
    """
    from wsss_assets.catalog.catalog import get_map_set
    from wsss_assets.catalog.prose import explain

    story, doubts = explain(get_map_set(map_set))
    print_wrapped(story)
    click.echo()
    print_wrapped(doubts)


@click.command()
@benchmark_option
@click.option(
    "--method", multiple=True, metavar="NAME", help="Only this method, e.g. cam; repeatable."
)
@click.option(
    "--saliency",
    multiple=True,
    metavar="NAME",
    help="Only this saliency set, e.g. vst_duts, or all of a model, e.g. vst; repeatable.",
)
@json_option
def results(
    benchmark: str, method: tuple[str, ...], saliency: tuple[str, ...], json_target: Path | None
) -> None:
    """Show the results that WSSS-BED published.

    Rows are saliency maps, columns activation maps. These are scores of a segmentation network
    that was trained on pseudo-labels, not of the pseudo-labels: they do not compare with what
    the command evaluate says of labels.

    \b
    Examples:
      wsss-assets results --benchmark voc2012
      wsss-assets results --benchmark coco2014 --method eps --saliency vst
    """
    from wsss_assets.catalog.catalog import get_result_table
    from wsss_assets.catalog.results import narrow_results

    table = narrow_results(get_result_table(benchmark), method, saliency)
    if json_target is not None:
        write_json(json_target, record_values(table))
        return
    _print_results(table)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what lets a shell complete commands and names.

    \b
    Examples:
      wsss-assets completion bash >> ~/.bashrc
      wsss-assets completion zsh >> ~/.zshrc
      wsss-assets completion fish > ~/.config/fish/completions/wsss-assets.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is not None:
        command = ctx.find_root().command
        click.echo(script(command, {}, "wsss-assets", "_WSSS_ASSETS_COMPLETE").source())
    if sys.stdout.isatty():
        click.echo("append this to what your shell reads at its start (see --help)", err=True)


COMMANDS = (list_, info, why, cite, results, completion)


def record_values(record: Record) -> Any:  # noqa: ANN401 (JSON)
    """A record as its file has it."""
    from wsss_assets.catalog.records import canonical_json

    return json.loads(canonical_json(record))


def _row(one: MapSet) -> tuple[str, ...]:
    """A map set in the table; names as the filters take them."""
    again = None if one.regeneration is None else one.regeneration.possible
    return (
        one.id,
        one.maker,
        "not stated" if one.trained_on is None else "+".join(one.trained_on) or "–",
        one.supervision or "not_known",
        {True: "yes", False: "no", None: "not known"}[again],
        "archive" if one.published is None else "Hub",
    )


def _licences(found: Sequence[MapSet]) -> str:
    from wsss_assets.catalog.prose import describe_licence

    return f"licence: {', '.join(sorted({describe_licence(one) for one in found}))}"


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns of words."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_wrapped(text: str, label: str = "") -> None:
    """Print a paragraph within the terminal, beside a label if there is one."""
    indent = f"{label:14}" if label else ""
    click.echo(
        textwrap.fill(
            text,
            min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST),
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _print_results(table: ResultTable) -> None:
    """Print a table of results with what a reader must know."""
    cells = {(one.saliency, one.method): f"{one.mean} ± {one.std}" for one in table.results}
    methods = list(dict.fromkeys(one.method for one in table.results))
    rows = [
        (saliency, *(cells.get((saliency, method), "–") for method in methods))
        for saliency in dict.fromkeys(one.saliency for one in table.results)
    ]
    own = [str(table.own.get(method, "–")) for method in methods]
    print_table((f"{table.benchmark} val", *methods), [*rows, ("own paper", *own)])
    click.echo()
    print_wrapped(
        f"{table.title}. {table.source}. Full supervision: {table.supervised}. Own paper: what the "
        f"method's own paper reports. {table.note}"
    )
