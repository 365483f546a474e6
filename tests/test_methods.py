"""Every activation method against its authors' figures; a new one needs no word here."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.golden_weights import GOLDEN, Golden, golden_names, input_of
from wsss_assets.catalog.bibliography import citation_keys
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.storage.images import read_photo
from wsss_assets.storage.label_maps import read_label

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402, N812

from wsss_assets.models import create_model, get_method, list_models, load_weights  # noqa: E402
from wsss_assets.models.amn import balanced  # noqa: E402
from wsss_assets.models.architecture import IMAGENET  # noqa: E402
from wsss_assets.models.delivering import by_image, to_bytes  # noqa: E402
from wsss_assets.models.drs import Drs  # noqa: E402
from wsss_assets.models.mcis import SIDES, five_maps, merged  # noqa: E402
from wsss_assets.models.preparing import stretched  # noqa: E402
from wsss_assets.models.protocols import class_maps  # noqa: E402
from wsss_assets.models.resizing import opencv_cubic  # noqa: E402
from wsss_assets.models.views import views  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from wsss_assets.models.activation import ActivationMethod

FOLDER = GOLDEN / "activation"
NAMES = golden_names(FOLDER)
CLOSE = 1e-4
"""Absolute, or relative to the largest value of an array where that is above 1: DRS multiplies its
signals, and figures of its authors' own network differ by that much between float32 and float64."""


SLOW = {"cam", "edam", "eps", "l2g"}
"""Of these one photo is enough; they have a backbone in common, and eight views of each photo."""


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A method at a time, since a large network takes seconds to fill."""
    value: str = request.param
    return value


def method_of(name: str) -> ActivationMethod:
    return get_method("drs" if name == "drs_fixed055" else name)


@lru_cache(maxsize=1)
def network(name: str) -> nn.Module:
    if name == "drs_fixed055":  # a constructor's argument, and no method of its own
        return Drs(20, delta=0.55).eval()
    return create_model(name, num_classes=20)


def with_weights(name: str, one: Mapping[str, Any]) -> nn.Module:
    weights = Golden(name, FOLDER).weights(one)
    return load_weights(
        network(name), {key: torch.from_numpy(np.array(value)) for key, value in weights.items()}
    )


def multi_hot(classes: list[int]) -> Tensor:
    labels: Tensor = torch.zeros(1, 20, dtype=torch.bool)
    labels[:, classes] = True
    return labels


def test_every_method_has_references() -> None:
    with_another_name = {"oaa_classifier"}  # the network of `oaa`
    names = {method_of(name).name for name in NAMES}
    assert names == set(list_models("activation")) - with_another_name


def outputs_of(name: str, net: nn.Module, one: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the reference holds of a set, by its names."""
    x = torch.from_numpy(input_of(one))
    if name == "mcis":
        second = torch.from_numpy(input_of(one["second"]))
        (first, other), sides = net(x, second, side_outputs=True)
        return {"co1": first, "co2": other, **sides}
    if name == "amn":
        labels = multi_hot(one["labels"]).float()
        maps, sides = net(x, labels, side_outputs=True)
        straight, mirrored = net(torch.cat([x, x.flip(-1)]), labels.repeat(2, 1))
        return {"maps": maps, "flip_mean": (straight + mirrored.flip(-1)) / 2, **sides}
    maps, sides = net(x, side_outputs=True)
    torch.testing.assert_close(net(x), maps, rtol=0, atol=1e-6)
    straight, mirrored = net(torch.cat([x, x.flip(-1)]))
    enlarged = F.interpolate(maps, x.shape[-2:], mode="bilinear", align_corners=True)
    positive = F.interpolate(maps.relu(), x.shape[-2:], mode="bilinear", align_corners=True)
    return {
        "maps": maps,
        "flip_sum": straight + mirrored.flip(-1),
        "enlarged": enlarged,
        "normalised": positive / (positive.amax((2, 3), keepdim=True) + 1e-5),
        **sides,
    }


def test_outputs(name: str) -> None:
    golden = Golden(name, FOLDER)
    for one, facts in golden.sets.items():
        net = with_weights(name, facts)
        with torch.inference_mode():
            outputs = outputs_of(name, net, facts)
        compared = [apart(outputs, *sample) for sample in golden.outputs(one)]
        assert compared
        assert max(compared) <= CLOSE, (one, compared)


def apart(outputs: Mapping[str, Tensor], output: str, stride: int, expected: NDArray[Any]) -> float:
    """The largest difference from a sample, or from statistics."""
    key, _, what = output.partition(":")
    value = outputs[key]
    if what == "stats":
        exact = value.double()
        found = np.array(
            [exact.mean(), exact.std(unbiased=False), exact.norm(), exact.min(), exact.max()]
        )
        return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
    found = (value.mean((2, 3)) if what == "mean" else value).numpy()
    found = found[..., ::stride, ::stride] if stride > 1 else found
    assert found.shape == expected.shape, output
    return float(np.abs(found - expected).max() / max(1, np.abs(expected).max()))


