import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms.base import Steps
from robo_rlhf.rewards.terms.live import Live


def credit(presses: dict[int, float], dt: float = 0.1, count: int = 20, **delay: float) -> Array:
    live = np.zeros((count, 1))
    for step, sign in presses.items():
        live[step] = sign
    nothing = np.zeros((count, 1, 1), np.float32)
    return np.asarray(Live(**delay)(Steps(nothing, nothing, np.ones((count, 1), bool), dt, live=live)))[:, 0]


def test_a_press_is_spread_over_the_steps_that_it_can_mean() -> None:
    found = credit({12: 1.0})
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found[5:11], 1 / 6)  # 0.2 to 0.8 s before it
    assert not found[:5].any()
    assert not found[11:].any()


def test_presses_add_up_with_their_signs() -> None:
    both = credit({10: 1.0, 15: -2.0})
    np.testing.assert_allclose(both, credit({10: 1.0}) + credit({15: -2.0}))


def test_what_would_fall_before_the_first_step_is_lost() -> None:
    assert credit({3: 1.0}).sum() == pytest.approx(2 / 6)


@pytest.mark.parametrize("delay", [{"soonest": -0.1}, {"soonest": 0.9}])
def test_delays_that_cannot_be(delay: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="delay of a live signal: expected two times from 0, in order, got"):
        Live(**delay)
