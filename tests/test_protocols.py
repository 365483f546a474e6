"""The executor of test protocols against a plain loop: one photo, one view, all channels.

The loop goes by the methods' own scripts: every view alone, enlarged with all its channels, turned
back when it has its final size, and added in order. Networks are toys of a few weights.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from wsss_assets.errors import DataError, UsageError
from wsss_assets.models import (
    amn,
    cam,
    delivering,
    drs,
    edam,
    eps,
    irn_cam,
    l2g,
    oaa,
    protocols,
    resizing,
)
from wsss_assets.models.activation import (
    ActivationMethod,
    Protocol,
    photos_and_labels,
)
from wsss_assets.models.architecture import IMAGENET
from wsss_assets.models.views import view_sizes, views
from wsss_assets.storage.activation_dicts import read_activation_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Photo = NDArray[np.uint8]

CLASSES = 5
TOLERANCE = 1e-6

PROTOCOLS: dict[str, Protocol] = {
    one.name: one.protocol
    for file in (amn, cam, drs, edam, eps, irn_cam, l2g, oaa)
    for one in file.METHODS
    if one.protocol is not None
} | {
    "greatest_of_flips": Protocol(sizes=(1.0, 0.5), merged="maximum", divided=False),
    "views_divided": Protocol(scores="relu", view_eps=1e-3, merged="mean", divided=False),
    "bicubic_multiples": Protocol(
        enlarged="bicubic", to_multiple=7, flips_meet="network", clipped=True
    ),
    "softmax_twice": Protocol(scores="softmax", channels="softmax", background="last"),
    "mean_of_one": Protocol(
        views="shorter_side", sizes=(13,), enlarged="none", merged="mean", scores="relu"
    ),
}

POSITIVE = ("cam", "edam", "irn_cam")
"""Methods whose networks end with a ReLU or the like."""

each_protocol = pytest.mark.parametrize("name", PROTOCOLS)
few = settings(max_examples=5, deadline=None, derandomize=True)
photo_sizes = st.tuples(st.integers(8, 33), st.integers(8, 33))
label_rows = st.lists(st.booleans(), min_size=CLASSES, max_size=CLASSES)
batches = st.lists(label_rows, min_size=1, max_size=3)
seeds = st.integers(0, 2**32 - 1)


class Toy(nn.Module):
    """Two convolutions, of stride 4 in all; it keeps how many pixels it was shown at a time.

    The mean of each map is zero, so that none has a maximum next to zero, by which the last bits
    would be enlarged.

    Args:
        channels: of its maps.
        conditioned: whether it is told which classes there are.
        positive: whether its maps have passed a ReLU.
    """

    def __init__(self, channels: int, *, conditioned: bool = False, positive: bool = False) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(channels)
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.second = nn.Conv2d(6, channels, 3, stride=2, padding=1)
        self.condition = nn.Linear(CLASSES, 6) if conditioned else None
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random) / 2
        self.positive = positive
        self.shown: list[int] = []
        self.eval()

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        self.shown.append(x.shape[0] * x.shape[2] * x.shape[3])
        x = torch.tanh(self.first(x))
        if self.condition is not None and labels is not None:
            x = x * self.condition(labels)[:, :, None, None]
        maps: torch.Tensor = self.second(x)
        maps = maps - maps.mean((2, 3), keepdim=True)
        return maps.relu() if self.positive else maps


def toy(name: str) -> tuple[Toy, ActivationMethod]:
    """A network and a method with one of the protocols."""
    protocol = PROTOCOLS[name]
    method = replace(
        cam.METHODS[0], name=name, normalisation={CLASSES: IMAGENET}, protocol=protocol
    )
    if name == "amn":
        method = replace(method, read_out=photos_and_labels)
    net = Toy(
        CLASSES + (protocol.background is not None),
        conditioned=name == "amn",
        positive=name in POSITIVE,
    )
    return net, method


def noise(size: tuple[int, int], count: int, seed: int) -> list[Photo]:
    """Photos that are smooth enough to have maps with peaks."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 5, 5, 3), np.uint8)
    return [resizing.pillow(one, size, "bilinear") for one in small]


def inputs_of(photos: Sequence[Photo], protocol: Protocol) -> list[torch.Tensor]:
    shown = [views(photo, protocol) for photo in photos]
    return [torch.from_numpy(np.stack(one)) for one in zip(*shown, strict=True)]


