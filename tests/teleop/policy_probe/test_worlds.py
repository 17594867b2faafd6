"""The policy probe in an outside environment: actions, what-if rollouts and comparisons from a recorded frame."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import open_access
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.rollouts.rollout import rollout
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
from tests.teleop.policy_probe.test_probe import answer

FLOW, PLAIN = (f"runs/{run}/checkpoints/policy.safetensors" for run in ("flow", "plain"))
AT = FrameRef("outside", "e", 7)


class Wave:
    def reset(self, num_envs: int) -> None:
        self.rng = np.random.default_rng(0)

    def act(self, obs: Array) -> Array:
        return self.rng.uniform(-1, 1, (len(obs), 2)).astype(np.float32)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Episode]:
    """A data home with an episode of Reacher and two untrained policies for it."""
    home = tmp_path_factory.mktemp("outside")
    env = ExternalVecEnv("Reacher-v5", 1)
    (episode,) = rollout(env, Wave(), np.array([3]), steps=20, meta={"id": "e"})
    env.close()
    Dataset(home / "outside", create=True, task=MIXED).add(episode)
    with seeded(0):
        for path, policy in (
            (FLOW, new_policy("flow", env.obs_dim, env.act_dim, {"width": 16, "layers": 1})),
            (PLAIN, new_policy("gaussian", env.obs_dim, env.act_dim, {})),
        ):
            save_policy(policy, home / path, {"task": "Reacher-v5"})
    return home, episode


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
