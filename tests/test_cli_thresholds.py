from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from tests.plain import write_grey
from wsss_assets.cli import main
from wsss_assets.mini.folder import write_mini
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("thresholds") / "mini"
    write_mini(root, 8, saliency=("soft",), methods=("simulated_cam",), workers=1)
    return root


def call(root: Path, *more: str) -> Result:
    arguments = [
        "evaluate-thresholds",
        "--benchmark=mini",
        f"--labels={root / 'ImageSets/Segmentation/train_cls.txt'}",
        f"--activation={root / 'activation/simulated_cam'}",
        f"--ground-truth={root / 'SegmentationClass'}",
        *more,
    ]
    return CliRunner().invoke(main, arguments)


def with_saliency(root: Path, *more: str) -> Result:
    return call(root, f"--saliency={root / 'saliency/soft'}", "--method=cam", *more)


def test_the_table_says_what_was_measured(mini: Path) -> None:
    done = with_saliency(mini, "--ignored=miss")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert " ".join(lines[0].split()) == (
        "class n imbalance gap AUC tau spread apart % own % all % rec. % prec. %"
    )
    assert max(map(len, lines)) <= 100
    named = {line.split()[0] for line in lines if line}
    assert {"n", "imbalance", "gap", "AUC", "tau", "apart", "own", "all"} <= named
    assert "fails here: more than 2 points" in done.stdout
    pairs = next(line for line in lines if line.startswith("pair mean")).split()
    listed = (mini / "ImageSets/Segmentation/train_cls.txt").read_text("utf-8").splitlines()
    assert int(pairs[2]) == sum(len(line.split()) - 1 for line in listed)
    for words in (
        "with the best tau of each image",
        "single maps: IoU",
        "tau chosen without ground truth",
        "SYNTHETIC: drawn by a program",
        "255 counted as: miss",
    ):
        assert words in done.stdout
    rules = [line.split() for line in lines if " dataset " in line]
    names = ["recipe", "otsu", "kapur", "triangle", "saliency_agreement", "saliency_area"]
    assert [words[0] for words in rules] == names
    for rule in rules:
        assert (float(rule[4].replace("−", "-")) > 2) == (rule[5:] == ["fails", "here"])


def test_json_is_the_analysis_and_all_that_is_printed(mini: Path) -> None:
    done = with_saliency(mini, "--ignored=miss", "--json=-")
    said = json.loads(done.stdout)
    assert said["images"] == 8
    assert said["global"]["miou"] == max(said["miou"])
    assert said["recommended"]["tau"] == 0.1
    best = np.array(list(said["best_thresholds"].values()))
    assert best.sum() == said["pairs"]["n"] == sum(one["n"] for one in said["per_class"].values())
    for one in said["selectors"]:
        assert one["regret"] == pytest.approx(said["global"]["miou"] - one["miou"])


def test_a_recipe_without_saliency_lets_it_choose_only(mini: Path) -> None:
    without = json.loads(call(mini, "--recipe=irn", "--json=-").stdout)
    done = call(mini, "--recipe=irn", f"--saliency={mini / 'saliency/soft'}", "--json=-")
    assert "this recipe uses no saliency: it only chooses thresholds" in done.stderr
    beside = json.loads(done.stdout)
    assert beside["miou"] == without["miou"]
    assert [one["verdict"] for one in without["selectors"] if one["needs_saliency"]] == [
        "undefined: no saliency maps"
    ] * 6
    assert all(one["tau"] is not None for one in beside["selectors"])


def test_the_picture_shows_every_pair_and_class(mini: Path, tmp_path: Path) -> None:
    picture, numbers = tmp_path / "p.svg", tmp_path / "n.json"
    done = with_saliency(mini, "--ignored=miss", f"--plot={picture}", f"--json={numbers}")
    assert done.exit_code == 0, done.output
    said = json.loads(numbers.read_text("utf-8"))
    root = ElementTree.fromstring(picture.read_text("utf-8"))  # noqa: S314
    bars = [float(bar.attrib["height"]) for bar in root.findall(f"{SVG}rect")]
    counts = np.array(list(said["best_thresholds"].values())).sum(axis=0).reshape(32, 8).sum(axis=1)
    assert np.allclose(np.array(bars) / max(bars), counts / counts.max(), atol=1e-3)
    dots = [one for one in root.findall(f"{SVG}circle") if one.attrib["class"] == "dot"]
    there = {name: one for name, one in said["per_class"].items() if one["n"]}
    titles = [dot.findtext(f"{SVG}title") or "" for dot in dots]
    assert [title.partition(":")[0] for title in titles] == list(there)
    lost = [max(one["iou_own"] - one["iou_global"], 0) for one in there.values()]
    sizes = [float(dot.attrib["r"]) for dot in dots]
    assert np.argsort(sizes, kind="stable")[-1] == np.argmax(lost)
    texts = " ".join(element.text or "" for element in root.iter(f"{SVG}text"))
    tau = said["global"]["tau"]
    assert f"best one tau for all {tau:.3f}" in texts
    assert re.search(r"otsu 0\.\d+: (as good|[+−]\d+\.\d points)", texts)
    again = tmp_path / "again.svg"
    with_saliency(mini, "--ignored=miss", f"--plot={again}", "--workers=1")
    assert again.read_bytes() == picture.read_bytes()


def test_a_picture_without_a_pair_is_drawn(tmp_path: Path) -> None:
    write_label(tmp_path / "SegmentationClass/a.png", np.zeros((3, 3), np.uint8), 21)
    write_grey(tmp_path / "activation/simulated_cam/a_0.png", np.full((3, 3), 9, np.uint8))
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train_cls.txt").write_text("a 0\n", "utf-8")
    done = call(tmp_path, "--recipe=irn", "--plot=-")
    assert done.exit_code == 0, done.output
    root = ElementTree.fromstring(done.stdout)  # noqa: S314
    assert "No pair" in (root.findtext(f"{SVG}desc") or "")
    table = call(tmp_path, "--recipe=irn").stdout
    assert "listed classes without a pixel, in no mean: 1" in table
    assert "undefined: maps of one value" in table
    assert "nan" not in table


def test_mistakes_are_said(mini: Path, tmp_path: Path) -> None:
    assert "--ignored miss|background|drop" in with_saliency(mini).stderr
    assert "standard output" in with_saliency(mini, "--ignored=miss", "--json=-", "--plot=-").stderr
    assert "needs saliency maps" in call(mini, "--method=cam", "--ignored=miss").stderr
    for recipe in ("oaa", "drs"):
        refused = call(
            mini, f"--saliency={mini / 'saliency/soft'}", f"--recipe={recipe}", "--ignored=miss"
        )
        assert "cannot be swept in one pass" in refused.stderr
        assert refused.exit_code == 2
    unknown = with_saliency(mini, "--no-ignore", "--ignored=mis")
    assert unknown.exit_code == 2
    assert "mis" in unknown.stderr
    missing = call(mini, "--recipe=irn", f"--saliency={tmp_path}")
    assert missing.exit_code == 3