def maps_of(
    name: str,
    photos: Sequence[Photo],
    labels: torch.Tensor,
    most_pixels: int = protocols.MOST_PIXELS,
) -> list[dict[int, NDArray[np.float32]]]:
    net, method = toy(name)
    inputs = inputs_of(photos, PROTOCOLS[name])
    size = photos[0].shape[:2]
    return delivering.by_image(
        protocols.class_maps(net, inputs, labels, size, method, most_pixels=most_pixels), labels
    )


def pictures(photo: Photo, protocol: Protocol) -> Iterator[torch.Tensor]:
    """Normalised float32 (1, 3, h, w), one view after the other."""
    image = Image.fromarray(photo)
    width, height = image.size
    if protocol.views == "squares":
        square = normalised(image.resize((protocol.square,) * 2, Image.Resampling.BILINEAR))
        for side in protocol.sizes:
            yield F.interpolate(square, (int(side),) * 2, mode="bilinear")
    elif protocol.views == "shorter_side":
        short = protocol.sizes[0]
        wide = width >= height
        long = round(max(width, height) * short / min(width, height))
        size = (long, int(short)) if wide else (int(short), long)
        yield normalised(image.resize(size, Image.Resampling.BICUBIC))
    else:
        for scale in protocol.sizes:
            size = (int(np.round(width * scale)), int(np.round(height * scale)))
            yield normalised(image.resize(size, Image.Resampling.BICUBIC))


def normalised(image: Image.Image) -> torch.Tensor:
    values = (np.asarray(image) / 255 - IMAGENET.mean) / IMAGENET.std
    return torch.from_numpy(values.astype(np.float32).transpose(2, 0, 1)[None])


def plain_maps(
    net: Toy, photo: Photo, labels: torch.Tensor, protocol: Protocol, size: tuple[int, int]
) -> dict[int, NDArray[np.float32]]:
    """Maps of the present classes of one photo, step by step; `labels` bool (classes,)."""
    every = []
    for x in pictures(photo, protocol):
        shown = [x, x.flip(-1)] if protocol.flips else [x]
        outputs = [net(one, labels[None].float()) for one in shown]
        if protocol.scores == "softmax":
            outputs = [one.softmax(1) for one in outputs]
        if protocol.scores == "relu":
            outputs = [one.relu() for one in outputs]
        if protocol.flips and protocol.flips_meet == "network":
            both = torch.stack([outputs[0], outputs[1].flip(-1)])
            outputs = [both.sum(0) if protocol.flips_as == "sum" else both.mean(0)]
        for turned, one in enumerate(outputs):
            large = plain_enlarged(one, size, protocol)
            large = large.flip(-1) if turned else large
            if protocol.view_eps is not None:
                large = large / (large.amax((2, 3), keepdim=True) + protocol.view_eps)
            every.append(large[0])
    stacked = torch.stack(every)
    if protocol.merged == "maximum":
        total = torch.cat([torch.zeros_like(stacked[:1]), stacked]).amax(0)
    else:
        total = stacked.sum(0) if protocol.merged == "sum" else stacked.mean(0)
    if protocol.channels == "softmax":
        total = total.softmax(0)
    if protocol.clipped:
        total[total < 0] = 0
    if protocol.divided:
        total = total / (total.amax((1, 2), keepdim=True) + protocol.eps)
    first = 1 if protocol.background == "first" else 0
    present = labels.nonzero()[:, 0].tolist()
    return {index: total[first + index].detach().numpy() for index in present}


def plain_enlarged(maps: torch.Tensor, size: tuple[int, int], protocol: Protocol) -> torch.Tensor:
    if protocol.enlarged == "none":
        return maps
    step = protocol.to_multiple
    larger = tuple(int(np.ceil(side / step)) * step for side in size)
    corners = protocol.align_corners
    maps = F.interpolate(maps, larger, mode=protocol.enlarged, align_corners=corners)
    return maps[:, :, : size[0], : size[1]]


def assert_same(
    found: dict[int, NDArray[np.float32]], expected: dict[int, NDArray[np.float32]]
) -> None:
    assert list(found) == list(expected)
    for index, values in expected.items():
        assert found[index].shape == values.shape
        assert found[index].dtype == np.float32
        assert np.abs(found[index] - values).max() <= TOLERANCE * max(1, np.abs(values).max())


