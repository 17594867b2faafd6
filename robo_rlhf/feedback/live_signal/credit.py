"""Credit of a press: which steps it means, as people press after what they mean."""

import numpy as np

from robo_rlhf.core.types import Array

DELAY = (0.2, 0.8)  # [s] from what is meant to the press, at least and at most


def credit(step: float, rate: float, length: int, delay: tuple[float, float] = DELAY, decay: float = 0.0) -> Array:
    """Return the chance, (length,) float32, that a press at position `step` [steps] means each step of a clip.

    Args:
        step: where the press was.
        rate: playback rate of the clip [steps/s].
        length: steps of the clip; credit outside of it is lost.
        delay: from what is meant to the press, at least and at most [s].
        decay: time [s] in which the credit of the steps before falls to 1/e of that of the first of these; 0: none has.
    """
    first, last = step - delay[1] * rate, step - delay[0] * rate
    edges = np.clip(np.arange(length + 1), first, last)
    found = np.diff(edges) / (last - first)
    if decay > 0:
        before = first - np.arange(length) - 0.5
        found = found + np.where(before > 0, np.exp(-before / (decay * rate)) / (last - first), 0.0)
    return found.astype(np.float32)
