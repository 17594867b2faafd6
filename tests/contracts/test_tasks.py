"""Contract of every registered task."""

import functools
import re
from dataclasses import dataclass

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.errors import NonFiniteError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics.model_identity import compiled_hash
from robo_rlhf.sim.task_tools import style_measures
from robo_rlhf.sim.tasks import TASKS

NUM = 32  # copies of the scripted run
every_task = pytest.mark.parametrize("name", list(TASKS))


@dataclass(frozen=True)
class Run:
    """An episode of `NUM` copies with the scripted operator, faultless."""

    states: Array  # (T+1, N, nstate)
    obs: Array  # (T+1, N, obs_dim)
    success: Array  # (T, N)
    active: Array  # (T, N)
    terms: dict[str, Array]  # (T, N)
    reward: Array  # (T, N)
    signals: dict[str, Array]  # (T, N, k)
    control_dt: float  # [s]


@functools.cache
def scripted(name: str) -> Run:
    env = TaskEnv(TASKS[name](), NUM)
    operator = ScriptedOperator(env, PERFECT)
    obs, states, steps, terms = [env.reset(np.arange(NUM))], [env.get_state()], [], []
    for _ in range(env.horizon):
        steps.append(copied(env.step(operator.act(obs[-1]))))
        obs.append(steps[-1].obs)
        states.append(env.get_state())
        terms.append(env.task.reward_terms(env.sim))
    return Run(
        states=np.stack(states),
        obs=np.stack(obs),
        success=np.stack([s.success for s in steps]),
        active=np.stack([s.active for s in steps]),
        terms={key: np.stack([t[key] for t in terms]) for key in terms[0]},
        reward=np.stack([s.reward for s in steps]),
        signals={key: np.stack([s.signals[key] for s in steps]) for key in steps[0].signals},
        control_dt=env.control_dt,
    )


def copied(step: Step) -> Step:
    fields = step._asdict() | {"signals": {key: value.copy() for key, value in step.signals.items()}}
    return Step(**{key: value.copy() if isinstance(value, np.ndarray) else value for key, value in fields.items()})


def act(env: TaskEnv, noise: Array) -> Array:
    """The scripted operator's actions with noise, out of the present state alone."""
    return np.clip(env.task.demonstrate(env.sim) + noise, -1, 1).astype(np.float32)


def future(env: TaskEnv, noises: Array) -> list[Array]:
    """All that `len(noises)` further steps give, with noises (T, N, act_dim)."""
    found = []
    for noise in noises:
        step = copied(env.step(act(env, noise)))
        found += [step.obs, step.reward, step.success, step.applied, *step.signals.values(), env.get_state()]
    return found


def assert_same(left: list[Array], right: list[Array]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


@every_task
def test_describes_itself(name: str) -> None:
    task = TASKS[name]()
    env = TaskEnv(task, 2)
    assert task.name == name
    assert re.fullmatch(r"[A-Z][^.!?]*\.", task.instruction)
    assert isinstance(env, VecEnv)
    assert env.reset(np.arange(2)).shape == (2, len(task.obs_names))
    for names in (task.obs_names, task.action_names):
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z][a-z_0-9]*", column) for column in names)
    assert env.horizon == task.horizon
    assert (env.obs_dim, env.act_dim) == (len(task.obs_names), len(task.action_names))
    assert all(env.model.body(goal).mocapid[0] >= 0 for goal in task.goals)
    assert round(env.sim.substeps * env.model.opt.timestep * task.control_hz, 9) == 1.0


@every_task
def test_scripted_operator_succeeds(name: str) -> None:
    assert scripted(name).success[-1].mean() >= 0.9


@every_task
def test_no_episode_ends_before_the_horizon(name: str) -> None:
    run = scripted(name)
    assert len(run.reward) == TASKS[name].horizon
    assert run.active.all()
    assert run.success[:-1].any()  # success alone did not end one


@every_task
def test_starts_are_drawn_and_unsolved(name: str) -> None:
    run = scripted(name)
    assert len(np.unique(run.obs[0], axis=0)) == NUM
    assert run.success[0].mean() < 0.1


