"""A guest: a reward term that costs large actions."""

import numpy as np

from robo_rlhf.rewards.terms.base import Term


class Effort(Term):
    """Minus the mean square of the action, in units of `scale`."""

    name = "effort"

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, steps):
        return -np.mean(steps.action**2, axis=-1) / self.scale
