"""What decides the bytes of a map, all of it, in one value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wsss_assets import __version__
from wsss_assets.regenerate.device import Runner
from wsss_assets.storage.pictures import PILLOW_VERSION
from wsss_assets.storage.stamps import read_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.catalog.records import LoadedWeights
    from wsss_assets.models.onnx_settings import OnnxSettings
    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.work import Work

__all__ = ["IMAGES", "Job"]

IMAGES = "images"
"""What a stamp calls the folder of photos, which is no setting: it decides no byte of a map."""


@dataclass(frozen=True)
class Job:
    """What is made, with which weights, where and how exactly.

    Attributes:
        work: what is made.
        weights: names and digests of the files of weights.
        paths: where these files are.
        device: where it runs; only its type counts.
        precision: how exactly.
        compiled: whether torch compiles the network.
        batch_size: photos at once.
        onnx: of an ONNX network, what its file does not say.
    """

    work: Work
    weights: tuple[LoadedWeights, ...]
    paths: tuple[Path, ...]
    device: torch.device
    precision: Precision
    compiled: bool
    batch_size: int
    onnx: OnnxSettings | None = None

    def settings(self) -> dict[str, Any]:
        """All of it, for the stamp of a folder and the record; JSON types only."""
        settings = {
            "made_by": "wsss-assets regenerate",
            "version": __version__,
            **_versions(self.device.type),
            "work": self.work.settings(),
            "weights": [one.sha256 for one in self.weights],
            "device": self.device.type,
            "precision": self.precision,
            "channels_last": Runner.layout(self.device.type, self.precision),
            "compiled": self.compiled,
            "batch_size": self.batch_size,
            **({} if self.onnx is None else {"onnx": self.onnx.as_dict()}),
        }
        return dict(json.loads(json.dumps(settings)))

    def fingerprint(self) -> str:
        """A digest of it."""
        text = json.dumps(self.settings(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_begun_in(self, folder: Path) -> Job:
        """The same job with the batch size of a folder that differs from it in nothing else.

        Whether its maps are of other photos is not asked here.
        """
        stamp, settings = dict(read_stamp(folder) or {}), self.settings()
        stamp.pop(IMAGES, None)
        begun = stamp.get("batch_size")
        if not isinstance(begun, int) or {**stamp, "batch_size": self.batch_size} != settings:
            return self
        return replace(self, batch_size=begun)


def _versions(device_type: str) -> dict[str, str]:
    """Versions of the programs that have a part in a map."""
    found = {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "pillow": PILLOW_VERSION,
    }
    if device_type == "cuda":
        found["cuda"] = str(torch.version.cuda)
        found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return found