@every_task
def test_rewards_are_in_range_and_rise_with_success(name: str) -> None:
    run = scripted(name)
    for term in run.terms.values():
        assert term.shape == run.reward.shape
        assert np.isfinite(term).all()
        assert term.min() >= 0.0
        assert term.max() <= 1.0
    assert np.array_equal(run.reward, np.mean(list(run.terms.values()), axis=0).astype(np.float32))
    assert run.reward[run.success].mean() > run.reward[0].mean() + 0.3


@every_task
def test_what_the_teacher_cares_about_is_measured(name: str) -> None:
    run, style_cost = scripted(name), TASKS[name].style_cost
    for signal in run.signals.values():
        assert signal.dtype == np.float32
        assert np.isfinite(signal).all()
    values = [
        style_measures.summarize({key: value[:, i] for key, value in run.signals.items()}, run.control_dt)[style_cost]
        for i in range(NUM)
    ]
    assert np.isfinite(values).all()
    assert np.ptp(values) > 0.0


@every_task
def test_same_seed_same_episode(name: str) -> None:
    noises = np.random.default_rng(0).normal(0, 0.3, (12, 3, len(TASKS[name].action_names)))
    seeds, found = np.array([7, 2, 7]), []
    for _ in range(2):
        env = TaskEnv(TASKS[name](), 3)
        found.append([env.reset(seeds), *future(env, noises)])
    assert_same(*found)
    obs = env.reset(seeds)
    assert np.array_equal(obs, found[0][0])  # a used environment starts anew
    assert np.array_equal(obs[0], obs[2])
    assert np.array_equal(env.reset_at(np.array([1]), np.array([7])), obs[:1])


@every_task
def test_state_holds_everything(name: str) -> None:
    """A frame of an episode, entered in a used and in a fresh environment, has the same future bit for bit."""
    run, noises = scripted(name), np.random.default_rng(1).normal(0, 0.2, (8, 4, len(TASKS[name].action_names)))
    for t in range(5, len(run.reward), len(run.reward) // 5):
        used, fresh = TaskEnv(TASKS[name](), 4), TaskEnv(TASKS[name](), 4)
        used.reset(np.arange(4) + 50)
        future(used, noises)
        obs = used.set_state(run.states[t, :4])
        assert np.array_equal(obs, run.obs[t, :4])
        assert np.array_equal(fresh.set_state(run.states[t, :4]), obs)
        assert_same(future(used, noises), future(fresh, noises))


@every_task
def test_one_copy_is_as_one_of_many(name: str) -> None:
    """Copy 5 of 64 does bit for bit what it does alone, at every stage of an episode."""
    run, rng = scripted(name), np.random.default_rng(2)
    many, one = TaskEnv(TASKS[name](), 64), TaskEnv(TASKS[name](), 1)
    assert np.array_equal(many.reset(np.arange(64))[5:6], one.reset(np.array([5])))
    for t in range(0, len(run.reward), len(run.reward) // 6):
        states = np.concatenate([run.states[t], run.states[-t - 1]])
        assert np.array_equal(many.set_state(states)[5:6], one.set_state(states[5:6]))
        noises = rng.normal(0, 0.2, (6, 64, many.act_dim))
        alone = future(one, noises[:, 5:6])
        assert_same([values[5:6] for values in future(many, noises)], alone)


@every_task
def test_operator_is_a_function_of_the_state(name: str) -> None:
    env, run = TaskEnv(TASKS[name](), NUM), scripted(name)
    env.set_state(run.states[len(run.reward) // 3])
    before = env.get_state()
    action = env.task.demonstrate(env.sim)
    assert action.shape == (NUM, env.act_dim)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1.0
    assert np.array_equal(action, env.task.demonstrate(env.sim))
    assert np.array_equal(before, env.get_state())
    assert not vars(env.task)  # nothing is kept between calls


@every_task
def test_model_never_changes(name: str) -> None:
    env = TaskEnv(TASKS[name](), 2)
    before = compiled_hash(env.model)
    env.reset(np.array([3, 4]))
    future(env, np.zeros((5, 2, env.act_dim)))
    env.reset(np.array([5, 6]))
    other = TaskEnv(TASKS[name](), 1)
    assert compiled_hash(env.model) == before == compiled_hash(other.model)
    assert env.model_hash == other.model_hash


@every_task
def test_cameras(name: str) -> None:
    """Two stand still, and one moves with the robot."""
    env, run = TaskEnv(TASKS[name](), 1), scripted(name)
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
