"""Every network against the figures of its authors' code; a new one needs no word here."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.golden_weights import GOLDEN, Golden, golden_names, input_of
from wsss_assets.catalog.bibliography import citation_keys
from wsss_assets.errors import DataError, UnknownNameError, UsageError

torch = pytest.importorskip("torch")

from wsss_assets.models import create_model, get_architecture, list_models, load_weights  # noqa: E402
from wsss_assets.models.architecture import Normalisation  # noqa: E402
from wsss_assets.regenerate.work import SaliencyWork  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from wsss_assets.models.architecture import Architecture

NAMES = golden_names()
LOGITS = 1e-4
"""What implementations of one network may differ by: sums are taken in other orders."""

NORM_EPS = {"vst": {1e-5}, "move": {1e-6}}
"""Of layer norms; a wrong one hardly shows in any figure."""


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A network at a time, since a large one takes seconds to fill."""
    value: str = request.param
    return value


@lru_cache(maxsize=1)
def network(name: str) -> nn.Module:
    return create_model(name)


def with_weights(name: str, golden: Golden, one: Mapping[str, Any]) -> nn.Module:
    state = {key: torch.from_numpy(np.array(value)) for key, value in golden.weights(one).items()}
    return load_weights(network(name), state)


def test_every_network_has_references() -> None:
    assert list(list_models("saliency")) == NAMES


