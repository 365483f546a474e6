"""A process that runs one command after the other, each as one of several; driven by its parent.

`python -m tests.rank_commands` reads a line of JSON for each: the port by which the processes find
each other, variables of the environment, and the arguments of the command line. It answers with a
line of what came of it. So several commands share the seconds that a process needs to import torch.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.rank_work import results
from wsss_assets.cli import main
from wsss_assets.ranks import Ranks


def ran(arguments: list[str]) -> dict[str, Any]:
    """What a command said, and whether it left anything behind."""
    result = CliRunner().invoke(main, arguments)
    return {
        "code": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "watching": [one.name for one in threading.enumerate() if one.name == "watch"],
        "handled": signal.getsignal(signal.SIGURG) is not signal.SIG_DFL,
    }


def agreed(data: str) -> dict[str, Any]:
    """What this process has to say of every evaluation."""
    with Ranks.open() as ranks:
        return results(Path(data), ranks)


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ |= {"MASTER_PORT": str(asked["port"]), **asked["environment"]}
        said = agreed(asked["data"]) if "data" in asked else ran(asked["command"])
        print(json.dumps(said), flush=True)  # noqa: T201
