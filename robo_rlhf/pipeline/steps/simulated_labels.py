"""Answers of the simulated teacher to questions about episodes of a dataset."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.reasons.simulated import SimulatedReasons, along_measures
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.feedback.teachers import TaskUtility, Teacher, answer_all
from robo_rlhf.pipeline.config import TeacherConfig
from robo_rlhf.sim.task_tools import style_measures

NAME = "simulated teacher"
_NOT_FAULTS = ("style_weight", "style_costs", "success_bonus", "reasons", "wrong_reasons")
_AT_ONCE = 20  # questions between two checks of the clock


class SimulatedLabeler:
    """The simulated teachers' view of the clips of some questions: what each step is worth, or whether it is done."""

    def __init__(
        self, dataset: Dataset, questions: Sequence[Question], settings: TeacherConfig, own: str | None
    ) -> None:
        """Judge clips of `dataset` on the scale of those in `questions`; `own`: the style measure of the task's own."""
        weights = dict.fromkeys(settings.measures(own), settings.style_weight)
        self._worth = TaskUtility(settings.success_bonus, weights, style_measures.cost)
        self._dataset, self._known, self._settings = dataset, dict[tuple[str, bool], Array](), settings
        self._costs = dict[tuple[str, str], Array]()
        self._faults = {name: value for name, value in asdict(settings).items() if name not in _NOT_FAULTS}
        clips = [self.utility(q, clip) for q in questions if not _about_success(q) for clip in q.segments]
        self._scale = {}
        if clips:
            scale = Teacher(**self._faults).calibrated(clips)
            self._scale = {"centre": scale.centre, "spread": scale.spread}

    def utility(self, question: Question, clip: Segment) -> Array:
        """Return the score of each step (L,) of a clip; of a question about success, 1 where it is done, else -1."""
        key = clip.episode_id, _about_success(question)
        if key not in self._known:
            episode = self._dataset.load(clip.episode_id)
            done = np.where(episode.success[1:], 1.0, -1.0)
            self._known[key] = done if _about_success(question) else self._worth(episode)
        return self._known[key][clip.start : clip.start + clip.length]

    def cost(self, question: Question, clip: Segment, measure: str) -> Array:
        """Return the cost of each step (L,) of a clip by a style measure."""
        key = clip.episode_id, measure
        if key not in self._costs:
            episode = self._dataset.load(clip.episode_id)
            self._costs[key] = style_measures.cost(episode.signals, episode.meta.control_dt, measure)
        return self._costs[key][clip.start : clip.start + clip.length]

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
        judging = Teacher(name=name, seed=seed, **self._faults, **self._scale)
        watching = Teacher(name=name, seed=seed, **self._faults)  # success has no scale
        reasons = self._reasons(store, questions, seed)
        for start in range(0, len(questions), _AT_ONCE):
            some = questions[start : start + _AT_ONCE]
            answer_all(store, [q for q in some if not _about_success(q)], judging, self.utility, reasons)
            answer_all(store, [q for q in some if _about_success(q)], watching, self.utility)
            tell(min(start + _AT_ONCE, len(questions)))

    def _reasons(self, store: Store, questions: Sequence[Question], seed: int) -> SimulatedReasons | None:
        """Return how reasons are given; None where none are.

        Raises:
            InvalidValueError: they are to be given, and none on the task's list is along a style measure.
        """
        share, mistake = self._settings.reasons, self._settings.wrong_reasons
        if not share or not questions:
            return None
        return SimulatedReasons(known_reasons(store, questions[0].task), self.cost, share, mistake, seed)


def known_reasons(store: Store, task: str) -> list[Reason]:
    """Return the reasons of a task's list that a simulated teacher can give.

    Raises:
        InvalidValueError: there is none.
    """
    found = along_measures(store.tasks.reasons(task), style_measures.MEASURES)
    if not found:
        measures = ", ".join(style_measures.MEASURES)
        given = f"no reason on the list of {task} that has a style measure as its axis"
        expected = f"a list of reasons along some of {measures} (guidelines page), or teacher.reasons of 0"
        raise InvalidValueError("reasons of the simulated teacher", given, expected)
    return found


def _about_success(question: Question) -> bool:
    return KINDS[question.kind].needs == "success"
