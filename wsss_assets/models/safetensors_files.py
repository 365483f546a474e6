"""Writes safetensors files whose bytes depend on their content alone.

The package safetensors puts metadata in an order that changes from run to run, so files are laid
out here: the length of the header, the header as JSON, the numbers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from wsss_assets.storage.files import replaced

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

__all__ = ["save_safetensors"]

_SAFETENSORS_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_safetensors(
    weights: nn.Module | Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write a network's weights, the same bytes for the same weights and metadata.

    Args:
        weights: a network or a state dict.
        path: is replaced as a whole.
        metadata: what else readers are told.
    """
    state = dict(weights if isinstance(weights, Mapping) else weights.state_dict())
    # Wide numbers first, so that all are aligned.
    order = sorted(state, key=lambda key: (-state[key].element_size(), key))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for key in order:
        start, end = end, end + state[key].numel() * state[key].element_size()
        header[key] = {
            "dtype": _SAFETENSORS_NAMES[state[key].dtype],
            "shape": list(state[key].shape),
            "data_offsets": [start, end],
        }
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replaced(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for key in order:
            flat = state[key].detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().tobytes())