@each_protocol
@few
@given(photo_sizes, batches, seeds)
def test_as_a_plain_loop(
    name: str, size: tuple[int, int], rows: list[list[bool]], seed: int
) -> None:
    photos, labels = noise(size, len(rows), seed), torch.tensor(rows)
    found = maps_of(name, photos, labels)
    assert len(found) == len(photos)
    net, method = toy(name)
    assert method.protocol is not None
    for photo, present, maps in zip(photos, labels, found, strict=True):
        assert_same(maps, plain_maps(net, photo, present, method.protocol, size))


@each_protocol
@few
@given(photo_sizes, seeds)
def test_batches_and_their_parts_change_nothing(
    name: str, size: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    photos, labels = noise(size, 3, seed), torch.from_numpy(rng.random((3, CLASSES)) < 0.5)
    whole = maps_of(name, photos, labels)
    for most_pixels in (1, 3 * size[0] * size[1]):
        for found, expected in zip(
            maps_of(name, photos, labels, most_pixels=most_pixels), whole, strict=True
        ):
            assert_same(found, expected)
    for photo, present, expected in zip(photos, labels, whole, strict=True):
        (alone,) = maps_of(name, [photo], present[None])
        assert_same(alone, expected)


@pytest.mark.parametrize("name", sorted(set(PROTOCOLS) - {"amn"}))
def test_other_classes_change_nothing(name: str) -> None:
    photos = noise((19, 23), 2, 0)
    everything = maps_of(name, photos, torch.ones(2, CLASSES, dtype=torch.uint8))
    some = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=torch.uint8)
    for found, all_of_them in zip(maps_of(name, photos, some), everything, strict=True):
        assert_same(found, {index: all_of_them[index] for index in found})


@pytest.mark.parametrize("most_pixels", [1, 20 * 30, 5 * 20 * 30, 100 * 20 * 30])
def test_a_network_is_shown_no_more_than_it_may(most_pixels: int) -> None:
    net, method = toy("cam")
    inputs = inputs_of(noise((20, 30), 3, 0), PROTOCOLS["cam"])
    labels = torch.ones(3, CLASSES, dtype=torch.bool)
    protocols.class_maps(net, inputs, labels, (20, 30), method, most_pixels=most_pixels)
    largest_photo = 40 * 60
    assert max(net.shown) <= max(most_pixels, largest_photo)
    assert sum(net.shown) == 2 * 3 * sum(x.shape[2] * x.shape[3] for x in inputs)
    if most_pixels >= 6 * largest_photo:
        assert len(net.shown) == len(inputs)


@each_protocol
def test_photos_without_classes_are_not_shown(name: str) -> None:
    net, method = toy(name)
    photos = noise((12, 9), 3, 0)
    inputs = inputs_of(photos, PROTOCOLS[name])
    nothing = torch.zeros(3, CLASSES, dtype=torch.bool)
    scores = protocols.network_scores(net, inputs, nothing, method, background=True)
    maps = protocols.merged(scores, (12, 9))
    assert maps.shape == (0, 12, 9)
    assert net.shown == []
    assert delivering.by_image(maps, nothing) == [{}, {}, {}]
    nothing[1, 2] = True
    one = protocols.class_maps(net, inputs, nothing, (12, 9), method)
    assert [list(maps) for maps in delivering.by_image(one, nothing)] == [[], [2], []]
    alone, _ = toy(name)
    protocols.class_maps(alone, [x[1:2] for x in inputs], nothing[1:2], (12, 9), method)
    assert net.shown == alone.shown


def test_maps_of_zeros_stay_so() -> None:
    net, method = toy("edam")
    for parameter in net.parameters():
        parameter.data.zero_()
    inputs = inputs_of(noise((9, 12), 1, 0), PROTOCOLS["edam"])
    maps = protocols.class_maps(net, inputs, torch.ones(1, CLASSES), (9, 12), method)
    assert (maps == 0).all()


