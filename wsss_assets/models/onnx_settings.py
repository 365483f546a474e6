"""How a network that came as an ONNX file is to be run: what the file itself does not say.

No torch here: photos are prepared in processes that need none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wsss_assets.errors import DataError, MissingFileError, UsageError
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.preparing import channels_first
from wsss_assets.models.resizing import pillow

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wsss_assets.models.resizing import PillowRule
    from wsss_assets.storage.images import UInt8

__all__ = ["LARGEST_SIDE", "OnnxSettings", "can_be_shown", "prepared", "read_onnx_settings"]

LARGEST_SIDE = 4096
"""Pixels of a side of what a network is shown: a batch of 8 takes 1.6 GB then, before the network.

Published saliency networks are shown at most 2560 × 1440.
"""

_ACTIVATIONS = ("auto", "sigmoid", "none")
_CHANNELS = ("RGB", "BGR")
_RULES = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True, kw_only=True)
class OnnxSettings:
    """What an ONNX file is shown, and which of its outputs is the map.

    Attributes:
        size: (h, w) that photos are stretched to, each at most `LARGEST_SIDE`; None: the file says
            it.
        resize: the filter of Pillow that does it, and that stretches the map back.
        mean: subtracted from what `scale` leaves, by channel in the order of `channels`.
        std: what that is divided by.
        scale: what bytes are divided by; `max`: by the largest of the photo, as U2-Net's code.
        channels: the order that the network is shown.
        output: name of an output, or its number from 0; None: the first.
        activation: what makes probabilities of it: `sigmoid`, `none`, or `auto`: a sigmoid if
            random pixels give values outside 0..1.
        min_max: whether each map is stretched to 0..1, as U2-Net's code does.

    Raises:
        UsageError: a value makes no sense.
    """

    size: tuple[int, int] | None = None
    resize: PillowRule = "bilinear"
    mean: tuple[float, float, float] = IMAGENET.mean
    std: tuple[float, float, float] = IMAGENET.std
    scale: float | Literal["max"] = 255.0
    channels: Literal["RGB", "BGR"] = "RGB"
    output: str | int | None = None
    activation: Literal["auto", "sigmoid", "none"] = "auto"
    min_max: bool = False

    def __post_init__(self) -> None:
        checks = {
            "size": (
                self.size is None or (_are(self.size, 2, whole=True) and can_be_shown(self.size)),
                f"two whole numbers, h w, of 1 to {LARGEST_SIDE}",
            ),
            "resize": (self.resize in _RULES, ", ".join(_RULES)),
            "mean": (_are(self.mean, 3), "three numbers"),
            "std": (_are(self.std, 3) and all(self.std), "three numbers other than 0"),
            "scale": (self.scale == "max" or _is_positive(self.scale), "a number above 0, or max"),
            "channels": (self.channels in _CHANNELS, " or ".join(_CHANNELS)),
            "output": (
                self.output is None or _is_whole(self.output, 0) or isinstance(self.output, str),
                "the name of an output, or its number from 0",
            ),
            "activation": (self.activation in _ACTIVATIONS, ", ".join(_ACTIVATIONS)),
            "min_max": (isinstance(self.min_max, bool), "true or false"),
        }
        for name, (fits, expected) in checks.items():
            if not fits:
                raise UsageError(
                    f"the ONNX setting {name} makes no sense",
                    expected=expected,
                    found=repr(getattr(self, name)),
                )

    def as_dict(self) -> dict[str, Any]:
        """The settings in JSON types."""
        return asdict(self)


def can_be_shown(size: tuple[int, int]) -> bool:
    """Whether photos of a size (h, w) can be held in memory without asking how much there is."""
    return all(1 <= side <= LARGEST_SIDE for side in size)


def read_onnx_settings(config: Path | None = None, **given: Any) -> OnnxSettings:  # noqa: ANN401
    """Settings from a JSON file, from options, or both.

    Args:
        config: a JSON object with fields of `OnnxSettings`.
        given: such fields; they win over those of the file. None: not given.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no JSON object, or has a field of another name.
        UsageError: a value makes no sense.
    """
    stored = {} if config is None else _stored(config)
    settings = replace(OnnxSettings(), **stored)
    return replace(settings, **{name: one for name, one in given.items() if one is not None})


def prepared(
    photo: UInt8, size: tuple[int, int], rule: PillowRule, scale: float | Literal["max"]
) -> NDArray[Any]:
    """What an ONNX network is shown, not yet normalised.

    Args:
        photo: uint8 RGB (H, W, 3).
        size: (h, w).
        rule: Pillow's filter.
        scale: `max`: divided by its largest byte (a black photo by nothing); otherwise as it is.

    Returns:
        uint8 or, for `max`, float32 (3, h, w).
    """
    small = channels_first(pillow(photo, size, rule))
    return small / np.float32(max(int(small.max()), 1)) if scale == "max" else small


def _stored(config: Path) -> dict[str, Any]:
    if not config.is_file():
        raise MissingFileError(f"no file {config}")
    known = [field.name for field in fields(OnnxSettings)]
    try:
        values = json.loads(config.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{config} is no JSON", found=str(error)) from error
    if not isinstance(values, dict):
        raise DataError(f"{config} is no settings of an ONNX network", expected="a JSON object")
    unknown = sorted(values.keys() - known)
    if unknown:
        raise DataError(
            f"{config} has settings that there are none of",
            expected=f"only {', '.join(known)}",
            found=", ".join(unknown),
        )
    return {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}


def _are(values: object, count: int, *, whole: bool = False) -> bool:
    """Whether these are that many numbers; whole ones from 1."""
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(_is_whole(one, 1) if whole else _is_number(one) for one in values)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _is_positive(value: object) -> bool:
    return _is_number(value) and float(value) > 0  # type: ignore[arg-type]


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
