"""`--help` of the command, against importing click alone."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import click
import common

if TYPE_CHECKING:
    from pathlib import Path

HELP, CLICK, BARE = "python -m wsss_assets --help", "python -c 'import click'", "python -c ''"


def call(*arguments: str) -> None:
    """Run this Python to its end."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


@click.command()
@common.rounds_option(25)
@common.json_option
def main(rounds: int, json_target: Path | None) -> None:
    """`--help` of the command, against importing click alone."""
    report = common.Report("startup")
    ways = [
        common.Contender(HELP, partial(call, "-m", "wsss_assets", "--help")),
        common.Contender(CLICK, partial(call, "-c", "import click")),
        common.Contender(BARE, partial(call, "-c", "")),
    ]
    report.timed(
        "Start of a process",
        common.interleave(ways, rounds),
        [common.Ratio(HELP, CLICK, at_most=3)],
    )
    report.write(json_target)


if __name__ == "__main__":
    main()
