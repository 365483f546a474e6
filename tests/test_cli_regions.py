from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from tests.plain import write_grey
from wsss_assets import RegionScores
from wsss_assets.cli import main
from wsss_assets.errors import UsageError
from wsss_assets.evaluation.regions.analyse import PIXELS, RegionMean
from wsss_assets.evaluation.regions.measures import AT_THRESHOLD, WITHOUT_THRESHOLD
from wsss_assets.mini.folder import write_mini
from wsss_assets.report.region_curve import LEFT, SIDE, TOP, RegionLine, region_curve_svg
from wsss_assets.storage.images import read_map
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from click.testing import Result

SVG = "{http://www.w3.org/2000/svg}"
PAGE = Path(__file__).parent.parent / "docs" / "regions.md"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("regions") / "mini"
    write_mini(root, 6, saliency=("soft",), methods=("simulated_cam", "simulated_eps"))
    return root


def run(data: Path, *more: str, truth: Path | None = None) -> Result:
    reference = data / "activation" / "simulated_cam"
    return CliRunner().invoke(
        main,
        [
            "evaluate-regions",
            "--benchmark=mini",
            f"--labels={data / 'ImageSets/Segmentation/train_cls.txt'}",
            f"--reference={reference}",
            f"--ground-truth={truth or data / 'SegmentationClass'}",
            *more,
        ],
    )


def maps(data: Path, name: str) -> str:
    return f"--activation={data / 'activation' / name}"


