from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.voc_folder import ADDED, TRAIN, VAL, make_voc
from wsss_assets.cli import main
from wsss_assets.cli.benchmarks import COMMANDS
from wsss_assets.storage.label_maps import read_label

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], input=stdin)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_voc(tmp_path / "VOC2012")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"wsss-assets {command}" in result.stdout


def test_benchmarks_lists_names_splits_and_sizes() -> None:
    result = call("benchmarks")
    assert result.exit_code == 0
    assert ["voc2012", "train_aug", "20", "10,582"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert "818" in result.stdout
    by_name = {one["name"]: one for one in json.loads(call("benchmarks", "--json", "-").stdout)}
    assert by_name["coco2014"]["splits"] == {"train": 82081, "val": 40137}
    assert by_name["mini"]["synthetic"] is True


def test_doctor_says_what_it_sees_and_exits_0_on_warnings(root: Path) -> None:
    result = call("doctor", "--root", root)
    assert result.exit_code == 0
    assert "ok      SegmentationClass: all 3 masks of train" in result.stdout
    assert result.stdout.endswith("0 problems, 3 warnings\n")


def test_doctor_exits_1_on_problems_and_writes_json(root: Path, tmp_path: Path) -> None:
    (root / "SegmentationClass" / "2009_000001.png").unlink()
    target = tmp_path / "findings.json"
    result = call("doctor", "--root", root, "--json", target)
    assert result.exit_code == 1
    assert "1 problem, 3 warnings" in result.stdout
    assert json.loads(target.read_text("utf-8"))["problems"] == 1
    result = call("doctor", "--root", root, "--quick", "--json", "-")
    assert result.exit_code == 1
    levels = {one["level"] for one in json.loads(result.stdout)["findings"]}
    assert levels == {"ok", "warning", "problem"}


def test_doctor_without_a_folder(tmp_path: Path) -> None:
    result = call("doctor", "--root", tmp_path / "absent")
    assert result.exit_code in {2, 3}
    assert "absent" in result.stderr


def test_labels_from_masks_and_back_from_standard_input(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "train_aug_cls.txt"
    result = call("labels", "--split", "train_aug", "--root", root, "--out", out)
    assert result.exit_code == 0
    assert "4 images, from: masks of SegmentationClassAug" in result.stderr
    lines = [
        " ".join((name, *map(str, classes))) + "\n" for name, classes in (TRAIN | ADDED).items()
    ]
    assert out.read_text("utf-8") == "".join(lines)
    result = call("labels", "--labels", "-", stdin=out.read_text("utf-8"))
    assert result.stdout == out.read_text("utf-8")


def test_labels_from_xml_differ(root: Path) -> None:
    result = call("labels", "--split", "val", "--root", root, "--source", "xml")
    assert result.stdout == "".join(f"{image_id} 14\n" for image_id in VAL)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "test"], 2, "no split of voc2012 is called 'test'"),
        (["--benchmark", "voc"], 2, "did you mean voc2012"),
        ([], 2, "which split?"),
        (["--split", "val", "--root", "absent"], 3, "no folder absent"),
        (["--labels", "absent.txt"], 3, "no file absent.txt"),
        (["--labels", "absent.txt", "--instances", "absent.json"], 2, "one source"),
    ],
)
def test_labels_that_cannot_be_made(arguments: list[str], code: int, message: str) -> None:
    result = call("labels", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_ground_truth_is_drawn_kept_and_never_mixed(tmp_path: Path) -> None:
    content = {
        "images": [
            {"id": number, "file_name": f"v{number}.jpg", "height": 4, "width": 4}
            for number in (1, 2)
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 90,
                "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]],
            }
        ],
    }
    source = tmp_path / "instances.json"
    source.write_text(json.dumps(content), encoding="utf-8")
    out = tmp_path / "masks"
    result = call("ground-truth", "--instances", source, "--out", out)
    assert result.exit_code == 0, result.output
    assert "1 label map written" in result.stdout
    assert "by the rule canonical" in result.stdout
    assert read_label(out / "v1.png")[0, 0] == 80
    result = call("ground-truth", "--instances", source, "--out", out, "--all-images")
    assert "1 label map written" in result.stdout
    assert "1 was there, 0 images" in result.stdout
    result = call("ground-truth", "--instances", source, "--out", out, "--rule", "recam")
    assert result.exit_code == 3
    assert "other settings" in result.stderr
    result = call(
        "ground-truth", "--instances", source, "--out", tmp_path / "two", "--ids", "-", stdin="v1\n"
    )
    assert [path.name for path in (tmp_path / "two").glob("*.png")] == ["v1.png"]


def test_the_command_that_makes_a_list_asks_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.storage.fetch.is_offline", lambda: True)
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path))
    for arguments, code in ((["--split=train_aug"], 4), (["--benchmark=mini", "--split=train"], 2)):
        result = call("labels", *arguments)
        assert result.exit_code == code, result.output
        assert "--root DIR, or of COCO's with --instances FILE" in result.stderr
        assert "--labels" not in result.stderr
