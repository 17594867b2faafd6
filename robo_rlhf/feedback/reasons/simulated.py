"""Reasons of a simulated annotator: along the axis on which the clip that was not chosen is worse by most."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.checks import CheckedSettings, Share
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.question_kind import CLIP_NAMES, AnswerValue
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.records import Question

Costs = Callable[[Question, Segment, str], Array]  # (question, clip, axis) → (L,) cost of each step, lower is better
SMOOTHED = 5  # steps whose mean cost names the moment


@dataclass(frozen=True)
class SimulatedReasons(CheckedSettings):
    """What a simulated annotator knows and gets wrong about reasons."""

    LABEL: ClassVar[str] = "{} of simulated reasons"

    listed: Sequence[Reason]  # of the task, those along an axis that `costs` knows
    costs: Costs
    share: Share = 1.0  # of the answers between two clips, those with a reason
    mistake: Share = 0.0  # probability of another reason than the one meant
    seed: int = 0

    def beside(self, question: Question, value: AnswerValue) -> list[dict[str, Any]]:
        """Return the reasons for an answer: one, or none where no clip was chosen or none of the list is true."""
        rng = np.random.default_rng([self.seed, int(question.in_any_run[:16], 16), 7])
        skips, slips, other = rng.random(), rng.random(), int(rng.integers(max(len(self.listed) - 1, 1)))
        chosen = value.get("choice")
        if len(question.segments) != 2 or chosen not in ("A", "B") or skips >= self.share or not self.listed:
            return []
        better = CLIP_NAMES.index(chosen)
        costs = {reason.name: self._of(question, reason) for reason in self.listed}
        gaps = {name: float(both[1 - better].mean() - both[better].mean()) for name, both in costs.items()}
        meant = max(gaps, key=lambda name: gaps[name])
        if gaps[meant] <= 0:
            return []
        if slips < self.mistake and len(self.listed) > 1:
            meant = [reason.name for reason in self.listed if reason.name != meant][other]
        return [self._marked(meant, costs[meant], better)]

    def _of(self, question: Question, reason: Reason) -> list[Array]:
        return [self.costs(question, clip, reason.axis) for clip in question.segments]

    def _marked(self, name: str, costs: Sequence[Array], better: int) -> dict[str, Any]:
        """Return a reason with the moment at which it shows most."""
        direction = {reason.name: reason.direction for reason in self.listed}[name]
        place = better if direction == "better" else 1 - better
        around = min(SMOOTHED, len(costs[place]))
        smooth = np.convolve(costs[place], np.full(around, 1 / around), mode="valid")
        at = int(smooth.argmin() if direction == "better" else smooth.argmax()) + around / 2
        return {"reason": name, "clip": CLIP_NAMES[place], "step": float(at)}


def along_measures(listed: Sequence[Reason], measures: Mapping[str, Any]) -> list[Reason]:
    """Return the reasons whose axis is one of some measures, which a simulated annotator can see."""
    return [reason for reason in listed if reason.axis in measures]
