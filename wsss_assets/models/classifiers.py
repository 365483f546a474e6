"""Classifiers of this package or of one's own, as attributions need them: scores and features.

A classifier is any module that gives class scores (N, classes), before their sigmoid, for photos
float32 (N, 3, H, W), or a network of this package that gives them as a side output.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import threading
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from wsss_assets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["features_and_scores", "load_classifier", "scores_of", "untouched"]

_FEATURES = ("conv6", "stage4")
"""Side outputs of this package's networks that are their last feature map; others have modules."""


def load_classifier(text: str) -> nn.Module:
    """The classifier that a function of one's own makes.

    Args:
        text: `module:factory`; the factory takes no argument. The module is looked for where
            Python looks for modules, the environment variable PYTHONPATH included.

    Returns:
        What the factory gave.

    Raises:
        UsageError: the text says no such function, or what it gave is no module of PyTorch.
    """
    name, _, factory = text.partition(":")
    if not name or not factory:
        raise UsageError(
            f"{text!r} names no classifier",
            expected="module:factory, such as my_networks:my_classifier",
        )
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{text}: there is no module {error.name}",
            hint="is it installed, or its folder in PYTHONPATH?",
        ) from error
    make = getattr(module, factory, None)
    if not callable(make):
        found = "nothing of that name" if make is None else f"a {type(make).__name__}"
        raise UsageError(
            f"{text}: {name} makes no classifier", expected=f"a function {factory}", found=found
        )
    net = make()
    if not isinstance(net, nn.Module):
        raise UsageError(
            f"{text} gave no network",
            expected="a torch.nn.Module, its weights loaded",
            found=f"a {type(net).__name__}",
        )
    return net


@contextlib.contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Gradients to the input, of a network in eval mode that is afterwards as it was.

    Gradients are recorded even where the caller turned them off, but not those of parameters. Of
    threads that share a network, each may be here at any time if it is in eval mode and none of
    its parameters requires a gradient: then nothing is changed.
    """
    training = [module for module in net.modules() if module.training]
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    try:
        # Not by `eval()`, which a network may have made its own.
        for module in training:
            module.training = False
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module in training:
            module.training = True
        for parameter in learning:
            parameter.requires_grad_(True)


def scores_of(net: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """What gives a classifier's scores, before their sigmoid: (N, 3, H, W) → float32 (N, classes).

    Raises:
        UsageError: it is a network of this package that is shown more than a photo; when called,
            the network gives no scores.
    """
    if not _gives_sides(net):
        return lambda x: _checked(net(x), x)
    return lambda x: _checked(_sides(net, x).get("scores"), x)


def features_and_scores(
    net: nn.Module, x: torch.Tensor, layer: str | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """A classifier's last feature map, and the scores that were made of it.

    Args:
        net: the classifier.
        x: float32 (N, 3, H, W), normalised.
        layer: the module whose output it is; None: that of this package's networks, or the last
            module without parts that gives a map of more than one pixel.

    Returns:
        (N, channels, h, w) and float32 (N, classes), of one graph.

    Raises:
        UsageError: there is no such module, it gives no map, or the network gives no scores.
    """
    if layer is None and _gives_sides(net):
        sides = _sides(net, x)
        name = next((name for name in _FEATURES if name in sides), None)
        if name is not None:
            return sides[name], _checked(sides.get("scores"), x)
    with _maps_of(_watched(net, layer)) as maps:
        scores = scores_of(net)(x)
    if not maps:
        raise UsageError(
            f"{'no module' if layer is None else layer} of the classifier gives a feature map",
            expected="a tensor (N, channels, h, w) of more than one pixel",
            hint="name the module whose output is the last feature map",
        )
    return maps[-1], scores


def _gives_sides(net: nn.Module) -> bool:
    """Whether it is a network of this package."""
    parameters = inspect.signature(net.forward).parameters
    if "side_outputs" not in parameters:
        return False
    needed = [one.name for one in parameters.values() if one.default is one.empty]
    if len(needed) > 1:
        raise UsageError(
            f"the network {type(net).__name__} is shown more than a photo",
            expected="a classifier of photos alone",
            found=f"one of {', '.join(needed)}",
            hint="cam, oaa, drs, edam, eps, l2g and irn_cam are such",
        )
    return True


def _sides(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    sides: dict[str, torch.Tensor] = net(x, side_outputs=True)[1]
    return sides


def _checked(scores: object, x: torch.Tensor) -> torch.Tensor:
    """The scores, if they are such and gradients lead from them to the input."""
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or len(scores) != len(x):
        shape = getattr(scores, "shape", None)
        raise UsageError(
            "the network gives no class scores",
            expected=f"a tensor ({len(x)}, classes)",
            found=type(scores).__name__ if shape is None else f"one of shape {tuple(shape)}",
            hint="wrap it in a module that gives scores, and name what makes that",
        )
    if x.requires_grad and not scores.requires_grad:
        raise UsageError(
            "no gradient leads from the scores to the photo",
            expected="a network that is run with gradients",
            hint="does its `forward` turn them off?",
        )
    return scores.float()


def _watched(net: nn.Module, layer: str | None) -> list[nn.Module]:
    """The modules one of which gives the last feature map."""
    if layer is None:
        return [module for module in net.modules() if next(module.children(), None) is None]
    try:
        return [net.get_submodule(layer)]
    except AttributeError as error:
        raise UsageError(
            f"the classifier has no module {layer!r}",
            found="at its top: " + ", ".join(name for name, _ in net.named_children()),
        ) from error


@contextlib.contextmanager
def _maps_of(modules: list[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """The last map that any of these modules gives meanwhile, in this thread."""
    maps: list[torch.Tensor] = []
    mine = threading.get_ident()

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401 (of any network)
        if threading.get_ident() != mine or not isinstance(output, torch.Tensor):
            return
        if output.ndim == 4 and output.shape[-2] * output.shape[-1] > 1:
            maps[:] = [output]

    with contextlib.ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(keep).remove)
        yield maps
