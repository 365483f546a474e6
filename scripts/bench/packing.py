"""Importing a zip of maps into shards, against inflating and hashing the same zip."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import common

from wsss_assets.map_sets.packing import pack_split
from wsss_assets.storage.archives import ZipMaps

if TYPE_CHECKING:
    from collections.abc import Iterable

READ, IMPORT, RECODE, UNZIP = (
    "inflate and hash, one core",
    "import",
    "import, encoded anew",
    "unzip to loose files",
)
DRAWN = 300
MIB = 1 << 20


def image_ids(count: int) -> list[str]:
    """So many ids."""
    return [f"image_{number:06d}" for number in range(count)]


def write_zip(drawn: common.Data, path: Path, count: int) -> None:
    """A deflated zip as authors make them: the drawn saliency maps, again and again."""
    sources = itertools.cycle(drawn.labels)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for image_id, source in zip(image_ids(count), sources, strict=False):
            archive.write(drawn.saliency / f"{source}.png", f"maps/{image_id}.png")


def read_and_hash(path: Path) -> None:
    """What any import has to do at least."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            hashlib.sha256(archive.read(member)).hexdigest()


def pack(path: Path, out: Path, count: int, recode: bool = False) -> None:
    """What this package does."""
    with ZipMaps(path) as maps:
        made = pack_split(
            maps,
            image_ids(count),
            kind="saliency",
            folder=out,
            split="train",
            prefix="mini/saliency/bench",
            classes=None,
            most_classes=20,
            recode=recode,
        )
    if made.maps != count:
        raise click.ClickException(f"only {made.maps} maps were imported")


def unzip(path: Path, out: Path) -> None:
    """What a user does without it."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(out)


def on_disk(paths: Iterable[Path]) -> float:
    """MiB that files take, in whole blocks."""
    return sum(512 * path.stat().st_blocks for path in paths) / MIB


def peak(path: Path, out: Path, count: int) -> float:
    """MiB over the import baseline, in a process of its own."""
    script = Path(__file__).with_name("packing_point.py")
    arguments = [str(path), str(out), str(count)]
    done = subprocess.run(
        [sys.executable, str(script), *arguments], check=True, stdout=subprocess.PIPE
    )
    return float(done.stdout) / MIB


@click.command()
@common.data_option
@click.option("--maps", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--recode/--no-recode", default=False, help="Time encoding anew as well.")
@common.rounds_option(5)
@common.json_option
def main(data: Path | None, maps: int, recode: bool, rounds: int, json_target: Path | None) -> None:
    """Importing a zip of maps into shards, against inflating and hashing the same zip."""
    report = common.Report("packing")
    with common.mini_data(data, min(maps, DRAWN)) as (drawn, scratch):
        archive, out, loose = scratch / "maps.zip", scratch / "out", scratch / "loose"
        write_zip(drawn, archive, maps)
        contenders = [
            common.Contender(READ, partial(read_and_hash, archive), maps),
            common.Contender(IMPORT, partial(pack, archive, out, maps), maps),
            common.Contender(
                UNZIP, partial(unzip, archive, loose), maps,
                partial(shutil.rmtree, loose, ignore_errors=True),
            ),
        ]  # fmt: skip
        if recode:
            again = partial(pack, archive, scratch / "anew", maps, recode=True)
            contenders.append(common.Contender(RECODE, again, maps))
        times = common.interleave(contenders, rounds)
        disk = {
            "zip": on_disk([archive]),
            "shards": on_disk(out.iterdir()),
            "loose files": on_disk(loose.rglob("*.png")),
        }
        counts = sorted({max(maps // 8, 1), max(maps // 2, 1), maps})
        memory = {count: peak(archive, out, count) for count in counts}
    report.timed(
        f"A zip of {maps:,} maps, per map",
        times,
        [common.Ratio(READ, IMPORT, at_least=0.8), common.Ratio(UNZIP, IMPORT)],
    )
    common.show("\nMiB on disk: " + ", ".join(f"{name} {size:.0f}" for name, size in disk.items()))
    common.show(
        "Peak MiB over the import baseline: "
        + ", ".join(f"{size:.0f} with {count:,} maps" for count, size in memory.items())
    )
    report.add({"title": "disk and memory", "maps": maps, "disk": disk, "memory": memory})
    report.write(json_target)


if __name__ == "__main__":
    main()
