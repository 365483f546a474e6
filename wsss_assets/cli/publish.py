"""Commands of those who publish map sets: pack and publish."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from wsss_assets.cli.options import FILE, FOLDER, json_option, workers_option
from wsss_assets.cli.output import print_table, read_text, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsss_assets.catalog.records import Hole

__all__ = ["COMMANDS"]

staging_option = click.option(
    "--staging",
    type=FOLDER,
    default="staging",
    show_default=True,
    help="Folder that is laid out as the repository.",
)


@click.command()
@click.argument("maps", metavar="DIR|ZIP|URL")
@click.option("--id", "name", required=True, metavar="ID", help="E.g. voc2012/saliency/my_model.")
@staging_option
@click.option("--split", metavar="NAME", help="[default: train_aug on voc2012, else train]")
@click.option(
    "--labels",
    type=FILE,
    help="The images, their order and classes: `id c c …`; - for standard input.  "
    "[default: WSSS-BED's list]",
)
@click.option(
    "--made-by",
    metavar="TEXT",
    help="The model or method, for sets of one's own.  [default: what regenerate recorded]",
)
@click.option(
    "--supervision",
    type=click.Choice(["none", "image_labels", "pixel_masks"]),
    help="The strongest annotation behind the maps.",
)
@click.option("--licence", metavar="TEXT", help="Licence of the maps.")
@click.option("--citation", type=FILE, help="A BibTeX entry.")
@click.option("--note", metavar="TEXT", help="What a user must know.")
@click.option(
    "--recode/--no-recode",
    default=True,
    show_default=True,
    help="Decode every map and store the smaller lossless PNG, or store the bytes as they are.",
)
@workers_option
@json_option
@click.pass_context
def pack(
    ctx: click.Context,
    maps: str,
    name: str,
    staging: Path,
    split: str | None,
    labels: Path | None,
    made_by: str | None,
    supervision: str | None,
    licence: str | None,
    citation: Path | None,
    note: str | None,
    recode: bool,
    workers: int | None,
    json_target: Path | None,
) -> None:
    """Pack loose maps into shards, ready to be published.

    Saliency maps are named <image id>.png, activation maps <image id>_<class>.png with 0-based
    classes. A missing or unusable map becomes a hole, which the record lists; the exit status is
    then 1, and 'wsss-assets publish' takes the set with its holes. For an id of the catalogue, its
    record is taken; for one of your own, say what you know.

    \b
    Examples:
      wsss-assets pack maps/mine --id voc2012/saliency/mine --made-by "My model, trained on DUTS"
      wsss-assets pack VOC2012_VST_DUTS.zip --id voc2012/saliency/vst_duts
    """
    from wsss_assets.benchmarks import get_benchmark
    from wsss_assets.devkit.label_sources import resolve_labels
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.map_sets.obtain import check_split_name
    from wsss_assets.publish.pack import describe, new_holes, said_by_record
    from wsss_assets.publish.pack import pack as pack_maps
    from wsss_assets.words import counted

    if split is not None:
        check_split_name(split)
    record = describe(
        name,
        maker=made_by or said_by_record(name, maps),
        supervision=supervision,
        licence=licence,
        citation=None if citation is None else read_text(citation),
        note=note,
    )
    benchmark = get_benchmark(record.benchmark)
    if split is None:
        split = "train_aug" if "train_aug" in benchmark.splits else "train"
    listed = resolve_labels(benchmark, split if labels is None else None, labels=labels)
    content = pack_maps(
        maps,
        record,
        staging,
        split=split,
        labels=listed,
        recode=recode,
        workers=workers,
        feedback=Terminal(),
    )
    if json_target is not None:
        write_json(json_target, content.model_dump(mode="json"))
    if str(json_target) != "-":
        click.echo(
            f"{staging / record.id}: {counted(content.rows, 'image')}, "
            f"{counted(content.maps, 'map')}, {counted(content.size, 'byte')}, "
            f"{counted(len(content.holes), 'hole')}"
        )
    if content.holes:
        click.echo(_in_words(content.holes), err=True)
    if new_holes(content, record, split):
        ctx.exit(1)


def _in_words(holes: Sequence[Hole]) -> str:
    """How many maps are not there, and the first few, in one line."""
    from wsss_assets.catalog.records import NOT_THERE
    from wsss_assets.map_sets.wanted import map_stem
    from wsss_assets.words import counted, first_few

    missing, unusable = [], []
    for hole in holes:
        stem = map_stem(hole.image_id, hole.class_id)
        if hole.reason == NOT_THERE:
            missing.append(stem)
        else:
            reason = hole.reason.removeprefix(f"{stem} ")
            unusable.append(f"{stem} ({reason})")
    parts = [
        f"{counted(len(found), 'map')} {what}: {first_few(found, 3)}"
        for found, what in ((missing, NOT_THERE), (unusable, "cannot be used"))
        if found
    ]
    return f"holes, all in the manifest: {'; '.join(parts)}"


@click.command()
@staging_option
@click.option("--repo-id", required=True, metavar="ORG/NAME", help="The dataset repository.")
@click.option("--version", required=True, metavar="vX.Y.Z", help="The tag of what is published.")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent; send nothing.")
@click.option(
    "--records",
    type=FOLDER,
    help="Folder for the records that pin the release.  [default: records in the staging folder]",
)
@json_option
def publish(
    staging: Path,
    repo_id: str,
    version: str,
    private: bool,
    dry_run: bool,
    records: Path | None,
    json_target: Path | None,
) -> None:
    """Publish packed map sets on the Hugging Face Hub.

    A new version is one commit, held to the manifest, read back into an empty cache, and only then
    tagged. After any failure, run it again: what was done is not done twice. Sets that the
    repository holds already stay. Needs a token with write access: HF_TOKEN, or 'hf auth login'.

    \b
    Examples:
      wsss-assets publish --repo-id me/my-maps --version v1.0.0 --dry-run
      wsss-assets publish --repo-id me/my-maps --version v1.0.0
    """
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.publish.release import publish as release
    from wsss_assets.publish.release import write_records

    done = release(staging, repo_id, version, dry_run=dry_run, private=private, feedback=Terminal())
    home = records or staging / "records"
    written = write_records(done, home)
    if json_target is not None:
        write_json(
            json_target,
            {
                "repo_id": done.repo_id,
                "version": done.version,
                "revision": done.revision,
                "uploads": done.uploads,
                "removals": list(done.removals),
                "sets": list(done.sets),
                "records": [os.fspath(path) for path in written],
            },
        )
    if str(json_target) == "-":
        return
    would = "would send" if dry_run else "sent"
    print_table(
        (would, "bytes"), [(path, f"{size:,}") for path, size in sorted(done.uploads.items())]
    )
    for path in done.removals:
        click.echo(f"{'would remove' if dry_run else 'removed'} {path}")
    if done.revision is not None:
        click.echo(f"{repo_id} {version} is commit {done.revision}; records: {home}")


COMMANDS = (pack, publish)
