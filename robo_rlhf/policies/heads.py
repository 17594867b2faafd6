"""Output layers shared by several kinds of policies."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_STD_MAX = 1.0


class Mixture(NamedTuple):
    """A mixture of K normal distributions over chunks of H actions, in float32."""

    log_weight: Tensor  # (B, K), of each component; they add up to 1
    mean: Tensor  # (B, K, H, act_dim)
    log_std: Tensor  # (B, K, H, act_dim)

    def nll(self, action: Tensor, mask: Tensor) -> Tensor:
        """Return the negative log-likelihood (B,) of chunks (B, H, act_dim), but for a constant; mask (B, H)."""
        z = (action[:, None] - self.mean) * torch.exp(-self.log_std)
        each = (z.square() / 2 + self.log_std).sum(-1) * mask[:, None]  # (B, K, H)
        return -torch.logsumexp(self.log_weight - each.sum(-1), dim=-1)

    def pick(self, component: Tensor) -> Tensor:
        """Return the mean chunk (B, H, act_dim) of one component (B,) each."""
        return self.mean[torch.arange(component.shape[0]), component]


class MixtureHead(nn.Module):
    """Maps features (B, F) to a `Mixture`."""

    def __init__(self, features: int, modes: int, chunk: int, act_dim: int, min_std: float) -> None:
        """Build for `modes` components, none narrower than `min_std`."""
        super().__init__()
        self.shape, self.floor = (modes, chunk, act_dim), math.log(min_std)
        self.net = nn.Linear(features, modes * (1 + 2 * chunk * act_dim))

    def forward(self, features: Tensor) -> Mixture:
        """Return the mixture for features (B, F)."""
        modes = self.shape[0]
        out = self.net(features).float()
        mean, log_std = out[:, modes:].view(out.shape[0], 2, *self.shape).unbind(1)
        log_std = self.floor + functional.softplus(log_std - self.floor - 1.0)  # about 1/e initially
        return Mixture(out[:, :modes].log_softmax(-1), mean, log_std.clamp_max(LOG_STD_MAX))


def weighted_nll(mixture: Mixture, action: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Return the mean negative log-likelihood per unmasked action, a scalar; weight (B,) of each example."""
    count = (weight * mask.sum(-1)).sum() * action.shape[-1]
    return (weight * mixture.nll(action, mask)).sum() / count.clamp_min(1e-8)
