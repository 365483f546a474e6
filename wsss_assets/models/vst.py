"""The Visual Saliency Transformer (RGB): Liu et al., ICCV 2021.

Saliency and contours are read out of the tokens of a transformer by two tokens of their own, at
1/16, 1/8, 1/4 and full resolution; the last saliency map is the result.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.errors import UsageError
from wsss_assets.models import finishing, preparing
from wsss_assets.models.architecture import IMAGENET, Architecture
from wsss_assets.models.backbones.t2t_vit import (
    LAYER_NORM_EPS,
    SIDE,
    Performer,
    T2tVit,
    two_layers,
)
from wsss_assets.models.backbones.vit import TransformerBlock
from wsss_assets.models.tensors import Outputs, probabilities

__all__ = ["ARCHITECTURES", "Vst"]

_WIDTH = 384
_NARROW = 64
"""Width of tokens in the decoder's upsampling."""


class Vst(nn.Module):
    """The network; only for inputs of 224 × 224."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb_backbone = T2tVit()
        self.transformer = nn.ModuleDict({"encoderlayer": _Encoder(4, 6, norm="rgb_norm")})
        self.token_trans = _TaskTransformer()
        self.decoder = _Decoder()

    def forward(self, x: torch.Tensor, *, side_outputs: bool = False) -> Outputs:
        """Saliency logits.

        Args:
            x: (N, 3, 224, 224).
            side_outputs: also give the others, all logits.

        Returns:
            (N, 1, 224, 224), float32, and, if asked for, `saliency_1_16`, `saliency_1_8`,
            `saliency_1_4`, `contour_1_16`, `contour_1_8`, `contour_1_4`, `contour_1_1`, (N, 1, h,
            w) each.

        Raises:
            UsageError: the input has another size.
        """
        _check_size(x)
        tokens, eighth, quarter = self.rgb_backbone(x)
        tokens = self.token_trans(self.transformer["encoderlayer"](tokens))
        eighth = self.decoder.decoder1(tokens[:, 1:-1], eighth)
        finer = self.decoder.token_pre_1_8(tokens, eighth)
        quarter = self.decoder.decoder2(finer[:, 1:-1], quarter)
        finest = self.decoder.token_pre_1_4(finer, quarter)
        saliency = self.decoder.token_pre_1_4.saliency(finest)
        logits = _enlarged(self.decoder.decoder3.project, self.decoder.pre_1_1, saliency)
        if not side_outputs:
            return logits
        return logits, self._sides(tokens, finer, finest)

    def _sides(
        self, tokens: torch.Tensor, finer: torch.Tensor, finest: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """What the result does without, of the tokens at 1/16, 1/8 and 1/4."""
        decoder = self.decoder
        at_16 = decoder.coarse(
            self.token_trans.saliency_token_pre(tokens, 0),
            self.token_trans.contour_token_pre(tokens, -1),
        )
        at_8 = decoder.token_pre_1_8.saliency(finer), decoder.token_pre_1_8.contour(finer)
        at_4 = decoder.token_pre_1_4.saliency(finest), decoder.token_pre_1_4.contour(finest)
        return {
            "saliency_1_16": _square(decoder.pre_1_16(at_16[0])),
            "saliency_1_8": _square(decoder.pre_1_8(at_8[0])),
            "saliency_1_4": _square(decoder.pre_1_4(at_4[0])),
            "contour_1_16": _square(decoder.pre_1_16_c(at_16[1])),
            "contour_1_8": _square(decoder.pre_1_8_c(at_8[1])),
            "contour_1_4": _square(decoder.pre_1_4_c(at_4[1])),
            "contour_1_1": _enlarged(decoder.decoder3_c.project, decoder.pre_1_1_c, at_4[1]),
        }


class _Encoder(nn.Module):
    """Blocks and a norm, whose name differs from place to place."""

    def __init__(self, depth: int, heads: int, norm: str = "norm") -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(_WIDTH, heads, 3 * _WIDTH, eps=LAYER_NORM_EPS) for _ in range(depth)
        )
        self.add_module(norm, _norm(_WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (*self.blocks, *list(self.children())[1:]):
            x = layer(x)
        return x


class _TaskAttention(nn.Module):
    """Patches look at the token of one task: one weight each, by a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = _norm(_WIDTH)
        self.q = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.k = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.v = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, tokens: torch.Tensor, task: int) -> torch.Tensor:
        """(N, 1 + T + 1, C) and the place of the task's token, 0 or -1 → (N, T, C)."""
        normed = self.norm(tokens)
        token = normed[:, task].unsqueeze(1)
        scores = self.q(normed[:, 1:-1]) @ self.k(token).transpose(1, 2)
        found = torch.sigmoid(scores * _WIDTH**-0.5) * self.v(token)
        # What is added to is not normalised.
        out: torch.Tensor = tokens[:, 1:-1] + self.proj(found)
        return out


