"""Detection of idle steps: those in which the operator commands nothing new."""

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array

STILL = 0.01  # an action this small moves nothing (of a full range of 1)
_SWITCH = 0.95  # a column that is never closer to 0 is a switch


def idle_steps(action: Array, threshold: float = STILL) -> Array:
    """Return (T,) bool: the operator commands nothing new.

    A column of motion is a command where it is beyond `threshold`. A column that is only ever at ±1 is a switch (a
    gripper): it is a command where it changes.
    """
    switch: Array = np.all(np.abs(action) >= _SWITCH, axis=0)  # (act_dim,)
    changed = np.abs(np.diff(action, axis=0, prepend=action[:1])) > threshold
    asking = np.where(switch, changed, np.abs(action) > threshold)
    idle: Array = np.logical_not(np.any(asking, axis=1))
    return idle


def kept_steps(action: Array, threshold: float, keep: int, keep_last: int) -> Array:
    """Return the indices (K,) of steps that are left when idle ones are trimmed.

    The first few of each idle stretch stay, so that a policy still learns to wait where people wait.

    Args:
        action: (T, act_dim).
        threshold: see `idle_steps`; 0 keeps every step.
        keep: steps that stay of each idle stretch.
        keep_last: steps that stay of the one that ends the episode.

    Raises:
        InvalidValueError: a negative number of steps.
    """
    if min(keep, keep_last) < 0:
        raise InvalidValueError("idle steps to keep in a row", str(min(keep, keep_last)), "0 or more")
    steps = np.arange(len(action))
    if threshold <= 0 or not len(action):
        return steps
    last_busy = np.maximum.accumulate(np.where(idle_steps(action, threshold), -1, steps))
    limit = np.where(steps > last_busy[-1], keep_last, keep)
    return np.flatnonzero(steps - last_busy <= limit)
