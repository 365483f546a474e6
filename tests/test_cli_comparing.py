from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_assets import get_recipe
from wsss_assets.cli import main
from wsss_assets.evaluation.grid.cells import NOTICE
from wsss_assets.mini.folder import write_mini
from wsss_assets.storage.images import write_map
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

PAGE = (Path(__file__).parent.parent / "docs" / "comparing.md").read_text("utf-8")
WIDEST = 100


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], input=stdin)


def fields(value: Any) -> Iterator[str]:  # noqa: ANN401 (JSON)
    """Names of fields, but for those that are names of classes or sets."""
    if isinstance(value, list):
        for one in value:
            yield from fields(one)
    if isinstance(value, dict):
        for name, one in value.items():
            if re.fullmatch("[a-z_]+", name):
                yield name
            if name not in {"overlap", "first", "second", "recipe"}:
                inner = one.values() if name.startswith(("mean_by", "per_class")) else [one]
                for each in [] if name == "best_saliency" else inner:
                    yield from fields(each)


def assert_documented(text: str) -> None:
    for name in set(fields(json.loads(text))):
        assert f"`{name}`" in PAGE, name


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Labels a and b, the truth, and saliency maps."""
    random = np.random.default_rng(0)
    for number in range(3):
        truth = np.repeat(random.integers(0, 21, (8, 1)), 30, axis=1).astype(np.uint8)
        spoiled = truth.copy()
        spoiled[:, :5] = 0
        for name, label in (("a", spoiled), ("b", truth), ("truth", truth)):
            write_label(tmp_path / name / f"i{number}.png", label, 21)
        for name, level in (("s", 0), ("t", 2)):
            write_map(tmp_path / name / f"i{number}.png", truth + np.uint8(100 + level))
    return tmp_path


def test_labels_are_compared_as_their_files_tell(sets: Path) -> None:
    result = call("compare", sets / "a", sets / "b", "--ground-truth", sets / "truth")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        f"A: {sets / 'a'}\nB: {sets / 'b'}\nlabels of 3 images, voc2012"
    )
    assert re.search(r"the same label: \d\d\.\d\d % of all pixels", result.stdout)
    assert re.search(
        r"^mIoU \d+\.\d+ → 100\.00: \+\d+\.\d+ points, 95 % interval", result.stdout, re.M
    )
    assert "background → " in result.stdout
    over = re.search(
        r"^mIoU of A over (\d+) of 21 classes, of B over (\d+) of 21 classes$", result.stdout, re.M
    )
    assert over is not None
    found = call("compare", sets / "a", sets / "b", "--ground-truth", sets / "truth", "--json=-")
    truth = json.loads(found.stdout)["truth"]
    counts = [truth[one]["classes_in_mean"] for one in ("first", "second")]
    assert [int(one) for one in over.groups()] == counts
    assert all(len(line) <= WIDEST for line in result.stdout.splitlines()[2:])


def test_json_of_labels_is_all_that_is_printed_and_documented(sets: Path) -> None:
    command = ("compare", sets / "a", sets / "b", "--ground-truth", sets / "truth", "--json", "-")
    result = call(*command)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["first"], found["second"]) == (str(sets / "a"), str(sets / "b"))
    assert found["truth"]["second"]["miou"] == 1.0
    assert_documented(result.stdout)


def test_maps_are_compared_as_their_files_tell(sets: Path) -> None:
    result = call("compare", sets / "s", sets / "t")
    assert result.exit_code == 0, result.output
    assert "3 saliency maps of 3 images" in result.stdout
    assert re.search(r"mean difference, B − A \(levels\) +2\.0000", result.stdout)
    assert re.search(r"correlation +1\.0000", result.stdout)
    found = call("compare", sets / "s", sets / "t", "--json", "-")
    assert json.loads(found.stdout)["largest_difference"] == 2
    assert_documented(found.stdout)


def test_what_one_set_lacks_makes_the_status_1(sets: Path) -> None:
    (sets / "b" / "i1.png").unlink()
    refused = call("compare", sets / "a", sets / "b")
    assert refused.exit_code == 3
    assert "--skip-missing" in refused.stderr
    result = call("compare", sets / "a", sets / "b", "--skip-missing")
    assert result.exit_code == 1
    assert "labels of 2 images" in result.stdout
    assert "not in B: 1 (i1)" in result.stderr
    ids = call("compare", sets / "a", sets / "b", "--ids", "-", stdin="i0\ni2\n")
    assert ids.exit_code == 0, ids.output


def test_kinds_that_do_not_go_together_are_refused(sets: Path) -> None:
    result = call("compare", sets / "a", sets / "s")
    assert result.exit_code == 2
    assert "found labels (" in result.stderr
    assert "saliency (" in result.stderr
    assert "--kind" in result.stderr
    scored = call("compare", sets / "s", sets / "t", "--ground-truth", sets / "truth")
    assert scored.exit_code == 2
    assert "no mIoU by themselves" in scored.stderr


@pytest.mark.parametrize("nowhere", ["nowhere", "./nowhere"])
def test_a_folder_that_is_not_there_is_told(sets: Path, nowhere: str) -> None:
    result = call("compare", nowhere, sets / "t")
    assert result.exit_code == 3
    assert "no folder nowhere" in result.stderr


def test_labels_of_cars_are_labels(tmp_path: Path) -> None:
    """VOC's colour of cars is a grey, and its labels are pictures in greys alone."""
    for name in ("a", "b", "truth"):
        label = np.full((6, 9), 7, np.uint8)
        label[:2], label[-1:] = 0, 255
        label[2, : len(name)] = 0
        for number in range(2):
            write_label(tmp_path / name / f"i{number}.png", label, 21)
    for more in ((), ("--ground-truth", tmp_path / "truth", "--ignored", "miss")):
        result = call("compare", tmp_path / "a", tmp_path / "b", *more)
        assert result.exit_code == 0, result.output
        assert "labels of 2 images" in result.stdout
    refused = call("compare", tmp_path / "a", tmp_path / "b", "--kind", "saliency")
    assert refused.exit_code == 2
    assert "does not hold what --kind says" in refused.stderr
    assert "--kind labels" in refused.stderr
    write_map(tmp_path / "s" / "i0.png", np.full((6, 9), 99, np.uint8))
    mixed = call("compare", tmp_path / "s", tmp_path / "a")
    assert mixed.exit_code == 2
    assert "saliency (" in mixed.stderr


