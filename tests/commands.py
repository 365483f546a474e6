"""Commands called in this process, and what is expected of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from wsss_assets.cli import main

if TYPE_CHECKING:
    from click.testing import Result


def call(*arguments: str, stdin: str | None = None) -> Result:
    """What a command does and says."""
    return CliRunner().invoke(main, list(arguments), input=stdin, env={"COLUMNS": "100"})


def done(*arguments: str, stdin: str | None = None) -> Result:
    """The same of one that succeeds."""
    result = call(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def refused(code: int, *arguments: str, stdin: str | None = None) -> str:
    """What a command that fails says; nothing of it is a traceback."""
    result = call(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert result.stderr.strip()
    return result.stderr
