from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wsss_assets.cli import main
from wsss_assets.errors import IgnoredPixelsError, NotSweepableError, UsageError
from wsss_assets.mini.folder import write_mini

PAGE = Path(__file__).parent.parent / "docs" / "report.md"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli_report") / "mini"
    write_mini(root, 3, saliency=("soft",), methods=("simulated_cam",))
    return root


def run(data: Path, *more: object) -> Result:
    arguments = [
        "report",
        "--benchmark=mini",
        f"--labels={data / 'ImageSets/Segmentation/train_cls.txt'}",
        f"--activation=cam={data / 'activation/simulated_cam'}",
        f"--ground-truth={data / 'SegmentationClass'}",
        *map(str, more),
    ]
    return CliRunner().invoke(main, arguments, catch_exceptions=True)


def saliency(data: Path) -> str:
    return f"--saliency={data / 'saliency/soft'}"


def test_table_page_latex_and_json(data: Path, tmp_path: Path) -> None:
    more = ["--method=cam", "--ignored=miss", "--samples=2", f"--images={data / 'JPEGImages'}"]
    targets = [f"--latex={tmp_path / 'table.tex'}", f"--json={tmp_path / 'report.json'}"]
    result = run(data, saliency(data), *more, *targets, f"--out={tmp_path / 'out'}")
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "report.json").read_text("utf-8"))
    (one,) = said["pairings"]
    line = next(line for line in result.stdout.splitlines() if line.startswith("cam + soft"))
    assert line.split()[3] == f"{100 * one['recommended']['miou']:.2f}"
    assert line.split()[-1] == f"{100 * one['recommended']['loss']:.2f}"
    assert one["recommended"]["tau"] == 26 / 255
    assert "SYNTHETIC" in result.stdout
    assert "not named" not in result.stdout
    digests = f"  cam  {one['activation_digest'][:12]}    soft  {one['saliency_digest'][:12]}"
    assert digests in result.stdout.splitlines()
    assert f"open {tmp_path / 'out'}/index.html" in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    assert f"{100 * one['recommended']['miou']:.2f}" in (tmp_path / "table.tex").read_text("utf-8")
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "wsss-bed: saliency &gt; 0.2, tau 0.1, ignore" in page
    assert "SYNTHETIC" in page
    assert said["ground_truth_digest"] in page


def test_every_json_field_is_documented(data: Path, tmp_path: Path) -> None:
    out = f"--out={tmp_path / 'out.html'}"
    result = run(data, saliency(data), "--method=cam", "--ignored=miss", "--json=-", out)
    said = json.loads(result.stdout)
    documented = set(re.findall(r"`(\w+)`", PAGE.read_text("utf-8")))
    (one, *_) = said["pairings"]
    fields = {*said, *one, *said["sample"][0], *one["recommended"], *one["plateau"]}
    fields |= {*one["per_class"]["background"]}
    assert fields <= documented


def test_without_saliency(data: Path, tmp_path: Path) -> None:
    result = run(data, "--method=eps", f"--out={tmp_path / 'out'}", "--latex=-")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1] == r"\begin{tabular}{lrrrrr}"
    result = run(data, saliency(data), "--method=eps", f"--out={tmp_path / 'other'}")
    assert "this recipe uses no saliency: soft is not read" in result.stderr
    head = result.stdout.splitlines()[0]
    assert re.split(" {2,}", head) == ["mIoU (%)", "recipe", "best tau", "tau", "loss"]


def test_what_is_refused_is_refused_before_any_work(data: Path, tmp_path: Path) -> None:
    out = f"--out={tmp_path / 'out'}"
    for more, error, words in (
        (["--method=cam", saliency(data)], IgnoredPixelsError, "writes 255"),
        (["--recipe=oaa", saliency(data), "--ignored=miss"], NotSweepableError, "swept"),
        (["--method=cam", "--ignored=miss"], UsageError, "needs saliency maps"),
        (["--method=eps", "--latex=-", "--json=-"], UsageError, "standard output"),
    ):
        result = run(data, *more, out)
        assert isinstance(result.exception, SystemExit | error), result.exception
        assert words in (result.output + str(result.exception))
        assert result.exit_code != 0
        assert not (tmp_path / "out").exists()


def test_a_mean_that_leaves_classes_out_says_so(data: Path, tmp_path: Path) -> None:
    more = ["--method=cam", "--ignored=miss", "--samples=0", saliency(data)]
    result = run(data, *more, f"--json={tmp_path / 'a.json'}", f"--out={tmp_path / 'all'}")
    said = json.loads((tmp_path / "a.json").read_text("utf-8"))
    (one,) = said["pairings"]
    known = len(one["per_class"])
    counts = set()
    for name in ("recommended", "best_tau", "best"):
        occur = sum(scores[name] is not None for scores in one["per_class"].values())
        assert one[name]["classes_in_mean"] == occur
        counts.add(occur)
    least = "at least " if len(counts) > 1 else ""
    words = f"over {least}{min(counts)} of {known} classes"
    assert min(counts) < known
    assert f"\nmIoU {words}\n" in result.stdout
    page = (tmp_path / "all" / "index.html").read_text("utf-8")
    assert f"mIoU in per cent {words} and {said['images']} images; " in page
