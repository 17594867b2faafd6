"""Spatial softmax of Levine et al. 2016 ("End-to-End Training of Deep Visuomotor Policies").

Each feature map becomes the mean place of its activity, which is what a hand has to go to.
"""

import torch
from torch import Tensor, nn


class SpatialSoftmax(nn.Module):
    """Maps feature maps (B, C, H, W) to the mean place of each, (B, 2 C), from -1 to 1 across the picture."""

    def __init__(self, maps: int, sharpness: float = 1.0) -> None:
        """Start with the same inverse temperature for each map; it is learned."""
        super().__init__()
        self.sharpness = nn.Parameter(torch.full((maps,), sharpness))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the places (B, 2 C): all columns, then all rows."""
        high, wide = maps.shape[-2:]
        weight = torch.softmax(maps.flatten(2).float() * self.sharpness[:, None], dim=-1)
        weight = weight.view(*maps.shape[:2], high, wide)
        column = (weight.sum(2) * torch.linspace(-1.0, 1.0, wide, device=maps.device)).sum(-1)
        row = (weight.sum(3) * torch.linspace(-1.0, 1.0, high, device=maps.device)).sum(-1)
        return torch.cat([column, row], dim=-1)
