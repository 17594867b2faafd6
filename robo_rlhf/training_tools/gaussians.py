"""Diagonal normal distributions over actions, for PPO: log density, entropy, KL divergence."""

import math

from torch import Tensor
from torch.distributions import Normal


def log_prob(policy: Normal, action: Tensor) -> Tensor:
    """Return the log density (B,) of actions (B, act_dim), but for a constant."""
    std = policy.stddev
    return -(((action - policy.mean) / std).square() / 2 + std.log()).sum(-1)


def entropy(policy: Normal) -> Tensor:
    """Return the differential entropy (B,), summed over actions [nats]."""
    return (policy.stddev.log() + (1 + math.log(2 * math.pi)) / 2).sum(-1)


def divergence(policy: Normal, mean: Tensor, std: Tensor) -> Tensor:
    """Return KL(policy || Normal(mean, std)), summed over actions, (B,)."""
    ratio = policy.stddev / std
    return ((ratio.square() + ((policy.mean - mean) / std).square() - 1) / 2 - ratio.log()).sum(-1)
