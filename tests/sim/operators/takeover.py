"""A simulated operator who supervises a policy and takes over where it fails, for testing learning from corrections."""

import numpy as np

from robo_rlhf.core.types import Array, Policy, Source
from robo_rlhf.sim.envs.task_env import TaskEnv


class TakeoverOperator:
    """A `Policy`: a trained one acts, and an operator takes over in those copies where it makes no progress.

    No progress: for `patience` steps the task's reward has been no more than `least` above its previous level, and
    there is no success. The operator then acts until the task is solved, or for at least `hold` steps and until the
    reward has risen by twice `least`; then the policy, which kept observing and planning, acts again.
    """

    def __init__(
        self, env: TaskEnv, policy: Policy, operator: Policy, *, patience: int = 12, hold: int = 40, least: float = 0.02
    ) -> None:
        """Supervise `policy` in `env`; `operator` takes over."""
        self.env, self.policy, self.operator = env, policy, operator
        self.patience, self.hold, self.least = patience, hold, least
        self.reset(env.num_envs)

    def reset(self, num_envs: int) -> None:
        """Start episodes: the policy acts."""
        self.policy.reset(num_envs)
        self.operator.reset(num_envs)
        self.driving = np.zeros(num_envs, np.bool_)  # whether the operator acts, (N,)
        self._best = np.full(num_envs, -np.inf)  # reference level of the reward
        self._idle = np.zeros(num_envs, np.int64)  # steps since it rose
        self._held = np.zeros(num_envs, np.int64)  # steps since the operator took over
        self._goal = np.zeros(num_envs)  # reward at which the operator lets go

    def source(self) -> Array:
        """Return the source of the newest actions, (N,) uint8, for `rollout`."""
        return np.where(self.driving, Source.CORRECTION, Source.POLICY).astype(np.uint8)

    def act(self, obs: Array) -> Array:
        """Return the actions (N, act_dim) of the policy or the operator."""
        self._watch()
        own, shown = self.policy.act(obs), self.operator.act(obs)
        action: Array = np.where(self.driving[:, None], shown, own)
        return action

    def _watch(self) -> None:
        """Update in which copies the operator has taken over."""
        reward, solved = self.env.task.reward(self.env.sim), self.env.task.success(self.env.sim)
        rose = reward > self._best + self.least
        self._best = np.where(rose, reward, self._best)
        self._idle = np.where(rose | solved, 0, self._idle + 1)
        takes = ~self.driving & ~solved & (self._idle >= self.patience)
        self._goal = np.where(takes, reward + 2 * self.least, self._goal)
        self._held = np.where(takes, 0, self._held + self.driving)
        lets_go = self.driving & (solved | ((self._held >= self.hold) & (reward >= self._goal)))
        self.driving = (self.driving | takes) & ~lets_go
        self._idle = np.where(self.driving, 0, self._idle)
        self._best = np.where(lets_go | takes, reward, self._best)
