"""How well a reward model foresees answers: accuracy, log loss, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.fitting.clips import Clips, Examples

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
    """How well answers were foreseen. None where there was nothing to judge by."""

    answers: int
    sided: int  # answers that are right or wrong: ties are neither
    accuracy: float | None
    log_loss: float | None  # [nat] an answer
    ece: float | None  # expected calibration error
    bins: tuple[Bin, ...] = ()

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return what is known as `prefix/name` → number."""
        known = {k: v for k, v in asdict(self).items() if k != "bins" and v is not None}
        return {f"{prefix}/{name}": float(value) for name, value in known.items()}

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Opinions:
    """What E models think of S clips."""

    returns: Tensor  # (E, S)
    steps: Tensor | None  # (E, S, L) the return of a clip of L steps like this one; None where nobody needs it

    def about(self, group: Examples) -> Tensor:
        """Return what the kind of these answers looks at: (E, B, K) returns or (E, B, K, L) steps."""
        if group.likelihood.needs == "returns":
            return self.returns[:, group.clips]
        assert self.steps is not None
        return self.steps[:, group.clips]

    def __truediv__(self, temperature: float | Tensor) -> "Opinions":
        """Return the opinions of models whose rewards are so much smaller."""
        return Opinions(self.returns / temperature, None if self.steps is None else self.steps / temperature)


@torch.no_grad()
def clip_rewards(model: RewardModel, clips: Clips, places: Tensor | None = None) -> Tensor:
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
def clip_returns(model: RewardModel, clips: Clips) -> Tensor:
    """Return the sum of each member's raw reward over each clip, (E, S)."""
    parts = [_some_rewards(model, clips, slice(i, i + CLIPS_AT_ONCE)).sum(-1) for i in _starts(len(clips))]
    return torch.cat(parts, dim=1)


def opinions_of(rewards: Tensor, groups: Sequence[Examples]) -> Opinions:
    """Return what members think whose rewards of the steps of all clips are (E, S, L)."""
    if all(group.likelihood.needs == "returns" for group in groups):
        return Opinions(rewards.sum(-1), None)
    return Opinions(rewards.sum(-1), rewards * rewards.shape[-1])


def opinions(model: RewardModel, clips: Clips, groups: Sequence[Examples]) -> Opinions:
    """Return what the members think of the clips, step by step only where some of the answers need it."""
    if all(group.likelihood.needs == "returns" for group in groups):
        return Opinions(clip_returns(model, clips), None)
    return opinions_of(clip_rewards(model, clips), groups)


@torch.no_grad()
def own_opinions(model: RewardModel, clips: Clips, groups: Sequence[Examples], places: Tensor) -> Opinions:
    """Return what each member thinks of its own clips at `places` (E, H); of the others it seems to think 0."""
    rewards = torch.zeros(model.members, *clips.mask.shape)
    member = torch.arange(model.members)[:, None]
    for some in places.split(CLIPS_AT_ONCE, dim=1):  # type: ignore[no-untyped-call]
        rewards[member, some] = _some_rewards(model, clips, some)
    return opinions_of(rewards, groups)


def evaluate(model: RewardModel, clips: Clips, examples: Sequence[Examples]) -> Scores:
    """Return how well the whole ensemble foresees answers that it was not trained on."""
    groups = [group.stretched(clips.mask.shape[1]) for group in examples]
    return foreseen_together(opinions(model, clips, groups) / model.temperature, groups)


def foreseen_together(thought: Opinions, groups: Sequence[Examples]) -> Scores:
    """Return how well members who think so, together, foresee answers."""
    foreseen = []
    for group in groups:
        judged = thought.about(group)
        foreseen.append((*group.likelihood.forecast(judged, group.values), _mixture_loss(group, judged)))
    return summarize(foreseen)


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


def _some_rewards(model: RewardModel, clips: Clips, some: slice | Tensor) -> Tensor:
    """Return the raw reward of each step, (E, S', L), of clips that are the same for all members, or each its own."""
    reward: Tensor = model(clips.obs[some], clips.action[some], clips.next_obs[some])
    return reward * clips.mask[some]


def _mixture_loss(group: Examples, returns: Tensor) -> Tensor:
    """Return the log loss (B,) of the probability that the members give on average."""
    each = group.likelihood.log_likelihood(returns, group.values, torch.zeros_like(group.weight))  # (E, B)
    return -(each.logsumexp(0) - torch.log(torch.tensor(float(len(each)))))
