"""A residual policy: the action is that of the base plus scale * tanh(network), whose last layer starts at zero."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.types import Array
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import GaussianActor, Normalizer, mlp
from robo_rlhf.policies.on_base import PolicyOnBase


@POLICIES.register("residual")
class ResidualPolicy(PolicyOnBase, GaussianActor):
    """Mean action = base + scale * tanh(network); features are [normalised observation, base action]."""

    kind = "residual"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        base_kind: str = "gaussian",
        base_settings: Mapping[str, Any] | None = None,
        scale: float = 0.1,
        std: float = 0.05,
        width: int = 128,
        layers: int = 2,
    ) -> None:
        """Build base and correction; `on_top_of` loads a trained base.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            base_kind: the kind of the frozen policy.
            base_settings: its settings.
            scale: largest correction of an action, in each column.
            std: initial deviation of exploration; it is learned.
            width: units a hidden layer of the correction.
            layers: hidden layers of the correction.
        """
        base_settings = dict(base_settings or {})
        super().__init__(
            obs_dim,
            act_dim,
            base_kind=base_kind,
            base_settings=base_settings,
            scale=scale,
            std=std,
            width=width,
            layers=layers,
        )
        self.scale = scale
        self.freeze_base(base_kind, base_settings)
        self.normalizer = Normalizer(self.seen_dim)
        self.net = mlp([self.seen_dim + act_dim, *[width] * layers, act_dim], nn.Tanh)
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.log_std = nn.Parameter(torch.full((act_dim,), math.log(std)))

    def features(self, obs: Array) -> Tensor:
        """Advance the base by one step and return (N, seen_dim + act_dim)."""
        assert self.base is not None
        action = torch.tensor(self.base.act(obs), dtype=torch.float32)
        normalized: Tensor = self.normalizer(self.seen(obs))
        return torch.cat([normalized, action], dim=-1)

    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions for features (B, seen_dim + act_dim)."""
        mean = features[:, self.seen_dim :] + self.scale * torch.tanh(self.net(features))
        return torch.distributions.Normal(mean, self.log_std.exp().expand_as(mean), validate_args=False)

    def mean_action(self, features: Tensor) -> Tensor:
        """Return the mean of the distribution, unclipped."""
        return self.distribution(features).mean