def test_tables(data: Path) -> None:
    result = run(
        data,
        maps(data, "simulated_cam"),
        maps(data, "simulated_eps"),
        f"--predictions=perfect={data / 'SegmentationClass'}",
        "--per-class",
        "--per-image-means",
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    head, cam, eps, perfect = (line.split("  ") for line in lines[1:5])
    assert [word.strip() for word in head if word] == [
        "set", "t", "DR-recall", "NDR-recall", "NDR-FPR", "FP kept", "NDR-IoU", "gain", "net", "AUC"
    ]  # fmt: skip
    assert lines[0].startswith("%, means over ")
    assert lines[2].split()[2:9] == ["100.00", "0.00", "0.00", "100.00", "0.00", "0.00", "0.00"]
    assert lines[4].split()[1:] == ["–", "100.00", "100.00", "0.00", "0.00", "100.00"] + 3 * ["–"]
    assert (cam[0], eps[0], perfect[0]) == ("simulated_cam", "simulated_eps", "perfect")
    gain, net = map(float, lines[3].split()[7:9])
    assert gain > net > 0
    assert re.fullmatch(r"mini, 6 images, ground truth \w{16}, SYNTHETIC: .*", lines[-1])
    assert "%, means over pairs of an image and a class" in result.stdout
    assert result.stdout.count("DR share") == 3


def test_json_is_documented(data: Path) -> None:
    perfect = f"--predictions=perfect={data / 'SegmentationClass'}"
    result = run(data, maps(data, "simulated_eps"), perfect, "--eta=0.3", "--json=-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["reference"].endswith("simulated_cam")
    scores = found["sets"]["simulated_eps"]
    assert scores["eta"] == 0.3
    assert scores["means"].keys() == {*AT_THRESHOLD, *WITHOUT_THRESHOLD}
    assert [one["eta"] for one in scores["sensitivity"]] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert scores["sensitivity"][1]["means"] == scores["means"]
    assert found["sets"]["perfect"]["threshold"] is None
    page = PAGE.read_text("utf-8")
    fields = [one.name for kind in (RegionScores, RegionMean) for one in dataclasses.fields(kind)]
    for name in [*found, *scores, *scores["curve"], *fields, *scores["means"], *PIXELS]:
        assert f"`{name}`" in page, name


def test_a_threshold_is_for_maps_and_not_for_masks(data: Path) -> None:
    perfect = f"--predictions=perfect={data / 'SegmentationClass'}"
    result = run(data, maps(data, "simulated_eps"), perfect, "--threshold=0.5", "--json=-")
    sets = json.loads(result.stdout)["sets"]
    assert [sets[name]["threshold"] for name in ("simulated_eps", "perfect")] == [0.5, None]


def test_areas_that_cannot_be_matched_are_said(data: Path, tmp_path: Path) -> None:
    for path in (data / "activation" / "simulated_eps").iterdir():
        write_grey(tmp_path / "flat" / path.name, read_map(path) * 0)
    result = run(data, f"--activation={tmp_path / 'flat'}")
    assert result.exit_code == 0, result.output
    assert "flat: its gain is at" in result.stdout
    assert "times the reference's pixels" in result.stdout


def test_plot(data: Path, tmp_path: Path) -> None:
    perfect = f"--predictions=perfect={data / 'SegmentationClass'}"
    target = tmp_path / "regions.svg"
    result = run(data, maps(data, "simulated_eps"), perfect, f"--plot={target}")
    assert result.exit_code == 0, result.output
    root = ElementTree.parse(target).getroot()  # noqa: S314 (our own text)
    lines = [one for one in root.iter(f"{SVG}polyline") if "curve" in one.attrib["class"]]
    assert len(lines) == 1
    points = lines[0].attrib["points"].split()
    assert len(points) == 257
    assert points[-1] == f"{LEFT:.2f},{TOP + SIDE:.2f}"  # above all of them nothing
    assert points[0] == f"{LEFT + SIDE:.2f},{TOP:.2f}"  # at threshold 0 all is found
    dots = [one for one in root.iter(f"{SVG}circle") if "chosen" in one.attrib.get("class", "")]
    assert f"{dots[0].attrib['cx']},{dots[0].attrib['cy']}" in points
    assert (dots[1].attrib["cx"], dots[1].attrib["cy"]) == (f"{LEFT:.2f}", f"{TOP:.2f}")
    words = " ".join(one.text or "" for one in root.iter(f"{SVG}text"))
    assert "SYNTHETIC" in words
    assert "own definitions" in words


def test_nothing_to_draw_is_said_after_all_else(data: Path, tmp_path: Path) -> None:
    for target, printed in (("-", False), (tmp_path / "regions.svg", True)):
        result = run(data, maps(data, "simulated_eps"), "--eta=0", f"--plot={target}")
        assert result.exit_code == 2
        assert "the reference leaves out no pixel" in result.stderr
        assert ("DR-recall" in result.stdout) == printed


@pytest.mark.parametrize(
    "line",
    [
        RegionLine("a", [], [], 0),
        RegionLine("a", [0.1], [0.1, 0.2], 0),
        RegionLine("a", [1.1], [0.1], 0),
        RegionLine("a", [0.1], [0.1], 1),
    ],
)
def test_lines_that_do_not_fit_are_refused(line: RegionLine) -> None:
    with pytest.raises(UsageError, match="'a' cannot be drawn"):
        region_curve_svg([line], title="T")


def test_names_are_escaped_and_no_lines_are_no_error() -> None:
    svg = region_curve_svg([RegionLine("a<b&\x01", [0.5], [0.5], 0)], title="T<")
    assert "a&lt;b&amp; " in svg
    ElementTree.fromstring(svg)  # noqa: S314 (our own text)
    assert "No curves." in region_curve_svg([], title="T")


def test_what_is_wrong_is_said(data: Path, tmp_path: Path) -> None:
    masks = data / "SegmentationClass"
    eps = maps(data, "simulated_eps")
    (tmp_path / "empty").mkdir()
    for path in masks.iterdir():
        write_grey(tmp_path / "void" / path.name, read_label(path) | np.uint8(255))
    for status, words, options, truth in (
        (2, "there is nothing to compare", [], None),
        (2, "is named twice", [eps, eps], None),
        (2, "names both maps and predictions", [f"--predictions=simulated_eps={masks}", eps], None),
        (2, "eta 2 is no threshold", [eps, "--eta=2"], None),
        (2, "threshold -1 is no threshold", [eps, "--threshold=-1"], None),
        (2, "cannot both go to standard output", [eps, "--plot=-", "--json=-"], None),
        (2, "these are folders", [eps, "--stream"], None),
        (3, "empty", [f"--activation={tmp_path / 'empty'}"], None),
        (3, "6 of 6 images have no activation map of every class", [f"--activation={masks}"], None),
        (3, "no image has a pixel of one of its classes", [eps], tmp_path / "void"),
    ):
        result = run(data, *options, truth=truth)
        assert result.exit_code == status, (words, result.output)
        assert words in result.stderr, (words, result.stderr)
