"""Policies that need neither code nor training: "random" and "zero"."""

import numpy as np

from robo_rlhf.core.types import Array

BUILT_IN = ("random", "zero")


class BuiltInPolicy:
    """A `Policy` that ignores what it observes: uniformly random actions, or zero in every column."""

    def __init__(self, name: str, act_dim: int, noise: float = 0.0, seed: int = 0) -> None:
        """Take one of `BUILT_IN`, the size of an action, the deviation of noise added to it, and the seed of both."""
        assert name in BUILT_IN
        self.name, self.act_dim, self.noise = name, act_dim, noise
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def seed(self, seed: int) -> None:
        """Reset the random numbers, from the seed it was made with and `seed`."""
        self._rng = np.random.default_rng((self._seed, seed))

    def reset(self, num_envs: int) -> None:
        """Nothing is remembered."""

    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) to actions (N, act_dim) in [-1, 1]."""
        size = len(obs), self.act_dim
        action = self._rng.uniform(-1, 1, size) if self.name == "random" else np.zeros(size)
        noisy: Array = action + self.noise * self._rng.standard_normal(size)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)
