from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.errors import UsageError, WeightsError
from wsss_assets.models import preparing

torch = pytest.importorskip("torch")

from wsss_assets.models import create_model, load_weights  # noqa: E402
from wsss_assets.models.move import LONGEST, PATCH, SIDE  # noqa: E402

if TYPE_CHECKING:
    from wsss_assets.models.checkpoints import StateDict
    from wsss_assets.models.move import Move

TRUNK = "segmenter.feature_extractor.model."


@lru_cache(maxsize=1)
def network() -> Move:
    net: Move = create_model("move")  # type: ignore[assignment]
    return net


def parts() -> tuple[StateDict, StateDict]:
    """MOVE's file and DINO's, by the keys of their own."""
    state = {key: value + 1 for key, value in network().state_dict().items()}
    dino = {key[len(TRUNK) :]: value for key, value in state.items() if key.startswith(TRUNK)}
    return {key: value for key, value in state.items() if not key.startswith(TRUNK)}, dino


def test_two_files_make_one_network() -> None:
    move, dino = parts()
    short = {key.removeprefix("segmenter."): value for key, value in move.items()}
    training = {"mae_model.cls_token": torch.zeros(1), "blocks.99.norm1.bias": torch.zeros(1)}
    full = {f"backbone.{key}": value for key, value in dino.items()}
    for one in (move, short, {**move, **training}):
        for two in (dino, {**full, "head.last_layer.weight": torch.zeros(1)}):
            net = create_model("move")
            load_weights(net, one, two)
            for key, value in network().state_dict().items():
                torch.testing.assert_close(net.state_dict()[key], value + 1, rtol=0, atol=0)


def test_a_file_of_all_is_enough() -> None:
    load_weights(create_model("move"), network().state_dict())


def test_one_file_alone() -> None:
    move, dino = parts()
    with pytest.raises(WeightsError, match=r"expected also DINO's .*\n.*dino_deitsmall8") as caught:
        load_weights(network(), move)
    assert all(key.startswith(TRUNK) for key in caught.value.missing)
    with pytest.raises(WeightsError, match=r"expected also MOVE's own file"):
        load_weights(network(), dino)


def test_other_networks_files_are_named() -> None:
    with pytest.raises(WeightsError, match=r"1 unexpected \(stage1\.weight\)"):
        load_weights(network(), {"stage1.weight": torch.zeros(1)})


def test_sides_are_multiples_of_patches() -> None:
    with pytest.raises(UsageError, match="multiples of 8"):
        network()(torch.zeros(1, 3, 64, 60))


@given(height=st.integers(1, 5000), width=st.integers(1, 5000))
def test_sizes(height: int, width: int) -> None:
    h, w = preparing.shorter_side_size(height, width, SIDE, LONGEST, PATCH)
    assert PATCH <= min(h, w) <= SIDE
    assert max(h, w) <= LONGEST
    assert (h <= w) == (height <= width) or h == w
    if max(h, w) < LONGEST:
        assert min(h, w) == SIDE
        assert max(h, w) == int(SIDE * max(height, width) / min(height, width))
    padded = preparing.padded_shorter_side_size(height, width, SIDE, PATCH, LONGEST)
    assert all(0 <= q - p < PATCH and q % PATCH == 0 for p, q in zip((h, w), padded, strict=True))


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 600), width=st.integers(1, 600))
def test_margins_are_reflections(height: int, width: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    prepared = preparing.shorter_side(photo, SIDE, PATCH, LONGEST)
    h, w = preparing.shorter_side_size(height, width, SIDE, LONGEST, PATCH)
    assert prepared.shape[1:] == preparing.padded_shorter_side_size(
        height, width, SIDE, PATCH, LONGEST
    )
    for row in range(h, prepared.shape[1]):
        np.testing.assert_array_equal(prepared[:, row], prepared[:, 2 * (h - 1) - row])
    for column in range(w, prepared.shape[2]):
        np.testing.assert_array_equal(prepared[..., column], prepared[..., 2 * (w - 1) - column])
