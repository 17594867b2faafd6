"""Evaluative feedback: what people who watch the policy practise press, as a reward of every step.

Viewers react with a delay: a press is credited to the steps that were shown between `soonest` and `latest` seconds
before it, and with `decay` also to those before, less and less (Knox and Stone 2009, TAMER; MacGlashan et al. 2017 for
the trace). A model of the credit speaks for steps that nobody watched: see `robo_rlhf.rewards.press_model`.
"""

from typing import ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("live")
class Live(Term):
    """From +1 where viewers press + to -1 where they press -; 0 where nothing is known."""

    name = "live"
    needs: ClassVar[tuple[Need, ...]] = ("live",)

    def __init__(self, soonest: float = 0.2, latest: float = 0.8, decay: float = 0.0) -> None:
        """Set the delay [s] from a step to the press that judges it, and how long credit lasts before that [s].

        Raises:
            InvalidValueError: the delay ends before it begins, or a negative decay.
        """
        if not 0 <= soonest < latest:
            raise InvalidValueError("delay of a live signal", f"{soonest} to {latest} s", "two times from 0, in order")
        if decay < 0:
            raise InvalidValueError("decay of a live signal", f"{decay} s", "a time from 0")
        self.soonest, self.latest, self.decay = soonest, latest, decay

    def __call__(self, steps: Steps) -> Array:
        """Return what viewers think of each step, (T, N)."""
        assert steps.live is not None
        return np.where(steps.active, steps.live, 0.0)
