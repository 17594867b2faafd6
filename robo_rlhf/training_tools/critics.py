"""Value functions: a state value for PPO, and an ensemble of state-action values for SAC."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_rlhf.policies.base import Normalizer, mlp


class StateCritic(nn.Module):
    """The value function of observation and time left, in units set by the first batch of each reward."""

    scale: Tensor  # (2,)

    def __init__(self, obs_dim: int, width: int, layers: int) -> None:
        """Build the network."""
        super().__init__()
        self.normalizer = Normalizer(obs_dim)
        self.net = mlp([obs_dim + 1, *[width] * layers, 1], nn.SiLU)
        self.register_buffer("scale", torch.tensor([0.0, 1.0]))  # mean and deviation of returns

    def calibrate(self, obs: Tensor, returns: Tensor) -> None:
        """Set the units of observations (M, obs_dim) and of returns (M,)."""
        self.normalizer.fit(obs)
        self.scale.copy_(torch.stack([returns.mean(), returns.std(correction=0).clamp_min(1e-6)]))

    def inputs(self, obs: Tensor, left: Tensor) -> Tensor:
        """Return the input of `forward`, for obs (..., obs_dim) and the fraction of time left (..., 1) in [0, 1]."""
        return torch.cat([self.normalizer(obs), 2 * left - 1], dim=-1)

    def units(self, returns: Tensor) -> Tensor:
        """Return the targets of `forward` for returns (M,)."""
        return ((returns - self.scale[0]) / self.scale[1]).float()

    def value(self, inputs: Tensor) -> Tensor:
        """Return values (...) in units of the reward."""
        value: Tensor = self.forward(inputs) * self.scale[1] + self.scale[0]
        return value

    def forward(self, inputs: Tensor) -> Tensor:
        """Return values (...) in units of `scale`."""
        value: Tensor = self.net(inputs).squeeze(-1)
        return value


class QEnsemble(nn.Module):
    """E value functions of observation, time left and action, in parallel: weights (E, out, in)."""

    def __init__(self, obs_dim: int, act_dim: int, *, members: int, width: int, layers: int, layer_norm: bool) -> None:
        """Build `members` of them, with `layers` hidden layers of `width` units, which may be normalised."""
        super().__init__()
        self.normalizer, self.norm, self.width = Normalizer(obs_dim), layer_norm, width
        sizes = [obs_dim + 1 + act_dim, *[width] * layers, 1]
        weights, biases = [], []
        for inputs, outputs in itertools.pairwise(sizes):
            bound = inputs**-0.5
            weights.append(nn.Parameter(torch.empty(members, outputs, inputs).uniform_(-bound, bound)))
            biases.append(nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound)))
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)
        normed = range(layers if layer_norm else 0)
        self.gains = nn.ParameterList(torch.ones(members, width) for _ in normed)
        self.shifts = nn.ParameterList(torch.zeros(members, width) for _ in normed)

    def inputs(self, obs: Tensor, left: Tensor) -> Tensor:
        """Return the input of `forward` except actions, for obs (B, obs_dim) and the fraction of time left (B, 1)."""
        return torch.cat([self.normalizer(obs), 2 * left - 1], dim=-1)

    def forward(self, inputs: Tensor, action: Tensor) -> Tensor:
        """Return values (E, B), in the replay's units."""
        x = torch.cat([inputs, action], dim=-1)  # (B, obs_dim + 1 + act_dim)
        layers = [(w.unbind(0), b.unbind(0)) for w, b in zip(self.weights, self.biases, strict=True)]
        norms = [(g.unbind(0), s.unbind(0)) for g, s in zip(self.gains, self.shifts, strict=True)]
        values = []
        for e in range(len(layers[0][0])):  # members one after the other: faster than batched products on a processor
            h = x
            for i, (weight, bias) in enumerate(layers[:-1]):
                h = functional.linear(h, weight[e], bias[e])
                if self.norm:
                    h = functional.layer_norm(h, (self.width,), norms[i][0][e], norms[i][1][e])
                h = functional.relu(h)
            values.append(functional.linear(h, layers[-1][0][e], layers[-1][1][e]).squeeze(-1))
        return torch.stack(values)
