"""Options of reinforcement learning: the task, the policy to start from and the reward to maximise."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_rlhf.algorithms.base import RunAlgorithm
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home
from robo_rlhf.pipeline.latest_policy import policy_at, reward_at
from robo_rlhf.sim.names import MaybeWorld

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Array, VecEnv
    from robo_rlhf.training_tools.experience import Reward
    from robo_rlhf.training_tools.viewers import Audience


@dataclass(frozen=True, kw_only=True)
class Reinforcement(RunAlgorithm):
    """An algorithm that maximises a reward, such as a learned one; its settings are `RLSettings`."""

    task: MaybeWorld = None
    """Task to learn in; else the one that the policy was trained for."""
    policy: Path | None
    """The policy to start from: a checkpoint, a run's folder, or the name of a run in the data home."""
    reward: Path | None = None
    """The learned reward, where the objective has one: a checkpoint, a run's folder, or the name of a run."""
    uncertainty_penalty: float = 0.5
    """Uncertainty penalty: deviations of the reward's ensemble to subtract from its mean."""
    config: Any
    """Settings of the algorithm."""

    def check(self) -> None:
        """Refuse checkpoints that are not there, and an objective that does not fit the reward.

        Raises:
            NotFoundError: there is no policy, or no reward model.
            InvalidValueError: a learned reward is missing, or not used; or no task is named.
        """
        check_objective(self.config.objective, self.reward)
        if self.start is None and self.task is None:
            raise InvalidValueError("--task", "none", "a task, or --policy with one that was trained for it")
        if self.judge is not None:
            check_axes(self.config.objective, self.judge)

    @property
    def start(self) -> Path | None:
        """The checkpoint of the policy to start from."""
        return None if self.policy is None else policy_at(self.policy, data_home(self.home))

    @property
    def judge(self) -> Path | None:
        """The checkpoint of the learned reward."""
        return None if self.reward is None else reward_at(self.reward, data_home(self.home))

    @contextmanager
    def world(self) -> "Iterator[VecEnv]":
        """Open copies of the task, with the observation mask under which the policy was trained, if any.

        Raises:
            UnknownNameError: no such task.
            InvalidValueError: an observation mask for an outside environment.
        """
        from robo_rlhf.policies.checkpoint import load_meta
        from robo_rlhf.sim.envs.partial_observation import mask_observations
        from robo_rlhf.sim.envs.task_env import make_env

        start = self.start
        known = {} if start is None else load_meta(start)
        made = make_env(self.task or str(known["task"]), self.config.num_envs)
        with closing(mask_observations(made, known.get("mask_delay"))) as env:
            yield env

    def learned_reward(self, env: "VecEnv") -> "Reward":
        """Return the learned reward, which is read again when its file changes; without one, a stand-in that raises."""
        from robo_rlhf.rewards.latest import NewestReward

        if self.judge is None:
            return no_reward
        return NewestReward(
            self.judge, self.uncertainty_penalty, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim
        )

    @contextmanager
    def watched(self, run: "Run", env: "VecEnv") -> "Iterator[Audience | None]":
        """Let people watch on the signal page, where the objective has the term `live`."""
        from robo_rlhf.training_tools.viewers import audience

        with audience(self.config.objective, run.path, data_home(self.home).absolute(), env) as viewers:
            yield viewers

    def asked(self, env: "VecEnv") -> dict[str, Any]:
        """Return the options that the run stores, so that it is continued with the same."""
        found = {"algorithm": self.name, "task": env.name, "policy": self.start, "reward": self.judge}
        return {**found, "uncertainty_penalty": self.uncertainty_penalty}


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


def check_axes(objective: str, judge: Path) -> None:
    """Refuse an objective with an axis that the learned reward at `judge` has no head for.

    Raises:
        InvalidValueError: it has none.
    """
    from robo_rlhf.rewards.checkpoint import load_meta
    from robo_rlhf.rewards.reward_sum import RewardSum

    named = RewardSum(objective).axes
    known = load_meta(judge)["reward"]["settings"].get("axes", ()) if named else ()
    missing = [axis for axis in named if axis not in known]
    if missing:
        expected = f"one of {', '.join(known)}" if known else "none: it was learned from answers about no named axis"
        raise InvalidValueError(f"axis of the learned reward {judge}", repr(missing[0]), expected)


def no_reward(obs: "Array", action: "Array", next_obs: "Array") -> "Array":
    """Raise when called: a placeholder where no learned reward is optimised."""
    raise AssertionError("the objective names no learned reward")
