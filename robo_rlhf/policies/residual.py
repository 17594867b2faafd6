"""A residual policy: a small bounded correction, learned on top of a frozen policy of any kind.

As in Johannink et al. 2019 and Silver et al. 2018 (residual policy learning): the action is that of the base plus
scale * tanh(network), and the network's last layer starts at zero, so learning starts from exactly the base.
The base's weights are part of the policy and so of its checkpoint.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.types import Array
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, GaussianActor, Normalizer, TrainedPolicy, first_step_loss, load_base, mlp


@POLICIES.register("residual")
class ResidualPolicy(GaussianActor):
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
        """Build base and correction; `residual_on_top_of` loads a trained base.

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
        self.base = POLICIES[base_kind](obs_dim, act_dim, **base_settings).requires_grad_(False)
        self.normalizer = Normalizer(obs_dim)
        self.net = mlp([obs_dim + act_dim, *[width] * layers, act_dim], nn.Tanh)
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.log_std = nn.Parameter(torch.full((act_dim,), math.log(std)))

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the z-scores that the correction sees; those of the base are unchanged."""
        self.normalizer.fit(obs)

    def seed(self, seed: int) -> None:
        """Set the base's source of randomness."""
        self.base.seed(seed)

    def reset(self, num_envs: int) -> None:
        """Reset the base, clearing its queued actions."""
        self.base.reset(num_envs)

    def features(self, obs: Array) -> Tensor:
        """Advance the base by one step and return (N, obs_dim + act_dim)."""
        action = torch.tensor(self.base.act(obs), dtype=torch.float32)
        normalized: Tensor = self.normalizer(torch.as_tensor(obs, dtype=torch.float32))
        return torch.cat([normalized, action], dim=-1)

    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions for features (B, obs_dim + act_dim)."""
        mean = features[:, self.obs_dim :] + self.scale * torch.tanh(self.net(features))
        return torch.distributions.Normal(mean, self.log_std.exp().expand_as(mean), validate_args=False)

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error of the first action, on top of a new prediction of the base."""
        self.base.seed(int(torch.randint(2**31, (), generator=generator)))
        self.base.reset(len(batch.obs))
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            features = self.features(batch.obs.numpy())
        each = (self.distribution(features).mean - batch.action[:, 0]).square().mean(-1)
        return first_step_loss(each, batch)


def residual_on_top_of(base: TrainedPolicy, **settings: Any) -> ResidualPolicy:
    """Return a residual policy over a copy of `base`, with the base's z-scores; at first it acts exactly as `base`."""
    policy = ResidualPolicy(
        base.obs_dim, base.act_dim, base_kind=base.kind, base_settings=dict(base.settings), **settings
    )
    load_base(base, policy.base, policy.normalizer)
    return policy
