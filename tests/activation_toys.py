"""Small activation methods for tests of the runner, among them stand-ins for AMN and MCIS."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tests.toys import NORMALISATION, tell
from wsss_assets.models.activation import ActivationMethod, Protocol, photos_and_labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import nn

CLASSES = 20
SIZES = (0.5, 1.0, 2.0)
PROTOCOL = Protocol(views="scales", sizes=SIZES, flips=True, merged="sum", eps=1e-5)


def _filled(net: nn.Module) -> nn.Module:
    """The same weights each time."""
    import torch

    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return net


def _obey(x: torch.Tensor) -> None:
    import torch

    tell("running")
    time.sleep(float(os.environ.get("TOY_RUN_SECONDS", "0")) / 6)
    if len(x) > int(os.environ.get("TOY_FITS", "1000")):
        raise torch.OutOfMemoryError("as asked for")


@lru_cache(maxsize=1)
def _classes() -> dict[str, type[nn.Module]]:
    import torch
    from torch import nn

    from wsss_assets.models.amn import _dropped
    from wsss_assets.models.mcis import Mcis

    class ToyCam(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.last = nn.Conv2d(8, CLASSES, 3, stride=2, padding=1)

        def forward(self, x: torch.Tensor, side_outputs: bool = False) -> Any:  # noqa: ANN401
            _obey(x)
            maps = torch.relu(self.last(torch.relu(self.first(x))))
            return (maps, {"scores": 3 * (maps.mean((2, 3)) - 1)}) if side_outputs else maps

    class ToyAmn(nn.Module):
        generator: torch.Generator | None = None

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, stride=4, padding=1)
            self.label = nn.Linear(CLASSES, 8)
            self.last = nn.Conv2d(8, CLASSES + 1, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            features = torch.relu(self.first(x)) * self.label(labels)[..., None, None]
            if self.generator is not None:
                features = _dropped(features, self.generator)
            maps: torch.Tensor = self.last(features)
            return maps

    class ToyMcis(Mcis):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.vgg = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.ReLU())  # type: ignore[assignment]
            self.extra_linear_e = nn.Linear(6, 6, bias=False)
            self.extra_gate = nn.Conv2d(6, CLASSES, 1, bias=False)

    return {"cam": ToyCam, "amn": ToyAmn, "mcis": ToyMcis}


def build_cam(_classes_known: int = CLASSES) -> nn.Module:
    return _filled(_classes()["cam"]())


def build_amn(_classes_known: int = CLASSES) -> nn.Module:
    return _filled(_classes()["amn"]())


def build_mcis(_classes_known: int = CLASSES) -> nn.Module:
    return _filled(_classes()["mcis"]())


TOY_CAM = ActivationMethod(
    name="toy_cam",
    title="a toy with maps",
    citation="cam",
    reference="This file.",
    unknown="Nothing is known of a toy.",
    build=build_cam,
    normalisation={CLASSES: NORMALISATION},
    protocol=PROTOCOL,
)
TOY_OAA = replace(
    TOY_CAM,
    name="toy_oaa",
    protocol=Protocol(
        views="shorter_side",
        sizes=(24,),
        flips=False,
        scores="relu",
        enlarged="none",
        eps=1e-8,
        to_8_bit="truncate_then_cubic",
    ),
)
TOY_AMN = replace(
    TOY_CAM,
    name="amn",
    build=build_amn,
    read_out=photos_and_labels,
    protocol=replace(
        PROTOCOL,
        flips_meet="network",
        flips_as="mean",
        merged="mean",
        channels="softmax",
        divided=False,
        background="first",
    ),
)
TOY_MCIS = replace(TOY_CAM, name="mcis", build=build_mcis, protocol=None)

METHODS: Mapping[str, ActivationMethod] = {
    one.name: one for one in (TOY_CAM, TOY_OAA, TOY_AMN, TOY_MCIS)
}


def write_weights(path: Path, method: ActivationMethod = TOY_CAM) -> Path:
    """A toy's own weights as a checkpoint."""
    import torch

    torch.save(method.build(CLASSES).state_dict(), path)
    return path
