"""The simulated teacher gives reasons of the task's list, by the same measures by which it judges axes."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.pipeline.config import TeacherConfig
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler, known_reasons
from robo_rlhf.sim.task_tools.style_measures import cost
from tests.toy import demonstrations

LISTED = [Reason("jerky", "smoothness"), Reason("far", "path_length"), Reason("ugly")]


def test_each_reason_is_true_of_the_clip_that_lost(tmp_path: Path) -> None:
    episodes = demonstrations(8)
    task = episodes[0].meta.task
    dataset = Dataset(tmp_path / "shown", create=True, task=task)
    dataset.add_many(episodes)
    questions = []
    for one, other in zip(episodes[::2], episodes[1::2], strict=True):
        clips = tuple(Segment(e.meta.id, 0, min(len(one), len(other))) for e in (one, other))
        questions.append(Question(question_id("r", 1, "pairwise", clips), "r", 1, "pairwise", task, clips, "shown"))
    settings = TeacherConfig(reasons=1.0, wrong_reasons=0.0, equal_threshold=0.0, skip_threshold=-9.0)
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(questions)
        with pytest.raises(InvalidValueError, match="a list of reasons along some of smoothness, care with the object"):
            known_reasons(store, task)
        store.tasks.set_reasons(task, LISTED)
        SimulatedLabeler(dataset.load, questions, settings, None).answer(store, questions, 0)
        asked = {question.id: question for question in questions}
        given = [(asked[a.question_id], one) for a in store.answers() for one in a.value.get("reasons", ())]
    assert given
    measures = {"jerky": "peak_jerk", "far": "path_length"}
    for question, one in given:
        costs = []
        for clip in question.segments:
            episode = dataset.load(clip.episode_id)
            costs.append(
                np.mean(cost(episode.signals, episode.meta.control_dt, measures[one["reason"]])[: clip.length])
            )
        worse = "AB".index(one["clip"])
        assert costs[worse] > costs[1 - worse]
