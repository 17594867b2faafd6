"""Scores of a reward model's predictions of answers: accuracy, log loss, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.rewards.base import RewardModel

BINS = 10  # of the reliability diagram, over confidence
CLIPS_AT_ONCE = 256  # bounds the memory


@dataclass(frozen=True)
class Bin:
    """One bar of the reliability diagram."""

    confidence: float  # mean
    accuracy: float
    answers: int


@dataclass(frozen=True)
class Scores:
    """How well answers were predicted. None where there are no such answers."""

    answers: int
    sided: int  # answers that are right or wrong: ties are neither
    accuracy: float | None
    log_loss: float | None  # [nat] an answer
    ece: float | None  # expected calibration error
    bins: tuple[Bin, ...] = ()

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return the known metrics as `prefix/name` → number."""
        known = {k: v for k, v in asdict(self).items() if k != "bins" and v is not None}
        return {f"{prefix}/{name}": float(value) for name, value in known.items()}

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class EnsembleScores:
    """Predictions of E models for S clips."""

    returns: Tensor  # (E, S)
    steps: Tensor | None  # (E, S, L) the return of a clip of L steps like this one; None where it is not needed

    def about(self, group: AnswerExamples) -> Tensor:
        """Return the input of this kind of answers: (E, B, K) returns or (E, B, K, L) steps."""
        if group.likelihood.needs == "returns":
            return self.returns[:, group.clips]
        assert self.steps is not None
        return self.steps[:, group.clips]

    def __truediv__(self, temperature: float | Tensor) -> "EnsembleScores":
        """Return the predictions scaled down, as of models with rewards smaller by this factor."""
        return EnsembleScores(self.returns / temperature, None if self.steps is None else self.steps / temperature)


@torch.no_grad()
def clip_rewards(model: RewardModel, clips: ClipTensors, places: Tensor | None = None) -> Tensor:
    """Return each member's raw reward of each step, (E, S, L), 0 where a clip has ended.

    Where `places` (H,) are given, only of these clips; the others get 0.
    """
    if places is None:
        return torch.cat([_some_rewards(model, clips, slice(i, i + CLIPS_AT_ONCE)) for i in _starts(len(clips))], dim=1)
    rewards = torch.zeros(model.members, *clips.mask.shape)
    for some in places.split(CLIPS_AT_ONCE):  # type: ignore[no-untyped-call]
        rewards[:, some] = _some_rewards(model, clips, some)
    return rewards


@torch.no_grad()
def clip_returns(model: RewardModel, clips: ClipTensors) -> Tensor:
    """Return the sum of each member's raw reward over each clip, (E, S)."""
    parts = [_some_rewards(model, clips, slice(i, i + CLIPS_AT_ONCE)).sum(-1) for i in _starts(len(clips))]
    return torch.cat(parts, dim=1)


def scores_from_rewards(rewards: Tensor, groups: Sequence[AnswerExamples]) -> EnsembleScores:
    """Return the predictions of members whose rewards of the steps of all clips are (E, S, L)."""
    if all(group.likelihood.needs == "returns" for group in groups):
        return EnsembleScores(rewards.sum(-1), None)
    return EnsembleScores(rewards.sum(-1), rewards * rewards.shape[-1])


def ensemble_scores(model: RewardModel, clips: ClipTensors, groups: Sequence[AnswerExamples]) -> EnsembleScores:
    """Return the members' predictions for the clips, step by step only where some of the answers need it."""
    if all(group.likelihood.needs == "returns" for group in groups):
        return EnsembleScores(clip_returns(model, clips), None)
    return scores_from_rewards(clip_rewards(model, clips), groups)


