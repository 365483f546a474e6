"""The command that scores saliency maps."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from wsss_assets import evaluate_saliency
from wsss_assets.cli import main
from wsss_assets.evaluation.saliency.scores import MEASURES
from wsss_assets.mini.folder import write_mini

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ("sharp", "soft")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini") / "mini"
    write_mini(root, 4, saliency=MODELS, methods=[])
    return root


def call(root: Path, *arguments: str, models: tuple[str, ...] = ("sharp",)) -> Result:
    given = [f"--predictions={root / 'saliency' / model}" for model in models]
    truth = f"--ground-truth={root / 'SegmentationClass'}"
    return CliRunner().invoke(
        main, ["evaluate-saliency", *given, truth, "--benchmark=mini", *arguments]
    )


def ids(root: Path) -> list[str]:
    return (root / "ImageSets" / "Segmentation" / "train.txt").read_text().split()


def test_one_set_is_a_row_for_each_measure(drawn: Path) -> None:
    result = call(drawn)
    assert result.exit_code == 0, result.output
    scores = evaluate_saliency(
        drawn / "saliency" / "sharp", drawn / "SegmentationClass", benchmark="mini"
    )
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["measure", "value", "at", "threshold"]
    assert f"{scores.mae:.4f}" in lines[1]
    assert lines[1].startswith("MAE")
    assert lines[2].endswith(f"  {scores.max_f_threshold:.3f}")
    assert f"{scores.s_measure:.4f}" in result.stdout
    last = "\n".join(lines[-2:])
    assert max(map(len, lines)) <= 100
    digest = scores.ground_truth_digest
    assert digest is not None
    for said in ("mini, 4 images, min-max normalisation", "void pixels: background", digest[:16],
                 "SYNTHETIC"):  # fmt: skip
        assert said in last


def test_several_sets_are_a_row_each_with_the_best_marked(drawn: Path) -> None:
    result = call(drawn, "--json=-", models=MODELS)
    sets = json.loads(result.stdout)["sets"]
    assert list(sets) == list(MODELS)
    table = call(drawn, models=MODELS).stdout.splitlines()
    assert [line.split()[0] for line in table[1:3]] == list(MODELS)
    assert max(map(len, table[:3])) <= 100
    for column, (measure, more) in enumerate(MEASURES.items(), 1):
        cells = {line.split()[0]: line.split()[column] for line in table[1:3]}
        best = (max if more else min)(MODELS, key=lambda name: sets[name][measure])
        assert [name for name in MODELS if cells[name].endswith("*")] == [best], measure
        assert all(f"{sets[name][measure]:.4f}" in cells[name] for name in MODELS)


def test_names_of_ones_own(drawn: Path) -> None:
    folder = drawn / "saliency" / "soft"
    result = call(drawn, f"--predictions=mine={folder}", "--json=-")
    assert list(json.loads(result.stdout)["sets"]) == ["sharp", "mine"]
    twice = call(drawn, f"--predictions={drawn / 'saliency' / 'sharp'}")
    assert twice.exit_code == 2
    assert "named twice" in twice.stderr


def test_each_image_has_a_row(drawn: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    assert call(drawn, f"--per-image={target}", models=MODELS).exit_code == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["image_id"]) for row in rows] == [
        (model, image_id) for image_id in ids(drawn) for model in MODELS
    ]
    sets = json.loads(call(drawn, "--json=-", models=MODELS).stdout)["sets"]
    for model in MODELS:
        for measure in ("mae", "s_measure", "weighted_f", "adaptive_f", "adaptive_e"):
            values = [float(row[measure]) for row in rows if row["set"] == model]
            assert np.mean(values) == pytest.approx(sets[model][measure], abs=1e-12)
    call(drawn, f"--per-image={tmp_path / 'dropped.csv'}", "--void=drop")
    assert "nan" not in (tmp_path / "dropped.csv").read_text()


def test_the_curve_is_drawn(drawn: Path) -> None:
    result = call(drawn, "--plot=-", models=MODELS)
    assert result.exit_code == 0, result.output
    ElementTree.fromstring(result.stdout)  # noqa: S314
    assert "F-measure of saliency maps" in result.stdout
    assert "SYNTHETIC" in result.stdout
    assert "mini, 4 images, min-max normalisation" in result.stdout


def test_one_stream_carries_one_thing(drawn: Path) -> None:
    result = call(drawn, "--plot=-", "--per-image=-")
    assert result.exit_code == 2
    assert "only one of" in result.stderr


def test_left_out_pixels_are_said_to_leave_measures_out(drawn: Path) -> None:
    result = call(drawn, "--void=drop", "--normalisation=raw", models=MODELS)
    assert "no S-measure and no weighted F-measure" in result.stdout
    assert "raw normalisation, classes, void pixels: drop" in result.stdout
    assert "–" in result.stdout
    one = json.loads(call(drawn, "--void=drop", "--json=-").stdout)["sets"]["sharp"]
    assert one["s_measure"] is one["weighted_f"] is None
    assert one["max_e"] is not None


def test_the_weighted_f_can_be_left_out(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    refused = call(drawn)
    assert refused.exit_code == 5
    assert "pip install 'wsss-assets[analysis]'" in refused.stderr
    assert "--no-weighted-f" in refused.stderr
    left_out = call(drawn, "--no-weighted-f", "--json=-")
    assert json.loads(left_out.stdout)["sets"]["sharp"]["weighted_f"] is None


def test_images_that_lack_a_map(drawn: Path, tmp_path: Path) -> None:
    for image_id in ids(drawn)[1:]:
        Image.open(drawn / "saliency" / "soft" / f"{image_id}.png").save(
            tmp_path / f"{image_id}.png"
        )
    extra = f"--predictions=few={tmp_path}"
    refused = call(drawn, extra)
    assert refused.exit_code == 3
    assert "--skip-missing" in refused.stderr
    result = call(drawn, extra, "--skip-missing")
    assert result.exit_code == 1
    assert f"passed over without a map: 1 ({ids(drawn)[0]})" in result.stderr
    assert "3 images" in result.stdout


def test_a_list_says_which_images(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n".join(ids(drawn)[:2]) + "\n")
    result = call(drawn, f"--ids={tmp_path / 'ids.txt'}")
    assert "2 images" in result.stdout
    labels = drawn / "ImageSets" / "Segmentation" / "train_cls.txt"
    assert "4 images" in call(drawn, f"--labels={labels}").stdout
    both = call(drawn, f"--labels={labels}", f"--ids={tmp_path / 'ids.txt'}")
    assert both.exit_code == 2


def test_a_map_set_needs_a_list(drawn: Path) -> None:
    result = call(drawn, "--predictions=voc2012/saliency/vst_duts", models=())
    assert result.exit_code == 2
    assert "--split" in result.stderr


def test_wrong_folders(drawn: Path, tmp_path: Path) -> None:
    empty = call(drawn, f"--predictions={tmp_path}", models=())
    assert empty.exit_code == 3
    assert "holds no" in empty.stderr
    nowhere = call(drawn, f"--predictions={tmp_path / 'nowhere'}", models=())
    assert nowhere.exit_code == 3
    assert "no folder" in nowhere.stderr
    swapped = CliRunner().invoke(
        main,
        ["evaluate-saliency", f"--predictions={drawn / 'saliency' / 'sharp'}",
         f"--ground-truth={drawn / 'saliency' / 'soft'}", "--benchmark=mini"],
    )  # fmt: skip
    assert swapped.exit_code == 3
    coloured = call(drawn, "--ground-truth-kind=binary")
    assert coloured.exit_code == 3
    assert "a mask is grey, or holds class indices" in coloured.stderr
    assert "may be a binary mask or one of classes" in swapped.stderr
