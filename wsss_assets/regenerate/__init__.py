"""Map sets made anew from weights: plan, run, receipts, record.

```python
from wsss_assets.regenerate import regenerate

summary = regenerate("u2netp", "my_photos", "maps", weights=["u2netp.onnx"])
```

Importing this package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import MissingDependencyError

if TYPE_CHECKING:
    from wsss_assets.regenerate.activation import ActivationOptions, Predicted
    from wsss_assets.regenerate.from_weights import regenerate
    from wsss_assets.regenerate.record import Origin
    from wsss_assets.regenerate.run import Summary

__all__ = ["ActivationOptions", "Origin", "Predicted", "Summary", "regenerate"]

_HOMES = {
    "ActivationOptions": "activation",
    "Origin": "record",
    "Predicted": "activation",
    "Summary": "run",
    "regenerate": "from_weights",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("torch", "regenerate", "running networks") from error
    home = importlib.import_module(f"wsss_assets.regenerate.{_HOMES[name]}")
    return getattr(home, name)
