"""Environments by name, and resetting some copies while the others continue."""

import numpy as np
import pytest

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.sim.envs.task_env import TaskEnv, is_made_here, make_env, versions
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.tasks import TASKS


def test_makes_native_tasks_and_outside_environments() -> None:
    native = make_env("reach", 3)
    assert isinstance(native, TaskEnv)
    assert (native.name, native.num_envs, native.control_dt) == ("reach", 3, 0.05)
    outside = make_env("Pendulum-v1", 2)
    assert isinstance(outside, ExternalVecEnv)
    outside.close()
    native.close()


@pytest.mark.parametrize(
    ("name", "outside"),
    [("Pusher-v5", True), ("Meta-World/MT1:door-open-v3", True), ("pick_place", False), ("nonsense", False)],
)
def test_tells_outside_names(name: str, outside: bool) -> None:
    assert is_outside(name) == outside


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown task 'rech'\. Did you mean 'reach'"):
        make_env("rech")


def test_some_copies_start_anew_while_the_others_go_on() -> None:
    env, rng = TaskEnv(TASKS["lift"](), 4), np.random.default_rng(0)
    env.reset(np.arange(4))
    for _ in range(5):
        env.step(rng.uniform(-1, 1, (4, env.act_dim)).astype(np.float32))
    before = env.get_state()
    obs = env.reset_at(np.array([1, 3]), np.array([30, 31]))
    after = env.get_state()
    assert np.array_equal(after[[0, 2]], before[[0, 2]])
    fresh = TaskEnv(TASKS["lift"](), 2)
    assert np.array_equal(obs, fresh.reset(np.array([30, 31])))
    assert np.array_equal(after[[1, 3]], fresh.get_state())


def test_states_are_copies() -> None:
    env = TaskEnv(TASKS["reach"](), 2)
    env.reset(np.arange(2))
    state = env.get_state()
    kept = state.copy()
    env.step(np.ones((2, env.act_dim), np.float32))
    assert np.array_equal(state, kept)


def test_steps_results_are_not_overwritten_by_the_next() -> None:
    env = TaskEnv(TASKS["pick_place"](), 2)
    env.reset(np.arange(2))
    first = env.step(np.full((2, env.act_dim), 0.7, np.float32))
    kept = {**first._asdict(), **first.signals}
    kept = {name: value.copy() for name, value in kept.items() if isinstance(value, np.ndarray)}
    for _ in range(5):
        env.step(np.full((2, env.act_dim), -1.0, np.float32))
    for name, value in {**first._asdict(), **first.signals}.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, kept[name]), name


def test_names_the_versions_that_made_an_episode() -> None:
    assert set(versions()) == {"robo_rlhf", "mujoco", "python", "platform", "processor"}
    assert all(versions().values())


def test_knows_what_was_made_on_a_machine_like_this() -> None:
    assert is_made_here(versions())
    assert is_made_here({**versions(), "robo_rlhf": "0.0.1"})
    assert not is_made_here({**versions(), "processor": "AMD EPYC (sse4_2 avx avx2 fma avx512f)"})
    assert not is_made_here({**versions(), "mujoco": "3.17.0"})
    assert not is_made_here({"robo_rlhf": "0.1.0", "mujoco": versions()["mujoco"], "python": "3.11.7"})
