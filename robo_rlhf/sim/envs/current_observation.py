"""Recorded episodes with the observations that their task gives today.

The record is the state; observations are derived from it. A task that has gained columns since an episode was recorded
is observed again from the recorded states, so that old demonstrations and new ones train together.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from robo_rlhf.core.errors import FileWarning, InvalidValueError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS

FRAMES = 64  # states that are observed at once


class CurrentObservations:
    """Gives episodes the observations of their tasks as they are today; keeps one environment a task."""

    def __init__(self) -> None:
        """Make no environment until one is needed."""
        self._envs: dict[str, TaskEnv] = {}

    def __call__(self, episode: Episode) -> Episode:
        """Return `episode`; where its task has other columns now, observed from its states, which a warning tells.

        Episodes of outside environments are returned as they are.

        Raises:
            InvalidValueError: the columns differ and it has no states, or those of another scene.
        """
        task, width = episode.meta.task, episode.obs.shape[1]
        if task not in TASKS or width == len(TASKS[task].obs_names):
            return episode
        if task not in self._envs:
            self._envs[task] = TaskEnv(TASKS[task](), FRAMES, nthread=1)
            sentence = f"Episodes of {task} were recorded with {width} observation columns; the task has "
            sentence += f"{self._envs[task].obs_dim} now, which are computed from the recorded states."
            warnings.warn(sentence, FileWarning, stacklevel=2)
        return replace(episode, obs=_observe(self._envs[task], episode))


def with_current_observations(episodes: Iterable[Episode]) -> Iterator[Episode]:
    """Return an iterator over `episodes` as `CurrentObservations` gives them."""
    return map(CurrentObservations(), episodes)


def _observe(env: TaskEnv, episode: Episode) -> Array:
    """Return the observations (T+1, obs_dim) of the states of an episode."""
    given = f"{episode.obs.shape[1]} observation columns and states {episode.state.shape}"
    nstate = env.get_state().shape[1]
    if episode.state.shape[1] != nstate or env.is_scene_of(episode.meta.model_hash) is False:
        wanted = (
            f"the {env.obs_dim} columns of {env.name}, or states (T+1, {nstate}) of its scene; leave the episode out"
        )
        raise InvalidValueError(f"episode {episode.meta.id} of {env.name}", given, wanted)
    frames = len(episode.state)
    padded = np.concatenate([episode.state, np.repeat(episode.state[-1:], -frames % FRAMES, axis=0)])
    parts = [env.set_state(padded[start : start + FRAMES]) for start in range(0, len(padded), FRAMES)]
    return np.concatenate(parts)[:frames]
