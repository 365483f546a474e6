"""Lossless encodings of 8-bit maps: how large, how fast to write, how fast to read."""

from __future__ import annotations

import importlib
import io
import statistics
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import common
import numpy as np
from PIL import Image

from wsss_assets.storage.files import list_files
from wsss_assets.storage.images import MAP_SUFFIXES, read_map
from wsss_assets.storage.pngs import decode_map, png_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wsss_assets.storage.images import UInt8

REFERENCE, CHOSEN = "Pillow, level 6", "filter Up, zlib level 6"
SUB, UP, PAETH = 1, 2, 4


def pillow(pixels: UInt8, **options: int) -> bytes:
    """As Pillow does it: each row has the filter that looks best."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def filtered(pixels: UInt8, kind: int, deflate: Callable[[bytes], bytes]) -> bytes:
    """One filter for all rows."""
    padded = np.pad(pixels, ((1, 0), (1, 0))).astype(np.int16)
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    guess = {SUB: left, UP: above}.get(kind)
    if guess is None:
        straight = left + above - corner
        to_left, to_above, to_corner = (
            abs(straight - neighbour) for neighbour in (left, above, corner)
        )
        guess = np.where(
            (to_left <= to_above) & (to_left <= to_corner),
            left,
            np.where(to_above <= to_corner, above, corner),
        )
    rows = np.full((pixels.shape[0], pixels.shape[1] + 1), kind, np.uint8)
    rows[:, 1:] = (pixels - guess).astype(np.uint8)
    return png_bytes(pixels.shape, deflate(rows.tobytes()))


def runs(data: bytes) -> bytes:
    """Runs alone."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 8, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()


def encodings() -> Iterator[tuple[str, Callable[[UInt8], bytes]]]:
    """All of them by name; libdeflate where the package `deflate` is installed."""
    for level in (6, 1, 9):
        yield f"Pillow, level {level}", partial(pillow, compress_level=level)
    yield "Pillow, runs alone", partial(pillow, compress_type=zlib.Z_RLE)
    for name, kind in (("Up", UP), ("Sub", SUB), ("Paeth", PAETH)):
        for level in (6, 9):
            deflate = partial(zlib.compress, level=level)
            yield (
                f"filter {name}, zlib level {level}",
                partial(filtered, kind=kind, deflate=deflate),
            )
    yield "filter Up, runs alone", partial(filtered, kind=UP, deflate=runs)
    try:
        library: Any = importlib.import_module("deflate")
    except ImportError:
        return
    for level in (6, 12):
        fast = partial(library.zlib_compress, compresslevel=level)
        yield f"filter Up, libdeflate level {level}", partial(filtered, kind=UP, deflate=fast)


def every(function: Callable[[Any], object], items: Sequence[Any]) -> None:
    """Call it on each."""
    for item in items:
        function(item)


def measure(report: common.Report, title: str, maps: Sequence[UInt8], rounds: int) -> None:
    """One section of the report."""
    ways = dict(encodings())
    files = {name: [encode(pixels) for pixels in maps] for name, encode in ways.items()}
    for name, encoded in files.items():
        for data, pixels in zip(encoded, maps, strict=True):
            if not np.array_equal(decode_map(data, name), pixels):
                raise click.ClickException(f"{name} is not lossless")
    decode = partial(decode_map, where="a map")
    writing = common.interleave(
        [
            common.Contender(name, partial(every, way, maps), len(maps))
            for name, way in ways.items()
        ],
        rounds,
    )
    reading = common.interleave(
        [
            common.Contender(name, partial(every, decode, data), len(maps))
            for name, data in files.items()
        ],
        rounds,
    )
    sizes = {name: sum(map(len, data)) for name, data in files.items()}
    common.show(f"\n{title}: {len(maps)} maps, {sizes[REFERENCE] / len(maps):,.0f} bytes each")
    common.print_table(
        ("", "size", "encode ms", "decode ms", "decode ratio"), _lines(sizes, writing, reading)
    )
    report.add({"title": title, "bytes": sizes, "encode": writing, "decode": reading})


def _lines(
    sizes: Mapping[str, int],
    writing: Mapping[str, Sequence[float]],
    reading: Mapping[str, Sequence[float]],
) -> list[tuple[str, ...]]:
    reference = reading[REFERENCE]
    lines: list[tuple[str, ...]] = []
    for name, size in sizes.items():
        ratios = [one / other for one, other in zip(reading[name], reference, strict=True)]
        encode, decode = (1e3 * statistics.median(times[name]) for times in (writing, reading))
        figures = (
            f"{size / sizes[REFERENCE]:.2f}",
            f"{encode:.2f}",
            f"{decode:.2f}",
            f"{statistics.median(ratios):.2f}",
        )
        lines.append((f"{name} (chosen)" if name == CHOSEN else name, *figures))
    return lines


@click.command()
@common.data_option
@click.option(
    "--maps", "folders", multiple=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder of real maps instead of drawn ones; may be repeated.",
)  # fmt: skip
@click.option("--images", type=click.IntRange(min=1), default=40, show_default=True)
@common.rounds_option(3)
@common.json_option
def main(
    data: Path | None,
    folders: tuple[Path, ...],
    images: int,
    rounds: int,
    json_target: Path | None,
) -> None:
    """Lossless encodings of 8-bit maps: how large, how fast to write, how fast to read."""
    report = common.Report("encodings")
    if folders:
        _measure_folders(report, {str(folder): folder for folder in folders}, images, rounds)
    else:
        with common.mini_data(data, images) as (drawn, _):
            drawn_maps = {"saliency": drawn.saliency, "activation": drawn.activation}
            _measure_folders(report, drawn_maps, images, rounds)
    report.write(json_target)


def _measure_folders(
    report: common.Report, folders: Mapping[str, Path], images: int, rounds: int
) -> None:
    for title, folder in folders.items():
        paths = list(list_files(folder, MAP_SUFFIXES).values())[:images]
        measure(report, title, [read_map(path) for path in paths], rounds)


if __name__ == "__main__":
    main()
