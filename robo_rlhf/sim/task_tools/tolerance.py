"""tolerance(): the common building block of reward terms in [0, 1]."""

import numpy as np

from robo_rlhf.core.types import Array

AT_MARGIN = 0.1  # the value at one margin outside the bounds
_DECAY = np.log(AT_MARGIN)


def tolerance(x: Array, low: float = 0.0, high: float = 0.0, margin: float = 0.0) -> Array:
    """Return 1 where low <= x <= high, falling smoothly to `AT_MARGIN` one `margin` outside, then towards 0.

    A Gaussian fall-off, as in `dm_control.utils.rewards.tolerance`. Same unit for all arguments.
    """
    outside = np.maximum(np.maximum(low - x, x - high), 0.0)
    value: Array = np.exp(_DECAY * np.square(outside / margin)) if margin else (outside == 0.0).astype(np.float64)
    return value


def near(a: Array, b: Array, margin: float, radius: float = 0.0) -> Array:
    """Return 1 where points a and b (N, 3) are within `radius` [m], falling off over `margin` [m]; (N,)."""
    return tolerance(distance(a, b), 0.0, radius, margin)


def distance(a: Array, b: Array) -> Array:
    """Return the distance (N,) [m] between points (N, 2 or 3)."""
    d = a - b
    length: Array = np.sqrt(np.add.reduce(d * d, axis=-1))
    return length
