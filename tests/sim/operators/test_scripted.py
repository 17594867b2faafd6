"""The scripted operator: faultless it is the task's own demonstration, and a person's faults are its own."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.types import Array, Policy
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, PERSON, OperatorFaults, ScriptedOperator
from robo_rlhf.sim.tasks import TASKS


def actions(task: str, seeds: list[int], faults: OperatorFaults, steps: int = 25) -> Array:
    """What the operator does in episodes from `seeds`, its faults drawn from them too: (T, N, act_dim)."""
    env = TaskEnv(TASKS[task](), len(seeds))
    operator = ScriptedOperator(env, faults)
    obs = env.reset(np.array(seeds))
    operator.reseed(np.array(seeds))
    operator.reset(len(seeds))
    found = []
    for _ in range(steps):
        found.append(operator.act(obs))
        obs = env.step(found[-1]).obs
    return np.array(found)


def test_without_faults_it_demonstrates() -> None:
    env = TaskEnv(TASKS["lift"](), 3)
    operator = ScriptedOperator(env, PERFECT)
    assert isinstance(operator, Policy)
    obs = env.reset(np.arange(3))
    for _ in range(10):
        action = operator.act(obs)
        assert np.array_equal(action, env.task.demonstrate(env.sim))
        obs = env.step(action).obs


@pytest.mark.parametrize("task", ["lift", "navigate_room"])
def test_a_copys_faults_do_not_depend_on_the_others(task: str) -> None:
    together, alone = actions(task, [4, 5, 6], PERSON), actions(task, [5], PERSON)
    assert np.array_equal(together[:, 1], alone[:, 0])
    assert not np.array_equal(together[:, 0], together[:, 1])


def test_every_reset_draws_other_faults() -> None:
    env = TaskEnv(TASKS["reach"](), 2)
    first, second = (ScriptedOperator(env, PERSON, seed=3) for _ in range(2))
    obs = env.reset(np.arange(2))
    assert np.array_equal(first.act(obs), second.act(obs))
    first.reset(2)
    assert not np.array_equal(first.act(obs), second.act(obs))


def test_reaction_takes_its_time() -> None:
    env = TaskEnv(TASKS["reach"](), 2)
    operator = ScriptedOperator(env, replace(PERFECT, delay=2))
    obs = env.reset(np.arange(2))
    shown, done = [], []
    for _ in range(8):
        shown.append(env.task.demonstrate(env.sim))
        done.append(operator.act(obs))
        obs = env.step(done[-1]).obs
    assert np.array_equal(done[2:], shown[:-2])
    assert np.array_equal(done[0], shown[0])  # what is first seen is held until more is


def test_hands_tremble_but_a_switch_does_not() -> None:
    env = TaskEnv(TASKS["reach"](), 2)
    operator = ScriptedOperator(env, replace(PERFECT, tremor=0.15))
    action = operator.act(env.reset(np.arange(2)))
    plain = env.task.demonstrate(env.sim)
    assert (action[:, :-1] != plain[:, :-1]).all()
    assert np.array_equal(action[:, -1], plain[:, -1])


def test_a_rover_has_no_switch() -> None:
    env = TaskEnv(TASKS["navigate_room"](), 2)
    operator = ScriptedOperator(env, replace(PERFECT, tremor=0.15))
    action = operator.act(env.reset(np.arange(2)))
    assert (action != env.task.demonstrate(env.sim)).all()


def test_hands_at_rest_are_steadier() -> None:
    env = TaskEnv(TASKS["reach"](), 64)
    env.reset(np.arange(64))
    spread = []
    for still in (True, False):
        if still:  # at the goal already
            env.sim.mocap_pos("goal")[:] = env.sim.mocap_pos("target")
        else:
            env.sim.mocap_pos("goal")[:] = env.sim.mocap_pos("target") + np.array([0.2, 0.0, 0.0])
        plain = env.task.demonstrate(env.sim)
        operator = ScriptedOperator(env, replace(PERFECT, tremor=0.15))
        noise = [operator.act(np.empty(0)) - plain for _ in range(10)]
        spread.append(float(np.std(np.array(noise)[..., :-1])))
    assert spread[0] < 0.3 * spread[1]
    assert spread[0] > 0.0


def test_pauses_hold_still_and_keep_the_grip() -> None:
    found = actions("lift", [0, 1], replace(PERFECT, pause_rate=1.0), steps=6)
    assert (found[..., :-1] == 0.0).all()
    assert (np.abs(found[..., -1]) == 1.0).all()


def test_slips_lead_away() -> None:
    env = TaskEnv(TASKS["reach"](), 16)
    obs = env.reset(np.arange(16))
    operator = ScriptedOperator(env, replace(PERFECT, slip_rate=1.0))
    drift = (operator.act(obs) - env.task.demonstrate(env.sim))[:, :-1]
    length = np.sqrt((drift * drift).sum(1))
    assert length.max() <= PERSON.slip_size + 1e-6
    assert length.min() > 0.05
    assert np.abs(drift.mean(axis=0)).max() < 0.3  # in any direction


def test_actions_stay_in_range() -> None:
    wild = OperatorFaults(tremor=2.0, slip_rate=0.5, slip_size=2.0)
    assert np.abs(actions("reach", [1, 2, 3], wild)).max() == 1.0
