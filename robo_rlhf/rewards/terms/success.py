"""A sparse success reward: one for every step after which the task is done."""

from typing import ClassVar

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("success")
class Success(Term):
    """1 while the task is done, else 0."""

    name = "success"
    needs: ClassVar[tuple[Need, ...]] = ("success",)

    def __call__(self, steps: Steps) -> Array:
        """Return 1 or 0 for each step, (T, N)."""
        assert steps.success is not None
        return steps.success.astype(np.float32)
