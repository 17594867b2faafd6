"""Symmetric-log features: they let a network tell one millimetre from three where the column ranges over a foot.

Observations in this project are mostly remaining distances, so values near zero matter most. A z-score maps the last
millimetre to a hundredth of a unit, which networks smooth over. These features add the symmetric logarithm
sign(x) log(1 + |x| / s), standardised separately (Webber 2013, "A bi-symmetric log transformation").
"""

import torch
from torch import Tensor, nn

from robo_rlhf.policies.base import Normalizer


class SymlogFeatures(nn.Module):
    """Maps columns to the z-scores of their symmetric logarithms."""

    scale: Tensor

    def __init__(self, dim: int, share: float) -> None:
        """Change from linear to logarithmic at `share` of a column's deviation."""
        super().__init__()
        self.share = share
        self.register_buffer("scale", torch.ones(dim))
        self.normalizer = Normalizer(dim)

    def fit(self, data: Tensor) -> None:
        """Set the scales from data (M, dim)."""
        self.scale.copy_(self.share * data.std(0, correction=0).clamp_min(Normalizer.FLOOR))
        self.normalizer.fit(self._logarithm(data))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., dim) to (..., dim)."""
        found: Tensor = self.normalizer(self._logarithm(x))
        return found

    def _logarithm(self, x: Tensor) -> Tensor:
        return x.sign() * (x.abs() / self.scale).log1p()
