"""A mixture-of-Gaussians policy over action chunks: several continuations, each with its likelihood.

A mixture density network (Bishop 1994) as in the baselines of Mandlekar et al. 2021 ("What Matters in Learning from
Offline Human Demonstrations"). When acting, it follows the mean of one component: the average of two ways around an
obstacle may run into it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, mlp
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.policies.heads import Mixture, MixtureHead, weighted_nll


@POLICIES.register("mixture")
class MixturePolicy(ChunkedPolicy):
    """A multilayer perceptron that gives a mixture of normal distributions over chunks."""

    kind = "mixture"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        width: int = 512,
        layers: int = 3,
        chunk: int = 8,
        execution_horizon: int = 4,
        history: int = 1,
        modes: int = 5,
        min_std: float = 0.05,
        sample: bool = False,
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
            modes: components of the mixture.
            min_std: smallest deviation of a component, in half the range of an action.
            sample: whether acting draws the component by its weight; else it takes the one of most weight.
        """
        super().__init__(
            obs_dim,
            act_dim,
            width=width,
            layers=layers,
            chunk=chunk,
            execution_horizon=execution_horizon,
            history=history,
            modes=modes,
            min_std=min_std,
            sample=sample,
        )
        self.sample = sample
        if sample:
            self.noise_kind, self.noise_columns = "exponential", modes
        self.net = nn.Sequential(mlp([history * obs_dim, *[width] * layers], nn.GELU), nn.GELU())
        self.head = MixtureHead(width, modes, chunk, act_dim, min_std)

    def mixture(self, obs: Tensor) -> Mixture:
        """Return the mixture, in units of the demonstrated range, for observations (B, history * obs_dim)."""
        found: Mixture = self.head(self.net(self.normalize(obs).flatten(1)))
        return found

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted negative log-likelihood per action."""
        return weighted_nll(self.mixture(batch.obs), self.to_unit(batch.action), batch.mask, batch.weight)

    def predict_with(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return the mean (N, chunk, act_dim) of one component, for observations (N, history * obs_dim).

        The component of the largest weight / noise, with exponential noise (N, modes), is a draw by the weights.
        """
        found = self.mixture(obs)
        weight = found.log_weight.exp()
        return self.from_unit(found.pick((weight / noise if self.sample else weight).argmax(-1)))
