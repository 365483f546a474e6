from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.map_set_files import (
    CAM,
    LABELS,
    VST,
    Told,
    activation_maps,
    pixels_of,
    saliency_maps,
    tree,
    write_maps,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import (
    DataError,
    FolderInUseError,
    ListFormatError,
    UnknownNameError,
    UsageError,
)
from wsss_assets.map_sets.export import LAYOUTS, export
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.storage.maps import open_activations
from wsss_assets.storage.stamps import STAMP_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from wsss_assets.map_sets.store import HeldSet

SALIENCY, ACTIVATION = saliency_maps(), activation_maps()
MISSING = "2007_000063"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))


def held(folder: Path, set_id: str = VST, **changes: bytes | None) -> HeldSet:
    """A set on this machine, of loose maps but for some changes."""
    maps = {**(SALIENCY if set_id == VST else ACTIVATION), **changes}
    kept = {stem: data for stem, data in maps.items() if data is not None}
    place = write_maps(folder / f"loose-{len(kept)}" / set_id, kept)
    labels = ImageLabels(LABELS, "a test")
    return obtain(get_map_set(set_id), source=str(place), labels=labels, feedback=Told())


def exported(folder: Path) -> dict[str, bytes]:
    """The files of an export but for its stamp."""
    return {name: data for name, data in tree(folder).items() if name != STAMP_NAME}


@pytest.mark.parametrize(("set_id", "maps"), [(VST, SALIENCY), (CAM, ACTIVATION)])
def test_the_files_are_the_originals_byte_for_byte(
    tmp_path: Path, set_id: str, maps: dict[str, bytes]
) -> None:
    done = export(held(tmp_path, set_id), tmp_path / "out")
    assert (done.written, done.kept, done.missing) == (len(maps), 0, ())
    assert exported(tmp_path / "out") == {f"{stem}.png": data for stem, data in maps.items()}


def test_dictionaries_hold_bytes_as_floats(tmp_path: Path) -> None:
    done = export(held(tmp_path, CAM), tmp_path / "out", layout="npy")
    assert done.written == len(LABELS)
    found = exported(tmp_path / "out")
    assert found.keys() == {f"{one}.npy" for one in LABELS}
    for image_id, classes in LABELS.items():
        loaded = np.load(io.BytesIO(found[f"{image_id}.npy"]), allow_pickle=True).item()
        assert list(loaded) == list(classes)
        for index, values in loaded.items():
            expected = np.float32(pixels_of(ACTIVATION[f"{image_id}_{index}"])) / np.float32(255)
            assert type(index) is int
            assert values.dtype == np.float32
            assert values.ndim == 2
            np.testing.assert_array_equal(values, expected)


def test_dictionaries_are_read_by_this_package_s_own_reader(tmp_path: Path) -> None:
    export(held(tmp_path, CAM), tmp_path / "out", layout="npy")
    source = open_activations(tmp_path / "out")
    for image_id, classes in LABELS.items():
        for index, values in source.read(image_id, classes).items():
            assert np.array_equal(values, pixels_of(ACTIVATION[f"{image_id}_{index}"]))


def test_only_some_images(tmp_path: Path) -> None:
    chosen = ["2011_003276", "2007_000032"]
    done = export(held(tmp_path, CAM), tmp_path / "out", ids=chosen)
    expected = {f"{stem}.png": data for stem, data in ACTIVATION.items() if stem[:11] in chosen}
    assert exported(tmp_path / "out") == expected
    assert done.written == len(expected)
    rest = export(held(tmp_path, CAM), tmp_path / "out")
    assert (rest.written, rest.kept) == (len(ACTIVATION) - len(expected), len(expected))


def test_a_list_of_no_image_writes_none(tmp_path: Path) -> None:
    assert export(held(tmp_path), tmp_path / "out", ids=[]).written == 0
    assert exported(tmp_path / "out") == {}


def test_images_that_the_set_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ListFormatError, match="2009_999999") as error:
        export(held(tmp_path), tmp_path / "out", ids=["2007_000032", "2009_999999"])
    assert "nothing was written" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", ["wsss-bed", "npy"])
def test_images_without_a_map_are_named(tmp_path: Path, layout: str) -> None:
    gone = {f"{MISSING}_{index}": None for index in LABELS[MISSING]}
    done = export(held(tmp_path, CAM, **gone), tmp_path / "out", layout=layout)
    assert done.missing == (MISSING,)
    assert not [name for name in exported(tmp_path / "out") if MISSING in name]
    some = export(held(tmp_path, CAM, **gone), tmp_path / "out", layout=layout, ids=["2007_000032"])
    assert some.missing == ()


class Stopped(Feedback):
    """A person who loses patience."""

    def items(self, items: Iterable[Any], length: int) -> Iterator[Any]:
        assert length == len(LABELS)
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield item


def test_a_stopped_export_goes_on(tmp_path: Path) -> None:
    one = held(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        export(one, tmp_path / "out", feedback=Stopped())
    assert len(exported(tmp_path / "out")) == 3
    done = export(one, tmp_path / "out")
    assert (done.written, done.kept) == (3, 3)
    assert exported(tmp_path / "out") == {f"{stem}.png": data for stem, data in SALIENCY.items()}


@pytest.mark.parametrize("layout", ["wsss-bed", "npy"])
def test_a_second_export_writes_nothing_and_mends_what_was_damaged(
    tmp_path: Path, layout: str
) -> None:
    one = held(tmp_path, CAM)
    first = export(one, tmp_path / "out", layout=layout)
    before = exported(tmp_path / "out")
    damaged, gone, *_ = sorted(before)
    (tmp_path / "out" / damaged).write_bytes(b"x")
    (tmp_path / "out" / gone).unlink()
    again = export(one, tmp_path / "out", layout=layout)
    assert (again.written, again.kept) == (2, first.written - 2)
    assert exported(tmp_path / "out") == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    one = held(tmp_path, CAM)
    other = held(tmp_path, VST)
    changed = held(tmp_path, CAM, **{f"{MISSING}_8": None})
    export(one, tmp_path / "out")
    before = tree(tmp_path / "out")
    for held_set, layout in ((one, "npy"), (other, "wsss-bed"), (changed, "wsss-bed")):
        with pytest.raises(FolderInUseError, match="other settings"):
            export(held_set, tmp_path / "out", layout=layout)
    assert tree(tmp_path / "out") == before
    write_maps(tmp_path / "mine", {"my_own": b"x"})
    with pytest.raises(FolderInUseError, match="no stamp"):
        export(one, tmp_path / "mine")
    assert tree(tmp_path / "mine") == {"my_own.png": b"x"}


def test_layouts(tmp_path: Path) -> None:
    assert LAYOUTS == ("wsss-bed", "npy")
    with pytest.raises(UnknownNameError, match="wsss-bed"):
        export(held(tmp_path), tmp_path / "out", layout="zip")
    with pytest.raises(UsageError, match="activation maps"):
        export(held(tmp_path), tmp_path / "out", layout="npy")
    assert not (tmp_path / "out").exists()


def test_a_damaged_shard_is_an_error_and_no_wrong_map(tmp_path: Path) -> None:
    one = held(tmp_path)
    data = bytearray(one.paths[0].read_bytes())
    data[data.find(SALIENCY["2008_000003"]) + 45] ^= 1
    one.paths[0].write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        export(one, tmp_path / "out")
    assert (
        exported(tmp_path / "out").items()
        <= {f"{stem}.png": data for stem, data in SALIENCY.items()}.items()
    )
