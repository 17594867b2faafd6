"""Simulated annotators with human-like errors, after B-Pref (Lee et al., 2021, section 3).

They see what no learner may see: the task's own reward, success and style. Their answers go into the store through the
same function as a person's, marked as simulated. An answer depends on the question's round and clips and on the
teacher's seed alone, so a run that is resumed, or done again under another name, gets exactly the same ones.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Annotated, ClassVar

import numpy as np

from robo_rlhf.core.checks import CheckedSettings, NotNegative, Positive, Share, in_range
from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.records import Question

Cost = Callable[[Mapping[str, Array], float, str], Array]  # (signals, control_dt [s], measure) → (T,)


@dataclass(frozen=True)
class TaskUtility:
    """The utility of each step to a teacher: task reward, a bonus for success, less the cost of style."""

    success_bonus: float = 1.0  # for a step after which the task is done
    style: Mapping[str, float] = field(default_factory=dict)  # style measure → weight of its cost
    cost: Cost | None = (
        None  # the cost of a measure a step, about one where it is felt: robo_rlhf.sim.task_tools.style_measures.cost
    )

    def __call__(self, episode: Episode) -> Array:
        """Return the utility (T,) float64 of each step.

        Raises:
            InvalidValueError: the episode lacks a style measure that has a weight.
        """
        value = episode.reward.astype(np.float64) + self.success_bonus * episode.success[1:]
        for name, weight in self.style.items():
            value = value - weight * self._cost_of(name, episode)
        return value

    def _cost_of(self, name: str, episode: Episode) -> Array:
        if self.cost is None:
            raise InvalidValueError("style weights of a teacher", name, "a function that gives its cost")
        try:
            return self.cost(episode.signals, episode.meta.control_dt, name)
        except KeyError:
            expected = (
                f"one that {episode.meta.task} can measure from its signals ({', '.join(sorted(episode.signals))})"
            )
            raise InvalidValueError("style measure of a teacher", repr(name), expected) from None


@dataclass(frozen=True)
class Teacher(CheckedSettings):
    """A simulated annotator. Without faults: always prefers the clip of the higher mean utility.

    Clips are judged by a score: the weighted mean of the utility a step, less `centre`, over `spread`, so that the
    thresholds and the rationality mean the same for every task. `calibrated` sets both.
    """

    LABEL: ClassVar[str] = "{} of a teacher"

    name: str = "teacher"
    seed: int = 0
    rationality: NotNegative = math.inf  # beta of the softmax over scores; infinite: the best always wins
    myopia: Annotated[float, in_range(lambda discount: 0 < discount <= 1, "a number in (0, 1]")] = (
        1.0  # gamma in (0, 1]: a step counts gamma times what the next one does
    )
    equal_threshold: NotNegative = 0.0  # scores at most so far apart are a tie
    skip_threshold: float = -math.inf  # no clip with a higher score: can't tell
    mistake: Share = 0.0  # probability of another choice than the one meant
    centre: float = 0.0  # utility a step that scores 0
    spread: Positive = 1.0  # utility a step that scores 1

    def calibrated(self, utilities: Iterable[Array]) -> "Teacher":
        """Return the teacher whose scores have mean 0 and deviation 1 over these clips, each (L,)."""
        values = np.array([self._value(utility) for utility in utilities])
        return replace(self, centre=float(values.mean()), spread=max(float(values.std()), 1e-9))

    def scores(self, utilities: Sequence[Array]) -> Array:
        """Return the scores (K,) of clips whose utility a step is (L,) each.

        Raises:
            NonFiniteError: a utility is not a number.
        """
        values = np.array([self._value(utility) for utility in utilities])
        if not np.isfinite(values).all():
            raise NonFiniteError("The utility of a clip", f"scores {values}", "The teacher cannot judge it.")
        return (values - self.centre) / self.spread

    def answer(self, question: Question, utilities: Sequence[Array]) -> AnswerValue:
        """Return the answer about clips whose utility a step is (L,) each."""
        rng = np.random.default_rng([self.seed, int(question.in_any_run[:16], 16)])
        steps = [(np.asarray(utility) - self.centre) / self.spread for utility in utilities]
        return KINDS[question.kind].simulate(_TeacherJudge(self, rng), self.scores(utilities), steps)

    def _value(self, utility: Array) -> float:
        if self.myopia == 1.0:
            return float(np.mean(utility))
        weight = self.myopia ** np.arange(len(utility) - 1, -1, -1.0)
        return float(weight @ utility / weight.sum())


@dataclass(frozen=True)
class _TeacherJudge:
    """A teacher answering one question: a `Judge`."""

    teacher: Teacher
    rng: np.random.Generator

    def choose(self, returns: Array) -> int:
        noise = self.rng.gumbel(size=len(returns))  # softmax by the Gumbel-max trick
        slip, other = self.rng.random(), int(self.rng.integers(1, max(len(returns), 2)))
        beta = self.teacher.rationality
        if math.isinf(beta):
            best = int(np.argmax(np.where(returns == returns.max(), noise, -np.inf)))
        else:
            best = int(np.argmax(beta * returns + noise))
        return (best + other) % len(returns) if slip < self.teacher.mistake else best

    def grade(self, returns: Array, levels: int) -> Array:
        """Levels are such that all are equally frequent where scores are normal, as `Teacher.calibrated` makes them."""
        noise = self.rng.logistic(size=len(returns)) / max(self.teacher.rationality, 1e-9)
        share = [NormalDist().cdf(score) for score in returns + noise]
        level = np.minimum((np.array(share) * levels).astype(int), levels - 1)
        slips = self.rng.random(len(returns)) < self.teacher.mistake
        other = (level + self.rng.integers(1, levels, len(returns))) % levels
        graded: Array = np.where(slips, other, level)
        return graded

    def alike(self, returns: Array) -> bool:
        return bool(np.ptp(returns) <= self.teacher.equal_threshold)

    def unsure(self, returns: Array) -> bool:
        return bool(returns.max() < self.teacher.skip_threshold)
