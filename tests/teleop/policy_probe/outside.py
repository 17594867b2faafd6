"""A data home with an episode of an outside environment and two untrained policies for it."""

from pathlib import Path

import numpy as np

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external.vec_env import ExternalVecEnv

FLOW, PLAIN = (f"runs/{run}/checkpoints/policy.safetensors" for run in ("flow", "plain"))


class Wave:
    """Random actions."""

    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def reset(self, num_envs: int) -> None:
        self.rng = np.random.default_rng(0)

    def act(self, obs: Array) -> Array:
        return self.rng.uniform(-1, 1, (len(obs), self.act_dim)).astype(np.float32)


def outside_home(home: Path, name: str) -> Episode:
    """Make the data home; return its episode, `e` of the dataset `outside`, of 20 steps."""
    env = ExternalVecEnv(name, 1)
    (episode,) = rollout(env, Wave(env.act_dim), np.array([3]), steps=20, meta={"id": "e"})
    env.close()
    Dataset(home / "outside", create=True, task=MIXED).add(episode)
    with seeded(0):
        for path, policy in (
            (FLOW, new_policy("flow", env.obs_dim, env.act_dim, {"width": 16, "layers": 1})),
            (PLAIN, new_policy("gaussian", env.obs_dim, env.act_dim, {})),
        ):
            save_policy(policy, home / path, {"task": name})
    return episode
