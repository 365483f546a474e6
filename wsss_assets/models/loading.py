"""Checkpoints into networks: all is checked before anything is copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import torch

from wsss_assets.errors import WeightsError
from wsss_assets.models.checkpoints import StateDict, read_state_dict, state_dict
from wsss_assets.models.refusing import AGAIN, MOST_NAMED, NOTHING_LOADED
from wsss_assets.words import some_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

__all__ = ["AdaptsCheckpoints", "Weights", "load"]

Weights: TypeAlias = "Path | str | Mapping[str, torch.Tensor]"

_COUNTER = "num_batches_tracked"

_Shape: TypeAlias = "tuple[int, ...]"

_BENCHMARKS = {20: "voc2012", 80: "coco2014"}
_CLASSES = {outputs: count for count in _BENCHMARKS for outputs in (count, count + 1)}
"""How many classes a network of so many outputs tells apart; some have one for the background."""


@runtime_checkable
class AdaptsCheckpoints(Protocol):
    """A network whose checkpoints need more than the common unwrapping."""

    def adapted(self, state: StateDict) -> StateDict:
        """The entries of a checkpoint, its parts in one, by the network's own keys.

        Raises:
            WeightsError: they cannot be this network's, or a part is missing.
        """


def load(net: nn.Module, *weights: Weights) -> None:
    """See `wsss_assets.models.load_weights`.

    Floating-point numbers of any precision become those of the network; the counters of batch
    norms may be missing or superfluous. All is checked before anything is copied.
    """
    parts: list[tuple[str, StateDict]] = []
    for part in weights:
        if isinstance(part, Mapping):
            parts.append(("the state dict", state_dict(part, "the state dict")))
        else:
            parts.append((str(part), read_state_dict(Path(part))))
    source = " with ".join(name for name, _ in parts)
    state = _merged(parts)
    if isinstance(net, AdaptsCheckpoints):
        state = net.adapted(state)
    own: StateDict = net.state_dict()
    state = {key: value for key, value in state.items() if not _is_stray_counter(key, value, own)}
    _check_keys(source, net, state, own)
    fitting = {key: _as(key, value, own[key].dtype) for key, value in state.items()}
    _check_values(source, fitting, own)
    net.load_state_dict({**own, **fitting})


def _merged(parts: Iterable[tuple[str, StateDict]]) -> StateDict:
    state: StateDict = {}
    for source, part in parts:
        for key in state.keys() & part.keys():
            if not torch.equal(state[key], part[key]):
                raise WeightsError(
                    f"{source} holds another {key} than the part before it",
                    done=NOTHING_LOADED,
                    hint="give parts of one checkpoint, each once",
                )
        state.update(part)
    return state


def _is_stray_counter(key: str, value: torch.Tensor, own: StateDict) -> bool:
    return key.endswith(_COUNTER) and (key not in own or own[key].shape != value.shape)


def _check_keys(source: str, net: nn.Module, state: StateDict, own: StateDict) -> None:
    """Refuse a checkpoint whose keys or shapes are not the network's."""
    missing = [key for key in own if key not in state and not key.endswith(_COUNTER)]
    unexpected = [key for key in state if key not in own]
    misshapen = {
        key: (tuple(value.shape), tuple(own[key].shape))
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    }
    shapes = [f"{key} {found} for {right}" for key, (found, right) in misshapen.items()]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    faults = [
        f"{len(keys)} {kind} ({some_of(keys, MOST_NAMED)})" for kind, keys in kinds.items() if keys
    ]
    if faults:
        raise WeightsError(
            f"{source} does not fit {type(net).__name__}",
            expected=f"its {len(own)} entries",
            found=", ".join(faults),
            done=NOTHING_LOADED,
            hint=_advice(misshapen, alone=not missing and not unexpected),
            missing=missing,
            unexpected=unexpected,
            misshapen=misshapen,
        )


def _advice(shapes: Mapping[str, tuple[_Shape, _Shape]], *, alone: bool) -> str:
    """What to do about a checkpoint that does not fit: it may be for other classes.

    Then all shapes differ in their first number alone, and alike: that of the outputs.

    Args:
        shapes: (in the checkpoint, in the network) by key, where they differ.
        alone: whether that is all that is wrong.
    """
    counts = {(found[:1], right[:1]) for found, right in shapes.values() if found[1:] == right[1:]}
    alike = all(found[1:] == right[1:] for found, right in shapes.values())
    if alone and alike and len(counts) == 1:
        ((found, right),) = counts
        if found and right and right[0] in _CLASSES:
            classes, wanted = _CLASSES.get(found[0], found[0]), _CLASSES[right[0]]
            return (
                f"these weights are of {classes} classes, {_BENCHMARKS[wanted]} has {wanted}: "
                f"give weights for {wanted} classes, or name the benchmark that these are for"
            )
    return "is it the checkpoint of another network, or of another variant of this one?"


def _as(key: str, value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """In the network's precision; whole numbers in place of weights stay, to be refused.

    Counters may have been halved with all the rest.
    """
    alike = value.is_floating_point() == dtype.is_floating_point
    return value.to(dtype) if alike or key.endswith(_COUNTER) else value


def _check_values(source: str, fitting: StateDict, own: StateDict) -> None:
    """Refuse numbers that cannot be weights."""
    other = [key for key, value in fitting.items() if value.dtype != own[key].dtype]
    broken = [key for key, value in fitting.items() if not bool(torch.isfinite(value).all())]
    for kind, keys in (("numbers of another kind", other), ("values that are not finite", broken)):
        if keys:
            raise WeightsError(
                f"{source} holds {kind}",
                expected="finite weights, real where the network's are",
                found=f"{len(keys)} such of {len(fitting)} entries ({some_of(keys, MOST_NAMED)})",
                done=NOTHING_LOADED,
                hint=AGAIN,
            )
