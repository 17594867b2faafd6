"""Exploration as a policy: actions drawn from an actor's distribution instead of its mean."""

import numpy as np
import torch

from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import Actor


class ExploringPolicy:
    """A `Policy` that acts as `actor` does in training. Copy i of batch k of episodes draws from (seed, k)."""

    def __init__(self, actor: Actor, seed: int) -> None:
        """Draw from `actor`'s distribution, all chance from `seed`."""
        self.actor, self.act_dim, self._seed, self._turns = actor, actor.act_dim, seed, 0
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
            noise = self._rng.standard_normal((len(obs), self.act_dim), np.float32)
            action: Array = self.actor.explore(self.actor.features(obs), torch.from_numpy(noise)).numpy()
        return action
