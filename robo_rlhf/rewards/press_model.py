"""What viewers would press about a step: ridge regression on random Fourier features, fitted anew in milliseconds.

Rahimi and Recht 2007. Far from all steps that were judged the prediction is about 0. It is the model of human reward
of TAMER (Knox and Stone 2009), kernelised: a few presses speak for what is like what was judged.
"""

import numpy as np

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.core.types import Array

FEATURES = 256
RIDGE = 0.3  # weight of "nothing is known" against one judged step
WIDTH = 0.5  # of the kernel, in deviations of all columns together
FLOOR = 1e-3  # least deviation of a column


class PressModel:
    """A function of observation and action in [-1, 1]; 0 everywhere until it is fitted."""

    def __init__(self, seed: int = 0) -> None:
        """Draw the features from `seed`."""
        self._seed = seed
        self._weights: Array | None = None

    def fit(self, obs: Array, action: Array, credit: Array, scale: tuple[Array, Array] | None = None) -> None:
        """Learn from steps: obs (M, obs_dim), action (M, act_dim), credit (M,); forget what was learned before.

        Args:
            obs: what was seen at each step.
            action: what was done.
            credit: what was pressed about it; steps that were shown and not pressed about have 0.
            scale: mean and deviation of obs and action together, (2, obs_dim + act_dim); of these steps where None.

        Raises:
            ShapeError: the arrays do not fit each other.
        """
        if not len(obs) == len(action) == len(credit):
            raise ShapeError("steps to learn from", (len(credit),), (len(obs), len(action)))
        both = np.concatenate([obs, action], axis=1).astype(np.float64)
        mean, std = (both.mean(0), both.std(0)) if scale is None else scale
        self._mean, self._std = mean, np.maximum(std, FLOOR)
        rng = np.random.default_rng(self._seed)
        size = both.shape[1]
        self._directions = rng.standard_normal((size, FEATURES)) / (WIDTH * np.sqrt(size))
        self._phase = rng.uniform(0, 2 * np.pi, FEATURES)
        found = self._features(both)
        self._weights = np.linalg.solve(found.T @ found + RIDGE * np.eye(FEATURES), found.T @ credit)

    def __call__(self, obs: Array, action: Array) -> Array:
        """Return what would be pressed about steps, (...,), for obs (..., obs_dim) and action (..., act_dim)."""
        if self._weights is None:
            return np.zeros(obs.shape[:-1], np.float32)
        both = np.concatenate([obs, action], axis=-1).astype(np.float64)
        found = self._features(both.reshape(-1, both.shape[-1])) @ self._weights
        reward: Array = np.clip(found, -1.0, 1.0).reshape(obs.shape[:-1]).astype(np.float32)
        return reward

    def _features(self, both: Array) -> Array:
        waves = np.cos((both - self._mean) / self._std @ self._directions + self._phase)
        found: Array = waves * np.sqrt(2.0 / FEATURES)
        return found
