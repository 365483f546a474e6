"""Commands about the errors of label maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

__all__ = ["COMMANDS"]

COMMANDS: tuple[click.Command, ...] = ()
