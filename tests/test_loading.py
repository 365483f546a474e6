from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toy_weights import assert_same, copied, toy
from wsss_assets.errors import WeightsError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from wsss_assets.models.loading import load  # noqa: E402
from wsss_assets.models.refusing import MOST_NAMED  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.models.checkpoints import StateDict


def test_a_state_dict_is_taken_as_it_is() -> None:
    state = copied(toy())
    net = toy()
    load(net, {f"module.{key}": value for key, value in state.items()})
    assert_same(net, state)


def test_weights_are_copies(tmp_path: Path) -> None:
    state = copied(toy())
    torch.save(state, tmp_path / "net.pth")
    net = toy()
    load(net, tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes(b"")
    assert_same(net, state)


@pytest.mark.parametrize("counters", [False, True])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_precisions(name: str, counters: bool) -> None:
    dtype = getattr(torch, name)
    state = {
        key: value.to(dtype) if counters or value.is_floating_point() else value
        for key, value in copied(toy()).items()
    }
    net = toy()
    load(net, state)
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    torch.testing.assert_close(net.state_dict()["0.weight"], state["0.weight"].float())


def test_counters_do_not_matter() -> None:
    state = copied(toy())
    del state["1.num_batches_tracked"]
    state["0.num_batches_tracked"] = torch.tensor(3)
    net = toy()
    load(net, state)
    assert_same(net, {**state, "1.num_batches_tracked": torch.tensor(0)})
    load(net, {**state, "1.num_batches_tracked": torch.tensor([7])})
    load(net, {**state, "1.num_batches_tracked": torch.tensor(7)})
    assert net.state_dict()["1.num_batches_tracked"] == 7


def test_every_fault_is_named_and_nothing_loaded() -> None:
    net = toy()
    before = copied(net)
    state = copied(toy())
    del state["0.bias"], state["1.running_mean"]
    state["2.weight"] = torch.zeros(2, 4, 1, 1)
    state.update({f"head.{number}": torch.zeros(1) for number in range(MOST_NAMED + 5)})
    with pytest.raises(WeightsError, match="does not fit Sequential") as caught:
        load(net, state)
    error = caught.value
    assert error.missing == ("0.bias", "1.running_mean")
    assert error.unexpected == tuple(f"head.{number}" for number in range(MOST_NAMED + 5))
    assert error.misshapen == {"2.weight": ((2, 4, 1, 1), (1, 4, 1, 1))}
    assert "2 missing (0.bias, 1.running_mean), 15 unexpected (head.0, " in str(error)
    assert "head.9 and 5 more), 1 of another shape (2.weight (2, 4, 1, 1) for" in str(error)
    assert pickle.loads(pickle.dumps(error)).missing == error.missing  # noqa: S301
    assert_same(net, before)


@given(faulty=st.sets(st.sampled_from(list(toy().state_dict())), min_size=1))
def test_any_missing_entries(faulty: set[str]) -> None:
    state = {key: value for key, value in copied(toy()).items() if key not in faulty}
    lacking = tuple(key for key in toy().state_dict() if key in faulty and "tracked" not in key)
    if not lacking:
        load(toy(), state)
        return
    with pytest.raises(WeightsError) as caught:
        load(toy(), state)
    assert caught.value.missing == (lacking if state else ())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("half", [False, True])
def test_values_that_are_not_finite(value: float, half: bool) -> None:
    net = toy()
    before = copied(net)
    state = copied(toy())
    state["1.running_var"] = torch.tensor([1, value, 1, 1], dtype=torch.float16 if half else None)
    with pytest.raises(WeightsError, match=r"not finite; .* 1 such of 9 entries \(1\.running_var"):
        load(net, state)
    assert_same(net, before)


def test_values_too_large_for_the_network() -> None:
    state = copied(toy())
    state["0.bias"] = torch.full((4,), 1e300, dtype=torch.float64)
    with pytest.raises(WeightsError, match="not finite"):
        load(toy(), state)


def test_whole_numbers_are_no_weights() -> None:
    state = copied(toy())
    state["0.bias"] = torch.zeros(4, dtype=torch.int8)
    with pytest.raises(WeightsError, match="numbers of another kind"):
        load(toy(), state)


def test_parts(tmp_path: Path) -> None:
    state = copied(toy())
    torch.save({"model": {k: v for k, v in state.items() if k < "1"}}, tmp_path / "one.pth")
    rest = {f"module.{key}": value for key, value in state.items() if key >= "1"}
    net = toy()
    load(net, tmp_path / "one.pth", rest)
    assert_same(net, state)
    load(net, str(tmp_path / "one.pth"), rest, {"0.bias": state["0.bias"].clone()})
    before = copied(net)
    with pytest.raises(WeightsError, match=r"holds another 0\.bias"):
        load(net, tmp_path / "one.pth", rest, {"0.bias": state["0.bias"] + 1})
    with pytest.raises(WeightsError, match=r"one\.pth does not fit"):
        load(net, tmp_path / "one.pth")
    assert_same(net, before)


def test_networks_may_adapt_checkpoints() -> None:
    class Renamed(nn.Sequential):
        def adapted(self, state: StateDict) -> StateDict:
            return {key.removeprefix("old."): value for key, value in state.items()}

    state = copied(toy())
    net = Renamed(*toy())
    load(net, {f"old.{key}": value for key, value in state.items()})
    assert_same(net, state)


@pytest.mark.parametrize(("given", "wanted"), [(20, 80), (80, 20), (21, 81), (7, 20)])
def test_weights_of_another_number_of_classes_are_told_so(given: int, wanted: int) -> None:
    def net(classes: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, classes, 1))

    with pytest.raises(WeightsError) as caught:
        load(net(wanted), copied(net(given)))
    counts = {21: 20, 81: 80}
    benchmark = {20: "voc2012", 80: "coco2014"}[counts.get(wanted, wanted)]
    assert caught.value.hint == (
        f"these weights are of {counts.get(given, given)} classes, {benchmark} has "
        f"{counts.get(wanted, wanted)}: give weights for {counts.get(wanted, wanted)} classes, or "
        "name the benchmark that these are for"
    )


def test_other_shapes_are_not_taken_for_classes() -> None:
    def net(classes: int, width: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, width, 1), nn.Conv2d(width, classes, 1))

    for other, wanted in ((net(20, 5), net(80, 4)), (net(20, 4), net(50, 4))):
        with pytest.raises(WeightsError, match="another network, or of another variant"):
            load(wanted, copied(other))
    state = copied(net(20, 4))
    del state["0.bias"]
    with pytest.raises(WeightsError, match="another network, or of another variant"):
        load(net(80, 4), state)
