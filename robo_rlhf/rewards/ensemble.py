"""An ensemble of multilayer perceptrons in parallel, one batched matrix product per layer."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel

SLOPE = 0.01  # of LeakyReLU below zero
ROWS = 512  # steps per block in inference: hidden layers then stay in the processor's cache
INPUTS = ("obs_action", "obs", "obs_next")


@REWARDS.register("ensemble")
class EnsembleReward(RewardModel):
    """Each member maps one step to a reward within ±gain."""

    kind = "ensemble"
    example: ClassVar[Mapping[str, Any]] = {"members": 4, "width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        members: int = 3,
        width: int = 128,
        layers: int = 2,
        inputs: Literal["obs_action", "obs", "obs_next"] = "obs_action",
        gain: float = 0.1,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            members: networks in the ensemble.
            width: units a hidden layer.
            layers: hidden layers.
            inputs: the network's input: observation and action, observation alone, or both observations.
            gain: largest reward of a step; small, so that a clip's return starts near zero and fitting is stable.

        Raises:
            InvalidValueError: inputs of another name.
        """
        super().__init__(obs_dim, act_dim, members=members, width=width, layers=layers, inputs=inputs, gain=gain)
        if inputs not in INPUTS:
            raise InvalidValueError("inputs of a reward model", repr(inputs), f"one of {', '.join(INPUTS)}")
        self.inputs, self.gain = inputs, gain
        first = obs_dim + {"obs_action": act_dim, "obs": 0, "obs_next": obs_dim}[inputs]
        sizes = [first, *[width] * layers, 1]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            bound = 1 / math.sqrt(fan_in)  # as nn.Linear
            self.weights.append(nn.Parameter(torch.empty(members, fan_in, fan_out).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.empty(members, 1, fan_out).uniform_(-bound, bound)))

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the reward of each step by each member, (E, B, L) within ±gain."""
        x = self._seen(obs, action, next_obs)  # (B, L, D) or (E, B, L, D)
        shape = x.shape[-3:-1]
        rows = x.flatten(-3, -2).expand(self.members, -1, -1)  # (E, B * L, D)
        if torch.is_grad_enabled():
            reward = self._layers(rows)
        else:
            parts = rows.split(ROWS, dim=1)  # type: ignore[no-untyped-call]
            reward = torch.cat([self._layers(some) for some in parts], dim=1)
        return reward.view(self.members, *shape)

    def _seen(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        if self.inputs == "obs":
            return self.normalized(obs)
        other = action if self.inputs == "obs_action" else self.normalized(next_obs)
        return torch.cat([self.normalized(obs), other], -1)

    def _layers(self, x: Tensor) -> Tensor:
        """Map (E, R, D) to (E, R, 1)."""
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = nn.functional.leaky_relu(x, SLOPE, inplace=True) if i < last else torch.tanh(x) * self.gain
        return x
