from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.policies.masked import MaskedPolicy, load_for
from robo_rlhf.sim.envs.partial_observation import mask_observations
from robo_rlhf.sim.envs.task_env import make_env


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_it_acts_as_behind_the_veil_of_its_training(tmp_path: Path, delay: int) -> None:
    env = make_env("push", 3, nthread=1)
    with seeded(0):
        policy = new_policy("gaussian", env.obs_dim, env.act_dim, {})
    save_policy(policy, tmp_path / "p.safetensors", {"task": "push", "mask_delay": delay})
    loaded = load_for(tmp_path / "p.safetensors", env)
    assert isinstance(loaded, MaskedPolicy)
    behind = mask_observations(make_env("push", 3, nthread=1), delay)
    for seeds in (np.arange(3), np.arange(3, 6)):  # what was seen in an episode is forgotten in the next
        loaded.reset(3)
        whole, seen = env.reset(seeds), behind.reset(seeds)
        for _ in range(7):
            action = loaded.act(whole)
            np.testing.assert_array_equal(action, policy.act(seen))
            whole, seen = env.step(action).obs, behind.step(action).obs


def test_a_policy_that_saw_everything_stays_as_it_is(tmp_path: Path) -> None:
    env = make_env("reach", 1, nthread=1)
    policy = new_policy("gaussian", env.obs_dim, env.act_dim, {})
    save_policy(policy, tmp_path / "p.safetensors", {"task": "reach"})
    assert type(load_for(tmp_path / "p.safetensors", env)) is type(policy)