def test_photos_to_maps(name: str) -> None:
    golden = Golden(name, FOLDER)
    if not golden.photo:
        pytest.skip("no reference of a whole path")
    net = with_weights(name, golden.photo)
    compared = 0
    for image, classes in golden.photo["labels"].items():
        if compared and name in SLOW:
            break
        expected = {one: golden.photo_map(f"{image}_{one}") for one in classes}
        if not any(values is not None for values in expected.values()):
            continue
        found = maps_of(name, net, image, golden.photo)
        assert found.keys() == set(classes)
        for one, values in expected.items():
            if values is not None:
                difference = np.abs(found[one][::3, ::3].astype(int) - values)
                assert (difference <= 1).mean() >= 0.995, (image, one)
                compared += 1
    assert compared


def maps_of(
    name: str, net: nn.Module, image: str, facts: Mapping[str, Any]
) -> dict[int, NDArray[np.uint8]]:
    photo = read_photo(FOLDER / f"input_{image}.png")
    size = (photo.shape[0], photo.shape[1])
    classes = facts["labels"][image]
    if name == "mcis":
        return mcis_maps(net, photo, facts["partners"], classes)
    method, labels = get_method(name), multi_hot(classes)
    assert method.protocol is not None
    inputs = [torch.from_numpy(view)[None] for view in views(photo, method.protocol)]
    seeds = FOLDER / f"input_{image}_irlabel.png"

    def against_seeds(maps: Tensor, _: int) -> Tensor:
        return balanced(maps, torch.from_numpy(read_label(seeds)))

    if name != "amn":
        maps = class_maps(net, inputs, labels, size, method)
        return to_bytes(by_image(maps, labels)[0], size, method.protocol)
    from wsss_assets.models.protocols import merged as merged_scores
    from wsss_assets.models.protocols import network_scores

    scores = network_scores(net, inputs, labels, method, background=True)
    maps = merged_scores(scores, size, afterwards=against_seeds)[1:]
    return to_bytes(by_image(maps, labels)[0], size, method.protocol)


def mcis_maps(
    net: Any,  # noqa: ANN401 (a network of two photos)
    photo: NDArray[np.uint8],
    partners: Mapping[str, list[str]],
    classes: list[int],
) -> dict[int, NDArray[np.uint8]]:
    def shown(one: NDArray[np.uint8], side: int) -> Tensor:
        return IMAGENET(torch.from_numpy(stretched(one, (side, side), "bilinear"))[None])

    others = {
        one: torch.cat(
            [shown(read_photo(FOLDER / f"input_{other}.png"), 256) for other in partners[str(one)]]
        )
        for one in classes
    }
    with torch.inference_mode():
        own, smaller, larger = (shown(photo, side) for side in SIDES)
        found = merged(five_maps(net, own, smaller, larger, others))
    size = (photo.shape[0], photo.shape[1])
    return {
        one: opencv_cubic(values.numpy().astype(np.uint8), size)
        for one, values in zip(classes, found, strict=True)
    }


def test_a_checkpoint_of_coco_fits() -> None:
    tried = 0
    for path in sorted((FOLDER / "keys80").glob("*.keys.txt")):
        name = path.name.split("_coco")[0]
        entries = [line.split() for line in path.read_text("utf-8").splitlines()]
        state = {
            key: torch.zeros(
                () if shape == "scalar" else tuple(map(int, shape.split("x"))),
                dtype=getattr(torch, dtype),
            )
            for key, shape, dtype in entries
        }
        load_weights(create_model(name, num_classes=80), state)
        tried += 1
    assert tried >= 4


def test_maps_of_a_batch_are_those_of_its_photos(name: str) -> None:
    if name not in ("irn_cam", "oaa"):
        pytest.skip("the protocol's executor is the same, and these networks are quick")
    method = get_method(name)
    assert method.protocol is not None
    generator = np.random.default_rng(3)
    photos = [generator.integers(0, 256, (60, 75, 3), np.uint8) for _ in range(2)]
    shown = [views(photo, method.protocol) for photo in photos]
    inputs = [torch.from_numpy(np.stack(view)) for view in zip(*shown, strict=True)]
    labels = torch.cat([multi_hot([3, 7]), multi_hot([19])])
    together = class_maps(network(name), inputs, labels, (60, 75), method)
    alone = [
        class_maps(network(name), [view[i : i + 1] for view in inputs], row[None], (60, 75), method)
        for i, row in enumerate(labels)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", list_models("activation"))
def test_what_is_said_of_it(name: str) -> None:
    method = get_method(name)
    assert method.citation in citation_keys()
    assert method.reference.endswith(".")
    assert method.unknown is None or method.unknown.endswith(".")
    assert method.normalisation.keys() >= set(method.classes)
    assert json.dumps(method.settings(20))


def test_names_and_numbers_of_classes() -> None:
    assert get_method("oaa_iam").name == "oaa"
    with pytest.raises(UsageError, match="expected 20"):
        create_model("edam", num_classes=80)
    with pytest.raises(UnknownNameError, match="did you mean"):
        create_model("epss")