def test_keys_and_shapes_are_the_authors(name: str) -> None:
    golden = Golden(name)
    expected = [(key.removeprefix(golden.prefix), *rest) for key, *rest in golden.entries()]
    found = [
        (key, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for key, value in network(name).state_dict().items()
    ]
    assert found == expected


def test_outputs(name: str) -> None:
    golden = Golden(name)
    assert golden.sets
    for one, facts in golden.sets.items():
        net = with_weights(name, golden, facts)
        outputs = outputs_of(name, net, torch.from_numpy(input_of(facts)))
        compared = [difference(outputs, *sample) for sample in golden.outputs(one)]
        assert len(compared) >= 2
        assert max(compared) <= LOGITS, (one, compared)


def outputs_of(name: str, net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    with torch.inference_mode():
        logits, sides = net(x, side_outputs=True)
        torch.testing.assert_close(net(x), logits, rtol=0, atol=1e-6)
        read_out = get_architecture(name).read_out(net, x)[:, None]
    # The six sides of U²-Net in one array, as the reference keeps them.
    together = torch.cat([sides.get(f"side{i}", logits) for i in range(1, 7)], 1)
    return {"logits": logits, "read_out": read_out, "side*": together, **sides}


def difference(
    outputs: Mapping[str, Tensor], output: str, stride: int, expected: NDArray[np.float32]
) -> float:
    """The largest difference from a sample."""
    key, _, channels = output.partition("[")
    value = outputs[key]
    assert value.dtype == torch.float32
    if channels:
        value = value[:, :: int(channels.strip(":]"))]
    found = value.numpy()
    found = found.reshape(expected.shape) if stride == 1 else found[..., ::stride, ::stride]
    assert found.shape == expected.shape, output
    return float(np.abs(found - expected).max())


def test_photo_to_map(name: str) -> None:
    golden = Golden(name)
    architecture = get_architecture(name)
    net = with_weights(name, golden, golden.photo)
    photo = np.asarray(Image.open(GOLDEN / "photo.png").convert("RGB"))
    found = map_of(architecture, net, photo, own_frame=golden.photo["own_frame"])
    assert found.shape == tuple(golden.photo["size"])
    expected = golden.photo_map()
    assert expected is not None
    difference = np.abs(found[::3, ::3].astype(int) - expected)
    assert expected.std() > 5  # or the map would say little
    assert (difference <= 1).mean() >= 0.995
    if golden.photo["own_frame"]:
        assert map_of(architecture, net, photo).shape == photo.shape[:2]


def map_of(
    architecture: Architecture, net: nn.Module, photo: NDArray[np.uint8], *, own_frame: bool = False
) -> NDArray[np.uint8]:
    batch = torch.from_numpy(architecture.prepare(photo))[None]
    with torch.inference_mode():
        values = architecture.read_out(net, architecture.normalisation(batch))
    assert values.dtype == torch.float32
    assert 0 <= float(values.min()) <= float(values.max()) <= 1
    return architecture.finish(
        values[0].numpy(), (photo.shape[0], photo.shape[1]), own_frame=own_frame
    )


def test_probabilities_are_float32_under_autocast(name: str) -> None:
    architecture = get_architecture(name)

    def halved(x: Tensor, *, side_outputs: bool = False) -> object:
        logits = torch.nn.functional.conv2d(x, torch.arange(6.0).view(2, 3, 1, 1) / 3)
        assert logits.dtype == torch.bfloat16
        sides = {f"side{index}": logits[:, :1] for index in range(6)}
        return (logits[:, :1], sides) if side_outputs else logits

    net: Any = halved
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        values = architecture.read_out(net, torch.rand(1, 3, 32, 32))
    assert values.dtype == torch.float32
    assert len(np.unique(values.numpy())) > 150  # more than there are in half precision


def test_only_networks_with_a_frame_of_their_own_leave_maps_in_it(name: str) -> None:
    architecture = get_architecture(name)
    expected = name.startswith(("pfan", "deepusps", "move"))
    assert (architecture.own_frame is not None) == expected
    if expected:
        assert SaliencyWork(architecture, own_frame=True).settings()["frame"] == "own"
        return
    with pytest.raises(UsageError, match="no frame of their own"):
        SaliencyWork(architecture, own_frame=True)


def test_what_is_no_number_becomes_no_map(name: str) -> None:
    for value in (np.nan, np.inf):
        values = np.full((32, 32), 0.5, np.float32)
        values[3, 4] = value
        with pytest.raises(DataError, match="no finite numbers"), np.errstate(invalid="ignore"):
            get_architecture(name).finish(values, (32, 32))


def test_steps_are_told_by_the_same_names(name: str) -> None:
    steps = {"resize", "read_out", "to_8_bit", "resize_back"}
    assert steps <= get_architecture(name).steps.keys()


@pytest.mark.parametrize("wrong", [0.0, float("nan"), float("inf")])
def test_normalisation_by_what_makes_no_numbers_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="cannot be normalised"):
        Normalisation((0, 0, 0), (1, wrong, 1))
    if wrong:
        with pytest.raises(UsageError, match="cannot be normalised"):
            Normalisation((0, wrong, 0), (1, 1, 1))


def test_norms(name: str) -> None:
    net = network(name)
    batch_norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {norm.eps for norm in batch_norms} <= {1e-5}
    layer_norms = {m.eps for m in net.modules() if isinstance(m, torch.nn.LayerNorm)}
    assert layer_norms == NORM_EPS.get(name, set())


def test_the_performer_divides_by_its_own_epsilon() -> None:
    from wsss_assets.models.backbones import t2t_vit

    assert t2t_vit.PERFORMER_EPS == 1e-8


def test_networks_are_made_ready_for_inference(name: str) -> None:
    assert not any(module.training for module in network(name).modules())


def test_what_is_said_of_it(name: str) -> None:
    architecture = get_architecture(name)
    assert architecture.name == name
    assert architecture.citation in citation_keys()
    assert architecture.reference.endswith(".")
    assert architecture.unknown is None or architecture.unknown.endswith(".")
    assert json.loads(json.dumps(architecture.settings())) == json.loads(
        json.dumps(copy.deepcopy(architecture).settings())
    )
    assert {"resize", "to_8_bit"} <= architecture.settings().keys()


def test_aliases_and_unknown_names() -> None:
    assert get_architecture("poolnet").name == "poolnet_resnet50"
    assert get_architecture("deepusps").name == "deepusps_drn_d_105"
    with pytest.raises(UnknownNameError, match="did you mean u2net"):
        create_model("u2nett")


sides = st.integers(1, 40) | st.integers(100, 125) | st.integers(200, 700) | st.just(2500)


@settings(max_examples=8, deadline=None)
@given(height=sides, width=sides)
def test_preparation_of_any_size(name: str, height: int, width: int) -> None:
    architecture = get_architecture(name)
    row = np.arange(width, dtype=np.uint8)
    photo = np.stack([np.broadcast_to(row, (height, width))] * 3, axis=-1)
    prepared = architecture.prepare(photo)
    assert prepared.dtype in (np.uint8, np.float32)
    assert prepared.shape == (3, *architecture.prepared_size(height, width))
    assert prepared.flags.c_contiguous


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (1, 1), (113, 40)])
def test_maps_of_odd_photos(name: str, size: tuple[int, int]) -> None:
    if name in ("poolnet_joint_resnet50", "poolnet_joint_vgg16", "deepusps_drn_d_105", "u2net"):
        pytest.skip("prepared as its smaller sibling")
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    found = map_of(get_architecture(name), network(name), photo)
    assert found.shape == size
    assert found.dtype == np.uint8


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("name", ["u2netp", "poolnet_vgg16"])
def test_maps_of_plain_photos(name: str, value: int) -> None:
    photo = np.full((120, 130, 3), value, np.uint8)
    assert map_of(get_architecture(name), network(name), photo).shape == (120, 130)


def test_preparing_needs_no_torch() -> None:
    program = (
        "import pickle, sys; import numpy as np\n"
        "prepare = pickle.loads(sys.stdin.buffer.read())\n"
        "prepare(np.zeros((40, 50, 3), np.uint8))\n"
        "assert 'torch' not in sys.modules"
    )
    for name in NAMES:
        subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(get_architecture(name).prepare),
            check=True,
        )


def test_vst_sees_one_size_only() -> None:
    with pytest.raises(UsageError, match="224"):
        network("vst")(torch.zeros(1, 3, 256, 256))
