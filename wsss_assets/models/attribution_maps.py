"""Attribution maps of photos: attributions merged over random crops, as bytes.

That Maruf et al., arXiv:2308.11052, merge saliency maps over random crops is known of the paper;
everything else here is this project's own definition. See docs/attribution.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.errors import UsageError
from wsss_assets.models.activation import Protocol
from wsss_assets.models.attribution import attribution, together
from wsss_assets.models.classifiers import scores_of, untouched
from wsss_assets.models.crops import Window, prepared
from wsss_assets.models.delivering import to_bytes
from wsss_assets.models.tensors import resized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from wsss_assets.models.attribution_settings import AttributionSettings
    from wsss_assets.storage.images import UInt8

__all__ = ["attribution_maps", "divided", "finished", "merged"]

_BYTES = Protocol(to_8_bit="round")
_PERCENTILE = 99
_TRUNCATE = 4.0
"""Where the Gaussian ends, in standard deviations."""


def attribution_maps(
    net: nn.Module,
    photo: UInt8,
    classes: Sequence[int],
    image_id: str,
    settings: AttributionSettings,
) -> dict[int, UInt8]:
    """The attribution maps of a photo.

    They depend on nothing but what is given: neither on other photos nor, but for the last digits
    of floating point, on the other classes.

    Args:
        net: a classifier, as `wsss_assets.models.classifiers` says, on the device to be used.
        photo: uint8 RGB (H, W, 3).
        classes: 0-based, those that the photo has.
        image_id: what windows and noise are drawn from.
        settings: how.

    Returns:
        uint8 (H, W) by class.

    Raises:
        UsageError: the photo is something else than such an array; or the network gives no scores,
            or none of such a class.
        DataError: a map holds values that are no numbers.
    """
    _check_photo(photo)
    shown, drawn, seed = prepared(photo, image_id, settings.crops, settings.size)
    there = torch.from_numpy(shown).to(next(net.parameters(), torch.empty(0)).device)
    its_windows = [Window(*row) for row in drawn.tolist()]
    found = merged(net, there, its_windows, classes, int(seed[0]), settings)
    return finished(dict(zip(classes, found.cpu().numpy(), strict=True)), settings)


def _check_photo(photo: object) -> None:
    """Refuse what is no photo as `read_photo` gives it, such as a picture of Pillow's."""
    if isinstance(photo, np.ndarray):
        if photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3:
            return
        found = f"{photo.dtype} {photo.shape}"
    else:
        found = f"a {type(photo).__module__}.{type(photo).__qualname__}"
    raise UsageError(
        "the photo is none that maps can be made of",
        expected="a NumPy array, uint8 RGB (H, W, 3)",
        found=found,
        hint="wsss_assets.storage.images.read_photo reads one; a picture of Pillow's becomes one "
        'with numpy.asarray(picture.convert("RGB"))',
    )


def merged(
    net: nn.Module,
    shown: torch.Tensor,
    drawn: Sequence[Window],
    classes: Sequence[int],
    seed: int,
    settings: AttributionSettings,
) -> torch.Tensor:
    """Attributions of a photo, merged over its windows and smoothed.

    Of one window it is the attribution itself, exactly.

    Args:
        net: the classifier.
        shown: uint8 (K, 3, h, w), on the network's device.
        drawn: the windows, the whole photo first.
        classes: of which scores.
        seed: of the noise.
        settings: how.

    Returns:
        float32 (len(classes), H, W), at least 0.
    """
    whole = drawn[0]
    total = torch.zeros(
        (len(classes), whole.height, whole.width), dtype=torch.float64, device=shown.device
    )
    covered = torch.zeros_like(total)
    at_once = together(shown)
    for start in range(0, len(drawn) if classes else 0, at_once):
        x = settings.normalisation(shown[start : start + at_once])
        # One seed for each window. Not the image's own, by which windows are drawn; and zeros at
        # the end of a seed would not tell the first from that.
        random = partial(_noise, seed, start + 1)
        maps = attribution(net, x, classes, settings, random=random).double()
        weights = (
            _weights(net, x, classes) if settings.weighted else torch.ones_like(maps[..., 0, 0])
        )
        if settings.normalised:
            maps = _divided(maps)
        for window, one, weight in zip(drawn[start:], maps, weights, strict=False):
            part = _window_of(total, window)
            values = resized(one[None], part.shape[-2:], align_corners=False)[0]
            if settings.merged == "maximum":
                torch.maximum(part, values, out=part)
            else:
                part += weight[:, None, None] * values
                _window_of(covered, window).add_(weight[:, None, None])
    if settings.merged == "mean":
        total = torch.where(covered > 0, total / covered, 0)
    return _smoothed(total, settings.smoothing).float()


def finished(
    maps: Mapping[int, NDArray[np.float32]], settings: AttributionSettings
) -> dict[int, UInt8]:
    """Merged maps as bytes: 255 times what `divided` makes of them, to the nearest.

    Args:
        maps: float32 (H, W) by class, at least 0.
        settings: how.

    Raises:
        DataError: a map holds values that are no numbers.
    """
    return to_bytes(divided(maps, settings), (0, 0), _BYTES)


def divided(
    maps: Mapping[int, NDArray[np.float32]], settings: AttributionSettings
) -> dict[int, NDArray[np.float32]]:
    """Merged maps in 0..1: clipped if so desired, divided by their maxima.

    Args:
        maps: float32 (H, W) by class, at least 0.
        settings: how.
    """
    ready = {}
    for index, values in maps.items():
        top = np.percentile(values, _PERCENTILE) if settings.clipped else values.max()
        # A map so sparse that its percentile is zero is left to its maximum.
        top = top or values.max()
        ready[index] = np.minimum(values / top, 1) if top > 0 else values
    return ready


def _noise(seed: int, first: int, place: int) -> np.random.Generator:
    """What the noise over a window is drawn from."""
    return np.random.default_rng([seed, first + place])


def _weights(net: nn.Module, x: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """How much each crop counts for each class: float64 (N, len(classes))."""
    with untouched(net):
        return scores_of(net)(x)[:, list(classes)].detach().double().sigmoid()


def _divided(maps: torch.Tensor) -> torch.Tensor:
    """Every map by its own maximum; maps of zeros stay so."""
    top = maps.amax((-2, -1), keepdim=True)
    return torch.where(top > 0, maps / top, 0)


def _window_of(maps: torch.Tensor, window: Window) -> torch.Tensor:
    """The part of maps (n, H, W) that is in a window; a view."""
    top, left, height, width = window
    return maps[:, top : top + height, left : left + width]


def _smoothed(maps: torch.Tensor, deviation: float) -> torch.Tensor:
    """Maps (n, H, W) under a Gaussian; beyond the border lies nothing, not black."""
    if not deviation or not len(maps):
        return maps
    radius = int(_TRUNCATE * deviation + 0.5)
    distances = torch.arange(-radius, radius + 1, dtype=maps.dtype, device=maps.device)
    kernel = torch.exp(-0.5 * (distances / deviation) ** 2)
    for _ in range(2):
        inside = F.conv1d(torch.ones_like(maps[:1, :1]), kernel[None, None], padding=radius)
        rows = F.conv1d(maps.flatten(0, 1)[:, None], kernel[None, None], padding=radius)
        maps = (rows.view(maps.shape) / inside).transpose(1, 2)
    return maps
