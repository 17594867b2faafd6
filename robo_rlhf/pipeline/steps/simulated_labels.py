"""Answers of the simulated teacher to questions about episodes of a dataset."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from robo_rlhf.core.types import Array, Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.feedback.teachers import TaskUtility, Teacher, answer_all
from robo_rlhf.pipeline.config import TeacherConfig
from robo_rlhf.sim.task_tools import style_measures

NAME = "simulated teacher"
_NOT_FAULTS = ("style_weight", "style_costs", "success_bonus")
_AT_ONCE = 20  # questions between two checks of the clock


class SimulatedLabeler:
    """The simulated teachers' scores of the clips of some questions."""

    def __init__(
        self, dataset: Dataset, questions: Sequence[Question], settings: TeacherConfig, own: str | None
    ) -> None:
        """Judge clips of `dataset` on the scale of those in `questions`; `own`: the style measure of the task's own."""
        weights = dict.fromkeys(settings.measures(own), settings.style_weight)
        self._worth = TaskUtility(settings.success_bonus, weights, style_measures.cost)
        self._dataset, self._known = dataset, dict[str, Array]()
        self._faults = {name: value for name, value in asdict(settings).items() if name not in _NOT_FAULTS}
        clips = [self.utility(question, clip) for question in questions for clip in question.segments]
        scale = Teacher(**self._faults).calibrated(clips)
        self._faults |= {"centre": scale.centre, "spread": scale.spread}

    def utility(self, question: Question, clip: Segment) -> Array:
        """Return the score of each step (L,) of a clip."""
        if clip.episode_id not in self._known:
            self._known[clip.episode_id] = self._worth(self._dataset.load(clip.episode_id))
        return self._known[clip.episode_id][clip.start : clip.start + clip.length]

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
        teacher = Teacher(name=name, seed=seed, **self._faults)
        for start in range(0, len(questions), _AT_ONCE):
            answer_all(store, questions[start : start + _AT_ONCE], teacher, self.utility)
            tell(min(start + _AT_ONCE, len(questions)))
