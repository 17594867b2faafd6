"""Sampling of minibatches: answers, and steps of their clips."""

import torch
from torch import Tensor

from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.rewards.base import RewardModel

STEPS = 128  # batch size of self-supervised losses


class Sampler:
    """Samples from clips; all randomness comes from one generator."""

    def __init__(self, clips: ClipTensors, crop: float, stride: int, generator: torch.Generator) -> None:
        """Sample crops of at least the share `crop` of a clip, with every `stride`-th step of them."""
        self.clips, self.crop, self.stride, self.generator = clips, crop, stride, generator

    def answers(self, held: Tensor, size: int) -> Tensor:
        """Draw `size` answers for each member, (E, b), none of them twice and none that it holds out (E, B)."""
        size = min(size, int((~held).sum(1).min()))
        lots = torch.rand(held.shape, generator=self.generator).masked_fill_(held, -1.0)
        return lots.topk(size, dim=1).indices

    def regularizers(self, model: RewardModel, group: AnswerExamples, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return each member's predictions for its batch `rows` (E, b), from some steps of the clips, and the values.

        The prediction is the return of each clip, (E, b, K), or the return of a clip whose steps are all like each of m
        steps, (E, b, K, m); values of single steps are those of the same steps.
        """
        places, values = group.clips[rows], group.values[rows]
        reward, steps = self._rewards(model, places)
        longest, seen = self.clips.mask.shape[1], steps.shape[-1]
        if group.likelihood.needs == "returns":
            return reward.sum(-1) * (longest / seen), values
        values = values.gather(-1, steps.expand(*values.shape[:-1], seen))  # (E, b, V, m)
        return reward * longest, values * (longest / seen)

    def returns(self, model: RewardModel, places: Tensor, *, whole: bool = False) -> Tensor:
        """Return each member's estimate of the return of clips (E, b, K), from some steps of parts, or of the whole."""
        reward, steps = self._rewards(model, places, whole=whole)
        return reward.sum(-1) * (self.clips.mask.shape[1] / steps.shape[-1])

    def pairs(self, members: int, size: int) -> Tensor:
        """Draw pairs of clips for each member, (E, b, 2), from all that there are."""
        return torch.randint(len(self.clips), (members, size, 2), generator=self.generator)

    def steps(self, members: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw steps that count for each member: obs, action and next_obs, (E, R, ...)."""
        rows = torch.randint(len(self.clips), (members, STEPS), generator=self.generator)
        length = self.clips.mask.sum(1)[rows]
        times = (torch.rand(rows.shape, generator=self.generator) * length).long()
        return self.clips.obs[rows, times], self.clips.action[rows, times], self.clips.next_obs[rows, times]

    def _rewards(self, model: RewardModel, places: Tensor, *, whole: bool = False) -> tuple[Tensor, Tensor]:
        """Return rewards (E, b, K, m) of m steps of clips (E, b, K), 0 where a clip has ended, and which steps."""
        members, size, clips = places.shape
        longest = self.clips.mask.shape[1]
        least = longest if whole else max(1, round(self.crop * longest))
        length = least + int(self._uniform() * (longest - least + 1))
        stride = min(self.stride, length)
        times = torch.arange(int(self._uniform() * stride), length, stride)  # (m,)
        room = (self.clips.mask.sum(1)[places] - length + 1).clamp_min(1)  # (E, b, K)
        start = (torch.rand(places.shape, generator=self.generator) * room).long()
        steps = start[..., None] + times  # (E, b, K, m)
        shown = places[..., None]
        flat = (members, size * clips, len(times), -1)
        seen = (self.clips.obs, self.clips.action, self.clips.next_obs)
        reward: Tensor = model(*(x[shown, steps].view(flat) for x in seen)).view(steps.shape)
        return reward * self.clips.mask[shown, steps], steps

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))
