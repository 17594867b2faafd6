import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import VecEnv
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.partial_observation import MaskedEnv, ObservationMask, mask_episodes, mask_observations
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.tasks import TASKS
from tests.toy import ToyEnv


def columns(task: str) -> tuple[set[str], set[str]]:
    names = np.array(TASKS[task].obs_names)
    observation_mask = ObservationMask(names.tolist(), 2)
    assert not (observation_mask.hidden & observation_mask.late).any()
    return set(names[observation_mask.hidden]), set(names[observation_mask.late])


def test_motion_is_hidden_and_things_are_late() -> None:
    lead = {"lead_x", "lead_y", "lead_z", "lead_yaw"}
    course = {"ahead_x", "ahead_y", "behind_dx", "behind_dy", "along", "side"}
    objects = {"puck_dx", "puck_dy", "puck_dz", "goal_dx", "goal_dy", *course}
    assert columns("push") == ({*lead, "puck_vx", "puck_vy"}, objects)
    assert columns("drawer_open") == (lead, {"handle_dx", "handle_dy", "handle_dz", "drawer"})
    hidden, late = columns("navigate_room")
    assert hidden == {"speed", "spin"}
    assert late == {
        "goal_ahead",
        "goal_left",
        "goal_distance",
        "way_ahead",
        "way_left",
        *(f"room_{i}" for i in range(8)),
    }


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_something_to_hide_and_something_of_its_own(task: str) -> None:
    hidden, late = columns(task)
    assert hidden
    assert late
    assert len(hidden | late) < len(TASKS[task].obs_names)


@pytest.mark.parametrize("delay", [0, 1, 5])
def test_what_is_seen_while_acting_is_what_a_recorded_episode_shows(delay: int) -> None:
    inner = make_env("push", 2, 1)
    assert isinstance(inner, TaskEnv)
    env = mask_observations(inner, delay)
    assert isinstance(env, VecEnv)
    operator = ScriptedOperator(inner, PERFECT)
    plain = rollout(inner, operator, np.arange(2), steps=12)
    seen = rollout(env, operator, np.arange(2), steps=12)
    for whole, part, episode in zip(plain, mask_episodes("push", plain, delay), seen, strict=True):
        np.testing.assert_array_equal(whole.action, episode.action)
        np.testing.assert_array_equal(part.obs, episode.obs)
        assert not episode.obs[:, 3].any()
        np.testing.assert_array_equal(episode.obs[delay:, 10], whole.obs[: 13 - delay, 10])
        assert episode.meta.model_hash == whole.meta.model_hash


def test_entering_a_state_forgets_what_was_seen_before() -> None:
    inner = make_env("reach", 2, 1)
    env = mask_observations(inner, 3)
    assert isinstance(env, MaskedEnv)
    start = env.reset(np.arange(2))
    state = env.get_state()
    for _ in range(4):
        env.step(np.ones((2, env.act_dim), np.float32))
    np.testing.assert_array_equal(env.set_state(state), start)
    env.close()


def test_nothing_is_asked_for_or_cannot_be_had() -> None:
    env = make_env("reach", 1, 1)
    assert mask_observations(env, None) is env
    with pytest.raises(InvalidValueError, match="delay of what is partly observed: expected 0 steps or more, got -1"):
        mask_observations(env, -1)
    with pytest.raises(InvalidValueError, match="expected a native task, whose observations have names, got toy"):
        mask_observations(ToyEnv(1), 2)
    with pytest.raises(InvalidValueError, match="expected a native task"):
        mask_episodes("Pusher-v5", [], 2)
    (episode,) = rollout(env, ScriptedOperator(env), np.arange(1), steps=2)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"expected the 20 of pick_place, got observations of 13 columns"):
        mask_episodes("pick_place", [episode], 2)
