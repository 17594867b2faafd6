"""Validation of a reward model on held-out answers, and from them the error rate of each annotator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robo_rlhf.reward_fitting.clips import AnswerExamples
from robo_rlhf.reward_fitting.scores import EnsembleScores, Scores, summarize

FLIPS = (0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 0.95)  # candidate flip rates
SHARPNESS = (0.5, 1.0, 2.0, 4.0, 8.0)  # candidate temperatures
PRIOR_ANSWERS = 10.0  # weight of the prior on a flip rate, in answers


@dataclass(frozen=True)
class AnnotatorFit:
    """Statistics of one annotator's answers under the reward model."""

    flip: float  # estimated chance of answering at random; of two choices half of these answers are still right
    held_out: Scores


class HeldOut(NamedTuple):
    """Answers, and which of them each member of the ensemble holds out."""

    groups: Sequence[AnswerExamples]
    masks: Sequence[Tensor]  # (E, B) bool for each group

    def loss(self, thought: EnsembleScores, flips: Sequence[Tensor]) -> Tensor:
        """Return the mean loss (E,) of each member over what it holds out, for flip rates (B,) of each group."""
        loss, weights = torch.zeros(len(thought.returns)), torch.zeros(len(thought.returns))
        for group, mask, rate in zip(self.groups, self.masks, flips, strict=True):
            likely = group.likelihood.log_likelihood(thought.about(group), group.values, rate)  # (E, B)
            weight = group.weight * mask
            loss, weights = loss - (likely * weight).sum(1), weights + weight.sum(1)
        return loss / weights

    def sided(self, thought: EnsembleScores) -> "HeldOut":
        """Return only the answers that are right or wrong; all of them where a member would be left with none."""
        masks = []
        for group, mask in zip(self.groups, self.masks, strict=True):
            _, right = group.likelihood.predict(thought.about(group)[:1], group.values)
            masks.append(mask & ~torch.isnan(right))
        left = torch.stack([mask.sum(1) for mask in masks]).sum(0)  # (E,)
        return self._replace(masks=masks) if left.min() > 0 else self

    def places(self, members: int) -> Tensor:
        """Return the clips (E, H) of each member's held-out answers; shorter lists repeat one."""
        lists = [
            torch.cat([group.clips[mask[e]].flatten() for group, mask in zip(self.groups, self.masks, strict=True)])
            for e in range(members)
        ]
        unique = [torch.unique(some) for some in lists]
        longest = max(len(some) for some in unique)
        return torch.stack([torch.cat([some, some[-1:].expand(longest - len(some))]) for some in unique])

    def predictions(self, thought: EnsembleScores) -> "HeldOutPredictions":
        """Return how well each member predicts its held-out answers, all members one after another."""
        columns: list[tuple[Tensor, ...]] = []
        for group, mask in zip(self.groups, self.masks, strict=True):
            judged = thought.about(group)
            who, when = _whose(group.annotator, len(group)), _whose(group.round, len(group))
            for member, out in enumerate(mask):
                view, values = judged[member : member + 1, out], group.values[out]
                likely = group.likelihood.log_likelihood(view, values, torch.zeros(len(values)))
                about = (who[out], when[out], group.fold[out])
                columns.append((*group.likelihood.predict(view, values), -likely[0], *about))
        return HeldOutPredictions(*(torch.cat(column) for column in zip(*columns, strict=True)))

    def flip_rates(self, thought: EnsembleScores, people: int, usual: float) -> Tensor:
        """Return the probability (people,) that each annotator answers at random, estimated from held-out answers.

        Rates and one common temperature are estimated jointly, at the largest likelihood, so that an annotator is not
        penalised for questions that are hard for the model; a prior pulls each rate to `usual`, the more the fewer the
        answers.
        """
        tried = torch.tensor(FLIPS)
        middle = min(max(usual, 0.01), 0.99)
        prior = PRIOR_ANSWERS * (middle * tried.log() + (1 - middle) * torch.log1p(-tried))  # (F,)
        best, found = -torch.inf, torch.full((people,), usual)
        for temperature in SHARPNESS:
            fits = prior + self._by_person(thought / temperature, tried, people)  # (people, F)
            total = float(fits.amax(1).sum())
            if total > best:
                best, found = total, tried[fits.argmax(1)]
        return found

    def _by_person(self, thought: EnsembleScores, tried: Tensor, people: int) -> Tensor:
        """Return the log likelihood (people, F) of everyone's held-out answers under each flip rate."""
        fits = torch.zeros(people, len(tried))
        for group, mask in zip(self.groups, self.masks, strict=True):
            if group.annotator is None:
                continue
            judged, weight = thought.about(group), group.weight * mask
            for i, rate in enumerate(tried):
                likely = group.likelihood.log_likelihood(judged, group.values, rate.expand(len(group)))  # (E, B)
                fits[:, i].index_add_(0, group.annotator, (likely * weight).sum(0))
        return fits


class HeldOutPredictions(NamedTuple):
    """Predictions of N held-out answers."""

    confidence: Tensor  # (N,), NaN where an answer is neither right nor wrong
    right: Tensor  # (N,)
    loss: Tensor  # (N,) [nat]
    annotator: Tensor  # (N,), -1 for no annotator
    round: Tensor  # (N,), -1 for none
    question: Tensor  # (N,) the question, see `AnswerExamples.fold`; several answers may be to one

    def joined(self, others: Sequence["HeldOutPredictions"]) -> "HeldOutPredictions":
        """Return these predictions and then the others."""
        return HeldOutPredictions(*(torch.cat(column) for column in zip(self, *others, strict=True)))

    def scores(self, rows: Tensor | None = None) -> Scores:
        """Return the scores of some rows (N,) bool, or of all."""
        everything = slice(None) if rows is None else rows
        return summarize([(self.confidence[everything], self.right[everything], self.loss[everything])])

    def by_round(self) -> dict[int, Scores]:
        """Return the scores of each round."""
        return {number: self.scores(self.round == number) for number in sorted(set(self.round.tolist())) if number >= 0}


def _whose(given: Tensor | None, answers: int) -> Tensor:
    return torch.full((answers,), -1) if given is None else given
