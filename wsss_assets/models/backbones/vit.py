"""The vision transformer's trunk, and the block that other transformers share with it.

Dosovitskiy et al., An Image Is Worth 16x16 Words, ICLR 2021; with 8 × 8 patches and 384 channels it
is DINO's ViT-S/8 (Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV
2021).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own documentation calls it so)

__all__ = ["LAYER_NORM_EPS", "Layers", "TransformerBlock", "VisionTransformer", "split_heads"]

LAYER_NORM_EPS = 1e-6
"""Of vision transformers in the reference; torch's own default is 1e-5."""

_NUDGE = 0.1
"""Added to the sides of the grid before positions are scaled, so that rounding never loses a row;
it shifts the positions themselves, so results depend on it."""


def split_heads(qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values, (N, heads, T, C / heads) each, of (N, T, 3 C)."""
    batch, tokens, _ = qkv.shape
    query, key, value = qkv.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return query, key, value


class TransformerBlock(nn.Module):
    """Attention, then two layers, each added to what it was shown normalised.

    Args:
        width: of tokens.
        heads: of the attention; the scale is that of the width of a head.
        hidden: width between the two layers.
        eps: of the layer norms.
        qkv_bias: whether queries, keys and values have one.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, *, eps: float, qkv_bias: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps)
        self.attn = _Attention(width, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps)
        self.mlp = Layers(width, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, C) → (N, T, C)."""
        x = x + self.attn(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = F.scaled_dot_product_attention(*split_heads(self.qkv(x), self.heads))
        out: torch.Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class Layers(nn.Module):
    """Two linear layers with a GELU between, named as transformers name them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, C) → (N, T, C)."""
        out: torch.Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class VisionTransformer(nn.Module):
    """A vision transformer without its classifier.

    Args:
        patch: side of a patch, in pixels.
        width: of tokens.
        depth: number of blocks.
        heads: of each.
        grid: side of the square grid of patches that it was trained on.
    """

    def __init__(
        self, *, patch: int = 8, width: int = 384, depth: int = 12, heads: int = 6, grid: int = 28
    ) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid * grid, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, 4 * width, eps=LAYER_NORM_EPS, qkv_bias=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, LAYER_NORM_EPS)

    def forward(self, x: torch.Tensor, depth: int) -> tuple[torch.Tensor, tuple[int, int]]:
        """Tokens after the first blocks, not normalised.

        Args:
            x: (N, 3, H, W), sides multiples of a patch's.
            depth: how many blocks are applied.

        Returns:
            (N, 1 + h w, C), the class token first, and the grid (h, w).
        """
        patches = self.patch_embed["proj"](x)
        height, width = patches.shape[-2:]
        tokens = torch.cat(
            [self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1
        )
        tokens = tokens + self._positions(height, width)
        for block in self.blocks[:depth]:
            tokens = block(tokens)
        return tokens, (height, width)

    def _positions(self, height: int, width: int) -> torch.Tensor:
        """(1, 1 + h w, C): those of training, scaled to another grid by bicubic interpolation."""
        if height == width == self.grid:
            return self.pos_embed
        square = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        scale = ((height + _NUDGE) / self.grid, (width + _NUDGE) / self.grid)
        scaled = F.interpolate(square, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], scaled.flatten(2).transpose(1, 2)], dim=1)
