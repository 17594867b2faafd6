"""Fitting a reward head for each named axis, one after another in turns, each to the answers about its axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from robo_rlhf.core.learning import take
from robo_rlhf.core.types import Array
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.held_out import AnnotatorFit
from robo_rlhf.reward_fitting.scores import Scores, clip_rewards, pooled
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import FitReport, RewardTrainer
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel


class AxesTrainer:
    """Fits the heads of one model; used as a `RewardTrainer` is."""

    def __init__(
        self,
        model: AxesReward,
        clips: ClipTensors,
        examples: Sequence[AnswerExamples],
        settings: FitSettings,
        seed: int,
        *,
        warm: bool = False,
    ) -> None:
        """Prepare the fit of every head; arguments and errors as those of `RewardTrainer`."""
        self.model: RewardModel = model
        self.clips = clips
        self.heads = {
            axis: RewardTrainer(
                model.head(axis), clips, [e for e in examples if e.axis == axis], settings, seed, warm=warm
            )
            for axis in model.axes
        }
        if not warm:
            model.fit_normalizer(clips.obs[clips.mask.bool()])

    @property
    def holds_out(self) -> bool:
        """Whether every head has held-out answers."""
        return all(head.holds_out for head in self.heads.values())

    @property
    def done(self) -> bool:
        """Whether more updates would help no head."""
        return all(head.done for head in self.heads.values())

    @property
    def step(self) -> int:
        """Updates of all heads together."""
        return sum(head.step for head in self.heads.values())

    @property
    def limit(self) -> int:
        """The maximum number of updates of all heads together."""
        return sum(head.limit for head in self.heads.values())

    def advance(self) -> dict[str, float]:
        """Make updates of each head until its next validation; return means of their metrics, and those of each."""
        found = {axis: head.advance() for axis, head in self.heads.items() if not head.done}
        names = sorted({name for metrics in found.values() for name in metrics})
        columns = {name: [metrics[name] for metrics in found.values() if name in metrics] for name in names}
        each = {f"{axis}/{name}": value for axis, metrics in found.items() for name, value in metrics.items()}
        return {name: sum(values) / len(values) for name, values in columns.items()} | each

    def finish(self) -> FitReport:
        """Finish every head, set the scale of the whole, and return the scores of all together and of each."""
        reports = {axis: head.finish() for axis, head in self.heads.items()}
        rewards = clip_rewards(self.model, self.clips)  # (E, S, L)
        self.model.fit_output(rewards[:, self.clips.mask.bool()])
        every = list(reports.values())
        people = sorted({i for report in every for i in report.people})
        predicted = [report.predicted for report in every if report.predicted is not None]
        rounds = sorted({i for report in every for i in report.rounds})
        return FitReport(
            updates=self.step,
            temperature=1.0,  # of the heads each, see `AxesReward.forward`
            held_out=pooled([report.held_out for report in every]),
            trained=pooled([report.trained for report in every]),
            people={i: _person([report.people[i] for report in every if i in report.people]) for i in people},
            rounds={i: pooled([report.rounds[i] for report in every if i in report.rounds]) for i in rounds},
            disagreement=float(rewards.sum(-1).std(0, correction=0).mean()),
            axes=reports,
            predicted=predicted[0].joined(predicted[1:]) if predicted else None,
        )

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return arrays and meta from which `unpack` continues exactly."""
        packed = [head.pack() for head in self.heads.values()]
        arrays = {f"head{i}/{name}": array for i, (some, _) in enumerate(packed) for name, array in some.items()}
        return arrays, {"heads": [meta for _, meta in packed]}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        for i, (head, stored) in enumerate(zip(self.heads.values(), meta["heads"], strict=True)):
            head.unpack(take(f"head{i}", arrays), stored)


def _person(fits: Sequence[AnnotatorFit]) -> AnnotatorFit:
    """Return one annotator's statistics over several axes."""
    scores: list[Scores] = [fit.held_out for fit in fits]
    weight = torch.tensor([max(score.answers, 1) for score in scores]).double()
    flip = float((torch.tensor([fit.flip for fit in fits]).double() * weight).sum() / weight.sum())
    return AnnotatorFit(flip, pooled(scores))