class _TaskTransformer(nn.Module):
    """Adds the two tokens of the tasks: saliency first, contour last."""

    def __init__(self) -> None:
        super().__init__()
        self.saliency_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.contour_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.norm = _norm(_WIDTH)
        self.mlp_s = two_layers(_WIDTH, _WIDTH, _WIDTH)
        self.encoderlayer = _Encoder(4, 6)
        self.saliency_token_pre = _TaskAttention()
        self.contour_token_pre = _TaskAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, 384) → (N, 1 + T + 1, 384)."""
        patches = self.mlp_s(self.norm(x))
        saliency, contour = (
            token.expand(len(x), -1, -1) for token in (self.saliency_token, self.contour_token)
        )
        tokens: torch.Tensor = self.encoderlayer(torch.cat([saliency, patches, contour], dim=1))
        return tokens


class _FinerTasks(nn.Module):
    """The same at a finer scale, with the tasks' tokens of the scale before."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = _norm(_NARROW)
        self.mlp = two_layers(_NARROW, _WIDTH, _WIDTH)
        self.encoderlayer = _Encoder(2, 1)
        self.saliency_token_pre = _TaskAttention()
        self.contour_token_pre = _TaskAttention()
        self.norm2 = _norm(_WIDTH)
        self.mlp2 = two_layers(_WIDTH, _NARROW, _NARROW)
        self.norm2_c = _norm(_WIDTH)
        self.mlp2_c = two_layers(_WIDTH, _NARROW, _NARROW)

    def forward(self, before: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """All tokens of the scale before and (N, T, 64) → (N, 1 + T + 1, 384)."""
        patches = self.mlp(self.norm(x))
        tokens: torch.Tensor = self.encoderlayer(
            torch.cat([before[:, :1], patches, before[:, -1:]], dim=1)
        )
        return tokens

    def saliency(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, 1 + T + 1, 384) → (N, T, 64)."""
        features: torch.Tensor = self.mlp2(self.norm2(self.saliency_token_pre(tokens, 0)))
        return features

    def contour(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, 1 + T + 1, 384) → (N, T, 64)."""
        features: torch.Tensor = self.mlp2_c(self.norm2_c(self.contour_token_pre(tokens, -1)))
        return features


class _Finer(nn.Module):
    """Four tokens of each, joined with those that the backbone had at that scale."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(_NARROW, _NARROW * 3 * 3)
        self.concatFuse = two_layers(2 * _NARROW, _NARROW, _NARROW)
        self.att = Performer(_NARROW)
        self.norm = _norm(_WIDTH)
        self.mlp = two_layers(_WIDTH, _NARROW, _NARROW)

    def forward(self, patches: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(N, T, 384) and (N, 4 T, 64) → (N, 4 T, 64)."""
        side = 2 * _side(patches)
        windows = self.project(self.mlp(self.norm(patches))).transpose(1, 2)
        folded = F.fold(windows, (side, side), 3, stride=2, padding=1)
        fused = torch.cat([folded.flatten(2).transpose(1, 2), skip], dim=2)
        out: torch.Tensor = self.att(self.concatFuse(fused))
        return out


class _Windows(nn.Module):
    """Every token to a window of pixels; `_enlarged` applies it."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.project = nn.Linear(_NARROW, _NARROW * side * side)


class _Decoder(nn.Module):
    """All that the two tasks need after the shared tokens; see `Vst.forward` for the order."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = _norm(_WIDTH)
        self.mlp = two_layers(_WIDTH, _WIDTH, _NARROW)
        self.norm_c = _norm(_WIDTH)
        self.mlp_c = two_layers(_WIDTH, _WIDTH, _NARROW)
        self.decoder1 = _Finer()
        self.decoder2 = _Finer()
        self.decoder3 = _Windows(7)
        self.decoder3_c = _Windows(7)
        self.token_pre_1_8 = _FinerTasks()
        self.token_pre_1_4 = _FinerTasks()
        self.pre_1_16 = nn.Linear(_NARROW, 1)
        self.pre_1_8 = nn.Linear(_NARROW, 1)
        self.pre_1_4 = nn.Linear(_NARROW, 1)
        self.pre_1_1 = nn.Linear(_NARROW, 1)
        self.pre_1_16_c = nn.Linear(_NARROW, 1)
        self.pre_1_8_c = nn.Linear(_NARROW, 1)
        self.pre_1_4_c = nn.Linear(_NARROW, 1)
        self.pre_1_1_c = nn.Linear(_NARROW, 1)

    def coarse(
        self, saliency: torch.Tensor, contour: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of both tasks at 1/16, (N, T, 384) → (N, T, 64) each."""
        return self.mlp(self.norm(saliency)), self.mlp_c(self.norm_c(contour))


def _norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, LAYER_NORM_EPS)


def _enlarged(project: nn.Linear, read: nn.Linear, tokens: torch.Tensor) -> torch.Tensor:
    """A map of full size of the tokens of 1/4: every token adds a window of 7 × 7 pixels.

    The network projects tokens to windows of 64 channels, adds up what overlaps and reads one
    value out of the channels. All of this is linear, so the reading is done first here, with a
    64th of the memory.

    Args:
        project: 64 → 64 × 49.
        read: 64 → 1.
        tokens: (N, T, 64).

    Returns:
        Logits, float32 (N, 1, 4 √T, 4 √T).
    """
    side = 4 * _side(tokens)
    with torch.autocast(tokens.device.type, enabled=False):
        channels = read.weight[0]
        weight = (channels @ project.weight.view(_NARROW, -1)).view(-1, tokens.shape[2])
        bias = channels @ project.bias.view(_NARROW, -1)
        windows = F.linear(tokens.float(), weight, bias).transpose(1, 2)
        summed = F.fold(windows, (side, side), 7, stride=4, padding=2)
    return summed + read.bias


def _square(values: torch.Tensor) -> torch.Tensor:
    """(N, T, 1) → float32 (N, 1, √T, √T)."""
    side = _side(values)
    return values.float().transpose(1, 2).reshape(-1, 1, side, side)


def _side(tokens: torch.Tensor) -> int:
    """Rows of the square that (N, T, C) tokens make."""
    return math.isqrt(tokens.shape[1])


def _check_size(x: torch.Tensor) -> None:
    height, width = x.shape[-2:]
    if (height, width) != (SIDE, SIDE):
        raise UsageError(
            "VST takes inputs of one size only: its positions are of one grid",
            expected=f"{SIDE} × {SIDE}",
            found=f"{height} × {width}",
            hint="prepare photos with `get_architecture('vst').prepare`",
        )


ARCHITECTURES = (
    Architecture(
        name="vst",
        title="VST (RGB), T2T-ViT-14",
        citation="vst",
        reference="The authors' PyTorch code, nnizhang/VST.",
        build=Vst,
        prepare=partial(preparing.stretched, size=(SIDE, SIDE), rule="bilinear"),
        prepared_size=partial(preparing.one_size, size=(SIDE, SIDE)),
        normalisation=IMAGENET,
        read_out=probabilities,
        finish=finishing.truncated_bilinear,
        steps={
            "resize": f"Pillow bilinear to {SIDE} × {SIDE}, proportions not kept",
            "read_out": "sigmoid",
            "to_8_bit": "255 p rounded down, before the map is resized",
            "resize_back": "bytes by Pillow bilinear to the photo's size",
        },
    ),
)
