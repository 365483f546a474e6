"""Files that a command writes: refused at once, or, found out late, at no cost of the numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from wsss_assets.cli import main
from wsss_assets.cli.options import TARGET
from wsss_assets.mini.folder import write_mini

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from commands(one, *names, name)
        else:
            yield (*names, name), one


WRITE_ONE_FILE = [
    (names, option.opts[0])
    for names, command in commands(main)
    for option in command.params
    if option.type is TARGET
]


def test_every_option_that_writes_one_file_is_of_the_type() -> None:
    options = {option for _, option in WRITE_ONE_FILE}
    assert options == {"--json", "--plot", "--latex", "--per-image", "--out"}
    untold = {
        (names, option.opts[0])
        for names, command in commands(main)
        for option in command.params
        if option.opts[0] in {"--json", "--plot", "--latex", "--per-image"}
    } - set(WRITE_ONE_FILE)
    assert untold == set()


@pytest.mark.parametrize(("names", "option"), WRITE_ONE_FILE)
def test_a_folder_that_is_not_there_is_refused_at_once_and_not_made(
    tmp_path: Path, names: tuple[str, ...], option: str
) -> None:
    target = tmp_path / "none" / "such" / "file"
    done = CliRunner().invoke(main, [*names, option, str(target)])
    assert done.exit_code == 2
    if "Missing option" not in done.stderr and "Missing argument" not in done.stderr:
        assert f"there is no folder {target.parent}" in done.stderr
    assert not any(tmp_path.iterdir())


def test_the_folder_is_named_before_any_map_is_read(mini: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    for more in (f"--plot={missing / 'a.svg'}", f"--json={missing / 'a.json'}"):
        done = CliRunner().invoke(
            main,
            [
                "sweep",
                "--benchmark=mini",
                f"--labels={tmp_path / 'no_list.txt'}",
                f"--ground-truth={tmp_path / 'nowhere'}",
                *arguments(mini, "sweep", tmp_path),
                more,
            ],
        )
        assert done.exit_code == 2
        assert done.stderr.startswith(f"wsss-assets: {more.partition('=')[2]} cannot be written")
        assert f"there is no folder {missing}; nothing was done\n→ make it first" in done.stderr


def test_a_page_in_a_folder_that_is_not_there_is_refused(mini: Path, tmp_path: Path) -> None:
    command = ["report", "--benchmark=mini", *arguments(mini, "sweep", tmp_path)]
    command += [f"--labels={mini / 'ImageSets/Segmentation/train_cls.txt'}", "--samples=0"]
    command += [f"--ground-truth={mini / 'SegmentationClass'}"]
    done = CliRunner().invoke(main, [*command, f"--out={tmp_path / 'none' / 'page.html'}"])
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in done.stderr
    assert not any(tmp_path.iterdir())
    done = CliRunner().invoke(main, [*command, f"--out={tmp_path / 'new' / 'page'}"])
    assert done.exit_code == 0, done.output
