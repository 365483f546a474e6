from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from PIL import Image

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.cli import main
from wsss_assets.demo import DemoResult, run_demo
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.evaluation.evaluate import evaluate
from wsss_assets.evaluation.sweep import sweep
from wsss_assets.labels.recipes import METHODS

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = 6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo") / "out", images=IMAGES)


def test_seven_methods_by_three_saliency_models(demo: DemoResult) -> None:
    with_saliency = {name for name, recipe in METHODS.items() if recipe.uses_saliency}
    wanted = {
        (f"simulated_{name}", saliency)
        for name in METHODS
        for saliency in (("sharp", "soft", "partial") if name in with_saliency else (None,))
    }
    assert {(row.method, row.saliency) for row in demo.rows} == wanted
    assert len(demo.rows) == 17


def test_the_table_says_what_the_commands_say_of_the_same_folders(demo: DemoResult) -> None:
    labels = read_label_list(
        demo.data / "ImageSets/Segmentation/train_cls.txt", get_benchmark("mini")
    )
    truth = demo.data / "SegmentationClass"
    row = next(row for row in demo.rows if (row.method, row.saliency) == ("simulated_oaa", "soft"))
    scores = evaluate(demo.labels / "simulated_oaa_soft", truth, benchmark="mini", ignored="miss")
    assert row.miou == scores.miou
    curve = sweep(
        labels,
        demo.data / "activation/simulated_oaa",
        truth,
        saliency=demo.data / "saliency/soft",
        recipe=METHODS["oaa"],
        benchmark="mini",
    ).curve("miss")
    assert row.best_miou == curve.miou[curve.best] >= row.miou
    assert row.miou == curve.miou[curve.recommended]
    assert row.plateau[0] <= row.best_tau <= row.plateau[1]


def test_pictures_and_scores_are_written_and_say_that_they_are_synthetic(demo: DemoResult) -> None:
    with Image.open(demo.contact_sheet) as sheet:
        assert sheet.width > 1000
        assert sheet.height > 1000
    root = ElementTree.fromstring(demo.curve.read_text("utf-8"))  # noqa: S314
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"simulated_{name}" for name in METHODS} <= texts
    assert any("SYNTHETIC" in (text or "") for text in texts)
    report = json.loads(demo.json.read_text("utf-8"))
    assert "SYNTHETIC" in report["provenance"]
    assert len(report["rows"]) == len(demo.rows)


def test_a_second_run_keeps_what_is_there_and_says_the_same(demo: DemoResult) -> None:
    out = demo.contact_sheet.parent
    before = {path: path.stat().st_mtime_ns for path in demo.labels.rglob("*.png")}
    again = CliRunner().invoke(main, ["demo", "--out", str(out), "--images", str(IMAGES)])
    assert again.exit_code == 0, again.output
    assert "SYNTHETIC: drawn by a program" in again.output
    assert f"{demo.rows[0].miou * 100:.1f}" in again.output
    assert before == {path: path.stat().st_mtime_ns for path in demo.labels.rglob("*.png")}


def test_another_seed_in_the_same_folder_is_refused(demo: DemoResult) -> None:
    out = demo.contact_sheet.parent
    result = CliRunner().invoke(main, ["demo", "--out", str(out), "--seed", "1"])
    assert result.exit_code == 3
    assert "seed 0" in result.output


def test_mini_draws_a_benchmark_by_itself(tmp_path: Path) -> None:
    out = tmp_path / "mini"
    result = CliRunner().invoke(main, ["mini", "--out", str(out), "--images", "2"])
    assert result.exit_code == 0, result.output
    assert result.output == f"2 synthetic images in {out}\n"
    checked = CliRunner().invoke(main, ["doctor", "--benchmark", "mini", "--root", str(out)])
    assert checked.exit_code == 0, checked.output
    assert "0 problems" in checked.output
