import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.rewards.terms.base import Steps
from robo_rlhf.rewards.terms.live import Live


def test_what_viewers_think_counts_in_steps_that_were_played() -> None:
    active = np.arange(4)[:, None] < np.array([4, 2])
    nothing = np.zeros((4, 2, 1), np.float32)
    live = np.full((4, 2), 0.5)
    np.testing.assert_array_equal(Live()(Steps(nothing, nothing, active, 0.1, live=live)), 0.5 * active)


@pytest.mark.parametrize("delay", [{"soonest": -0.1}, {"soonest": 0.9}])
def test_delays_that_cannot_be(delay: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="delay of a live signal: expected two times from 0, in order, got"):
        Live(**delay)
    with pytest.raises(InvalidValueError, match="decay of a live signal: expected a time from 0"):
        Live(decay=-1.0)
