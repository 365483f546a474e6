from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from wsss_assets.catalog.records import MapSet, ResultTable
from wsss_assets.cli import main

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parent.parent
MANIFESTS = ROOT / "wsss_assets" / "catalog" / "manifests"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"COLUMNS": "100"})


def stored(*path: str) -> object:
    return json.loads(MANIFESTS.joinpath(*path).read_text("utf-8"))


# list


def test_the_list_is_a_table_with_a_count_beside_it() -> None:
    result = call("list", "--benchmark=voc2012", "--kind=saliency")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "map set"
    assert len(lines) == 1 + 27
    row = next(line for line in lines if line.startswith("voc2012/saliency/vst_msra_hku "))
    assert row.split()[:5] == [
        "voc2012/saliency/vst_msra_hku",
        "vst",
        "msra_b+hku_is",
        "pixel_masks",
        "no",
    ]
    assert result.stderr == "27 map sets; licence: not stated by the authors\n"


def test_the_list_fits_a_terminal_and_its_columns_are_aligned() -> None:
    lines = call("list").stdout.splitlines()
    assert len(lines) == 1 + 130
    assert max(map(len, lines)) <= 100
    column = lines[0].index("supervision")
    assert {line[column:].split()[0] for line in lines[1:]} == {
        "none",
        "image_labels",
        "pixel_masks",
        "not_known",
    }


def test_quiet_is_ids_for_pipes() -> None:
    result = call("list", "--regenerable", "-q")
    assert result.stdout.splitlines() == [
        "voc2012/activation/cam",
        "voc2012/activation/drs",
        "voc2012/activation/edam",
        "voc2012/activation/eps_sal_eps",
        "voc2012/activation/l2g_sal_l2g",
    ]
    assert result.stderr == ""


def test_filters_are_combined_and_may_leave_nothing() -> None:
    arguments = ("--maker=eps", "--trained-on=duts", "--supervision=pixel_masks")
    result = call("list", *arguments, "--benchmark=coco2014", "-q")
    assert len(result.stdout.splitlines()) == 4
    nothing = call("list", *arguments, "--benchmark=mini")
    assert nothing.exit_code == 0
    assert len(nothing.stdout.splitlines()) == 1
    assert nothing.stderr == "0 map sets\n"
    one = call("list", "--maker=sal_oaa")
    assert one.stderr.startswith("1 map set; ")


def test_the_list_as_json_is_the_records(tmp_path: Path) -> None:
    result = call("list", "--maker=move", "--json=-")
    assert json.loads(result.stdout) == [
        stored("map_sets", "coco2014", "saliency", "move.json"),
        stored("map_sets", "voc2012", "saliency", "move.json"),
    ]
    beside = call("list", "--maker=move", "-q", f"--json={tmp_path / 'a.json'}")
    assert len(beside.stdout.splitlines()) == 2
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == json.loads(result.stdout)
    assert json.loads(call("list", "--maker=move", "-q", "--json=-").stdout)


# info


def test_info_says_all() -> None:
    result = call("info", "VOC2012_EPS_VST_DUTS")
    assert result.exit_code == 0, result.output
    text = re.sub(r"\s+", " ", result.stdout)
    for said in (
        "map set voc2012/activation/eps_vst_duts",
        "WSSS-BED VOC2012_EPS_VST_DUTS",
        "made by EPS (Lee et al., CVPR 2021); key eps",
        "code https://github.com/halbielee/EPS (licence: none stated)",
        "trained on DUTS-TR (duts)",
        "supervision pixel masks drawn by people",
        "saliency voc2012/saliency/vst_duts",
        "splits train_aug (10,582 photos)",
        "recipe --method eps: recipe wsss-bed, tau 0.2, without saliency, no ignore",
        "licence not stated by the authors",
        "/act_maps/VOC2012_EPS_VST_DUTS.zip (",
        "made again They cannot be made again from published weights.",
        "to cite eps, vst, duts, pascal_voc, sbd, wsss_bed",
    ):
        assert said in text


def test_info_of_a_set_whose_training_is_not_known() -> None:
    text = call("info", "voc2012/saliency/sal_oaa").stdout
    assert re.search(r"^trained on +not stated by the authors$", text, re.MULTILINE)
    assert re.search(r"^supervision +not known$", text, re.MULTILINE)
    assert "recipe " not in text


def test_info_as_json_is_the_record() -> None:
    result = call("info", "coco_cam", "--json=-")
    assert json.loads(result.stdout) == stored("map_sets", "coco2014", "activation", "cam.json")


def test_a_narrow_terminal_wraps_but_breaks_no_address() -> None:
    result = CliRunner().invoke(main, ["info", "voc2012_move"], env={"COLUMNS": "60"})
    url = "https://github.com/clovaai/WSSS-BED/releases/download/sal_maps/VOC2012_MOVE.zip"
    assert url in result.stdout
    words = result.stdout.split()
    assert all(len(line) <= 60 or " " not in line[14:] for line in result.stdout.splitlines())
    assert words == call("info", "voc2012_move").stdout.split()


# why, cite


