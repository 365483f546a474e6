"""Options that several commands share, and how they print."""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = [
    "FILE",
    "FOLDER",
    "announce",
    "benchmark_option",
    "json_option",
    "label_options",
    "list_options",
    "map_options",
    "named_places",
    "open_maps",
    "print_failures",
    "print_table",
    "progress_bar",
    "read_text",
    "recipe_options",
    "several_map_options",
    "shared_by_ranks",
    "workers_option",
    "write_json",
    "write_text",
]

Item = TypeVar("Item")

_MOST_SHOWN = 20


FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

benchmark_option = click.option(
    "--benchmark",
    default="voc2012",
    show_default=True,
    metavar="NAME",
    help="voc2012, coco2014 or mini: class names, palette, splits.",
)


workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]"
)


_stream_option = click.option(
    "--stream", is_flag=True, help="Read map sets from the Hub as needed, without a local copy."
)


def _can_be_made(_: click.Context, __: click.Parameter, target: Path | None) -> Path | None:
    """Refuse, before anything is done, a file whose folder neither is there nor can be made.

    Raises:
        OSError: so it is.
    """
    if target is None or str(target) == "-":
        return target
    there = next(one for one in target.absolute().parents if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "may not be written to" if there.is_dir() else "is no folder"
        raise OSError(f"{target} cannot be written: {there} {why}; choose another place")
    return target


json_option = click.option(
    "--json",
    "json_target",
    type=FILE,
    callback=_can_be_made,
    help="Write JSON there; - for standard output.",
)


def shared_by_ranks(command: Callable[..., object]) -> Callable[..., object]:
    """Let the processes that `torchrun` starts share a command; the outermost of its options.

    The command gets `ranks`, says what it did in the first process alone, and has its bar there.
    Where it was not given `workers`, processes of one machine share its cores.
    """

    @functools.wraps(command)
    def run(**options: Any) -> object:  # noqa: ANN401
        from wsss_assets.ranks import Ranks

        with Ranks.open() as ranks, ranks.watched(click.exceptions.Exit):
            if ranks.local_count > 1 and options.get("workers", 0) is None:
                from wsss_assets.parallel import default_workers

                options["workers"] = max(1, default_workers() // ranks.local_count)
            return command(ranks=ranks, **options)

    return run


def label_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say which images, with which classes, of which benchmark.

    The command gets `labels` (an `ImageLabels`), `benchmark` (a `Benchmark`) and `split`.
    """

    @functools.wraps(command)
    def run(*, labels: Path | None, split: str | None, benchmark: str, **others: Any) -> object:  # noqa: ANN401
        from wsss_assets.benchmarks import get_benchmark
        from wsss_assets.devkit.image_labels import resolve_labels
        from wsss_assets.ranks import ALONE

        known = get_benchmark(benchmark)
        if split is not None:
            known.split(split)
        ranks: Ranks = others.get("ranks", ALONE)  # one process reads standard input for all
        listed = ranks.first(lambda: resolve_labels(known, split, labels=labels))
        return command(labels=listed, split=split, benchmark=known, **others)

    return _with(
        run,
        benchmark_option,
        click.option("--labels", type=FILE, help="A label list `id c c …`; - for standard input."),
        click.option(
            "--split",
            metavar="NAME",
            help="train, train_aug or val; without --labels, WSSS-BED's list of it is fetched.",
        ),
    )


def list_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say which images, of which benchmark, where classes do not matter.

    The command gets `wanted` (image ids; None where no list is named), `benchmark` (a
    `Benchmark`) and `split`.
    """

    @functools.wraps(command)
    def run(
        *,
        ids: Path | None,
        labels: Path | None,
        split: str | None,
        benchmark: str,
        **others: Any,  # noqa: ANN401
    ) -> object:
        from wsss_assets.benchmarks import get_benchmark
        from wsss_assets.devkit.image_labels import fetch_label_list, read_ids
        from wsss_assets.errors import UsageError
        from wsss_assets.ranks import ALONE

        if ids is not None and labels is not None:
            raise UsageError("--ids and --labels both say which images", expected="one of them")
        known = get_benchmark(benchmark)
        ranks: Ranks = others.get("ranks", ALONE)  # one process reads standard input for all
        listed = ids or labels
        wanted: Collection[str] | None = None
        if listed is not None:
            wanted = ranks.first(lambda: read_ids(listed))
        if split is not None:
            whole = known.split(split).images
            if wanted is None:
                wanted = ranks.first(lambda: fetch_label_list(known, split))
            if whole is not None and len(wanted) > whole:
                raise UsageError(
                    f"the list is not {known.name} {split}",
                    expected=f"at most {whole} images",
                    found=f"{len(wanted)}",
                )
        return command(wanted=wanted, split=split, benchmark=known, **others)

    return _with(
        run,
        click.option("--ids", type=FILE, help="Which images: a list; - for standard input."),
        click.option("--labels", type=FILE, help="Which images: a label list `id c c …`."),
        click.option(
            "--split",
            metavar="NAME",
            help="train, train_aug or val; without --ids or --labels, WSSS-BED's list of it is "
            "fetched.",
        ),
        benchmark_option,
    )


def map_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say where the maps are; below `recipe_options` and `label_options`.

    The command gets `saliency` and `activation`, each a folder or a source of maps.
    """

    @functools.wraps(command)
    def run(
        *,
        recipe: Recipe,
        benchmark: Benchmark,
        split: str | None,
        saliency: str | None,
        activation: str,
        stream: bool,
        **others: Any,  # noqa: ANN401
    ) -> object:
        read = saliency if recipe.uses_saliency else None
        how = _how_opened(others, [one for one in (read, activation) if one], stream=stream)
        beside = None if saliency is None or _is_path(saliency) else saliency
        return command(
            recipe=recipe,
            benchmark=benchmark,
            split=split,
            saliency=saliency and Path(saliency)
            if read is None
            else open_maps(read, "saliency", benchmark, split, **how),
            activation=open_maps(activation, "activation", benchmark, split, beside, **how),
            **others,
        )

    return _with(
        run,
        click.option(
            "--saliency", metavar="DIR|NAME", help="Folder of <image id>.png, or a map set."
        ),
        click.option(
            "--activation",
            metavar="DIR|NAME",
            required=True,
            help="Folder of <image id>_<class>.png (0-based), or of <image id>.npy dictionaries, "
            "or a map set.",
        ),
        _stream_option,
    )


def several_map_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say where several sets of maps are; below `label_options`.

    The command gets `saliency` and `activation`, each a mapping of folders or sources by name.
    """

    @functools.wraps(command)
    def run(
        *,
        benchmark: Benchmark,
        split: str | None,
        saliency: Sequence[str],
        activation: Sequence[str],
        stream: bool,
        **others: Any,  # noqa: ANN401
    ) -> object:
        places = [
            *named_places(saliency, "saliency").values(),
            *named_places(activation, "activation").values(),
        ]
        how = _how_opened(others, places, stream=stream)

        def opened(given: Sequence[str], kind: Kind) -> dict[str, Any]:
            return {
                name: open_maps(place, kind, benchmark, split, **how)
                for name, place in named_places(given, kind).items()
            }

        return command(
            benchmark=benchmark,
            split=split,
            saliency=opened(saliency, "saliency"),
            activation=opened(activation, "activation"),
            **others,
        )

    return _with(
        run,
        click.option(
            "--saliency",
            metavar="[NAME=]DIR|SET",
            multiple=True,
            help="Folder of <image id>.png, or a map set; as often as there are.",
        ),
        click.option(
            "--activation",
            metavar="[NAME=]DIR|SET",
            multiple=True,
            required=True,
            help="Folder of <image id>_<class>.png (0-based), or of <image id>.npy dictionaries, "
            "or a map set; as often as there are.",
        ),
        _stream_option,
    )


def named_places(given: Sequence[str], kind: str) -> dict[str, str]:
    """Places by the names that tables call them by: given ones, or the last parts of paths.

    Raises:
        UsageError: two have one name.
    """
    from wsss_assets.errors import UsageError

    named: dict[str, str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not equals or "/" in name or Path(text).is_dir():
            name, place = Path(text).name, text
        if not name or not place or name in named:
            raise UsageError(
                f"--{kind} {text}: " + (f"{name} is named twice" if name in named else "no name"),
                hint=f"give each a name of its own: --{kind} NAME={place or 'DIR'}",
            )
        named[name] = place
    return named


def _is_path(text: str) -> bool:
    """Whether a text means a folder, and not a map set such as `cam`."""
    from wsss_assets.catalog.names import is_place

    return Path(text).is_dir() or is_place(text)


def _how_opened(
    options: Mapping[str, Any], places: Sequence[str], *, stream: bool
) -> dict[str, Any]:
    """What else `open_maps` has to know, from a command's other options.

    Raises:
        UsageError: streams were asked for, and there are only folders.
    """
    from wsss_assets.errors import UsageError
    from wsss_assets.ranks import ALONE

    if stream and all(map(_is_path, places)):
        raise UsageError(
            "--stream reads map sets from the Hub, and these are folders",
            expected="a map set by its name, e.g. --activation cam",
            found=", ".join(places),
            hint="leave out --stream: a folder is read where it lies",
        )
    ids = tuple(options["labels"]) if stream else ()
    return {"stream": stream, "ids": ids, "ranks": options.get("ranks", ALONE)}


def open_maps(
    name: str,
    kind: Kind,
    benchmark: Benchmark,
    split: str | None,
    beside: str | None = None,
    **how: Any,  # noqa: ANN401 (stream, ids and ranks of `open_map_set`)
) -> Any:  # noqa: ANN401 (a folder, or a source of maps)
    """The maps that an option names: a folder, or a map set, fetched if need be.

    Args:
        name: what was given.
        kind: which maps.
        benchmark: whose.
        split: which split of a map set.
        beside: name of the saliency set to go with them.
        how: whether and in which order a set is streamed, and by which processes.
    """
    if _is_path(name):
        from wsss_assets.catalog.names import is_place, map_set_names
        from wsss_assets.ranks import ALONE

        named_so = f"{benchmark.name}/{kind}/{name}" in map_set_names()
        if not is_place(name) and named_so and how.get("ranks", ALONE).is_first:
            click.echo(f"reading the folder {name}, not the map set of that name", err=True)
        return Path(name)
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.map_sets.sources import open_map_set

    return open_map_set(
        name, kind, benchmark.name, split, saliency=beside, feedback=Terminal(), **how
    )


def recipe_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that choose a recipe and change its settings; the command gets `recipe`."""

    @functools.wraps(command)
    def run(
        *,
        recipe: str | None,
        method: str | None,
        tau: float | None,
        saliency_threshold: float | None,
        ignore: bool | None,
        no_saliency: bool,
        **others: Any,  # noqa: ANN401
    ) -> object:
        from wsss_assets.labels.recipes import get_recipe

        chosen = get_recipe(recipe, method=method).changed(
            tau=tau,
            saliency_threshold=saliency_threshold,
            ignore=ignore,
            saliency=False if no_saliency else None,
        )
        return command(recipe=chosen, **others)

    return _with(
        run,
        click.option("--recipe", metavar="NAME", help="A published rule.  [default: wsss-bed]"),
        click.option(
            "--method",
            metavar="NAME",
            help="WSSS-BED's settings for maps of cam, oaa, mcis, drs, edam, eps or l2g.",
        ),
        click.option("--tau", type=float, help="Activation threshold, 0 to 1."),
        click.option(
            "--saliency-threshold", type=float, help="Saliency above it counts; 0 keeps it soft."
        ),
        click.option(
            "--ignore/--no-ignore", default=None, help="Salient pixels of no class become 255."
        ),
        click.option("--no-saliency", is_flag=True, help="A constant background score of tau."),
    )


def announce(recipe: Recipe, labels: ImageLabels, saliency: object, ranks: Ranks) -> None:
    """Say on standard error what will be done with what, in the first process."""
    if not ranks.is_first:
        return
    if saliency is not None and not recipe.uses_saliency:
        click.echo(f"this recipe uses no saliency: {saliency} is not read", err=True)
    click.echo(f"{recipe.describe()}; {len(labels)} images, from: {labels.source}", err=True)


def progress_bar(
    label: str, ranks: Ranks | None = None
) -> Callable[[Iterable[Item], int], Iterator[Item]]:
    """A wrapper for iterables that shows a bar on a terminal's standard error.

    Args:
        label: what stands before it.
        ranks: which process this is; the first one has the bar, of its own share.
    """
    hidden = ranks is not None and not ranks.is_first

    def wrap(items: Iterable[Item], length: int) -> Iterator[Item]:
        if hidden or not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap


def write_json(target: Path, value: object) -> None:
    """Write JSON to a file, or to standard output for `-`, there in letters that it has."""
    encoding = (sys.stdout.encoding or "").lower() if str(target) == "-" else "utf-8"
    plain = "utf" not in encoding
    write_text(target, json.dumps(value, indent=2, ensure_ascii=plain, allow_nan=False) + "\n")


def read_text(source: Path) -> str:
    """Read a text file, or standard input for `-`."""
    return sys.stdin.read() if str(source) == "-" else source.read_text("utf-8")


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all, or standard output for `-`."""
    if str(target) == "-":
        click.echo(text, nl=False)
        return
    from wsss_assets.storage.files import write_atomically

    write_atomically(target, text)


def print_failures(failed: Mapping[str, str], what: str) -> None:
    """List on standard error which images have no label or map, and why."""
    if failed:
        have = "1 image has" if len(failed) == 1 else f"{len(failed)} images have"
        click.echo(f"{have} no {what}:", err=True)
    for image_id, reason in list(failed.items())[:_MOST_SHOWN]:
        click.echo(f"  {image_id}: {reason}".replace("\n", " "), err=True)
    if len(failed) > _MOST_SHOWN:
        rest = len(failed) - _MOST_SHOWN
        click.echo(f"  … and {rest} more (--json FILE lists them all)", err=True)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _with(
    command: Callable[..., object], *options: Callable[..., Callable[..., object]]
) -> Callable[..., object]:
    """Add options so that `--help` lists them in the order given."""
    for option in reversed(options):
        command = option(command)
    return command
