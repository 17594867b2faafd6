"""Learning with an observation mask: the policy keeps its inputs, and rewards receive the full observation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.policies.checkpoint import load_meta
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.partial_observation import MaskedEnv
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.training import ppo, sac

DELAY = 4
SIZES: dict[str, Any] = {"num_envs": 2, "iterations": 2, "critic_width": 8, "save_every": 1}
PPO = ppo.Config(**SIZES, epochs=1, warmup_epochs=1)
SAC = sac.Config(**SIZES, updates=0.02, batch=8)


class Judge:
    """A reward that records the observations it received, each (T+1, N, obs_dim)."""

    def __init__(self) -> None:
        self.told: list[Array] = []

    def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
        self.told.append(np.concatenate([obs, next_obs[-1:]]))
        return np.asarray(next_obs[..., 0], np.float32)


@pytest.fixture(scope="module")
def shown() -> list[Episode]:
    env = TaskEnv(TASKS["push"](), 2, 1)
    return rollout(env, ScriptedOperator(env), np.arange(2), record_state=False)


def learn(
    config: ppo.Config | sac.Config, folder: Path, shown: list[Episode], **arguments: Any
) -> tuple[Run, Judge, MaskedEnv]:
    env, judge, run = MaskedEnv(TaskEnv(TASKS["push"](), 2, 1), DELAY), Judge(), Run(folder, {})
    with seeded(0):
        plain, squashed = (kind(env.obs_dim, env.act_dim, width=8) for kind in (GaussianPolicy, TanhGaussianPolicy))
    if isinstance(config, ppo.Config):
        assert isinstance(plain, GaussianPolicy)
        ppo.train(config, run, env, plain, judge, **arguments)
    else:
        assert isinstance(squashed, TanhGaussianPolicy)
        sac.train(config, run, env, squashed, judge, demonstrations=shown, **arguments)
    return run, judge, env


@pytest.mark.parametrize("config", [PPO, SAC])
def test_rewards_are_told_everything(config: ppo.Config | sac.Config, tmp_path: Path, shown: list[Episode]) -> None:
    run, judge, env = learn(config, tmp_path, shown)
    assert judge.told
    for obs in judge.told:
        assert np.abs(obs[..., env.observation_mask.hidden]).max() > 0  # how things move
    assert load_meta(run.checkpoint_path("policy"))["mask_delay"] == DELAY


def test_the_policy_is_told_what_it_was_told_before(tmp_path: Path, shown: list[Episode]) -> None:
    run, judge, env = learn(SAC, tmp_path, shown)
    stored = run.load("training")
    assert stored is not None
    seen, whole = stored[0]["replay/features"][-1], stored[0]["replay/whole"][-1]
    np.testing.assert_array_equal(whole, judge.told[-1])
    late = env.observation_mask.late
    np.testing.assert_array_equal(seen[DELAY:][..., late], whole[:-DELAY][..., late])
    assert not seen[..., env.observation_mask.hidden].any()


@pytest.mark.parametrize("config", [PPO, SAC])
def test_stopped_and_continued_equals_uninterrupted(
    config: ppo.Config | sac.Config, tmp_path: Path, shown: list[Episode]
) -> None:
    def stop(done: int, total: int, metrics: object) -> None:
        raise KeyboardInterrupt

    whole = learn(config, tmp_path / "whole", shown)[0].path
    with pytest.raises(KeyboardInterrupt):
        learn(config, tmp_path / "part", shown, progress=stop)
    part = learn(config, tmp_path / "part", shown)[0].path
    for name in ("metrics.jsonl", "checkpoints/policy.safetensors", "checkpoints/training.safetensors"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()
