"""MOVE: Bielski & Favaro, Unsupervised Movable Object Segmentation and Detection, NeurIPS 2022.

A small convolutional head on features of DINO's ViT-S/8, which stays as its authors published it:
the weights come in two files.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from wsss_assets.errors import WeightsError
from wsss_assets.models import finishing, preparing
from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.backbones.vit import LAYER_NORM_EPS, VisionTransformer
from wsss_assets.models.tensors import Outputs, check_sides, probabilities

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from wsss_assets.models.checkpoints import StateDict
    from wsss_assets.storage.images import UInt8

__all__ = ["ARCHITECTURES", "Move"]

SIDE = 448
"""Of the shorter side of what it is shown, in pixels."""

LONGEST = 2048
"""Of the longer side; the authors set no bound by default."""

PATCH = 8
"""Sides are padded to multiples of this, in pixels."""

_DINO = "https://dl.fbaipublicfiles.com/dino/dino_deitsmall8_pretrain/dino_deitsmall8_pretrain.pth"
_MOVE = "https://github.com/adambielski/move-seg/releases/tag/move_model"
_WIDTH = 384
_BLOCKS = 11
"""Applied of the twelve: features are those of the last but one."""

_SEGMENTER = "segmenter."
_TRUNK = "segmenter.feature_extractor.model."
_FULL_DINO = "backbone."


class Move(nn.Module):
    """The network; inputs are of any size whose sides are multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.segmenter = _Segmenter()

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Logits of the foreground.

        Args:
            x: (N, 3, H, W), sides multiples of 8.
            side_outputs: also give what the head is shown.

        Returns:
            (N, 1, H, W), float32, and, if asked for, `features`, (N, 384, H / 8, W / 8).

        Raises:
            UsageError: a side is no multiple of 8.
        """
        check_sides(x, multiple_of=PATCH)
        features = self.segmenter.feature_extractor(x)
        logits = self.segmenter.segmenter_head(features).float()
        return (logits, {"features": features.float()}) if side_outputs else logits

    def adapted(self, state: StateDict) -> StateDict:
        """The trained part as MOVE's authors publish it, and DINO's file, in one.

        Keys of the trained part may lack `segmenter.`; what a checkpoint of training holds besides
        the segmenter (`mae_model.*` and the like) is left out. DINO's may begin with `backbone.`.

        Raises:
            WeightsError: one of the two is not there.
        """
        own = self.state_dict().keys()
        found = {self._own_key(key, own): value for key, value in state.items()}
        ours = {key: value for key, value in found.items() if key.startswith(_SEGMENTER)}
        trunk = any(key.startswith(_TRUNK) for key in ours)
        trained = any(not key.startswith(_TRUNK) for key in ours)
        if trunk and trained:
            return ours
        if trained:
            raise _one_part_alone("DINO's ViT-S/8, which MOVE's file leaves out", _DINO, own, ours)
        if trunk:
            raise _one_part_alone("MOVE's own file", _MOVE, own, ours)
        return found

    @staticmethod
    def _own_key(key: str, own: Collection[str]) -> str:
        """A key of either file by the network's; one that belongs to neither stays as it is."""
        candidates = (key, _SEGMENTER + key, _TRUNK + key, _TRUNK + key.removeprefix(_FULL_DINO))
        return next((one for one in candidates if one in own), key)


class _Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = _FeatureExtractor()
        self.segmenter_head = _Head()


class _FeatureExtractor(nn.Module):
    """DINO's tokens before its last block, by a norm of MOVE's own."""

    def __init__(self) -> None:
        super().__init__()
        self.model = VisionTransformer(width=_WIDTH)
        self.norm = nn.LayerNorm(_WIDTH, LAYER_NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) → (N, 384, H / 8, W / 8)."""
        tokens, (height, width) = self.model(x, _BLOCKS)
        patches: torch.Tensor = self.norm(tokens)[:, 1:]
        return patches.transpose(1, 2).reshape(len(x), -1, height, width)


class _Head(nn.Module):
    """Enlarged twofold three times, a convolution after each; then two more."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Sequential(nn.Upsample(scale_factor=2), *_convolution(_WIDTH, 192)),
            nn.Sequential(nn.Upsample(scale_factor=2), *_convolution(192, 128)),
            nn.Sequential(nn.Upsample(scale_factor=2), *_convolution(128, 128)),
            nn.Sequential(*_convolution(128, 128)),
            nn.Conv2d(128, 1, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 384, h, w) → (N, 1, 8 h, 8 w)."""
        logits: torch.Tensor = self.model(x)
        return logits


def _convolution(channels: int, out: int) -> tuple[nn.Module, ...]:
    # 0.01 and 1e-5 are torch's defaults for slope and epsilon.
    return (
        nn.Conv2d(channels, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.LeakyReLU(inplace=True),
    )


def _one_part_alone(part: str, where: str, own: Collection[str], found: StateDict) -> WeightsError:
    return WeightsError(
        "the weights of MOVE come in two files, and only one was given",
        expected=f"also {part}",
        done="nothing was loaded",
        hint=f"load_weights(net, move, dino), the missing one from {where}",
        missing=[key for key in own if key not in found],
    )


def finish(values: NDArray[np.float32], size: tuple[int, int], *, own_frame: bool = False) -> UInt8:
    """Cut off the padding, make bytes by truncation, enlarge them by Pillow's bilinear filter.

    Args:
        values: float32 (h, w) in 0..1, of the padded photo.
        size: (H, W) of the photo.
        own_frame: leave the map where its shorter side is 448, as the authors write it.

    Returns:
        uint8 (H, W), or of the authors' size.
    """
    height, width = preparing.shorter_side_size(*size, side=SIDE, most=LONGEST, least=PATCH)
    return finishing.truncated_bilinear(values[:height, :width], size, own_frame=own_frame)


ARCHITECTURES = (
    Architecture(
        name="move",
        title="MOVE, DINO ViT-S/8",
        citation="move",
        reference="The authors' PyTorch code, adambielski/move-seg, with DINO's.",
        unknown="The authors write maps at the size that the network is shown. The way back to the "
        "photo's size is that of their evaluation, Pillow's bilinear filter on bytes; how the maps "
        f"of WSSS-BED were resized is not stated. Photos whose longer side would exceed {LONGEST} "
        "pixels are made smaller than theirs would be, so that memory is bounded. Their optional "
        "bilateral solver is not applied.",
        build=Move,
        prepare=partial(preparing.shorter_side, side=SIDE, multiple=PATCH, most=LONGEST),
        prepared_size=partial(
            preparing.padded_shorter_side_size, side=SIDE, multiple=PATCH, most=LONGEST
        ),
        normalisation=IMAGENET,
        read_out=probabilities,
        finish=finish,
        own_frame=f"shorter side {SIDE}, longer side at most {LONGEST}, margins cut off",
        steps={
            "resize": f"Pillow bicubic, shorter side {SIDE}, longer side rounded down and at most "
            f"{LONGEST}",
            "pad": f"right and bottom to multiples of {PATCH}, by reflection",
            "read_out": "sigmoid, margins cut off",
            "to_8_bit": "255 p rounded down, before the map is resized",
            "resize_back": "bytes by Pillow bilinear to the photo's size",
        },
        batch=1,
    ),
)
