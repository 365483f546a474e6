"""On a GPU: `pytest -m cuda` holds it to the CPU, to itself, and to what it does when it is full.

None of it is run where there is no GPU. Weights are drawn, so nothing is fetched.
"""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from tests import activation_toys, toys
from tests.test_regenerate import COUNT, Photos
from tests.test_regenerate_processes import command, has_made, maps, started, wait
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.models import get_architecture, get_method, list_models
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.regenerate.amn_work import AmnWork
from wsss_assets.regenerate.attribution_work import AttributionWork, attributed
from wsss_assets.regenerate.device import Runner, device_name
from wsss_assets.regenerate.torch_settings import torch_settings
from wsss_assets.regenerate.work import SaliencyWork
from wsss_assets.storage.images import read_map

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.work import Work

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("default"),  # of libraries that only a GPU loads
]

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
GIB = 1 << 30
SIDES = {"vst": 224, "poolnet": 160}
LABELS = ImageLabels({"a": (3,), "b": (0, 19)}, "written here")


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path)


def values(
    work: Work,
    inputs: tuple[np.ndarray[Any, Any], ...],
    device: torch.device,
    precision: Precision = "fp32",
    *,
    compiled: bool = False,
) -> list[np.ndarray[Any, Any]]:
    """What a network of weights drawn by a seed gives, photo by photo."""
    torch.manual_seed(0)
    with Runner.open(work, (), device, precision, compiled=compiled, lanes=1) as runner:
        buffers = []
        for array in inputs:
            tensor = torch.from_numpy(array)
            buffers.append(runner.buffer(tuple(tensor.shape), tensor.dtype).copy_(tensor))
        outputs = runner(tuple(buffers))
        found = [outputs.of(place) for place in range(len(inputs[0]))]
        return [np.array(one) for parts in found for one in parts]


def pixels(side: int, count: int = 2) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8)


def saliency(name: str) -> tuple[Work, tuple[np.ndarray[Any, Any], ...]]:
    return SaliencyWork(get_architecture(name)), (pixels(SIDES.get(name.partition("_")[0], 128)),)


def activation(
    work: ActivationWork, size: tuple[int, int] = (60, 80)
) -> tuple[Work, tuple[np.ndarray[Any, Any], ...]]:
    generator = np.random.default_rng(0)
    prepare = work.prepare
    rows = [prepare(generator.integers(0, 256, (*size, 3), np.uint8), one) for one in LABELS]
    return work, tuple(np.stack(one) for one in zip(*rows, strict=True))


def by_method(name: str) -> tuple[Work, tuple[np.ndarray[Any, Any], ...]]:
    known: dict[str, Any] = {"method": get_method(name), "num_classes": 20, "labels": LABELS}
    return activation(AmnWork(**known) if name == "amn" else ActivationWork(**known))


def by_attribution(how: Any) -> tuple[Work, tuple[np.ndarray[Any, Any], ...]]:  # noqa: ANN401
    settings = AttributionSettings(method=how, crops=2, size=64, copies=4, steps=4, smoothing=2.0)
    method = attributed("irn_cam", settings)
    return activation(AttributionWork(method=method, num_classes=20, labels=LABELS))


ATTRIBUTIONS = ("gradient", "smoothgrad", "grad_cam")
ALL = {
    **{name: partial(saliency, name) for name in list_models("saliency")},
    **{name: partial(by_method, name) for name in list_models("activation") if name != "mcis"},
    **{name: partial(by_attribution, name) for name in ATTRIBUTIONS},
}


# Numbers


def test_products_of_float32_are_those_of_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(512, 512, generator=generator) for _ in range(2))
    image = torch.randn(1, 64, 32, 32, generator=generator)
    kernel = torch.randn(64, 64, 3, 3, generator=generator)

    def errors(*, tf32: bool) -> list[float]:
        with torch_settings(GPU, tf32=tf32):
            product = (x.to(GPU) @ w.to(GPU)).cpu().double()
            convolved = torch.conv2d(image.to(GPU), kernel.to(GPU)).cpu().double()
        wanted = x.double() @ w.double(), torch.conv2d(image.double(), kernel.double())
        pairs = zip((product, convolved), wanted, strict=True)
        return [float((one - other).abs().max() / other.std()) for one, other in pairs]

    assert max(errors(tf32=False)) < 2e-5
    if torch.cuda.get_device_capability(GPU) >= (8, 0):
        assert min(errors(tf32=True)) > 1e-4


@pytest.mark.parametrize("name", ALL)
def test_a_gpu_gives_what_the_cpu_gives_and_the_same_each_time(name: str) -> None:
    work, inputs = ALL[name]()
    expected = values(work, inputs, CPU)
    found, again = values(work, inputs, GPU), values(work, inputs, GPU)
    assert len(found) == len(expected)
    for one, other, twin in zip(found, expected, again, strict=True):
        assert one.dtype == np.float32
        scale = max(float(np.abs(other).max()), 1e-6)
        assert np.abs(one - other).mean() < 5e-4 * scale
        assert np.quantile(np.abs(one - other), 0.99) < 1e-2 * scale
        if name not in ATTRIBUTIONS:  # a GPU may add gradients up in another order
            np.testing.assert_array_equal(one, twin)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["u2netp", "vst", "move", "deepusps_drn_d_22", "l2g", "amn"])