@pytest.mark.parametrize(("name", "at"), [("amn", 0), ("eps", -1), ("cam", None)])
def test_the_background_becomes_a_map_if_wanted(name: str, at: int | None) -> None:
    net, method = toy(name)
    photos = noise((16, 21), 2, 1)
    inputs = inputs_of(photos, PROTOCOLS[name])
    labels = torch.tensor([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]], dtype=torch.bool)
    without = protocols.class_maps(net, inputs, labels, (16, 21), method)
    scores = protocols.network_scores(net, inputs, labels, method, background=True)
    maps = protocols.merged(scores, (16, 21))
    extra = [] if at is None else [list(range(2, 3)), list(range(4, 5))]
    assert scores.counts == ([2, 1] if at is None else [3, 2])
    assert len(maps) == len(without) + len(extra)
    parts = [one if at is None else (one[1:] if at == 0 else one[:-1])
             for one in torch.split(maps, scores.counts)]  # fmt: skip
    assert torch.equal(torch.cat(parts), without)


def test_what_comes_afterwards_sees_every_image() -> None:
    """AMN's seeds, at both sizes; the second photo has no class."""
    net, method = toy("amn")
    size = (18, 27)
    photos = noise(size, 3, 2)
    labels = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    given_seeds = np.random.default_rng(0).integers(0, 2, (3, *size), np.uint8)

    def balanced(maps: torch.Tensor, place: int) -> torch.Tensor:
        height, width = maps.shape[1:]
        seen = resizing.pillow(given_seeds[place], (height, width), "nearest")
        return amn.balanced(maps, torch.from_numpy(seen))

    inputs = inputs_of(photos, PROTOCOLS["amn"])
    scores = protocols.network_scores(net, inputs, labels, method)
    for make, found_size in (
        (protocols.merged, size),
        (protocols.strided_maps, delivering.strided_size(size)),
    ):
        before = delivering.by_image(make(scores, size), labels)
        after = delivering.by_image(make(scores, size, afterwards=balanced), labels)
        assert [list(maps) for maps in after] == [[1, 4], [], [0]]
        for place in (0, 2):
            for index, values in after[place].items():
                assert values.shape == found_size
                sure = resizing.pillow(given_seeds[place], found_size, "nearest") == 0
                low, high = before[place][index].min(), before[place][index].max()
                stretched = (before[place][index] - low) / (high - low + 1e-5)
                expected = np.where(sure, before[place][index], stretched)
                assert np.abs(values - expected).max() <= TOLERANCE


