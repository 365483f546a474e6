"""The command line: one file per command group, no logic.

A command's module imports nothing but click at its top, so that `--help` and completion are
quick; what a command needs is imported when it runs.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys

import click

from wsss_assets import __version__
from wsss_assets.cli import (
    anatomy,
    benchmarks,
    catalog,
    comparing,
    demo,
    held_sets,
    labels,
    map_sets,
    publish,
    regenerate,
    regions,
    report,
    saliency_scores,
    scores,
    thresholds,
    weights,
)
from wsss_assets.errors import WsssAssetsError

__all__ = ["main"]

_EPILOG = """\b
Exit status:
  0  done
  1  done, but some images are missing or unusable (they are listed), or problems were found
  2  wrong option, argument or name
  3  the data given cannot be used
  4  the network failed, or a download is not what was promised
  5  an optional package is missing
  6  a file cannot be read or written: disk full, no permission, a folder that is a file
  130  stopped with Ctrl-C; what makes many files goes on where it stopped when called again
"""


_UNWRITABLE = 6
_STOPPED = 130  # what shells report of a process that Ctrl-C ended


class _Group(click.Group):
    """Prints this package's errors in a line or two instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a locale without some letter gets a "?"
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except WsssAssetsError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"wsss-assets: {error}", err=True)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"wsss-assets: {error}", err=True)
            sys.exit(_UNWRITABLE)
        except KeyboardInterrupt:
            if ctx.params.get("debug"):
                raise
            with contextlib.suppress(ValueError):  # not in the main thread
                # From here on another Ctrl-C ends the process at once, with nothing to say.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            click.echo("\nwsss-assets: stopped", err=True)
            sys.exit(_STOPPED)


@click.group(
    cls=_Group,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="wsss-assets")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # read from the context by _Group
    """Maps, pseudo-labels and exact scores for weakly-supervised segmentation."""


for command in (
    *demo.COMMANDS,
    *labels.COMMANDS,
    *scores.COMMANDS,
    *saliency_scores.COMMANDS,
    *thresholds.COMMANDS,
    *regions.COMMANDS,
    *anatomy.COMMANDS,
    *comparing.COMMANDS,
    *report.COMMANDS,
    *benchmarks.COMMANDS,
    *catalog.COMMANDS,
    *map_sets.COMMANDS,
    *held_sets.COMMANDS,
    *publish.COMMANDS,
    *regenerate.COMMANDS,
    *weights.COMMANDS,
):
    main.add_command(command)
