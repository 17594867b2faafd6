"""Partially observed tasks: velocities of objects are masked, and their poses are delayed.

This mimics camera observations: an image shows no velocities, and detecting an object takes time. Proprioception is
kept: the pose of the hand or base, the opening of the gripper, and its last command. Observations keep their size and
order: a masked column is 0.
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

_MOTION = re.compile(r"lead_\w+|speed|spin|\w+_v[xyz]")  # "lead", the hand's lag behind its target, reveals its speed
_OWN = re.compile(r"hand_\w+|aim_\w+|opening|grip|x|y|cos|sin")  # proprioception


class ObservationMask:
    """The mask and the delay of a task's observation."""

    def __init__(self, names: Sequence[str], delay: int) -> None:
        """Mask velocities, and delay objects by `delay` steps, in observations with columns of these `names`.

        Raises:
            InvalidValueError: a negative delay.
        """
        if delay < 0:
            raise InvalidValueError("delay of what is partly observed", delay, "0 steps or more")
        self.delay = delay
        self.hidden = np.array([bool(_MOTION.fullmatch(name)) for name in names])  # (obs_dim,)
        self.late = np.array([not _MOTION.fullmatch(name) and not _OWN.fullmatch(name) for name in names])

    def apply(self, now: Array, before: Array) -> Array:
        """Return the masked observation: `now` (..., obs_dim), with objects as in `before`, `delay` steps earlier."""
        shown: Array = np.where(self.hidden, np.float32(0), np.where(self.late, before, now))
        return shown

    def apply_to_episode(self, episode: Episode) -> Episode:
        """Return an episode with masked observations; at the start the first observation replaces earlier ones."""
        earlier = np.maximum(np.arange(len(episode.obs)) - self.delay, 0)
        return replace(episode, obs=self.apply(episode.obs, episode.obs[earlier]))


class MaskedEnv:
    """A task's environment with masked observations. Implements `VecEnv`.

    Entering a state clears the observation history: objects are then shown as in that state until the delay has passed.
    """

    def __init__(self, env: TaskEnv, delay: int) -> None:
        """Mask the observations of `env`; objects are delayed by `delay` steps."""
        self.env, self.observation_mask = env, ObservationMask(env.task.obs_names, delay)
        self.name, self.num_envs, self.horizon, self.control_dt = env.name, env.num_envs, env.horizon, env.control_dt
        self.obs_dim, self.act_dim = env.obs_dim, env.act_dim
        self._seen: deque[Array] = deque(maxlen=delay + 1)  # whole observations, the oldest of which shows the objects

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return masked observations (N, obs_dim)."""
        return self._begin(self.env.reset(seeds))

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim) in the wrapped environment."""
        step = self.env.step(action)
        self._seen.append(step.obs)
        return step._replace(obs=self.observation_mask.apply(step.obs, self._seen[0]))

    @property
    def model_hash(self) -> str:
        """Identity of the wrapped environment's scene."""
        return self.env.model_hash

    @property
    def task(self) -> Task:
        """The wrapped environment's task."""
        return self.env.task

    @property
    def full_obs(self) -> Array:
        """The newest unmasked observations (N, obs_dim), for rewards and evaluation, not for the policy."""
        return self._seen[-1]

    def reward_terms(self) -> Mapping[str, Array]:
        """Return the named terms of the task's reward in the current state, each (N,) in [0, 1]."""
        return self.env.reward_terms()

    def get_state(self) -> Array:
        """Return the integration states (N, nstate)."""
        return self.env.get_state()

    def set_state(self, state: Array) -> Array:
        """Enter the states (N, nstate); return masked observations (N, obs_dim)."""
        return self._begin(self.env.set_state(state))

    def close(self) -> None:
        """Close the wrapped environment."""
        self.env.close()

    def _begin(self, obs: Array) -> Array:
        self._seen.clear()
        self._seen.extend([obs] * (self.observation_mask.delay + 1))
        return self.observation_mask.apply(obs, obs)


def mask_observations(env: VecEnv, delay: int | None) -> VecEnv:
    """Return `env` with masked observations and objects delayed by `delay` steps; unchanged where `delay` is None.

    Raises:
        InvalidValueError: an outside environment, whose columns have no names, or a negative delay.
    """
    if delay is None:
        return env
    if not isinstance(env, TaskEnv):
        raise InvalidValueError("a partly observed task", env.name, "a native task, whose observations have names")
    return MaskedEnv(env, delay)


def mask_episodes(task: str, episodes: Sequence[Episode], delay: int | None) -> list[Episode]:
    """Return episodes of `task` with their observations masked as `mask_observations` does.

    Raises:
        InvalidValueError: the task is not a native one, or the episodes have observations of another size.
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
