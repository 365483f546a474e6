"""T2T-ViT-14, which makes its tokens in steps, and the performer that goes with it.

Yuan et al., Tokens-to-Token ViT, ICCV 2021, in the form that the Visual Saliency Transformer uses:
tokens are made by full attention; Choromanski et al., Rethinking Attention with Performers, ICLR
2021, is the attention of its decoder. Inputs are 224 × 224.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

from wsss_assets.models.backbones.vit import Layers, TransformerBlock, split_heads

__all__ = ["LAYER_NORM_EPS", "PERFORMER_EPS", "SIDE", "Performer", "T2tVit", "two_layers"]

SIDE = 224
"""Height and width of what it is shown, in pixels."""

LAYER_NORM_EPS = 1e-5
"""Torch's default."""

PERFORMER_EPS = 1e-8
"""Added to what the performer divides by. Sums of its features may be far smaller, so results
depend on it."""

_TOKEN = 64
"""Width of tokens in the making."""

_GRID = SIDE // 16


def two_layers(width: int, hidden: int, out: int) -> nn.Sequential:
    """Linear, GELU, linear."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))


class T2tVit(nn.Module):
    """The network without its classifier, whose weights are kept but not used."""

    def __init__(self, width: int = 384, depth: int = 14, heads: int = 6) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        positions = _sinusoid(1 + _GRID * _GRID, width)
        self.pos_embed = nn.Parameter(positions, requires_grad=False)
        self.tokens_to_token = _TokensToToken(width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, 3 * width, eps=LAYER_NORM_EPS) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.head = nn.Linear(width, 1000)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens at three scales.

        Args:
            x: (N, 3, 224, 224).

        Returns:
            (N, 196, 384) at 1/16, (N, 784, 64) at 1/8, (N, 3136, 64) at 1/4.
        """
        tokens, eighth, quarter = self.tokens_to_token(x)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 1:], eighth, quarter


class _TokensToToken(nn.Module):
    """Makes tokens of windows that overlap, three times; each time but the last they attend."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention1 = _TokenTransformer(3 * 7 * 7)
        self.attention2 = _TokenTransformer(_TOKEN * 3 * 3)
        self.project = nn.Linear(_TOKEN * 3 * 3, width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        windows = F.unfold(x, 7, stride=4, padding=2).transpose(1, 2)
        quarter = self.attention1(windows)
        eighth = self.attention2(_windows(quarter, 4 * _GRID))
        return self.project(_windows(eighth, 2 * _GRID)), eighth, quarter


def _windows(tokens: torch.Tensor, side: int) -> torch.Tensor:
    """(N, side², C) → (N, side² / 4, 9 C): windows of 3 × 3, every other one."""
    square = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    return F.unfold(square, 3, stride=2, padding=1).transpose(1, 2)


class _TokenTransformer(nn.Module):
    """A block that narrows tokens: what is added to its attention is the values, not the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.attn = _NarrowingAttention(width)
        self.norm2 = nn.LayerNorm(_TOKEN, LAYER_NORM_EPS)
        self.mlp = Layers(_TOKEN, _TOKEN)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.attn(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class _NarrowingAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = width**-0.5  # of the input, not of the head
        self.qkv = nn.Linear(width, 3 * _TOKEN, bias=False)
        self.proj = nn.Linear(_TOKEN, _TOKEN)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = split_heads(self.qkv(x), 1)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        out: torch.Tensor = value[:, 0] + self.proj(mixed[:, 0])
        return out


class Performer(nn.Module):
    """A block whose attention takes time in proportion to the number of tokens.

    The attention is computed in float32 also under autocast: its features are exponentials of
    large negative numbers.
    """

    def __init__(self, width: int = _TOKEN, features: int = 32) -> None:
        super().__init__()
        directions = torch.linalg.qr(torch.randn(width, features))[0].T
        self.w = nn.Parameter(directions * features**0.5, requires_grad=False)
        self.kqv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.norm2 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.mlp = two_layers(width, width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, C) → (N, T, C)."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            x = x + self._attention(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        key, query, value = self.kqv(x).chunk(3, dim=-1)
        key, query = self._features(key), self._features(query)
        share = query @ key.sum(dim=1).unsqueeze(2)
        mixed = query @ (key.transpose(1, 2) @ value) / (share + PERFORMER_EPS)
        out: torch.Tensor = self.proj(mixed)
        return out

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, C) → (N, T, features), positive; products of two approximate exp(x · y)."""
        squares = (x * x).sum(dim=-1, keepdim=True) / 2
        features: torch.Tensor = torch.exp(x @ self.w.T - squares) * len(self.w) ** -0.5
        return features


def _sinusoid(positions: int, width: int) -> torch.Tensor:
    """(1, positions, width): sines in even places, cosines in odd ones, of falling frequencies."""
    channels = np.arange(width)
    angles = np.arange(positions)[:, None] / 10000 ** (2 * (channels // 2) / width)
    table = np.where(channels % 2 == 0, np.sin(angles), np.cos(angles))
    return torch.from_numpy(table.astype(np.float32))[None]
