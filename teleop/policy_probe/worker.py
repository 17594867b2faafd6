"""The policy probe in a worker process: it works on a question for a moment at a time.

So an arrow never waits for a rollout, and a rollout that no caller waits for any more ends at once: the station decides
which question comes next.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.data.layout import DataWarning
from robo_rlhf.policies import POLICIES
from robo_rlhf.rewards import REWARDS
from robo_rlhf.sim.tasks import TASKS
from teleop.policy_probe.messages import ActionQuery, Request, Result
from teleop.policy_probe.probe import PolicyProbe, QuerySteps

MOMENT = 0.02  # [s] of a longer question


def start(home: Path, limit: float) -> Callable[[Request | None], Result | None]:
    """Return what answers questions about the data home `home`, each within `limit` [s] of the processor."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DataWarning)
    for registry in (TASKS, POLICIES, REWARDS):
        registry.discover()
    return Answering(PolicyProbe(home), limit)


class Answering:
    """Works on at most one longer question, and in between on those that look."""

    def __init__(self, probe: PolicyProbe, limit: float) -> None:
        """Have no question yet; one may take `limit` [s] of the processor."""
        self._probe, self._limit = probe, limit
        self._work: QuerySteps | None = None
        self._used = 0.0  # [s] of the processor for it

    def __call__(self, request: Request | None) -> Result | None:
        """Begin a question, in place of the one before, or go on with it where None; return None where unfinished.

        Raises:
            NotNowError: there is none to go on with, or it takes too long.
            RoboRlhfError: an error of the request.
        """
        if isinstance(request, ActionQuery):
            steps = self._probe.answer(request)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    looked: Result = end.value
                    return looked
        if request is not None:
            self._work, self._used = self._probe.answer(request), 0.0
        if self._work is None:
            raise NotNowError("The process that asks policies ended before it had an answer", "Ask again.")
        begun = time.process_time()
        used = 0.0
        while used < MOMENT:
            try:
                next(self._work)
            except StopIteration as end:
                found: Result = end.value
                self._work = None
                return found
            used = time.process_time() - begun
        self._used += used
        if self._used > self._limit:
            self._work = None
            raise NotNowError(f"The question took more than {self._limit:.0f} s", "Ask for less at once.")
        return None
