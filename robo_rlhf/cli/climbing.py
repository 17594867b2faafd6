"""Shared parts of the commands that optimise a reward: finding checkpoints, the learned reward, the task."""

from pathlib import Path
from typing import TYPE_CHECKING

from robo_rlhf.core.checks import RUNS
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import data_home
from robo_rlhf.pipeline.latest_policy import policy_at

if TYPE_CHECKING:
    from robo_rlhf.core.types import Array, VecEnv
    from robo_rlhf.training_tools.experience import Reward


def find_checkpoint(given: Path, name: str, home: Path | None) -> Path:
    """Return the file that is meant by a checkpoint, a run's folder or a run's name.

    Raises:
        NotFoundError: there is no policy, or no reward model.
    """
    if name == "policy":
        return policy_at(given, data_home(home))
    for place in (given, data_home(home) / RUNS / given):
        found = place / "checkpoints" / f"{name}.safetensors" if place.is_dir() else place
        if found.is_file():
            return found
    raise NotFoundError(name, given, f"Give a checkpoint, or a run in {data_home(home)} that has learned a {name}.")


def check_objective(objective: str, reward: Path | None) -> None:
    """Refuse a learned reward that is missing, or that the objective does not use.

    Raises:
        InvalidValueError: one or the other.
    """
    from robo_rlhf.rewards.reward_sum import RewardSum

    if ("learned" in RewardSum(objective).needs) == (reward is not None):
        return
    if reward is None:
        expected = f"the learned reward that the objective {objective!r} names, or --objective task (or success)"
        raise InvalidValueError("--reward", "none", expected)
    raise InvalidValueError("--reward", reward, f"none: the objective {objective!r} has no learned reward in it")


def load_reward_function(env: "VecEnv", checkpoint: Path | None, uncertainty_penalty: float) -> "Reward":
    """Return the learned reward, which is read again when its file changes; without one, a stand-in that raises."""
    from robo_rlhf.rewards.latest import NewestReward

    if checkpoint is None:
        return no_reward
    return NewestReward(checkpoint, uncertainty_penalty, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)


def make_env_for(task: str, policy: Path | None, num_envs: int) -> "VecEnv":
    """Return copies of a task, with the observation mask under which the policy at `policy` was trained, if any.

    Raises:
        UnknownNameError: no such task.
        InvalidValueError: an observation mask for an outside environment.
    """
    from robo_rlhf.policies.checkpoint import load_meta
    from robo_rlhf.sim.envs.partial_observation import mask_observations
    from robo_rlhf.sim.envs.task_env import make_env

    return mask_observations(make_env(task, num_envs), None if policy is None else load_meta(policy).get("mask_delay"))


def no_reward(obs: "Array", action: "Array", next_obs: "Array") -> "Array":
    """Raise when called: a placeholder where no learned reward is optimised."""
    raise AssertionError("the objective names no learned reward")
