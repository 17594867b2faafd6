"""Training data of a reward model as tensors: clips of equal length, and the answers about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.feedback.axes import OVERALL


class Likelihood(Protocol):
    """The loss of a kind of question: from returns to the probability of an answer; `feedback.question_kind`."""

    @property
    def needs(self) -> Literal["returns", "steps", "success"]:
        """The input of both methods; "success" trains no reward."""
        ...

    def log_likelihood(self, returns: Tensor, values: Tensor, flip: Tensor) -> Tensor:
        """Return (E, B) for returns (E, B, K) or (E, B, K, L), values (B, ...) or (E, B, ...), flip (B,) or (E, B)."""
        ...

    def predict(self, returns: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return confidence (B,) and whether the answer was predicted (B,), NaN where neither."""
        ...


@dataclass(frozen=True)
class ClipTensors:
    """S clips; those shorter than L are padded with their last step, which then does not count."""

    obs: Tensor  # (S, L, obs_dim) float32
    action: Tensor  # (S, L, act_dim) float32
    next_obs: Tensor  # (S, L, obs_dim) float32
    mask: Tensor  # (S, L) float32, 1 where a step counts

    def __len__(self) -> int:
        """Return the number of clips S."""
        return len(self.mask)

    def joined(self, other: "ClipTensors") -> "ClipTensors":
        """Return these clips and then the others, padded to the longer of both lengths."""
        longest = max(self.mask.shape[1], other.mask.shape[1])
        mine, theirs = self._padded(longest), other._padded(longest)
        return ClipTensors(*(torch.cat(pair) for pair in zip(mine, theirs, strict=True)))

    def _padded(self, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        missing = length - self.mask.shape[1]
        obs, action, after = (
            torch.cat([x, x[:, -1:].expand(-1, missing, -1)], 1) for x in (self.obs, self.action, self.next_obs)
        )
        return obs, action, after, torch.cat([self.mask, torch.zeros(len(self), missing)], 1)


@dataclass(frozen=True)
class AnswerExamples:
    """B answers of one kind about K clips each."""

    likelihood: Likelihood
    clips: Tensor  # (B, K) int64, places in `ClipTensors`
    values: Tensor  # (B, ...) float32, see `feedback.question_kind.Target`
    weight: Tensor  # (B,) float32, weight of each answer
    fold: Tensor  # (B,) int64 from 0, the same for answers to one question; -1: never held out
    annotator: Tensor | None = None  # (B,) int64 from 0, the annotator; None: no annotator, such as for a prior
    round: Tensor | None = None  # (B,) int64, the round that the question is from
    axis: str = OVERALL  # what they are about, see `feedback.axes`

    def __len__(self) -> int:
        """Return the number of answers B."""
        return len(self.weight)

    def some(self, rows: slice) -> "AnswerExamples":
        """Return some of the answers."""
        who, when = (None if column is None else column[rows] for column in (self.annotator, self.round))
        columns = {name: getattr(self, name)[rows] for name in ("clips", "values", "weight", "fold")}
        return replace(self, **columns, annotator=who, round=when)

    def stretched(self, steps: int) -> "AnswerExamples":
        """Return the same answers for clips padded to `steps`: values of single steps are 0 after a clip's end."""
        missing = steps - self.values.shape[-1]
        if self.likelihood.needs == "returns" or not missing:
            return self
        return replace(self, values=torch.nn.functional.pad(self.values, (0, missing)))


def cut_clips(pieces: Sequence[tuple[Episode, Segment]]) -> ClipTensors:
    """Return segments of episodes as tensors.

    Raises:
        InvalidValueError: an empty segment, or one that reaches over the end of its episode.
        NonFiniteError: NaN or infinity in an observation or action.
    """
    longest = max(segment.length for _, segment in pieces)
    for episode, segment in pieces:
        check_clip(episode, segment)
    rows = [_cut(episode, segment, longest) for episode, segment in pieces]
    obs, action, next_obs, mask = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
    return ClipTensors(obs, action, next_obs, mask)


def check_clip(episode: Episode, segment: Segment) -> None:
    """Check that a reward can be learned from a segment; raises as `cut_clips`."""
    start, length = segment.start, segment.length
    if start < 0 or length < 1 or start + length > len(episode):
        expected = f"steps within 0 to {len(episode)}, at least one"
        raise InvalidValueError(f"clip of episode {segment.episode_id}", f"{start} to {start + length}", expected)
    obs, action = episode.obs[start : start + length + 1], episode.action[start : start + length]
    if not (np.isfinite(obs).all() and np.isfinite(action).all()):
        where = f"steps {start} to {start + length} of episode {segment.episode_id}"
        raise NonFiniteError("An observation or action", where, "Its question trains nothing; verify the dataset.")


def _cut(episode: Episode, segment: Segment, longest: int) -> tuple[Array, Array, Array, Array]:
    steps = segment.start + np.minimum(np.arange(longest), segment.length - 1)  # (L,)
    mask = (np.arange(longest) < segment.length).astype(np.float32)
    return episode.obs[steps], episode.action[steps], episode.obs[steps + 1], mask
