"""The contract of tasks, over the registry; and what only ours keep."""

import functools

import mujoco
import numpy as np
import pytest

from robo_rlhf.contracts.task import CONTRACT, TaskTrial
from robo_rlhf.core.errors import NonFiniteError, ShapeError, UnknownNameError
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.tasks import TASKS

every_task = pytest.mark.parametrize("name", list(TASKS))


@functools.cache
def trial(name: str) -> TaskTrial:
    return TaskTrial(TASKS[name])


@every_task
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(name: str, clause: object) -> None:
    assert callable(clause)
    clause(trial(name))


@every_task
def test_ours_are_called_as_they_are_registered_and_have_an_operator(name: str) -> None:
    run = trial(name).run
    assert TASKS[name].name == name
    assert TASKS[name].is_scripted()
    assert run.success[:-1].any()  # success alone did not end an episode
    assert np.array_equal(run.reward, np.mean(list(run.terms.values()), axis=0).astype(np.float32))


@every_task
def test_cameras(name: str) -> None:
    """Two stand still, and one moves with the robot."""
    env, run = TaskEnv(TASKS[name](), 1), trial(name).run
    data = mujoco.MjData(env.model)
    places = []
    for state in (run.states[0, 0], run.states[len(run.reward) // 3, 0]):
        mujoco.mj_setState(env.model, data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_forward(env.model, data)
        places.append(data.cam_xpos.copy())
    moved = np.abs(places[1] - places[0]).max(axis=1)
    names = [env.model.camera(i).name for i in range(env.model.ncam)]
    assert {"front", "top"} <= {camera for camera, by in zip(names, moved, strict=True) if by == 0.0}
    assert (moved > 0.02).any()


@every_task
def test_refuses_bad_actions(name: str) -> None:
    env = TaskEnv(TASKS[name](), 3)
    env.reset(np.arange(3))
    before = env.get_state()
    action = np.zeros((3, env.act_dim), np.float32)
    action[1, 0] = np.nan
    with pytest.raises(NonFiniteError, match=rf"task {name}, copies \[1\]\). The step was not taken"):
        env.step(action)
    with pytest.raises(ShapeError, match=rf"action: expected shape \(3, {env.act_dim}\), got shape \(3, 99\)"):
        env.step(np.zeros((3, 99), np.float32))
    with pytest.raises(ShapeError, match="simulator state"):
        env.set_state(before[:2])
    with pytest.raises(ShapeError, match=r"seeds: expected shape \(3\), got shape \(2,\)"):
        env.reset(np.arange(2))
    assert np.array_equal(before, env.get_state())
    assert np.array_equal(env.step(np.full((3, env.act_dim), 9.0, np.float32)).applied, np.ones((3, env.act_dim)))


def test_unknown_task_gets_a_suggestion() -> None:
    with pytest.raises(
        UnknownNameError, match=r"Unknown task 'pick_plaice'. Did you mean 'pick_place'\? Choose one of: "
    ):
        make_env("pick_plaice")