@torch.no_grad()
def held_out_scores(
    model: RewardModel, clips: ClipTensors, groups: Sequence[AnswerExamples], places: Tensor
) -> EnsembleScores:
    """Return each member's predictions for its clips at `places` (E, H); 0 for the others."""
    rewards = torch.zeros(model.members, *clips.mask.shape)
    member = torch.arange(model.members)[:, None]
    for some in places.split(CLIPS_AT_ONCE, dim=1):  # type: ignore[no-untyped-call]
        rewards[member, some] = _some_rewards(model, clips, some)
    return scores_from_rewards(rewards, groups)


def evaluate(model: RewardModel, clips: ClipTensors, examples: Sequence[AnswerExamples]) -> Scores:
    """Return how well the whole ensemble predicts answers that it was not trained on."""
    groups = [group.stretched(clips.mask.shape[1]) for group in examples]
    return score_ensemble(ensemble_scores(model, clips, groups) / model.temperature, groups)


def score_ensemble(thought: EnsembleScores, groups: Sequence[AnswerExamples]) -> Scores:
    """Return how well the mean of these members' predictions predicts answers."""
    foreseen = []
    for group in groups:
        judged = thought.about(group)
        foreseen.append((*group.likelihood.predict(judged, group.values), _mixture_loss(group, judged)))
    return summarize(foreseen)


def pooled(parts: Sequence[Scores]) -> Scores:
    """Return the scores of all predictions that several scores are about."""
    answers, sided = sum(part.answers for part in parts), sum(part.sided for part in parts)
    if not answers:
        return Scores(0, 0, None, None, None)
    loss = sum(part.answers * (part.log_loss or 0.0) for part in parts) / answers
    if not sided:
        return Scores(answers, 0, None, loss, None)
    places: dict[int, list[Bin]] = {}
    for one in (one for part in parts for one in part.bins):
        places.setdefault(min(int(one.confidence * BINS), BINS - 1), []).append(one)
    bins = []
    for _, some in sorted(places.items()):
        count = sum(one.answers for one in some)
        confidence = sum(one.confidence * one.answers for one in some) / count
        bins.append(Bin(confidence, sum(one.accuracy * one.answers for one in some) / count, count))
    accuracy = sum(part.sided * (part.accuracy or 0.0) for part in parts) / sided
    ece = sum(one.answers * abs(one.confidence - one.accuracy) for one in bins) / sided
    return Scores(answers, sided, accuracy, loss, ece, tuple(bins))


def summarize(foreseen: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Scores:
    """Return the scores of (confidence, right, log loss), each (B,), for every group of answers."""
    if not foreseen or not sum(len(loss) for *_, loss in foreseen):
        return Scores(0, 0, None, None, None)
    confidence, right, loss = (torch.cat(column).double() for column in zip(*foreseen, strict=True))
    sided = ~torch.isnan(right)
    confidence, right = confidence[sided], right[sided]
    total = len(right)
    if not total:
        return Scores(len(loss), 0, None, float(loss.mean()), None)
    place = (confidence * BINS).long().clamp(max=BINS - 1)  # (sided,)
    bins = []
    for i in range(BINS):
        inside = place == i
        if inside.any():
            bins.append(Bin(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum())))
    ece = sum(b.answers * abs(b.confidence - b.accuracy) for b in bins) / total
    return Scores(len(loss), total, float(right.mean()), float(loss.mean()), ece, tuple(bins))


def _starts(clips: int) -> range:
    return range(0, clips, CLIPS_AT_ONCE)


def _some_rewards(model: RewardModel, clips: ClipTensors, some: slice | Tensor) -> Tensor:
    """Return the raw reward of each step, (E, S', L), of clips that are shared by all members, or separate for each."""
    reward: Tensor = model(clips.obs[some], clips.action[some], clips.next_obs[some])
    return reward * clips.mask[some]


def _mixture_loss(group: AnswerExamples, returns: Tensor) -> Tensor:
    """Return the log loss (B,) of the members' mean probability."""
    each = group.likelihood.log_likelihood(returns, group.values, torch.zeros_like(group.weight))  # (E, B)
    return -(each.logsumexp(0) - torch.log(torch.tensor(float(len(each)))))
