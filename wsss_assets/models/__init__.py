"""Networks: one file per architecture or method; the directory is the registry.

```python
from wsss_assets.models import create_model, list_models, load_weights

net = create_model("u2netp")                 # an nn.Module in eval mode, without trained weights
load_weights(net, "u2netp.onnx")             # the authors' checkpoint, as they publish it
logits = net(x)                              # x float32 (N, 3, H, W), prepared as its sheet says

net = create_model("cam", num_classes=80)    # a classifier: its maps show where each class is
```

What a file makes available is in its `ARCHITECTURES`, of saliency networks, or its `METHODS`, of
activation methods: the network together with what it is shown, and what becomes of its output.
Importing this package loads no torch: processes that only prepare photos need none.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wsss_assets.errors import MissingDependencyError, UnknownNameError, UsageError
from wsss_assets.models.activation import ActivationMethod

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from wsss_assets.models.architecture import Architecture
    from wsss_assets.models.loading import Weights

__all__ = [
    "create_model",
    "find_model",
    "get_architecture",
    "get_method",
    "list_models",
    "load_weights",
]

Kind: TypeAlias = Literal["saliency", "activation"]

_CLASSES = 20
"""PASCAL VOC's: of the network of an activation method where no number is given."""


def list_models(kind: Kind | None = None) -> tuple[str, ...]:
    """Names of all networks, in order; aliases are left out.

    Args:
        kind: which maps they are for; None: either.
    """
    saliency = () if kind == "activation" else tuple(_architectures())
    activation = () if kind == "saliency" else tuple(_methods())
    return tuple(sorted((*saliency, *activation)))


def find_model(name: str) -> Architecture | ActivationMethod:
    """What is known of a network of either kind by its name or alias.

    Raises:
        UnknownNameError: there is none of that name.
        MissingDependencyError: torch is not installed.
    """
    known: list[Architecture | ActivationMethod] = [
        *_architectures().values(),
        *_methods().values(),
    ]
    for one in known:
        if name in (one.name, *one.aliases):
            return one
    names = [alias for one in known for alias in (one.name, *one.aliases)]
    raise UnknownNameError("model", name, names)


def get_architecture(name: str) -> Architecture:
    """What is known of a saliency network by its name or alias.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: it is an activation method.
        MissingDependencyError: torch is not installed.
    """
    found = find_model(name)
    if isinstance(found, ActivationMethod):
        raise UsageError(
            f"{found.name} is an activation method, not a saliency network",
            expected=f"one of {', '.join(list_models('saliency'))}",
        )
    return found


def get_method(name: str) -> ActivationMethod:
    """What is known of an activation method by its name or alias.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: it is a saliency network.
        MissingDependencyError: torch is not installed.
    """
    found = find_model(name)
    if not isinstance(found, ActivationMethod):
        raise UsageError(
            f"{found.name} is a saliency network, not an activation method",
            expected=f"one of {', '.join(list_models('activation'))}",
        )
    return found


def create_model(name: str, num_classes: int | None = None) -> nn.Module:
    """A network by its name or alias, in eval mode, its weights not trained.

    Calling a saliency network with x float32 (N, 3, H, W), prepared as its file says, gives the
    saliency logits (N, 1, H, W); `deepusps` gives its two channels (N, 2, H, W). The network of an
    activation method gives class maps (N, channels, h, w) at its own resolution; some are shown
    more than a photo, as their classes say. `net(x, side_outputs=True)` gives `(logits, sides)`,
    the latter a dictionary of what else the authors' code returns, by names that its class states.

    Args:
        name: of the network.
        num_classes: of an activation method's network, without background; None: 20.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: a saliency network is asked for classes, or a method for a number of them that
            its authors published no network for.
        MissingDependencyError: torch is not installed.
    """
    found = find_model(name)
    if isinstance(found, ActivationMethod):
        return found.create(_CLASSES if num_classes is None else num_classes)
    if num_classes is not None:
        raise UsageError(
            f"{found.name} is a saliency network, which knows no classes",
            found=f"{num_classes} classes asked for",
            hint="leave the number of classes out",
        )
    return found.create()


def load_weights(net: nn.Module, weights: Weights, *more: Weights) -> nn.Module:
    """Load a checkpoint as its authors publish it; see `wsss_assets.models.loading`.

    Args:
        net: made by `create_model`.
        weights: a path (PyTorch, safetensors, or ONNX where the network's file says so) or a
            state dict.
        more: further ones, for networks whose weights come in parts (MOVE and its DINO).

    Returns:
        The same network.

    Raises:
        WeightsError: a file is unreadable or would run code, or names or shapes do not match: all
            missing, unexpected and mis-shaped keys are named, and nothing is loaded.
    """
    from wsss_assets.models.loading import load

    load(net, weights, *more)
    return net


@lru_cache(maxsize=1)
def _architectures() -> Mapping[str, Architecture]:
    return {one.name: one for one in _entries("ARCHITECTURES")}


@lru_cache(maxsize=1)
def _methods() -> Mapping[str, ActivationMethod]:
    return {one.name: one for one in _entries("METHODS")}


def _entries(attribute: str) -> Iterator[Any]:
    """What the files here make available under that name."""
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("torch", "regenerate", "running networks") from error
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            yield from getattr(importlib.import_module(f"{__name__}.{module.name}"), attribute, ())