def test_why_is_two_paragraphs() -> None:
    result = call("why", "voc2012/saliency/vst_duts")
    assert result.exit_code == 0, result.output
    story, doubts = result.stdout.split("\n\n")
    assert story.startswith(
        "voc2012/saliency/vst_duts: saliency maps, one per photo, of PASCAL VOC"
    )
    assert doubts.startswith("No licence is stated")
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_cite_gives_each_entry_once() -> None:
    result = call("cite", "voc2012/saliency/vst_duts", "VOC2012_CAM", "vst", "seam")
    assert result.exit_code == 0, result.output
    keys = re.findall(r"^@\w+\{(\w+),$", result.stdout, re.MULTILINE)
    assert keys == ["vst", "duts", "pascal_voc", "sbd", "wsss_bed", "cam", "seam"]
    bibliography = (ROOT / "cards" / "CITATIONS.bib").read_text("utf-8")
    for entry in result.stdout.strip().split("\n\n"):
        assert entry in bibliography


# results


def test_results_are_the_table_of_the_paper() -> None:
    result = call("results")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["voc2012", "val", "cam", "oaa", "mcis", "drs", "edam", "eps", "l2g"]
    assert lines[1].split("  ")[0] == "dss_msra"
    assert lines[18] == (
        "vst_duts          70.5 ± 0.2  69.6 ± 0.2  69.2 ± 0.2  70.0 ± 0.1  70.3 ± 0.1  72.4 ± 0.2"
        "  71.9 ± 0.2"
    )
    assert lines[23].split() == [
        "own",
        "paper",
        "–",
        "65.2",
        "66.2",
        "70.4",
        "70.9",
        "70.9",
        "72.1",
    ]
    text = " ".join(lines[25:])
    assert "DeepLabV2 (ResNet-101)" in text
    assert "Full supervision: 77.9." in text
    assert "not of the pseudo-labels" in text
    assert max(map(len, lines)) <= 100


def test_results_are_narrowed() -> None:
    result = call("results", "--benchmark=coco2014", "--method=l2g", "--saliency=vst")
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["coco2014", "val", "l2g"],
        ["vst_msra", "44.5", "±", "0.1"],
        ["vst_msra_hku", "44.8", "±", "0.0"],
        ["vst_duts", "45.1", "±", "0.0"],
        ["own", "paper", "44.2"],
    ]
    values = json.loads(call("results", "--method=cam", "--saliency=move", "--json=-").stdout)
    assert values["results"] == [{"method": "cam", "saliency": "move", "mean": 69.3, "std": 0.1}]
    assert values["supervised"] == 77.9
    assert json.loads(call("results", "--json=-").stdout) == stored("results", "voc2012.json")


# Misuse


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "vst_dutz"], "coco2014/saliency/vst_duts or voc2012/activation/l2g_vst_duts"),
        (["info", "COCO_OAA"], "there is voc2012/activation/oaa"),
        (["why", "voc2012/activation/eps"], "is 27 map sets"),
        (["cite", "vstt"], "did you mean vst"),
        (["cite"], "Missing argument"),
        (["list", "--maker=vts"], "did you mean vst?"),
        (["list", "--benchmark=voc12"], "did you mean voc2012?"),
        (["list", "--kind=depth"], "'depth' is not one of"),
        (["list", "--trained-on=dut"], "did you mean duts?"),
        (["results", "--benchmark=mini"], "expected one of coco2014, voc2012"),
        (["results", "--method=epss"], "did you mean eps"),
        (["results", "--saliency=vst_dut"], "did you mean vst_duts"),
        (["completion", "powershell"], "is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_misuse(arguments: list[str], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stdout == ""


# Completion


def complete(line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    result = subprocess.run(
        [sys.executable, "-c", "from wsss_assets.cli import main; main(prog_name='wsss-assets')"],
        env={
            **os.environ,
            "_WSSS_ASSETS_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return [offer.partition(",")[2] for offer in result.stdout.splitlines()]


def test_shells_complete_names() -> None:
    assert complete("wsss-assets info voc2012/saliency/vst_d") == ["voc2012/saliency/vst_duts"]
    assert len(complete("wsss-assets why voc2012/saliency/")) == 27
    assert complete("wsss-assets list --maker sal_e") == ["sal_edam", "sal_eps"]
    assert complete("wsss-assets list --trained-on coco") == ["coco", "coco_20"]
    assert complete("wsss-assets list --benchmark v") == ["voc2012"]
    assert complete("wsss-assets cite vst pascal") == ["pascal_voc"]
    assert "completion" in complete("wsss-assets comp")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0, result.output
    assert f"_WSSS_ASSETS_COMPLETE={shell}_complete" in result.stdout
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=result.stdout, text=True, capture_output=True)
        assert check.returncode == 0, check.stderr


def test_completing_loads_no_records() -> None:
    program = """
import atexit, sys
atexit.register(lambda: print("pydantic" in sys.modules, file=sys.stderr))
from wsss_assets.cli import main
main(prog_name="wsss-assets")
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "_WSSS_ASSETS_COMPLETE": "bash_complete",
            "COMP_WORDS": "wsss-assets cite voc",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(result.stdout.splitlines()) == 27 + 59
    assert result.stderr == "False\n"


# Documentation


def test_every_json_field_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for kind in (MapSet, ResultTable):
        for field in kind.model_fields:
            assert f"`{field}`" in page, field
