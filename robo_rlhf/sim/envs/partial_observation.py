"""Partly observed tasks: how things move is not shown, and where they are is shown late.

As with cameras in place of a simulator: an image shows no speeds, and finding a thing in it takes time. What the robot
feels of itself stays: where its hand or base is, how far the gripper is open, and what it was told. Observations keep
their size and order: a column that is not shown is 0.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Step, VecEnv
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.task import Task

_MOTION = re.compile(r"lead_\w+|speed|spin|\w+_v[xyz]")  # "lead" is how far the hand lags behind its target: its speed
_OWN = re.compile(r"hand_\w+|aim_\w+|opening|grip|x|y|cos|sin")  # what the robot feels of itself


class ObservationMask:
    """What of a task's observation is shown, and when."""

    def __init__(self, names: Sequence[str], delay: int) -> None:
        """Hide motion, and show things `delay` steps late, in observations with columns of these `names`.

        Raises:
            InvalidValueError: a negative delay.
        """
        if delay < 0:
            raise InvalidValueError("delay of what is partly observed", delay, "0 steps or more")
        self.delay = delay
        self.hidden = np.array([bool(_MOTION.fullmatch(name)) for name in names])  # (obs_dim,)
        self.late = np.array([not _MOTION.fullmatch(name) and not _OWN.fullmatch(name) for name in names])

    def apply(self, now: Array, before: Array) -> Array:
        """Return what is seen: `now` (..., obs_dim), with things as they were in `before`, `delay` steps earlier."""
        shown: Array = np.where(self.hidden, np.float32(0), np.where(self.late, before, now))
        return shown

    def apply_to_episode(self, episode: Episode) -> Episode:
        """Return an episode as somebody saw it who saw it so; at the start the first observation stands for earlier."""
        earlier = np.maximum(np.arange(len(episode.obs)) - self.delay, 0)
        return replace(episode, obs=self.apply(episode.obs, episode.obs[earlier]))


class MaskedEnv:
    """A task's environment behind a veil. Implements `VecEnv`.

    Entering a state forgets what was seen before it: things are then shown as they are in it until they move on.
    """

    def __init__(self, env: TaskEnv, delay: int) -> None:
        """Veil `env`; things are shown `delay` steps late."""
        self.env, self.observation_mask = env, ObservationMask(env.task.obs_names, delay)
        self.name, self.num_envs, self.horizon, self.control_dt = env.name, env.num_envs, env.horizon, env.control_dt
        self.obs_dim, self.act_dim = env.obs_dim, env.act_dim
        self._seen: deque[Array] = deque(maxlen=delay + 1)  # whole observations, the oldest is what is shown of things

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return what is seen (N, obs_dim)."""
        return self._begin(self.env.reset(seeds))

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim), as the environment behind does."""
        step = self.env.step(action)
        self._seen.append(step.obs)
        return step._replace(obs=self.observation_mask.apply(step.obs, self._seen[0]))

    @property
    def model_hash(self) -> str:
        """Identity of the scene behind the veil."""
        return self.env.model_hash

    @property
    def task(self) -> Task:
        """The task behind the veil."""
        return self.env.task

    @property
    def full_obs(self) -> Array:
        """The newest observations (N, obs_dim) without the veil, for whoever judges and does not act."""
        return self._seen[-1]

    def reward_terms(self) -> Mapping[str, Array]:
        """Return the named terms of the task's reward in the present state, each (N,) in [0, 1]."""
        return self.env.reward_terms()

    def get_state(self) -> Array:
        """Return the integration states (N, nstate)."""
        return self.env.get_state()

    def set_state(self, state: Array) -> Array:
        """Enter the states (N, nstate); return what is seen (N, obs_dim)."""
        return self._begin(self.env.set_state(state))

    def close(self) -> None:
        """Release what the environment holds."""
        self.env.close()

    def _begin(self, obs: Array) -> Array:
        self._seen.clear()
        self._seen.extend([obs] * (self.observation_mask.delay + 1))
        return self.observation_mask.apply(obs, obs)


def mask_observations(env: VecEnv, delay: int | None) -> VecEnv:
    """Return `env` behind a veil that shows things `delay` steps late, or as it is where that is None.

    Raises:
        InvalidValueError: an outside environment, whose columns have no names, or a negative delay.
    """
    if delay is None:
        return env
    if not isinstance(env, TaskEnv):
        raise InvalidValueError("a partly observed task", env.name, "a native task, whose observations have names")
    return MaskedEnv(env, delay)


def mask_episodes(task: str, episodes: Sequence[Episode], delay: int | None) -> list[Episode]:
    """Return episodes of `task` as they look behind the veil that `mask_observations` puts before its environment.

    Raises:
        InvalidValueError: the task is no native one, or the episodes have observations of another size.
    """
    from robo_rlhf.sim.tasks import TASKS

    if delay is None:
        return list(episodes)
    if task not in TASKS:
        raise InvalidValueError("a partly observed task", task, "a native task, whose observations have names")
    names = TASKS[task].obs_names
    for episode in episodes:
        if episode.obs.shape[1] != len(names):
            given = f"observations of {episode.obs.shape[1]} columns"
            raise InvalidValueError(f"episode {episode.meta.id}", given, f"the {len(names)} of {task}")
    observation_mask = ObservationMask(names, delay)
    return [observation_mask.apply_to_episode(episode) for episode in episodes]
