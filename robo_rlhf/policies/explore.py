"""Exploration as a policy: actions drawn from an actor's distribution instead of its mean."""

import numpy as np
import torch

from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.types import Array


class Exploring:
    """A `Policy` that acts as `actor` does while it learns. Copy i of episode turn k draws from (seed, k)."""

    def __init__(self, actor: GaussianActor, seed: int) -> None:
        """Draw from `actor`'s distribution, all chance from `seed`."""
        self.actor, self._seed, self._turns = actor, seed, 0
        self._rng = np.random.default_rng((seed, 0))

    def reset(self, num_envs: int) -> None:
        """Start episodes in `num_envs` copies."""
        self._rng = np.random.default_rng((self._seed, self._turns))
        self._turns += 1
        self.actor.seed(int(self._rng.integers(2**31)))
        self.actor.reset(num_envs)

    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) to actions (N, act_dim) in [-1, 1], with noise."""
        with torch.inference_mode():
            found = self.actor.distribution(self.actor.features(obs))
            noise = self._rng.standard_normal(found.mean.shape, np.float32)
            action: Array = (found.mean + found.stddev * torch.from_numpy(noise)).clamp(-1.0, 1.0).numpy()
        return action
