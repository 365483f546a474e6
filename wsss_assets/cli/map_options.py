"""Options about maps and the recipe that turns them into labels."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import with_options
from wsss_assets.errors import UnknownNameError
from wsss_assets.words import did_you_mean, near

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.catalog.records import Kind
    from wsss_assets.labels.recipes import Recipe
    from wsss_assets.ranks import Ranks

__all__ = [
    "all_map_options",
    "how_opened",
    "map_options",
    "means_folder",
    "named_places",
    "open_each",
    "open_maps",
    "recipe_options",
    "several_map_options",
    "stream_option",
]

stream_option = click.option(
    "--stream", is_flag=True, help="Read map sets from the Hub as needed, without a local copy."
)


def map_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say where the maps are; below `recipe_options` and `label_options`.

    The command gets `saliency` and `activation`, each a folder or a source of maps. Saliency that
    the recipe does not use is not opened: what was given is handed on, to be named.
    """
    return _map_options(command, opens_unused=False)


def all_map_options(command: Callable[..., object]) -> Callable[..., object]:
    """As `map_options`; but saliency that the recipe does not use is opened, too."""
    return _map_options(command, opens_unused=True)


def _map_options(command: Callable[..., object], *, opens_unused: bool) -> Callable[..., object]:
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
        opens = saliency is not None and (recipe.uses_saliency or opens_unused)
        places = [one for one in (saliency if opens else None, activation) if one]
        how = how_opened(places, _listed(others), _ranks(others), stream=stream)
        beside = None if saliency is None or means_folder(saliency) else saliency
        return command(
            recipe=recipe,
            benchmark=benchmark,
            split=split,
            saliency=open_maps(saliency, "saliency", benchmark, split, **how)
            if saliency is not None and opens
            else saliency,
            activation=open_maps(activation, "activation", benchmark, split, beside, **how),
            **others,
        )

    return with_options(
        run,
        click.option(
            "--saliency", metavar="DIR|SET", help="Folder of <image id>.png, or a map set."
        ),
        click.option(
            "--activation",
            metavar="DIR|SET",
            required=True,
            help="Folder of <image id>_<class>.png (0-based), or of <image id>.npy dictionaries, "
            "or a map set.",
        ),
        stream_option,
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
        named = {
            "saliency": named_places(saliency, "saliency"),
            "activation": named_places(activation, "activation"),
        }
        places = [place for each in named.values() for place in each.values()]
        how = how_opened(places, _listed(others), _ranks(others), stream=stream)
        return command(
            benchmark=benchmark,
            split=split,
            saliency=open_each(named["saliency"], "saliency", benchmark, split, **how),
            activation=open_each(named["activation"], "activation", benchmark, split, **how),
            **others,
        )

    return with_options(
        run,
        click.option(
            "--saliency",
            metavar="[NAME=]DIR|SET",
            multiple=True,
            help="Folder of <image id>.png, or a map set; may be repeated.",
        ),
        click.option(
            "--activation",
            metavar="[NAME=]DIR|SET",
            multiple=True,
            required=True,
            help="Folder of <image id>_<class>.png (0-based), or of <image id>.npy dictionaries, "
            "or a map set; may be repeated.",
        ),
        stream_option,
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


def means_folder(text: str) -> bool:
    """Whether a text means a folder, and not a map set such as `cam`."""
    from wsss_assets.catalog.names import is_place

    return Path(text).is_dir() or is_place(text)


def how_opened(
    places: Collection[str], ids: Iterable[str], ranks: Ranks, *, stream: bool
) -> dict[str, Any]:
    """What else `open_maps` has to know: whether, and in which order, sets are streamed.

    Args:
        places: all that a command opens: folders, or names of map sets.
        ids: the images that will be read, in this order.
        ranks: which process this is.
        stream: read map sets as they are needed.

    Raises:
        UsageError: streams were asked for, and there are only folders.
    """
    from wsss_assets.errors import UsageError

    if stream and all(map(means_folder, places)):
        raise UsageError(
            "--stream reads map sets from the Hub, and these are folders",
            expected="a map set by its name, e.g. --activation cam",
            found=", ".join(places),
            hint="leave out --stream: a folder is read where it lies",
        )
    return {"stream": stream, "ids": tuple(ids) if stream else (), "ranks": ranks}


def open_each(
    places: Mapping[str, str],
    kind: Kind,
    benchmark: Benchmark,
    split: str | None,
    **how: Any,  # noqa: ANN401 (as of `open_maps`)
) -> dict[str, Any]:
    """What `open_maps` gives of each of several places, by their names."""
    return {name: open_maps(place, kind, benchmark, split, **how) for name, place in places.items()}


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

    Raises:
        UnknownNameError: it is neither.
    """
    if means_folder(name):
        from wsss_assets.catalog.names import is_place, map_set_names
        from wsss_assets.ranks import ALONE

        named_so = f"{benchmark.name}/{kind}/{name}" in map_set_names()
        if not is_place(name) and named_so and how.get("ranks", ALONE).is_first:
            click.echo(f"reading the folder {name}, not the map set of that name", err=True)
        return Path(name)
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.map_sets.sources import open_map_set

    try:
        return open_map_set(
            name, kind, benchmark.name, split, saliency=beside, feedback=Terminal(), **how
        )
    except UnknownNameError as error:
        raise _neither(name, kind, benchmark.name, error) from error


def _near_folders(folder: Path) -> list[str]:
    """Folders beside one that is not there whose names look like its own."""
    if not folder.parent.is_dir():
        return []
    beside = [one.name for one in folder.parent.iterdir() if one.is_dir()]
    return [str(folder.with_name(one)) for one in near(folder.name, beside)]


def _neither(name: str, kind: Kind, benchmark: str, error: UnknownNameError) -> UnknownNameError:
    """The error for a text that means nothing: a folder may have been meant as well as a set."""
    from wsss_assets.catalog.names import map_set_names, near_names

    if not error.summary.startswith("no "):  # more is known: it means several sets, or a hole
        return error
    close = [*_near_folders(Path(name)), *near_names(name, benchmark=benchmark, kind=kind)]
    shown = f"wsss-assets list --benchmark {benchmark} --kind {kind}"
    there = any(one.startswith(f"{benchmark}/{kind}/") for one in map_set_names())
    return UnknownNameError.saying(
        f"{name} is neither a folder nor a map set",
        expected=f"a folder that is there, or one of the map sets that '{shown}' shows"
        if there
        else f"a folder that is there; of {benchmark} there are no map sets",
        hint=did_you_mean(close),
    )


def _listed(options: Mapping[str, Any]) -> Collection[str]:
    """The images of `label_options`, in order."""
    listed: Collection[str] = options["labels"]
    return listed


def _ranks(options: Mapping[str, Any]) -> Ranks:
    from wsss_assets.ranks import ALONE

    ranks: Ranks = options.get("ranks", ALONE)
    return ranks


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

    return with_options(
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
