"""The alarm by held-out answers: how often it is false, and how soon it fires, by simulated answers.

Each answer prefers the older policy with a chance that is the same in every round: 0.5 where nothing has changed.
"""

import numpy as np
import pytest

from robo_rlhf.pipeline.steps.alarm import USUAL
from robo_rlhf.training_tools.gates import prefers_older

pytestmark = pytest.mark.bench
RUNS, LEVEL = 4000, 0.05


@pytest.mark.parametrize("looks", [2, 3, 6])
def test_false_alarms_and_power(looks: int) -> None:
    """A run of equally good policies is rolled back in at most 5 % of runs."""
    rng = np.random.default_rng(looks)
    for chance in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9):
        firsts = np.array([_first(run) for run in rng.binomial(USUAL, chance, (RUNS, looks)).tolist()])
        by = [f"{100 * np.mean(firsts <= k):.1f} % by look {k}" for k in (1, 2, looks)]
        print(f"{looks} looks, older preferred by {chance:.2f}: fired {', '.join(by)}")
        if chance == 0.5:
            assert np.mean(firsts <= looks) <= LEVEL


def _first(older: list[int]) -> float:
    """Return the look at which the alarm fires; infinite where it never does."""
    votes = [(USUAL - o, o) for o in older]
    looks = range(1, len(votes) + 1)
    return next((k for k in looks if prefers_older(votes[:k], 1.0, len(votes)).rounds), float("inf"))
