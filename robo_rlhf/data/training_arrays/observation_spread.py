"""Spread of observations for normalisation, where a few demonstrations alone do not show it.

One demonstration shows one position of the drawer: a constant column. Scaled by its variation there, the drawer two
centimetres further is twenty deviations away, beyond the clipping range, and a policy sees a sign instead of a
distance. The initial observations of episodes show how far such a column really varies, and need no demonstration.
"""

import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, ShapeError
from robo_rlhf.core.types import NO_FAULTS, Array, VecEnv

START_SEED = 3_000_000  # first of the seeds of the starts that scales are taken from
SHARE = 0.5  # a column that varied less in demonstrations than this share of the starts' deviation was not shown


def starts_of(env: VecEnv) -> Array:
    """Return (S, obs_dim), the initial observations of episodes: every copy of `env` is reset, those that start count.

    Raises:
        EnvironmentFaultError: no copy can start.
    """
    obs = env.reset(START_SEED + np.arange(env.num_envs))
    faults = getattr(env, "faults", NO_FAULTS)
    if len(faults) == len(obs):
        raise EnvironmentFaultError(f"No episode can start: {faults[0]}")
    return np.delete(obs, list(faults), axis=0)


def hidden_spread(obs: Array, starts: Array) -> Array:
    """Return (d,), the spread of the columns whose variation demonstrations did not show; 0 for all others.

    Args:
        obs: demonstrated observations (M, d).
        starts: (S, d), initial observations of episodes.

    Raises:
        ShapeError: starts of another size.
    """
    if starts.ndim != 2 or starts.shape[1] != obs.shape[1]:
        raise ShapeError("starts", ("S", obs.shape[1]), starts.shape)
    spread = starts.std(axis=0, dtype=np.float64)
    found: Array = np.where(obs.std(axis=0, dtype=np.float64) < SHARE * spread, spread, 0.0).astype(np.float32)
    return found


def widened(obs: Array, spread: Array) -> Array:
    """Return `obs` (M, d) as data to take scales from, with what `hidden_spread` gave: means stay where they are.

    >>> widened(np.array([[1.0, 3.0]]), np.array([0.5, 0.0])).tolist()
    [[1.5, 3.0], [0.5, 3.0]]
    """
    return np.concatenate([obs + spread, obs - spread]) if spread.any() else obs
