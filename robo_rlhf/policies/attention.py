"""A transformer layer that computes the same in training and in inference."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        """Build for tokens of `width` units, a multiple of `heads`."""
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = (nn.Linear(width, n * width) for n in (1, 2, 1))

    def forward(self, x: Tensor, context: Tensor, present: Tensor | None = None) -> Tensor:
        """Let tokens x (B, T, width) read the tokens of a context (B, S, width) where present (B, S) is true."""
        key, value = self.key_value(context).chunk(2, dim=-1)
        parts = [t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.query(x), key, value)]
        mask = None if present is None else present[:, None, None]
        read = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        out: Tensor = self.out(read.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """Self-attention, attention to a context where there is one, and a feed-forward network, each after a norm."""

    def __init__(self, width: int, heads: int, *, context: bool = False) -> None:
        """Build, with attention to a `context` or without."""
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if context else 2))
        self.own, self.other = Attention(width, heads), Attention(width, heads) if context else None
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, present: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Map tokens (B, T, width), of which those count where present (B, T) is true."""
        normed = self.norms[0](x)
        x = x + self.own(normed, normed, present)
        if self.other is not None:
            assert context is not None
            x = x + self.other(self.norms[1](x), context)
        return torch.add(x, self.feed(self.norms[-1](x)))
