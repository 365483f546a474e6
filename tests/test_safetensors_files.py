from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy_weights import assert_same, copied, toy

torch = pytest.importorskip("torch")


from wsss_assets.models.checkpoints import read_state_dict  # noqa: E402
from wsss_assets.models.loading import load  # noqa: E402
from wsss_assets.models.safetensors_files import save_safetensors  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8]


@settings(max_examples=40, deadline=None)
@given(
    entries=st.dictionaries(
        st.text('abc.é"', min_size=1, max_size=6),
        st.tuples(st.sampled_from(NUMBERS), st.lists(st.integers(0, 3), max_size=3)),
        min_size=1,
        max_size=5,
    ),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5),
)
def test_safetensors(
    tmp_path_factory: pytest.TempPathFactory,
    entries: dict[str, tuple[Any, list[int]]],
    metadata: dict[str, str],
) -> None:
    safetensors = pytest.importorskip("safetensors")
    path = tmp_path_factory.mktemp("safe") / "net.safetensors"
    state = {key: torch.randn(shape).mul(50).to(kind) for key, (kind, shape) in entries.items()}
    save_safetensors(state, path, metadata)
    found = read_state_dict(path)
    assert found.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)
    with safetensors.safe_open(path, "pt") as file:
        assert (file.metadata() or {}) == metadata
    first = path.read_bytes()
    save_safetensors(dict(reversed(state.items())), path, dict(reversed(metadata.items())))
    assert path.read_bytes() == first


def test_safetensors_of_a_network(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    net, other = toy(), toy()
    save_safetensors(net, tmp_path / "net.safetensors", {"model": "toy"})
    load(other, tmp_path / "net.safetensors")
    assert_same(other, copied(net))
