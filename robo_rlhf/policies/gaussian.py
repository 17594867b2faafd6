"""A Gaussian policy: a multilayer perceptron gives the mean action, one step at a time."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, GaussianActor, Normalizer, first_step_loss, mlp

LOG_STD_RANGE = (-5.0, 0.5)
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


@POLICIES.register("gaussian")
class GaussianPolicy(GaussianActor):
    """Normal distribution over unclipped actions; the environment clips what is sampled."""

    kind = "gaussian"
    example: ClassVar[Mapping[str, Any]] = {"width": 16}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        width: int = 256,
        layers: int = 2,
        activation: str = "relu",
        mean: Literal["clip", "tanh"] = "clip",
        std: Literal["fixed", "learned", "state"] = "learned",
        initial_std: float = 0.3,
        loss: Literal["mse", "nll"] = "mse",
    ) -> None:
        """Build the network.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            width: units a hidden layer.
            layers: hidden layers.
            activation: tanh, relu, gelu or silu.
            mean: whether the mean is free and clipped when acting, or bounded by tanh.
            std: deviation of exploration: fixed, one learned number an action, or a function of the state.
            initial_std: deviation to start from.
            loss: imitate by squared error, which leaves the deviation alone, or by likelihood.
        """
        super().__init__(
            obs_dim,
            act_dim,
            width=width,
            layers=layers,
            activation=activation,
            mean=mean,
            std=std,
            initial_std=initial_std,
            loss=loss,
        )
        self.bound, self.std, self.imitation = mean, std, loss
        self.normalizer = Normalizer(obs_dim)
        outputs = 2 * act_dim if std == "state" else act_dim
        self.net = mlp([obs_dim, *[width] * layers, outputs], ACTIVATIONS[activation])
        self.log_std = nn.Parameter(torch.full((act_dim,), math.log(initial_std)), requires_grad=std != "fixed")

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the observation's z-scores; actions are in [-1, 1] already."""
        self.normalizer.fit(obs)

    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions for observations (B, obs_dim)."""
        mean, log_std = self.net(self.normalizer(features)), self.log_std
        if self.std == "state":
            mean, change = mean.chunk(2, dim=-1)
            log_std = log_std + change
        if self.bound == "tanh":
            mean = torch.tanh(mean)
        std = log_std.clamp(*LOG_STD_RANGE).exp().expand_as(mean)
        return torch.distributions.Normal(mean, std, validate_args=False)

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error or negative log-likelihood of the first action of each chunk."""
        distribution, target = self.distribution(batch.obs), batch.action[:, 0]
        if self.imitation == "mse":
            each = (distribution.mean - target).square().mean(-1)
        else:
            z = (target - distribution.mean) / distribution.stddev
            each = (z.square() / 2 + distribution.stddev.log()).mean(-1)  # but for a constant
        return first_step_loss(each, batch)
