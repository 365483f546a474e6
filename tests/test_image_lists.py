from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from tests.plain import write_grey
from wsss_assets.cli import main
from wsss_assets.errors import MissingFileError
from wsss_assets.evaluation.image_lists import check_all_there, lack, lack_of_classes, unpredicted
from wsss_assets.mini.folder import write_mini
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder

if TYPE_CHECKING:
    from pathlib import Path

GREY = np.zeros((2, 3), np.uint8)
COMMANDS = ("sweep", "evaluate-thresholds", "ceilings")


def test_what_images_lack_is_counted_and_named(tmp_path: Path) -> None:
    labels = {f"i{k}": (0, 3) for k in range(8)} | {"none": ()}
    for image_id in ("i0", "i1"):
        write_grey(tmp_path / "saliency" / f"{image_id}.png", GREY)
    for stem in ("i0_0", "i0_3", "i1_0", "i2_3"):
        write_grey(tmp_path / "maps" / f"{stem}.png", GREY)
    np.save(tmp_path / "maps" / "i7.npy", {0: GREY}, allow_pickle=True)  # type: ignore[arg-type]
    saliency = lack("saliency map", labels, SaliencyFolder(tmp_path / "saliency"))
    maps = lack_of_classes("map", labels, ActivationFolder(tmp_path / "maps"))
    assert saliency.ids == ["i2", "i3", "i4", "i5", "i6", "i7", "none"]
    assert maps.ids == ["i1", "i2", "i3", "i4", "i5", "i6"]
    with pytest.raises(MissingFileError) as caught:
        check_all_there(9, [saliency, maps])
    assert caught.value.summary == (
        f"7 of 9 images have no saliency map in {tmp_path / 'saliency'}: i2, i3, i4, i5, i6, …; "
        f"6 of 9 images have no map of every class in {tmp_path / 'maps'}: i1, i2, i3, i4, i5, …"
    )
    assert "--labels" in (caught.value.hint or "")
    whole = lack("saliency map", ["i0", "i1"], SaliencyFolder(tmp_path / "saliency"))
    check_all_there(2, [whole])
    one = lack("saliency map", ["i9"], SaliencyFolder(tmp_path / "saliency"))
    with pytest.raises(
        MissingFileError, match=r"1 of 1 image has no .*found 2 files there, e.g. i"
    ):
        check_all_there(1, [one])


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lists") / "mini"
    write_mini(root, 6, saliency=("soft",), methods=("simulated_cam",), workers=1)
    return root


def stderr(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (3, ""), done.output
    return done.stderr


def test_commands_count_before_they_read(mini: Path, tmp_path: Path) -> None:
    """No file is a picture: what is missing is said before the first of them is opened."""
    for name in ("saliency/soft", "activation/simulated_cam", "SegmentationClass"):
        shutil.copytree(mini / name, tmp_path / name)
        for path in (tmp_path / name).iterdir():
            path.write_bytes(b"no picture")
    first = next((tmp_path / "activation/simulated_cam").iterdir())
    first.unlink()
    (tmp_path / "SegmentationClass/mini_000004.png").unlink()
    for number in (2, 5):
        (tmp_path / f"saliency/soft/mini_00000{number}.png").unlink()
    maps = f"--activation={first.parent}"
    common = (
        "--benchmark=mini",
        f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}",
        f"--ground-truth={tmp_path / 'SegmentationClass'}",
    )
    lost = first.stem.rpartition("_")[0]
    counted = f"1 of 6 images has no activation map of every class in {first.parent}: {lost}"
    truth = "1 of 6 images has no ground truth in"
    for command in COMMANDS:
        said = stderr(
            command, *common, maps, f"--saliency={tmp_path / 'saliency/soft'}", "--ignored=miss"
        )
        assert "2 of 6 images have no saliency map" in said, command
        assert ": mini_000002, mini_000005;" in said
        assert counted in said
        assert truth in said
    whole = f"{mini / 'activation/simulated_cam'}"
    said = stderr(
        "evaluate-regions", *common, f"--reference={whole}", f"--activation=a={whole}", maps
    )
    assert truth in said
    masks = (*common[:2], f"--ground-truth={mini / 'SegmentationClass'}")
    said = stderr(
        "evaluate-regions", *masks, f"--reference={whole}", f"--activation=a={whole}", maps
    )
    assert counted in said
    said = stderr(
        "evaluate-regions", *masks, f"--reference={first.parent}", f"--activation={whole}"
    )
    assert "1 of 6 images has no reference map of every class" in said


def test_what_is_neither_a_folder_nor_a_map_set_is_said(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = (
        f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}",
        f"--ground-truth={mini / 'SegmentationClass'}",
        "--method=cam",
        "--ignored=miss",
    )
    maps = f"--activation={mini / 'activation/simulated_cam'}"

    def said(place: str, benchmark: str) -> str:
        options = (f"--benchmark={benchmark}", f"--saliency={place}", maps)
        done = CliRunner().invoke(main, ["sweep", *common, *options])
        assert done.exit_code == 2, done.output
        return done.stderr

    voc = said("vst_dutss", "voc2012")
    assert "vst_dutss is neither a folder nor a map set" in voc
    assert "'wsss-assets list --benchmark voc2012 --kind saliency'" in voc
    assert voc.endswith("did you mean vst_duts or dss_duts?\n")
    monkeypatch.chdir(mini.parent)
    (mini.parent / "pe").mkdir()
    assert "did you mean" not in said("nope", "voc2012")
    drawn = said("nope/saliency/vst_duts", "mini")
    assert "neither a folder nor a map set; expected a folder that is there" in drawn
    assert "of mini there are no map sets" in drawn
    assert "did you mean" not in drawn
    assert "is 4 map sets" not in drawn


def test_a_folder_that_is_nearly_called_so_is_offered(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mini.parent)
    done = CliRunner().invoke(
        main,
        [
            "sweep",
            "--benchmark=mini",
            f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}",
            "--saliency=mini/saliency/sofft",
            "--activation=mini/activation/simulated_cam",
            f"--ground-truth={mini / 'SegmentationClass'}",
        ],
    )
    assert done.exit_code == 2, done.output
    assert "mini/saliency/sofft is neither a folder nor a map set" in done.stderr
    assert "did you mean mini/saliency/soft?" in done.stderr


def test_images_that_nothing_was_predicted_for() -> None:
    wanted = list("abcdefgh")
    assert unpredicted(wanted, set(wanted), False, "none", "some") == ()
    assert unpredicted(wanted, "gb", True, "none", "some") == tuple("acdefh")
    with pytest.raises(MissingFileError) as caught:
        unpredicted(wanted, "gb", False, "nothing was done", "do it")
    assert str(caught.value) == (
        "6 of 8 images have no prediction: a, c, d, e, f, …; nothing was done\n"
        "→ do it with --skip-missing (in Python: skip_missing=True)"
    )
