from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import plain
from wsss_assets import get_recipe, pseudo_label
from wsss_assets.errors import (
    FolderInUseError,
    ListFormatError,
    MissingFileError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.labels.folder import Summary
from wsss_assets.storage.files import _host
from wsss_assets.storage.maps import SaliencyFolder
from wsss_assets.storage.receipts import RECEIPTS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.plain import UInt8

LABELS = {"a": [0], "b": [14, 3], "c": [19], "d": [2, 5, 7], "e": []}
CAM = get_recipe(method="cam")
STAMP = "wsss-assets.json"


class Maps:
    """A folder with saliency and activation maps, and what was drawn into them."""

    def __init__(self, root: Path, labels: dict[str, list[int]]) -> None:
        self.root, self.labels = root, labels
        self.saliency, self.activation = root / "saliency", root / "activation"
        self.out = root / "out"
        generator = np.random.default_rng(7)
        self.drawn: dict[str, tuple[UInt8, plain.Maps]] = {}
        for image_id, classes in labels.items():
            shape = tuple(generator.integers(4, 12, 2))
            saliency = generator.choice(np.array(plain.EDGES, np.uint8), shape)
            maps = {index: generator.integers(0, 256, shape, np.uint8) for index in classes}
            self.drawn[image_id] = saliency, maps
            plain.write_grey(self.saliency / f"{image_id}.png", saliency)
            for index, values in maps.items():
                plain.write_grey(self.activation / f"{image_id}_{index}.png", values)

    def run(self, **options: Any) -> Summary:  # noqa: ANN401
        values: dict[str, Any] = {"saliency": self.saliency, "recipe": CAM, "workers": 1} | options
        out, activation = values.pop("out", self.out), values.pop("activation", self.activation)
        return pseudo_label(values.pop("labels", self.labels), activation, out, **values)

    def wanted(self, image_id: str) -> UInt8:
        saliency, maps = self.drawn[image_id]
        return plain.wsss_bed(saliency, maps, tau=0.1, ignore=True)

    def check(self, image_ids: Iterable[str], out: Path | None = None) -> None:
        out = out or self.out
        names = {path.name for path in out.iterdir()}
        assert names - {RECEIPTS_NAME} == {STAMP, *(f"{image_id}.png" for image_id in image_ids)}
        for image_id in image_ids:
            with Image.open(out / f"{image_id}.png") as image:
                np.testing.assert_array_equal(np.asarray(image), self.wanted(image_id))

    def age(self, seconds: float = 1000) -> None:
        """Make all maps older, so that what follows is newer."""
        then = time.time() - seconds
        for path in [*self.saliency.iterdir(), *self.activation.iterdir()]:
            os.utime(path, (then, then))


@pytest.fixture
def maps(tmp_path: Path) -> Maps:
    return Maps(tmp_path, LABELS)


def contents(folder: Path) -> dict[str, bytes]:
    """Contents but for the receipts, which tell in what order a run was stopped and went on."""
    kept = [path for path in folder.iterdir() if path.name != RECEIPTS_NAME]
    return {path.name: path.read_bytes() for path in kept}


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


# What is written


def test_labels_are_those_of_the_rule(maps: Maps) -> None:
    assert maps.run() == Summary(written=5, kept=0, failed={})
    maps.check(LABELS)


def test_labels_are_palette_pngs_with_vocs_colours(maps: Maps) -> None:
    maps.run()
    with Image.open(maps.out / "b.png") as image:
        assert (image.format, image.mode) == ("PNG", "P")
        palette = image.getpalette()
    assert palette is not None
    colours = [tuple(palette[start : start + 3]) for start in range(0, len(palette), 3)]
    assert colours[:21] == plain.VOC_COLOURS
    assert colours[21:] == [(index,) * 3 for index in range(21, 256)]


@pytest.mark.parametrize("name", ["oaa", "drs", "edam", "l2g"])
def test_other_recipes(maps: Maps, name: str) -> None:
    recipe = get_recipe(name)
    labels = {image_id: classes for image_id, classes in LABELS.items() if classes}
    maps.run(recipe=recipe, labels=labels)
    for image_id in labels:
        saliency, drawn = maps.drawn[image_id]
        with Image.open(maps.out / f"{image_id}.png") as image:
            np.testing.assert_array_equal(
                np.asarray(image),
                plain.skeleton(saliency if recipe.uses_saliency else None, drawn, recipe),
            )


def test_without_saliency_none_is_read(maps: Maps) -> None:
    labels = {"a": [0], "e": []}
    summary = maps.run(recipe=get_recipe("irn"), saliency=None, labels=labels)
    assert summary.written == 1
    assert list(summary.failed) == ["e"]
    assert "without classes" in summary.failed["e"]
    (maps.saliency / "a.png").unlink()
    again = maps.run(recipe=get_recipe("irn"), labels={"a": [0]}, out=maps.root / "again")
    assert again.written == 1


def test_saliency_is_asked_for_before_anything_is_written(maps: Maps) -> None:
    with pytest.raises(UsageError, match="needs saliency maps"):
        maps.run(saliency=None)
    assert not maps.out.exists()


@pytest.mark.parametrize("kind", ["saliency", "activation"])
def test_a_missing_or_empty_folder_is_an_error(maps: Maps, kind: str) -> None:
    empty = maps.root / "empty"
    with pytest.raises(MissingFileError, match="no folder"):
        maps.run(**{kind: empty})
    empty.mkdir()
    with pytest.raises(MissingFileError, match="holds no"):
        maps.run(**{kind: empty})
    assert not maps.out.exists()


def test_an_unknown_benchmark_is_an_error(maps: Maps) -> None:
    with pytest.raises(UnknownNameError):
        maps.run(benchmark="voc2021")


def test_files_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    many = Maps(tmp_path, {f"i{index:02d}": [index % 20] for index in range(40)})
    for workers in (1, 4, None):
        summary = many.run(workers=workers, out=tmp_path / f"out{workers}")
        assert summary.written == 40
    assert contents(tmp_path / "out1") == contents(tmp_path / "out4")
    assert contents(tmp_path / "out1") == contents(tmp_path / "outNone")


def test_progress_sees_every_image(maps: Maps) -> None:
    seen: list[Any] = []

    def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
        seen.append(total)
        for item in items:
            seen.append(item)
            yield item

    maps.run(progress=progress)
    assert seen[0] == len(LABELS) == len(seen) - 1


# Going on where a run stopped


@pytest.mark.parametrize("workers", [1, 4])
def test_a_second_run_keeps_what_is_there(maps: Maps, workers: int) -> None:
    maps.age()
    maps.run()
    before = times(maps.out)
    assert maps.run(workers=workers) == Summary(written=0, kept=5, failed={})
    assert times(maps.out) == before


def test_a_second_run_makes_what_is_not_there(maps: Maps) -> None:
    maps.age()
    maps.run()
    before, content = times(maps.out), contents(maps.out)
    (maps.out / "c.png").unlink()
    assert maps.run() == Summary(written=1, kept=4, failed={})
    after = times(maps.out)
    assert {name: after[name] for name in after if name != "c.png"} == {
        name: before[name] for name in before if name != "c.png"
    }
    assert contents(maps.out) == content


def test_a_longer_list_goes_on_in_the_same_folder(maps: Maps) -> None:
    maps.age()
    assert maps.run(labels={"a": [0]}).written == 1
    assert maps.run() == Summary(written=4, kept=1, failed={})
    maps.check(LABELS)


@pytest.mark.parametrize("changed", ["saliency/b.png", "activation/b_3.png"])
def test_labels_of_newer_maps_are_made_again(maps: Maps, changed: str) -> None:
    maps.age(1000)
    maps.run()
    for path in maps.out.glob("*.png"):
        os.utime(path, (time.time() - 500,) * 2)
    before = times(maps.out)
    path = maps.root / changed
    shape = maps.drawn["b"][0].shape
    values = np.full(shape, 255, np.uint8)
    plain.write_grey(path, values)
    saliency, drawn = maps.drawn["b"]
    maps.drawn["b"] = (values, drawn) if "saliency" in changed else (saliency, {**drawn, 3: values})
    assert maps.run() == Summary(written=1, kept=4, failed={})
    maps.check(LABELS)
    after = times(maps.out)
    assert [name for name in sorted(after) if after[name] != before[name]] == ["b.png"]


# Folders that are in use


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": CAM.changed(tau=0.2)},
        {"recipe": CAM.changed(ignore=False)},
        {"recipe": get_recipe("drs")},
        {"saliency": "other"},
        {"activation": "other"},
        {"benchmark": "mini"},
    ],
)
def test_other_settings_are_refused(maps: Maps, options: dict[str, Any]) -> None:
    maps.run(labels={"a": [0]})
    Maps(maps.root / "again", LABELS)
    for kind in {"saliency", "activation"} & set(options):
        options = {kind: maps.root / "again" / kind}
    before, dates = contents(maps.out), times(maps.out)
    with pytest.raises(FolderInUseError, match="other settings") as caught:
        maps.run(**options)
    assert caught.value.expected
    assert caught.value.found
    assert contents(maps.out) == before
    assert times(maps.out) == dates
    assert maps.run().failed == {}


