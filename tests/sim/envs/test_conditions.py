"""Conditions of the real world: each does what it says, and any frame is entered again to the bit with all of them."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.conditioned_env import ConditionedEnv, as_sent, as_shown, under
from robo_rlhf.sim.envs.conditions import Conditions, read_conditions
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from tests.toy import ToyEnv

ALL = Conditions(0.3, 2, 3, 0.01, 0.5, 5.0)
SEEDS = np.array([7, 8, 9])
STEPS = 14


def env(task: str = "pick_place", **asked: Any) -> ConditionedEnv:
    return ConditionedEnv(TaskEnv(TASKS[task](), 3, nthread=1), Conditions(**asked))


def driven(world: ConditionedEnv, steps: int = STEPS) -> tuple[Array, Array, Array, Array]:
    """Return shown (T+1, N, d), states, sent and applied actions of an episode of every copy."""
    rng = np.random.default_rng(0)
    shown, states, sent, applied = [world.reset(SEEDS)], [world.get_state()], [], []
    for _ in range(steps):
        action = rng.uniform(-1, 1, (3, world.act_dim)).astype(np.float32)
        step = world.step(action)
        assert np.array_equal(step.signals["sent"], action)
        shown, states = [*shown, step.obs], [*states, world.get_state()]
        sent, applied = [*sent, action], [*applied, step.applied]
    return np.stack(shown), np.stack(states), np.stack(sent), np.stack(applied)


def true_columns(world: ConditionedEnv, states: Array) -> Array:
    return np.stack([world.env.set_state(state).copy() for state in states])


@pytest.mark.parametrize("task", ["pick_place", "navigate_room"])
def test_any_frame_is_entered_to_the_bit_with_every_condition_on(task: str) -> None:
    world = ConditionedEnv(TaskEnv(TASKS[task](), 3, nthread=1), ALL)
    shown, states, sent, force = [world.reset(SEEDS)], [world.get_state()], [], []
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        sent.append(rng.uniform(-1, 1, (3, world.act_dim)).astype(np.float32))
        step = world.step(sent[-1])
        shown, states, force = [*shown, step.obs], [*states, world.get_state()], [*force, step.signals["contact_force"]]
    for k in (0, 1, 5, STEPS - 1):
        again = world.resume(SEEDS, np.stack(states[: k + 1]), np.array(sent[:k]), force[k - 1] if k else None)
        assert np.array_equal(again, shown[k])
        for t in range(k, STEPS):
            step = world.step(sent[t])
            assert np.array_equal(step.obs, shown[t + 1])
            assert np.array_equal(world.get_state(), states[t + 1])


def test_late_frames_are_those_of_before_and_pictures_with_them() -> None:
    world = env(delay_frames=2)
    shown, states, _, _ = driven(world)
    assert np.array_equal(world.seen_state(), states[-3])
    true = true_columns(world, states)
    assert np.array_equal(shown[2:], true[:-2])
    assert np.array_equal(shown[:2], true[[0, 0]])


def test_dropped_frames_repeat_the_one_before_at_the_rate_that_was_asked_for() -> None:
    world = env(drop_frames=0.4)
    shown, states, _, _ = driven(world, 60)
    true = true_columns(world, states)
    fresh = (shown == true).all(-1)
    stale = (shown[1:] == shown[:-1]).all(-1)
    assert np.array_equal(~fresh[1:], stale)
    assert 0.25 < stale.mean() < 0.55
    assert not np.array_equal(stale[:, 0], stale[:, 1])  # each copy loses others


def test_late_actions_are_those_of_before_and_the_robot_stands_until_then() -> None:
    _, _, sent, applied = driven(env(delay_actions=3))
    assert np.array_equal(applied[3:], sent[:-3])
    assert (applied[:3, :, :-1] == 0).all()
    assert (applied[:3, :, -1] == -1).all()


def test_noise_has_its_deviation_and_is_the_same_for_the_same_seed() -> None:
    world = env(sensor_noise=0.05)
    shown, states, _, _ = driven(world, 40)
    noise = shown - true_columns(world, states)
    assert abs(noise.std() - 0.05) < 0.005
    assert abs(noise.mean()) < 0.005
    assert np.array_equal(driven(world, 40)[0], shown)


def test_limits_hold_motion_and_leave_the_gripper() -> None:
    _, _, sent, applied = driven(env(speed_limit=0.25))
    assert np.abs(applied[..., :-1]).max() == np.float32(0.25)
    assert np.array_equal(applied[..., -1], sent[..., -1])
    world = env(force_limit=1.0)
    world.reset(SEEDS)
    world._force = np.array([[0.5], [2.0], [0.0]], np.float32)
    step = world.step(np.full((3, world.act_dim), 0.7, np.float32))
    assert (step.applied[1, :-1] == 0).all()
    assert (step.applied[[0, 2], :-1] == np.float32(0.7)).all()


def test_without_conditions_nothing_changes_and_recordings_say_which_there_were() -> None:
    plain = TaskEnv(TASKS["reach"](), 1, nthread=1)
    assert under(plain, Conditions()) is plain
    world = under(plain, Conditions(delay_actions=2, sensor_noise=0.01))
    (episode,) = rollout(world, BuiltInPolicy("random", world.act_dim), np.array([3]), steps=4)
    assert json.loads(episode.meta.versions["conditions"]) == {"delay_actions": 2, "sensor_noise": 0.01}
    assert read_conditions(episode.meta.versions) == world.conditions
    assert read_conditions(under(plain, Conditions(speed_limit=0.0)).provenance).speed_limit == 0.0
    assert episode.signals["sent"].shape == (4, world.act_dim)


def test_what_makes_no_sense_is_refused() -> None:
    for asked, sentence in (
        ({"drop_frames": 1.0}, "a share from 0 to less than 1"),
        ({"delay_actions": -1}, "0 or more"),
        ({"speed_limit": 1.5}, "a number from 0 to 1"),
        ({"sensor_noise": float("nan")}, "0 or more"),
    ):
        with pytest.raises(InvalidValueError, match=sentence):
            Conditions(**asked)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="a native task"):
        under(ToyEnv(1), Conditions(delay_frames=1))
    with pytest.raises(InvalidValueError, match="one fewer than states"):
        env().resume(SEEDS, np.zeros((2, 3, 1)), np.zeros((2, 3, 5)))


def test_what_is_learned_from_is_what_was_shown_and_sent() -> None:
    world = under(TaskEnv(TASKS["reach"](), 1, nthread=1), Conditions(0.4, 2, 1))
    seen: list[Array] = []

    class Looks(BuiltInPolicy):
        def act(self, obs: Array) -> Array:
            seen.append(world.seen_state()[0])
            return super().act(obs)

    (episode,) = rollout(world, Looks("random", world.act_dim), np.array([3]), steps=12)
    assert np.array_equal(as_shown(episode).state[:-1], np.stack(seen))
    assert np.array_equal(as_sent(episode).action[:-1], episode.action[1:])
    cut = episode.slice(5, 6, trimmed=True, parent_step=5)
    assert np.array_equal(as_shown(cut).state[5:], as_shown(episode).state[10:12])
    plain = replace(episode, signals={}, meta=replace(episode.meta, versions={}))
    assert as_sent(plain) is plain
    assert as_shown(plain) is plain
