"""A novelty reward, which needs no labels: the distance of a state from all others of the same batch of episodes.

As the unsupervised exploration of PEBBLE (Lee et al. 2021, equation 4) and of APT (Liu and Abbeel 2021): the distance
to the k-th nearest state estimates, up to a constant, the negative log density of states. Neighbours come from the
episodes that run together, so the reward does not depend on earlier episodes.
"""

import numpy as np

from robo_rlhf.core.types import Array

NEIGHBOUR = 5  # k
LEAST = 1e-3  # lower bound of distances, in units of the observation
AT_ONCE = 512  # states whose distances are computed together


def novelty(obs: Array, action: Array, next_obs: Array) -> Array:
    """Return log distances (T, N) float32 of next_obs (T, N, obs_dim) to their k-th nearest among each other."""
    states = next_obs.reshape(-1, next_obs.shape[-1]).astype(np.float64)  # (T * N, obs_dim)
    place = min(NEIGHBOUR, len(states) - 1)  # 0 is the state itself
    square = (states * states).sum(-1)
    found = np.empty(len(states))
    for start in range(0, len(states), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        apart = square[some, None] + square - 2 * states[some] @ states.T
        found[some] = np.partition(apart, place, axis=1)[:, place]
    far: Array = np.log(np.sqrt(np.maximum(found, 0.0)) + LEAST).astype(np.float32).reshape(next_obs.shape[:2])
    return far
