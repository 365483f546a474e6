"""Options of `regenerate` for networks that come as ONNX files."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from wsss_assets.cli.options import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["onnx_options"]

_NAMES = ("size", "resize", "channels", "output", "activation", "min_max")


def onnx_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say what an ONNX file does not.

    The command gets `onnx`: `OnnxSettings`, or None where none of these options was given.
    """

    @functools.wraps(command)
    def run(*, onnx_config: Path | None, onnx_scale: str | None, **others: Any) -> object:  # noqa: ANN401
        from wsss_assets.models.onnx_settings import read_onnx_settings

        given = {name: others.pop(f"onnx_{name}") for name in _NAMES}
        given["scale"] = onnx_scale if onnx_scale in {None, "max"} else _number(str(onnx_scale))
        asked = onnx_config is not None or any(one is not None for one in given.values())
        onnx = read_onnx_settings(onnx_config, **given) if asked else None
        return command(onnx=onnx, **others)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a number nor max", param_hint="--onnx-scale"
        ) from None


_OPTIONS = (
    click.option("--onnx-config", type=FILE, help="JSON with such settings: size, mean, std, …"),
    click.option(
        "--onnx-size",
        nargs=2,
        type=click.IntRange(min=1),
        metavar="H W",
        help="Size that photos are stretched to, where the ONNX file leaves it open; at most 4096 "
        "each.",
    ),
    click.option(
        "--onnx-resize",
        type=click.Choice(["nearest", "bilinear", "bicubic", "lanczos"]),
        help="Pillow's filter for that, and for the map's way back.  [default: bilinear]",
    ),
    click.option(
        "--onnx-scale",
        metavar="NUMBER|max",
        help="What bytes are divided by first; max: the largest of the photo.  [default: 255]",
    ),
    click.option(
        "--onnx-channels",
        type=click.Choice(["RGB", "BGR"]),
        help="Order of the channels, which --mean and --std follow.  [default: RGB]",
    ),
    click.option(
        "--onnx-output",
        metavar="NAME|NUMBER",
        help="Which output is the map.  [default: the first]",
    ),
    click.option(
        "--onnx-activation",
        type=click.Choice(["auto", "sigmoid", "none"]),
        help="What makes probabilities of it.  [default: auto: sigmoid if they are none]",
    ),
    click.option(
        "--onnx-min-max/--no-onnx-min-max",
        default=None,
        help="Stretch every map to 0..1.  [default: no]",
    ),
)
