"""The scripted operator: a task's scripted demonstration, with simulated human errors."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.task import unscripted

AT_REST = 0.1  # effort of an operator who holds still; noise and drift grow with effort


@dataclass(frozen=True)
class OperatorFaults:
    """Simulated errors of a human operator. Commands are in [-1, 1], times in control steps."""

    delay: int = 2  # reaction time in steps: 100 ms at 20 Hz, since operators look ahead
    tremor: float = 0.15  # deviation of the motor noise, as a share of the command (Harris and Wolpert 1998)
    tremor_time: float = 4.0  # correlation time of the noise, in steps
    pause_rate: float = 0.012  # probability per step that a pause begins
    pause_length: tuple[int, int] = (4, 14)  # steps
    slip_rate: float = 0.012  # probability per step that a drift begins, which causes near misses
    slip_length: tuple[int, int] = (4, 9)  # steps
    slip_size: float = 0.6  # command of a drift, in a random direction


PERSON = OperatorFaults()
PERFECT = OperatorFaults(delay=0, tremor=0.0, pause_rate=0.0, slip_rate=0.0)


class ScriptedOperator:
    """A `Policy` that demonstrates the task of `env`, whose simulation it reads directly, with errors.

    Copy i's errors come from a separate generator, so an episode does not depend on how many are run together.
    """

    def __init__(self, env: TaskEnv, faults: OperatorFaults = PERSON, seed: int = 0) -> None:
        """Act in `env`; copy i of the k-th reset draws its errors from (seed, k, i) unless `reseed` sets a seed.

        Raises:
            InvalidValueError: the task has no scripted operator.
        """
        if not env.task.is_scripted():
            raise unscripted(env.name)
        self.env, self.faults = env, faults
        self._seed, self._resets = seed, 0
        self._seeds: Array | None = None
        self._moves = np.array([name != "gripper" for name in env.task.action_names])  # a switch has no tremor
        self.reset(env.num_envs)

    def reseed(self, seeds: Array) -> None:
        """Draw the next episode's errors of copy i from seeds[i]."""
        self._seeds = np.asarray(seeds)

    def reset(self, num_envs: int) -> None:
        """Start episodes: clears noise, pauses and the observation delay."""
        keys = (
            [(self._seed, self._resets, i) for i in range(num_envs)]
            if self._seeds is None
            else [(self._seed, int(s)) for s in self._seeds]
        )
        self._rngs = [np.random.default_rng(key) for key in keys]
        self._resets += 1
        self._noise = np.zeros((num_envs, self.env.act_dim))
        self._pause = np.zeros(num_envs, np.int64)
        self._slip = np.zeros(num_envs, np.int64)
        self._drift = np.zeros((num_envs, self.env.act_dim))
        self._seen: deque[Array] = deque(maxlen=self.faults.delay + 1)

    def act(self, obs: Array) -> Array:
        """Return actions (N, act_dim) in [-1, 1]; `obs` is ignored, the simulation is read instead."""
        self._seen.append(self.env.task.demonstrate(self.env.sim).astype(np.float64))
        action = self._seen[0].copy()
        self._shake()
        moving = action[:, self._moves]
        effort = AT_REST + np.sqrt((moving * moving).sum(axis=1, keepdims=True))
        drift = np.where((self._slip > 0)[:, None], self._drift[:, self._moves], 0.0)
        moving += self._noise[:, self._moves] * effort + drift * np.minimum(effort, 1.0)
        moving[self._pause > 0] = 0.0
        action[:, self._moves] = moving
        self._slip -= 1
        self._pause -= 1
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _shake(self) -> None:
        """Advance each copy's noise, and possibly begin a pause or a drift, from its generator."""
        faults, dim = self.faults, self.env.act_dim
        keep = np.exp(-1.0 / faults.tremor_time)
        for i, rng in enumerate(self._rngs):
            fresh = rng.standard_normal(dim)
            self._noise[i] = keep * self._noise[i] + faults.tremor * np.sqrt(1 - keep**2) * fresh
            begin = rng.random(2)
            if begin[0] < faults.pause_rate and self._pause[i] <= 0:
                self._pause[i] = rng.integers(*faults.pause_length)
            if begin[1] < faults.slip_rate and self._slip[i] <= 0:
                self._slip[i] = rng.integers(*faults.slip_length)
                direction = rng.standard_normal(dim)
                self._drift[i] = faults.slip_size * direction / np.sqrt((direction**2).sum())
