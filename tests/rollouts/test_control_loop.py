from itertools import islice

import numpy as np
import pytest

from robo_rlhf.core.errors import NonFiniteError
from robo_rlhf.core.types import Array
from robo_rlhf.rollouts.control_loop import control_loop
from tests.toy import ToyEnv


def test_each_action_is_chosen_from_the_observations_that_the_step_before_gave() -> None:
    env, seen = ToyEnv(3), list[Array]()

    def act(obs: Array) -> Array:
        seen.append(obs.copy())
        return np.full((3, 2), 0.1 * len(seen), np.float32)

    first = env.reset(np.arange(3))
    given = list(islice(control_loop(env, act, first), 4))
    np.testing.assert_array_equal(seen, [first, *[step.obs for step in given[:-1]]])
    np.testing.assert_allclose([step.applied[0, 0] for step in given], [0.1, 0.2, 0.3, 0.4])


def test_nothing_is_chosen_or_stepped_before_it_is_asked_for() -> None:
    env, asked = ToyEnv(1), list[Array]()

    def act(obs: Array) -> Array:
        asked.append(obs)
        return np.ones((1, 2), np.float32)

    loop = control_loop(env, act, env.reset(np.zeros(1, int)))
    next(loop)
    after = env.get_state()
    assert len(asked) == 1
    assert list(islice(loop, 0)) == []
    assert (len(asked), env.get_state().tobytes()) == (1, after.tobytes())


def test_an_error_ends_it_before_the_step() -> None:
    env = ToyEnv(2)

    def act(obs: Array) -> Array:
        raise NonFiniteError("The action", "here", "Nothing was done.")

    loop = control_loop(env, act, env.reset(np.arange(2)))
    before = env.get_state()
    with pytest.raises(NonFiniteError):
        next(loop)
    assert env.get_state().tobytes() == before.tobytes()
    assert next(loop, None) is None
