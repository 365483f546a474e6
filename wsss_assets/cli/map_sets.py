"""Commands that bring map sets: download, and export as loose files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.catalog import complete_map_set
from wsss_assets.cli.held_sets import held_as_dict
from wsss_assets.cli.options import FILE, FOLDER, json_option
from wsss_assets.cli.output import print_table, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wsss_assets.catalog.records import MapSet
    from wsss_assets.map_sets.store import HeldSet

__all__ = ["COMMANDS"]

_MOST_SHOWN = 20

ids_argument = click.argument(
    "names", metavar="ID...", nargs=-1, required=True, shell_complete=complete_map_set
)
split_option = click.option(
    "--split",
    metavar="NAME",
    help="Which split.  [default: the one that maps are usually made for]",
)
source_option = click.option(
    "--source",
    default="auto",
    show_default=True,
    metavar="auto|hub|upstream|URL|DIR",
    help="The Hub, the authors' archive, a mirror of it, a copy of the repository, or the maps.",
)

labels_option = click.option(
    "--labels",
    type=FILE,
    help="Import these images, in this order: `id c c …`; - for standard input.  "
    "[default: WSSS-BED's list]",
)


def repository_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that name another repository than the one that the records pin."""
    revision = click.option(
        "--revision", metavar="NAME", help="Branch, tag or commit of the repository."
    )
    repo_id = click.option(
        "--repo-id",
        metavar="ORG/NAME",
        envvar="WSSS_ASSETS_REPO",
        help="Another repository on the Hub.  [env: WSSS_ASSETS_REPO]",
    )
    return repo_id(revision(command))


@click.command()
@ids_argument
@split_option
@source_option
@repository_options
@labels_option
@click.option("--dry-run", is_flag=True, help="Say from where and how much; fetch nothing.")
@json_option
def download(
    names: tuple[str, ...],
    split: str | None,
    source: str,
    repo_id: str | None,
    revision: str | None,
    labels: Path | None,
    dry_run: bool,
    json_target: Path | None,
) -> None:
    """Have map sets on this machine, whole and checked.

    Prints the folder of each. From the Hub where a set is published, else from the authors'
    archive, which is streamed into shards; its digest is recorded when it is first seen and
    enforced ever after. What is here already costs no request; what was stopped goes on.

    \b
    Examples:
      wsss-assets download voc2012/saliency/vst_duts voc2012/activation/cam
      wsss-assets download VOC2012_MOVE --source ~/Downloads/VOC2012_MOVE.zip
      wsss-assets download coco2014/activation/drs --dry-run
    """
    from wsss_assets.devkit.image_labels import read_label_list
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.map_sets.obtain import check_split_name, obtain, resolve_source

    if split is not None:
        check_split_name(split)
    source = resolve_source(source)
    records = _records(names, repo_id, revision, source)
    if dry_run:
        _print_plan(records, split, source, json_target)
        return
    held, lists = [], {}
    for record in records:
        if labels is not None and record.benchmark not in lists:  # standard input is read once
            lists[record.benchmark] = read_label_list(labels, _benchmark(record))
        listed = lists.get(record.benchmark)
        one = obtain(record, split, source=source, labels=listed, feedback=Terminal())
        held.append(one)
        if str(json_target) != "-":
            click.echo(str(one.paths[0].parent))
    if json_target is not None:
        write_json(json_target, [held_as_dict(one) for one in held])


@click.command()
@click.argument("name", metavar="ID", shell_complete=complete_map_set)
@click.option("--to", "folder", type=FOLDER, required=True, help="Folder for the files.")
@click.option(
    "--layout",
    default="wsss-bed",
    show_default=True,
    metavar="NAME",
    help="wsss-bed: <id>.png, <id>_<class>.png. npy: <id>.npy, dictionaries of float maps.",
)
@click.option("--ids", type=FILE, help="Only these images: a list; - for standard input.")
@split_option
@source_option
@repository_options
@labels_option
@click.pass_context
def export(
    ctx: click.Context,
    name: str,
    folder: Path,
    layout: str,
    ids: Path | None,
    split: str | None,
    source: str,
    repo_id: str | None,
    revision: str | None,
    labels: Path | None,
) -> None:
    """Write a map set as loose files for existing code.

    The set is downloaded first if need be. A run that was stopped goes on when it is started
    again. Exit status 1 where images have no map; they are listed.

    \b
    Example:
      wsss-assets export voc2012/saliency/vst_duts --to maps/vst_duts
    """
    from wsss_assets.devkit.image_labels import read_label_list
    from wsss_assets.map_sets.export import export as write_files
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.map_sets.obtain import check_split_name, obtain, resolve_source
    from wsss_assets.storage.image_ids import read_ids

    if split is not None:
        check_split_name(split)
    source = resolve_source(source)
    (record,) = _records((name,), repo_id, revision, source)
    wanted = None if ids is None else read_ids(ids)
    listed = None if labels is None else read_label_list(labels, _benchmark(record))
    held = obtain(record, split, source=source, labels=listed, feedback=Terminal())
    done = write_files(held, folder, layout=layout, ids=wanted, feedback=Terminal())
    click.echo(f"{folder}: {done.written:,} files written, {done.kept:,} there already")
    if done.missing:
        have = "image has" if len(done.missing) == 1 else "images have"
        click.echo(f"{len(done.missing):,} {have} no map:", err=True)
        click.echo("\n".join(done.missing[:_MOST_SHOWN]), err=True)
        if len(done.missing) > _MOST_SHOWN:
            click.echo(f"… and {len(done.missing) - _MOST_SHOWN:,} more", err=True)
        reason = _reason(held, done.missing)
        if reason is not None:
            click.echo(f"e.g. {reason}", err=True)
        ctx.exit(1)


def _records(
    names: tuple[str, ...], repo_id: str | None, revision: str | None, source: str
) -> list[MapSet]:
    from wsss_assets.map_sets.choose import choose_by_id
    from wsss_assets.map_sets.repository import chosen_repository

    repository = chosen_repository(repo_id, revision, source)
    return [choose_by_id(name, repository) for name in names]


def _reason(held: HeldSet, missing: tuple[str, ...]) -> str | None:
    """Why one of these images has no map, as far as it is known."""
    for hole in held.holding.content.holes:
        if hole.image_id in missing:
            what = "" if hole.class_id is None else f", class {hole.class_id}"
            return f"{hole.image_id}{what}: {hole.reason}"
    return None


def _benchmark(record: MapSet) -> Any:  # noqa: ANN401 (a Benchmark; its module is imported late)
    from wsss_assets.benchmarks import get_benchmark

    return get_benchmark(record.benchmark)


def _print_plan(
    records: list[MapSet], split: str | None, source: str, json_target: Path | None
) -> None:
    from wsss_assets.map_sets.obtain import plan

    plans = [(record, *plan(record, split, source)) for record in records]
    if json_target is not None:
        write_json(
            json_target,
            [
                {"id": record.id, "from": where, "bytes": size, "here": here}
                for record, where, size, here in plans
            ],
        )
    if str(json_target) == "-":
        return
    rows = [
        (record.id, "unknown" if size is None else f"{size:,}", "yes" if here else "no", where)
        for record, where, size, here in plans
    ]
    print_table(("map set", "bytes", "here", "from"), rows)


COMMANDS = (download, export)