def test_one_image_has_no_interval_and_few_are_warned_of(sets: Path) -> None:
    command = ("compare", sets / "a", sets / "b", "--ground-truth", sets / "truth", "--ids", "-")
    one = call(*command, stdin="i0\n")
    assert re.search(r"points, 95 % interval –$", one.stdout, re.M)
    assert "no interval: of one image nothing is known about other images" in one.stdout
    assert "higher in" not in one.stdout
    truth = json.loads(call(*command, "--json", "-", stdin="i0\n").stdout)["truth"]
    assert truth["interval"] is truth["first_interval"] is truth["second_interval"] is None
    assert truth["second_higher"] is None
    assert not any(one["interval"] for one in truth["per_class"].values())
    few = call(*command, stdin="i0\ni1\n")
    assert "2 images: of fewer than 30 the intervals are too narrow" in few.stdout
    assert "higher in 100.00 % of them" in few.stdout
    back = call("compare", sets / "b", sets / "a", "--ground-truth", sets / "truth")
    assert re.search(r"100\.00 → .*: −\d", back.stdout)
    assert not re.search(r" -\d", back.stdout)


# The grid


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "mini"
    write_mini(root, 6)
    return root


def grid(data: Path, out: Path, *more: object) -> list[str]:
    where = ["--labels", data / "ImageSets/Segmentation/train_cls.txt", "--benchmark", "mini"]
    truth = ["--ground-truth", data / "SegmentationClass", "--out", out]
    return [str(one) for one in ("benchmark", *where, *truth, "--ignored", "miss", *more)]


def test_a_whole_grid_below_a_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    result = call(*grid(data, out, "--root", data))
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        "cells",
        "grid.json",
        "grid.svg",
        "table.csv",
        "table.md",
        "table.tex",
        "wsss-assets.json",
    }
    for path in out.iterdir():
        if path.suffix in {".md", ".csv", ".tex", ".svg"} or path.name == "grid.json":
            text = path.read_text("utf-8")
            assert NOTICE in text.replace("&#x27;", "'"), path.name
    assert NOTICE in " ".join(result.stdout.split())
    tables = result.stdout.partition("Recipes")[0].splitlines()
    assert all(len(line) <= WIDEST for line in tables)
    assert "simulated_mcis: wsss-bed: saliency > 0.2, tau 0.5, ignore" in result.stdout
    counted = "17 cells (one for all rows where no saliency is used)"
    assert f"{counted}, 0 were there already" in result.stdout
    assert "17 of 17 cells: " in result.stderr
    assert_documented((out / "grid.json").read_text("utf-8"))
    again = call(*grid(data, out, "--root", data, "--json", "-"))
    assert json.loads(again.stdout) == json.loads((out / "grid.json").read_text("utf-8"))


