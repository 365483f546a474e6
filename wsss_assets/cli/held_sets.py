"""Commands that look after the map sets that are held here: verify, and the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsss_assets.cli.catalog import complete_map_set
from wsss_assets.cli.options import json_option
from wsss_assets.cli.output import print_table, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.map_sets.store import HeldSet

__all__ = ["COMMANDS", "held_as_dict"]


@click.command()
@click.argument("names", metavar="[ID]...", nargs=-1, shell_complete=complete_map_set)
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], json_target: Path | None) -> None:
    """Take the digest of every file of the map sets here.

    Of all of them, or of those named. Exit status 1 where a file is missing or damaged; 'download'
    heals it.

    \b
    Example:
      wsss-assets verify
    """
    held = _held(names)
    damaged = {id(one): one.damaged(again=True) for one in held}
    if json_target is not None:
        write_json(
            json_target,
            [
                {**held_as_dict(one), "damaged": [file.path for file in damaged[id(one)]]}
                for one in held
            ],
        )
    if str(json_target) != "-":
        rows = [
            (
                one.holding.record.id,
                one.holding.split,
                one.holding.origin,
                str(len(one.holding.content.files)),
                "damaged" if damaged[id(one)] else "whole",
            )
            for one in held
        ]
        print_table(("map set", "split", "from", "shards", "state"), rows)
    for one in held:
        for file in damaged[id(one)]:
            click.echo(f"missing or damaged: {one.path(file)}", err=True)
    if any(damaged.values()):
        click.echo("→ 'wsss-assets download ID' heals a set", err=True)
        ctx.exit(1)


@click.group()
def cache() -> None:
    """Look at what is kept on this machine, and remove it.

    \b
    Example:
      wsss-assets cache ls
    """


@cache.command()
@json_option
def ls(json_target: Path | None) -> None:
    """List the map sets held here, and what broken downloads left.

    \b
    Example:
      wsss-assets cache ls
    """
    from wsss_assets.map_sets.cache import list_garbage, size_of
    from wsss_assets.map_sets.store import list_held

    held, garbage = list_held(), list_garbage()
    if json_target is not None:
        write_json(
            json_target,
            {
                "sets": [{**held_as_dict(one), "bytes": size_of(one)} for one in held],
                "leftovers": [
                    {"path": str(one.path), "bytes": one.size, "what": one.what} for one in garbage
                ],
            },
        )
    if str(json_target) == "-":
        return
    rows = [
        (one.holding.record.id, one.holding.split, one.holding.origin, f"{size_of(one):,}")
        for one in held
    ]
    print_table(("map set", "split", "from", "bytes"), rows)
    for one in garbage:
        click.echo(f"{one.path}: {one.size:,} bytes, {one.what}")
    if garbage:
        click.echo("→ 'wsss-assets cache prune' removes these leftovers", err=True)


@cache.command()
@click.argument("names", metavar="[ID]...", nargs=-1, shell_complete=complete_map_set)
@click.option("--all", "everything", is_flag=True, help="All map sets, too.")
@click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing.")
def prune(names: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Remove leftovers of broken downloads, and the map sets named.

    Without a name, no map set is touched. The digests of archives stay on record.

    \b
    Examples:
      wsss-assets cache prune --dry-run
      wsss-assets cache prune voc2012/saliency/vst_duts
    """
    from wsss_assets.map_sets.cache import list_garbage, remove_held, remove_leftover, size_of

    held = _held(names) if names or everything else ()
    garbage = list_garbage()
    would = "would remove" if dry_run else "removed"
    total = sum(map(size_of, held)) + sum(one.size for one in garbage)
    lines = [f"{would} {one.holding.record.id} {one.holding.split}" for one in held]
    lines += [f"{would} {one.path}" for one in garbage]
    if not dry_run:
        remove_held(held)
        for leftover in garbage:
            remove_leftover(leftover)
    for line in lines:
        click.echo(line)
    click.echo(f"{would} {total:,} bytes")


def _held(names: tuple[str, ...]) -> tuple[HeldSet, ...]:
    """The sets held here, of these ids or all."""
    from wsss_assets.errors import UnknownNameError
    from wsss_assets.map_sets.store import list_held

    held = list_held()
    known = {one.holding.record.id for one in held}
    named = {
        one.holding.record.upstream.lower(): one.holding.record.id
        for one in held
        if one.holding.record.upstream
    }
    wanted = {_held_id(name, known, named) for name in names}
    for name in sorted(wanted - known):
        raise UnknownNameError("map set held here", name, known or {"none"})
    return tuple(one for one in held if not wanted or one.holding.record.id in wanted)


def _held_id(name: str, known: set[str], named: dict[str, str]) -> str:
    """The id that a name means: of a set held here, else of one of the catalogue, else itself."""
    from wsss_assets.catalog.names import resolve_name
    from wsss_assets.errors import UnknownNameError

    lower = name.strip().lower()
    if lower in known or lower in named:
        return named.get(lower, lower)
    try:
        return resolve_name(name)
    except UnknownNameError:
        return name


def held_as_dict(held: HeldSet) -> dict[str, object]:
    """What is said of a set in JSON."""
    holding = held.holding
    return {
        "id": holding.record.id,
        "split": holding.split,
        "folder": str(held.paths[0].parent),
        "origin": holding.origin,
        "source": holding.source,
        "revision": holding.revision,
        "archive_sha256": holding.archive_sha256,
        "rows": holding.content.rows,
        "maps": holding.content.maps,
        "holes": len(holding.content.holes),
        "files": [
            {"path": str(held.path(file)), "size": file.size, "sha256": file.sha256}
            for file in holding.content.files
        ],
    }


COMMANDS = (verify, cache)
