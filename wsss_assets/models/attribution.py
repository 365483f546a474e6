"""Attributions: how much a classifier's score of a class depends on every pixel of its input.

- `gradient`: of the score by the input. Simonyan, Vedaldi & Zisserman, arXiv:1312.6034.
- `input_x_gradient`: input times gradient. Shrikumar, Greenside, Shcherbina & Kundaje,
  arXiv:1605.01713.
- `smoothgrad`: the mean gradient of copies of the input with noise. Smilkov, Thorat, Kim, Viégas &
  Wattenberg, arXiv:1706.03825.
- `integrated_gradients`: input times the mean gradient on the way to it from zeros, which are the
  mean colour of the normalisation. Sundararajan, Taly & Yan, arXiv:1703.01365.
- `grad_cam`: the last feature map, its channels weighted by the mean gradient of the score by them.
  Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, arXiv:1610.02391.

Scores are those before the sigmoid. One number for each pixel is the largest magnitude of its
three channels for `gradient` and `smoothgrad`, the magnitude of their sum for `input_x_gradient`
and `integrated_gradients`; which of these the authors of arXiv:2308.11052 use is not known, so
this is this project's own definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from wsss_assets.errors import UsageError
from wsss_assets.models.classifiers import features_and_scores, scores_of, untouched
from wsss_assets.models.tensors import resized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import nn

    from wsss_assets.models.attribution_settings import AttributionSettings

__all__ = [
    "MOST_PIXELS",
    "attribution",
    "grad_cam",
    "input_gradients",
    "integrated_gradients",
    "smoothgrad",
    "together",
]

MOST_PIXELS = 1 << 19
"""Shown to a network at a time, for gradients: two crops of 448 × 448, say."""


def attribution(
    net: nn.Module,
    x: torch.Tensor,
    classes: Sequence[int],
    settings: AttributionSettings,
    *,
    random: Callable[[int], np.random.Generator] = np.random.default_rng,
    most_pixels: int = MOST_PIXELS,
) -> torch.Tensor:
    """Attributions of class scores, of each photo by itself.

    The network is run in eval mode and is afterwards just as it was: its modes, what requires
    gradients, their buffers, and its hooks.

    Args:
        net: as `wsss_assets.models.classifiers` says.
        x: float32 (N, 3, H, W), normalised.
        classes: 0-based, of which scores.
        settings: the method and what belongs to it; crops and what comes after are not done here.
        random: place of a photo in the batch → what its noise is drawn from.
        most_pixels: shown to the network at a time, where that is more than one photo; it bounds
            the memory.

    Returns:
        float32 (N, len(classes), H, W), at least 0.

    Raises:
        UsageError: the network gives no scores, or none of such a class.
    """
    if not len(classes):
        return x.new_zeros((len(x), 0, *x.shape[-2:]))
    at_once = together(x, most_pixels)
    if settings.method == "grad_cam":
        parts = [grad_cam(net, part, classes, settings.layer) for part in torch.split(x, at_once)]
        return torch.cat(parts).relu()
    if settings.method in {"gradient", "input_x_gradient"}:
        found = torch.cat([input_gradients(net, part, classes) for part in torch.split(x, at_once)])
    elif settings.method == "smoothgrad":
        means = (
            smoothgrad(net, one, classes, settings.copies, settings.noise, random(place), at_once)
            for place, one in enumerate(x)
        )
        found = torch.stack(list(means))
    else:
        found = torch.stack(
            [integrated_gradients(net, one, classes, settings.steps, at_once) for one in x]
        )
    if settings.method == "input_x_gradient":
        found = found * x[:, None]
    summed = settings.method in {"input_x_gradient", "integrated_gradients"}
    return found.sum(2).abs() if summed else found.abs().amax(2)


def together(x: torch.Tensor, most_pixels: int = MOST_PIXELS) -> int:
    """How many photos of this size, (…, H, W), are shown to a network at a time."""
    return max(1, most_pixels // (x.shape[-2] * x.shape[-1]))


def input_gradients(net: nn.Module, x: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """Gradients of class scores by the input.

    Args:
        net: the classifier.
        x: float32 (N, 3, H, W), normalised.
        classes: of which scores, at least one.

    Returns:
        float32 (N, len(classes), 3, H, W).
    """
    with untouched(net):
        x = x.detach().clone().requires_grad_()
        # Of a copy, since a network may work in place.
        return _gradients(scores_of(net)(x.clone()), x, classes)


def smoothgrad(
    net: nn.Module,
    x: torch.Tensor,
    classes: Sequence[int],
    copies: int,
    noise: float,
    random: np.random.Generator,
    at_once: int,
) -> torch.Tensor:
    """The mean gradient of copies of one photo with noise.

    Args:
        net: the classifier.
        x: float32 (3, H, W), normalised.
        classes: of which scores, at least one.
        copies: how many.
        noise: standard deviation, in ranges (maximum less minimum) of x.
        random: what standard normal numbers are drawn from, in the order of the copies.
        at_once: copies that are run together.

    Returns:
        float32 (len(classes), 3, H, W).
    """
    deviation = noise * (x.max() - x.min())

    def noisy(count: int) -> torch.Tensor:
        drawn = random.standard_normal((count, *x.shape)).astype(np.float32)
        return x + deviation * torch.from_numpy(drawn).to(x.device)

    counts = (min(at_once, copies - start) for start in range(0, copies, at_once))
    return _summed(net, map(noisy, counts), classes) / copies


def integrated_gradients(
    net: nn.Module, x: torch.Tensor, classes: Sequence[int], steps: int, at_once: int
) -> torch.Tensor:
    """One photo times the mean gradient on the way to it from zeros, at the steps' midpoints.

    Summed over channels and pixels it is what the score grows on that way, the better the more
    steps there are.

    Args:
        net: the classifier.
        x: float32 (3, H, W), normalised.
        classes: of which scores, at least one.
        steps: how many.
        at_once: steps that are run together.

    Returns:
        float32 (len(classes), 3, H, W).
    """
    shares = (torch.arange(steps, device=x.device) + 0.5) / steps
    parts = (part[:, None, None, None] * x for part in torch.split(shares, at_once))
    return x * (_summed(net, parts, classes) / steps)


def grad_cam(
    net: nn.Module, x: torch.Tensor, classes: Sequence[int], layer: str | None = None
) -> torch.Tensor:
    """The last feature map, weighted by the mean gradients of class scores by its channels.

    Of a classifier that averages linear class maps this is those maps, divided by their number of
    places.

    Args:
        net: the classifier.
        x: float32 (N, 3, H, W), normalised.
        classes: of which scores, at least one.
        layer: where the feature map is, as in `features_and_scores`.

    Returns:
        float32 (N, len(classes), H, W), of either sign, enlarged bilinearly, its corners not on
        the photo's.
    """
    with untouched(net):
        features, scores = features_and_scores(net, x.detach().clone().requires_grad_(), layer)
        gradients = _gradients(scores, features, classes)
    weights = gradients.mean((-2, -1)).float()
    maps = torch.einsum("nkc,nchw->nkhw", weights, features.detach().float())
    return resized(maps, x.shape[-2:], align_corners=False)


def _summed(net: nn.Module, parts: Iterable[torch.Tensor], classes: Sequence[int]) -> torch.Tensor:
    """Gradients of all photos of some batches, added: (len(classes), 3, H, W)."""
    sums: Iterator[torch.Tensor] = (input_gradients(net, part, classes).sum(0) for part in parts)
    total = next(sums)
    for one in sums:
        total += one
    return total


def _gradients(scores: torch.Tensor, by: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """Gradients of scores (N, classes) by a tensor (N, …) of their graph: (N, n, …)."""
    if not 0 <= min(classes) <= max(classes) < scores.shape[1]:
        raise UsageError(
            "the classifier has not all of the classes",
            expected=f"classes from 0 to {scores.shape[1] - 1}",
            found=", ".join(map(str, classes)),
            hint="is it for another benchmark?",
        )
    found = []
    for position, index in enumerate(classes, 1):
        # The sum gives every photo its own gradient: in eval mode photos know nothing of others.
        (one,) = torch.autograd.grad(
            scores[:, index].sum(), by, retain_graph=position < len(classes), allow_unused=True
        )
        if one is None:
            raise UsageError(
                "the scores do not depend on the feature map",
                hint="name the module whose output is the last feature map",
            )
        found.append(one)
    return torch.stack(found, 1)
