"""A guest: a policy that is one linear layer."""

import torch
from torch import nn

from robo_rlhf.policies.base import GaussianActor, Normalizer, first_step_loss


class Linear(GaussianActor):
    """The mean action is a linear function of the observation."""

    kind = "linear"

    def __init__(self, obs_dim, act_dim, *, std=0.2):
        super().__init__(obs_dim, act_dim, std=std)
        self.normalizer = Normalizer(obs_dim)
        self.layer = nn.Linear(obs_dim, act_dim)
        self.log_std = nn.Parameter(torch.full((act_dim,), std).log())

    def fit_normalizer(self, obs, action):
        self.normalizer.fit(obs)

    def distribution(self, features):
        mean = self.layer(self.normalizer(features))
        return torch.distributions.Normal(mean, self.log_std.exp().expand_as(mean))

    def loss(self, batch, generator):
        error = self.layer(self.normalizer(batch.obs)) - batch.action[:, 0]
        return first_step_loss((error**2).sum(-1), batch)
