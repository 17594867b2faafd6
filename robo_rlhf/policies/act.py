"""ACT, action chunking with a transformer, for state observations.

Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware": a conditional variational
autoencoder. In training, an encoder maps the demonstrated chunk to a small latent that describes its style; a decoder
predicts the chunk from the latent and the observation. When acting, the latent is 0, the mean of its prior.
Predictions overlap, and several predictions of the current step are averaged (temporal ensembling).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.attention import Layer
from robo_rlhf.policies.base import Chunks
from robo_rlhf.policies.chunked import ChunkedPolicy


@POLICIES.register("act")
class ActPolicy(ChunkedPolicy):
    """A transformer that decodes a chunk of actions, trained as a variational autoencoder."""

    kind = "act"
    example: ClassVar[Mapping[str, Any]] = {"width": 16, "layers": 1, "chunk": 6}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        latent: int = 8,
        chunk: int = 20,
        execution_horizon: int = 1,
        history: int = 1,
        kl: float = 10.0,
        ensemble: bool = True,
        decay: float = 0.01,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            width: units per token.
            layers: transformer layers, of the encoder and of the decoder.
            heads: attention heads; `width` is a multiple of them.
            latent: size of the latent that describes the style of a chunk.
            chunk: actions predicted at once.
            execution_horizon: steps from one prediction to the next.
            history: observations that a prediction is made from.
            kl: weight of the latent's divergence from its prior.
            ensemble: whether all predictions for a step are averaged; else only the newest is used.
            decay: decay of the weights of these predictions: the k-th has weight exp(-decay * k).

        Raises:
            InvalidValueError: `width` is no multiple of `heads`.
        """
        sizes = {"width": width, "layers": layers, "heads": heads, "latent": latent, "chunk": chunk}
        acting = {
            "execution_horizon": execution_horizon,
            "history": history,
            "kl": kl,
            "ensemble": ensemble,
            "decay": decay,
        }
        super().__init__(obs_dim, act_dim, **sizes, **acting)
        self.kl, self.ensemble, self.decay, self.latent = kl, ensemble, decay, latent
        self._build(width, layers, heads)

    def _build(self, width: int, layers: int, heads: int) -> None:
        if width % heads:
            raise InvalidValueError("width of policy act", width, f"a multiple of its {heads} heads")
        self.obs_token, self.action_token = nn.Linear(self.obs_dim, width), nn.Linear(self.act_dim, width)
        self.latent_token, self.to_latent = nn.Linear(self.latent, width), nn.Linear(width, 2 * self.latent)
        tokens = 1 + self.history + self.chunk  # [summary or latent], observations, actions
        self.places = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.summary = nn.Parameter(0.02 * torch.randn(width))
        self.encoder = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(width, heads, context=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.to_action = nn.Linear(width, self.act_dim)
        self._plans: list[tuple[int, Tensor]] = []  # step and value of each prediction, oldest first
        self._time = 0  # steps since the start

    def encode(self, obs: Tensor, action: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance (B, latent) of the latent of a chunk (B, chunk, act_dim); mask (B, chunk)."""
        count = len(obs)
        tokens = [self.summary.expand(count, 1, -1), self.obs_token(obs), self.action_token(action)]
        present = torch.cat([torch.ones(count, 1 + self.history), mask], dim=1) > 0.5
        read = torch.cat(tokens, dim=1) + self.places
        for layer in self.encoder:
            read = layer(read, present)
        mean, log_var = self.to_latent(read[:, 0]).float().chunk(2, dim=-1)
        return mean, log_var.clamp(-10.0, 10.0)

    def decode(self, obs: Tensor, latent: Tensor) -> Tensor:
        """Return the chunk (B, chunk, act_dim), in units of the demonstrated range, for z-scores and latents."""
        known = 1 + self.history
        context = torch.cat([self.latent_token(latent)[:, None], self.obs_token(obs)], dim=1) + self.places[:known]
        queries = self.places[known:].expand(len(obs), -1, -1)
        for layer in self.decoder:
            queries = layer(queries, context=context)
        chunk: Tensor = self.to_action(self.norm(queries)).float()
        return chunk

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted absolute error, and the weighted divergence of the latent."""
        with torch.autocast("cpu", enabled=False):  # attention in bfloat16 is slower on a processor
            return self._loss(batch, generator)

    def _loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        obs, target = self.normalize(batch.obs), self.to_unit(batch.action)
        mean, log_var = self.encode(obs, target * batch.mask[..., None], batch.mask)
        latent = mean + (log_var / 2).exp() * torch.randn(mean.shape, generator=generator)
        error = (self.decode(obs, latent) - target).abs().mean(-1)
        weight = batch.mask * batch.weight[:, None]
        divergence = (mean.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        error = (error * weight).sum() / weight.sum().clamp_min(1e-8)
        return error + self.kl * (divergence * batch.weight).sum() / batch.weight.sum().clamp_min(1e-8)

    def predict(self, obs: Tensor) -> Tensor:
        """Return the chunk (N, chunk, act_dim) of the latent 0, for observations (N, history * obs_dim)."""
        return self.from_unit(self.decode(self.normalize(obs), torch.zeros(len(obs), self.latent)))

    def reset(self, num_envs: int) -> None:
        """Clear the predictions and the observation history."""
        super().reset(num_envs)
        self._plans, self._time = [], 0

    def attends(self) -> bool:
        """Whether the next action depends on the next observation: only where a prediction is due."""
        return self.history > 1 or self._time % self.execution_horizon == 0

    def act(self, obs: Array) -> Array:
        """Return the next action (N, act_dim): the weighted mean of the predictions that cover this step."""
        with torch.inference_mode():
            seen = self.remember(obs)
            if self._time % self.execution_horizon == 0:
                self._plans.append((self._time, self.predict(seen)))
            reach = [(start, plan) for start, plan in self._plans if self._time - start < self.chunk]
            self._plans = reach if self.ensemble else reach[-1:]
            planned = torch.stack([plan[:, self._time - start] for start, plan in self._plans])  # (P, N, act_dim)
            weight = torch.exp(-self.decay * torch.arange(len(planned)))
            action: Array = ((planned * weight[:, None, None]).sum(0) / weight.sum()).clamp(-1.0, 1.0).numpy()
        self._time += 1
        return action