def test_approximations_are_near(name: str, precision: Precision) -> None:
    work, inputs = ALL[name]()
    exact, rough = values(work, inputs, GPU), values(work, inputs, GPU, precision)
    for one, other in zip(rough, exact, strict=True):
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert np.abs(one - other).mean() < 0.05 * max(float(np.abs(other).max()), 1e-6)


@pytest.mark.parametrize("name", ["u2netp", "poolnet_vgg16"])
def test_a_compiled_network(name: str) -> None:
    pytest.importorskip("triton")
    work, inputs = ALL[name]()
    expected, found = values(work, inputs, GPU), values(work, inputs, GPU, compiled=True)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() < 1e-3


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_another_gpu_alone_is_used() -> None:
    work, inputs = ALL["u2netp"]()
    second = torch.device("cuda", 1)
    before = torch.cuda.memory_allocated(GPU)
    torch.cuda.reset_peak_memory_stats(GPU)
    found = values(work, inputs, second)
    assert torch.cuda.max_memory_allocated(GPU) == before
    if device_name(GPU) == device_name(second):
        for one, other in zip(found, values(work, inputs, GPU), strict=True):
            np.testing.assert_array_equal(one, other)


# Runs


def test_maps_of_a_run(photos: Photos) -> None:
    photos.run(device="cpu", out="cpu")
    assert photos.run(device="cuda", workers=2).written == COUNT
    assert photos.record().devices == {device_name(GPU): COUNT}
    for image_id in photos.ids:
        one, other = (
            read_map(photos.root / out / f"{image_id}.png").astype(int) for out in ("cpu", "out")
        )
        assert np.abs(one - other).max() <= 1


def test_a_batch_that_does_not_fit_is_halved(photos: Photos) -> None:
    """Each photo takes a gibibyte besides, of which there are less than four."""

    def greedy(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        taken = torch.empty((len(x), GIB), dtype=torch.uint8, device=x.device)
        return toys.read_out(net, x) + taken[0, 0] * 0

    photos.run(device="cuda", batch_size=2, out="pairs")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(3.5 * GIB / total, GPU)
    try:
        summary = photos.run(toys.toy(read_out=greedy), device="cuda", batch_size=8)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert summary.written == COUNT
    assert photos.record().smallest_batch == 2
    assert torch.cuda.memory_allocated(GPU) < GIB
    for image_id in photos.ids:
        one, other = (
            read_map(photos.root / out / f"{image_id}.png").astype(int) for out in ("pairs", "out")
        )
        assert np.abs(one - other).max() <= 1


def test_activation_maps_of_a_run(photos: Photos) -> None:
    from wsss_assets.regenerate import ActivationOptions, regenerate

    labels = ImageLabels({one: (at % 19, 19) for at, one in enumerate(photos.ids)}, "written here")
    weights = activation_toys.write_weights(photos.root / "cam.pth")
    for device in ("cpu", "cuda"):
        summary = regenerate(
            activation_toys.TOY_CAM,
            photos.folder,
            photos.root / device,
            weights=[weights],
            device=device,
            workers=0,
            activation=ActivationOptions(labels=labels),
        )
        assert summary.written == COUNT
    names = sorted(photos.maps("cpu"))
    assert names == sorted(photos.maps("cuda"))
    for name in names:
        one, other = (
            read_map(photos.root / device / name).astype(int) for device in ("cpu", "cuda")
        )
        assert np.abs(one - other).max() <= 1


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in maps(out)}


def on_gpu(root: Path, out: Path) -> list[str]:
    arguments = command(root, out, "--workers=1")
    return ["--device=cuda:0" if one == "--device=cpu" else one for one in arguments]


def test_two_processes_on_one_gpu_and_a_killed_run(photos: Photos, tmp_path: Path) -> None:
    one, two, killed = (tmp_path / name for name in ("one", "two", "killed"))
    with started(on_gpu(photos.root, one), tmp_path / "pids", 0) as process:
        assert process.wait(120) == 0, process.communicate()[1]
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    with started([*launcher, *on_gpu(photos.root, two)], tmp_path / "pids_2", 0) as process:
        assert process.wait(180) == 0, process.communicate()[1]
    assert len(files(one)) == COUNT
    assert files(two) == files(one)
    with started(on_gpu(photos.root, killed), tmp_path / "pids_3", 0.5) as process:
        wait(has_made(killed, 2), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(files(killed)) < COUNT
    with started(on_gpu(photos.root, killed), tmp_path / "pids_4", 0) as process:
        assert process.wait(120) == 0, process.communicate()[1]
    assert files(killed) == files(one)
