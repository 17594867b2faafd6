"""Evaluative feedback: live presses of viewers during training, credited to the steps that they judge.

Viewers react with a delay: a press is spread evenly over the steps that were shown between `soonest` and `latest`
seconds before it (Knox and Stone 2009, TAMER, with a uniform density of the delay).
"""

from typing import ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("live")
class Live(Term):
    """+1 for each positive press, -1 for each negative one, spread over the steps that it judges."""

    name = "live"
    needs: ClassVar[tuple[Need, ...]] = ("live",)

    def __init__(self, soonest: float = 0.2, latest: float = 0.8) -> None:
        """Set the delay [s] from a step to the press that judges it.

        Raises:
            InvalidValueError: it ends before it begins.
        """
        if not 0 <= soonest < latest:
            raise InvalidValueError("delay of a live signal", f"{soonest} to {latest} s", "two times from 0, in order")
        self.soonest, self.latest = soonest, latest

    def __call__(self, steps: Steps) -> Array:
        """Return the credit of each step, (T, N); credit before the first step is lost."""
        assert steps.live is not None
        count, dt = len(steps.live), steps.control_dt
        back = np.arange(count)[None, :] - np.arange(count)[:, None]  # (T, T) steps from the judged one to the press
        spread = np.clip(np.minimum((back + 1) * dt, self.latest) - np.maximum(back * dt, self.soonest), 0.0, None)
        credit: Array = (spread / (self.latest - self.soonest)) @ steps.live
        return np.where(steps.active, credit, 0.0)
