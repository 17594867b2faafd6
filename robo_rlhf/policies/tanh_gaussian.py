"""A tanh-Gaussian policy: actions are the tanh of a normal variable, on top of a frozen policy if there is one.

As in Haarnoja et al. 2018 ("soft actor-critic"): the deviation is a function of the state, and the likelihood is that
of the tanh of that variable, which has no mass outside the range of actions. With a base, the action is that of the
base plus scale times the tanh (residual policy learning), and learning starts from exactly the base.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_rlhf.core.types import Array, Observation
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Normalizer, mlp
from robo_rlhf.policies.on_base import PolicyOnBase
from robo_rlhf.policies.visual import VisualPolicy

LOG_STD_RANGE = (-5.0, 2.0)


@POLICIES.register("tanh_gaussian")
class TanhGaussianPolicy(PolicyOnBase):
    """Action = base + scale * tanh(z), z normal; features are the observation, then the base's action.

    On a base with cameras, what that saw comes between the two: it is what this one sees, and what learns values
    has the whole observation.
    """

    kind = "tanh_gaussian"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        base_kind: str = "",
        base_settings: Mapping[str, Any] | None = None,
        scale: float = 1.0,
        std: float = 0.6,
        width: int = 256,
        layers: int = 2,
    ) -> None:
        """Build the network, and a base if `base_kind` names one; `on_top_of` loads its weights.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            base_kind: the kind of the frozen policy; none where empty.
            base_settings: its settings.
            scale: largest change of an action, in each column; with 1 and no base, all actions can be reached.
            std: initial deviation of z.
            width: units a hidden layer.
            layers: hidden layers.
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
        self.start = obs_dim if isinstance(self.base, VisualPolicy) else 0  # of what it sees, among the features
        own = self.seen_dim + act_dim if base_kind else obs_dim
        self.feature_dim = self.start + own
        self.normalizer = Normalizer(self.seen_dim)
        self.net = mlp([own, *[width] * layers, 2 * act_dim], nn.ReLU)
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        if base_kind:
            nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.bias[act_dim:] = math.log(std)

    def features(self, obs: Array | Observation) -> Tensor:
        """Advance the base by one step and return (N, feature_dim) for obs (N, obs_dim)."""
        found = super().features(obs)
        if not self.start:
            return found
        whole = obs.columns if isinstance(obs, Observation) else obs
        return torch.cat([torch.as_tensor(whole, dtype=torch.float32), found], dim=-1)

    def join(self, obs: Tensor, base: Tensor | None) -> Tensor:
        """Return the observation (N, obs_dim), and the base's action where there is one."""
        return obs if base is None else torch.cat([obs, base], dim=-1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the deviation of z, (B, act_dim) each, for features (B, feature_dim)."""
        end = self.start + self.seen_dim
        inputs = self.normalizer(features[:, self.start : end])
        if self.base is not None:
            inputs = torch.cat([inputs, features[:, end:]], dim=-1)
        mean, log_std = self.net(inputs).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    def sample(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (B, act_dim) in [-1, 1] and the log density (B,) of tanh(z), for standard normal `noise`."""
        mean, log_std = self(features)
        z = mean + log_std.exp() * noise
        squashing = 2 * (math.log(2) - z - functional.softplus(-2 * z))  # log(1 - tanh(z)^2), without overflow
        log_prob = -(noise.square() / 2 + log_std + squashing).sum(-1) - noise.shape[-1] * math.log(2 * math.pi) / 2
        return self._applied(features, z), log_prob

    def explore(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return actions (B, act_dim) in [-1, 1], drawn by standard normal `noise` (B, act_dim)."""
        return self.sample(features, noise)[0]

    def act(self, obs: Array) -> Array:
        """Return the action (N, act_dim) at the mean of z."""
        with torch.inference_mode():
            action: Array = self.mean_action(self.features(obs)).numpy()
        return action

    def correction(self, features: Tensor) -> Tensor:
        """Return the share (B, act_dim) in [-1, 1] of the largest correction that is made at the mean of z."""
        return torch.tanh(self(features)[0])

    def mean_action(self, features: Tensor) -> Tensor:
        """Return the action (B, act_dim) at the mean of z."""
        return self._applied(features, self(features)[0])

    def _applied(self, features: Tensor, z: Tensor) -> Tensor:
        action = self.scale * torch.tanh(z)
        if self.base is not None:
            action = action + features[:, self.start + self.seen_dim :]
        return action.clamp(-1.0, 1.0)
