"""A residual policy: the action is that of the base plus scale * tanh(network), whose last layer starts at zero."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Observation
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import GaussianActor, Normalizer, Part, mlp
from robo_rlhf.policies.on_base import PolicyOnBase
from robo_rlhf.policies.own_encoder import OwnEncoder
from robo_rlhf.policies.visual import VisualPolicy


@POLICIES.register("residual")
class ResidualPolicy(PolicyOnBase, GaussianActor):
    """Mean action = base + scale * tanh(network); features are [normalised observation, base action].

    With encoders of its own they end with the number of a look, which those read in place of the base's features.
    """

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
        own_encoder: bool = False,
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
            own_encoder: whether the correction sees by encoders of its own, which begin as those of the base.

        Raises:
            InvalidValueError: it would, and the base has no cameras.
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
            own_encoder=own_encoder,
        )
        self.scale = scale
        self.freeze_base(base_kind, base_settings)
        if own_encoder:
            if not isinstance(self.base, VisualPolicy) or self.base.encoder is None:
                raise InvalidValueError("own_encoder", "a correction of a policy without cameras", "one with cameras")
            self.eyes = OwnEncoder(self.base.encoder)
        self.normalizer = Normalizer(self.seen_dim)
        self.net = mlp([self.seen_dim + act_dim, *[width] * layers, act_dim], nn.Tanh)
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.log_std = nn.Parameter(torch.full((act_dim,), math.log(std)))

    def join(self, obs: Tensor, base: Tensor | None) -> Tensor:
        """Return z-scores of what is seen, and the base's action, (N, seen_dim + act_dim)."""
        assert base is not None
        return torch.cat([self.normalizer(obs), base], dim=-1)

    def features(self, obs: Array | Observation) -> Tensor:
        """Advance the base by one step and return (N, feature_dim) for obs (N, obs_dim); with pictures, where given."""
        looks = self.base is not None and self.base.attends()
        found = super().features(obs)
        if self.eyes is None or not isinstance(self.base, VisualPolicy):
            return found
        if looks:
            self.eyes.look(self.base.seen)
        return torch.cat([found, self.eyes.numbers(len(found))], dim=-1)

    def act(self, obs: Array) -> Array:
        """Return the mean action (N, act_dim), clipped to [-1, 1]; of earlier looks nothing is kept."""
        if self.eyes is not None and self.base is not None and self.base.attends():
            self.eyes.looks.clear()
        return super().act(obs)

    def reset(self, num_envs: int) -> None:
        """Reset the base, and forget what was seen."""
        super().reset(num_envs)
        if self.eyes is not None:
            self.eyes.looks.clear()

    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions for features (B, feature_dim)."""
        if self.eyes is not None:
            features = self._seen_by(self.eyes(features[:, -1]), features[:, :-1])
        mean = features[:, self.seen_dim :] + self.scale * torch.tanh(self.net(features))
        return torch.distributions.Normal(mean, self.log_std.exp().expand_as(mean), validate_args=False)

    def _seen_by(self, own: Tensor, features: Tensor) -> Tensor:
        """Return features (B, seen_dim + act_dim) with those of the encoders, the last of what is seen, replaced."""
        columns = self.seen_dim - own.shape[1]
        return torch.cat([features[:, :columns], own, features[:, self.seen_dim :]], dim=-1)

    def parts(self) -> list[Part]:
        """Return those of the base, and the network that corrects its action."""
        if self.eyes is None or self.base is None:
            return super().parts()

        def step(obs: Tensor, action: Tensor) -> Tensor:
            shown, own = obs[:, : self.seen_dim], obs[:, self.seen_dim :]
            features = self._seen_by(own, self.join(shown, action))
            return (action + self.scale * torch.tanh(self.net(features))).clamp(-1.0, 1.0)

        inputs = {"obs": self.seen_dim + self.eyes.features, "action": self.act_dim}
        return self.eyes.parts(self.base.parts(), Part(self, step, inputs))

    def mean_action(self, features: Tensor) -> Tensor:
        """Return the mean of the distribution, unclipped."""
        return self.distribution(features).mean
