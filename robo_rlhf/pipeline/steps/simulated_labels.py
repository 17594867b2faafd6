"""Answers of the simulated teacher to questions about episodes of a dataset."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.feedback.axes import OVERALL, axes_of
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import REASONS, AnswerValue
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.reasons.simulated import SimulatedReasons, along_measures
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.feedback.teachers import TaskUtility, Teacher
from robo_rlhf.pipeline.config import JUDGED, TeacherConfig
from robo_rlhf.sim.task_tools import style_measures

NAME = "simulated teacher"
_NOT_FAULTS = ("style_weight", "style_costs", "success_bonus", "reasons", "wrong_reasons")
_AT_ONCE = 20  # questions between two calls of `tell`
_SUCCESS = "success"  # what a question is about that no axis may be called
_APART = 1_000_003  # between the seeds of two axes


class SimulatedLabeler:
    """The simulated teachers' view of the clips of some questions: what each step is worth, on each axis."""

    def __init__(
        self, load: Callable[[str], Episode], questions: Sequence[Question], settings: TeacherConfig, own: str | None
    ) -> None:
        """Judge clips of the episodes that `load` gives, on the scale of those in `questions`.

        `own`: the style measure of the task's own.
        """
        weights = dict.fromkeys(settings.measures(own), settings.style_weight)
        self._worth = TaskUtility(settings.success_bonus, weights, style_measures.cost)
        self._done = TaskUtility(settings.success_bonus)
        self._load, self._known, self._settings = load, dict[tuple[str, str], Array](), settings
        self._faults = {name: value for name, value in asdict(settings).items() if name not in _NOT_FAULTS}
        asked: dict[str, list[Array]] = {}
        for question in questions:
            for about in _about(question):
                asked.setdefault(about, []).extend(self.utility(question, clip, about) for clip in question.segments)
        whole = Teacher(**self._faults)
        self._scales = {about: whole.calibrated(clips) for about, clips in asked.items() if about != _SUCCESS}

    def utility(self, question: Question, clip: Segment, about: str) -> Array:
        """Return the score of each step (L,) of a clip: of success, 1 where it is done, else -1.

        Raises:
            InvalidValueError: it is about an axis that the simulated teacher cannot judge, or not in this task.
        """
        key = clip.episode_id, about
        if key not in self._known:
            self._known[key] = self._scores(self._load(clip.episode_id), about)
        return self._known[key][clip.start : clip.start + clip.length]

    def _scores(self, episode: Episode, about: str) -> Array:
        if about == _SUCCESS:
            return np.where(episode.success[1:], 1.0, -1.0)
        if about == OVERALL:
            return self._worth(episode)
        if about not in JUDGED:
            raise InvalidValueError("axis for a simulated teacher", repr(about), f"one of {', '.join(JUDGED)}")
        cost = TaskUtility(0.0, {JUDGED[about]: 1.0}, style_measures.cost)
        still = replace(episode, reward=np.zeros_like(episode.reward))
        return cost(still) if JUDGED[about] else self._done(episode)

    def answer(
        self,
        store: Store,
        questions: Sequence[Question],
        seed: int,
        *,
        name: str = NAME,
        tell: Callable[[int], object] = lambda done: None,
    ) -> None:
        """Let the teacher of a seed answer `questions`; `tell` is called with the number answered."""
        reasons = self._reasons(store, questions, seed)
        for number, question in enumerate(questions):
            value = self._answer(question, seed)
            why = reasons.beside(question, value) if reasons is not None else []
            value = {**value, REASONS: why} if why else value
            store.answer(question.id, name, value, key=f"{name}/{question.id}", annotator_kind="simulated")
            if (number + 1) % _AT_ONCE == 0 or number + 1 == len(questions):
                tell(number + 1)

    def _answer(self, question: Question, seed: int) -> AnswerValue:
        """Return the answer to one question; along axes one choice for each, whose errors are drawn by themselves."""
        if not question.meta.get("axes"):
            (about,) = _about(question)
            return self._teacher(about, seed).answer(
                question, [self.utility(question, c, about) for c in question.segments]
            )
        whole = replace(question, kind="pairwise")
        found = {}
        for place, axis in enumerate(_about(question)):
            teacher = self._teacher(axis, seed + _APART * place)
            found[axis] = teacher.answer(whole, [self.utility(question, c, axis) for c in question.segments])["choice"]
        return {"axes": found}

    def _teacher(self, about: str, seed: int) -> Teacher:
        return replace(self._scales.get(about, Teacher(**self._faults)), seed=seed)  # success has no scale

    def cost(self, question: Question, clip: Segment, axis: str) -> Array:
        """Return the cost of each step (L,) of a clip along an axis, by the style measure that stands for it."""
        return -self.utility(question, clip, axis)

    def _reasons(self, store: Store, questions: Sequence[Question], seed: int) -> SimulatedReasons | None:
        """Return how reasons are given; None where none are."""
        share, mistake = self._settings.reasons, self._settings.wrong_reasons
        if not share or not questions:
            return None
        return SimulatedReasons(known_reasons(store, questions[0].task), self.cost, share, mistake, seed)


def known_reasons(store: Store, task: str) -> list[Reason]:
    """Return the reasons of a task's list that a simulated teacher can give.

    Raises:
        InvalidValueError: there is none.
    """
    measured = {axis: measure for axis, measure in JUDGED.items() if measure}
    found = along_measures(store.tasks.reasons(task), measured)
    if not found:
        given = f"no reason on the list of {task} along an axis that it can judge"
        expected = f"a list of reasons along some of {', '.join(measured)} (guidelines page), or teacher.reasons of 0"
        raise InvalidValueError("reasons of the simulated teacher", given, expected)
    return found


def _about(question: Question) -> tuple[str, ...]:
    """Return what a question is judged by: success, its named axes, or the whole."""
    return (_SUCCESS,) if KINDS[question.kind].needs == "success" else axes_of(question.meta)
