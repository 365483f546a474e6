"""Networks: one file per architecture; the directory is the registry.

```python
from wsss_assets.models import create_model, list_models, load_weights

net = create_model("u2netp")                 # an nn.Module in eval mode, without trained weights
load_weights(net, "u2netp.onnx")             # the authors' checkpoint, as they publish it
logits = net(x)                              # x float32 (N, 3, H, W), prepared as its sheet says
```

What a file makes available is in its `ARCHITECTURES`: the network together with what it is shown
(`prepare`), and what becomes of its output (`read_out`, `finish`). Importing this package loads no
torch: processes that only prepare photos need none.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import MissingDependencyError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from wsss_assets.models.architecture import Architecture
    from wsss_assets.models.checkpoints import Weights

__all__ = ["create_model", "get_architecture", "list_models", "load_weights"]


def list_models() -> tuple[str, ...]:
    """Names of all networks, in order; aliases are left out."""
    return tuple(sorted(_architectures()))


def get_architecture(name: str) -> Architecture:
    """What is known of a network by its name or alias.

    Raises:
        UnknownNameError: there is none of that name.
        MissingDependencyError: torch is not installed.
    """
    known = _architectures()
    for one in known.values():
        if name in (one.name, *one.aliases):
            return one
    aliases = [alias for one in known.values() for alias in one.aliases]
    raise UnknownNameError("model", name, [*known, *aliases])


def create_model(name: str) -> nn.Module:
    """A network by its name or alias, in eval mode, its weights not trained.

    Calling it with x float32 (N, 3, H, W), prepared as its file says, gives the saliency logits
    (N, 1, H, W); `deepusps` gives its two channels (N, 2, H, W). `net(x, side_outputs=True)`
    gives `(logits, sides)`, the latter a dictionary of what else the authors' code returns, by
    names that its class states.

    Raises:
        UnknownNameError: there is none of that name.
        MissingDependencyError: torch is not installed.
    """
    return get_architecture(name).create()


def load_weights(net: nn.Module, weights: Weights, *more: Weights) -> nn.Module:
    """Load a checkpoint as its authors publish it; see `wsss_assets.models.checkpoints`.

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
    from wsss_assets.models.checkpoints import load

    load(net, weights, *more)
    return net


@lru_cache(maxsize=1)
def _architectures() -> Mapping[str, Architecture]:
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("torch", "regenerate", "running networks") from error
    found: dict[str, Architecture] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            file: Any = importlib.import_module(f"{__name__}.{module.name}")
            found.update({one.name: one for one in getattr(file, "ARCHITECTURES", ())})
    return found
