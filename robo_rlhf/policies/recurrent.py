"""A recurrent policy: a gated recurrent unit over the newest observations, for partially observed tasks.

As the recurrent baseline with a mixture head of Mandlekar et al. 2021. It reads the same window of `history` steps when
it acts as when it learns, so its memory never meets a state that training did not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, mlp
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.policies.heads import Mixture, MixtureHead, weighted_nll


@POLICIES.register("recurrent")
class RecurrentPolicy(ChunkedPolicy):
    """A gated recurrent unit over a window of observations, with a mixture of Gaussians over the chunk that follows."""

    kind = "recurrent"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        width: int = 128,
        layers: int = 1,
        chunk: int = 8,
        execution_horizon: int = 4,
        history: int = 12,
        modes: int = 5,
        min_std: float = 0.05,
    ) -> None:
        """Build the network.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            width: units of the recurrent layers; the layers after them have four times as many.
            layers: recurrent layers.
            chunk: actions predicted at once.
            execution_horizon: actions carried out of each prediction.
            history: observations that a prediction is made from.
            modes: components of the mixture.
            min_std: smallest deviation of a component, in half the range of an action.
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
        )
        self.memory = nn.GRU(obs_dim, width, layers, batch_first=True)
        self.body = nn.Sequential(mlp([width + obs_dim, *[4 * width] * 3], nn.GELU), nn.GELU())
        self.head = MixtureHead(4 * width, modes, chunk, act_dim, min_std)

    def mixture(self, obs: Tensor) -> Mixture:
        """Return the mixture, in units of the demonstrated range, for observations (B, history * obs_dim)."""
        seen = self.normalize(obs)
        read, _ = self.memory(seen)  # (B, history, width)
        found: Mixture = self.head(self.body(torch.cat([read[:, -1], seen[:, -1]], dim=-1)))
        return found

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted negative log-likelihood per action."""
        return weighted_nll(self.mixture(batch.obs), self.to_unit(batch.action), batch.mask, batch.weight)

    def predict_with(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return the mean (N, chunk, act_dim) of the likeliest component."""
        found = self.mixture(obs)
        return self.from_unit(found.pick(found.log_weight.argmax(-1)))
