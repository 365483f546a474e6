"""What commands print fits on a page, whatever folders are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from wsss_assets.cli import main
from wsss_assets.mini.folder import write_mini

if TYPE_CHECKING:
    from pathlib import Path

LONG = "maps_of_a_model_with_a_name_that_says_how_it_was_trained_and_on_what_and_when"
RECIPE = ("--method=cam", "--ignored=miss")


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic benchmark, its map sets under long names."""
    root = tmp_path_factory.mktemp("widths") / "mini"
    write_mini(root, 6, saliency=("soft", "sharp"), methods=("simulated_cam",), workers=1)
    for name in ("soft", "sharp"):
        (root / "saliency" / name).rename(root / "saliency" / f"{LONG}_{name}")
    (root / "activation/simulated_cam").rename(root / "activation" / LONG)
    return root


def options(mini: Path, command: str) -> list[str]:
    """Every table that a command has, of sets with long names."""
    maps = [
        f"--saliency={mini / 'saliency' / LONG}_soft",
        f"--activation={mini / 'activation' / LONG}",
    ]
    reference = f"{mini / 'activation' / LONG}"
    return {
        "evaluate": [f"--predictions={mini / 'SegmentationClass'}"],
        "evaluate-errors": [f"--predictions={mini / 'SegmentationClass'}"],
        "evaluate-saliency": [
            f"--predictions={mini / 'saliency' / LONG}_soft",
            f"--predictions={mini / 'saliency' / LONG}_sharp",
        ],
        "evaluate-regions": [
            f"--reference={reference}",
            f"--activation={reference}",
            f"--activation={LONG}_again={reference}",
            "--per-class",
            "--per-image-means",
        ],
        "sweep": [*maps, *RECIPE],
        "evaluate-thresholds": [*maps, *RECIPE],
        "ceilings": [*maps, *RECIPE, "--errors"],
    }[command]


@pytest.mark.parametrize(
    "command",
    [
        "evaluate",
        "evaluate-errors",
        "evaluate-saliency",
        "evaluate-regions",
        "sweep",
        "evaluate-thresholds",
        "ceilings",
    ],
)
def test_no_line_is_wider_than_100_columns(mini: Path, command: str) -> None:
    done = CliRunner().invoke(
        main,
        [
            command,
            "--benchmark=mini",
            f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}",
            f"--ground-truth={mini / 'SegmentationClass'}",
            *options(mini, command),
        ],
    )
    assert done.exit_code == 0, done.output
    assert [line for line in done.stdout.splitlines() if len(line) > 100] == []
    assert "SYNTHETIC" in done.stdout
    assert "not named" not in done.stdout
    assert "-" not in {line.split()[0][0] for line in done.stdout.splitlines() if line.split()}


def test_what_commands_do_is_said_in_a_line() -> None:
    text = CliRunner().invoke(main, ["--help"], terminal_width=100).stdout
    listed = text.partition("Commands:")[2].partition("Exit status")[0].splitlines()
    assert len(listed) > 20
    assert [line for line in listed if "..." in line] == []
