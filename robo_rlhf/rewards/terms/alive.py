"""One for every step that is taken: for environments that end an episode when something goes wrong.

A reward learned from comparisons of clips says which steps are better, and not how much living on is worth: where all
that it knows so far is below zero, to fall over soon is the best that can be done. Where no episode ends early this
adds the same to all of them.
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
