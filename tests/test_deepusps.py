"""What is DeepUSPS's alone: sizes that are no multiple of 8, and its enlargement."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from wsss_assets.models.backbones import drn  # noqa: E402
from wsss_assets.models.deepusps import DeepUSPS  # noqa: E402


@pytest.mark.parametrize(
    ("size", "larger"), [((16, 24), (16, 24)), ((17, 31), (24, 32)), ((1, 8), (8, 8))]
)
def test_sizes_are_rounded_up(size: tuple[int, int], larger: tuple[int, int]) -> None:
    net = DeepUSPS(drn.drn_d_22).eval()
    with torch.inference_mode():
        logits, sides = net(torch.randn(1, 3, *size), side_outputs=True)
    assert logits.shape == (1, 2, *larger)
    assert sides["logits_1_8"].shape == (1, 2, larger[0] // 8, larger[1] // 8)
    assert sides["features"].shape == (1, drn.CHANNELS, larger[0] // 8, larger[1] // 8)


def test_the_enlargement_interpolates() -> None:
    net = DeepUSPS(drn.drn_d_22).eval()
    small = torch.randn(1, 2, 6, 5)
    expected = torch.nn.functional.interpolate(small, scale_factor=8, mode="bilinear")
    with torch.inference_mode():
        found = net.up(small)
    inside = (..., slice(4, -4), slice(4, -4))  # beyond, the kernel meets nothing
    assert torch.allclose(found[inside], expected[inside], atol=1e-5)
