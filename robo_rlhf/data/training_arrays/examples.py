"""Training examples for imitation: observations, and the chunks of actions that followed them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode, Source
from robo_rlhf.data.training_arrays.idle import kept_steps


class StepWeights(Protocol):
    """What says how much each step counts."""

    def weigh(self, episodes: Sequence[Episode], steps: Sequence[Array]) -> Array:
        """Return the weight (M,) float32 of chosen `steps` (K,) of each episode, one episode after another."""
        ...

    def imitated(self, episode: Episode) -> Array:
        """Return (T,) bool: which steps may be in the chunk of an earlier one."""
        ...


class ImitationExamples(NamedTuple):
    """M training examples, one a step that was kept, in the order of episodes and steps."""

    obs: Array  # (M, history * obs_dim) float32, oldest first; before the start the first one repeats
    action: Array  # (M, H, act_dim) float32, the H actions from that observation on
    mask: Array  # (M, H) float32, 0 past the end of the episode
    weight: Array  # (M,) float32
    frame: Array  # (M, history) int64, of these observations, counted through all frames of all episodes


def chunk_examples(
    episodes: Sequence[Episode],
    chunk: int,
    history: int = 1,
    *,
    idle: float = 0.0,
    idle_keep: int = 2,
    correction_weight: float = 1.0,
    weighting: StepWeights | None = None,
) -> ImitationExamples:
    """Return an example for every step of the episodes that is not idle and counts.

    Args:
        episodes: demonstrations of one task.
        chunk: H, actions an example.
        history: observations an example.
        idle: the motion up to which a step is idle, see `idle_steps`; 0 keeps every step.
        idle_keep: steps kept at the beginning of each idle stretch, and `chunk` of the one that ends the episode.
        correction_weight: weight of steps in which a person corrected a policy; others weigh 1.
        weighting: instead of it, the weights of all steps; those of weight 0 are left out.

    Raises:
        InvalidValueError: no episode, no step at all, observations and actions of different sizes, or what the
            `weighting` raises.
        NonFiniteError: an observation is not a number.
    """
    check_alike(episodes, seen=True)  # whether there must be columns, the learner knows
    before = np.cumsum([0, *(len(e.obs) for e in episodes)])[:-1][[len(e) > 0 for e in episodes]]
    episodes = [e for e in episodes if len(e)]
    steps = [kept_steps(e.action, idle, idle_keep, chunk) for e in episodes]
    parts = [_episode(*part, chunk, history, correction_weight) for part in zip(episodes, steps, before, strict=True)]
    examples = ImitationExamples(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    return examples if weighting is None else _weighted(examples, episodes, steps, weighting)


def _weighted(
    examples: ImitationExamples, episodes: Sequence[Episode], steps: Sequence[Array], weighting: StepWeights
) -> ImitationExamples:
    """Return the examples that count, by `weighting`; a chunk goes no further than steps that may be imitated."""
    weight, chunk = weighting.weigh(episodes, steps), examples.mask.shape[1]
    imitated = []
    for episode, kept in zip(episodes, steps, strict=True):
        ahead = np.minimum(np.arange(len(kept))[:, None] + np.arange(chunk), len(kept) - 1)
        imitated.append(np.logical_and.accumulate(weighting.imitated(episode)[kept][ahead], axis=1))
    mask = examples.mask * np.concatenate(imitated)
    counts = weight > 0
    return ImitationExamples(
        *(field[counts] for field in examples._replace(weight=weight, mask=mask.astype(np.float32)))
    )


def windows(frames: Array, steps: Array, history: int) -> Array:
    """Return the newest `history` frames (K, history, ...) at each of `steps` (K,), the first repeated at the start.

    Whatever a policy sees at a frame, (T+1, ...), becomes part of an example here, of any shape.
    """
    seen: Array = frames[np.maximum(steps[:, None] + np.arange(1 - history, 1), 0)]
    return seen


def _episode(
    episode: Episode, steps: Array, before: int, chunk: int, history: int, correction_weight: float
) -> ImitationExamples:
    action, count = episode.action[steps], len(steps)
    ahead = np.arange(count)[:, None] + np.arange(chunk)  # (K, H)
    corrected = episode.source[steps] == Source.CORRECTION
    return ImitationExamples(
        obs=windows(episode.obs, steps, history).reshape(count, -1),
        action=action[np.minimum(ahead, count - 1)],
        mask=(ahead < count).astype(np.float32),
        weight=np.where(corrected, correction_weight, 1.0).astype(np.float32),
        frame=before + windows(np.arange(len(episode.obs)), steps, history),
    )


def check_alike(episodes: Sequence[Episode], *, seen: bool = False) -> tuple[int, int]:
    """Return (obs_dim, act_dim) of episodes that can be learned from together.

    Where their pictures are `seen`, they may have no columns of observations.

    Raises:
        InvalidValueError: there is no step in them, or they are of several tasks or sizes.
        NonFiniteError: an observation is NaN or infinite; the message names the episode and the step.
    """
    if not any(len(e) for e in episodes):
        raise InvalidValueError("demonstrations", f"{len(episodes)} episodes without a step", "at least one step")
    sizes = {(e.meta.task, e.obs.shape[1], e.action.shape[1]) for e in episodes}
    if len(sizes) > 1:
        listed = "; ".join(f"{task}: observations ({o},), actions ({a},)" for task, o, a in sorted(sizes))
        raise InvalidValueError("demonstrations", listed, "episodes of one task")
    _, columns, actions = next(iter(sizes))
    if not (actions and (columns or seen)):
        given = f"episode {episodes[0].meta.id} with {columns} columns of observations and {actions} of actions"
        raise InvalidValueError("demonstrations", given, "both, not videos alone; or --cameras, which shows them")
    for episode in episodes:
        if not np.isfinite(episode.obs).all():
            step = int(np.flatnonzero(~np.isfinite(episode.obs).all(axis=1))[0])
            where = f"episode {episode.meta.id}, frame {step}"
            raise NonFiniteError("A demonstrated observation", where, "Leave this episode out, or trim it.")
    _, obs_dim, act_dim = sizes.pop()
    return obs_dim, act_dim