def test_another_policy_and_fewer_sets_are_told(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    cam = f"--activation=cam={data / 'activation/simulated_cam'}"
    both = [f"--saliency={data / 'saliency' / name}" for name in ("soft", "sharp")]
    first = call(*grid(data, out, cam, *both))
    assert "2 cells, 0 were there already" in first.stdout
    assert "* the best saliency of a column. Recipes:" in first.stdout
    assert not first.stderr.count("255")
    fewer = call(*grid(data, out, cam, both[0], "--ignored", "drop"))
    assert fewer.exit_code == 0, fewer.output
    assert "1 cell, 1 was there already" in fewer.stdout
    assert f"cells of 1 other saliency set (sharp) are kept in {out}" in fewer.stdout
    assert f"tables in {out} counted 255 as: miss; now: drop" in fewer.stderr
    assert "best saliency" not in fewer.stdout
    assert "mean" not in fewer.stdout
    refused = call(*grid(data, out, cam, both[0], "--tau", "0.3"))
    assert refused.exit_code == 3
    assert "was made with other settings" in refused.stderr
    assert json.loads((out / "grid.json").read_text("utf-8"))["ignored"] == "drop"


def test_sets_by_name_and_one_recipe_for_all(data: Path, tmp_path: Path) -> None:
    maps = [
        f"--saliency=s={data / 'saliency/soft'}",
        f"--activation=cam={data / 'activation/simulated_oaa'}",
    ]
    result = call(*grid(data, tmp_path / "a", *maps, "--tau", "0.25"))
    assert result.exit_code == 0, result.output
    assert "cam: wsss-bed: saliency > 0.2, tau 0.25, no ignore" in result.stdout
    methods = call(*grid(data, tmp_path / "b", *maps))
    assert "cam: wsss-bed: saliency > 0.2, tau 0.1, ignore" in methods.stdout
    twice = call(*grid(data, tmp_path / "c", *maps, f"--saliency=s={data / 'saliency/sharp'}"))
    assert twice.exit_code == 2
    both = call(
        *grid(data, tmp_path / "c", "--root", data, f"--saliency=soft={data / 'saliency/soft'}")
    )
    assert both.exit_code == 2
    assert "two saliency sets called soft" in both.stderr
    assert call(*grid(data, tmp_path / "c")).exit_code == 2


@pytest.mark.parametrize(
    ("option", "change"),
    [
        (["--no-ignore"], {"ignore": False}),
        (["--tau", "0"], {"tau": 0.0}),
        (["--saliency-threshold", "0"], {"saliency_threshold": 0.0}),
    ],
)
def test_an_option_about_the_recipe_holds_for_all_also_as_nothing(
    data: Path, tmp_path: Path, option: list[str], change: dict[str, Any]
) -> None:
    maps = [
        f"--saliency=s={data / 'saliency/soft'}",
        f"--activation=oaa={data / 'activation/simulated_oaa'}",
    ]
    result = call(*grid(data, tmp_path / "a", *maps, *option))
    assert result.exit_code == 0, result.output
    assert f"oaa: {get_recipe().changed(**change).describe()}\n" in result.stdout


def test_a_missing_map_is_listed_and_the_status_is_1(data: Path, tmp_path: Path) -> None:
    holed = tmp_path / "holed"
    shutil.copytree(data / "saliency" / "soft", holed)
    (holed / "mini_000003.png").unlink()
    maps = [f"--saliency={holed}", f"--saliency={data / 'saliency/sharp'}"]
    maps.append(f"--activation=cam={data / 'activation/simulated_cam'}")
    result = call(*grid(data, tmp_path / "grid", *maps))
    assert result.exit_code == 1
    assert "no score for holed × cam: no saliency map mini_000003" in result.stderr
    assert "1 cell, 0 were there already" in result.stdout


def test_nothing_at_hand_in_the_cache(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("filelock")
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    result = call(*grid(data, tmp_path / "grid", "--cached"))
    assert result.exit_code == 2
    assert "there is no activation set" in result.stderr


def test_killed_it_goes_on_and_the_bytes_are_the_same(data: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = grid(data, killed, "--root", data, "--workers", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "wsss_assets", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 60
    while len(list(killed.glob("cells/*.json"))) < 2 and time.monotonic() < limit:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(list(killed.glob("cells/*.json")))
    assert 2 <= there < 17
    result = call(*grid(data, killed, "--root", data))
    assert result.exit_code == 0, result.output
    assert re.search(rf"17 cells .*, {there} were there already", result.stdout)
    assert call(*grid(data, whole, "--root", data)).exit_code == 0

    def tree(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    assert tree(killed) == tree(whole)