@pytest.mark.parametrize("name", ["a.png", "notes.txt", ".hidden"])
def test_a_folder_of_other_files_is_refused(maps: Maps, name: str) -> None:
    maps.out.mkdir()
    (maps.out / name).write_bytes(b"precious")
    with pytest.raises(FolderInUseError, match="no stamp"):
        maps.run()
    assert contents(maps.out) == {name: b"precious"}


def test_an_empty_folder_is_taken(maps: Maps) -> None:
    maps.out.mkdir()
    assert maps.run().written == 5


def test_a_file_is_no_folder(maps: Maps) -> None:
    maps.out.write_bytes(b"precious")
    with pytest.raises(FolderInUseError):
        maps.run()
    assert maps.out.read_bytes() == b"precious"


# Maps that cannot be used


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def write_noise(path: Path, dtype: str, *channels: int) -> None:
    with Image.open(path) as image:
        width, height = image.size
    generator = np.random.default_rng(3)
    noise = generator.integers(0, 200, (height, width, *channels)).astype(dtype)
    Image.fromarray(noise).save(path)


def resize(path: Path) -> None:
    with Image.open(path) as image:
        values = np.asarray(image)
    plain.write_grey(path, values[:1])


SPOILS = {
    "missing": lambda path: path.unlink(),
    "truncated": truncate,
    "16-bit": lambda path: write_noise(path, "uint16"),
    "coloured": lambda path: write_noise(path, "uint8", 3),
    "transparent": lambda path: write_noise(path, "uint8", 2),
    "no image": lambda path: path.write_bytes(b"not a png"),
    "empty": lambda path: path.write_bytes(b""),
    "wrong size": resize,
}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("which", ["saliency/b.png", "activation/b_3.png"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_an_unusable_map_is_listed_and_the_rest_is_made(
    maps: Maps, spoil: str, which: str, workers: int
) -> None:
    SPOILS[spoil](maps.root / which)
    summary = maps.run(workers=workers)
    assert (summary.written, summary.kept) == (4, 0)
    assert list(summary.failed) == ["b"]
    assert ("b_3" if "activation" in which else "b") in summary.failed["b"] or spoil == "wrong size"
    maps.check(["a", "c", "d", "e"])


def test_an_image_that_failed_is_made_once_its_map_is_there(maps: Maps) -> None:
    path = maps.activation / "b_3.png"
    data = path.read_bytes()
    path.unlink()
    assert list(maps.run().failed) == ["b"]
    path.write_bytes(data)
    assert maps.run().failed == {}
    maps.check(LABELS)


def test_a_class_the_benchmark_does_not_have_is_not_written(maps: Maps) -> None:
    plain.write_grey(maps.activation / "a_20.png", maps.drawn["a"][1][0])
    with pytest.raises(ListFormatError, match="a is labelled with class 20"):
        maps.run(labels={"a": [20], "c": [19]})


def as_rgb(values: UInt8) -> Image.Image:
    return Image.fromarray(np.repeat(values[..., None], 3, axis=2))


def as_rgba(values: UInt8) -> Image.Image:
    return Image.fromarray(np.dstack([values, values, values, np.full_like(values, 255)]))


def as_palette(values: UInt8) -> Image.Image:
    """Indices that are not the grey they show."""
    image = Image.fromarray(np.uint8(255) - values)
    image.putpalette([grey for index in range(256) for grey in [255 - index] * 3])
    assert image.mode == "P"
    return image


@pytest.mark.parametrize("store", [as_rgb, as_rgba, as_palette])
def test_grey_in_other_clothes_is_read_as_grey(maps: Maps, store: Any) -> None:  # noqa: ANN401
    saliency, drawn = maps.drawn["b"]
    store(saliency).save(maps.saliency / "b.png")
    store(drawn[3]).save(maps.activation / "b_3.png")
    assert maps.run().failed == {}
    maps.check(LABELS)


# Activation dictionaries


def test_npy_dictionaries_give_the_same_labels(maps: Maps) -> None:
    folder = maps.root / "dicts"
    folder.mkdir()
    for image_id, (_, drawn) in maps.drawn.items():
        scores = {index: values.astype(np.float32) / 255 for index, values in drawn.items()}
        np.save(folder / f"{image_id}.npy", scores, allow_pickle=True)  # type: ignore[arg-type]
    assert maps.run(activation=folder) == Summary(5, 0, {})
    maps.check(LABELS)


def test_irns_dictionaries_give_the_same_labels(maps: Maps) -> None:
    folder = maps.root / "dicts"
    folder.mkdir()
    for image_id, (_, drawn) in maps.drawn.items():
        keys = sorted(drawn)
        content: dict[str, Any] = {"keys": np.array(keys, np.int64)}
        if keys:
            content["high_res"] = np.stack([drawn[key] for key in keys]).astype(np.float32) / 255
        np.save(folder / f"{image_id}.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    assert maps.run(activation=folder) == Summary(5, 0, {})
    maps.check(LABELS)


def test_a_dictionary_without_the_class_is_listed(maps: Maps) -> None:
    folder = maps.root / "dicts"
    folder.mkdir()
    for image_id, (_, drawn) in maps.drawn.items():
        scores = {index: values.astype(np.float32) / 255 for index, values in drawn.items()}
        if image_id == "d":
            del scores[5]
        np.save(folder / f"{image_id}.npy", scores, allow_pickle=True)  # type: ignore[arg-type]
    summary = maps.run(activation=folder)
    assert list(summary.failed) == ["d"]
    assert "class 5" in summary.failed["d"]


# Runs that are stopped


class Interrupting(SaliencyFolder):
    """Ctrl-C while the saliency map of image `d` is read."""

    def read(self, image_id: str) -> UInt8:
        if image_id == "d":
            raise KeyboardInterrupt
        return super().read(image_id)


@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_stops_the_run_and_the_next_one_goes_on(maps: Maps, workers: int) -> None:
    maps.age()
    with pytest.raises(KeyboardInterrupt):
        maps.run(saliency=Interrupting(maps.saliency), workers=workers)
    made = {path.stem for path in maps.out.glob("*.png")}
    assert {"a", "b", "c"} <= made
    assert "d" not in made
    maps.check(made)
    assert maps.run() == Summary(written=5 - len(made), kept=len(made), failed={})
    maps.check(LABELS)


SLOW_RUN = """
import sys, time
from pathlib import Path
from wsss_assets import get_recipe, pseudo_label
from wsss_assets.storage.files import _host
from wsss_assets.storage.maps import SaliencyFolder
from wsss_assets.storage.receipts import RECEIPTS_NAME

class Slow(SaliencyFolder):
    def read(self, image_id):
        time.sleep(0.02)
        return super().read(image_id)

root = Path(sys.argv[1])
labels = {f"i{index:02d}": [index % 20] for index in range(60)}
pseudo_label(labels, root / "activation", root / "out", saliency=Slow(root / "saliency"),
             recipe=get_recipe(method="cam"), workers=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_leaves_whole_files_and_the_next_one_goes_on(tmp_path: Path) -> None:
    many = Maps(tmp_path, {f"i{index:02d}": [index % 20] for index in range(60)})
    many.age()
    run = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(tmp_path)])
    try:
        deadline = time.monotonic() + 60
        while len(list(many.out.glob("*.png"))) < 8:
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    made = {path.stem for path in many.out.glob("*.png")}
    assert 8 <= len(made) < 60
    for image_id in made:
        with Image.open(many.out / f"{image_id}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), many.wanted(image_id))
    # As if it had been killed while it wrote, too.
    leftover = many.out / f".i59.png.{_host()}.{run.pid}.tmp"
    leftover.write_bytes(b"half a png")
    before = times(many.out)
    assert many.run(workers=2) == Summary(60 - len(made), len(made), {})
    many.check(many.labels)
    assert {name: times(many.out)[name] for name in before} == before
    many.run(out=tmp_path / "at once")
    assert contents(many.out) == contents(tmp_path / "at once")


RUN_KILLED_AT_A_MOVE = """
import os, signal, sys
from pathlib import Path
from wsss_assets import get_recipe, pseudo_label

moves = 0

def kill_at_the_fourth_move(event, args):
    global moves
    if event == "os.rename":
        moves += 1
        if moves == 4:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at_the_fourth_move)
root = Path(sys.argv[1])
labels = {"a": [0], "b": [14, 3], "c": [19], "d": [2, 5, 7], "e": []}
pseudo_label(labels, root / "activation", root / "out", saliency=root / "saliency",
             recipe=get_recipe(method="cam"), workers=1)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_label_is_written_beside_its_place_and_moved_there(maps: Maps) -> None:
    maps.age()
    script = [sys.executable, "-c", RUN_KILLED_AT_A_MOVE, str(maps.root)]
    assert subprocess.run(script).returncode == -signal.SIGKILL
    # The stamp was the first to be moved, then came a and b; c was written and not moved.
    assert {path.stem for path in maps.out.glob("[!.]*.png")} == {"a", "b"}
    assert [path.name[:7] for path in maps.out.glob(".*")] == [".c.png."]
    assert maps.run() == Summary(written=3, kept=2, failed={})
    maps.check(LABELS)


def test_labels_of_other_classes_are_made_again(maps: Maps) -> None:
    first = maps.run()
    assert first.written == len(LABELS)
    several = next(image_id for image_id, classes in LABELS.items() if len(classes) > 1)
    fewer = {**LABELS, several: list(LABELS[several])[:1]}
    before = times(maps.out)
    again = maps.run(labels=fewer)
    assert (again.written, again.kept) == (1, len(LABELS) - 1)
    after = times(maps.out)
    assert {name for name in after if after[name] != before[name]} == {f"{several}.png"}
    back = maps.run()
    assert (back.written, back.kept) == (1, len(LABELS) - 1)


def test_labels_of_maps_with_an_older_time_are_made_again(maps: Maps) -> None:
    maps.run()
    changed = next(iter(sorted(maps.saliency.iterdir())))
    os.utime(changed, (1000, 1000))  # as archives and copies keep it
    again = maps.run()
    assert again.written == 1


def test_the_whole_folder_is_the_same_for_any_number_of_workers(maps: Maps) -> None:
    maps.run(workers=1)
    alone = {path.name: path.read_bytes() for path in maps.out.iterdir()}
    for path in maps.out.iterdir():
        path.unlink()
    maps.run(workers=4)
    assert {path.name: path.read_bytes() for path in maps.out.iterdir()} == alone


def test_a_label_that_cannot_be_made_again_stays_and_is_said_to(maps: Maps) -> None:
    maps.run()
    changed = next(iter(sorted(maps.saliency.iterdir())))
    changed.write_bytes(b"no picture")
    again = maps.run()
    assert list(again.failed) == [changed.stem]
    assert "an older label stays in place" in again.failed[changed.stem]


def test_an_empty_list_is_refused(maps: Maps) -> None:
    with pytest.raises(UsageError, match="empty"):
        maps.run(labels={})


def test_a_run_that_made_nothing_does_not_block_the_corrected_one(maps: Maps) -> None:
    saliency, activation = maps.saliency, maps.activation
    wrong = pseudo_label(LABELS, saliency, maps.out, saliency=activation, recipe=CAM)
    assert (wrong.written, wrong.kept, len(wrong.failed)) == (0, 0, len(LABELS))
    assert maps.run().written == len(LABELS)
