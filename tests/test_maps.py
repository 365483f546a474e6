from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.images import UInt8, write_map
from wsss_assets.storage.label_maps import write_label
from wsss_assets.storage.maps import (
    ActivationFolder,
    LabelFolder,
    SaliencyFolder,
    open_activations,
    open_saliency,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def values(seed: int) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (4, 5), dtype=np.uint8)


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


class Source:
    """Saliency and activations that lie in no folder."""

    def read(self, image_id: str, classes: Sequence[int] = ()) -> dict[int, UInt8]:
        return {index: values(index) for index in classes} if image_id else {}

    def version(self, image_id: str, classes: Sequence[int] = ()) -> str:
        return f"{image_id} {classes}"


def test_saliency_maps_by_image_id(tmp_path: Path) -> None:
    write_map(tmp_path / "a.png", values(1))
    write_map(tmp_path / "b.c.PNG", values(2))
    folder = SaliencyFolder(tmp_path)
    np.testing.assert_array_equal(folder.read("a"), values(1))
    np.testing.assert_array_equal(folder.read("b.c"), values(2))


def test_activation_maps_by_image_id_and_class(tmp_path: Path) -> None:
    for index in (0, 3, 19):
        write_map(tmp_path / f"2007_000032_{index}.png", values(index))
    maps = ActivationFolder(tmp_path).read("2007_000032", (19, 0))
    assert list(maps) == [19, 0]
    for index, found in maps.items():
        np.testing.assert_array_equal(found, values(index))
    assert ActivationFolder(tmp_path).read("2007_000032", ()) == {}


def test_activation_dictionaries_by_image_id(tmp_path: Path) -> None:
    content = {0: np.full((2, 3), 0.2, np.float32), 7: np.full((2, 3), 1, np.float32)}
    np.save(tmp_path / "a.npy", np.array(content, dtype=object))
    write_map(tmp_path / "b_7.png", values(7))
    folder = ActivationFolder(tmp_path)
    maps = folder.read("a", (7, 0))
    np.testing.assert_array_equal(maps[0], np.full((2, 3), 51, np.uint8))
    np.testing.assert_array_equal(maps[7], np.full((2, 3), 255, np.uint8))
    np.testing.assert_array_equal(folder.read("b", (7,))[7], values(7))


def test_activation_dictionaries_with_an_upper_case_suffix(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array({0: np.full((2, 3), 0.2)}, dtype=object))
    (tmp_path / "x.npy").rename(tmp_path / "a.NPY")
    maps = ActivationFolder(tmp_path).read("a", (0,))
    np.testing.assert_array_equal(maps[0], np.full((2, 3), 51, np.uint8))


def test_label_maps_by_image_id(tmp_path: Path) -> None:
    write_label(tmp_path / "a.png", values(1), 21)
    np.save(tmp_path / "b.npy", values(2).astype(np.int64))
    np.save(tmp_path / "a.npy", values(3))
    folder = LabelFolder(tmp_path)
    np.testing.assert_array_equal(folder.read("a"), values(1))
    np.testing.assert_array_equal(folder.read("b"), values(2))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_map(tmp_path / "a_0.png", values(0))
    where = str(tmp_path)
    with pytest.raises(MissingFileError) as caught:
        SaliencyFolder(tmp_path).read("a")
    assert str(caught.value) == f"no saliency map a in {where}; found 1 files, e.g. a_0.png"
    with pytest.raises(MissingFileError) as caught:
        ActivationFolder(tmp_path).read("a", (0, 4))
    assert str(caught.value) == f"no activation map a_4 in {where}; found 1 files, e.g. a_0.png"
    with pytest.raises(MissingFileError) as caught:
        LabelFolder(tmp_path).read("b")
    assert str(caught.value) == f"no label map b in {where}; found 1 files, e.g. a_0.png"


@pytest.mark.parametrize("kind", [SaliencyFolder, ActivationFolder, LabelFolder])
def test_a_folder_must_be_there_and_hold_maps(
    tmp_path: Path, kind: type[SaliencyFolder | ActivationFolder | LabelFolder]
) -> None:
    with pytest.raises(MissingFileError, match="no folder"):
        kind(tmp_path / "absent")
    (tmp_path / "train").mkdir()
    with pytest.raises(MissingFileError, match="holds no"):
        kind(tmp_path)


def test_an_unusable_map_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "a_0.png").mkdir()
    with pytest.raises(ImageFormatError, match=r"a\.png"):
        SaliencyFolder(tmp_path).read("a")
    with pytest.raises(ImageFormatError, match=r"a_0\.png"):
        ActivationFolder(tmp_path).read("a", (0,))


def test_a_file_removed_since_the_listing_is_missing(tmp_path: Path) -> None:
    write_map(tmp_path / "a.png", values(0))
    folder = SaliencyFolder(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(MissingFileError, match=r"no file .*a\.png"):
        folder.read("a")


def test_the_version_of_a_saliency_map_changes_with_it(tmp_path: Path) -> None:
    write_map(tmp_path / "a.png", values(0))
    set_time(tmp_path / "a.png", 1000)
    folder = SaliencyFolder(tmp_path)
    before = folder.version("a")
    assert before == SaliencyFolder(tmp_path).version("a") != ""
    assert folder.version("b") == ""
    for seconds in (999, 1001):  # older will do: archives keep the times of their files
        set_time(tmp_path / "a.png", seconds)
        assert folder.version("a") != before


def test_the_version_of_activations_is_of_the_classes_asked_for(tmp_path: Path) -> None:
    for index in range(3):
        write_map(tmp_path / f"a_{index}.png", values(index))
    np.save(tmp_path / "b.npy", np.array({0: values(0)}, dtype=object))
    folder = ActivationFolder(tmp_path)
    before = folder.version("a", (0, 1))
    set_time(tmp_path / "a_2.png", 1000)
    assert folder.version("a", (0, 1)) == before
    set_time(tmp_path / "a_1.png", 1000)
    assert folder.version("a", (0, 1)) != before
    assert folder.version("a", (5,)) == folder.version("a", ()) == ""
    assert folder.version("b", (0,)) != ""


@pytest.mark.parametrize("form", [str, Path])
def test_a_path_is_opened_as_a_folder(tmp_path: Path, form: type[str | Path]) -> None:
    write_map(tmp_path / "a.png", values(1))
    write_map(tmp_path / "a_1.png", values(1))
    np.testing.assert_array_equal(open_saliency(form(tmp_path)).read("a"), values(1))
    np.testing.assert_array_equal(open_activations(form(tmp_path)).read("a", (1,))[1], values(1))


def test_any_other_source_is_used_as_it_is() -> None:
    source = Source()
    assert open_activations(source) is source
