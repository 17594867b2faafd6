"""What viewers would press about a step: ridge regression on what is seen, what is done, and their products.

A press is about what an action does there, such as coming nearer, which no column says by itself and a product of two
does. Fitted anew in milliseconds: a few presses speak for what is like what was judged. It is the model of human
reward of TAMER (Knox and Stone 2009). Far from all steps that were judged the prediction is about 0.
"""

import numpy as np

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.core.types import Array

RIDGE = 300.0  # weight of "nothing is known" against one judged step
FAR = 3.0  # deviations of a column, beyond which less and less is known
FLOOR = 1e-3  # least deviation of a column


class PressModel:
    """A function of observation and action in [-1, 1]; 0 everywhere until it is fitted."""

    def __init__(self) -> None:
        """Know nothing."""
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
        found = self._features(both, action.shape[1])
        self._weights = np.linalg.solve(found.T @ found + RIDGE * np.eye(found.shape[1]), found.T @ credit)

    def __call__(self, obs: Array, action: Array) -> Array:
        """Return what would be pressed about steps, (...,), for obs (..., obs_dim) and action (..., act_dim)."""
        if self._weights is None:
            return np.zeros(obs.shape[:-1], np.float32)
        both = np.concatenate([obs, action], axis=-1).astype(np.float64)
        found = self._features(both.reshape(-1, both.shape[-1]), action.shape[-1]) @ self._weights
        reward: Array = np.clip(found, -1.0, 1.0).reshape(obs.shape[:-1]).astype(np.float32)
        return reward

    def _features(self, both: Array, actions: int) -> Array:
        """Return 1, all columns, and the products of the last `actions` of them with every one, (M, F)."""
        columns = (both - self._mean) / self._std
        far = np.abs(columns).max(axis=1, keepdims=True)
        columns = np.hstack([np.ones((len(columns), 1)), np.clip(columns, -FAR, FAR)])
        products = columns[:, -actions:, None] * columns[:, None, :]  # with 1: the action itself
        known = np.minimum(1.0, FAR / np.maximum(far, FLOOR)) ** 2
        found: Array = known * np.hstack([columns[:, :-actions], products.reshape(len(columns), -1)])
        return found
