"""An alive bonus: one for every step, for environments that end an episode on failure.

A reward learned from comparisons of clips ranks steps, but leaves the value of survival open: where it is negative
everywhere, an early failure is optimal. Where no episode ends early, this adds the same to all of them.
"""

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Steps, Term


@TERMS.register("alive")
class Alive(Term):
    """1 in every step until the episode ends."""

    name = "alive"

    def __call__(self, steps: Steps) -> Array:
        """Return 1 or 0 for each step, (T, N)."""
        return steps.active.astype(np.float32)
