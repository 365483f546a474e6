"""The command `regenerate`, and what `pack` makes of its folder."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import toys
from wsss_assets.catalog.records import MADE_MAPS_NAME
from wsss_assets.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of two classes, a list of them, weights; the toys are the only models."""
    pytest.importorskip("torch")
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    known = {name: make() for name, make in toys.TOYS.items()}
    monkeypatch.setattr("wsss_assets.models._architectures", lambda: known)
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(8)
    for name in "abc":
        pixels = generator.integers(0, 256, (20, 31, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.jpg")
    (tmp_path / "list.txt").write_text("a 0\nb 3 14\n", "utf-8")
    toys.write_weights(tmp_path / "toy.pth")
    return tmp_path


def call(folder: Path, *more: str, model: str = "toy", stdin: str | None = None) -> Result:
    arguments = [
        "regenerate",
        f"--model={model}",
        f"--weights={folder / 'toy.pth'}",
        f"--images={folder / 'photos'}",
        f"--out={folder / 'out'}",
        "--device=cpu",
        "--workers=0",
    ]
    return CliRunner().invoke(main, [*arguments, *more], input=stdin)


def made(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "out").glob("*.png")}


def test_all_photos_of_a_folder(folder: Path) -> None:
    result = call(folder)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"3 maps written to {folder / 'out'}, 0 were there\n"
    assert made(folder) == set("abc")
    assert call(folder).stdout == f"0 maps written to {folder / 'out'}, 3 were there\n"


def test_the_images_of_a_label_list(folder: Path) -> None:
    assert call(folder, f"--labels={folder / 'list.txt'}", "--benchmark=voc2012").exit_code == 0
    assert made(folder) == {"a", "b"}
    record = json.loads((folder / "out" / MADE_MAPS_NAME).read_text("utf-8"))
    assert (record["benchmark"], record["split"]) == ("voc2012", None)


def test_ids_from_standard_input_and_json_on_standard_output(folder: Path) -> None:
    result = call(folder, "--ids=-", "--json=-", stdin="c\nz\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "written": 1,
        "kept": 0,
        "failed": {"z": f"no photo z in {folder / 'photos'}"},
        "rotated": 0,
        "out": str(folder / "out"),
    }


def test_images_that_failed_are_listed_and_the_status_is_1(folder: Path) -> None:
    (folder / "photos" / "b.jpg").write_bytes(b"no picture")
    result = call(folder)
    assert result.exit_code == 1
    assert result.stdout.startswith("2 maps written")
    assert "1 image has no map:" in result.stderr
    assert "b.jpg cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size=0"], "--batch-size"),
        (["--batch-size=many"], "--batch-size"),
        (["--mean=1,2"], "three numbers"),
        (["--ids=x", "--labels=y"], "one place only"),
        (["--benchmark=voc2012"], "which split?"),
        (["--split=test"], "no split of voc2012 is called 'test'"),
        (["--device=gpu"], "no device"),
        (["--precision=tf32"], "TF32"),
        (["--sample=200"], "--sample goes with --verify"),
        (["--levels=2"], "--levels goes with --verify"),
        (["--share=2"], "--share goes with --verify"),
        (["--activation=x"], "--activation goes with --verify"),
        (["--saliency=x"], "--saliency goes with --verify"),
        (["--onnx-min-max"], "settings of ONNX networks"),
        (["--compile"], "leave out --compile"),
    ],
)
def test_misuse_is_explained(folder: Path, options: list[str], message: str) -> None:
    result = call(folder, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not made(folder)


def test_another_folder_of_photos_is_refused(folder: Path) -> None:
    assert call(folder).exit_code == 0
    shutil.copytree(folder / "photos", folder / "more")
    before = {path: path.read_bytes() for path in (folder / "out").iterdir()}
    result = call(folder, f"--images={folder / 'more'}")
    assert result.exit_code == 3
    assert "expected --images ../more; found --images ../photos" in result.stderr
    assert {path: path.read_bytes() for path in (folder / "out").iterdir()} == before


def test_settings_of_a_folder_are_called_by_their_options(folder: Path) -> None:
    assert call(folder).exit_code == 0
    result = call(folder, "--batch-size=3", "--mean=0,0,0", "--precision=bf16")
    assert result.exit_code == 3
    wanted = "expected --batch-size 3, --precision bf16, --mean 0.0,0.0,0.0; found --batch-size "
    assert wanted in result.stderr
    result = call(folder, "--model=toy_native", "--mean=0,0,0")
    assert "settings; expected --model toy_native; found --model toy; nothing" in result.stderr


def test_other_pictures_and_folders_are_said_to_be_left_out(folder: Path) -> None:
    photos = folder / "photos"
    for name in ("d.tiff", "e.gif", "notes.txt", ".hidden.gif"):
        (photos / name).touch()
    (photos / "inside").mkdir()
    said = "2 pictures of other kinds (.gif, .tiff) and 1 folder\n"
    assert call(folder).stderr == f"left out in {photos}: {said}"
    assert "left out" not in call(folder, "--ids=-", stdin="a\n").stderr
    for path in photos.glob("*.jpg"):
        path.unlink()
    result = call(folder)
    assert result.exit_code == 3
    assert "found 2 pictures of other kinds (.gif, .tiff)\n→ convert them" in result.stderr


def test_rotations_that_are_not_applied_are_said(folder: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in ("a.jpg", "d.png"):
        Image.new("RGB", (20, 31)).save(folder / "photos" / name, exif=turned)
    turned[0x0112] = 1
    Image.new("RGB", (20, 31)).save(folder / "photos" / "b.jpg", exif=turned)
    result = call(folder, "--workers=1")
    assert result.stderr == (
        "2 photos carry a rotation (EXIF) that is not applied: their maps lie as the pixels are "
        "stored\n"
    )
    assert call(folder).stderr == ""
    (folder / "out" / "a.png").unlink()
    assert call(folder).stderr.startswith("1 photo carries a rotation (EXIF)")
    assert call(folder, "--json=-").stdout.count('"rotated": 0') == 1


def test_numbers_of_one(folder: Path) -> None:
    out = folder / "out"
    assert call(folder, "--ids=-", stdin="a\n").stdout == f"1 map written to {out}, 0 were there\n"
    assert call(folder, "--ids=-", stdin="a\n").stdout == f"0 maps written to {out}, 1 was there\n"


def test_weights_that_do_not_fit_leave_no_folder(folder: Path) -> None:
    (folder / "toy.pth").write_bytes(b"no weights")
    assert call(folder).exit_code == 3
    assert not (folder / "out").exists()
    (folder / "out").mkdir()
    assert call(folder).exit_code == 3
    assert not any((folder / "out").iterdir())


def test_places_that_cannot_be_written_to(folder: Path) -> None:
    file = folder / "toy.pth"
    result = call(folder, f"--out={file}")
    assert result.exit_code == 3
    assert f"{file} is a file; expected a folder" in result.stderr
    assert "→ choose another folder" in result.stderr
    result = call(folder, f"--out={file / 'below'}")
    assert result.exit_code == 6
    assert "below cannot be made, or not be written to: " in result.stderr
    assert "; choose another folder" in result.stderr
    result = call(folder, f"--json={file / 'below.json'}")
    assert result.exit_code == 6
    assert f"{file} is no folder; choose another place" in result.stderr
    assert not made(folder)


def test_options_reach_the_record(folder: Path) -> None:
    options = ["--batch-size=2", "--precision=bf16", "--std=1,1,1", "--own-frame"]
    assert call(folder, *options).exit_code == 0
    settings = json.loads((folder / "out" / MADE_MAPS_NAME).read_text("utf-8"))["settings"]
    assert (settings["batch_size"], settings["precision"]) == (2, "bf16")
    assert settings["work"]["normalisation"]["std"] == [1, 1, 1]
    assert settings["work"]["frame"] == "own"


def test_the_folder_can_be_packed_as_it_is(folder: Path) -> None:
    (folder / "list.txt").write_text("a 0\nb 3 14\nc 2\n", "utf-8")
    assert call(folder).exit_code == 0
    arguments = [
        "pack",
        str(folder / "out"),
        "--id=voc2012/saliency/mine",
        f"--labels={folder / 'list.txt'}",
        f"--staging={folder / 'staging'}",
        "--json=-",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    packed = json.loads(result.stdout)
    assert (packed["rows"], packed["maps"], packed["holes"]) == (3, 3, [])
    manifest = json.loads((folder / "staging" / "manifest.json").read_text("utf-8"))
    record = json.loads((folder / "out" / MADE_MAPS_NAME).read_text("utf-8"))
    assert manifest["sets"][0]["record"]["maker"] == record["made_by"]
    sha256 = record["weights"][0]["sha256"]
    assert record["made_by"].startswith(
        f"a toy with weights of the user's own, toy.pth (sha256 {sha256}), run by wsss-assets "
    )
    assert {name: record[name] for name in packed["made"]} == packed["made"]
    assert {"model", "weights", "settings", "python"} < packed["made"].keys()


def test_what_the_command_names_is_looked_for_before_a_list_is_fetched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.storage.fetch.is_offline", lambda: True)
    split = "--split=train_aug"
    for more, missing in (
        (f"--weights={folder / 'final.pth'}", "no file {}/final.pth"),
        (f"--images={folder / 'none'}", "no folder {}/none"),
    ):
        result = call(folder, split, more)
        assert result.exit_code == 3, result.output
        assert result.stderr.startswith(f"wsss-assets: {missing.format(folder)}")
    assert call(folder, split).exit_code == 4
