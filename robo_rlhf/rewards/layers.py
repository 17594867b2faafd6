"""Layers of E networks in parallel: every parameter has the ensemble axis first."""

import math

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """E linear maps, one batched matrix product."""

    def __init__(self, members: int, fan_in: int, fan_out: int) -> None:
        """Draw the weights as `nn.Linear` does."""
        super().__init__()
        bound = 1 / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.empty(members, fan_in, fan_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, fan_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map (E, R, fan_in) to (E, R, fan_out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class Norm(nn.Module):
    """E layer normalisations."""

    def __init__(self, members: int, width: int) -> None:
        """Start as the plain normalisation, without scale or shift."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, width))
        self.bias = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (E, R, width) over its last axis."""
        return nn.functional.layer_norm(x, x.shape[-1:]) * self.weight + self.bias


def rows(x: Tensor, members: int) -> Tensor:
    """Return (B, L, D), which all members see, or (E, B, L, D), as (E, B * L, D)."""
    return x.flatten(-3, -2).expand(members, -1, -1)
