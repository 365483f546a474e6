"""A picture that cannot be written costs none of the numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from wsss_assets.cli import main
from wsss_assets.mini.folder import write_mini

if TYPE_CHECKING:
    from pathlib import Path

TOO_LONG = "n" * 300
"""No system has a file of such a name, which is found out when it is written."""


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("targets") / "mini"
    write_mini(root, 3, saliency=("soft",), methods=("simulated_cam",), workers=1)
    return root


def arguments(mini: Path, command: str, out: Path) -> list[str]:
    activation = f"--activation={mini / 'activation/simulated_cam'}"
    recipe = ["--method=cam", "--ignored=miss"]
    maps = [f"--saliency={mini / 'saliency/soft'}", activation, *recipe]
    labels = [f"--predictions={mini / 'SegmentationClass'}"]
    saliency = [f"--predictions={mini / 'saliency/soft'}"]
    return {
        "evaluate-errors": labels,
        "evaluate-saliency": saliency,
        "evaluate-regions": [f"--reference={mini / 'activation/simulated_cam'}", activation],
        "report": [*maps, f"--out={out / 'page'}"],
    }.get(command, maps)


@pytest.mark.parametrize(
    ("command", "option", "says"),
    [
        ("evaluate-errors", "--plot", "mIoU"),
        ("evaluate-saliency", "--plot", "MAE"),
        ("evaluate-saliency", "--per-image", "MAE"),
        ("evaluate-regions", "--plot", "NDR"),
        ("sweep", "--plot", "best mIoU"),
        ("sweep --surface", "--plot", "best mIoU"),
        ("evaluate-thresholds", "--plot", "best mIoU"),
        ("ceilings", "--plot", "mIoU"),
        ("report", "--latex", "mIoU"),
    ],
)
def test_numbers_do_not_hang_on_a_picture(
    mini: Path, tmp_path: Path, command: str, option: str, says: str
) -> None:
    name, *flags = command.split()
    done = CliRunner().invoke(
        main,
        [
            name,
            *flags,
            "--benchmark=mini",
            f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}",
            f"--ground-truth={mini / 'SegmentationClass'}",
            *arguments(mini, name, tmp_path),
            f"{option}={tmp_path / TOO_LONG}",
            f"--json={tmp_path / 'numbers.json'}",
        ],
    )
    assert done.exit_code == 6, done.output
    assert TOO_LONG in done.stderr
    assert json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert says in done.stdout
