"""A flow-matching policy: noise flows into a chunk of actions, along a field that the observation conditions.

Conditional flow matching with straight paths (Lipman et al. 2023, "Flow Matching for Generative Modeling"): for noise
x0, actions x1 and a time t in [0, 1] the network learns the velocity x1 - x0 at x_t = (1 - t) x0 + t x1; acting follows
that velocity from noise by Euler steps. Chunks of actions as in Zhao et al. 2023 (ACT) and Chi et al. 2023 (Diffusion
Policy): `chunk` actions are predicted, `execution_horizon` of them are executed before the next prediction.

The noise of a prediction is one draw (N, chunk * act_dim) from the policy's generator, which `seed` sets: a rollout is
repeatable for the same seed, order of episodes and number of environments.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, mlp
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.policies.symlog import SymlogFeatures


@POLICIES.register("flow")
class FlowPolicy(ChunkedPolicy):
    """Chunked conditional flow matching over a multilayer perceptron."""

    kind = "flow"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}
    draws = 8  # of noise and time
    frequencies: Tensor

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        width: int = 512,
        layers: int = 3,
        chunk: int = 12,
        execution_horizon: int = 6,
        history: int = 1,
        flow_steps: int = 6,
        noise: float = 1.0,
        symlog: float = 0.0,
    ) -> None:
        """Build the network.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            width: units a hidden layer.
            layers: hidden layers.
            chunk: actions predicted at once.
            execution_horizon: actions carried out of each prediction.
            history: observations that a prediction is made from.
            flow_steps: Euler steps from noise to actions.
            noise: deviation of the noise when acting; 0 starts from the mean, which is deterministic.
            symlog: if above 0, the inputs include symmetric-log features, logarithmic above this share of a deviation.
        """
        super().__init__(
            obs_dim,
            act_dim,
            width=width,
            layers=layers,
            chunk=chunk,
            execution_horizon=execution_horizon,
            history=history,
            flow_steps=flow_steps,
            noise=noise,
            symlog=symlog,
        )
        self.flow_steps, self.noise = flow_steps, noise
        self.noise_kind, self.noise_columns = "normal", chunk * act_dim
        self.register_buffer("frequencies", math.pi * torch.arange(1, 5, dtype=torch.float32), persistent=False)
        self.symlog = SymlogFeatures(obs_dim, symlog) if symlog else None
        inputs = chunk * act_dim + history * obs_dim * (2 if symlog else 1) + 9
        self.net = mlp([inputs, *[width] * layers, chunk * act_dim], nn.GELU)

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers: not where its noise has no deviation."""
        return self.noise > 0

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the scales of observations and actions."""
        super().fit_normalizer(obs, action)
        if self.symlog is not None:
            self.symlog.fit(obs)

    def normalize(self, obs: Tensor) -> Tensor:
        """Return the network's input (B, history, k) for observations (B, history * obs_dim)."""
        seen = super().normalize(obs)
        if self.symlog is None:
            return seen
        return torch.cat([seen, self.symlog(obs.view(obs.shape[0], self.history, self.obs_dim))], dim=-1)

    def velocity(self, x: Tensor, obs: Tensor, time: Tensor) -> Tensor:
        """Return the field (B, chunk * act_dim) at x, for seen obs (B, k) and time (B, 1)."""
        phase = time * self.frequencies
        field: Tensor = self.net(torch.cat([x, obs, time, phase.sin(), phase.cos()], dim=-1))
        return field

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error of the velocity at one random time an example."""
        count = len(batch.obs)
        target = self.to_unit(batch.action).flatten(1)
        noise = torch.randn(target.shape, generator=generator)
        time = torch.rand((count, 1), generator=generator)
        found = self.velocity(torch.lerp(noise, target, time), self.normalize(batch.obs).flatten(1), time)
        error = (found - (target - noise)).square().view(count, self.chunk, -1).mean(-1)
        weight = batch.mask * batch.weight[:, None]
        return (error * weight).sum() / weight.sum().clamp_min(1e-8)

    def predict_with(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return the chunk (N, chunk, act_dim) that standard normal noise (N, chunk * act_dim) flows into."""
        obs = self.normalize(obs).flatten(1)
        x = self.noise * noise
        for k in range(self.flow_steps):
            time = torch.full((obs.shape[0], 1), k / self.flow_steps)
            x = x + self.velocity(x, obs, time) / self.flow_steps
        return self.from_unit(x.view(obs.shape[0], self.chunk, self.act_dim))
