"""The policy probe in an outside environment: actions, what-if rollouts and comparisons from a recorded frame."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.types import Episode
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import open_access
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from teleop.policy_probe.messages import (
    ActionQuery,
    ActionResult,
    CompareQuery,
    CompareResult,
    FrameRef,
    RolloutQuery,
    RolloutResult,
)
from teleop.policy_probe.probe import PolicyProbe
from tests.teleop.policy_probe.outside import FLOW, PLAIN, outside_home
from tests.teleop.policy_probe.test_probe import answer

AT = FrameRef("outside", "e", 7)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Episode]:
    home = tmp_path_factory.mktemp("outside")
    return home, outside_home(home, "Reacher-v5")


def test_a_look_is_what_the_policy_does_in_that_frame(outside: tuple[Path, Episode]) -> None:
    home, episode = outside
    seen = answer(PolicyProbe(home), ActionQuery(AT, PLAIN))
    assert isinstance(seen, ActionResult)
    policy = load_policy(home / PLAIN)
    policy.reset(1)
    np.testing.assert_allclose(seen.actions[0], policy.act(episode.obs[7][None])[0], atol=1e-5)
    assert seen.names == ("joint0", "joint1")
    assert 0.05 < np.linalg.norm(seen.tool[:2]) < 0.25, "the fingertip of an arm of 0.21 m"
    assert np.linalg.norm(seen.reach[0] - seen.tool) > 1e-4


def test_a_future_goes_where_the_environment_goes(outside: tuple[Path, Episode]) -> None:
    home, episode = outside
    found = answer(PolicyProbe(home), RolloutQuery(AT, PLAIN, 0.5, ""))
    assert isinstance(found, RolloutResult)
    np.testing.assert_array_equal(found.states[0], episode.state[7])
    assert len(found.states) == 26
    policy, env = load_policy(home / PLAIN), ExternalVecEnv("Reacher-v5", 1)
    env.reset(np.array([3]))
    for action in episode.action[:7]:  # by a replay of what was recorded
        env.step(action[None])
    policy.reset(1)
    obs = episode.obs[7][None]
    for state in found.states[1:]:
        obs = env.step(policy.act(obs)).obs
        np.testing.assert_allclose(env.get_state()[0], state, atol=1e-9)


def test_two_continuations_are_recorded_and_can_be_shown(outside: tuple[Path, Episode]) -> None:
    home, episode = outside
    asked = CompareQuery(AT, (FLOW, PLAIN), 0.5, "comparisons/Reacher-v5", "ann")
    found = answer(PolicyProbe(home), asked)
    assert isinstance(found, CompareResult)
    for name in found.episodes:
        access = open_access(episode_path(home / "comparisons/Reacher-v5", name))
        assert (access.show, access.enter) == ("state", "state")
        np.testing.assert_array_equal(access.state(7), episode.state[7])
