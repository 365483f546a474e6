"""Weights by rule: figures that any implementation of a network can make from its key names.

The references in `tests/golden/` were computed with the authors' networks (for DSS and PFAN with
their PyTorch ports) holding these weights. For each network: `<name>.keys.txt`, its state dict as
`key shape dtype`, in order; `<name>.json`, its sets of inputs and gains; `<name>.npz`, samples of
its outputs as `<set>/<output>/s<stride>`, and `photo/s3`, every third row and column of the map
of `photo.png` (NASA's portrait of Eileen Collins, cropped) by the authors' whole path.

`activation/` holds the same of activation methods, with four photos of scikit-image: maps by the
authors' whole path as `<photo>_<class>/s3`, `<name>.aliases.json` where several keys name one
tensor (the value is then that of the last), and the keys of networks for COCO in `keys80/`.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["GOLDEN", "Golden", "golden_names", "input_of", "values_by_rule"]

GOLDEN = Path(__file__).parent / "golden"


def golden_names(folder: Path = GOLDEN) -> list[str]:
    """Networks that have references."""
    return sorted(path.name.removesuffix(".keys.txt") for path in folder.glob("*.keys.txt"))


def values_by_rule(key: str, shape: tuple[int, ...], gain: float) -> NDArray[Any]:
    """What a state dict holds under `key`: noise seeded by the key, scaled by what it is for."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        values = rng.uniform(0.5, 1.5, shape)
    elif key.endswith(("running_mean", "bias")):
        values = 0.1 * rng.standard_normal(shape)
    else:
        values = gain * rng.standard_normal(shape) * np.sqrt(1 / (np.prod(shape[1:]) or 1))
    return np.asarray(values, np.float32)


def input_of(one: Mapping[str, Any]) -> NDArray[np.float32]:
    """The noise that a set feeds to the network."""
    noise = np.random.default_rng(one["seed"]).standard_normal(tuple(one["shape"]))
    return np.asarray(noise, np.float32)


class Golden:
    """The references of one network."""

    def __init__(self, name: str, folder: Path = GOLDEN) -> None:
        self.name = name
        self.folder = folder
        facts = json.loads((folder / f"{name}.json").read_text("utf-8"))
        self.sets: dict[str, dict[str, Any]] = facts["sets"]
        self.photo: dict[str, Any] = facts["photo"]
        self.prefix: str = facts.get("prefix", "")

    def entries(self) -> list[tuple[str, tuple[int, ...], str]]:
        """(key, shape, dtype) of the authors' state dict, in order."""
        lines = (self.folder / f"{self.name}.keys.txt").read_text("utf-8").splitlines()
        return [
            (key, () if shape == "scalar" else tuple(map(int, shape.split("x"))), dtype)
            for key, shape, dtype in map(str.split, lines)
        ]

    def aliases(self) -> list[list[str]]:
        """Keys that name one tensor."""
        path = self.folder / f"{self.name}.aliases.json"
        groups: list[list[str]] = json.loads(path.read_text("utf-8")) if path.exists() else []
        return groups

    def outputs(self, name: str) -> Iterator[tuple[str, int, NDArray[Any]]]:
        """(output, stride, sample of it) of a set."""
        with np.load(self.folder / f"{self.name}.npz") as file:
            for key in file.files:
                its_set, _, rest = key.partition("/")
                if its_set == name:
                    output, _, stride = rest.rpartition("/s")
                    yield output, int(stride), file[key]

    def photo_map(self, name: str = "photo") -> NDArray[np.uint8] | None:
        """Every third row and column of the map of a photo (and class); None: there is none."""
        with np.load(self.folder / f"{self.name}.npz") as file:
            values: NDArray[np.uint8] | None = file.get(f"{name}/s3")
            return values

    def weights(self, one: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The state dict of a set, or of the photo."""
        state = dict(_by_rule(self.folder, self.name, one["gain"]))
        shapes = {key: shape for key, shape, _ in self.entries()}
        for key, gain in one["overrides"].items():
            state[key] = values_by_rule(key, shapes[key], gain)
        for keys in self.aliases():
            state.update(dict.fromkeys(keys, state[keys[-1]]))
        if one.get("bilinear_up"):
            state[f"{self.prefix}up.weight"] = _bilinear_kernel()
        return state


@lru_cache(maxsize=1)  # the largest takes 300 MB
def _by_rule(folder: Path, name: str, gain: float) -> dict[str, NDArray[Any]]:
    entries = Golden(name, folder).entries()
    return {key: values_by_rule(key, shape, gain) for key, shape, _ in entries}


def _bilinear_kernel() -> NDArray[np.float32]:
    """A transposed convolution of 16 by 16 that interpolates eightfold, for two channels."""
    line = 1 - np.abs(np.arange(16) / 8 - 0.9375)
    return np.repeat(np.outer(line, line)[None, None], 2, axis=0).astype(np.float32)
