"""A reward model on a dynamics-aware encoder, which also predicts the next step and so learns from unlabelled steps.

After REED (Metcalf et al. 2023, "Sample-efficient preference-based reinforcement learning with dynamics aware
rewards"): the latent of the next observation is predicted from latent and action, with the target's gradient stopped.
The same trunk also predicts the next observation as a Gaussian, which keeps the latent from collapsing, and makes the
model an ensemble of learned dynamics with a predictive distribution (Chua et al. 2018, PETS).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import OBS_LIMIT, RewardModel
from robo_rlhf.rewards.layers import Linear, Norm, rows

CHANGE_FLOOR = 1e-4  # in z-scores, lower bound of a column's change per step
LOG_STD = (-5.0, 2.0)  # of the predicted change, in deviations of the change
ROWS = 512  # steps per block in inference: hidden layers then stay in the processor's cache


@REWARDS.register("encoder")
class EncoderReward(RewardModel):
    """Each member maps one step to a reward within ±gain, and to a Gaussian over the next observation."""

    kind = "encoder"
    example: ClassVar[Mapping[str, Any]] = {"members": 4, "width": 16}
    dynamics_aware = True
    change_std: Tensor

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        members: int = 3,
        width: int = 128,
        latent: int = 32,
        gain: float = 0.1,
        dynamics: float = 0.1,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            members: networks in the ensemble.
            width: units a hidden layer.
            latent: size of the encoding of an observation.
            gain: largest reward of a step.
            dynamics: weight of the dynamics loss, relative to the loss on answers.
        """
        super().__init__(obs_dim, act_dim, members=members, width=width, latent=latent, gain=gain, dynamics=dynamics)
        self.gain, self.dynamics = gain, dynamics
        self.encode = nn.Sequential(Linear(members, obs_dim, width), nn.SiLU(), Linear(members, width, latent))
        self.norm = Norm(members, latent)
        self.trunk = nn.Sequential(Linear(members, latent + act_dim, width), nn.SiLU())
        self.reward = Linear(members, width, 1)
        self.after = nn.Sequential(
            Linear(members, width, width), nn.SiLU(), Linear(members, width, latent + 2 * obs_dim)
        )
        self.register_buffer("change_std", torch.ones(obs_dim))

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the reward of each step by each member, (E, B, L) within ±gain."""
        shape = obs.shape[-3:-1]
        seen, acted = rows(self.normalized(obs), self.members), rows(action, self.members)
        if torch.is_grad_enabled():
            reward = self._reward(seen, acted)
        else:
            parts = zip(seen.split(ROWS, dim=1), acted.split(ROWS, dim=1), strict=True)  # type: ignore[no-untyped-call]
            reward = torch.cat([self._reward(*part) for part in parts], dim=1)
        return reward.view(self.members, *shape)

    def fit_steps(self, obs: Tensor, next_obs: Tensor) -> None:
        """Set the unit of changes from steps (M, obs_dim), after `fit_normalizer`."""
        change = self.normalized(next_obs) - self.normalized(obs)
        self.change_std.copy_(change.square().mean(0).sqrt().clamp_min(CHANGE_FLOOR))

    def auxiliary_loss(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return `dynamics` times the prediction loss (E,) of each member on steps (E, R, ...)."""
        before, after = self.normalized(obs), self.normalized(next_obs)
        latent, mean, log_std = self._next(before, action)
        with torch.no_grad():
            reached = self.norm(self.encode(after))
        apart = 1 - nn.functional.cosine_similarity(latent, reached, dim=-1)  # (E, R)
        change = (after - before) / self.change_std
        surprise = ((change - mean) / log_std.exp()).square() / 2 + log_std  # (E, R, obs_dim)
        return self.dynamics * (apart.mean(1) + surprise.mean((1, 2)))

    def _hidden(self, obs: Tensor, action: Tensor) -> Tensor:
        """Map z-scores (E, R, obs_dim) and actions (E, R, act_dim) to (E, R, width)."""
        hidden: Tensor = self.trunk(torch.cat([self.norm(self.encode(obs)), action], -1))
        return hidden

    def _reward(self, obs: Tensor, action: Tensor) -> Tensor:
        reward: Tensor = torch.tanh(self.reward(self._hidden(obs, action))) * self.gain
        return reward

    def _next(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next latent, and mean and log deviation of the change in units of `change_std`, (E, R, ...)."""
        out: Tensor = self.after(self._hidden(obs, action))
        latent, mean, raw = out.split((out.shape[-1] - 2 * self.obs_dim, self.obs_dim, self.obs_dim), dim=-1)  # type: ignore[no-untyped-call]
        low, high = LOG_STD
        return latent, mean.clamp(-2 * OBS_LIMIT, 2 * OBS_LIMIT), low + (high - low) * torch.sigmoid(raw)
