"""Conditions of the real world: frames that are dropped or late, actions that are late, sensor noise, hard limits.

Dulac-Arnold et al. 2019 ("Challenges of Real-World Reinforcement Learning"). What a policy is shown at a step, and what
reaches the robot, are functions of the episode's seed, the number of the step, the true frames and the actions that
were sent so far. All of it is in the recording, so every frame can be entered again, to the bit: see
`ConditionedEnv.resume`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Step
from robo_rlhf.sim.envs.conditions import Conditions, frame_shown, frames_shown
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.task import Task

SENT = "sent"  # the signal (T, act_dim): actions as they were sent; `Episode.action` holds them as applied
FORCE = "contact_force"  # the signal (T, 1) [N] that a limit of force looks at
_NOISE = 2  # of random streams


class ConditionedEnv:
    """A task's environment under conditions. Implements `VecEnv`.

    Entering a state begins a history there; `resume` continues that of a recording.
    """

    def __init__(self, env: TaskEnv, conditions: Conditions) -> None:
        """Put `env` under `conditions`.

        Raises:
            InvalidValueError: a limit of a force that the task does not measure.
        """
        if conditions.force_limit and FORCE not in env.task.signals(env.sim):
            raise InvalidValueError("force_limit of the conditions", env.name, f"a task with the signal {FORCE}")
        self.env, self.conditions = env, conditions
        self.name, self.num_envs, self.horizon, self.control_dt = env.name, env.num_envs, env.horizon, env.control_dt
        self.obs_dim, self.act_dim = env.obs_dim, env.act_dim
        self._force: Array | None = None  # (N, 1) [N] of the last step
        names = env.task.action_names
        self._grip = np.array([name == "gripper" for name in names])
        self.begin(np.zeros(env.num_envs, np.int64), np.zeros((env.num_envs, env.obs_dim), np.float32))

    @property
    def model_hash(self) -> str:
        """Identity of the scene."""
        return self.env.model_hash

    @property
    def task(self) -> Task:
        """The task."""
        return self.env.task

    @property
    def provenance(self) -> Mapping[str, str]:
        """What episodes record of it."""
        return self.conditions.provenance()

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return what is shown of them (N, obs_dim)."""
        return self.begin(np.asarray(seeds, np.int64), self.env.reset(seeds))

    def step(self, action: Array) -> Step:
        """Send `action` (N, act_dim); what arrives of earlier ones is applied, within the limits."""
        sent = np.clip(action, -1.0, 1.0).astype(np.float32)
        step = self.env.step(self._arrived(sent))
        self._sent.append(sent)
        self._force = step.signals.get(FORCE)
        self._note(self._now + 1, step.obs)
        return step._replace(obs=self._shown(), signals={**step.signals, SENT: sent})

    def get_state(self) -> Array:
        """Return the true integration states (N, nstate)."""
        return self.env.get_state()

    def seen_state(self) -> Array:
        """Return the states (N, nstate) of the frames that are shown, from which pictures are drawn."""
        return np.stack([self._frames[t][1][i] for i, t in enumerate(self._shows)])

    def set_state(self, state: Array) -> Array:
        """Enter the states (N, nstate), as if episodes began there; return what is shown of them (N, obs_dim)."""
        return self.begin(self._seeds, self.env.set_state(state))

    def resume(self, seeds: Array, states: Array, sent: Array, force: Array | None = None) -> Array:
        """Enter frame k of recordings with all that was on the way; return what was shown there (N, obs_dim).

        Args:
            seeds: of the episodes, (N,).
            states: recorded states up to the frame, (k+1, N, nstate).
            sent: actions as they were sent until then, (k, N, act_dim): the signal "sent".
            force: of the step that led there (N, 1) [N]: the signal "contact_force"; None at the start.

        Raises:
            InvalidValueError: not one action fewer than states.
        """
        if len(sent) != len(states) - 1:
            raise InvalidValueError(
                "actions sent until a frame", len(sent), f"{len(states) - 1}, one fewer than states"
            )
        return self.resume_at(seeds, len(sent), states.__getitem__, sent.__getitem__, force)

    def resume_at(
        self,
        seeds: Array,
        frame: int,
        state: Callable[[int], Array],
        sent: Callable[[int], Array],
        force: Array | None,
    ) -> Array:
        """Do as `resume` for a `frame`, with functions of a number in the place of arrays: only a few are looked at."""
        self._seeds = np.asarray(seeds, np.int64)
        self._clear()
        for t in range(min(self._numbers(frame)), frame + 1):  # earlier ones are not shown any more
            self._note(t, self.env.set_state(state(t)))
        for t in range(max(frame - self.conditions.delay_actions, 0), frame):
            self._sent.append(np.asarray(sent(t), np.float32))
        self._force = force
        return self._shown()

    def reward_terms(self) -> Mapping[str, Array]:
        """Return the named terms of the task's reward in the current state, each (N,) in [0, 1]."""
        return self.env.reward_terms()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def begin(self, seeds: Array, obs: Array) -> Array:
        """Begin a history where the copies stand, with true columns (N, obs_dim); return what is shown of them."""
        self._seeds = seeds
        self._clear()
        self._note(0, obs)
        return self._shown()

    def _clear(self) -> None:
        self._force = None
        self._frames: dict[int, tuple[Array, Array]] = {}  # number → obs and states, of those that are still shown
        self._sent: deque[Array] = deque(maxlen=self.conditions.delay_actions)  # that have not arrived

    def _note(self, number: int, obs: Array) -> None:
        """Take the present frame, of this number, and forget those that will not be shown any more."""
        self._now, self._shows = number, self._numbers(number)
        self._frames[number] = obs.copy(), self.env.get_state()
        self._frames = {t: frame for t, frame in self._frames.items() if t >= min(self._shows)}

    def _numbers(self, now: int) -> list[int]:
        """Return the number of the frame that is shown of each copy at frame `now`."""
        return [frame_shown(self.conditions, int(seed), now) for seed in self._seeds]

    def _shown(self) -> Array:
        """Return the columns (N, obs_dim) that are shown, with the noise that their frame was measured with."""
        noise = self.conditions.sensor_noise
        shown = np.stack([self._frames[t][0][i] for i, t in enumerate(self._shows)])
        if not noise:
            return shown
        drawn = [np.random.default_rng((_NOISE, s, t)) for s, t in zip(self._seeds, self._shows, strict=True)]
        return (shown + noise * np.stack([rng.standard_normal(self.obs_dim) for rng in drawn])).astype(np.float32)

    def _arrived(self, sent: Array) -> Array:
        """Return the action (N, act_dim) that reaches the robot when `sent` is sent."""
        conditions = self.conditions
        if not conditions.delay_actions:
            arrived = sent
        elif len(self._sent) == conditions.delay_actions:
            arrived = self._sent[0]
        else:
            arrived = np.tile(np.where(self._grip, np.float32(-1), np.float32(0)), (self.num_envs, 1))
        limit = np.full((self.num_envs, 1), conditions.speed_limit, np.float32)
        if conditions.force_limit and self._force is not None:
            limit = np.where(self._force > conditions.force_limit, np.float32(0), limit)
        return np.where(self._grip, arrived, np.clip(arrived, -limit, limit))


def as_sent(episode: Episode) -> Episode:
    """Return an episode with the actions that its actor sent, in the place of those that arrived; else as it is."""
    sent = episode.signals.get(SENT)
    return episode if sent is None else replace(episode, action=sent)


def as_shown(episode: Episode) -> Episode:
    """Return an episode with the states of the frames that its actor was shown, for pictures; else as it is.

    Raises:
        InvalidValueError: it was recorded under conditions that are not known here.
    """
    shown = frames_shown(episode.meta, range(len(episode.obs)))
    return episode if shown == list(range(len(shown))) else replace(episode, state=episode.state[shown])


def under(env: Any, conditions: Conditions) -> Any:
    """Return `env` under `conditions`; as it is where nothing is asked for.

    Raises:
        InvalidValueError: an outside environment, whose states and actions are not known well enough, or a limit of a
            force that the task does not measure.
    """
    if not conditions:
        return env
    if not isinstance(env, TaskEnv):
        raise InvalidValueError("conditions of an environment", env.name, "a native task")
    return ConditionedEnv(env, conditions)
