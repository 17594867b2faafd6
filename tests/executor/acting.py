"""A policy in a user's own file."""

import numpy as np


def act(obs: np.ndarray) -> np.ndarray:
    """Return an action for an observation of `reach`."""
    return np.tanh(obs[:5])
