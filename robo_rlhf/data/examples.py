"""Episodes as arrays to imitate: observations, and the chunks of actions that followed them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robo_rlhf.data.idle import kept_steps
from robo_rlhf.errors import InvalidValueError
from robo_rlhf.types import Array, Episode, Source


class Examples(NamedTuple):
    """M training examples, one a step that was kept, in the order of episodes and steps."""

    obs: Array  # (M, history * obs_dim) float32, oldest first; before the start the first one repeats
    action: Array  # (M, H, act_dim) float32, the H actions from that observation on
    mask: Array  # (M, H) float32, 0 past the end of the episode
    weight: Array  # (M,) float32


def chunk_examples(
    episodes: Sequence[Episode],
    chunk: int,
    history: int = 1,
    *,
    idle: float = 0.0,
    idle_keep: int = 2,
    correction_weight: float = 1.0,
) -> Examples:
    """Return an example for every step of the episodes that is not idle.

    Args:
        episodes: demonstrations of one task.
        chunk: H, actions an example.
        history: observations an example.
        idle: the motion up to which a step is idle, see `idle_steps`; 0 keeps every step.
        idle_keep: steps kept at the beginning of each idle stretch, and `chunk` of the one that ends the episode.
        correction_weight: weight of steps in which a person corrected a policy; others weigh 1.

    Raises:
        InvalidValueError: no episode, no step at all, or observations and actions of different sizes.
    """
    check_alike(episodes)
    parts = [_episode(e, chunk, history, idle, idle_keep, correction_weight) for e in episodes if len(e)]
    return Examples(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _episode(
    episode: Episode, chunk: int, history: int, idle: float, idle_keep: int, correction_weight: float
) -> Examples:
    steps = kept_steps(episode.action, idle, idle_keep, chunk)
    obs, action, count = episode.obs[steps], episode.action[steps], len(steps)
    back = np.maximum(np.arange(count)[:, None] + np.arange(1 - history, 1), 0)  # (K, history)
    ahead = np.arange(count)[:, None] + np.arange(chunk)  # (K, H)
    corrected = episode.source[steps] == Source.CORRECTION
    return Examples(
        obs=obs[back].reshape(count, -1),
        action=action[np.minimum(ahead, count - 1)],
        mask=(ahead < count).astype(np.float32),
        weight=np.where(corrected, correction_weight, 1.0).astype(np.float32),
    )


def check_alike(episodes: Sequence[Episode]) -> tuple[int, int]:
    """Return (obs_dim, act_dim) of episodes that can be learned from together.

    Raises:
        InvalidValueError: there is no step in them, or they are of several tasks or sizes.
    """
    if not any(len(e) for e in episodes):
        raise InvalidValueError("demonstrations", f"{len(episodes)} episodes without a step", "at least one step")
    sizes = {(e.meta.task, e.obs.shape[1], e.action.shape[1]) for e in episodes}
    if len(sizes) > 1:
        listed = "; ".join(f"{task}: observations ({o},), actions ({a},)" for task, o, a in sorted(sizes))
        raise InvalidValueError("demonstrations", listed, "episodes of one task")
    _, obs_dim, act_dim = sizes.pop()
    return obs_dim, act_dim
