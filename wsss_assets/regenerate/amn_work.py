"""AMN's maps: made with seeds that are files of their own, or without, under another name."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from wsss_assets.errors import ImageFormatError, MissingFileError, SizeMismatchError
from wsss_assets.models.delivering import strided_size
from wsss_assets.models.views import views
from wsss_assets.regenerate.activation_work import ActivationWork
from wsss_assets.storage.label_maps import read_label
from wsss_assets.storage.receipts import files_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from torch import nn

    from wsss_assets.devkit.image_labels import Classes
    from wsss_assets.models.protocols import Afterwards
    from wsss_assets.regenerate.work import Arrays, Prepare
    from wsss_assets.storage.images import UInt8

__all__ = ["FALLBACKS", "SEEDS", "AmnWork", "Fallback"]

Fallback: TypeAlias = Literal["plain", "stretched"]

SEEDS = (
    "seeds are label maps <image id>.png that IRN has refined (0 background, class + 1, 255 "
    "unsure); the authors publish theirs as ir_label on Google Drive, "
    "1N8lQsnqaKPOSVtuI-MCDeQxp-d9wHx5F for VOC, 1mI9S6ZVtI6ZqdkvYsXsBb6RMkBn09gWV for COCO"
)
"""What they are and where they lie, for errors."""

_NAMES: dict[Fallback, tuple[str, str]] = {
    "plain": ("amn_unstretched", "probabilities as they are"),
    "stretched": ("amn_stretched_everywhere", "probabilities stretched to 0..1 everywhere"),
}
FALLBACKS: dict[str, Fallback] = {name: without for without, (name, _) in _NAMES.items()}
"""What is made without seeds, by the name under which it is recorded."""

_UNSURE = 255


@dataclass(frozen=True, kw_only=True)
class AmnWork(ActivationWork):
    """AMN's maps, or what can be made of its network without seeds.

    Attributes:
        seeds: folder of `<image id>.png`; None: `without` says what is done instead.
        without: `plain` or `stretched`; the record then has another model's name.
        dropout: the seed of dropout, which the authors' code leaves on; None: off.
    """

    seeds: Path | None = None
    without: Fallback = "plain"
    dropout: int | None = None

    @property
    def title(self) -> str:
        """See `Work`."""
        if self.seeds is not None:
            return self.method.title
        return f"the network of AMN without its seeds, {_NAMES[self.without][1]}"

    @property
    def prepare(self) -> Prepare:
        """See `Work`."""
        more = _More(self.seeds, self.num_classes, self.dropout)
        return self.shown(partial(views, protocol=self.protocol), more)

    def settings(self) -> dict[str, Any]:
        """See `Work`."""
        settings = super().settings()
        if self.seeds is None:
            settings["model"] = _NAMES[self.without][0]
        return {**settings, "seeds": self.seeds is not None, "official_dropout": self.dropout}

    def version(self, image_id: str) -> str:
        """See `Work`: its classes and its seed."""
        version = super().version(image_id)
        if self.seeds is None or not self.labels[image_id]:
            return version
        try:
            return f"{version}\nseed {files_version([_seed(self.seeds, image_id)])}"
        except FileNotFoundError:
            raise MissingFileError(f"no seed {_seed(self.seeds, image_id)}", hint=SEEDS) from None

    def maps(
        self,
        net: nn.Module,
        arrays: Sequence[torch.Tensor],
        labels: torch.Tensor,
        size: tuple[int, int],
    ) -> tuple[torch.Tensor, ...]:
        """See `ActivationWork`; with dropout image by image, each with a chance of its own."""
        import torch

        shown = list(arrays)
        chances = None if self.dropout is None else shown.pop().flatten().tolist()
        seeds = None if self.seeds is None else shown.pop()
        if chances is None:
            return self.by_protocol(net, shown, labels, size, *self._afterwards(seeds))
        found = []
        for place, chance in enumerate(chances):
            alone: Any = copy.copy(net)  # of the same weights; several threads run the network
            alone.generator = torch.Generator(labels.device).manual_seed(chance)
            rows = slice(place, place + 1)
            afterwards = self._afterwards(None if seeds is None else seeds[rows])
            views = [one[rows] for one in shown]
            found.append(self.by_protocol(alone, views, labels[rows], size, *afterwards))
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

    def _afterwards(self, seeds: torch.Tensor | None) -> tuple[Afterwards, Afterwards]:
        """What is done last of all, at the size of the photos and at that of the smaller maps."""
        from torch.nn.functional import interpolate

        if seeds is None:
            return partial(self._last, None), partial(self._last, None)
        height, width = seeds.shape[-2:]
        small = interpolate(seeds[:, None].float(), strided_size((height, width)))[:, 0]
        return partial(self._last, seeds), partial(self._last, small)

    def _last(self, seeds: torch.Tensor | None, maps: torch.Tensor, place: int) -> torch.Tensor:
        """Maps of an image, by its seed or without."""
        from wsss_assets.models import amn

        if seeds is not None:
            return amn.balanced(maps, seeds[place])
        if self.without == "plain":
            return amn.not_amn_unstretched(maps)
        return amn.not_amn_stretched_everywhere(maps)


@dataclass(frozen=True)
class _More:
    """Of an image its seed, uint8 (H, W), and the seed of its dropout, int64 (1,)."""

    seeds: Path | None
    num_classes: int
    dropout: int | None

    def __call__(self, photo: UInt8, image_id: str, _classes: Classes) -> Arrays:
        found: list[Any] = []
        if self.seeds is not None:
            found.append(self._read(_seed(self.seeds, image_id), photo.shape[:2]))
        if self.dropout is not None:
            digest = hashlib.sha256(f"{self.dropout}/{image_id}".encode()).digest()
            found.append(np.array([int.from_bytes(digest[:7], "big")], np.int64))
        return tuple(found)

    def _read(self, path: Path, size: tuple[int, ...]) -> UInt8:
        seed = read_label(path)
        if seed.shape != size:
            raise SizeMismatchError(
                f"{path} is not of the size of its photo",
                expected="×".join(map(str, size[::-1])),
                found="×".join(map(str, seed.shape[::-1])),
            )
        strange = np.setdiff1d(seed, [*range(self.num_classes + 1), _UNSURE])
        if strange.size:
            raise ImageFormatError(
                f"{path} holds values that are no class",
                expected=f"0..{self.num_classes} and {_UNSURE}",
                found=", ".join(map(str, strange[:10])),
            )
        return np.ascontiguousarray(seed)


def _seed(folder: Path, image_id: str) -> Path:
    return folder / f"{image_id}.png"
