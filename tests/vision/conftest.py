"""Episodes of pick_place with states, three steps long: enough to draw."""

import numpy as np
import pytest

from robo_rlhf.core.types import Episode
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS


@pytest.fixture(scope="session")
def env() -> TaskEnv:
    """Two copies of pick_place."""
    return TaskEnv(TASKS["pick_place"](), 2, nthread=1)


@pytest.fixture(scope="session")
def episodes(env: TaskEnv) -> list[Episode]:
    """Two short episodes."""
    return rollout(env, BuiltInPolicy("random", env.act_dim), np.array([3, 4]), steps=3)