@few
@given(photo_sizes, seeds)
def test_strided_maps_have_no_margin(size: tuple[int, int], seed: int) -> None:
    net, method = toy("irn_cam")
    labels = torch.tensor([[False, True, False, True, False]])
    photos = noise(size, 1, seed)
    scores = protocols.network_scores(net, inputs_of(photos, PROTOCOLS["irn_cam"]), labels, method)
    found = delivering.by_image(protocols.strided_maps(scores, size), labels)[0]
    small = ((size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)
    protocol = replace(PROTOCOLS["irn_cam"], to_multiple=1)
    assert_same(found, plain_maps(net, photos[0], labels[0], protocol, small))


def test_networks_are_left_as_they_were() -> None:
    net, method = toy("cam")
    inputs = inputs_of(noise((9, 12), 1, 0), PROTOCOLS["cam"])
    before = [x.clone() for x in inputs]
    maps = protocols.class_maps(net, inputs, torch.ones(1, CLASSES), (9, 12), method)
    assert not maps.requires_grad
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_does_not_fit_is_refused() -> None:
    net, method = toy("cam")
    inputs = inputs_of(noise((9, 12), 2, 0), PROTOCOLS["cam"])
    labels = torch.ones(2, CLASSES, dtype=torch.bool)
    size = (9, 12)
    with pytest.raises(UsageError, match="4 views"):
        protocols.class_maps(net, inputs[1:], labels, size, method)
    with pytest.raises(UsageError, match="1 rows of labels"):
        protocols.class_maps(net, inputs, labels[:1], size, method)
    with pytest.raises(UsageError, match="5 classes"):
        protocols.class_maps(net, inputs, labels[:, 1:], size, method)
    with pytest.raises(UsageError, match="executor of its own"):
        protocols.class_maps(net, inputs, labels, size, replace(method, protocol=None))
    with_background = replace(method, protocol=replace(PROTOCOLS["cam"], background="last"))
    with pytest.raises(UsageError, match="6 channels"):
        protocols.class_maps(net, inputs, labels, size, with_background)


def test_bytes_are_rounded_halves_to_even() -> None:
    values = np.array([[0.5, 1.5, 2.5, 254.5, -3, 300]], np.float32) / np.float32(255)
    found = delivering.to_bytes({3: values}, (1, 6), PROTOCOLS["cam"])
    assert list(found) == [3]
    assert found[3].dtype == np.uint8
    assert found[3].tolist() == [[0, 2, 2, 254, 0, 255]]


def test_bytes_are_truncated_and_then_enlarged() -> None:
    values = np.random.default_rng(0).random((7, 9), np.float32)
    small = np.floor(values * np.float32(255)).astype(np.uint8)
    tensor = torch.from_numpy(small).double()[None, None]
    cubic = F.interpolate(tensor, (31, 44), mode="bicubic")[0, 0].numpy()
    found = delivering.to_bytes({0: values}, (31, 44), PROTOCOLS["oaa"])[0]
    assert np.array_equal(found, np.clip(np.rint(cubic), 0, 255))


def test_no_bytes_are_made_of_what_is_no_number() -> None:
    values = np.zeros((2, 3), np.float32)
    values[1, 1] = np.nan
    with pytest.raises(DataError, match="NaN at 1 of 6"):
        delivering.to_bytes({4: values}, (2, 3), PROTOCOLS["cam"])


@pytest.mark.parametrize(("name", "keys"), [("irn_cam", [1, 4]), ("amn", [0, 2, 5])])
def test_dictionaries_are_read_by_the_package(name: str, keys: list[int], tmp_path: Path) -> None:
    net, method = toy(name)
    size = (17, 22)
    labels = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    inputs = inputs_of(noise(size, 2, 4), PROTOCOLS[name])
    behind = name == "amn"
    scores = protocols.network_scores(net, inputs, labels, method, background=behind)
    channels = torch.cat([labels.any(1, keepdim=True), labels], 1) if behind else labels
    high_res = delivering.by_image(protocols.merged(scores, size), channels)
    strided = delivering.by_image(protocols.strided_maps(scores, size), channels)
    found = delivering.irn_dictionary(high_res[0], strided[0])
    assert found["keys"].tolist() == keys
    assert found["high_res"].shape == (len(keys), 17, 22)
    assert found["cam"].shape == (len(keys), 5, 6)
    path = tmp_path / "maps.npy"
    np.save(path, np.array(found, dtype=object), allow_pickle=True)
    read = read_activation_dict(path, [1, 4])
    plain = delivering.by_image(protocols.class_maps(net, inputs, labels, size, method), labels)[0]
    written = delivering.to_bytes(plain, size, PROTOCOLS[name])
    assert all(np.array_equal(read[index], written[index]) for index in (1, 4))
    assert list(delivering.irn_dictionary(high_res[1], strided[1])) == ["keys"]


def test_sizes_of_views() -> None:
    scales = Protocol(sizes=(0.5, 1.0, 1.5, 2.0))
    assert view_sizes(127, 151, scales) == ((64, 76), (127, 151), (190, 226), (254, 302))
    assert view_sizes(1, 3, Protocol(sizes=(0.5,))) == ((1, 2),)
    shorter = Protocol(views="shorter_side", sizes=(224,))
    assert view_sizes(375, 500, shorter) == ((224, 299),)
    assert view_sizes(500, 333, shorter) == ((336, 224),)
    assert view_sizes(64, 17, replace(shorter, sizes=(8,))) == ((30, 8),)
    squares = Protocol(views="squares", square=320, sizes=(256, 320, 384))
    assert view_sizes(375, 500, squares) == ((320, 320),)


@each_protocol
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), seeds)
@settings(max_examples=10, deadline=None)
def test_views_have_the_sizes_foretold(name: str, size: tuple[int, int], seed: int) -> None:
    protocol = PROTOCOLS[name]
    (photo,) = noise(size, 1, seed)
    found = pickle.loads(pickle.dumps(partial(views, protocol=protocol)))(photo)  # noqa: S301
    assert tuple(one.shape for one in found) == tuple(
        (3, *one) for one in view_sizes(*size, protocol)
    )
    assert all(one.dtype == np.uint8 and one.flags.c_contiguous for one in found)
    if protocol.views == "scales":
        unchanged = found[protocol.sizes.index(1.0)]
        assert np.array_equal(unchanged, photo.transpose(2, 0, 1))


def test_views_need_no_torch() -> None:
    program = (
        "import sys, wsss_assets.models.views, wsss_assets.models.delivering;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
